/* Values for symbols, from what the host gives: dims of inputs and params, host ints. */
#include "interp_internal.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    sym_t s;
    int64_t value;
    const char *name; /* of the input or param */
    int axis;         /* -1: a host int */
    bool done;
} equation;

typedef struct {
    interp *it;
    int unknown;
    sym_t var;
} unknowns;

static void count_unknown(void *u, sym_t var) {
    unknowns *q = u;
    int64_t v;
    if (interp_symbol_get(q->it, var, &v)) return;
    q->unknown++;
    q->var = var;
}

static bool mismatch(interp *it, const equation *q, const char *why) {
    arena *a = arena_new();
    if (q->axis < 0)
        interp_fail(it, INTERP_BAD_INPUT, "host int '%s' is %lld: %s '%s'", q->name, (long long)q->value, why,
                    sym_print(a, q->s));
    else
        interp_fail(it, INTERP_BAD_INPUT, "dim %d of '%s' is %lld: %s '%s'", q->axis, q->name, (long long)q->value, why,
                    sym_print(a, q->s));
    arena_free(a);
    return false;
}

/* value = coef * var + rest, solved exactly. Nothing to do while the form is another. */
static bool solve_one(interp *it, equation *q, sym_t var, bool *progress) {
    sym_t coef, rest;
    int64_t c, r, left;
    if (!sym_linear(it->m->syms, q->s, var, &coef, &rest) || !sym_eval(coef, interp_symbol_get, it, &c) ||
        !sym_eval(rest, interp_symbol_get, it, &r))
        return true;
    if (c == 0 || __builtin_sub_overflow(q->value, r, &left) || (c == -1 && left == INT64_MIN) || left % c != 0 ||
        (sym_var_role(var) == SYM_DIM && left / c < 0))
        return mismatch(it, q, "no value of its symbol gives");
    interp_set_symbol(it, var, left / c);
    q->done = *progress = true;
    return it->status == INTERP_OK;
}

static bool step(interp *it, equation *q, bool *progress) {
    int64_t v;
    if (sym_eval(q->s, interp_symbol_get, it, &v)) {
        q->done = *progress = true;
        return v == q->value || mismatch(it, q, "it must equal");
    }
    unknowns u = {.it = it};
    sym_each_var(q->s, count_unknown, &u);
    return u.unknown != 1 || solve_one(it, q, u.var, progress);
}

static bool solve_all(interp *it, equation *q, int n) {
    for (bool progress = true; progress;) {
        progress = false;
        for (int i = 0; i < n; i++)
            if (!q[i].done && !step(it, &q[i], &progress)) return false;
    }
    for (int i = 0; i < n; i++)
        if (!q[i].done) return mismatch(it, &q[i], "there is no way to solve");
    return true;
}

static int add_dims(equation *q, ir_type t, const int64_t *shape, const char *name) {
    for (int k = 0; q && k < t.rank; k++)
        q[k] = (equation){.s = t.dims[k], .value = shape[k], .name = name ? name : "", .axis = k};
    return t.rank;
}

/* The equations into q (NULL: only counted). */
static int gather_equations(interp *it, const ir_block *b, const sym_t *arg_syms, const interp_tensor *inputs,
                            equation *q) {
    int n = 0;
    for (int i = 0; i < b->n_args; i++) {
        const char *name = b->args[i]->name ? b->args[i]->name : "";
        if (arg_syms && arg_syms[i]) {
            int64_t v = inputs[i].dtype == FRIT_i64 && inputs[i].rank == 0 ? *(const int64_t *)inputs[i].data : 0;
            if (q) q[n] = (equation){.s = arg_syms[i], .value = v, .name = name, .axis = -1};
            n++;
        }
        n += add_dims(q ? q + n : NULL, b->args[i]->type, inputs[i].shape, name);
    }
    for (int i = 0; i < it->n_globals; i++)
        if (it->globals[i])
            n += add_dims(q ? q + n : NULL, it->m->globals.data[i]->type, it->globals[i]->shape,
                          it->m->globals.data[i]->path);
    return n;
}

bool interp_solve(interp *it, const ir_block *b, const sym_t *arg_syms, const interp_tensor *inputs) {
    int n = gather_equations(it, b, arg_syms, inputs, NULL);
    equation *q = calloc((size_t)n + 1, sizeof *q);
    if (!q) return interp_fail(it, INTERP_MEMORY, "out of memory");
    gather_equations(it, b, arg_syms, inputs, q);
    bool ok = solve_all(it, q, n);
    free(q);
    return ok;
}
