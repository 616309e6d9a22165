#include "mutate_walk.h"
#include "ir/scalar.h"

/* A cast between integers of 64 bits, or to these: indices are divided without a sign, and in 32 bits where they fit. */
static bool renames(const ir_op *op) {
    if (op->code != IR_cast) return false;
    int from = ir_operand(op, 0)->type.dtype, to = ir_result(op, 0)->type.dtype;
    return (from == FRIT_i64 || from == FRIT_u64 || from == FRIT_u32) && (to == FRIT_i64 || to == FRIT_u64);
}

bool mutate_constant(const ir_value *v, int64_t *out) {
    while (v->op && (v->op->code == IR_splat || v->op->code == IR_extract || renames(v->op))) v = ir_operand(v->op, 0);
    if (!v->op || v->op->code != IR_constant || frit_dtype_is_float((frit_dtype)v->type.dtype)) return false;
    const ir_attr *a = ir_attr_get(v->op, IR_ATTR_value);
    frit_dtype t = (frit_dtype)v->type.dtype;
    int64_t size = frit_dtype_bytes(t, 1);
    *out = frit_load_int(t, a->data.p, 0);
    for (int64_t i = 1; i * size < a->data.bytes; i++)
        if (frit_load_int(t, a->data.p, i) != *out) return false;
    return true;
}

static int64_t bits_above(int64_t most) { return most < 0 ? INT64_MAX : (INT64_C(2) << (63 - __builtin_clzll((uint64_t)most | 1))) - 1; }

int64_t mutate_most(const ir_value *v) {
    int64_t k;
    if (mutate_constant(v, &k)) return k;
    if (!v->op) return -1;
    switch (v->op->code) {
    case IR_cast: return renames(v->op) ? mutate_most(ir_operand(v->op, 0)) : -1;
    case IR_thread_id: return ir_block_func(v->op->parent)->threads - 1;
    case IR_and:
        for (int i = 0; i < 2; i++)
            if (mutate_constant(ir_operand(v->op, i), &k) && k >= 0) return k;
        return -1;
    case IR_mod: return mutate_constant(ir_operand(v->op, 1), &k) && k > 0 ? k - 1 : -1;
    case IR_shr:
        if (!mutate_constant(ir_operand(v->op, 1), &k) || mutate_most(ir_operand(v->op, 0)) < 0) return -1;
        return mutate_most(ir_operand(v->op, 0)) >> k;
    case IR_xor:
    case IR_or: {
        int64_t a = mutate_most(ir_operand(v->op, 0)), b = mutate_most(ir_operand(v->op, 1));
        return a < 0 || b < 0 ? -1 : bits_above(a > b ? a : b);
    }
    default: return -1;
    }
}

/* ---- All there is ------------------------------------------------------------------------------------------------ */
/* Where an integer is made of few things that take few values each (numbers of threads, counters of loops over constants, what
 * mod and masks leave of anything), all of them are gone through. What a loop carries on and makes of such things alone follows
 * from its counter: the turns before are gone through again. */
enum { MAX_LEAVES = 8, MAX_CARRIED = 4, MOST_VALUES = 1 << 22, WIDEST = 4096 };

typedef struct walk {
    int n;
    const ir_value *leaf[MAX_LEAVES]; /* by id */
    int64_t at[MAX_LEAVES];
    int n_carried;
    struct {
        const ir_value *v;
        bool known; /* to be `is` in the turn at hand */
        int64_t is;
    } carried[MAX_CARRIED];
    int64_t left;
} walk;

static int64_t value_in(walk *w, const ir_value *v);
static bool gather(walk *w, const ir_value *v);

static int carried_at(const walk *w, const ir_value *v) {
    for (int i = 0; i < w->n_carried; i++)
        if (w->carried[i].v == v) return i;
    return -1;
}

/* The loop that carries v from turn to turn. */
static const ir_op *carries(const ir_value *v) {
    const ir_op *loop = v->op ? NULL : v->block->op;
    return loop && loop->code == IR_tfor && v->index && v->type.dtype == FRIT_i64 && v->type.lanes == 1 ? loop : NULL;
}

static bool gather_carried(walk *w, const ir_op *loop, const ir_value *v) {
    if (carried_at(w, v) >= 0) return true;
    if (w->n_carried == MAX_CARRIED) return false;
    w->carried[w->n_carried++].v = v;
    const ir_block *b = loop->blocks[0];
    return gather(w, b->args[0]) && gather(w, ir_operand(loop, 2 + v->index)) && gather(w, ir_operand(b->last, v->index - 1));
}

/* The counter's leaf, at any value. */
static int64_t *counter_of(walk *w, const ir_op *loop) {
    for (int i = 0; i < w->n; i++)
        if (w->leaf[i] == loop->blocks[0]->args[0]) return &w->at[i];
    return NULL; /* it was gathered */
}

