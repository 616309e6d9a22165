/* One package from several of the same model, each with variants of its own: tables are translated record by record,
 * and what is equal is stored once. */
#include "package_internal.h"
#include <string.h>

/* A package whose records are read, and what became of its records in the one being made. */
typedef struct source {
    const uint8_t *base;
    fpk_section sections[FPK_SECTION_KINDS];
    uint32_t *symbol, *expr, *check; /* index here -> index there */
} source;

static const uint32_t not_yet = FPK_NONE;

static bool find_sections(source *s, const void *bytes, uint64_t n) {
    const fpk_header *h = bytes;
    s->base = bytes;
    if (n < sizeof *h || memcmp(h->magic, FPK_MAGIC, 8) || h->version != FPK_VERSION || h->file_size != n ||
        h->n_sections > FPK_SECTION_KINDS)
        return false;
    const fpk_section *at = (const fpk_section *)(h + 1);
    for (uint32_t i = 0; i < h->n_sections; i++)
        if (at[i].kind < FPK_SECTION_KINDS) s->sections[at[i].kind] = at[i];
    return s->sections[FPK_INFO].size == sizeof(fpk_info) && s->sections[FPK_VARIANTS].size > 0;
}

static const void *table(const source *s, fpk_section_kind k) { return s->base + s->sections[k].offset; }
static uint32_t count(const source *s, fpk_section_kind k) {
    return s->sections[k].record ? (uint32_t)(s->sections[k].size / s->sections[k].record) : 0;
}
static const char *text(const source *s, uint32_t string) { return (const char *)table(s, FPK_STRINGS) + string; }
static uint32_t string(package *p, const source *s, uint32_t at) {
    return at == FPK_NONE ? FPK_NONE : package_string(p, text(s, at));
}

/* ---- Symbols and expressions ------------------------------------------------------------------------------------- */
static bool same_symbol(const package *p, const fpk_symbol *have, const source *s, const fpk_symbol *x) {
    return have->role == x->role && have->lo == x->lo && have->hi == x->hi && have->multiple == x->multiple &&
           !strcmp((const char *)p->strings.data + have->name, text(s, x->name));
}

/* Symbols of one model have the same names in the same order, whatever it was compiled for: the k-th of a kind is the
 * k-th there. Bounds follow when all symbols have their places. */
static void take_symbols(package *p, source *s) {
    const fpk_symbol *x = table(s, FPK_SYMBOLS);
    uint32_t n = count(s, FPK_SYMBOLS);
    int known = p->symbols.len;
    bool *taken = arena_array(p->a, bool, known + 1);
    for (uint32_t i = 0; i < n; i++) {
        int at = 0;
        while (at < known && (taken[at] || !same_symbol(p, &p->symbols.data[at].record, s, &x[i]))) at++;
        if (at < known) taken[at] = true;
        s->symbol[i] = at < known ? (uint32_t)at : (uint32_t)p->symbols.len;
        if (at < known) continue;
        package_symbol new = {.record = x[i]};
        new.record.name = string(p, s, x[i].name);
        new.record.lower = new.record.upper = not_yet;
        vec_push(p->a, &p->symbols, new);
    }
}

static bool same_steps(const package *p, fpk_expr have, const fpk_step *steps, uint32_t n) {
    return have.count == n && !memcmp(p->steps.data + have.first, steps, n * sizeof *steps);
}

static uint32_t take_expr(package *p, source *s, uint32_t e) {
    if (e == FPK_NONE || s->expr[e] != not_yet) return e == FPK_NONE ? e : s->expr[e];
    fpk_expr x = ((const fpk_expr *)table(s, FPK_EXPRS))[e];
    fpk_step *steps = arena_copy(p->a, (const fpk_step *)table(s, FPK_STEPS) + x.first, x.count * sizeof *steps);
    for (uint32_t i = 0; i < x.count; i++)
        if (steps[i].op == FPK_SYM) steps[i].sym = s->symbol[steps[i].sym];
    bool found;
    uint32_t *slot = map_slot(p->a, &p->expr_map, fpk_hash(steps, x.count * sizeof *steps), &found);
    if (found && same_steps(p, p->exprs.data[*slot - 1], steps, x.count)) return s->expr[e] = *slot - 1;
    x.first = (uint32_t)p->steps.len;
    for (uint32_t i = 0; i < x.count; i++) vec_push(p->a, &p->steps, steps[i]);
    vec_push(p->a, &p->exprs, x);
    *slot = (uint32_t)p->exprs.len;
    return s->expr[e] = *slot - 1;
}

static void take_bounds(package *p, source *s) {
    const fpk_symbol *x = table(s, FPK_SYMBOLS);
    for (uint32_t i = 0; i < count(s, FPK_SYMBOLS); i++) {
        uint32_t lower = take_expr(p, s, x[i].lower), upper = take_expr(p, s, x[i].upper);
        fpk_symbol *to = &p->symbols.data[s->symbol[i]].record;
        if (to->lower == not_yet) to->lower = lower;
        if (to->upper == not_yet) to->upper = upper;
    }
}

