/* What the printer knows of values before it prints: which are printed where they are used, which i64s are plain index
 * arithmetic, and which argument a pointer comes from. */
#include "passes/ranges.h"
#include "printer_internal.h"

enum {
    MAX_NESTED = 5,    /* operations that one expression holds */
    MAX_SCALE = 40,    /* bits of constants that index arithmetic multiplies by: sizes of memory leave that much room */
    MAX_DISTANCE = 64  /* ops between a load and its use */
};

typedef struct facts {
    cprinter *p;
    uint8_t *nested; /* by id: operations in the value's expression, when it is inline */
} facts;

static void know(facts *f, const ir_value *v, int what) { f->p->facts[v->id] |= (uint8_t)what; }

/* ------------ index arithmetic */
static bool is_scalar_of(const ir_value *v, frit_dtype t) {
    return v->type.kind == IR_VECTOR && v->type.dtype == t && v->type.lanes == 1;
}

static bool is_i64(const ir_value *v) { return is_scalar_of(v, FRIT_i64); }

/* Divisions are unsigned where their operands are known not to be negative, those of small numbers in 32 bits. */
static void division_facts(facts *f, const ir_op *op) {
    const ir_value *v = ir_result(op, 0), *x = ir_operand(op, 0);
    bool holds = c_knows(f->p, x, V_INDEX | V_NONNEGATIVE), to = is_scalar_of(v, FRIT_u64) || is_scalar_of(v, FRIT_u32);
    holds |= op->code == IR_cast && is_scalar_of(v, FRIT_u32) && c_knows(f->p, x, V_INDEX); /* below 2^32 whatever x is */
    bool passes = op->code == IR_cast && holds && (to || is_i64(v)), divides = to && holds && op->code != IR_cast;
    if (!passes && !divides) return;
    know(f, v, V_INDEX | V_NONNEGATIVE);
    f->p->scale[v->id] = f->p->scale[x->id];
}

static int bits_of_constant(int64_t v) {
    int n = 0;
    for (uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v; u; u >>= 1) n++;
    return n;
}

static void set_index(facts *f, const ir_value *v, int scale) {
    if (scale > MAX_SCALE) return;
    know(f, v, V_INDEX);
    f->p->scale[v->id] = (int8_t)scale;
}

static int scale_of(const facts *f, const ir_value *v) {
    int64_t k;
    return c_constant_int(v, &k) ? bits_of_constant(k) : f->p->scale[v->id];
}

static bool constant_mask(const ir_value *v) {
    int64_t k;
    return c_constant_int(v, &k) && k >= 0 && k <= INT32_MAX;
}

static void index_facts(facts *f, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    int64_t k;
    int sum = 0, most = 0;
    bool all = true, nonnegative = true;
    if (op->code == IR_min && is_scalar_of(v, FRIT_u64) && constant_mask(ir_operand(op, 1))) { /* whatever the other is */
        know(f, v, V_INDEX | V_NONNEGATIVE);
        f->p->scale[v->id] = 0;
        return;
    }
    if (op->code == IR_cast || (!is_i64(v) && (op->code == IR_floordiv || op->code == IR_mod))) division_facts(f, op);
    if (!is_i64(v) || op->code == IR_cast) return;
    if (op->code == IR_constant) {
        if (c_constant_int(v, &k) && k > INT32_MIN && k <= INT32_MAX) set_index(f, v, 0);
        if (c_constant_int(v, &k) && k >= 0) know(f, v, V_NONNEGATIVE);
        return;
    }
    for (int i = 0; i < op->n_operands; i++) {
        const ir_value *x = ir_operand(op, i);
        if (op->code == IR_select && i == 0) continue;
        all = all && is_i64(x) && c_knows(f->p, x, V_INDEX);
        nonnegative = nonnegative && is_i64(x) && c_knows(f->p, x, V_NONNEGATIVE);
        int s = all ? scale_of(f, x) : 0;
        sum += s;
        if (s > most && !ir_is(x, IR_constant)) most = s;
    }
    switch (op->code) {
    case IR_thread_id:
    case IR_block_id:
    case IR_block_count:
    case IR_cluster_rank:
        set_index(f, v, 0);
        know(f, v, V_NONNEGATIVE);
        return;
    case IR_mul:
    case IR_fma:
        if (all) set_index(f, v, sum);
        break;
    case IR_shl:
        if (all && c_constant_int(ir_operand(op, 1), &k) && k >= 0 && k <= 30) set_index(f, v, (int)k + most);
        break;
    case IR_and:
        for (int i = 0; i < 2; i++)
            if (constant_mask(ir_operand(op, i))) {
                set_index(f, v, 0);
                know(f, v, V_NONNEGATIVE);
            }
        return;
    case IR_mod:
        if (all) set_index(f, v, most);
        nonnegative = is_i64(ir_operand(op, 1)) && c_knows(f->p, ir_operand(op, 1), V_NONNEGATIVE); /* by nothing: 0 */
        break;
    case IR_max:
        if (all) set_index(f, v, most);
        for (int i = 0; i < 2; i++) nonnegative |= is_i64(ir_operand(op, i)) && c_knows(f->p, ir_operand(op, i), V_NONNEGATIVE);
        break;
    case IR_shr:
    case IR_floordiv:
    case IR_truncdiv:
    case IR_rem:
    case IR_add:
    case IR_min:
    case IR_select:
    case IR_abs:
        if (all) set_index(f, v, most);
        break;
    case IR_sub:
    case IR_neg:
        if (all) set_index(f, v, most);
        return;
    default: return;
    }
    if (nonnegative && c_knows(f->p, v, V_INDEX)) know(f, v, V_NONNEGATIVE);
}

