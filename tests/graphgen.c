/* Random programs: the values that ops are drawn for, and the programs made of them. */
#include "graphgen_internal.h"

enum { MAX_TOTAL = 5000, BROAD_TOTAL = 40000 };

/* SplitMix64 (Steele, Lea and Flood, 2014). */
uint64_t gen_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

int gen_below(gen *g, int n) { return n > 0 ? (int)(gen_random(&g->state) % (uint64_t)n) : 0; }
bool gen_chance(gen *g, int percent) { return gen_below(g, 100) < percent; }

/* ---- Types ------------------------------------------------------------------------------------------------------- */
frit_dtype gen_dtype(gen *g) {
    static const frit_dtype common[] = {FRIT_f32, FRIT_f32, FRIT_f32, FRIT_f32, FRIT_f64, FRIT_i64, FRIT_i32,
                                        FRIT_bool};
    for (;;) {
        frit_dtype t = gen_chance(g, 60) ? common[gen_below(g, 8)] : (frit_dtype)gen_below(g, FRIT_DTYPE_COUNT);
        if (!g->o->dtypes || g->o->dtypes >> t & 1) return t;
    }
}

sym_t gen_dim(gen *g) {
    int k = gen_below(g, 12);
    if (k < GEN_SYMBOLS) return g->dims[k];
    if (k == GEN_SYMBOLS) return sym_const(g->s, 1);
    if (g->o->broad && k == GEN_SYMBOLS + 1) {
        static const int extents[] = {8, 15, 16, 17, 31, 32, 33, 48, 64, 100, 130, 300};
        return sym_const(g->s, extents[gen_below(g, 12)]);
    }
    return sym_const(g->s, 1 + gen_below(g, GEN_MAX_EXTENT) - gen_chance(g, 3));
}

static int64_t size_at_most(sym_ctx *s, const ir_type *t) { /* symbols count as the largest extent they take */
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t lo, hi;
        if (!sym_is_const(t->dims[i], &hi)) {
            sym_range(s, t->dims[i], &lo, &hi);
            if (hi > MAX_TOTAL) hi = MAX_TOTAL;
        }
        n *= hi > 0 ? hi : 1;
        if (n > MAX_TOTAL) return n;
    }
    return n;
}

static bool seven(void *u, sym_t var, int64_t *v) {
    (void)u, (void)var;
    *v = GEN_MAX_EXTENT;
    return true;
}

/* Elements with every symbol at 7: a broad program's symbols have no bound. */
static int64_t typical_size(int rank, const sym_t *dims) {
    int64_t n = 1, e;
    for (int i = 0; i < rank && n <= BROAD_TOTAL; i++) {
        if (!sym_eval(dims[i], seven, NULL, &e)) return BROAD_TOTAL + 1;
        n *= e > 0 ? e : 1;
    }
    return n;
}

bool gen_fits(gen *g, int rank, const sym_t *dims) {
    ir_type t = {.rank = (uint8_t)rank, .dims = dims};
    if (rank > GEN_RANK + 1) return false;
    return g->o->broad ? typical_size(rank, dims) <= BROAD_TOTAL : size_at_most(g->s, &t) <= MAX_TOTAL;
}

static bool is_float(ir_type t) { return frit_dtype_is_float((frit_dtype)t.dtype); }

/* ---- The pool ---------------------------------------------------------------------------------------------------- */
void gen_keep(gen *g, ir_value *v) { vec_push(g->m->arena, &g->pool, v); }

/* Recent values are likelier, so that chains form. */
ir_value *gen_any(gen *g) {
    int n = g->pool.len, k = gen_below(g, n);
    if (gen_chance(g, 50)) k = n - 1 - gen_below(g, n < 4 ? n : 4);
    return g->pool.data[k];
}

ir_value *gen_splat(gen *g, ir_type t) {
    static const double numbers[] = {0, 1, -1, 2, 0.5, -0.0, 3, 4, -2, 0.25, 7};
    double v = numbers[gen_below(g, 11)];
    return is_float(t) ? ir_splat(&g->b, t, v) : ir_splat_int(&g->b, t, (int64_t)v);
}

typedef struct dim_search {
    const gen *g;
    bool ok;
} dim_search;
static void is_dim(void *u, sym_t var) {
    dim_search *s = u;
    bool found = false;
    for (int i = 0; i < GEN_SYMBOLS; i++) found |= s->g->dims[i] == var;
    s->ok &= found;
}