/* ---- What all variants share ------------------------------------------------------------------------------------- */
static package_tensor take_tensor(package *p, source *s, const fpk_tensor *x) {
    const uint32_t *lists = table(s, FPK_LISTS);
    package_tensor t = {.record = *x};
    t.record.name = string(p, s, x->name), t.record.type = string(p, s, x->type), t.record.file = string(p, s, x->file);
    t.record.symbol = x->symbol == FPK_NONE ? FPK_NONE : s->symbol[x->symbol];
    t.record.dims = (uint32_t)p->lists.len;
    for (uint32_t k = 0; k < 2u * x->rank; k++) {
        uint32_t v = lists[x->dims + k];
        v = k < x->rank ? take_expr(p, s, v) : string(p, s, v);
        vec_push(p->a, &p->lists, v);
    }
    if (x->place == 1) t.data = (const uint8_t *)table(s, FPK_WEIGHTS) + x->offset; /* FRIT_PARAM_INSIDE */
    return t;
}

static void take_shared(package *p, source *s) {
    const fpk_info *info = table(s, FPK_INFO);
    const fpk_tensor *x = table(s, FPK_TENSORS);
    const uint32_t n[PACKAGE_TENSOR_KINDS] = {info->n_inputs, info->n_outputs, info->n_params, info->n_states};
    p->info.entry = string(p, s, info->entry), p->info.doc = string(p, s, info->doc);
    p->info.compiler = string(p, s, info->compiler);
    for (int kind = 0; kind < PACKAGE_TENSOR_KINDS; kind++)
        for (uint32_t i = 0; i < n[kind]; i++) {
            package_tensor t = take_tensor(p, s, x++);
            vec_push(p->a, &p->tensors[kind], t);
        }
}

static void take_check(package *p, source *s, uint32_t i) {
    fpk_check c = ((const fpk_check *)table(s, FPK_CHECKS))[i];
    c.lhs = take_expr(p, s, c.lhs), c.rhs = take_expr(p, s, c.rhs);
    c.text = string(p, s, c.text), c.file = string(p, s, c.file);
    uint32_t at = 0;
    while (at < (uint32_t)p->checks.len && memcmp(&p->checks.data[at], &c, sizeof c)) at++;
    if (at == (uint32_t)p->checks.len) vec_push(p->a, &p->checks, c);
    s->check[i] = at;
}

/* The packages are of one model: the same tensors, in the same words. */
static bool same_model(const source *a, const source *b) {
    const fpk_info *x = table(a, FPK_INFO), *y = table(b, FPK_INFO);
    if (x->n_inputs != y->n_inputs || x->n_outputs != y->n_outputs || x->n_params != y->n_params ||
        x->n_states != y->n_states || strcmp(text(a, x->entry), text(b, y->entry)))
        return false;
    const fpk_tensor *s = table(a, FPK_TENSORS), *t = table(b, FPK_TENSORS);
    for (uint32_t i = 0; i < count(a, FPK_TENSORS); i++)
        if (strcmp(text(a, s[i].name), text(b, t[i].name)) || strcmp(text(a, s[i].type), text(b, t[i].type)))
            return false;
    return true;
}

/* ---- Variants ---------------------------------------------------------------------------------------------------- */
static void take_buffer(package *p, source *s, fpk_buffer b) {
    if (b.kind == FPK_BUF_CONST) {
        int64_t bytes =
            ((const fpk_step *)table(s, FPK_STEPS))[((const fpk_expr *)table(s, FPK_EXPRS))[b.size].first].value;
        b.offset = package_data(p, (const uint8_t *)table(s, FPK_DATA) + b.offset, (uint64_t)bytes);
    }
    b.size = take_expr(p, s, b.size);
    vec_push(p->a, &p->buffers, b);
}

static void take_kernel(package *p, source *s, fpk_kernel k) {
    const uint32_t *ints = (const uint32_t *)table(s, FPK_LISTS) + k.ints, *maps = (const uint32_t *)table(s, FPK_LISTS) + k.maps;
    k.name = string(p, s, k.name), k.file = string(p, s, k.file), k.entry = string(p, s, k.entry);
    k.ints = (uint32_t)p->lists.len;
    for (uint32_t i = 0; i < k.n_ints + k.n_maps * FPK_MAP_VALUES; i++) {
        uint32_t e = take_expr(p, s, ints[i]);
        vec_push(p->a, &p->lists, e);
    }
    k.maps = (uint32_t)p->lists.len;
    for (uint32_t i = 0; i < k.n_maps * FPK_MAP_WORDS; i++) vec_push(p->a, &p->lists, maps[i]);
    k.tasks = take_expr(p, s, k.tasks), k.scratch = take_expr(p, s, k.scratch);
    k.bytes = take_expr(p, s, k.bytes), k.flops = take_expr(p, s, k.flops);
    vec_push(p->a, &p->kernels, k);
}

/* Instructions name buffers and kernels within the variant, which stay; expressions, symbols and checks by their places
 * in the package. */
