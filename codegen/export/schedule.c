/* A schedule's bytecode as structured C. */
#include "export_internal.h"
#include <string.h>

/* ---- Places ------------------------------------------------------------------------------------------------------ */
/* Constants with the same bytes are one array. */
static uint32_t constant_of(const exporter *x, uint32_t b) {
    for (uint32_t i = 0; i < b; i++)
        if (x->buffers[i].kind == FPK_BUF_CONST && x->buffers[i].offset == x->buffers[b].offset &&
            x->buffers[i].size == x->buffers[b].size)
            return i;
    return b;
}

static const char *base(scope *s, uint32_t b) {
    exporter *x = s->x;
    const fpk_buffer *f = &x->buffers[b];
    switch ((fpk_buffer_kind)f->kind) {
    case FPK_BUF_INPUT: {
        const char *name = x->tensor[tensor_at(x, RT_INPUT, f->index)];
        uint32_t host = rt_tensor(x->p, RT_INPUT, f->index)->symbol;
        if (host != FPK_NONE && x->gpu)
            export_fail(x, "the kernels read the integer '%s' as a tensor of the device", name);
        s->tensors[tensor_at(x, RT_INPUT, f->index)] = true;
        if (host != FPK_NONE) s->uses[host] = true;
        return arena_printf(x->a, "(void *)%s%s", host != FPK_NONE ? "&" : "", name);
    }
    case FPK_BUF_OUTPUT:
        s->tensors[tensor_at(x, RT_OUTPUT, f->index)] = true;
        return x->tensor[tensor_at(x, RT_OUTPUT, f->index)];
    case FPK_BUF_PARAM:
        s->weights = true;
        return arena_printf(x->a, "(void *)weights->params.%s", x->tensor[tensor_at(x, RT_PARAM, f->index)]);
    case FPK_BUF_STATE:
        s->context = true;
        return arena_printf(x->a, "context->%s", x->tensor[tensor_at(x, RT_STATE, f->index)]);
    case FPK_BUF_CONST:
        x->const_used[constant_of(x, b)] = true;
        if (x->gpu) return s->queue = true, arena_printf(x->a, "q->device->constant%u", constant_of(x, b));
        return arena_printf(x->a, "(void *)constant%u", constant_of(x, b));
    case FPK_BUF_PACKED: s->weights = true; return arena_printf(x->a, "weights->packed%u", b);
    default: s->temps[b] = true; return arena_printf(x->a, "t%u", b);
    }
}

/* w: a buffer and an offset expression. */
static const char *address(scope *s, const uint32_t *w) {
    const char *b = base(s, w[0]);
    return w[1] == FPK_NONE ? b : arena_printf(s->x->a, "(char *)(%s) + %s", b, formula(s, w[1], true));
}

/* ---- Launch ------------------------------------------------------------------------------------------------------ */
static const char *where(const exporter *x, const fpk_kernel *k) {
    const char *file = rt_string(x->p, k->file), *slash = strrchr(file, '/');
    if (!*file) return rt_string(x->p, k->name);
    return arena_printf(x->a, "%s, %s:%u", rt_string(x->p, k->name), slash ? slash + 1 : file, k->line);
}

/* "a, b, c" broken over lines. */
static void add_item(text *t, const char *item, size_t *column) {
    if (*column + strlen(item) > 96)
        put(t, ",\n            "), *column = 0;
    else if (t->len)
        put(t, ", ");
    put(t, "%s", item);
    *column += strlen(item) + 2;
}

