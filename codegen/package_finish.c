/* From the tables to bytes: sections in the order of their kinds, checksums last. */
#include "package_internal.h"
#include <string.h>

/* ---- Symbols: where they get their values, and in what bounds ---------------------------------------------------- */
/* A constant bound goes to *number, another one to *expr. */
static void put_bound(package *p, sym_t bound, int64_t *number, uint32_t *expr) {
    int64_t v;
    if (!bound || sym_is_invalid(bound)) return;
    if (sym_is_const(bound, &v))
        *number = v;
    else
        *expr = package_expr(p, bound, 0);
}

static void finish_symbol(package *p, int i) {
    sym_t var = p->symbols.data[i].var;
    fpk_symbol s = p->symbols.data[i].record;
    if (s.role == ROLE_LOOP || s.role == ROLE_SEED) return;
    bool given = s.role != ROLE_BOUND || p->symbols.data[i].tensor_dim || sym_var_role(var) == SYM_DIM;
    if (!given) package_wrong(p, "nothing gives %s a value", sym_var_name(var));
    if (sym_var_role(var) == SYM_DIM) s.lo = 0;
    put_bound(p, sym_var_lo(var), &s.lo, &s.lower);
    put_bound(p, sym_var_hi(var), &s.hi, &s.upper);
    if (sym_var_multiple(var) > 1) s.multiple = sym_var_multiple(var);
    if (s.role == ROLE_DEVICE && s.hi == INT64_MAX && s.upper == FPK_NONE)
        package_wrong(p, "%s, which is read on the device, has no upper bound", sym_var_name(var));
    p->symbols.data[i].record = s;
}

/* Bounds may bring new symbols, which are finished too. */
static void finish_symbols(package *p) {
    for (int i = 0; i < p->symbols.len; i++) finish_symbol(p, i);
}

/* ---- Sections ---------------------------------------------------------------------------------------------------- */
typedef struct layout {
    package *p;
    fpk_section sections[FPK_SECTION_KINDS];
    const void *data[FPK_SECTION_KINDS];
    int n;
    uint64_t end;
} layout;

static void section(layout *l, fpk_section_kind kind, const void *data, uint64_t count, uint32_t record) {
    if (!count) return;
    fpk_section *s = &l->sections[l->n];
    *s = (fpk_section){.kind = kind,
                       .record = record,
                       .offset = (l->end + FPK_ALIGN - 1) / FPK_ALIGN * FPK_ALIGN,
                       .size = count * record};
    l->data[l->n++] = data;
    l->end = s->offset + s->size;
}

static const fpk_symbol *symbol_table(package *p) {
    fpk_symbol *t = arena_array(p->a, fpk_symbol, p->symbols.len);
    for (int i = 0; i < p->symbols.len; i++) t[i] = p->symbols.data[i].record;
    return t;
}

/* All tensors in the order of kinds; gives params kept inside their offsets. *weights: bytes of these. */
static const fpk_tensor *tensor_table(package *p, int *n, uint64_t *weights) {
    *n = 0, *weights = 0;
    for (int k = 0; k < PACKAGE_TENSOR_KINDS; k++) *n += p->tensors[k].len;
    fpk_tensor *t = arena_array(p->a, fpk_tensor, *n), *at = t;
    for (int k = 0; k < PACKAGE_TENSOR_KINDS; k++) {
        for (int i = 0; i < p->tensors[k].len; i++, at++) {
            package_tensor *x = &p->tensors[k].data[i];
            if (x->data) {
                x->record.offset = (*weights + FPK_ALIGN - 1) / FPK_ALIGN * FPK_ALIGN;
                *weights = x->record.offset + x->record.size;
            }
            *at = x->record;
        }
    }
    return t;
}

static void lay_out(layout *l) {
    package *p = l->p;
    int n_tensors;
    uint64_t weights;
    p->info.n_inputs = (uint32_t)p->tensors[PACKAGE_INPUT].len,
    p->info.n_outputs = (uint32_t)p->tensors[PACKAGE_OUTPUT].len;
    p->info.n_params = (uint32_t)p->tensors[PACKAGE_PARAM].len,
    p->info.n_states = (uint32_t)p->tensors[PACKAGE_STATE].len;
    const fpk_tensor *tensors = tensor_table(p, &n_tensors, &weights);
    l->end = sizeof(fpk_header) + FPK_SECTION_KINDS * sizeof(fpk_section);
#define VEC_SECTION(kind, v) section(l, kind, (v).data, (uint64_t)(v).len, sizeof *(v).data)
    section(l, FPK_INFO, &p->info, 1, sizeof p->info);
    section(l, FPK_STRINGS, p->strings.data, p->strings.len, 1);
    section(l, FPK_SYMBOLS, symbol_table(p), (uint64_t)p->symbols.len, sizeof(fpk_symbol));
    VEC_SECTION(FPK_STEPS, p->steps);
    VEC_SECTION(FPK_EXPRS, p->exprs);
    VEC_SECTION(FPK_LISTS, p->lists);
    section(l, FPK_TENSORS, tensors, (uint64_t)n_tensors, sizeof *tensors);
    VEC_SECTION(FPK_CHECKS, p->checks);
    VEC_SECTION(FPK_VARIANTS, p->variants);
    VEC_SECTION(FPK_BUFFERS, p->buffers);
    VEC_SECTION(FPK_KERNELS, p->kernels);
    VEC_SECTION(FPK_SCHEDULES, p->schedules);
    VEC_SECTION(FPK_WORDS, p->words);
#undef VEC_SECTION
    section(l, FPK_DATA, p->data.data, p->data.len, 1);
    section(l, FPK_CODE, p->code.data, p->code.len, 1);
    section(l, FPK_WEIGHTS, NULL, weights, 1);
}

static void put_weights(package *p, uint8_t *to) {
    for (int i = 0; i < p->tensors[PACKAGE_PARAM].len; i++) {
        const package_tensor *t = &p->tensors[PACKAGE_PARAM].data[i];
        if (t->data) memcpy(to + t->record.offset, t->data, t->record.size);
    }
}

static void write_bytes(layout *l, uint8_t *out) {
    for (int i = 0; i < l->n; i++) {
        fpk_section *s = &l->sections[i];
        if (s->kind == FPK_WEIGHTS)
            put_weights(l->p, out + s->offset);
        else
            memcpy(out + s->offset, l->data[i], s->size);
        s->checksum = fpk_hash(out + s->offset, s->size);
    }
    fpk_header h = {.magic = FPK_MAGIC, .version = FPK_VERSION, .n_sections = (uint32_t)l->n, .file_size = l->end};
    memcpy(out, &h, sizeof h);
    memcpy(out + sizeof h, l->sections, (size_t)l->n * sizeof *l->sections);
    h.checksum = fpk_hash(out, sizeof h + (size_t)l->n * sizeof *l->sections);
    memcpy(out, &h, sizeof h);
}

const void *package_write(package *p, uint64_t *n) {
    layout l = {.p = p};
    lay_out(&l);
    uint8_t *out = arena_alloc(p->a, l.end + FPK_ALIGN);
    out += (FPK_ALIGN - (uintptr_t)out % FPK_ALIGN) % FPK_ALIGN;
    write_bytes(&l, out);
    *n = l.end;
    return out;
}

bool package_finish(package *p, const void **bytes, uint64_t *n, const char **why) {
    package_close_schedule(p);
    if (!p->variants.len) package_wrong(p, "a package has no target");
    finish_symbols(p);
    if (!p->why) *bytes = package_write(p, n);
    if (why) *why = p->why;
    return !p->why;
}
