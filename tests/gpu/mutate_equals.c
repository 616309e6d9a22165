#include "mutate_equals.h"

enum { MAX_GUARDS = 8, MAX_VALUES = 256 };

typedef struct choice {
    const ir_op *op; /* the comparison */
    int n_guards, n_blind;
    const ir_value *guards[MAX_GUARDS]; /* hold wherever the comparison decides */
    const ir_value *blind[MAX_VALUES];  /* looked at already */
} choice;

/* ---- Equal floats ------------------------------------------------------------------------------------------------ */
static bool is_pair(const ir_op *op, const ir_value *x, const ir_value *y) {
    const ir_value *a = ir_operand(op, 0), *b = ir_operand(op, 1);
    return (a == x && b == y) || (a == y && b == x);
}

/* g is x != x. */
static bool is_nan(const ir_value *g, const ir_value *x) { return g->op && g->op->code == IR_ne && is_pair(g->op, x, x); }

/* Where g holds, x and y are equal, or both NaN. */
static bool tells_equal(const ir_value *g, const ir_value *x, const ir_value *y) {
    if (!g->op) return false;
    const ir_op *op = g->op;
    const ir_value *a = op->n_operands > 0 ? ir_operand(op, 0) : NULL, *b = op->n_operands > 1 ? ir_operand(op, 1) : NULL;
    switch (op->code) {
    case IR_eq: return is_pair(op, x, y);
    case IR_or: return tells_equal(a, x, y) && tells_equal(b, x, y);
    case IR_and:
        if ((is_nan(a, x) && is_nan(b, y)) || (is_nan(a, y) && is_nan(b, x))) return true;
        return tells_equal(a, x, y) || tells_equal(b, x, y);
    default: return false;
    }
}

/* ---- Who can tell ------------------------------------------------------------------------------------------------ */
static bool only_compared(choice *c, const ir_value *v);

static int64_t bytes_of_shared(const ir_op *op) {
    const sym_t *size;
    int64_t n = 0;
    if (ir_get_syms(op, IR_ATTR_size, &size) == 1) sym_is_const(size[0], &n);
    return frit_dtype_bytes((frit_dtype)ir_result(op, 0)->type.dtype, n);
}

/* No other part of shared memory lies where this one does. */
static bool lies_alone(const ir_op *shared, const ir_block *b) {
    int64_t lo = ir_get_int(shared, IR_ATTR_offset, 0), hi = lo + bytes_of_shared(shared);
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++)
            if (!lies_alone(shared, op->blocks[i])) return false;
        if (op->code != IR_shared || op == shared) continue;
        int64_t at = ir_get_int(op, IR_ATTR_offset, 0);
        if (at < hi && lo < at + bytes_of_shared(op)) return false;
    }
    return true;
}

/* v is stored: all that is loaded from there is only compared. */
static bool stored(choice *c, const ir_op *store) {
    const ir_op *root = ir_operand(store, 0)->op;
    if (!root || root->code != IR_shared || !lies_alone(root, ir_block_func(root->parent)->body)) return false;
    for (const ir_use *u = ir_result(root, 0)->uses; u; u = u->next) {
        const ir_op *op = u->user;
        if (op->code == IR_store && op->n_operands == 3) continue;
        if (op->code != IR_load || !only_compared(c, ir_result(op, 0))) return false;
    }
    return true;
}

static bool only_compared(choice *c, const ir_value *v) {
    for (int i = 0; i < c->n_blind; i++)
        if (c->blind[i] == v) return true;
    if (c->n_blind == MAX_VALUES) return false;
    c->blind[c->n_blind++] = v;
    for (const ir_use *u = v->uses; u; u = u->next) {
        const ir_op *op = u->user;
        switch (op->code) {
        case IR_lt:
        case IR_le:
        case IR_eq:
        case IR_ne: break;
        case IR_select:
        case IR_shuffle:
        case IR_splat:
        case IR_extract:
            if (!only_compared(c, ir_result(op, 0))) return false;
            break;
        case IR_store:
            if (op->n_operands != 3 || ir_operand(op, 2) != v || !stored(c, op)) return false;
            break;
        default: return false;
        }
    }
    return true;
}

/* ---- What it chooses --------------------------------------------------------------------------------------------- */
static bool same_choice(choice *c, const ir_op *select) {
    const ir_value *x = ir_operand(select, 1), *y = ir_operand(select, 2);
    if (x == y || is_pair(c->op, x, y)) return true;
    bool equal = false;
    for (int i = 0; i < c->n_guards; i++) equal |= tells_equal(c->guards[i], x, y);
    return equal && only_compared(c, ir_result(select, 0));
}

/* All that v, made of the comparison by logic, decides is a choice between equals. */
static bool decides_nothing(choice *c, const ir_value *v) {
    for (const ir_use *u = v->uses; u; u = u->next) {
        const ir_op *op = u->user;
        switch (op->code) {
        case IR_and:
            if (c->n_guards == MAX_GUARDS) return false;
            c->guards[c->n_guards++] = ir_operand(op, ir_operand(op, 0) == v);
            if (!decides_nothing(c, ir_result(op, 0))) return false;
            c->n_guards--;
            break;
        case IR_or:
        case IR_not:
            if (!decides_nothing(c, ir_result(op, 0))) return false;
            break;
        case IR_select:
            if (ir_operand(op, 1) == v || ir_operand(op, 2) == v || !same_choice(c, op)) return false;
            break;
        default: return false;
        }
    }
    return true;
}

bool mutate_chooses_equals(const ir_op *op) {
    choice c = {.op = op};
    bool compares = op->code == IR_lt || op->code == IR_le;
    return compares && ir_result(op, 0)->type.lanes == 1 && decides_nothing(&c, ir_result(op, 0));
}
