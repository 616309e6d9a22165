/* Arguments of built-in functions, checked and converted. */
#include "elab_builtins.h"

val el_bad_arg(elab *e, const call_site *c, const char *what, val got) {
    if (got.kind == V_ERROR)
        return got;
    if (got.kind == V_NONE)
        return el_fail(e, diag_report(e->d, MSG_ABSENT, el_at(e, c->span)));
    return el_fail(e, diag_report(e->d, MSG_ARGUMENT_KIND, el_at(e, c->span), c->name, what, el_describe(e, got)));
}

bool el_arg_tensor(elab *e, const call_site *c, val *a) {
    if (a->kind != V_TENSOR && a->kind != V_LIST && !el_is_host(*a))
        return el_bad_arg(e, c, "a tensor", *a).kind != V_ERROR;
    *a = el_tensor(e, *a, FRIT_DTYPE_COUNT, c->span);
    return a->kind == V_TENSOR;
}

bool el_arg_const(elab *e, const call_site *c, val a, const char *what, int64_t *out) {
    if (el_const_int(a, out))
        return true;
    if (a.kind == V_INT)
        el_fail(e, diag_report(e->d, MSG_NOT_STATIC, el_at(e, c->span), arena_printf(e->a, "%s of '%s'", what, c->name)));
    else
        el_bad_arg(e, c, arena_printf(e->a, "an integer as %s", what), a);
    return false;
}

bool el_arg_bool(elab *e, const call_site *c, val a, const char *what, bool *out) {
    if (a.kind != V_BOOL)
        return el_bad_arg(e, c, arena_printf(e->a, "true or false as %s", what), a).kind != V_ERROR;
    *out = a.b;
    return true;
}

bool el_arg_axis(elab *e, const call_site *c, val a, int rank, int *out) {
    int64_t i;
    if (!el_arg_const(e, c, a, "an axis", &i))
        return false;
    *out = (int)(i < 0 ? i + rank : i);
    if (i >= -rank && i < rank)
        return true;
    el_fail(e, diag_report(e->d, MSG_AXIS_RANGE, el_at(e, c->span), (long long)i, rank));
    return false;
}

bool el_arg_axes(elab *e, const call_site *c, val a, int rank, int *n, int out[IR_MAX_RANK]) {
    uint32_t set = 0;
    int axis;
    if (a.kind == V_NONE)
        set = rank ? UINT32_MAX >> (32 - rank) : 0;
    else if (a.kind != V_LIST) {
        if (!el_arg_axis(e, c, a, rank, &axis))
            return false;
        set = 1u << axis;
    }
    for (int i = 0; a.kind == V_LIST && i < a.count; i++) {
        if (!el_arg_axis(e, c, a.items[i], rank, &axis))
            return false;
        set |= 1u << axis;
    }
    *n = 0;
    for (int i = 0; i < rank; i++)
        if (set >> i & 1)
            out[(*n)++] = i;
    return true;
}

bool el_arg_dtype(elab *e, const call_site *c, val a, frit_dtype absent, frit_dtype *out) {
    *out = absent;
    if (a.kind == V_NONE)
        return true;
    if (a.kind != V_DTYPE)
        return el_bad_arg(e, c, "a dtype", a).kind != V_ERROR;
    *out = (frit_dtype)a.dtype;
    return true;
}

bool el_arg_dims(elab *e, const call_site *c, val a, int *n, sym_t out[IR_MAX_RANK]) {
    *n = 0;
    if (a.kind == V_INT)
        a = v_list(arena_copy(e->a, &a, sizeof a), 1);
    if (a.kind != V_LIST)
        return el_bad_arg(e, c, "a list of dims", a).kind != V_ERROR;
    if (a.count > IR_MAX_RANK) {
        el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, c->span), a.count, IR_MAX_RANK));
        return false;
    }
    for (int i = 0; i < a.count; i++) {
        if (a.items[i].kind != V_INT)
            return el_bad_arg(e, c, "integers as dims", a.items[i]).kind != V_ERROR;
        out[(*n)++] = el_resolve(e, a.items[i].i);
    }
    return true;
}

bool el_arg_tensors(elab *e, const call_site *c, val a, int *n, val **out) {
    if ((a.kind != V_LIST && a.kind != V_TUPLE) || !a.count)
        return el_bad_arg(e, c, "a list of tensors", a).kind != V_ERROR;
    *n = a.count;
    *out = arena_array(e->a, val, a.count);
    frit_dtype t = el_common_dtype(e, a.items, a.count, c->name, c->span);
    if (t == FRIT_DTYPE_COUNT)
        return false;
    for (int i = 0; i < a.count; i++) {
        (*out)[i] = el_tensor(e, a.items[i], t, c->span);
        if ((*out)[i].kind != V_TENSOR)
            return false;
    }
    return true;
}

bool el_arg_type(elab *e, const call_site *c, val a, ir_type *out) {
    sym_t dims[IR_MAX_RANK];
    if (a.kind != V_TYPE)
        return el_bad_arg(e, c, "a type such as f32[N, M]", a).kind != V_ERROR;
    for (int i = 0; i < a.count; i++)
        dims[i] = el_resolve(e, a.items[i].i);
    *out = ir_tensor(e->m, (frit_dtype)a.dtype, a.count, dims);
    return true;
}

val el_tuple(elab *e, const val *items, int n) {
    return (val){.kind = V_TUPLE, .items = arena_copy(e->a, items, sizeof(val) * (size_t)n), .count = n};
}
