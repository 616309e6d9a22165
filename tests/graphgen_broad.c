/* What broad programs draw besides: whole layers as models write them, params, states, host integers, counted dims. */
#include "graphgen_internal.h"

static sym_t pick(gen *g, const int *list, int n) { return sym_const(g->s, list[gen_below(g, n)]); }

static sym_t width(gen *g) {
    static const int widths[] = {3, 8, 16, 17, 32, 33, 48, 64, 100};
    return pick(g, widths, 9);
}

static sym_t length(gen *g) { return gen_chance(g, 75) ? g->dims[gen_below(g, GEN_SYMBOLS)] : width(g); }

static frit_dtype layer_dtype(gen *g) {
    static const frit_dtype types[] = {FRIT_f32, FRIT_f32, FRIT_f32, FRIT_f32, FRIT_bf16, FRIT_f16, FRIT_f64};
    frit_dtype t = types[gen_below(g, 7)];
    return !g->o->dtypes || g->o->dtypes >> t & 1 ? t : gen_dtype(g);
}

static ir_type matrix(gen *g, frit_dtype t, sym_t rows, sym_t columns) {
    return ir_tensor(g->m, t, 2, (sym_t[]){rows, columns});
}

static ir_value *add_global(gen *g, ir_type t, bool is_state) {
    char path[16] = {is_state ? 's' : 'w', (char)('a' + g->n_globals / 26 % 26), (char)('a' + g->n_globals % 26), 0};
    g->n_globals++;
    ir_global_add(g->m, arena_strdup(g->m->arena, path), t, is_state, (ir_span){0});
    ir_op *op = ir_build(&g->b, is_state ? IR_state_read : IR_param, 0, NULL, 1, &t);
    ir_set_string(g->m, op, IR_ATTR_path, ir_global_find(g->m, path)->path);
    return ir_result(op, 0);
}

static ir_value *param(gen *g) {
    sym_t dims[3];
    int rank = 1 + gen_below(g, 3);
    for (int d = 0; d < rank; d++) dims[d] = gen_chance(g, 50) ? sym_const(g->s, 1 + gen_below(g, 7)) : width(g);
    return gen_fits(g, rank, dims) ? add_global(g, ir_tensor(g->m, gen_dtype(g), rank, dims), false) : NULL;
}

/* ---- Layers ------------------------------------------------------------------------------------------------------ */
static ir_value *along(gen *g, ir_value *x, ir_type like, int64_t axis) {
    return ir_broadcast(&g->b, x, like.rank, like.dims, &axis);
}

static ir_value *activation(gen *g, ir_value *x) {
    ir_builder *b = &g->b;
    switch (gen_below(g, 5)) {
    case 0: return ir_binary(b, IR_max, x, ir_splat(b, x->type, 0));
    case 1: return ir_unary(b, IR_tanh, x);
    case 2: { /* x times the logistic function of x */
        ir_value *one = ir_splat(b, x->type, 1), *e = ir_unary(b, IR_exp, ir_unary(b, IR_neg, x));
        return ir_binary(b, IR_div, x, ir_binary(b, IR_add, one, e));
    }
    default: return x;
    }
}

/* act(x w + b), w sometimes stored as a narrower type or transposed. */
static ir_value *linear(gen *g) {
    frit_dtype t = layer_dtype(g), stored = gen_chance(g, 25) ? FRIT_f16 : t;
    sym_t m = length(g), k = width(g), n = width(g);
    ir_value *x = gen_value(g, matrix(g, t, m, k));
    bool turned = gen_chance(g, 30);
    ir_value *w = add_global(g, turned ? matrix(g, stored, n, k) : matrix(g, stored, k, n), false);
    w = ir_cast(&g->b, w, t);
    int64_t one = 1, row = turned ? 1 : 0;
    ir_value *y = ir_contract(&g->b, x, w, 0, NULL, NULL, 1, &one, &row, t);
    if (gen_chance(g, 60)) y = ir_binary(&g->b, IR_add, y, along(g, gen_value(g, ir_tensor(g->m, t, 1, &n)), y->type, 1));
    return activation(g, y);
}

