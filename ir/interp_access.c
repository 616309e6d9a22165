/* Ops that write where data says: scatter, insert, compact. */
#include "interp_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scatter ----------------------------------------------------------------------------------------------------- */
typedef struct {
    ir_combine how;
    node *y, **index;
    int n_idx;
    map **maps;
    bool lost; /* wide: an undecidable index, so that any element may be meant */
} scattering;

static void scatter_one(const scattering *s, int64_t place, scalar v, double e, frit_dtype t) {
    storage *y = s->y->store;
    scalar a[2] = {scalar_load(y->t, y->data, place), v}, r = v;
    double ea[2] = {y->err ? y->err[place] : 0, e};
    ir_opcode op = s->how == IR_SUM    ? IR_add
                   : s->how == IR_PROD ? IR_mul
                   : s->how == IR_MAX  ? IR_max
                   : s->how == IR_MIN  ? IR_min
                   : s->how == IR_ANY  ? IR_or
                                       : IR_and;
    if (s->how != IR_SET) scalar_eval(op, y->t, y->t, a, &r);
    if (y->err) y->err[place] = s->how == IR_SET ? e : interp_err(op, t, t, a, ea, &r);
    /* the sum so far rests in memory in dtype t between updates */
    bool rounds = s->how == IR_SUM || s->how == IR_PROD;
    if (y->err && rounds && frit_dtype_is_float(t)) y->err[place] += interp_half_ulp(t) * fabs(r.f);
    scalar_store(y->t, y->data, place, r);
}

static bool scatter_block(void *u, interp *it, int64_t begin, int n, const column *at, const scalar *v,
                          const double *e) {
    scattering *s = u;
    int64_t index[IR_MAX_RANK][BLOCK], coord[BLOCK], place[BLOCK] = {0};
    bool outside[BLOCK] = {false};
    column vars[2 * IR_MAX_RANK];
    int rank = s->index[0]->rank; /* of updates; index[0] is updates itself */
    scalar iv[BLOCK];
    double ie[BLOCK];
    memcpy(vars, at, sizeof *at * (size_t)rank);
    for (int k = 0; k < s->n_idx; k++) {
        if (!node_eval(it, s->index[k + 1], n, at, iv, e ? ie : NULL)) return false;
        for (int i = 0; i < n; i++) {
            index[k][i] = iv[i].i;
            s->lost |= e && ie[i] != 0;
        }
        vars[rank + k] = (column){index[k], 0};
    }
    for (int k = 0; k < s->y->rank; k++) {
        if (!map_eval(it, s->maps[k], n, vars, coord)) return false;
        for (int i = 0; i < n; i++) {
            outside[i] |= coord[i] < 0 || coord[i] >= s->y->shape[k];
            if (!outside[i]) place[i] += coord[i] * s->y->stride[k];
        }
    }
    for (int i = 0; i < n; i++)
        if (!outside[i]) scatter_one(s, place[i], v[i], e ? e[i] : 0, s->y->dtype);
    return true;
}

static bool scatter_maps(interp *it, const ir_op *op, node **in, scattering *s) {
    const sym_t *vars, *idx, *exprs;
    int rank = in[1]->rank;
    bool bad = ir_get_syms(op, IR_ATTR_vars, &vars) != rank || ir_get_syms(op, IR_ATTR_map, &exprs) != in[0]->rank;
    bad |= ir_get_syms(op, IR_ATTR_idx, &idx) != s->n_idx || s->n_idx > IR_MAX_RANK || in[0]->dtype != in[1]->dtype;
    for (int i = 0; !bad && i < s->n_idx; i++) {
        bad |= in[i + 2]->rank != rank || frit_dtype_is_float(in[i + 2]->dtype);
        for (int k = 0; !bad && k < rank; k++) bad = in[i + 2]->shape[k] != in[1]->shape[k];
    }
    bool logical = s->how == IR_ANY || s->how == IR_ALL;
    bad |= s->how == IR_ARGMAX || s->how == IR_ARGMIN || (logical && in[0]->dtype != FRIT_bool);
    if (bad) return interp_fail(it, INTERP_BAD_IR, "scatter: operands, variables and map do not fit");
    sym_t all[2 * IR_MAX_RANK];
    for (int i = 0; i < rank + s->n_idx; i++) all[i] = i < rank ? vars[i] : idx[i - rank];
    for (int i = 0; i < in[0]->rank; i++)
        if (!(s->maps[i] = map_new(it, exprs[i], rank + s->n_idx, all))) return false;
    return true;
}

