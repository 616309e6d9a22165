/* Random tile programs against the reference: any mix of axes, tiles, lanes, access maps, dtypes and combinations.
 * An argument gives the number of programs, a second one the first seed. */
#include "reference.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rng {
    uint64_t s;
} rng;

static int pick(rng *r, int n) {
    r->s = r->s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((r->s >> 33) % (uint64_t)n);
}

enum { MAX_BUFS = 40, MAX_AXES = 4 };

typedef struct gen {
    rng r;
    prog p;
    sym_t dims[3], task; /* M, N, K; the grid's var or NULL */
    int n_bufs;
    ir_type types[MAX_BUFS];
    bool written[MAX_BUFS];
    /* The stage being made. */
    int n, parallel;
    ir_op *stage;
    ir_value *core; /* what an earlier stage of the task left in a buffer of its own, or NULL */
    sym_t vars[MAX_AXES], extent[MAX_AXES];
} gen;

static sym_t random_extent(gen *g) {
    int k = pick(&g->r, 6);
    if (k < 3) return g->dims[k];
    return sym_const(g->p.c, (int64_t[]){1, 3, 8, 13, 16, 20}[pick(&g->r, 6)]);
}

/* A coordinate over the stage's vars (only the parallel ones if so) and the size of an axis that holds it. */
static sym_t random_coordinate(gen *g, bool parallel_only, sym_t *size, bool *checked) {
    sym_ctx *c = g->p.c;
    int n = parallel_only ? g->parallel : g->n;
    *checked = false;
    if (n == 0) {
        *size = sym_const(c, 1);
        return sym_const(c, 0);
    }
    int i = pick(&g->r, n), j = pick(&g->r, n);
    sym_t v = g->vars[i], e = g->extent[i];
    switch (pick(&g->r, 12)) {
    case 0: *size = sym_add(c, e, g->extent[j]); return sym_add(c, v, g->vars[j]);
    case 1: *size = sym_addi(c, sym_muli(c, e, 2), 1); return sym_addi(c, sym_muli(c, v, 2), 1);
    case 2: *size = e; return sym_sub(c, sym_addi(c, e, -1), v);
    case 3: *size = e; return sym_floordiv(c, v, sym_const(c, 3));
    case 4: *size = sym_const(c, 4); return sym_mod(c, v, sym_const(c, 4));
    case 5: *size = e, *checked = true; return sym_addi(c, v, pick(&g->r, 9) - 4);
    case 6: *size = e, *checked = true; return sym_addi(c, sym_add(c, v, g->vars[j]), -3);
    case 7: *size = sym_const(c, 2); return sym_const(c, 1);
    default: *size = e; return v;
    }
}

static const frit_dtype dtypes[] = {FRIT_f32, FRIT_f32, FRIT_f32, FRIT_i32, FRIT_f64, FRIT_i8, FRIT_u16, FRIT_bool, FRIT_i64, FRIT_u4, FRIT_bf16, FRIT_f16,
                                    FRIT_f8e4m3, FRIT_f8e5m2, FRIT_i4, FRIT_u64};

static ir_value *new_buffer(gen *g, frit_dtype t, int rank, const sym_t *dims, bool written) {
    ir_value *b = buffer(&g->p, t, rank, dims);
    g->types[g->n_bufs] = b->type;
    g->written[g->n_bufs++] = written;
    return b;
}

static ir_value *random_read(gen *g, bool parallel_only, frit_dtype want, ir_value *index) {
    bool core = g->core && !index && pick(&g->r, 2);
    int rank = core ? g->core->type.rank : pick(&g->r, 4), n_checked = 0;
    sym_t dims[4], map[4], row = NULL;
    int64_t checked[4];
    frit_dtype t = dtypes[pick(&g->r, sizeof dtypes / sizeof *dtypes)];
    for (int i = 0; i < rank; i++) {
        bool check;
        map[i] = random_coordinate(g, parallel_only, &dims[i], &check);
        if (index && i == 0) {
            row = sym_var(g->p.c, "row", SYM_VALUE, NULL, NULL);
            map[i] = pick(&g->r, 2) ? row : sym_add(g->p.c, row, map[i]), check = true;
        }
        if (check || core) checked[n_checked++] = i;
    }
    ir_value *b = core ? g->core : new_buffer(g, t, rank, dims, false);
    return ir_cast(&g->p.b, rd_checked(&g->p, b, rank, map, n_checked, checked, 2, row != NULL, &index, &row), want);
}

