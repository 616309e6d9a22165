/* A mutant whose values are something else again where they are other numbers than the kernel's. */
#include "mutate_ops.h"

enum { MOST_USERS = 256 };

/* A number that none of the others is likely to be, and finite: in kernels that make sums again where one of a block is NaN, NaN in
 * rows that nobody stores would have all others made in another order. */
static ir_value *another(ir_builder *b, ir_type t) {
    return frit_dtype_is_float((frit_dtype)t.dtype) ? ir_splat(b, t, 3.25) : mutant_nonsense(b, t);
}

/* x where x and y are the same number or both NaN, else another. */
static ir_value *unless_other(ir_builder *b, ir_value *x, ir_value *y) {
    ir_value *same = ir_binary(b, IR_eq, x, y);
    if (frit_dtype_is_float((frit_dtype)x->type.dtype)) {
        ir_value *nan = ir_binary(b, IR_and, ir_binary(b, IR_ne, x, x), ir_binary(b, IR_ne, y, y));
        same = ir_binary(b, IR_or, same, nan);
    }
    return mutant_select(b, same, x, another(b, x->type));
}

/* Who uses v; false: too many. */
static bool users_of(const ir_value *v, int *n, ir_op **users) {
    *n = 0;
    for (const ir_use *u = v->uses; u; u = u->next) {
        bool again = false;
        for (int i = 0; i < *n; i++) again = again || users[i] == u->user;
        if (again) continue;
        if (*n == MOST_USERS) return false;
        users[(*n)++] = u->user;
    }
    return true;
}

static void replace_in(ir_op *op, const ir_value *v, ir_value *with) {
    for (int i = 0; i < op->n_operands; i++)
        if (ir_operand(op, i) == v) ir_set_operand(op, i, with);
}

/* What reads `was` reads `is` instead, made of it, but for nonsense. */
static bool spoil_value(ir_builder *b, ir_value *was, ir_value *is) {
    ir_op *users[MOST_USERS];
    int n;
    if (is->type.kind != IR_VECTOR || !users_of(was, &n, users)) return false;
    ir_value *with = unless_other(b, is, was);
    for (int i = 0; i < n; i++)
        if (users[i] != is->op) replace_in(users[i], was, with);
    return true;
}

/* What the block stores is what was there where `both` does not hold, as the kernel or the mutant would have it; where these are
 * other numbers, nonsense. `kept`: the mutant does not store there. NULL: nonsense whatever was there, which may be nothing. */
static void spoil_stores(ir_module *m, const ir_block *block, ir_value *both, ir_value *kept) {
    for (ir_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++) spoil_stores(m, op->blocks[i], both, kept);
        if (!mutant_stores(op)) continue;
        ir_builder b = ir_builder_before(m, op);
        ir_value *v = ir_operand(op, 2), *mask = op->n_operands > 3 ? ir_operand(op, 3) : NULL;
        if (!kept) {
            ir_set_operand(op, 2, mutant_select(&b, both, v, another(&b, v->type)));
            continue;
        }
        ir_value *in[] = {ir_operand(op, 0), ir_operand(op, 1), mask, v};
        ir_op *load = ir_build(&b, op->code == IR_store ? IR_load : IR_load_lanes, mask ? 4 : 2, in, 1, &v->type);
        ir_value *old = ir_result(load, 0);
        ir_value *one = mutant_select(&b, kept, unless_other(&b, old, v), unless_other(&b, v, old));
        ir_set_operand(op, 2, mutant_select(&b, both, v, one));
    }
}

/* The branch is taken where c holds in the mutant. */
static bool spoil_branch(ir_module *m, ir_op *op, ir_value *c, bool all) {
    ir_value *was = ir_operand(op, 0);
    if (op->n_results) {
        if (!mutant_is_plain(op->blocks[0], false) || !mutant_is_plain(op->blocks[1], false)) return false;
        ir_builder b = ir_builder_after(m, op);
        ir_map map = {0};
        ir_op *other = ir_clone(&b, op, &map);
        ir_set_operand(other, 0, c);
        b = ir_builder_after(m, other);
        for (int i = 0; i < op->n_results; i++)
            if (!spoil_value(&b, ir_result(op, i), ir_result(other, i))) return false;
        return true;
    }
    if (op->blocks[1]->first != op->blocks[1]->last || !mutant_is_plain(op->blocks[0], true)) return false;
    ir_builder b = ir_builder_before(m, op);
    spoil_stores(m, op->blocks[0], ir_binary(&b, IR_and, was, c), all ? NULL : ir_unary(&b, IR_not, c));
    ir_set_operand(op, 0, ir_binary(&b, IR_or, was, c));
    return true;
}

/* A truth value is `is` in the mutant and `was` in the kernel: so for all that reads it. */
static bool spoil_truth(ir_module *m, ir_value *was, ir_value *is, bool all) {
    ir_op *users[MOST_USERS];
    int n;
    if (!users_of(was, &n, users)) return false;
    for (int i = 0; i < n; i++) {
        ir_op *op = users[i];
        if (op->code == IR_tif) {
            if (!spoil_branch(m, op, is, all)) return false;
            continue;
        }
        bool logic = op->code == IR_and || op->code == IR_or || op->code == IR_xor || op->code == IR_not || op->code == IR_splat;
        bool loads = op->code == IR_load || op->code == IR_load_lanes, truth = logic && ir_result(op, 0)->type.dtype == FRIT_bool;
        if (!truth && !loads && op->code != IR_select) return false;
        ir_map map = {0};
        ir_builder b = ir_builder_after(m, op);
        ir_op *other = ir_clone(&b, op, &map);
        replace_in(other, was, is);
        b = ir_builder_after(m, other);
        if (truth && !spoil_truth(m, ir_result(op, 0), ir_result(other, 0), all)) return false;
        if (!truth && !spoil_value(&b, ir_result(op, 0), ir_result(other, 0))) return false;
    }
    return true;
}

bool mutant_spoil(ir_module *m, ir_op *op, mutant_kind k, bool all, const ir_op **brings) {
    *brings = NULL;
    if (k == MUTANT_UNMASKED && op->code == IR_copy_async) return *brings = op, !all;
    if (k != MUTANT_ONE_OFF && k != MUTANT_ALWAYS && k != MUTANT_NEVER) return false;
    int at;
    ir_builder b = k == MUTANT_ONE_OFF ? ir_builder_after(m, op) : ir_builder_before(m, op);
    ir_value *is = mutant_replacement(&b, op, k, &at);
    return k == MUTANT_ONE_OFF ? spoil_truth(m, ir_result(op, 0), is, all) : spoil_branch(m, op, is, all);
}