/* The caller of the func knows the extents of t, and it has not too many inputs. */
static bool may_be_input(const gen *g, ir_type t) {
    dim_search s = {g, g->m->funcs->body->n_args < 30};
    for (int i = 0; i < t.rank; i++) sym_each_var(t.dims[i], is_dim, &s);
    return s.ok;
}

/* Some value of type t: from the pool, or made from less. */
ir_value *gen_value(gen *g, ir_type t) {
    ir_value *found = NULL;
    int seen = 0;
    for (int i = 0; i < g->pool.len; i++)
        if (ir_type_equal(g->pool.data[i]->type, t) && gen_below(g, ++seen) == 0) found = g->pool.data[i];
    if (found && gen_chance(g, 75)) return found;
    for (int i = g->pool.len; i-- > 0 && gen_chance(g, 80);) { /* repeated along some axes */
        ir_value *v = g->pool.data[i];
        int64_t axes[IR_MAX_RANK];
        int at = 0, d = 0;
        if (v->type.dtype != t.dtype || v->type.rank > t.rank) continue;
        for (; d < v->type.rank; d++) {
            while (at < t.rank && t.dims[at] != v->type.dims[d] && !(sym_is(v->type.dims[d], 1) && gen_chance(g, 50))) at++;
            if (at == t.rank) break;
            axes[d] = at++;
        }
        if (d == v->type.rank) return ir_broadcast(&g->b, v, t.rank, t.dims, axes);
    }
    if (found) return found;
    if (g->o->broad && gen_chance(g, 50) && may_be_input(g, t)) {
        ir_value *v = ir_block_add_arg(g->m, g->m->funcs->body, t, "in");
        gen_keep(g, v);
        return v;
    }
    if (t.rank && t.dtype != FRIT_bool && gen_chance(g, 30)) return ir_iota(&g->b, t, gen_below(g, t.rank));
    if (t.rank && gen_chance(g, 30)) { /* a smaller constant, repeated */
        int64_t axis = gen_below(g, t.rank);
        ir_type one = ir_tensor(g->m, (frit_dtype)t.dtype, 1, &t.dims[axis]);
        ir_value *v = t.dtype == FRIT_bool ? gen_splat(g, one) : ir_iota(&g->b, one, 0);
        return ir_broadcast(&g->b, v, t.rank, t.dims, &axis);
    }
    return gen_splat(g, t);
}

/* ---- Programs ---------------------------------------------------------------------------------------------------- */
static ir_value *draw(gen *g) {
    int total = 0, n = gen_n_plain_makers, n_all = n + (g->o->broad ? gen_n_broad_makers : 0);
    for (int i = 0; i < n_all; i++) total += i < n ? gen_plain_makers[i].weight : gen_broad_makers[i - n].weight;
    for (;;) {
        int k = gen_below(g, total), i = 0;
        const gen_maker *m = gen_plain_makers;
        while (k >= m->weight) {
            k -= m->weight;
            m = ++i < n ? &gen_plain_makers[i] : &gen_broad_makers[i - n];
        }
        if ((m->control && g->o->no_control) || (m->dependent && g->o->no_dependent)) continue;
        return m->make(g);
    }
}

static void add_inputs(gen *g, ir_func *f) {
    int n = 2 + gen_below(g, 3);
    for (int i = 0; i < n; i++) {
        sym_t dims[IR_MAX_RANK];
        int rank = gen_below(g, 4);
        for (int d = 0; d < rank; d++) dims[d] = gen_dim(g);
        char name[2] = {(char)('a' + i), 0};
        gen_keep(g, ir_block_add_arg(g->m, f->body, ir_tensor(g->m, gen_dtype(g), rank, dims), name));
    }
}

/* Host integers: positions in A (its end included) and in B. */
static void add_host_ints(gen *g, ir_func *f) {
    static const char *const names[] = {"P", "Q"};
    sym_var_bound(g->s, g->dims[1], sym_const(g->s, 1), NULL, 1);
    for (int i = 0; i < GEN_HOST_INTS; i++) {
        sym_t hi = i ? sym_addi(g->s, g->dims[i], -1) : g->dims[i];
        g->ints[i] = sym_var(g->s, names[i], SYM_INT, sym_const(g->s, 0), hi);
        vec_push(g->m->arena, &g->m->symbols, g->ints[i]);
        gen_keep(g, ir_block_add_arg(g->m, f->body, ir_scalar(FRIT_i64), names[i]));
        f->arg_syms[f->body->n_args - 1] = g->ints[i];
    }
}

