/* Host values and how messages speak of them. */
#include "elab_internal.h"

val v_error(void) { return (val){.kind = V_ERROR}; }
val v_none(void) { return (val){.kind = V_NONE}; }
val v_int(sym_t s) { return (val){.kind = V_INT, .i = s}; }
val v_num(double d) { return (val){.kind = V_NUM, .num = d}; }
val v_bool(bool b) { return (val){.kind = V_BOOL, .b = b}; }
val v_str(const char *s) { return (val){.kind = V_STR, .s = s}; }
val v_dtype(frit_dtype t) { return (val){.kind = V_DTYPE, .dtype = (uint8_t)t}; }
val v_tensor(ir_value *t) { return (val){.kind = V_TENSOR, .t = t}; }
val v_list(const val *items, int n) { return (val){.kind = V_LIST, .items = items, .count = n}; }
val v_consti(elab *e, int64_t i) { return v_int(sym_const(e->s, i)); }

val v_tensor_axes(ir_value *t, int n_axes, iaxis *const *axes) {
    return (val){.kind = V_TENSOR, .t = t, .n_axes = (uint8_t)n_axes, .axes = axes};
}

bool el_const_int(val v, int64_t *out) { return v.kind == V_INT && sym_is_const(v.i, out); }

const char *el_dims_text(elab *e, const sym_t *dims, int n) {
    const char *text = "[";
    for (int i = 0; i < n; i++)
        text = arena_printf(e->a, "%s%s%s", text, i ? ", " : "", sym_print(e->a, dims[i]));
    return arena_printf(e->a, "%s]", text);
}

const char *el_shape_text(elab *e, val v) { return el_dims_text(e, el_dims(v), el_rank(v)); }

const char *el_describe(elab *e, val v) {
    switch ((val_kind)v.kind) {
    case V_ERROR: return "an error";
    case V_NONE: return "none";
    case V_INT: return arena_printf(e->a, "the integer %s", sym_print(e->a, v.i));
    case V_NUM: return arena_printf(e->a, "the number %g", v.num);
    case V_BOOL: return v.b ? "true" : "false";
    case V_COND: return "a condition";
    case V_STR: return arena_printf(e->a, "the string \"%s\"", v.s);
    case V_DTYPE: return arena_printf(e->a, "the dtype %s", frit_dtype_name((frit_dtype)v.dtype));
    case V_TYPE: return "a type";
    case V_LIST: return "a list";
    case V_TUPLE: return arena_printf(e->a, "%d values", v.count);
    case V_TENSOR: return arena_printf(e->a, "%s%s", frit_dtype_name(el_dtype(v)), el_shape_text(e, v));
    case V_FN: return arena_printf(e->a, "the function '%s'", v.fn->fn->name.text);
    case V_BUILTIN: return arena_printf(e->a, "the function '%s'", v.builtin->name);
    case V_MODULE: return "a module";
    }
    return "a value";
}