static ir_value *mean(gen *g, ir_value *x, int64_t axis, ir_value **wide) {
    int64_t axes[IR_MAX_RANK];
    for (int i = 0, n = 0; i < x->type.rank; i++)
        if (i != axis) axes[n++] = i;
    frit_dtype t = (frit_dtype)x->type.dtype;
    ir_value *s = ir_reduce(&g->b, IR_SUM, x, 1, &axis, t), *n = ir_cast(&g->b, ir_size(&g->b, x->type.dims[axis]), t);
    ir_value *m = ir_binary(&g->b, IR_div, s, ir_broadcast(&g->b, n, s->type.rank, s->type.dims, NULL));
    *wide = ir_broadcast(&g->b, m, x->type.rank, x->type.dims, axes);
    return m;
}

static ir_value *normalise(gen *g) {
    ir_value *x = gen_any(g), *m, *v;
    if (x->type.rank == 0 || !frit_dtype_is_float((frit_dtype)x->type.dtype)) return NULL;
    int64_t axis = gen_chance(g, 70) ? x->type.rank - 1 : gen_below(g, x->type.rank);
    if (gen_chance(g, 70)) {
        mean(g, x, axis, &m);
        x = ir_binary(&g->b, IR_sub, x, m);
    }
    mean(g, ir_binary(&g->b, IR_mul, x, x), axis, &v);
    v = ir_binary(&g->b, IR_add, v, ir_splat(&g->b, v->type, 0.125));
    return ir_binary(&g->b, IR_mul, x, ir_unary(&g->b, IR_rsqrt, v));
}

/* softmax(q k') v over some batch axes, causal now and then. */
static ir_value *attention(gen *g) {
    frit_dtype t = layer_dtype(g);
    sym_t dims[3] = {sym_const(g->s, 1 + gen_below(g, 3)), length(g), width(g)}, keys[3] = {dims[0], length(g), dims[2]};
    if (gen_chance(g, 50)) keys[1] = dims[1];
    ir_value *q = gen_value(g, ir_tensor(g->m, t, 3, dims)), *k = gen_value(g, ir_tensor(g->m, t, 3, keys));
    ir_value *v = gen_value(g, ir_tensor(g->m, t, 3, keys));
    int64_t batch = 0, two = 2, one = 1;
    ir_value *s = ir_contract(&g->b, q, k, 1, &batch, &batch, 1, &two, &two, t);
    s = ir_binary(&g->b, IR_mul, s, ir_splat(&g->b, s->type, 0.25));
    if (gen_chance(g, 40)) {
        ir_type at = ir_with_dtype(s->type, FRIT_i64);
        ir_value *later = ir_binary(&g->b, IR_lt, ir_iota(&g->b, at, 1), ir_iota(&g->b, at, 2));
        s = ir_select(&g->b, later, ir_splat(&g->b, s->type, -1e4), s);
    }
    return ir_contract(&g->b, gen_softmax(g, s, 2), v, 1, &batch, &batch, 1, &two, &one, t);
}

/* A sum over windows: x[i + j] w[j]. */
static ir_value *convolve(gen *g) {
    frit_dtype t = layer_dtype(g);
    sym_t n = length(g), k = sym_const(g->s, 1 + gen_below(g, 4)), c = width(g), dims[3] = {n, k, c}, vars[3], map[2];
    if (!gen_fits(g, 3, dims)) return NULL;
    ir_value *x = gen_value(g, matrix(g, t, n, c));
    for (int d = 0; d < 3; d++) vars[d] = sym_index(g->s, "i", dims[d]);
    map[0] = sym_addi(g->s, sym_add(g->s, sym_muli(g->s, vars[0], 1 + gen_below(g, 2)), vars[1]), -gen_below(g, 2));
    map[1] = vars[2];
    ir_value *window = ir_view(&g->b, x, 3, dims, vars, map, 0);
    sym_t f = width(g);
    ir_value *w = add_global(g, ir_tensor(g->m, t, 3, (sym_t[]){k, c, f}), false);
    return ir_contract(&g->b, window, w, 0, NULL, NULL, 2, (int64_t[]){1, 2}, (int64_t[]){0, 1}, t);
}

