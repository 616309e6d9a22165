/* Values of symbols and elements of inputs, by the seed; runs on them. */
#include "graphgen_internal.h"
#include <math.h>
#include <stdlib.h>

int64_t graphgen_dim(uint64_t seed, const char *name) {
    uint64_t state = seed;
    for (; *name; name++) state = state * 31 + (unsigned char)*name;
    return (int64_t)(gen_random(&state) % (GEN_MAX_EXTENT + 1));
}

static bool symbol_value(void *u, sym_t var, int64_t *v) {
    *v = graphgen_dim(*(const uint64_t *)u, sym_var_name(var));
    return true;
}

typedef struct bound_values {
    const ir_module *m;
    const int64_t *values;
    int n;
} bound_values;
static bool bound_value(void *u, sym_t var, int64_t *v) {
    const bound_values *b = u;
    for (int i = 0; i < b->n; i++)
        if (b->m->symbols.data[i] == var) return *v = b->values[i], true;
    return false;
}

void graphgen_binding(const ir_module *m, uint64_t seed, int row, int64_t *values) {
    uint64_t state = seed * 64 + (uint64_t)row;
    for (int i = 0; i < m->symbols.len; i++) {
        sym_t var = m->symbols.data[i];
        int64_t lo, hi;
        uint64_t r = gen_random(&state);
        values[i] = (int64_t)(r >> 8) % 9;
        if (row && (r & 7) == 0) values[i] = (int64_t)(r >> 8) % 301;
        else if (row && (r & 7) == 1) values[i] = (int64_t)(r >> 8) % 40;
        bound_values b = {m, values, i};
        if (sym_var_lo(var) && sym_eval(sym_var_lo(var), bound_value, &b, &lo) && values[i] < lo) values[i] = lo;
        if (sym_var_hi(var) && sym_eval(sym_var_hi(var), bound_value, &b, &hi) && values[i] > hi)
            values[i] = hi < 0 ? 0 : (int64_t)(r >> 8) % (hi + 1);
    }
}

static double draw_float(uint64_t *state, bool tame) {
    static const double special[] = {0, -0.0, 1, -1, 1e30, -1e30, INFINITY, NAN};
    uint64_t r = gen_random(state);
    if (r % 40 == 0) return special[r / 40 % (tame ? 4 : 8)];
    return (double)(int64_t)(r >> 11) / 0x1p53 * 4 - 2;
}

/* The data of argument i; the caller frees it. False when its dims do not evaluate. */
static bool make_input(const ir_func *f, int i, uint64_t seed, int flags, interp_tensor *out) {
    ir_type t = f->body->args[i]->type;
    uint64_t state = seed ^ ((uint64_t)i + 1) * UINT64_C(0xD1B54A32D192ED03);
    *out = (interp_tensor){.dtype = (frit_dtype)t.dtype, .rank = t.rank};
    for (int d = 0; d < t.rank; d++)
        if (!sym_eval(t.dims[d], symbol_value, &seed, &out->shape[d])) return false;
    int64_t n = interp_elements(out);
    if (n < 0 || n > 1 << 20) return false;
    out->data = calloc(1, (size_t)frit_dtype_bytes(out->dtype, n) + 1);
    for (int64_t k = 0; out->data && k < n; k++) {
        if (frit_dtype_is_float(out->dtype))
            frit_store_float(out->dtype, out->data, k, draw_float(&state, flags & GRAPHGEN_TAME));
        else {
            uint64_t r = gen_random(&state);
            frit_store_int(out->dtype, out->data, k, r % 5 ? (int64_t)(r / 5 % 9) - 1 : (int64_t)(r / 5));
        }
    }
    return out->data != NULL;
}

interp_status graphgen_run(ir_module *m, const ir_func *f, uint64_t seed, int flags, interp_tensor *results) {
    interp_options options = {.wide = flags & GRAPHGEN_WIDE, .seed = seed, .max_bytes = INT64_C(1) << 28,
                              .max_ops = 100000};
    interp *it = interp_new(m, &options);
    interp_tensor in[64];
    int n = f->body->n_args, made = 0;
    interp_status s = n <= 64 ? INTERP_OK : INTERP_BAD_INPUT;
    for (int i = 0; i < m->symbols.len; i++) {
        int64_t v = graphgen_dim(seed, sym_var_name(m->symbols.data[i]));
        interp_bind(it, m->symbols.data[i], v);
    }
    for (; s == INTERP_OK && made < n; made++)
        if (!make_input(f, made, seed, flags, &in[made])) s = INTERP_BAD_INPUT;
    if (s == INTERP_OK) s = interp_run(it, f, n, in, f->n_results, results);
    while (made > 0) interp_tensor_free(&in[--made]);
    interp_free(it);
    return s;
}
