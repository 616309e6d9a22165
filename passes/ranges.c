/* Interval analysis in one walk from the top. What a loop carries is found by repetition: it starts as what it is given, and
 * grows by what the body makes of that until nothing does; after a few turns what still grows has no bounds. */
#include "ranges.h"

enum { TURNS = 6 };

typedef struct ranger {
    value_range *r;
    const ir_func *f;
} ranger;

static const value_range unknown = {INT64_MIN, INT64_MAX};

static bool is_known(value_range r) { return r.lo != INT64_MIN && r.hi != INT64_MAX; }
static bool is_i64(const ir_value *v) { return v->type.kind == IR_VECTOR && v->type.dtype == FRIT_i64; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static value_range both(value_range a, value_range b) { return (value_range){least(a.lo, b.lo), most(a.hi, b.hi)}; }
static bool is_empty(value_range r) { return r.lo > r.hi; }

static bool constant_of(const ir_value *v, int64_t *k) {
    if (!ir_is(v, IR_constant) || frit_dtype_is_float((frit_dtype)v->type.dtype)) return false;
    const ir_attr *value = ir_attr_get(v->op, IR_ATTR_value);
    if (value->data.bytes != frit_dtype_bytes((frit_dtype)v->type.dtype, 1)) return false;
    *k = frit_load_int((frit_dtype)v->type.dtype, value->data.p, 0);
    return true;
}

/* ---- Arithmetic: a half that overflows, or comes from one that is not known, is not known ---- */
static value_range add(value_range x, value_range y) {
    value_range r = unknown;
    if (x.lo == INT64_MIN || y.lo == INT64_MIN || __builtin_add_overflow(x.lo, y.lo, &r.lo)) r.lo = INT64_MIN;
    if (x.hi == INT64_MAX || y.hi == INT64_MAX || __builtin_add_overflow(x.hi, y.hi, &r.hi)) r.hi = INT64_MAX;
    return r;
}

static value_range negated(value_range x) {
    return (value_range){x.hi == INT64_MAX ? INT64_MIN : -x.hi, x.lo == INT64_MIN ? INT64_MAX : -x.lo};
}

static value_range mul(value_range x, value_range y) {
    int64_t v[4];
    if (!is_known(x) || !is_known(y)) return x.lo >= 0 && y.lo >= 0 ? (value_range){0, INT64_MAX} : unknown;
    const int64_t a[] = {x.lo, x.lo, x.hi, x.hi}, b[] = {y.lo, y.hi, y.lo, y.hi};
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(a[i], b[i], &v[i])) return x.lo >= 0 && y.lo >= 0 ? (value_range){0, INT64_MAX} : unknown;
    return (value_range){least(least(v[0], v[1]), least(v[2], v[3])), most(most(v[0], v[1]), most(v[2], v[3]))};
}

/* Of what is not negative, by what is not negative; by nothing it is 0. */
static value_range quotient(value_range x, value_range y) {
    if (x.lo < 0 || y.lo < 0) return unknown;
    return (value_range){y.hi == INT64_MAX || y.lo == 0 ? 0 : x.lo / y.hi, x.hi == INT64_MAX ? x.hi : x.hi / most(y.lo, 1)};
}

static value_range remainder_of(value_range x, value_range y) {
    if (y.lo < 0) return unknown;
    int64_t below = y.hi == INT64_MAX ? INT64_MAX : most(y.hi - 1, 0);
    return (value_range){0, x.lo >= 0 ? least(below, x.hi) : below};
}

static value_range shifted(const ir_op *op, value_range x, bool left) {
    int64_t k;
    if (!constant_of(ir_operand(op, 1), &k) || k < 0 || k > 62) return unknown;
    if (left) return mul(x, (value_range){INT64_C(1) << k, INT64_C(1) << k});
    return (value_range){x.lo == INT64_MIN ? x.lo : x.lo >> k, x.hi == INT64_MAX ? x.hi : x.hi >> k};
}

/* All bits up to the highest one of v. */
static int64_t filled(int64_t v) { return v <= 0 ? 0 : v == INT64_MAX ? v : (int64_t)(UINT64_MAX >> __builtin_clzll((uint64_t)v)); }

