/* The functions of builtins.def and what they share. */
#ifndef FRIT_FRONTEND_ELAB_BUILTINS_H
#define FRIT_FRONTEND_ELAB_BUILTINS_H
#include "elab_internal.h"

#define BUILTIN(name, params, fn, doc) val fn(elab *e, const call_site *c, val *a);
#include "builtins.def"
#undef BUILTIN

/* Reports that a value is not `what`; V_ERROR. */
val el_bad_arg(elab *e, const call_site *c, const char *what, val got);
/* a as a tensor (literals become one). */
bool el_arg_tensor(elab *e, const call_site *c, val *a);
/* An axis, negative from the end, in [0, rank). */
bool el_arg_axis(elab *e, const call_site *c, val a, int rank, int *out);
/* An axis, a list of axes, or none for all: ascending. */
bool el_arg_axes(elab *e, const call_site *c, val a, int rank, int *n, int out[IR_MAX_RANK]);
bool el_arg_const(elab *e, const call_site *c, val a, const char *what, int64_t *out);
bool el_arg_bool(elab *e, const call_site *c, val a, const char *what, bool *out);
/* A dtype or none (then `absent`). */
bool el_arg_dtype(elab *e, const call_site *c, val a, frit_dtype absent, frit_dtype *out);
bool el_arg_dims(elab *e, const call_site *c, val a, int *n, sym_t out[IR_MAX_RANK]);
/* A list of tensors of one dtype. */
bool el_arg_tensors(elab *e, const call_site *c, val a, int *n, val **out);
bool el_arg_type(elab *e, const call_site *c, val a, ir_type *out);
val el_tuple(elab *e, const val *items, int n);
#endif
