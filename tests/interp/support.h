/* Helpers of the interpreter's tests: models as .fir text, tensors as C arrays. */
#ifndef FRIT_TESTS_INTERP_SUPPORT_H
#define FRIT_TESTS_INTERP_SUPPORT_H
#include "ir/diag.h"
#include "ir/interp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A module read from text; fails the test with the diagnostics when it is not one. Free with ir_module_free. */
ir_module *module_of(const char *text);
/* A borrowed tensor over data; -1 ends the dims. */
interp_tensor tensor_of(frit_dtype t, void *data, ...);
#define F32(data, ...) tensor_of(FRIT_f32, data, __VA_ARGS__, -1)
#define I64(data, ...) tensor_of(FRIT_i64, data, __VA_ARGS__, -1)
#define SCALAR(t, data) tensor_of(t, data, -1)
/* Runs func `name` of m. */
interp_status run_func(interp *it, ir_module *m, const char *name, int n, const interp_tensor *in, int n_out,
                       interp_tensor *out);
#endif