/* ---- Pieces ------------------------------------------------------------------------------------------------------ */
static ir_value *many_pieces(gen *g) {
    ir_value *x = gen_any(g), *parts[9];
    int n = 3 + gen_below(g, 7), axis = gen_below(g, x->type.rank);
    if (x->type.rank == 0) return NULL;
    sym_t dims[IR_MAX_RANK];
    for (int d = 0; d < x->type.rank; d++) dims[d] = x->type.dims[d];
    sym_t total = sym_const(g->s, 0);
    for (int i = 0; i < n; i++) {
        dims[axis] = gen_chance(g, 40) ? x->type.dims[axis] : sym_const(g->s, gen_below(g, 4));
        parts[i] = gen_value(g, ir_tensor(g->m, (frit_dtype)x->type.dtype, x->type.rank, dims));
        total = sym_add(g->s, total, dims[axis]);
    }
    dims[axis] = total;
    return gen_fits(g, x->type.rank, dims) ? ir_concat(&g->b, n, parts, axis) : NULL;
}

/* One of all elementwise ops, on floats in a range where most of them are defined. */
static ir_value *any_op(gen *g) {
    ir_value *x = gen_any(g), *in[3];
    ir_opcode code = (ir_opcode)(1 + gen_below(g, IR_OPCODE_COUNT - 1));
    for (int i = 0; i < 400 && !gen_defined(code, x->type); i++) code = (ir_opcode)(1 + gen_below(g, IR_OPCODE_COUNT - 1));
    if (!gen_defined(code, x->type)) return NULL;
    bool tame = frit_dtype_is_float((frit_dtype)x->type.dtype) && gen_chance(g, 60);
    if (tame) x = ir_unary(&g->b, gen_chance(g, 50) ? IR_abs : IR_tanh, x);
    int n = ir_op_table[code].n_operands;
    for (int i = 0; i < n; i++) in[i] = i ? gen_value(g, x->type) : x;
    return n == 1 ? ir_unary(&g->b, code, x) : n == 2 ? ir_binary(&g->b, code, in[0], in[1]) : ir_fma(&g->b, in[0], in[1], in[2]);
}

/* The bits of integers as another dtype. */
static ir_value *reinterpret(gen *g) {
    ir_value *x = gen_any(g);
    frit_dtype t = gen_dtype(g);
    if (frit_dtype_is_float((frit_dtype)x->type.dtype) || x->type.dtype == FRIT_bool) return NULL;
    for (int i = 0; i < 30 && (t == FRIT_bool || frit_dtype_bits(t) != frit_dtype_bits((frit_dtype)x->type.dtype)); i++) t = gen_dtype(g);
    if (t == FRIT_bool || t == x->type.dtype || frit_dtype_bits(t) != frit_dtype_bits((frit_dtype)x->type.dtype)) return NULL;
    return gen_bits(g, x, t);
}

/* Two linear layers whose widths fit one kernel, the second on what the first computes. */
static ir_value *perceptron(gen *g) {
    frit_dtype t = layer_dtype(g);
    sym_t m = length(g), k = width(g), h = width(g), n = width(g);
    int64_t one = 1, zero = 0;
    ir_value *x = gen_value(g, matrix(g, t, m, k)), *w = add_global(g, matrix(g, t, k, h), false);
    ir_value *y = activation(g, ir_contract(&g->b, x, w, 0, NULL, NULL, 1, &one, &zero, t));
    w = gen_chance(g, 50) ? gen_value(g, matrix(g, t, h, n)) : add_global(g, matrix(g, t, h, n), false);
    return activation(g, ir_contract(&g->b, y, w, 0, NULL, NULL, 1, &one, &zero, t));
}

static ir_value *random_bits(gen *g) {
    sym_t dims[3];
    int rank = gen_below(g, 4);
    for (int d = 0; d < rank; d++) dims[d] = gen_dim(g);
    if (!gen_fits(g, rank, dims)) return NULL;
    ir_type t = ir_tensor(g->m, gen_chance(g, 70) ? FRIT_u32 : FRIT_u64, rank, dims);
    ir_op *op = ir_build(&g->b, IR_random, 0, NULL, 1, &t);
    ir_set_int(g->m, op, IR_ATTR_seed, gen_below(g, 1000));
    ir_value *bits = ir_result(op, 0);
    if (gen_chance(g, 50)) return bits;
    gen_keep(g, bits);
    ir_value *high = ir_binary(&g->b, IR_shr, bits, ir_splat_int(&g->b, t, t.dtype == FRIT_u32 ? 8 : 40));
    ir_value *f = ir_cast(&g->b, high, FRIT_f32);
    return ir_binary(&g->b, IR_mul, f, ir_splat(&g->b, f->type, 0x1p-24));
}

