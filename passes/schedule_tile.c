/* The register tile of a stage: which loop runs along vector lanes and how many positions are kept in registers. */
#include "schedule_internal.h"
#include <string.h>

/* How often an axis moves through memory in each way; an access outside of the reduced loops counts little. */
typedef struct axis_use {
    double unit_reads, same_reads, other_reads, unit_writes, other_writes;
} axis_use;

/* Row-major element address of an access. */
static sym_t address(sched *s, const ir_op *op) {
    sym_ctx *c = s->m->syms;
    ir_type t = ir_operand(op, 0)->type;
    const sym_t *map;
    int rank = ir_get_syms(op, IR_ATTR_map, &map);
    sym_t at = sym_const(c, 0);
    for (int d = 0; d < rank; d++) at = sym_add(c, sym_mul(c, at, t.dims[d]), map[d]);
    return at;
}

static void count_uses(sched *s, const ir_block *b, int n, int n_par, const sym_t *vars, axis_use *use, int *widest) {
    enum { INNER_LOOP = 16 };
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->n_results == 1) {
            int bytes = (int)frit_dtype_bits((frit_dtype)ir_result(op, 0)->type.dtype) / 8;
            if (bytes > *widest) *widest = bytes;
        }
        if (op->code != IR_read && op->code != IR_write) continue;
        sym_t at = address(s, op);
        double weight = 1;
        if (n > n_par) {
            weight = 1.0 / INNER_LOOP;
            for (int i = n_par; i < n; i++)
                if (sym_uses(at, vars[i])) weight = 1;
        }
        for (int i = 0; i < n; i++) {
            sym_t coef, rest;
            bool linear = sym_linear(s->m->syms, at, vars[i], &coef, &rest), write = op->code == IR_write;
            if (linear && sym_is(coef, 0)) use[i].same_reads += write ? 0 : weight, use[i].other_writes += write ? weight : 0;
            else if (linear && sym_is(coef, 1)) *(write ? &use[i].unit_writes : &use[i].unit_reads) += weight;
            else if (write && i >= n_par && b->last->code == IR_yield) use[i].other_reads += 2 * weight; /* at every point */
            else *(write ? &use[i].other_writes : &use[i].other_reads) += weight;
        }
    }
}

static double score(const axis_use *u, bool reduced, int64_t extent, int lanes) {
    if (u->unit_reads + u->unit_writes == 0 && u->other_reads + u->other_writes > 0) return -1;
    double s = 4 * u->unit_reads + 6 * u->unit_writes + u->same_reads - 4 * u->other_reads - 8 * u->other_writes;
    double e = (double)(extent < 1 ? 1 : extent);
    if (e < lanes) s *= e / lanes;
    if (reduced) { /* the write is outside of the reduced loop; lanes are combined at its end */
        s += 8 * u->other_writes;
        s *= e / (e + 4 * lanes);
    }
    return s;
}

static int64_t round_up(int64_t x, int64_t m) { return (x + m - 1) / m * m; }

static sym_t widest_parallel(int n_par, const sym_t *vars, const sym_t *extent) {
    int best = 0;
    for (int i = 1; i < n_par; i++)
        if (sym_hint(extent[i]) > sym_hint(extent[best])) best = i;
    return vars[best];
}

/* One point takes so many registers and instructions that others beside it gain nothing, or stores what it computes. */
static bool is_dear(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next)
        if (op->code == IR_write || ir_op_flags(op) & IR_F_TRANSCENDENTAL) return true;
    return false;
}

static bool is_in_order(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next)
        if (op->code == IR_write && ir_has(op, IR_ATTR_combine)) return true;
    return false;
}

/* Where nothing is reduced the order of the loops is free: the axis along lanes is the innermost. */
static void put_vector_last(sched *s, ir_op *stage) {
    const sym_t *v, *e;
    const int64_t *t;
    int n = ir_get_syms(stage, IR_ATTR_vars, &v), at = (int)ir_get_int(stage, IR_ATTR_vector, -1), k = 0;
    if (at < 0 || n < 2 || (int)ir_get_int(stage, IR_ATTR_parallel, n) != n) return;
    ir_get_syms(stage, IR_ATTR_extent, &e);
    ir_get_ints(stage, IR_ATTR_tile, &t);
    sym_t vars[SCHED_MAX_VARS], extent[SCHED_MAX_VARS];
    int64_t tile[SCHED_MAX_VARS];
    for (int i = 0; i < n; i++) {
        int to = i == at ? n - 1 : k++;
        vars[to] = v[i], extent[to] = e[i], tile[to] = t[i];
    }
    ir_set_syms(s->m, stage, IR_ATTR_vars, n, vars);
    ir_set_syms(s->m, stage, IR_ATTR_extent, n, extent);
    ir_set_ints(s->m, stage, IR_ATTR_tile, n, tile);
    ir_set_int(s->m, stage, IR_ATTR_vector, n - 1);
}