/* An input whose dims are the symbols themselves: every one gets its value from somewhere. */
static void add_plain_input(gen *g, ir_func *f) {
    gen_keep(g, ir_block_add_arg(g->m, f->body, ir_tensor(g->m, FRIT_f32, 2, g->dims), "x"));
    gen_keep(g, ir_block_add_arg(g->m, f->body, ir_tensor(g->m, FRIT_f32, 2, g->dims + 2), "y"));
}

/* Op `code` on values it is defined on; NULL where it is no elementwise op. */
static ir_value *one_op(gen *g, ir_opcode code) {
    static const frit_dtype types[] = {FRIT_f32, FRIT_i32, FRIT_bool};
    const ir_op_info *info = &ir_op_table[code];
    ir_value *in[3], *x = gen_any(g);
    for (int i = 0; i < 20 && !gen_defined(code, x->type); i++) x = gen_any(g);
    for (int i = 0; i < 3 && !gen_defined(code, x->type); i++)
        x = ir_block_add_arg(g->m, g->m->funcs->body, ir_tensor(g->m, types[i], 2, g->dims), "in");
    if (!gen_defined(code, x->type)) return NULL;
    in[0] = x;
    for (int i = 1; i < info->n_operands; i++) in[i] = gen_value(g, x->type);
    if (info->n_operands == 1) return ir_unary(&g->b, code, x);
    return info->n_operands == 2 ? ir_binary(&g->b, code, in[0], in[1]) : ir_fma(&g->b, in[0], in[1], in[2]);
}

/* Every seed has a few ops or makers of its own, whose values are results, so that many seeds meet all of them. */
static bool add_feature(gen *g, uint64_t number) {
    ir_opcode codes[IR_OPCODE_COUNT];
    int n_codes = 0;
    for (int c = 1; c < IR_OPCODE_COUNT; c++)
        if (gen_defined((ir_opcode)c, ir_scalar(FRIT_f32)) || gen_defined((ir_opcode)c, ir_scalar(FRIT_i32))) codes[n_codes++] = (ir_opcode)c;
    int n = n_codes + gen_n_plain_makers + gen_n_broad_makers, k = (int)(number % (uint64_t)n);
    ir_value *v = NULL;
    for (int tries = 0; !v && tries < 20; tries++) {
        if (k < n_codes) v = one_op(g, codes[k]);
        else v = k < n_codes + gen_n_plain_makers ? gen_plain_makers[k - n_codes].make(g) : gen_broad_makers[k - n_codes - gen_n_plain_makers].make(g);
        if (v && !gen_fits(g, v->type.rank, v->type.dims)) v = NULL;
    }
    if (v) gen_keep(g, v);
    return v;
}

/* Results are the last values of the pool, at least `wanted` of them, and any others. */
static void add_return(gen *g, ir_func *f, int wanted) {
    ir_value *out[GEN_FEATURES + 4];
    int n = wanted + gen_below(g, 4);
    for (int i = 0; i < n; i++) out[i] = i < wanted ? g->pool.data[g->pool.len - 1 - i] : gen_any(g);
    f->n_results = n;
    ir_build(&g->b, IR_return, n, out, 0, NULL);
}

ir_module *graphgen_module(const graphgen_options *o) {
    gen g = {.state = o->seed, .o = o, .m = ir_module_new()};
    g.s = g.m->syms;
    for (int i = 0; i < GEN_SYMBOLS; i++) {
        char name[2] = {(char)('A' + i), 0};
        g.dims[i] = sym_var(g.s, name, SYM_DIM, NULL, o->broad ? NULL : sym_const(g.s, GEN_MAX_EXTENT));
        vec_push(g.m->arena, &g.m->symbols, g.dims[i]);
        if (graphgen_dim(o->seed, name) > 0 && gen_chance(&g, 50))
            sym_var_bound(g.s, g.dims[i], sym_const(g.s, 1), NULL, 1);
    }
    ir_func *f = ir_func_new(g.m, "main", IR_LEVEL_TENSOR);
    add_inputs(&g, f);
    if (o->broad) {
        add_plain_input(&g, f);
        add_host_ints(&g, f);
    }
    g.b = ir_builder_at_end(g.m, f->body);
    for (int i = 0; i < o->n_ops; i++) {
        ir_value *v = draw(&g);
        if (v && gen_fits(&g, v->type.rank, v->type.dims)) gen_keep(&g, v);
    }
    int wanted = 0;
    for (int i = 0; o->broad && i < GEN_FEATURES; i++) wanted += add_feature(&g, o->seed * GEN_FEATURES + (uint64_t)i);
    add_return(&g, f, wanted ? wanted : 1);
    return g.m;
}
