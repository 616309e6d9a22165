/* The interpreter's surface: params, states, symbols, runs. */
#include "interp.h"
#include "interp_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Host tensors ------------------------------------------------------------------------------------------------ */
int64_t interp_elements(const interp_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] == 0) return 0;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] < 0 || __builtin_mul_overflow(n, t->shape[i], &n)) return -1;
    return n;
}

void interp_tensor_free(interp_tensor *t) {
    free(t->data);
    free(t->err);
    t->data = NULL;
    t->err = NULL;
}

double interp_get_float(const interp_tensor *t, int64_t i) {
    return frit_load_float(t->wide && frit_dtype_is_float(t->dtype) ? FRIT_f64 : t->dtype, t->data, i);
}

int64_t interp_get_int(const interp_tensor *t, int64_t i) { return frit_load_int(t->dtype, t->data, i); }

/* ---- Life -------------------------------------------------------------------------------------------------------- */
interp *interp_new(ir_module *m, const interp_options *options) {
    interp *it = calloc(1, sizeof *it);
    if (!it) return NULL;
    it->m = m;
    it->max_bytes = INT64_C(8) << 30;
    if (!options) return it;
    it->wide = options->wide;
    it->stored = options->wide && options->stored;
    it->seed = options->seed;
    it->max_ops = options->max_ops;
    if (options->max_bytes > 0) it->max_bytes = options->max_bytes;
    return it;
}

void interp_free(interp *it) {
    if (!it) return;
    for (int i = 0; i < it->n_globals; i++) node_release(it, it->globals[i]);
    for (int i = 0; i < it->n_env; i++) {
        node_release(it, it->env[i]);
        node_release(it, it->absent[i]);
    }
    free(it->globals);
    free(it->env);
    free(it->absent);
    free(it->last_use);
    free(it->symbols);
    free(it);
}

const char *interp_message(const interp *it) { return it->message; }

bool interp_extents_open(const interp *it) { return it->open_extents; }

static void reset(interp *it) {
    it->status = INTERP_OK;
    it->message[0] = 0;
    it->ops = 0;
    it->open_extents = false;
    for (int i = 0; i < it->n_symbols; i++)
        if (!it->symbols[i].preset) it->symbols[i].known = false;
}

static bool grow_globals(interp *it) {
    int n = it->m->globals.len;
    if (n <= it->n_globals) return true;
    node **grown = realloc(it->globals, sizeof *grown * (size_t)n);
    if (!grown) return interp_fail(it, INTERP_MEMORY, "out of memory");
    for (int i = it->n_globals; i < n; i++) grown[i] = NULL;
    it->globals = grown;
    it->n_globals = n;
    return true;
}

/* ---- Params and states ------------------------------------------------------------------------------------------- */
static int find_global(interp *it, const char *path, bool is_state) {
    if (!grow_globals(it)) return -1;
    for (int i = 0; i < it->n_globals; i++)
        if (!strcmp(it->m->globals.data[i]->path, path) && it->m->globals.data[i]->is_state == is_state) return i;
    interp_fail(it, INTERP_BAD_INPUT, "no %s '%s'", is_state ? "state" : "param", path);
    return -1;
}

static bool tensor_fits(interp *it, const interp_tensor *t, ir_type want, const char *what, const char *name) {
    if (t->rank < 0 || t->rank > IR_MAX_RANK || t->rank != want.rank || t->dtype != (frit_dtype)want.dtype)
        return interp_fail(it, INTERP_BAD_INPUT, "%s '%s' is %s of rank %d, expected %s of rank %d", what, name,
                           frit_dtype_name(t->dtype), t->rank, frit_dtype_name((frit_dtype)want.dtype), want.rank);
    int64_t n = interp_elements(t);
    if (n < 0 || (n > 0 && !t->data)) return interp_fail(it, INTERP_BAD_INPUT, "%s '%s' has no elements", what, name);
    return true;
}

interp_status interp_set_param(interp *it, const char *path, const interp_tensor *t) {
    reset(it);
    int i = find_global(it, path, false);
    if (i < 0 || !tensor_fits(it, t, it->m->globals.data[i]->type, "param", path)) return it->status;
    node *x = node_borrow(it, t);
    if (!x) return it->status;
    node_release(it, it->globals[i]);
    it->globals[i] = x;
    return it->status;
}