static ir_value *size_of(gen *g) {
    sym_t s = length(g);
    if (gen_chance(g, 50)) s = sym_add(g->s, sym_muli(g->s, s, 1 + gen_below(g, 3)), g->ints[gen_below(g, GEN_HOST_INTS)]);
    return ir_size(&g->b, s);
}

static ir_value *fill_pad(gen *g) { /* the fill is a value */
    ir_value *x = gen_any(g);
    sym_t lo[IR_MAX_RANK], hi[IR_MAX_RANK], dims[IR_MAX_RANK];
    for (int d = 0; d < x->type.rank; d++) {
        lo[d] = gen_chance(g, 20) ? g->ints[gen_below(g, GEN_HOST_INTS)] : sym_const(g->s, gen_below(g, 3));
        hi[d] = sym_const(g->s, gen_below(g, 3));
        dims[d] = sym_add(g->s, sym_add(g->s, x->type.dims[d], lo[d]), hi[d]);
    }
    if (!gen_fits(g, x->type.rank, dims)) return NULL;
    return ir_pad(&g->b, x, gen_value(g, ir_scalar((frit_dtype)x->type.dtype)), lo, hi);
}

/* ---- Host integers and states ------------------------------------------------------------------------------------ */
/* Where x may be cut by a host integer: its axis of extent A or B. -1: nowhere. */
static int int_axis(gen *g, ir_type t, int *which) {
    for (int d = t.rank - 1; d >= 0; d--)
        for (int k = 0; k < GEN_HOST_INTS; k++)
            if (t.dims[d] == g->dims[k] && gen_chance(g, 70)) return *which = k, d;
    return -1;
}

static ir_value *host_slice(gen *g) {
    ir_value *x = gen_any(g);
    int which, axis = int_axis(g, x->type, &which);
    if (axis < 0) x = gen_value(g, matrix(g, gen_dtype(g), g->dims[0], g->dims[1])), axis = which = gen_below(g, 2);
    sym_t start[IR_MAX_RANK], size[IR_MAX_RANK], at = g->ints[which];
    int64_t step[IR_MAX_RANK];
    for (int d = 0; d < x->type.rank; d++) start[d] = sym_const(g->s, 0), size[d] = x->type.dims[d], step[d] = 1;
    switch (gen_below(g, which ? 4 : 3)) {
    case 0: size[axis] = at; break;
    case 1: start[axis] = at, size[axis] = sym_sub(g->s, g->dims[which], at); break;
    case 2: /* backwards from the integer */
        start[axis] = sym_addi(g->s, at, -1), size[axis] = at, step[axis] = -1;
        break;
    default: start[axis] = at, size[axis] = sym_const(g->s, 1); break;
    }
    return ir_slice(&g->b, x, start, size, step);
}

/* Rows written at a host integer; the base is a state, or any value. */
static ir_value *host_insert(gen *g) {
    ir_value *base = gen_any(g);
    int which, axis = int_axis(g, base->type, &which);
    if (axis < 0) base = gen_value(g, matrix(g, gen_dtype(g), g->dims[0], g->dims[1])), axis = which = gen_below(g, 2);
    sym_t start[IR_MAX_RANK], dims[IR_MAX_RANK];
    int64_t step[IR_MAX_RANK];
    for (int d = 0; d < base->type.rank; d++) start[d] = sym_const(g->s, 0), dims[d] = base->type.dims[d], step[d] = 1;
    start[axis] = g->ints[which];
    dims[axis] = which ? sym_const(g->s, 1) : sym_sub(g->s, dims[axis], start[axis]);
    ir_value *in[2] = {base, gen_value(g, ir_tensor(g->m, (frit_dtype)base->type.dtype, base->type.rank, dims))};
    ir_op *op = ir_build(&g->b, IR_insert, 2, in, 1, &base->type);
    ir_set_syms(g->m, op, IR_ATTR_start, base->type.rank, start);
    ir_set_ints(g->m, op, IR_ATTR_step, base->type.rank, step);
    return ir_result(op, 0);
}

static void write_state(gen *g, const char *path, ir_value *v) {
    ir_op *op = ir_build(&g->b, IR_state_write, 1, &v, 0, NULL);
    ir_set_string(g->m, op, IR_ATTR_path, path);
}