/* Number c of what is carried, where the counter is as it is. */
static int64_t carried_value(walk *w, int c) {
    const ir_value *v = w->carried[c].v;
    const ir_op *loop = carries(v);
    int64_t *counter = counter_of(w, loop), now = *counter;
    int64_t is = value_in(w, ir_operand(loop, 2 + v->index)), step = value_in(w, ir_operand(loop, 2));
    for (*counter = value_in(w, ir_operand(loop, 0)); *counter < now && w->left > 0; *counter += step, w->left--) {
        w->carried[c].known = true, w->carried[c].is = is;
        is = value_in(w, ir_operand(loop->blocks[0]->last, v->index - 1));
        w->carried[c].known = false;
    }
    *counter = now;
    return is;
}

static const ir_op *counts(const ir_value *v) {
    const ir_op *loop = v->op ? NULL : v->block->op;
    return loop && loop->code == IR_tfor && !v->index ? loop : NULL;
}

/* One i64, or a truth about some, from i64s (scalar_eval does it). */
static bool calculates(const ir_op *op) {
    if (op->code == IR_cast) return renames(op) && ir_result(op, 0)->type.lanes == 1;
    if (!(ir_op_flags(op) & IR_F_ELEMENTWISE) || op->n_operands == 0 || ir_result(op, 0)->type.lanes != 1) return false;
    bool from = ir_operand(op, op->code == IR_select)->type.dtype == FRIT_i64;
    return from && (ir_result(op, 0)->type.dtype == FRIT_i64 || ir_op_flags(op) & IR_F_COMPARE);
}

static bool gather_operands(walk *w, const ir_op *op) {
    for (int i = 0; i < op->n_operands; i++)
        if (!gather(w, ir_operand(op, i))) return false;
    return true;
}

/* Notes what v is made of; false: something that may be anything. */
static bool gather(walk *w, const ir_value *v) {
    int64_t k;
    if (mutate_constant(v, &k)) return true;
    for (int i = 0; i < w->n; i++)
        if (w->leaf[i] == v) return true;
    const ir_op *loop = counts(v);
    walk was = *w;
    if (v->op && calculates(v->op) && gather_operands(w, v->op)) return true;
    *w = was;
    if (carries(v) && gather_carried(w, carries(v), v)) return true;
    *w = was;
    int64_t most = v->type.lanes == 1 ? mutate_most(v) : -1;
    bool few = most >= 0 && most < WIDEST;
    for (int i = 0; loop && i < 3 && !few; i++)
        if (!gather(w, ir_operand(loop, i))) return *w = was, false;
    if ((!few && !loop) || w->n == MAX_LEAVES) return *w = was, false;
    int at = w->n++;
    for (; at && w->leaf[at - 1]->id > v->id; at--) w->leaf[at] = w->leaf[at - 1];
    w->leaf[at] = v;
    return true;
}

static int64_t value_in(walk *w, const ir_value *v) {
    int64_t k;
    int c = carried_at(w, v);
    if (mutate_constant(v, &k)) return k;
    for (int i = 0; i < w->n; i++)
        if (w->leaf[i] == v) return w->at[i];
    if (c >= 0) return w->carried[c].known ? w->carried[c].is : carried_value(w, c);
    scalar args[3], out;
    for (int i = 0; i < v->op->n_operands; i++) args[i].i = value_in(w, ir_operand(v->op, i));
    if (v->op->code == IR_cast) return args[0].i;
    if (v->op->code == IR_select) return args[args[0].i ? 1 : 2].i;
    return scalar_eval(v->op->code, FRIT_i64, (frit_dtype)v->type.dtype, args, &out) ? out.i : 0;
}

typedef bool relation(int64_t a, int64_t b);
static bool differ(int64_t a, int64_t b) { return a != b; }
static bool less(int64_t a, int64_t b) { return a < b; }
static bool no_more(int64_t a, int64_t b) { return a <= b; }

/* Whether a and b are so related for all values of the leaves from number i on. */
static bool always(walk *w, int i, const ir_value *a, const ir_value *b, relation *are) {
    if (--w->left < 0) return false;
    if (i == w->n) return are(value_in(w, a), value_in(w, b)) && w->left > 0;
    const ir_op *loop = counts(w->leaf[i]);
    int64_t from = 0, to = 0, step = 1;
    if (loop) from = value_in(w, ir_operand(loop, 0)), to = value_in(w, ir_operand(loop, 1)), step = value_in(w, ir_operand(loop, 2));
    else to = mutate_most(w->leaf[i]) + 1;
    if (step < 1) return false;
    for (w->at[i] = from; w->at[i] < to; w->at[i] += step)
        if (!always(w, i + 1, a, b, are)) return false;
    return true;
}

static bool related(const ir_value *a, const ir_value *b, relation *are) {
    walk w = {.left = MOST_VALUES};
    return a->type.lanes == 1 && a->type.dtype == FRIT_i64 && gather(&w, a) && gather(&w, b) && always(&w, 0, a, b, are);
}

bool mutate_differ(const ir_value *a, const ir_value *b) { return related(a, b, differ); }
bool mutate_less(const ir_value *a, const ir_value *b) { return related(a, b, less); }
bool mutate_no_more(const ir_value *a, const ir_value *b) { return related(a, b, no_more); }