static ir_value *random_value(gen *g, bool parallel_only, frit_dtype t) {
    ir_value *x = random_read(g, parallel_only, t, NULL);
    int n = pick(&g->r, 3);
    for (int i = 0; i < n && g->n_bufs < MAX_BUFS - 20; i++) {
        ir_value *y;
        if (pick(&g->r, 5) == 0) {
            sym_t size;
            bool check;
            y = idx(&g->p, random_coordinate(g, parallel_only, &size, &check), t);
        } else {
            ir_value *index = pick(&g->r, 4) == 0 ? random_read(g, parallel_only, pick(&g->r, 2) ? FRIT_i64 : FRIT_i32, NULL) : NULL;
            y = random_read(g, parallel_only, t, index);
        }
        if (pick(&g->r, 4) == 0) x = ir_select(&g->p.b, bin(&g->p, IR_lt, x, y), y, x);
        else x = bin(&g->p, (ir_opcode[]){IR_add, IR_sub, IR_mul, IR_min, IR_max}[pick(&g->r, i == 0 ? 5 : 2)], x, y);
    }
    return x;
}

static ir_value *new_core(gen *g, frit_dtype t, int rank, const sym_t *dims) {
    ir_builder here = g->p.b;
    g->p.b = ir_builder_before(g->p.m, g->stage);
    ir_value *b = alloc(&g->p, t, pick(&g->r, 2) ? IR_CORE : IR_REGISTER, rank, dims);
    g->p.b = here;
    return b;
}

/* Writes x at all parallel vars in a random order of axes: to an output, or to a buffer for the next stage. */
static void write_all(gen *g, ir_value *x, bool to_core) {
    sym_t map[MAX_AXES + 1], dims[MAX_AXES + 1];
    int n = 0;
    if (g->task && !to_core) map[n] = g->task, dims[n++] = g->dims[0];
    for (int i = 0; i < g->parallel; i++) map[n] = g->vars[i], dims[n++] = g->extent[i];
    for (int i = n - 1; i > 0; i--) {
        int j = pick(&g->r, i + 1);
        sym_t m = map[i], d = dims[i];
        map[i] = map[j], dims[i] = dims[j], map[j] = m, dims[j] = d;
    }
    if (pick(&g->r, 3) == 0) x = ir_cast(&g->p.b, x, dtypes[pick(&g->r, sizeof dtypes / sizeof *dtypes)]);
    frit_dtype t = (frit_dtype)x->type.dtype;
    ir_value *out = to_core ? (g->core = new_core(g, t, n, dims)) : new_buffer(g, t, n, dims, true);
    wr(&g->p, out, x, n, map);
}

static void random_stage(gen *g, bool to_core) {
    static const int64_t tiles[] = {1, 1, 2, 3, 4, 6, 8, 16, 32};
    int64_t tile[MAX_AXES];
    g->n = pick(&g->r, MAX_AXES) + (pick(&g->r, 8) != 0);
    if (g->n > MAX_AXES) g->n = MAX_AXES;
    g->parallel = pick(&g->r, g->n + 1);
    int64_t points = 1;
    for (int i = 0; i < g->n; i++) {
        g->extent[i] = random_extent(g);
        g->vars[i] = sym_index(g->p.c, (const char *[]){"a", "b", "c", "d"}[i], g->extent[i]);
        tile[i] = tiles[pick(&g->r, sizeof tiles / sizeof *tiles)];
        if (points * tile[i] > 64) tile[i] = 1;
        points *= tile[i];
    }
    int vector = g->n ? pick(&g->r, g->n + 1) - 1 : -1;
    frit_dtype t = (frit_dtype[]){FRIT_f32, FRIT_i32, FRIT_f64}[pick(&g->r, 3)];
    g->stage = stage(&g->p, g->n, g->vars, g->extent, g->parallel, tile, vector);
    ir_value *x = random_value(g, false, t);
    if (g->parallel < g->n) {
        int c = (int[]){IR_SUM, IR_SUM, IR_SUM, IR_MAX, IR_MIN, IR_ARGMAX, IR_ARGMIN}[pick(&g->r, 7)];
        frit_dtype r = c >= IR_ARGMAX ? FRIT_i32 : t;
        ir_value *sum;
        reduce(&g->p, 1, &x, (int64_t[]){c}, &r, &sum);
        x = sum;
        if (pick(&g->r, 2)) x = bin(&g->p, IR_add, x, random_value(g, true, r));
    }
    write_all(g, x, to_core);
    end_stage(&g->p);
}

