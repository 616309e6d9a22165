/* Guards of grids (variant.h, schedule_rows.c) as conditions: a guard is a formula that is 1 or 0. */
#include "lower_internal.h"

/* The formula that is 0 where the guard is 0 and positive where it is 1: e of min(1, e); NULL: the guard has another form. */
static sym_t counted(sym_t guard) {
    if (sym_kind_of(guard) != SYM_MIN) return NULL;
    for (int i = 0; i < 2; i++)
        if (sym_is(sym_arg(guard, i), 1)) return sym_arg(guard, 1 - i);
    return NULL;
}

/* e > 0, or e == 0, for e that is at least 0. */
static ir_value *is_positive(lower *l, sym_t e, bool no) {
    sym_ctx *c = l->syms;
    sym_t zero = sym_const(c, 0), x = NULL;
    for (int i = 0; i < 2 && sym_kind_of(e) == SYM_MAX; i++)
        if (sym_is(sym_arg(e, i), 0)) x = sym_arg(e, 1 - i);
    if (!x) return lower_compare(l, no ? IR_eq : IR_ne, e, zero);
    sym_t most = sym_const(c, sym_constant_part(x) - 1), rest = sym_sub(c, sym_addi(c, most, 1), x); /* most + 1 - rest > 0 */
    return no ? lower_compare(l, IR_lt, most, rest) : lower_compare(l, IR_le, rest, most);
}

ir_value *lower_guard(lower *l, sym_t guard) {
    sym_ctx *c = l->syms;
    sym_t e = counted(guard), none = counted(sym_sub(c, sym_const(c, 1), guard));
    if (e) return is_positive(l, e, false);
    if (none) return is_positive(l, none, true);
    if (sym_kind_of(guard) != SYM_MIN) return lower_compare(l, IR_ne, guard, sym_const(c, 0));
    int depth;
    ir_value *v[2] = {lower_guard(l, sym_arg(guard, 0)), lower_guard(l, sym_arg(guard, 1))};
    return lower_and(l, v[0], l->floor, v[1], l->floor, &depth);
}