static ir_func *initial_value(gen *g, const char *path, ir_type t) {
    ir_func *f = ir_func_new(g->m, arena_printf(g->m->arena, "i.%s", path), IR_LEVEL_TENSOR);
    ir_builder b = ir_builder_at_end(g->m, f->body);
    ir_value *v = t.dtype == FRIT_bool || gen_chance(g, 50) ? ir_splat_int(&b, ir_with_dtype(t, FRIT_i64), 1)
                                                            : ir_iota(&b, ir_with_dtype(t, FRIT_i64), gen_below(g, t.rank));
    v = ir_cast(&b, v, (frit_dtype)t.dtype);
    ir_build(&b, IR_return, 1, &v, 0, NULL);
    f->n_results = 1;
    return f;
}

/* A state read, changed and written; both values may be used later, and it may be written once more. */
static ir_value *state(gen *g) {
    sym_t dims[2] = {sym_const(g->s, 1 + gen_below(g, 7)), width(g)};
    ir_type t = ir_tensor(g->m, gen_chance(g, 60) ? FRIT_f32 : gen_dtype(g), 1 + gen_below(g, 2), dims);
    ir_value *old = add_global(g, t, true);
    ir_global *global = g->m->globals.data[g->m->globals.len - 1];
    global->init = initial_value(g, global->path, t);
    gen_keep(g, old);
    ir_value *next = gen_value(g, t);
    if (gen_chance(g, 40)) { /* one row in place */
        sym_t one[2] = {sym_const(g->s, 1), dims[1]}, start[2] = {sym_const(g->s, 0), sym_const(g->s, 0)};
        sym_t at = sym_min(g->s, g->ints[gen_below(g, 2)], sym_addi(g->s, dims[0], -1));
        start[0] = gen_chance(g, 70) ? at : start[0];
        ir_value *in[2] = {old, gen_value(g, ir_tensor(g->m, (frit_dtype)t.dtype, t.rank, one))};
        ir_op *op = ir_build(&g->b, IR_insert, 2, in, 1, &t);
        ir_set_syms(g->m, op, IR_ATTR_start, t.rank, start);
        ir_set_ints(g->m, op, IR_ATTR_step, t.rank, (int64_t[]){1, 1});
        next = ir_result(op, 0);
    } else if (t.dtype != FRIT_bool && gen_chance(g, 70)) next = ir_binary(&g->b, IR_max, old, next);
    write_state(g, global->path, next);
    if (gen_chance(g, 20)) write_state(g, global->path, gen_value(g, t));
    return next;
}

/* ---- Counted dims, loops ----------------------------------------------------------------------------------------- */
static ir_value *compact(gen *g) {
    sym_t n = length(g);
    ir_value *x = gen_value(g, ir_tensor(g->m, FRIT_f32, 1, &n)), *mask;
    if (gen_chance(g, 50)) mask = ir_binary(&g->b, IR_lt, x, gen_value(g, x->type));
    else mask = gen_value(g, ir_tensor(g->m, FRIT_bool, 1, &n));
    sym_t count = sym_var(g->s, "nz", SYM_DIM, NULL, n);
    ir_type types[2] = {ir_tensor(g->m, FRIT_i64, 1, &count), ir_scalar(FRIT_i64)};
    ir_op *op = ir_build(&g->b, IR_compact, 1, &mask, 2, types);
    ir_set_syms(g->m, op, IR_ATTR_counter, 1, &count);
    gen_keep(g, ir_result(op, 1));
    ir_value *at = ir_result(op, 0);
    if (gen_chance(g, 30)) return at;
    gen_keep(g, at);
    sym_t var = sym_index(g->s, "i", count), e = sym_var(g->s, "e", SYM_VALUE, NULL, NULL);
    return ir_gather(&g->b, x, 1, &at, &e, 1, &count, &var, &e, 0);
}