static void counter_facts(facts *f, const ir_op *op) {
    const ir_value *i = op->blocks[0]->args[0], *from = ir_operand(op, 0), *step = ir_operand(op, 2);
    f->p->facts[i->id] = 0;
    if (c_knows(f->p, from, V_INDEX) && c_knows(f->p, step, V_INDEX)) {
        set_index(f, i, 0);
        if (c_knows(f->p, from, V_NONNEGATIVE) && c_knows(f->p, step, V_NONNEGATIVE)) know(f, i, V_NONNEGATIVE);
    }
}

/* ------------ where expressions are printed */
static bool is_effect(const ir_op *op) { return (ir_op_flags(op) & IR_F_EFFECT) || op->n_blocks; }
static bool is_load(const ir_op *op) { return op->code == IR_load || op->code == IR_load_lanes; }

static bool may_inline(const ir_op *op) {
    if (op->n_results != 1 || op->n_blocks || is_effect(op) || op->code == IR_local || op->code == IR_ptrcast || op->code == IR_shared) return false;
    const ir_value *v = ir_result(op, 0);
    if (!v->uses || v->uses->next) return false;
    return v->uses->user->parent == op->parent;
}

/* An integer as one of another width costs nothing: of a variable that keeps its value it is written at every use. */
static bool is_plain_cast(const facts *f, const ir_op *op) {
    const ir_value *v = op->code == IR_cast ? ir_operand(op, 0) : NULL, *r = v ? ir_result(op, 0) : NULL;
    bool integers = v && v->type.lanes <= 1 && (is_i64(v) || is_scalar_of(v, FRIT_u64) || is_scalar_of(v, FRIT_i32) || is_scalar_of(v, FRIT_u32)) &&
                    (is_i64(r) || is_scalar_of(r, FRIT_u64) || is_scalar_of(r, FRIT_i32) || is_scalar_of(r, FRIT_u32));
    if (integers && ir_is(v, IR_constant)) return f->p->d->blocks;
    if (!f->p->d->blocks || !integers || c_knows(f->p, v, V_INLINE)) return false;
    return v->op ? !v->op->n_blocks : v->block == f->p->f->body || (v->index == 0 && v->block->op->code == IR_tfor);
}

/* A gather of scalars or the like reads better with its index beside it than with a name. */
static void inline_facts(facts *f, const ir_op *op) {
    if (op->n_results != 1) return;
    const ir_value *v = ir_result(op, 0);
    if (op->code == IR_constant) {
        bool one = v->type.lanes <= 1 || ir_attr_get(op, IR_ATTR_value)->data.bytes < frit_dtype_bytes((frit_dtype)v->type.dtype, v->type.lanes);
        if (one) know(f, v, V_INLINE);
        return;
    }
    if (is_plain_cast(f, op)) know(f, v, V_INLINE);
    if (!may_inline(op)) return;
    int n = 1;
    for (int i = 0; i < op->n_operands; i++)
        if (c_knows(f->p, ir_operand(op, i), V_INLINE)) n += f->nested[ir_operand(op, i)->id];
    if (c_math_result(f->p, v)) n = 2; /* a call */
    if (n > MAX_NESTED) return;
    f->nested[v->id] = (uint8_t)n;
    know(f, v, V_INLINE);
}

