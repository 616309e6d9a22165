/* Running a compiled package by libfrit_rt. */
#include "exec.h"
#include "machine.h"
#include "packed.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMS = 64 };

typedef struct {
    exec base;
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    const model *model;
    packed packed;
    bool ran;
    frit_session *session;
    frit_dim dims[MAX_DIMS];
    int n_dims;
    uint64_t seed;
    bool keep; /* inputs and outputs stay in `held`, on the device */
    struct {
        void *data;
        size_t bytes;
    } *held;
    const io_array **states; /* to set once the session knows their shapes */
    DLTensor *in, *out;      /* of one run, with room for their shapes */
    int64_t *shapes;
} package_exec;

static DLTensor as_dl(const io_array *a, int64_t *shape) {
    memcpy(shape, a->dims, sizeof *shape * (size_t)a->rank);
    return frit_dense(a->data, a->dtype, a->rank, shape);
}

static int set_dim(exec *base, cli *c, const char *name, int64_t value) {
    package_exec *x = (package_exec *)base;
    frit_error err = {0};
    if (x->n_dims < MAX_DIMS)
        x->dims[x->n_dims++] = (frit_dim){name, value};
    if (frit_weights_set_dim(x->weights, name, value, &err) == FRIT_OK || err.status == FRIT_NOT_FOUND)
        return EXIT_DONE;
    return cli_runtime_failure(c, &err);
}

static int bind(exec *base, cli *c, int param, const io_array *a) {
    package_exec *x = (package_exec *)base;
    frit_error err = {0};
    int64_t shape[IO_MAX_RANK];
    DLTensor t = as_dl(a, shape);
    if (frit_weights_bind(x->weights, x->base.info->params[param].name, &t, FRIT_BORROW, &err) == FRIT_OK)
        return EXIT_DONE;
    return cli_runtime_failure(c, &err);
}

static int open_session(package_exec *x, cli *c) {
    frit_error err = {0};
    int64_t threads;
    if (x->session)
        return EXIT_DONE;
    if (!cli_number(c, OPT_threads, 0, &threads))
        return EXIT_USAGE;
    frit_session_options options = {.struct_size = sizeof options, .threads = (int)threads, .dims = x->dims,
                                    .n_dims = x->n_dims, .seed = x->seed};
    if (packed_load(&x->packed, c, x->model, x->weights, x->n_dims, x->dims, &err) != FRIT_OK ||
        frit_session_create(x->weights, &options, &x->session, &err) != FRIT_OK)
        return cli_runtime_failure(c, &err);
    return EXIT_DONE;
}

static int copy_states_in(package_exec *x, cli *c) {
    frit_error err = {0};
    for (int i = 0; i < x->base.info->n_states; i++) {
        DLTensor t;
        const io_array *a = x->states[i];
        if (!a)
            continue;
        if (frit_session_state(x->session, x->base.info->states[i].name, &t, &err) != FRIT_OK)
            return cli_runtime_failure(c, &err);
        bool same = t.ndim == a->rank && !memcmp(t.shape, a->dims, sizeof *a->dims * (size_t)a->rank) &&
                    frit_dtype_from_dl(t.dtype) == a->dtype;
        if (!same) {
            diag_report(c->d, MSG_STATE_DATA, (ir_span){0},
                        arena_printf(c->arena, "state '%s' has another shape or dtype than the model's",
                                     x->base.info->states[i].name));
            return EXIT_MODEL;
        }
        int64_t shape[IO_MAX_RANK];
        DLTensor from = as_dl(a, shape);
        if (frit_tensor_copy(x->device, &t, &from, &err) != FRIT_OK)
            return cli_runtime_failure(c, &err);
    }
    return EXIT_DONE;
}

static int make_outputs(package_exec *x, cli *c, io_array *outputs) {
    for (int i = 0; i < x->base.info->n_outputs; i++) {
        const frit_tensor_info *t = &x->base.info->outputs[i];
        int64_t dims[IO_MAX_RANK];
        frit_error err = {0};
        io_error e;
        if (frit_session_output_shape(x->session, i, dims, &err) != FRIT_OK)
            return cli_runtime_failure(c, &err);
        if (!io_array_alloc(&outputs[i], t->dtype, t->rank, dims, &e))
            return cli_environment(c, "%s", e.text);
    }
    return EXIT_DONE;
}

/* An extent that depends on data comes back smaller than its bound; rows are then closed up. */
static void take_extents(io_array *a, const DLTensor *t) {
    int64_t n;
    bool same = !memcmp(a->dims, t->shape, sizeof *a->dims * (size_t)a->rank);
    if (same)
        return;
    memcpy(a->dims, t->shape, sizeof *a->dims * (size_t)a->rank);
    io_size(a->dtype, a->rank, a->dims, &n, &a->bytes);
}