static value_range bits(ir_opcode code, value_range x, value_range y) {
    if (code == IR_and && (x.lo >= 0 || y.lo >= 0))
        return (value_range){0, x.lo < 0 ? y.hi : y.lo < 0 ? x.hi : least(x.hi, y.hi)};
    if (code != IR_and && x.lo >= 0 && y.lo >= 0) return (value_range){0, filled(most(x.hi, y.hi))};
    return unknown;
}

static value_range extreme(ir_opcode code, value_range x, value_range y) {
    if (code == IR_min) return (value_range){least(x.lo, y.lo), least(x.hi, y.hi)};
    return (value_range){most(x.lo, y.lo), most(x.hi, y.hi)};
}

/* ---- Choices: on either side of a comparison more is known of what was compared ---- */
/* v is known to be in `of`; e is v, or v and a constant. */
static value_range refined(const ranger *g, const ir_value *e, const ir_value *v, value_range of) {
    value_range own = g->r[e->id];
    int64_t k;
    if (e == v) return (value_range){most(own.lo, of.lo), least(own.hi, of.hi)};
    bool sum = ir_is(e, IR_add), difference = ir_is(e, IR_sub);
    if ((!sum && !difference) || ir_operand(e->op, 0) != v || !constant_of(ir_operand(e->op, 1), &k) || k == INT64_MIN) return own;
    value_range x = g->r[v->id], moved;
    x = (value_range){most(x.lo, of.lo), least(x.hi, of.hi)};
    if (is_empty(x)) return x;
    if (!is_known(x)) return own; /* the sum may wrap */
    moved = add(x, (value_range){sum ? k : -k, sum ? k : -k});
    return (value_range){most(own.lo, moved.lo), least(own.hi, moved.hi)};
}

static value_range choice(const ranger *g, const ir_op *op) {
    const ir_value *cond = ir_operand(op, 0), *yes = ir_operand(op, 1), *no = ir_operand(op, 2);
    value_range a = g->r[yes->id], b = g->r[no->id];
    int64_t k;
    bool lt = ir_is(cond, IR_lt), le = ir_is(cond, IR_le);
    if ((lt || le) && is_i64(ir_operand(cond->op, 0))) {
        const ir_value *x = ir_operand(cond->op, 0), *y = ir_operand(cond->op, 1);
        if (constant_of(x, &k) && k > INT64_MIN + 1 && k < INT64_MAX - 1) { /* k < y or k <= y, else y is at most k or below it */
            a = refined(g, yes, y, (value_range){k + lt, INT64_MAX});
            b = refined(g, no, y, (value_range){INT64_MIN, k - le});
        } else if (constant_of(y, &k) && k > INT64_MIN + 1 && k < INT64_MAX - 1) {
            a = refined(g, yes, x, (value_range){INT64_MIN, k - lt});
            b = refined(g, no, x, (value_range){k + le, INT64_MAX});
        }
    }
    return is_empty(a) ? b : is_empty(b) ? a : both(a, b);
}

/* ---- Ops ---- */
/* A number of at most 32 bits, or unsigned 64 bits that came from here. */
static value_range of_cast(const ranger *g, const ir_op *op) {
    const ir_value *x = ir_operand(op, 0);
    frit_dtype t = (frit_dtype)x->type.dtype;
    unsigned n = frit_dtype_bits(t);
    if (t == FRIT_bool) return (value_range){0, 1};
    if (frit_dtype_is_float(t)) return unknown;
    bool is_signed = t == FRIT_i64 || t == FRIT_i32 || t == FRIT_i16 || t == FRIT_i8 || t == FRIT_i4;
    value_range own = g->r[x->id];
    value_range all = n == 64 ? unknown : is_signed ? (value_range){-(INT64_C(1) << (n - 1)), (INT64_C(1) << (n - 1)) - 1}
                                                    : (value_range){0, (INT64_C(1) << n) - 1};
    return own.lo >= all.lo && own.hi <= all.hi ? own : all;
}