/* Turns of the innermost loop of a contraction that are written out: the loop costs little beside a tile of multiply-adds,
 * but where two threads share a core's front end that little shows. */
static int64_t terms_at_once(sym_t extent) {
    int64_t e;
    if (!sym_is_const(extent, &e) || e < 2) return 1;
    return e <= 4 ? e : e % 4 == 0 ? 4 : 1;
}

/* What a thread moves at once along var; its registers are scalars. */
static int lanes_in_memory(sched *s, const ir_op *stage, sym_t var) {
    int widest = 1;
    for (int k = 0; k < 2; k++)
        for (const ir_op *op = stage->blocks[k]->first; op; op = op->next) {
            if ((op->code != IR_read && op->code != IR_write) || !sym_uses(address(s, op), var)) continue;
            int bytes = (int)frit_dtype_bits((frit_dtype)ir_operand(op, 0)->type.dtype) / 8;
            if (bytes > widest) widest = bytes;
        }
    return s->lim->vector_bytes / widest;
}

/* The axis along lanes, -1 for none, and how many lanes a register has for what the stage computes. */
static int choose_vector(sched *s, const ir_op *stage, sym_t m_var, int *lanes) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(stage, IR_ATTR_vars, &vars), n_par = (int)ir_get_int(stage, IR_ATTR_parallel, n);
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    axis_use use[SCHED_MAX_VARS] = {0};
    int widest = 1, best = -1;
    for (int k = 0; k < 2; k++) count_uses(s, stage->blocks[k], n, n_par, vars, use, &widest);
    *lanes = s->lim->vector_bytes / (widest < 4 ? 4 : widest);
    double best_score = 0;
    for (int i = 0; i < n; i++) {
        if (vars[i] == m_var) continue;
        double sc = score(&use[i], i >= n_par, sym_hint(extent[i]), *lanes);
        if (sc > best_score) best = i, best_score = sc;
    }
    if (s->lim->threads && best >= 0) *lanes = lanes_in_memory(s, stage, vars[best]);
    return best;
}

int sched_vector_axis(sched *s, const ir_op *stage) {
    int lanes;
    return choose_vector(s, stage, NULL, &lanes);
}

void sched_choose_tile(sched *s, ir_op *stage, sym_t m_var) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(stage, IR_ATTR_vars, &vars), n_par = (int)ir_get_int(stage, IR_ATTR_parallel, n), lanes;
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    int best = choose_vector(s, stage, m_var, &lanes);
    int64_t tile[SCHED_MAX_VARS];
    for (int i = 0; i < n; i++) tile[i] = 1;
    if (s->lim->threads) {
        enum { ROWS = 4 }; /* of a thread's register tile */
        if (best >= 0) tile[best] = lanes;
        for (int i = 0; i < n_par; i++)
            if (vars[i] == m_var && i != best && n > n_par) tile[i] = ROWS;
    } else if (best >= 0) {
        int vectors = best >= n_par ? 4 : n > n_par ? (m_var ? 2 : 4) : 2;
        int64_t e, want = (int64_t)vectors * lanes;
        if (sym_is_const(extent[best], &e) && e < want) want = round_up(e < 1 ? 1 : e, lanes);
        tile[best] = want;
        if (!m_var && best >= n_par && n_par > 0) { /* several sums at once over the same vectors */
            if (!is_dear(stage->blocks[0])) m_var = widest_parallel(n_par, vars, extent);
            tile[best] = want = want > 2 * lanes ? 2 * lanes : want;
        }
        int64_t regs = want / lanes, rows = (s->lim->vector_registers - 4) / regs;
        for (int i = 0; i < n_par; i++)
            if (vars[i] == m_var && i != best) {
                if (rows > 12) rows = 12;
                if (sym_is_const(extent[i], &e) && e < rows) rows = e < 1 ? 1 : e;
                tile[i] = best >= n_par ? (rows < 4 ? rows : 4) : rows;
            }
    }
    if (!s->lim->threads && !s->lim->is_source && m_var && n > n_par && best < n_par) tile[n - 1] = terms_at_once(extent[n - 1]);
    ir_set_ints(s->m, stage, IR_ATTR_tile, n, tile);
    ir_set_int(s->m, stage, IR_ATTR_vector, best);
    if (!s->lim->threads && !is_in_order(stage->blocks[0])) put_vector_last(s, stage);
}