bool op_scatter(interp *it, const ir_op *op, node **in, node **out) {
    map *maps[IR_MAX_RANK] = {NULL};
    scattering s = {.how = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SET), .index = in + 1,
                    .n_idx = op->n_operands - 2, .maps = maps};
    bool ok = scatter_maps(it, op, in, &s) && (s.y = out[0] = node_private(it, in[0])) &&
              node_visit(it, in[1], scatter_block, &s);
    for (int i = 0; i < in[0]->rank; i++) map_free(maps[i]);
    for (int64_t i = 0; ok && s.lost && i < s.y->n; i++) s.y->store->err[i] = INFINITY;
    return ok;
}

/* ---- insert ------------------------------------------------------------------------------------------------------ */
bool op_insert(interp *it, const ir_op *op, node **in, node **out) {
    const sym_t *starts;
    const int64_t *steps;
    int64_t start[IR_MAX_RANK], step[IR_MAX_RANK];
    int rank = in[0]->rank, n_steps = ir_get_ints(op, IR_ATTR_step, &steps);
    if (ir_get_syms(op, IR_ATTR_start, &starts) != rank || in[1]->rank != rank || in[0]->dtype != in[1]->dtype)
        return interp_fail(it, INTERP_BAD_IR, "insert needs one start per axis and equal ranks and dtypes");
    for (int i = 0; i < rank; i++) {
        int64_t last, size = in[1]->shape[i], room = in[0]->shape[i];
        step[i] = i < n_steps && size > 1 ? steps[i] : 1;
        if (!interp_eval(it, starts[i], &start[i])) return false;
        bool bad = __builtin_mul_overflow(size - 1, step[i], &last) || __builtin_add_overflow(last, start[i], &last);
        bad |= start[i] < 0 || start[i] >= room || last < 0 || last >= room;
        if (in[1]->n > 0 && bad)
            return interp_fail(it, INTERP_BAD_INPUT, "insert of %lld at %lld by %lld leaves a dim of %lld",
                               (long long)size, (long long)start[i], (long long)step[i], (long long)room);
    }
    if (!node_settle(it, in[1])) return false; /* it may read base */
    out[0] = node_private(it, in[0]);
    return out[0] && node_write_region(it, in[1], out[0], start, step);
}

/* ---- compact ----------------------------------------------------------------------------------------------------- */
typedef struct {
    int64_t *places, n;
    bool counts, doubt; /* counts: elements are running counts */
} compacting;

static bool compact_block(void *u, interp *it, int64_t begin, int n, const column *at, const scalar *v,
                          const double *e) {
    compacting *c = u;
    for (int i = 0; i < n; i++) {
        bool one = c->counts ? v[i].i > c->n : v[i].i != 0;
        if (one && c->places) c->places[c->n] = begin + i;
        c->n += one;
        c->doubt |= e && e[i] != 0;
    }
    return true;
}

bool op_compact(interp *it, const ir_op *op, node **in, node **out) {
    const sym_t *counter;
    compacting c = {.counts = in[0]->dtype != FRIT_bool};
    if (in[0]->rank != 1 || (c.counts && in[0]->dtype != FRIT_i32 && in[0]->dtype != FRIT_i64) || ir_get_syms(op, IR_ATTR_counter, &counter) != 1)
        return interp_fail(it, INTERP_BAD_IR, "compact needs a vector of bools or counts and a counter");
    if (!node_settle(it, in[0]) || !node_visit(it, in[0], compact_block, &c)) return false;
    if (!(out[0] = node_dense(it, FRIT_i64, 1, &c.n)) || !(out[1] = node_dense(it, FRIT_i64, 0, NULL))) return false;
    interp_set_symbol(it, counter[0], c.n);
    *(int64_t *)out[1]->store->data = c.n;
    out[0]->undecided = out[1]->undecided = c.doubt;
    it->open_extents |= c.doubt;
    c = (compacting){.places = out[0]->store->data, .counts = c.counts};
    return node_visit(it, in[0], compact_block, &c);
}