/* A load keeps its place among effects. */
static void check_load(facts *f, const ir_op *load) {
    const ir_value *v = ir_result(load, 0);
    if (!c_knows(f->p, v, V_INLINE)) return;
    const ir_op *at = v->uses->user;
    while (at->n_results == 1 && c_knows(f->p, ir_result(at, 0), V_INLINE)) at = ir_result(at, 0)->uses->user;
    int distance = 0;
    const ir_op *op = load->next;
    while (op && op != at && !is_effect(op) && distance++ < MAX_DISTANCE) op = op->next;
    if (op != at) f->p->facts[v->id] &= (uint8_t)~V_INLINE;
}

/* What all threads of a warp come to is written within the next op if that stands where it is, for all of them. */
static void inline_shuffle(facts *f, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    const ir_op *user = op->next;
    if (!v->uses || v->uses->next || v->uses->user != user || user->n_results != 1 || c_knows(f->p, ir_result(user, 0), V_INLINE)) return;
    bool sum = user->code == IR_add || user->code == IR_mul || user->code == IR_max || user->code == IR_min;
    if (sum && v->type.dtype != FRIT_bool) know(f, v, V_INLINE);
}

/* ------------ values that nothing needs */
static bool is_needed(const facts *f, const ir_op *op) {
    if (op->n_results != 1 || (is_effect(op) && op->code != IR_shuffle)) return true;
    for (const ir_use *u = ir_result(op, 0)->uses; u; u = u->next) {
        const ir_op *user = u->user;
        bool of_host = user->code == IR_tensor_map; /* a parameter: the sizes in it are the host's */
        bool dead = of_host || (user->n_results == 1 && c_knows(f->p, ir_result(user, 0), V_UNUSED));
        if (!dead) return true;
    }
    return false;
}

static void find_unused(facts *f, const ir_block *b) {
    for (const ir_op *op = b->last; op; op = op->prev) {
        for (int i = op->n_blocks - 1; i >= 0; i--) find_unused(f, op->blocks[i]);
        if (!is_needed(f, op)) know(f, ir_result(op, 0), V_UNUSED);
    }
}

/* ------------ pointers */
static void pointer_facts(facts *f, const ir_op *op) {
    cprinter *p = f->p;
    if (op->n_results == 1 && op->n_operands && ir_operand(op, 0)->type.kind == IR_PTR && ir_result(op, 0)->type.kind == IR_PTR)
        p->roots[ir_result(op, 0)->id] = p->roots[ir_operand(op, 0)->id];
    if (op->code == IR_store || op->code == IR_store_lanes || op->code == IR_bulk_store) {
        int root = p->roots[ir_operand(op, 0)->id];
        if (root) p->written[root - 1] = true;
    }
}

static void walk(facts *f, const ir_block *b);

static const ir_op *yield_of(const ir_block *b) { return b->last; }

/* What a carried value of arg's becomes does not grow by products. */
static bool is_step(const ir_value *next, const ir_value *arg, int depth) {
    if (next == arg || ir_is(next, IR_constant)) return true;
    if (depth == 0 || !next->op) return false;
    switch (next->op->code) {
    case IR_add:
    case IR_sub: return true;
    case IR_select: return is_step(ir_operand(next->op, 1), arg, depth - 1) && is_step(ir_operand(next->op, 2), arg, depth - 1);
    default: return false;
    }
}