/* Unsigned ops on what was cast from i64: the index arithmetic of divisions. */
static bool is_unsigned(const ir_value *v) { return v->type.kind == IR_VECTOR && (v->type.dtype == FRIT_u64 || v->type.dtype == FRIT_u32); }

static value_range of_unsigned(const ranger *g, const ir_op *op) {
    int64_t limit = ir_result(op, 0)->type.dtype == FRIT_u32 ? (int64_t)UINT32_MAX : INT64_MAX, k;
    value_range x = op->n_operands ? g->r[ir_operand(op, 0)->id] : unknown, none = {0, limit};
    if (op->code == IR_constant && constant_of(ir_result(op, 0), &k) && k >= 0) return (value_range){k, k};
    if (op->code == IR_cast) return x.lo >= 0 && x.hi <= limit ? x : ir_result(op, 0)->type.dtype == FRIT_u32 ? none : unknown;
    if (op->code == IR_min) { /* of two, one of which is known */
        value_range y = g->r[ir_operand(op, 1)->id];
        int64_t hi = least(x.lo >= 0 ? x.hi : limit, y.lo >= 0 ? y.hi : limit);
        return hi == INT64_MAX ? unknown : (value_range){0, hi};
    }
    if (op->code == IR_floordiv && x.lo >= 0) return quotient(x, g->r[ir_operand(op, 1)->id]);
    if (op->code == IR_mod && x.lo >= 0) return remainder_of(x, g->r[ir_operand(op, 1)->id]);
    return limit == INT64_MAX ? unknown : none;
}

static value_range of_op(const ranger *g, const ir_op *op) {
    int64_t k;
    value_range x = op->n_operands > 0 ? g->r[ir_operand(op, 0)->id] : unknown;
    value_range y = op->n_operands > 1 ? g->r[ir_operand(op, 1)->id] : unknown;
    switch (op->code) {
    case IR_constant: return constant_of(ir_result(op, 0), &k) ? (value_range){k, k} : unknown;
    case IR_thread_id: return (value_range){0, g->f->threads - 1};
    case IR_block_id: return (value_range){0, RANGES_MOST_TASKS - 1};
    case IR_block_count: return (value_range){1, RANGES_MOST_TASKS};
    case IR_cluster_rank: return (value_range){0, most(g->f->cluster, 1) - 1};
    case IR_add: return add(x, y);
    case IR_sub: return add(x, negated(y));
    case IR_neg: return negated(x);
    case IR_mul: return mul(x, y);
    case IR_fma: return add(mul(x, y), g->r[ir_operand(op, 2)->id]);
    case IR_min:
    case IR_max: return extreme(op->code, x, y);
    case IR_floordiv:
    case IR_truncdiv: return quotient(x, y);
    case IR_mod: return remainder_of(x, y);
    case IR_rem: return x.lo >= 0 ? remainder_of(x, y) : unknown;
    case IR_shl:
    case IR_shr: return shifted(op, x, op->code == IR_shl);
    case IR_and:
    case IR_or:
    case IR_xor: return bits(op->code, x, y);
    case IR_select: return choice(g, op);
    case IR_cast: return of_cast(g, op);
    case IR_splat:
    case IR_extract: return x;
    case IR_ramp: return add(x, (value_range){0, ir_result(op, 0)->type.lanes - 1});
    default: return unknown;
    }
}

/* Arithmetic wraps: where one bound may be beyond 64 bits, there is none. */
static bool may_wrap(ir_opcode code) {
    return code == IR_add || code == IR_sub || code == IR_mul || code == IR_fma || code == IR_shl || code == IR_neg || code == IR_ramp;
}

static void walk(ranger *g, const ir_block *b);