/* The first run plans, sets the states and makes the outputs; later ones, given the same outputs, only run. */
static int prepare(package_exec *x, cli *c, io_array *outputs) {
    frit_error err = {0};
    int status = open_session(x, c);
    if (status != EXIT_DONE)
        return status;
    if (frit_session_prepare(x->session, x->in, x->base.info->n_inputs, &err) != FRIT_OK)
        return cli_runtime_failure(c, &err);
    status = copy_states_in(x, c);
    return status == EXIT_DONE ? make_outputs(x, c, outputs) : status;
}

/* The tensor's memory on the device instead, made and (inputs) filled at the first run. */
static bool hold(package_exec *x, DLTensor *t, int i, bool fill, frit_error *err) {
    DLTensor host = *t;
    int64_t n = 1;
    for (int k = 0; k < t->ndim; k++)
        n *= t->shape[k];
    size_t bytes = (size_t)((n * t->dtype.bits + 7) / 8);
    bool new = !x->held[i].data;
    x->held[i].bytes = bytes;
    if (new && !(x->held[i].data = frit_device_alloc(x->device, bytes))) {
        err->status = FRIT_NO_MEMORY;
        snprintf(err->message, sizeof err->message, "no memory for %zu bytes on %s", bytes, frit_device_name(x->device));
        return false;
    }
    *t = (DLTensor){.data = x->held[i].data, .device = frit_device_dl(x->device), .ndim = t->ndim, .dtype = t->dtype, .shape = t->shape};
    return !new || !fill || frit_tensor_copy(x->device, t, &host, err) == FRIT_OK;
}

static bool hold_all(package_exec *x, frit_error *err) {
    const frit_package_info *info = x->base.info;
    if (!x->held)
        x->held = calloc((size_t)(info->n_inputs + info->n_outputs) + 1, sizeof *x->held);
    for (int i = 0; i < info->n_inputs; i++)
        if (!info->inputs[i].host_int && !hold(x, &x->in[i], i, true, err))
            return false;
    for (int i = 0; i < info->n_outputs; i++)
        if (!hold(x, &x->out[i], info->n_inputs + i, false, err))
            return false;
    return true;
}

static int run(exec *base, cli *c, const io_array *inputs, io_array *outputs) {
    package_exec *x = (package_exec *)base;
    const frit_package_info *info = base->info;
    frit_error err = {0};
    for (int i = 0; i < info->n_inputs; i++)
        x->in[i] = as_dl(&inputs[i], x->shapes + IO_MAX_RANK * i);
    int status = info->n_outputs && outputs[0].data ? EXIT_DONE : prepare(x, c, outputs);
    if (status != EXIT_DONE)
        return status;
    for (int i = 0; i < info->n_outputs; i++)
        x->out[i] = as_dl(&outputs[i], x->shapes + IO_MAX_RANK * (info->n_inputs + i));
    if (x->keep && !hold_all(x, &err))
        return cli_runtime_failure(c, &err);
    if (frit_session_run(x->session, x->in, info->n_inputs, x->out, info->n_outputs, &err) != FRIT_OK ||
        frit_session_wait(x->session, &err) != FRIT_OK)
        return cli_runtime_failure(c, &err);
    x->ran = true;
    for (int i = 0; i < info->n_outputs; i++)
        take_extents(&outputs[i], &x->out[i]);
    return EXIT_DONE;
}

static int get_state(exec *base, cli *c, int state, io_array *a) {
    package_exec *x = (package_exec *)base;
    frit_error err = {0};
    io_error e;
    DLTensor t;
    if (frit_session_state(x->session, base->info->states[state].name, &t, &err) != FRIT_OK)
        return cli_runtime_failure(c, &err);
    if (!io_array_alloc(a, frit_dtype_from_dl(t.dtype), t.ndim, t.shape, &e))
        return cli_environment(c, "%s", e.text);
    int64_t shape[IO_MAX_RANK];
    DLTensor to = as_dl(a, shape);
    if (frit_tensor_copy(x->device, &to, &t, &err) != FRIT_OK)
        return cli_runtime_failure(c, &err);
    return EXIT_DONE;
}

static int set_state(exec *base, cli *c, int state, const io_array *a) {
    ((package_exec *)base)->states[state] = a;
    return EXIT_DONE;
}

static void close_exec(exec *base) {
    package_exec *x = (package_exec *)base;
    for (int i = 0; x->held && i < x->base.info->n_inputs + x->base.info->n_outputs; i++)
        frit_device_free(x->device, x->held[i].data, x->held[i].bytes);
    free(x->held);
    frit_session_release(x->session);
    if (x->ran)
        packed_store(&x->packed, x->weights);
    frit_weights_release(x->weights);
    frit_device_release(x->device);
    frit_package_release(x->package);
    free(x->states);
    free(x->in);
    free(x->out);
    free(x->shapes);
    free(x);
}