/* A carried i64 is index arithmetic if its first value is and, taken that it is, its next ones are. */
static void walk_loop(facts *f, const ir_op *op) {
    const ir_block *b = op->blocks[0];
    cprinter *p = f->p;
    enum { BOTH = V_INDEX | V_NONNEGATIVE };
    for (int i = 0; i < op->n_results; i++)
        if (is_i64(b->args[1 + i])) p->facts[b->args[1 + i]->id] |= p->facts[ir_operand(op, 3 + i)->id] & BOTH;
    for (bool again = true; again;) {
        again = false;
        walk(f, b);
        const ir_op *yield = yield_of(b);
        for (int i = 0; i < op->n_results; i++) {
            const ir_value *arg = b->args[1 + i], *next = ir_operand(yield, i);
            bool adds = is_step(next, arg, 2);
            uint8_t lost = p->facts[arg->id] & BOTH & (adds ? (uint8_t)~p->facts[next->id] : 0xff);
            p->facts[arg->id] &= (uint8_t)~lost;
            again |= lost != 0;
        }
    }
    for (int i = 0; i < op->n_results; i++) p->facts[ir_result(op, i)->id] |= p->facts[b->args[1 + i]->id] & BOTH;
}

static void forget(facts *f, const ir_op *op) {
    for (int i = 0; i < op->n_results; i++) f->p->facts[ir_result(op, i)->id] &= V_UNUSED;
}

static void walk(facts *f, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        forget(f, op);
        pointer_facts(f, op);
        if (op->code == IR_tfor) {
            counter_facts(f, op);
            walk_loop(f, op);
            continue;
        }
        if (op->n_results == 1 && !op->n_blocks) index_facts(f, op);
        inline_facts(f, op);
        for (int i = 0; i < op->n_blocks; i++) walk(f, op->blocks[i]);
    }
    for (const ir_op *op = b->first; op; op = op->next)
        if (is_load(op)) check_load(f, op);
        else if (op->code == IR_shuffle) inline_shuffle(f, op);
}

/* ------------ i64s in 32 bits */
static bool divides_narrow(const value_range *r, const ir_op *op) {
    int64_t k;
    if (op->code != IR_floordiv && op->code != IR_truncdiv && op->code != IR_mod && op->code != IR_rem) return false;
    value_range x = r[ir_operand(op, 0)->id];
    return c_constant_int(ir_operand(op, 1), &k) && k > 0 && k <= INT32_MAX && x.lo >= 0 && x.hi <= INT32_MAX;
}

static bool is_narrow_op(const value_range *r, const ir_op *op) {
    switch (op->code) {
    case IR_constant:
    case IR_thread_id:
    case IR_block_id:
    case IR_block_count: return true;
    case IR_cast: return !frit_dtype_is_float((frit_dtype)ir_operand(op, 0)->type.dtype);
    default: return ranges_narrow_op(r, op) || divides_narrow(r, op);
    }
}

static void narrow(facts *f, const value_range *r, const ir_value *v, bool as_well) {
    if (!is_i64(v)) return;
    if (r[v->id].lo >= 0) know(f, v, V_NONNEGATIVE);
    if (as_well && range_fits_i32(r[v->id])) know(f, v, V_NARROW);
}

static void narrow_block(facts *f, const value_range *r, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++) narrow_block(f, r, op->blocks[i]);
        bool loop = op->code == IR_tfor;
        if (loop) narrow(f, r, op->blocks[0]->args[0], ranges_narrow_counter(r, op));
        for (int i = 0; i < op->n_results; i++) {
            if (loop) narrow(f, r, op->blocks[0]->args[1 + i], true);
            narrow(f, r, ir_result(op, i), loop || (op->n_results == 1 && !op->n_blocks && is_narrow_op(r, op)));
        }
    }
}

void c_find_facts(cprinter *p) {
    facts f = {p, arena_array(p->a, uint8_t, p->f->module->n_values + 1)};
    for (int i = 0; i < p->f->body->n_args; i++) {
        const ir_value *v = p->f->body->args[i];
        if (v->type.kind == IR_PTR) {
            p->roots[v->id] = i + 1;
            continue;
        }
        sym_t s = p->f->arg_syms ? p->f->arg_syms[i] : NULL, lo = s && sym_is_var(s) ? sym_var_lo(s) : NULL;
        int64_t least = -1;
        if (lo) sym_is_const(lo, &least);
        set_index(&f, v, 0);
        if (!s || sym_var_role(s) == SYM_DIM || least >= 0) know(&f, v, V_NONNEGATIVE); /* no symbol: a range of tasks */
    }
    find_unused(&f, p->f->body);
    walk(&f, p->f->body);
    if (p->d->blocks) narrow_block(&f, ranges_of(p->a, p->f), p->f->body);
}