static void walk_for(ranger *g, const ir_op *op) {
    const ir_block *b = op->blocks[0];
    value_range from = g->r[ir_operand(op, 0)->id], to = g->r[ir_operand(op, 1)->id], step = g->r[ir_operand(op, 2)->id];
    value_range i = {from.lo, to.hi == INT64_MAX ? to.hi : most(to.hi - 1, from.lo)};
    g->r[b->args[0]->id] = step.lo >= 0 ? i : unknown;
    for (int k = 0; k < op->n_results; k++) g->r[b->args[1 + k]->id] = g->r[ir_operand(op, 3 + k)->id];
    bool again = true;
    for (int turn = 0; again; turn++) {
        again = false;
        walk(g, b);
        for (int k = 0; k < op->n_results; k++) {
            value_range *r = &g->r[b->args[1 + k]->id], next = both(*r, g->r[ir_operand(b->last, k)->id]);
            if (next.lo == r->lo && next.hi == r->hi) continue;
            *r = turn < TURNS ? next : unknown;
            again = true;
        }
    }
    for (int k = 0; k < op->n_results; k++) g->r[ir_result(op, k)->id] = g->r[b->args[1 + k]->id];
}

static void walk_if(ranger *g, const ir_op *op) {
    for (int i = 0; i < 2; i++) walk(g, op->blocks[i]);
    for (int k = 0; k < op->n_results; k++)
        g->r[ir_result(op, k)->id] = both(g->r[ir_operand(op->blocks[0]->last, k)->id], g->r[ir_operand(op->blocks[1]->last, k)->id]);
}

static void forget_arguments(ranger *g, const ir_block *b) {
    for (int i = 0; i < b->n_args; i++) g->r[b->args[i]->id] = unknown;
}

static void walk(ranger *g, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_tfor) walk_for(g, op);
        else if (op->code == IR_tif) walk_if(g, op);
        else {
            for (int i = 0; i < op->n_blocks; i++) {
                forget_arguments(g, op->blocks[i]);
                walk(g, op->blocks[i]);
            }
            for (int i = 0; i < op->n_results; i++) g->r[ir_result(op, i)->id] = unknown;
            if (op->n_results != 1 || op->n_blocks) continue;
            const ir_value *v = ir_result(op, 0);
            value_range r = is_i64(v) ? of_op(g, op) : is_unsigned(v) ? of_unsigned(g, op) : unknown;
            g->r[v->id] = may_wrap(op->code) && !is_known(r) ? unknown : r;
        }
    }
}

const value_range *ranges_of(arena *a, const ir_func *f) {
    ranger g = {.r = arena_array(a, value_range, f->module->n_values + 1), .f = f};
    for (int i = 0; i < f->module->n_values; i++) g.r[i] = unknown;
    for (int i = 0; i < f->body->n_args; i++) {
        const ir_value *v = f->body->args[i];
        sym_t s = f->arg_syms ? f->arg_syms[i] : NULL;
        if (!is_i64(v)) continue;
        if (s) sym_range(f->module->syms, s, &g.r[v->id].lo, &g.r[v->id].hi);
        else if (f->threads && i == f->body->n_args - 1) g.r[v->id] = (value_range){0, RANGES_MOST_TASKS};
    }
    walk(&g, f->body);
    return g.r;
}

/* ---- What fits 32 bits ---- */
static bool fits(const value_range *r, const ir_value *v) { return is_i64(v) && range_fits_i32(r[v->id]); }

bool ranges_narrow_op(const value_range *r, const ir_op *op) {
    if (op->n_results != 1 || op->n_blocks) return false;
    switch (op->code) {
    case IR_add:
    case IR_sub:
    case IR_neg:
    case IR_mul:
    case IR_min:
    case IR_max:
    case IR_and:
    case IR_or:
    case IR_xor:
    case IR_select:
    case IR_splat:
    case IR_ramp:
    case IR_extract: break;
    case IR_shl:
    case IR_shr:
        if (!ir_is(ir_operand(op, 1), IR_constant)) return false;
        break;
    default: return false;
    }
    if (!fits(r, ir_result(op, 0))) return false;
    for (int i = op->code == IR_select; i < op->n_operands; i++)
        if (!fits(r, ir_operand(op, i))) return false;
    return true;
}

bool ranges_narrow_counter(const value_range *r, const ir_op *loop) {
    for (int i = 0; i < 3; i++)
        if (!fits(r, ir_operand(loop, i))) return false;
    return fits(r, loop->blocks[0]->args[0]) && r[ir_operand(loop, 2)->id].lo > 0 &&
           r[ir_operand(loop, 1)->id].hi + r[ir_operand(loop, 2)->id].hi <= INT32_MAX;
}