static void fill(const gen *g, int b, memory *m, int64_t n, int seed) {
    frit_dtype t = (frit_dtype)g->types[b].dtype;
    for (int64_t i = 0; i < n; i++) {
        int64_t v = (int64_t)(pseudo(i, seed + b) * 8);
        if (frit_dtype_is_float(t)) frit_store_float(t, m->p, i, (double)v);
        else frit_store_int(t, m->p, i, v);
    }
}

/* Integers, and floats small enough for exact sums, must agree exactly. */
static bool same(frit_dtype t, const void *x, const void *y, int64_t i, double scale) {
    if (!frit_dtype_is_float(t)) return frit_load_int(t, x, i) == frit_load_int(t, y, i);
    double a = frit_load_float(t, x, i), b = frit_load_float(t, y, i);
    return a == b || (isnan(a) && isnan(b)) || (scale > 1 << 20 && fabs(a - b) <= 1e-2 * scale);
}

static double largest(frit_dtype t, const void *x, int64_t n) {
    double max = 0;
    for (int64_t i = 0; i < n && frit_dtype_is_float(t); i++) {
        double v = fabs(frit_load_float(t, x, i));
        if (v > max && !isinf(v)) max = v;
    }
    return max;
}

static void compare(gen *g, code *k, const dim_value *dims, int seed) {
    memory got[MAX_BUFS], want[MAX_BUFS];
    int64_t size[MAX_BUFS];
    for (int b = 0; b < g->n_bufs; b++) {
        size[b] = code_eval(k, sym_prod(g->p.c, g->types[b].dims, g->types[b].rank), dims);
        got[b] = memory_new((frit_dtype)g->types[b].dtype, size[b], seed & 1);
        want[b] = memory_new((frit_dtype)g->types[b].dtype, size[b], seed & 1);
        if (g->written[b]) continue;
        fill(g, b, &got[b], size[b], seed);
        fill(g, b, &want[b], size[b], seed);
    }
    reference_run(&g->p, want, dims);
    run(k, got, g->n_bufs, dims, 1 + seed % 3);
    for (int b = 0; b < g->n_bufs; b++) {
        frit_dtype t = (frit_dtype)g->types[b].dtype;
        double scale = largest(t, want[b].p, size[b]);
        for (int64_t i = 0; i < size[b]; i++)
            if (g->written[b] && !same(t, got[b].p, want[b].p, i, scale)) {
                fail_msg("seed %d, M %ld N %ld K %ld: buffer %d, element %ld of %ld: %g, not %g", seed, (long)dims[0].v, (long)dims[1].v,
                         (long)dims[2].v, b, (long)i, (long)size[b],
                         frit_dtype_is_float(t) ? frit_load_float(t, got[b].p, i) : (double)frit_load_int(t, got[b].p, i),
                         frit_dtype_is_float(t) ? frit_load_float(t, want[b].p, i) : (double)frit_load_int(t, want[b].p, i));
            }
        memory_free(&got[b]), memory_free(&want[b]);
    }
}

static void try_seed(int seed) {
    gen g = {.r = {(uint64_t)seed * 7919 + 13}};
    for (int i = 0; i < 4; i++) pick(&g.r, 2);
    g.p = prog_new();
    for (int i = 0; i < 3; i++) g.dims[i] = dim(&g.p, (const char *[]){"M", "N", "K"}[i]);
    bool by_row = pick(&g.r, 2);
    sym_t one = sym_const(g.p.c, 1), extent = by_row ? g.dims[0] : one, task = sym_index(g.p.c, "t", extent);
    g.task = by_row ? task : NULL;
    grid(&g.p, 1, &task, &extent);
    if (pick(&g.r, 3) == 0) random_stage(&g, true);
    random_stage(&g, false);
    code *k = compile(&g.p);
    static const int64_t sizes[] = {0, 1, 2, 5, 7, 8, 9, 15, 16, 17, 24, 33};
    for (int i = 0; i < 4; i++) {
        dim_value dims[] = {{"M", sizes[pick(&g.r, 8)]}, {"N", sizes[pick(&g.r, 12)]}, {"K", sizes[pick(&g.r, 10)]}, {0}};
        compare(&g, k, dims, seed);
    }
    code_free(k);
}

static int n_programs = 150, first_seed = 1;

static void test_random(void **state) {
    for (int i = 0; i < n_programs; i++) {
        if (getenv("FRIT_VERBOSE")) printf("seed %d\n", first_seed + i), fflush(stdout);
        try_seed(first_seed + i);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) n_programs = atoi(argv[1]);
    if (argc > 2) first_seed = atoi(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
