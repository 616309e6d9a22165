/* Running by the interpreter. */
#include "exec.h"
#include "ir/interp.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    exec base;
    const model *m;
    interp *it;
    frit_package_info info;
} interp_exec;

static interp_tensor as_tensor(const io_array *a) {
    interp_tensor t = {.dtype = a->dtype, .rank = a->rank, .data = a->data};
    memcpy(t.shape, a->dims, sizeof *a->dims * (size_t)a->rank);
    return t;
}

static int failure(interp_exec *x, cli *c, interp_status s) {
    static const ir_span nowhere = {0};
    const char *text = interp_message(x->it);
    switch (s) {
    case INTERP_OK: return EXIT_DONE;
    case INTERP_BAD_INPUT:
    case INTERP_CHECK: diag_report(c->d, MSG_RUN_REFUSED, nowhere, text); return EXIT_MODEL;
    case INTERP_MEMORY:
    case INTERP_LIMIT: diag_report(c->d, MSG_TOO_LARGE, nowhere, text); return EXIT_MODEL;
    default: fprintf(stderr, "frit: internal error: %s\n", text); return EXIT_BUG;
    }
}

static int set_dim(exec *base, cli *c, const char *name, int64_t value) {
    interp_exec *x = (interp_exec *)base;
    const ir_module *m = x->m->module;
    for (int i = 0; i < m->symbols.len; i++)
        if (!strcmp(sym_var_name(m->symbols.data[i]), name))
            interp_bind(x->it, m->symbols.data[i], value);
    return EXIT_DONE;
}

static int bind(exec *base, cli *c, int param, const io_array *a) {
    interp_exec *x = (interp_exec *)base;
    interp_tensor t = as_tensor(a);
    return failure(x, c, interp_set_param(x->it, x->info.params[param].name, &t));
}

/* Takes over the memory of a result. */
static int take(cli *c, io_array *a, interp_tensor *t) {
    io_error e;
    if (!io_array_alloc(a, t->dtype, t->rank, t->shape, &e))
        return cli_environment(c, "%s", e.text);
    if (a->bytes)
        memcpy(a->data, t->data, (size_t)a->bytes);
    interp_tensor_free(t);
    return EXIT_DONE;
}

static int run(exec *base, cli *c, const io_array *inputs, io_array *outputs) {
    interp_exec *x = (interp_exec *)base;
    int n = x->info.n_inputs, k = x->info.n_outputs;
    interp_tensor *in = arena_array(c->arena, interp_tensor, n + 1), *out = arena_array(c->arena, interp_tensor, k + 1);
    for (int i = 0; i < n; i++)
        in[i] = as_tensor(&inputs[i]);
    int status = failure(x, c, interp_run(x->it, x->m->func, n, in, k, out));
    for (int i = 0; i < k && status == EXIT_DONE; i++)
        status = take(c, &outputs[i], &out[i]);
    return status;
}

static int get_state(exec *base, cli *c, int state, io_array *a) {
    interp_exec *x = (interp_exec *)base;
    interp_tensor t = {0};
    int status = failure(x, c, interp_get_state(x->it, x->info.states[state].name, &t));
    return status == EXIT_DONE ? take(c, a, &t) : status;
}

static int set_state(exec *base, cli *c, int state, const io_array *a) {
    interp_exec *x = (interp_exec *)base;
    interp_tensor t = as_tensor(a);
    return failure(x, c, interp_set_state(x->it, x->info.states[state].name, &t));
}

static void close_exec(exec *base) {
    interp_exec *x = (interp_exec *)base;
    interp_free(x->it);
    free(x);
}

/* ---- the description ---- */
static frit_tensor_info describe(arena *a, const char *name, ir_type t) {
    const char **dims = arena_array(a, const char *, t.rank + 1);
    for (int d = 0; d < t.rank; d++)
        dims[d] = sym_print(a, t.dims[d]);
    return (frit_tensor_info){.name = name, .dtype = (frit_dtype)t.dtype, .rank = t.rank, .dims = dims,
                              .type = ir_type_print(a, t)};
}

static const ir_op *return_of(const ir_func *f) { return f->body->last; }

static void describe_dims(arena *a, const ir_module *m, frit_package_info *info) {
    frit_dim_info *dims = arena_array(a, frit_dim_info, m->symbols.len + 1);
    for (int i = 0; i < m->symbols.len; i++) {
        sym_t v = m->symbols.data[i];
        int64_t lo, hi;
        sym_range(m->syms, v, &lo, &hi);
        dims[i] = (frit_dim_info){.name = sym_var_name(v), .lo = lo, .hi = hi, .multiple = sym_var_multiple(v),
                                  .role = sym_var_role(v) == SYM_INT ? FRIT_DIM_INT : FRIT_DIM_BOUND};
    }
    info->dims = dims;
    info->n_dims = m->symbols.len;
}

static void describe_globals(arena *a, const ir_module *m, frit_package_info *info) {
    frit_tensor_info *params = arena_array(a, frit_tensor_info, m->globals.len + 1);
    frit_tensor_info *states = arena_array(a, frit_tensor_info, m->globals.len + 1);
    for (int i = 0; i < m->globals.len; i++) {
        const ir_global *g = m->globals.data[i];
        frit_tensor_info t = describe(a, g->path, g->type);
        if (g->is_state)
            states[info->n_states++] = t;
        else
            params[info->n_params++] = t;
    }
    info->params = params;
    info->states = states;
}

static void describe_module(arena *a, const model *from, frit_package_info *info) {
    const ir_func *f = from->func;
    const ir_op *ret = return_of(f);
    *info = (frit_package_info){.entry = f->name, .doc = f->doc ? f->doc : "", .n_inputs = f->body->n_args};
    frit_tensor_info *in = arena_array(a, frit_tensor_info, f->body->n_args + 1);
    for (int i = 0; i < f->body->n_args; i++) {
        const ir_value *v = f->body->args[i];
        in[i] = describe(a, v->name ? v->name : arena_printf(a, "in%d", i), v->type);
        in[i].host_int = f->arg_syms && f->arg_syms[i];
    }
    info->inputs = in;
    info->n_outputs = ret && ret->code == IR_return ? ret->n_operands : 0;
    frit_tensor_info *out = arena_array(a, frit_tensor_info, info->n_outputs + 1);
    for (int i = 0; i < info->n_outputs; i++) {
        const char *name = f->result_names && i < f->n_results ? f->result_names[i] : NULL;
        if (!name || !*name)
            name = info->n_outputs == 1 ? "out" : arena_printf(a, "out%d", i);
        out[i] = describe(a, name, ir_operand(ret, i)->type);
    }
    info->outputs = out;
    describe_globals(a, from->module, info);
    describe_dims(a, from->module, info);
}

exec *exec_open_interp(cli *c, const model *m, uint64_t seed, int *status) {
    interp_exec *x = calloc(1, sizeof *x);
    interp_options options = {.seed = seed};
    *status = EXIT_ENVIRONMENT;
    if (!x || !(x->it = interp_new(m->module, &options))) {
        free(x);
        cli_environment(c, "out of memory");
        return NULL;
    }
    x->m = m;
    describe_module(c->arena, m, &x->info);
    x->base = (exec){.info = &x->info, .device = "interpreter", .set_dim = set_dim, .bind = bind, .run = run,
                     .get_state = get_state, .set_state = set_state, .close = close_exec};
    return &x->base;
}
