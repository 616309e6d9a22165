/* Border and interior: where the coordinates that must be checked are affine in the stage's vars, one test per tile
 * tells whether all of them are inside for the whole tile and all that it reduces over. Tiles of the interior then run
 * a copy of the body without checks. One axis at most is split so, since it doubles the code. */
#include "lower_internal.h"

/* The least (or greatest) value of e over the tile at base and everything the loops inside it run over. Vars of axes
 * before `axis` and of `axis` itself are known up to their tile positions. NULL: e is not affine with constant factors. */
static sym_t extreme(lower *l, const lower_stage *s, int axis, sym_t e, bool greatest) {
    sym_ctx *c = l->syms;
    for (int i = 0; i < s->n; i++) {
        sym_t coef, rest;
        int64_t k;
        if (!sym_uses(e, s->vars[i])) continue;
        if (!sym_linear(c, e, s->vars[i], &coef, &rest) || !sym_is_const(coef, &k)) return NULL;
        bool known = i <= axis;
        sym_t at = known ? s->base[i] : sym_const(c, 0);
        int64_t width = i == s->vector ? (int64_t)s->count[i] * l->lanes : s->count[i];
        if ((k > 0) == greatest)
            at = known ? sym_addi(c, at, width - 1) : sym_addi(c, s->extent[i], -1);
        e = sym_add(c, rest, sym_muli(c, at, k));
    }
    return e;
}

bool lower_is_affine(lower *l, const lower_stage *s, const ir_op *op, sym_t e) {
    const sym_t *idx;
    int n = ir_get_syms(op, IR_ATTR_idx, &idx);
    for (int i = 0; i < n; i++)
        if (sym_uses(e, idx[i])) return false;
    for (int i = 0; i < s->n; i++) {
        sym_t coef, rest;
        if (sym_uses(e, s->vars[i]) &&
            (!sym_linear(l->syms, e, s->vars[i], &coef, &rest) || !sym_is_const(coef, NULL)))
            return false;
    }
    return true;
}

/* Calls f for each checked affine coordinate of the stage's reads. */
static void each_checked(lower *l, lower_stage *s, void (*f)(lower *, lower_stage *, sym_t e, sym_t dim, void *u), void *u) {
    for (int i = 0; i < 2; i++)
        for (const ir_op *op = s->op->blocks[i]->first; op; op = op->next) {
            const int64_t *checked;
            const sym_t *map;
            int n = op->code == IR_read ? ir_get_ints(op, IR_ATTR_checked, &checked) : 0;
            if (n) ir_get_syms(op, IR_ATTR_map, &map);
            for (int k = 0; k < n; k++)
                if (lower_is_affine(l, s, op, map[checked[k]]))
                    f(l, s, map[checked[k]], lower_dim(l, ir_operand(op, 0), (int)checked[k]), u);
        }
}

static void add_axes(lower *l, lower_stage *s, sym_t e, sym_t dim, void *u) {
    uint32_t *axes = u;
    *axes |= lower_sym_axes(s, e);
}

int lower_border_axis(lower *l, lower_stage *s) {
    uint32_t axes = 0;
    each_checked(l, s, add_axes, &axes);
    if (s->vector >= 0 && s->vector < s->parallel && (axes & lower_axis(s->vector))) return s->vector;
    for (int i = s->parallel - 1; i >= 0; i--)
        if (axes & lower_axis(i)) return s->tile[i] == 1 || s->repeats ? i : -1;
    return -1;
}

typedef struct interior {
    int axis, depth;
    ir_value *v;
} interior;

static void require(lower *l, interior *in, sym_t e) {
    int d;
    ir_value *v = lower_nonnegative(l, e, &d);
    if (v) in->v = lower_and(l, in->v, in->depth, v, d, &in->depth);
}

static void add_condition(lower *l, lower_stage *s, sym_t e, sym_t dim, void *u) {
    interior *in = u;
    sym_ctx *c = l->syms;
    sym_t low = extreme(l, s, in->axis, e, false), high = extreme(l, s, in->axis, e, true);
    require(l, in, low);
    require(l, in, sym_sub(c, sym_addi(c, dim, -1), high));
}

ir_value *lower_is_interior(lower *l, lower_stage *s, int axis) {
    interior in = {.axis = axis};
    each_checked(l, s, add_condition, &in);
    sym_ctx *c = l->syms;
    int64_t width = axis == s->vector ? (int64_t)s->count[axis] * l->lanes : s->count[axis];
    require(l, &in, sym_sub(c, sym_addi(c, s->extent[axis], -width), s->base[axis]));
    return in.v;
}