/* Counts down from a small number, carrying a value. */
static ir_value *repeat_while(gen *g) {
    ir_value *x = gen_any(g), *n = ir_splat_int(&g->b, ir_scalar(FRIT_i64), gen_below(g, 4));
    if (gen_chance(g, 30)) n = ir_binary(&g->b, IR_min, n, ir_size(&g->b, g->ints[0]));
    ir_value *in[2] = {n, x}, *out[2];
    ir_type types[2] = {n->type, x->type};
    ir_op *op = ir_build(&g->b, IR_while, 2, in, 2, types);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 2; i++) ir_block_add_arg(g->m, op->blocks[k], types[i], i ? "h" : "n");
    ir_builder test = ir_builder_at_end(g->m, op->blocks[0]);
    ir_value *go = ir_binary(&test, IR_lt, ir_splat_int(&test, types[0], 0), op->blocks[0]->args[0]);
    ir_build(&test, IR_yield, 1, &go, 0, NULL);
    out[1] = gen_body_value(g, op->blocks[1], types[1]);
    ir_builder body = ir_builder_at_end(g->m, op->blocks[1]);
    out[0] = ir_binary(&body, IR_sub, op->blocks[1]->args[0], ir_splat_int(&body, types[0], 1));
    ir_build(&body, IR_yield, 2, out, 0, NULL);
    return ir_result(op, 1);
}

/* Walks along x's first axis, adding its rows to a sum and writing the sums so far over x's rows. */
static ir_value *walk_rows(gen *g) {
    ir_value *x = gen_any(g), *out[2];
    int64_t step[IR_MAX_RANK];
    if (x->type.rank == 0 || x->type.dtype == FRIT_bool) return NULL;
    sym_t extent = x->type.dims[0], start[IR_MAX_RANK], size[IR_MAX_RANK];
    sym_t t = sym_var(g->s, "t", SYM_INT, sym_const(g->s, 0), sym_addi(g->s, extent, -1));
    for (int d = 0; d < x->type.rank; d++) start[d] = sym_const(g->s, 0), size[d] = x->type.dims[d], step[d] = 1;
    start[0] = gen_chance(g, 50) ? t : sym_addi(g->s, sym_sub(g->s, extent, t), -1);
    size[0] = sym_const(g->s, 1);
    ir_type row = ir_tensor(g->m, (frit_dtype)x->type.dtype, x->type.rank, size);
    ir_value *in[2] = {x, ir_splat(&g->b, row, 0)};
    if (!frit_dtype_is_float((frit_dtype)x->type.dtype)) in[1] = ir_splat_int(&g->b, row, 0);
    ir_op *op = ir_build(&g->b, IR_loop, 2, in, 2, (ir_type[]){x->type, row});
    ir_set_syms(g->m, op, IR_ATTR_counter, 1, &t);
    ir_set_syms(g->m, op, IR_ATTR_extent, 1, &extent);
    ir_value *all = ir_block_add_arg(g->m, op->blocks[0], x->type, "all");
    ir_value *sum = ir_block_add_arg(g->m, op->blocks[0], row, "sum");
    ir_builder b = ir_builder_at_end(g->m, op->blocks[0]);
    out[1] = ir_binary(&b, IR_add, sum, ir_slice(&b, gen_chance(g, 50) ? x : all, start, size, step));
    ir_op *put = ir_build(&b, IR_insert, 2, (ir_value *[]){all, out[1]}, 1, &x->type);
    ir_set_syms(g->m, put, IR_ATTR_start, x->type.rank, start);
    ir_set_ints(g->m, put, IR_ATTR_step, x->type.rank, step);
    out[0] = ir_result(put, 0);
    ir_build(&b, IR_yield, 2, out, 0, NULL);
    if (gen_chance(g, 50)) gen_keep(g, ir_result(op, 1));
    return ir_result(op, 0);
}

static ir_value *kept_copy(gen *g) {
    ir_value *x = gen_any(g);
    return ir_result(ir_build(&g->b, IR_materialize, 1, &x, 1, &x->type), 0);
}

const gen_maker gen_broad_makers[] = {
    {param, 4, false, false},       {linear, 5, false, false},      {normalise, 3, false, false},
    {attention, 5, false, false},   {convolve, 2, false, false},    {many_pieces, 3, false, false},
    {random_bits, 2, false, false}, {size_of, 2, false, false},     {fill_pad, 2, false, false},
    {host_slice, 4, false, false},  {host_insert, 3, false, false}, {state, 3, false, false},
    {compact, 2, false, true},      {repeat_while, 2, true, false}, {walk_rows, 2, true, false},
    {kept_copy, 2, false, false},   {any_op, 24, false, false},     {perceptron, 3, false, false},
    {reinterpret, 4, false, false},
};
const int gen_n_broad_makers = (int)(sizeof gen_broad_makers / sizeof *gen_broad_makers);