/* Declares the words and values of k's tensor maps; returns the arguments that name them. */
static const char *tensor_maps(scope *s, const fpk_kernel *k) {
    exporter *x = s->x;
    text words = {.a = x->a}, shapes = {.a = x->a};
    size_t column = 0;
    for (uint32_t i = 0; i < k->n_maps * FPK_MAP_WORDS; i++) add_item(&words, arena_printf(x->a, "%u", x->p->lists[k->maps + i]), &column);
    column = 0;
    for (uint32_t i = 0; i < k->n_maps * FPK_MAP_VALUES; i++)
        add_item(&shapes, formula(s, x->p->lists[k->ints + k->n_ints + i], false), &column);
    line(s, "static const unsigned maps[] = {%s};", text_of(&words));
    line(s, "const int64_t shapes[] = {%s};", text_of(&shapes));
    bool kept = s->layout->schedule != 1; /* the load program runs once */
    uint32_t place = kept ? x->n_map_places : 0;
    if (kept) x->n_map_places += k->n_maps;
    return arena_printf(x->a, "maps, shapes, %u, %u, ", k->n_maps, place);
}

static void launch(scope *s, const uint32_t *w) {
    exporter *x = s->x;
    const fpk_kernel *k = &x->kernels[w[1]];
    text args = {.a = x->a}, ints = {.a = x->a};
    size_t column = 0;
    bool was = s->checked;
    s->checked = false;
    for (uint32_t i = 0; i < k->n_inputs + k->n_outputs; i++) add_item(&args, address(s, w + 2 + 2 * i), &column);
    column = 0;
    for (uint32_t i = 0; i < k->n_ints; i++) add_item(&ints, formula(s, x->p->lists[k->ints + i], false), &column);
    const char *tasks = formula(s, k->tasks, false), *who = s->layout->schedule == 1 ? "NULL" : "context";
    line(s, "{ /* %s */", where(x, k));
    s->indent++;
    line(s, "void *buffers[] = {%s};", text_of(&args));
    if (k->n_ints) line(s, "const int64_t ints[] = {%s};", text_of(&ints));
    const char *maps = "";
    if (k->n_maps) maps = tensor_maps(s, k);
    else if (x->gpu && gpu_has_maps(x)) maps = "NULL, NULL, 0, 0, ";
    if (s->checked) {
        line(s, "const int64_t tasks = %s;", tasks);
        line(s, "if (bad) return %s_E_TOO_LARGE;", x->upper);
        tasks = "tasks";
    }
    if (x->gpu)
        line(s, "if (launch(q, %s, buffers, %u, %s, %u, %smemory + plan->total, %s, %s)) return %s_E_DEVICE;",
             x->kernel[w[1]], k->n_inputs + k->n_outputs, k->n_ints ? "ints" : "NULL", k->n_ints, maps,
             formula(s, k->scratch, false), tasks, x->upper);
    else
        line(s, "launch(%s, %s, buffers, %s, memory + plan->total, plan->scratch, %s);", who, x->kernel[w[1]],
             k->n_ints ? "ints" : "NULL", tasks);
    s->indent--;
    line(s, "}");
    s->checked |= was;
    s->at = s->memory = s->queue = true;
    s->context |= s->layout->schedule != 1 && !x->gpu;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
static void copy(scope *s, const uint32_t *w) {
    const char *dst = address(s, w + 1), *src = address(s, w + 3);
    s->queue = true;
    s->x->helps[HELP_DEVICE_COPY] = true;
    if (strcmp(dst, src) && s->x->gpu)
        line(s, "if (copy_(q, %s, %s, %s)) return %s_E_DEVICE;", dst, src, formula(s, w[5], false), s->x->upper);
    else if (strcmp(dst, src))
        line(s, "memmove(%s, %s, (size_t)%s);", dst, src, formula(s, w[5], true));
}

static void fill(scope *s, const uint32_t *w) {
    uint64_t pattern = w[5] | (uint64_t)w[6] << 32;
    const char *dst = address(s, w + 1);
    s->queue = true;
    if (s->x->gpu) {
        bool bytes = w[4] == 1 || pattern == 0;
        s->x->helps[bytes ? HELP_DEVICE_FILL8 : HELP_FILL] = true;
        if (bytes)
            line(s, "if (fill8_(q, %s, %u, %s)) return %s_E_DEVICE;", dst, (unsigned)(pattern & 0xff),
                 formula(s, w[3], false), s->x->upper);
        else
            line(s, "if (fill_(q, %s, %s, %u, UINT64_C(0x%llx))) return %s_E_DEVICE;", dst, formula(s, w[3], false),
                 (unsigned)w[4], (unsigned long long)pattern, s->x->upper);
        return;
    }
    if (w[4] == 1 || pattern == 0) {
        line(s, "memset(%s, %u, (size_t)%s);", dst, (unsigned)(pattern & 0xff), formula(s, w[3], true));
        return;
    }
    s->x->helps[HELP_FILL] = true;
    line(s, "fill_(%s, %s, %u, UINT64_C(0x%llx));", dst, formula(s, w[3], false), (unsigned)w[4],
         (unsigned long long)pattern);
}

static void swap(scope *s, const uint32_t *w) {
    const char *a = base(s, w[1]), *b = base(s, w[2]);
    line(s, "{ char *const other = %s; %s = %s; %s = other; }", a, a, b, b);
}

static void read_symbol(scope *s, const uint32_t *w) {
    exporter *x = s->x;
    const fpk_symbol *record = &x->p->symbols[w[1]];
    const char *name = x->symbol[w[1]];
    const char *status = status_for(
        x, arena_printf(x->a, "DIM_%s", upper(x->a, name)),
        arena_printf(x->a, "%s, which the run computed, is out of its bounds", rt_string(x->p, record->name)));
    s->uses[w[1]] = true;
    s->queue = true;
    if (x->gpu)
        line(s, "if (read_(q, &%s, %s, sizeof %s)) return %s_E_DEVICE;", name, address(s, w + 2), name, x->upper);
    else
        line(s, "memcpy(&%s, %s, sizeof %s);", name, address(s, w + 2), name);
    const char *test = record->lo > INT64_MIN ? arena_printf(x->a, "%s < %s", name, literal(x->a, record->lo)) : NULL;
    if (record->hi < INT64_MAX)
        test = arena_printf(x->a, "%s%s%s > %s", test ? test : "", test ? " || " : "", name, literal(x->a, record->hi));
    if (record->upper != FPK_NONE)
        test = arena_printf(x->a, "%s%s%s > %s", test ? test : "", test ? " || " : "", name,
                            formula(s, record->upper, true));
    if (test) line(s, "if (%s) return %s;", test, status);
}

/* ---- Control ----------------------------------------------------------------------------------------------------- */
static void open_test(scope *s, bool loop, const uint32_t *w) {
    const char *at = address(s, w + 1);
    if (!s->x->gpu)
        line(s, "%s (*(const unsigned char *)(%s)) {", loop ? "while" : "if", at);
    else {
        s->queue = s->flag = true;
        if (loop) line(s, "for (;;) {"), s->indent++;
        line(s, "if (read_(q, &flag, %s, 1)) return %s_E_DEVICE;", at, s->x->upper);
        if (loop)
            line(s, "if (!flag) break;"), s->indent--;
        else
            line(s, "if (flag) {");
    }
    s->indent++;
}

static void loop(scope *s, const uint32_t *w) {
    const char *i = s->x->symbol[w[1]];
    s->uses[w[1]] = true;
    line(s, "for (int64_t %s = 0; %s < %s; %s++) {", i, i, formula(s, w[2], true), i);
    s->indent++;
}

static void close(scope *s) {
    s->indent--;
    line(s, "}");
}

static void check(scope *s, const fpk_check *c) {
    static const char *const ops[] = {"==", "!=", "<", "<="};
    const char *status = status_for(s->x, "CHECK", rt_string(s->x->p, c->text));
    line(s, "if (!(%s %s %s)) return %s;", formula(s, c->lhs, true), ops[c->compare], formula(s, c->rhs, true), status);
}

static void instruction(scope *s, const uint32_t *w) {
    switch ((fpk_op)(w[0] & 0xff)) {
    case FPK_OP_LAUNCH: launch(s, w); break;
    case FPK_OP_COPY: copy(s, w); break;
    case FPK_OP_FILL: fill(s, w); break;
    case FPK_OP_SWAP: swap(s, w); break;
    case FPK_OP_LOOP: loop(s, w); break;
    case FPK_OP_WHILE: open_test(s, true, w); break;
    case FPK_OP_IF: open_test(s, false, w); break;
    case FPK_OP_ELSE: s->indent--, line(s, "} else {"), s->indent++; break;
    case FPK_OP_NEXT:
    case FPK_OP_ENDIF: close(s); break;
    case FPK_OP_READ_SYM: read_symbol(s, w); break;
    case FPK_OP_CHECK: check(s, &s->x->p->checks[w[1]]); break;
    case FPK_OP_END:
    case FPK_OPS: break;
    }
}

/* ---- The function ------------------------------------------------------------------------------------------------ */
static bool has_swaps(const exporter *x, const fpk_schedule *f) {
    for (uint32_t pc = 0; pc < f->count; pc += x->p->words[f->first + pc] >> 8)
        if ((x->p->words[f->first + pc] & 0xff) == FPK_OP_SWAP) return true;
    return false;
}

static void put_temps(text *t, scope *s, bool swaps) {
    exporter *x = s->x;
    for (uint32_t b = 0; b < x->v->n_buffers; b++) {
        if (!s->temps[b]) continue;
        put(t, "    char *%st%u = memory + %s;\n", swaps ? "" : "const ", b, s->layout->at[b]);
        s->memory = true;
        s->at |= s->layout->at[b][0] == 'p';
    }
}

static void silence(text *t, const scope *s, bool load, bool run) {
    exporter *x = s->x;
    if (load && !s->weights) put(t, "    (void)weights;\n");
    if (!load && !s->context) put(t, "    (void)context;\n");
    if (x->gpu && !s->queue) put(t, "    (void)q;\n");
    if (!s->at) put(t, "    (void)plan;\n");
    if (!s->memory) put(t, "    (void)memory;\n");
    for (uint32_t i = 0; run && i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_RUN && !s->uses[i]) put(t, "    (void)%s;\n", x->symbol[i]);
    for (uint32_t i = 0; run && i < x->p->info->n_inputs + x->p->info->n_outputs; i++) {
        if (i < x->p->info->n_inputs && rt_tensor(x->p, RT_INPUT, i)->symbol != FPK_NONE) continue;
        if (!s->tensors[i]) put(t, "    (void)%s;\n", x->tensor[i]);
    }
}

void put_schedule(text *t, layout *l) {
    exporter *x = l->x;
    const fpk_schedule *f = &x->p->schedules[x->v->first_schedule + l->schedule];
    const uint32_t *code = x->p->words + f->first;
    bool run = l->schedule == 0, load = l->schedule == 1;
    scope s;
    scope_init(&s, x, l);
    for (uint32_t pc = 0; pc < f->count; pc += code[pc] >> 8) instruction(&s, code + pc);
    for (uint32_t i = 0; run && i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_DEVICE && in_outputs(x, i)) {
            s.uses[i] = true;
            line(&s, "if (%s) *%s = %s;", output_extent(x, i), output_extent(x, i), x->symbol[i]);
        }
    text locals = {.a = x->a};
    put_temps(&locals, &s, has_swaps(x, f));
    put_device_bounds(&locals, &s, false);
    if (s.flag) put(&locals, "    unsigned char flag = 0;\n");
    put(t, "static %s_status %s_schedule(%s%s, const %s_plan *plan, char *memory", x->name, l->suffix,
        x->gpu ? "const queue *q, " : "",
        load ? arena_printf(x->a, "const %s_weights *weights", x->name)
             : arena_printf(x->a, "const %s_context *context", x->name),
        l->suffix);
    if (run) put_run_params(x, t, false, ", ");
    put(t, ") {\n");
    put_locals(t, &s, load ? "weights" : NULL);
    put(t, "%s", text_of(&locals));
    silence(t, &s, load, run);
    put(t, "%s    return %s_OK;\n}\n\n", text_of(&s.body), x->upper);
}