/* A device for target i of the package, and weights there for the best target of its kind. */
static frit_status open_device(package_exec *x, int i, const frit_device_options *options, frit_error *err) {
    frit_status s = frit_device_open(frit_package_get_info(x->package)->targets[i], options, &x->device, err);
    if (s == FRIT_OK)
        s = frit_weights_create(x->package, x->device, NULL, &x->weights, err);
    if (s == FRIT_OK)
        return s;
    frit_device_release(x->device);
    x->device = NULL;
    return s;
}

static bool same_kind(const char *a, const char *b) {
    size_t n = strcspn(a, ":");
    return n == strcspn(b, ":") && !memcmp(a, b, n);
}

/* The first target whose kind of device is here and runs the package, or that --target asks for. */
static bool open_first(package_exec *x, cli *c, const frit_device_options *options, frit_error *err) {
    const frit_package_info *info = frit_package_get_info(x->package);
    const char *wanted = option_text(&c->o, OPT_target, NULL);
    frit_error first = {0};
    for (int i = 0; i < info->n_targets; i++) {
        if (wanted && !same_kind(wanted, info->targets[i]))
            continue;
        if (open_device(x, i, options, err) == FRIT_OK)
            return true;
        if (!first.status)
            first = *err;
    }
    *err = first;
    if (first.status)
        return false;
    err->status = FRIT_UNSUPPORTED;
    snprintf(err->message, sizeof err->message, "the package was not compiled for a target of the kind of '%s'", wanted);
    return false;
}

static bool open_all(package_exec *x, cli *c, const model *m, const void *bytes, size_t size, frit_error *err) {
    int64_t threads, index;
    if (!cli_number(c, OPT_threads, 0, &threads) || !cli_number(c, OPT_device, 0, &index)) {
        err->status = FRIT_OK;
        return false;
    }
    frit_status s = bytes ? frit_package_open_memory(bytes, size, NULL, NULL, NULL, &x->package, err)
                          : frit_package_open(m->path, &x->package, err);
    if (s != FRIT_OK)
        return false;
    frit_device_options options = {.struct_size = sizeof options, .index = (int)index, .threads = (int)threads};
    return open_first(x, c, &options, err);
}

exec *exec_open_package(cli *c, const model *m, const void *bytes, size_t size, uint64_t seed, int *status) {
    package_exec *x = calloc(1, sizeof *x);
    frit_error err = {0};
    *status = EXIT_ENVIRONMENT;
    if (!x)
        return NULL;
    x->seed = seed;
    x->model = m;
    x->base = (exec){.set_dim = set_dim, .bind = bind, .run = run, .get_state = get_state, .set_state = set_state,
                     .close = close_exec};
    if (!open_all(x, c, m, bytes, size, &err)) {
        *status = err.status == FRIT_OK ? EXIT_USAGE : cli_runtime_failure(c, &err);
        close_exec(&x->base);
        return NULL;
    }
    x->base.info = frit_package_get_info(x->package);
    x->base.device = frit_device_name(x->device);
    const frit_package_info *info = x->base.info;
    x->states = calloc((size_t)info->n_states + 1, sizeof *x->states);
    x->in = calloc((size_t)info->n_inputs + 1, sizeof *x->in);
    x->out = calloc((size_t)info->n_outputs + 1, sizeof *x->out);
    x->shapes = calloc((size_t)(info->n_inputs + info->n_outputs + 1) * IO_MAX_RANK, sizeof *x->shapes);
    return &x->base;
}

frit_session *exec_session(exec *x) { return x->run == run ? ((package_exec *)x)->session : NULL; }

/* Bytes read plus bytes written a second by copies on the device. */
static double copy_speed(frit_device *d) {
    enum { TIMES = 8 };
    int64_t n = (int64_t)1 << 28;
    double best = 0;
    void *a = frit_device_alloc(d, (size_t)n), *b = frit_device_alloc(d, (size_t)n);
    DLTensor from = frit_dense(a, FRIT_u8, 1, &n), to = frit_dense(b, FRIT_u8, 1, &n);
    from.device = to.device = frit_device_dl(d);
    for (int i = 0; a && b && i < TIMES; i++) {
        double start = machine_seconds();
        if (frit_tensor_copy(d, &to, &from, NULL) != FRIT_OK)
            break;
        double speed = 2 * (double)n / (machine_seconds() - start);
        best = speed > best ? speed : best;
    }
    frit_device_free(d, a, (size_t)n);
    frit_device_free(d, b, (size_t)n);
    return best;
}

void exec_keep_on_device(exec *base, double *copy_bytes) {
    package_exec *x = (package_exec *)base;
    if (base->run != run || frit_device_dl(x->device).device_type == kDLCPU)
        return;
    x->keep = true;
    *copy_bytes = copy_speed(x->device);
}