interp_status interp_set_state(interp *it, const char *path, const interp_tensor *t) {
    reset(it);
    int i = find_global(it, path, true);
    if (i < 0 || !tensor_fits(it, t, it->m->globals.data[i]->type, "state", path)) return it->status;
    node *borrowed = node_borrow(it, t), *x = borrowed ? node_private(it, borrowed) : NULL;
    node_release(it, borrowed);
    if (!x) return it->status;
    node_release(it, it->globals[i]);
    it->globals[i] = x;
    return it->status;
}

interp_status interp_get_state(interp *it, const char *path, interp_tensor *out) {
    reset(it);
    int i = find_global(it, path, true);
    if (i < 0) return it->status;
    if (!it->globals[i]) interp_fail(it, INTERP_BAD_INPUT, "state '%s' has no value yet", path);
    else interp_to_host(it, it->globals[i], out);
    return it->status;
}

/* ---- Runs -------------------------------------------------------------------------------------------------------- */
void interp_bind(interp *it, sym_t var, int64_t value) {
    interp_set_symbol(it, var, value);
    if (sym_var_id(var) < it->n_symbols) it->symbols[sym_var_id(var)].preset = true;
}

bool interp_value(interp *it, sym_t s, int64_t *out) { return sym_eval(s, interp_symbol_get, it, out); }

static bool run_checks(interp *it) {
    for (int i = 0; i < it->m->checks.len; i++) {
        const ir_check *c = &it->m->checks.data[i];
        int64_t l, r;
        /* a check on a dim that the run itself finds (compact) waits for nobody */
        if (!interp_value(it, c->lhs, &l) || !interp_value(it, c->rhs, &r)) continue;
        bool ok = !strcmp(c->op, "==")   ? l == r
                  : !strcmp(c->op, "!=") ? l != r
                  : !strcmp(c->op, "<=") ? l <= r
                                         : l < r;
        if (!ok)
            return interp_fail(it, INTERP_CHECK, "check failed: %s (%lld %s %lld)", c->text ? c->text : "",
                               (long long)l, c->op, (long long)r);
    }
    return true;
}

/* f: the func that b is the body of, or NULL. */
static bool run(interp *it, const ir_func *f, const ir_block *b, int n_inputs, const interp_tensor *inputs,
                int n_results, interp_tensor *results) {
    if (b->n_args != n_inputs)
        return interp_fail(it, INTERP_BAD_INPUT, "%d inputs given, %d expected", n_inputs, b->n_args);
    for (int i = 0; i < n_inputs; i++) {
        const char *name = b->args[i]->name ? b->args[i]->name : "";
        if (!tensor_fits(it, &inputs[i], b->args[i]->type, "input", name)) return false;
    }
    if (!grow_globals(it) || !interp_solve(it, b, f ? f->arg_syms : NULL, inputs)) return false;
    if (!interp_prepare(it, b)) return false;
    if (f && !run_checks(it)) return false;
    node **args = calloc((size_t)(n_inputs + n_results) + 1, sizeof *args), **out = args + n_inputs;
    if (!args) return interp_fail(it, INTERP_MEMORY, "out of memory");
    bool ok = true;
    for (int i = 0; ok && i < n_inputs; i++) ok = (args[i] = node_borrow(it, &inputs[i])) != NULL;
    ok = ok && interp_block(it, b, n_inputs, args, n_results, out);
    int done = 0;
    for (; ok && done < n_results; done += ok) ok = interp_to_host(it, out[done], &results[done]);
    for (int i = 0; !ok && i < done; i++) interp_tensor_free(&results[i]);
    for (int i = 0; i < n_inputs + n_results; i++) node_release(it, args[i]);
    free(args);
    return ok;
}

interp_status interp_run(interp *it, const ir_func *f, int n_inputs, const interp_tensor *inputs, int n_results,
                         interp_tensor *results) {
    reset(it);
    if (f->level != IR_LEVEL_TENSOR) interp_fail(it, INTERP_BAD_IR, "not a tensor-level function");
    else run(it, f, f->body, n_inputs, inputs, n_results, results);
    return it->status;
}

interp_status interp_run_kernel(interp *it, const ir_op *kernel, int n_inputs, const interp_tensor *inputs,
                                int n_results, interp_tensor *results) {
    reset(it);
    if (kernel->code != IR_kernel || kernel->n_blocks != 1) interp_fail(it, INTERP_BAD_IR, "not a kernel op");
    else run(it, NULL, kernel->blocks[0], n_inputs, inputs, n_results, results);
    return it->status;
}