static void take_instruction(package *p, source *s, uint32_t *w) {
    uint32_t length = w[0] >> 8;
    switch ((fpk_op)(w[0] & 0xff)) {
    case FPK_OP_LAUNCH:
        for (uint32_t i = 3; i < length; i += 2) w[i] = take_expr(p, s, w[i]);
        return;
    case FPK_OP_COPY: w[2] = take_expr(p, s, w[2]), w[4] = take_expr(p, s, w[4]), w[5] = take_expr(p, s, w[5]); return;
    case FPK_OP_FILL: w[2] = take_expr(p, s, w[2]), w[3] = take_expr(p, s, w[3]); return;
    case FPK_OP_LOOP: w[1] = s->symbol[w[1]], w[2] = take_expr(p, s, w[2]); return;
    case FPK_OP_WHILE:
    case FPK_OP_IF: w[2] = take_expr(p, s, w[2]); return;
    case FPK_OP_READ_SYM: w[1] = s->symbol[w[1]], w[3] = take_expr(p, s, w[3]); return;
    case FPK_OP_CHECK: w[1] = s->check[w[1]]; return;
    case FPK_OP_END:
    case FPK_OP_SWAP:
    case FPK_OP_NEXT:
    case FPK_OP_ELSE:
    case FPK_OP_ENDIF:
    case FPK_OPS: return;
    }
}

static void take_schedule(package *p, source *s, fpk_schedule x) {
    uint32_t *w = arena_copy(p->a, (const uint32_t *)table(s, FPK_WORDS) + x.first, x.count * sizeof *w);
    for (uint32_t pc = 0; pc < x.count; pc += w[pc] >> 8) take_instruction(p, s, w + pc);
    x.first = (uint32_t)p->words.len;
    for (uint32_t i = 0; i < x.count; i++) vec_push(p->a, &p->words, w[i]);
    vec_push(p->a, &p->schedules, x);
}

static void take_variant(package *p, source *s, fpk_variant v) {
    const fpk_buffer *b = (const fpk_buffer *)table(s, FPK_BUFFERS) + v.first_buffer;
    const fpk_kernel *k = (const fpk_kernel *)table(s, FPK_KERNELS) + v.first_kernel;
    const fpk_schedule *x = (const fpk_schedule *)table(s, FPK_SCHEDULES) + v.first_schedule;
    const uint8_t *code = (const uint8_t *)table(s, FPK_CODE) + v.code_offset;
    for (int i = 0; i < p->variants.len; i++)
        if (!strcmp((const char *)p->strings.data + p->variants.data[i].target, text(s, v.target)))
            package_wrong(p, "target %s is given twice", text(s, v.target));
    v.target = string(p, s, v.target);
    v.first_buffer = (uint32_t)p->buffers.len, v.first_kernel = (uint32_t)p->kernels.len;
    v.first_schedule = (uint32_t)p->schedules.len;
    v.code_offset = bytes_append(p->a, &p->code, code, v.code_size, FPK_ALIGN);
    for (uint32_t i = 0; i < v.n_buffers; i++) take_buffer(p, s, b[i]);
    for (uint32_t i = 0; i < v.n_kernels; i++) take_kernel(p, s, k[i]);
    for (int i = 0; i < 2 + p->tensors[PACKAGE_STATE].len; i++) take_schedule(p, s, x[i]);
    vec_push(p->a, &p->variants, v);
}

static void take(package *p, source *s, bool first) {
    uint32_t n_exprs = count(s, FPK_EXPRS);
    s->symbol = arena_array(p->a, uint32_t, count(s, FPK_SYMBOLS) + 1);
    s->expr = arena_array(p->a, uint32_t, n_exprs + 1);
    s->check = arena_array(p->a, uint32_t, count(s, FPK_CHECKS) + 1);
    for (uint32_t i = 0; i < n_exprs; i++) s->expr[i] = not_yet;
    take_symbols(p, s);
    take_bounds(p, s);
    if (first) take_shared(p, s);
    for (uint32_t i = 0; i < count(s, FPK_CHECKS); i++) take_check(p, s, i);
    for (uint32_t i = 0; i < count(s, FPK_VARIANTS); i++)
        take_variant(p, s, ((const fpk_variant *)table(s, FPK_VARIANTS))[i]);
}

bool package_merge(arena *a, int n, const package_bytes *from, package_bytes *out, const char **why) {
    package *p = arena_new_of(a, package);
    source *s = arena_array(a, source, n + 1);
    p->a = a, p->schedule = -1;
    bytes_append(a, &p->strings, "", 1, 1);
    for (int i = 0; i < n; i++) {
        if (!find_sections(&s[i], from[i].data, from[i].n))
            package_wrong(p, "what is to be joined is no package");
        else if (i && !same_model(&s[0], &s[i]))
            package_wrong(p, "the packages are not of one model");
        else if (!p->why)
            take(p, &s[i], i == 0);
    }
    if (!p->why) out->data = package_write(p, &out->n);
    if (why) *why = p->why;
    return !p->why;
}
