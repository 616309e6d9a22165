#include "rt.h"
#include <string.h>

typedef struct rt_state {
    char *data;
    int64_t bytes;
    int64_t shape[FPK_MAX_RANK];
} rt_state;

struct frit_session {
    atomic_int refs;
    frit_weights *weights;
    frit_allocator mem;
    rt_queue *queue;
    rt_frame frame;
    int64_t *fixed; /* symbols that hold for the session: of the params, options and states */
    uint8_t *fixed_known;
    int64_t *next; /* those of the run being prepared */
    uint8_t *next_known;
    rt_state *states;
    bool have_states, bound;
    int64_t *offset; /* of its staging memory behind the temps, -1: used in place. Per input, then output */
    uint32_t *align; /* that kernels rely on, per input, then output; 0: no kernel reads it */
};

static const frit_package *package_of(const frit_session *s) { return s->weights->pkg; }

/* ---- Life -------------------------------------------------------------------------------------------------------- */
static void drop_states(frit_session *s) {
    for (uint32_t i = 0; s->states && i < package_of(s)->info->n_states; i++) {
        rt_state *t = &s->states[i];
        if (t->data)
            s->weights->dev->driver->free(s->weights->dev, s->queue, &s->mem, t->data, t->bytes ? t->bytes : 1);
        t->data = NULL;
    }
    s->have_states = false;
}

static void destroy(frit_session *s) {
    const frit_package *p = package_of(s);
    uint64_t n = (uint64_t)p->info->n_inputs + p->info->n_outputs;
    drop_states(s);
    rt_frame_free(&s->frame);
    rt_free(&s->mem, s->fixed, p->n_symbols, sizeof *s->fixed);
    rt_free(&s->mem, s->fixed_known, p->n_symbols, 1);
    rt_free(&s->mem, s->next, p->n_symbols, sizeof *s->next);
    rt_free(&s->mem, s->next_known, p->n_symbols, 1);
    rt_free(&s->mem, s->states, p->info->n_states, sizeof *s->states);
    rt_free(&s->mem, s->offset, n, sizeof *s->offset);
    rt_free(&s->mem, s->align, n, sizeof *s->align);
    frit_weights *w = s->weights;
    if (s->queue) w->dev->driver->queue_close(w->dev, s->queue);
    frit_allocator mem = s->mem;
    rt_free(&mem, s, 1, sizeof *s);
    frit_weights_release(w);
}

static frit_status fix_dim(frit_session *s, const frit_dim *d, frit_error *err) {
    const frit_package *p = package_of(s);
    if (!d->name) return rt_fail(err, FRIT_USAGE, "frit_session_create: a dim has no name");
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        if (strcmp(rt_string(p, p->symbols[i].name), d->name) || p->symbols[i].role != FRIT_DIM_BOUND) continue;
        if (s->fixed_known[i] && s->fixed[i] != d->value)
            return rt_fail(err, FRIT_SHAPE, "%s = %lld, but the params have %lld", d->name, (long long)d->value,
                           (long long)s->fixed[i]);
        s->fixed[i] = d->value, s->fixed_known[i] = 1;
        return FRIT_OK;
    }
    return rt_fail(err, FRIT_NOT_FOUND, "the model %s has no dim %s", rt_string(p, p->info->entry), d->name);
}

static void set_seed(frit_session *s, uint64_t seed) {
    const frit_package *p = package_of(s);
    for (uint32_t i = 0; i < p->n_symbols; i++)
        if (p->symbols[i].role == FRIT_DIM_SEED) s->fixed[i] = (int64_t)seed, s->fixed_known[i] = 1;
}

static void find_alignments(frit_session *s) {
    const frit_package *p = package_of(s);
    for (uint32_t b = 0; b < s->frame.variant->n_buffers; b++) {
        const fpk_buffer *buf = &s->frame.buffers[b];
        uint32_t io = buf->kind == FPK_BUF_INPUT ? buf->index : p->info->n_inputs + buf->index;
        if (buf->kind <= FPK_BUF_OUTPUT && buf->align > s->align[io]) s->align[io] = buf->align;
    }
}

static frit_status fill_session(frit_session *s, const frit_session_options *o, frit_error *err) {
    frit_weights *w = s->weights;
    const frit_package *p = w->pkg;
    uint64_t n = (uint64_t)p->info->n_inputs + p->info->n_outputs;
    bool fewer = w->dev->driver->host_memory && o->threads > 0 && o->threads < w->dev->workers;
    int workers = fewer ? o->threads : w->dev->workers;
    TRY(rt_frame_init(&s->frame, p, w->variant, w->dev, w->module, NULL, &s->mem, workers, err));
    TRY(w->dev->driver->queue_open(w->dev, o->stream, &s->queue, err));
    s->frame.queue = s->queue;
    s->fixed = rt_new(&s->mem, p->n_symbols, sizeof *s->fixed);
    s->fixed_known = rt_new(&s->mem, p->n_symbols, 1);
    s->next = rt_new(&s->mem, p->n_symbols, sizeof *s->next);
    s->next_known = rt_new(&s->mem, p->n_symbols, 1);
    s->states = rt_new(&s->mem, p->info->n_states, sizeof *s->states);
    s->offset = rt_new(&s->mem, n, sizeof *s->offset);
    s->align = rt_new(&s->mem, n, sizeof *s->align);
    if (!s->fixed || !s->fixed_known || !s->next || !s->next_known || !s->states || !s->offset || !s->align)
        return rt_no_memory(err);
    memcpy(s->fixed, w->syms, p->n_symbols * sizeof *w->syms);
    memcpy(s->fixed_known, w->known, p->n_symbols);
    rt_weights_addresses(w, &s->frame);
    find_alignments(s);
    set_seed(s, o->seed);
    for (int i = 0; i < o->n_dims; i++) TRY(fix_dim(s, &o->dims[i], err));
    frit_session_set_profile(s, o->profile);
    return FRIT_OK;
}

frit_status frit_session_create(frit_weights *w, const frit_session_options *options, frit_session **out,
                                frit_error *err) {
    if (!w || !out) return rt_fail(err, FRIT_USAGE, "frit_session_create: weights and out must not be NULL");
    frit_session_options o = {0};
    if (!rt_take_options(&o, sizeof o, options))
        return rt_fail(err, FRIT_USAGE,
                       "frit_session_create: set struct_size, and nothing that this version does not know");
    if (o.threads < 0) return rt_fail(err, FRIT_USAGE, "frit_session_create: threads = %d is below 0", o.threads);
    if (o.n_dims < 0 || (o.n_dims && !o.dims)) return rt_fail(err, FRIT_USAGE, "frit_session_create: dims is NULL");
    if (o.allocator && (!o.allocator->alloc || !o.allocator->free))
        return rt_fail(err, FRIT_USAGE, "frit_session_create: an allocator needs `alloc` and `free`");
    TRY(frit_weights_load(w, err));
    const frit_allocator *mem = o.allocator ? o.allocator : &w->dev->mem;
    frit_session *s = rt_new(mem, 1, sizeof *s);
    if (!s) return rt_no_memory(err);
    atomic_init(&s->refs, 1);
    s->weights = frit_weights_retain(w);
    s->mem = *mem;
    frit_status st = fill_session(s, &o, err);
    if (st != FRIT_OK) return destroy(s), st;
    *out = s;
    return FRIT_OK;
}

frit_session *frit_session_retain(frit_session *s) {
    if (s) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}
void frit_session_release(frit_session *s) {
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) destroy(s);
}

/* ---- States ------------------------------------------------------------------------------------------------------ */
static frit_status make_state(frit_session *s, uint32_t i, frit_error *err) {
    const fpk_tensor *t = rt_tensor(package_of(s), RT_STATE, i);
    const char *name = rt_string(package_of(s), t->name);
    rt_state *st = &s->states[i];
    int64_t n = 1;
    for (uint32_t k = 0; k < t->rank; k++) {
        TRY(rt_value(&s->frame, package_of(s)->lists[t->dims + k], &st->shape[k], err));
        if (st->shape[k] < 0 || __builtin_mul_overflow(n, st->shape[k], &n))
            return rt_fail(err, FRIT_SHAPE, "state '%s' is too large", name);
    }
    st->bytes = frit_dtype_bytes((frit_dtype)t->dtype, n);
    if (st->bytes < 0) return rt_fail(err, FRIT_SHAPE, "state '%s' is too large", name);
    st->data = s->weights->dev->driver->alloc(s->weights->dev, s->queue, &s->mem, st->bytes ? st->bytes : 1);
    if (!st->data)
        return rt_fail(err, FRIT_NO_MEMORY, "no memory for state '%s' of %lld bytes", name, (long long)st->bytes);
    return FRIT_OK;
}

/* Symbols in the dims of states keep their values for the session. */
static void pin_state_dims(frit_session *s) {
    const frit_package *p = package_of(s);
    for (uint32_t i = 0; i < p->info->n_states; i++) {
        const fpk_tensor *t = rt_tensor(p, RT_STATE, i);
        for (uint32_t k = 0; k < t->rank; k++) {
            const fpk_expr *e = &p->exprs[p->lists[t->dims + k]];
            for (uint32_t j = e->first; j < e->first + e->count; j++) {
                uint32_t sym = p->steps[j].sym;
                if (p->steps[j].op == FPK_SYM) s->fixed[sym] = s->frame.syms[sym], s->fixed_known[sym] = 1;
            }
        }
    }
}

static frit_status init_states(frit_session *s, frit_error *err) {
    const rt_driver *drv = s->weights->dev->driver;
    for (uint32_t i = 0; i < package_of(s)->info->n_states; i++) {
        if (s->states[i].bytes)
            TRY(drv->fill(s->weights->dev, s->queue, s->states[i].data, s->states[i].bytes, 1, 0, err));
        TRY(rt_frame_place(&s->frame, 2 + i, 0, NULL, err));
        TRY(rt_exec(&s->frame, 2 + i, err));
    }
    return FRIT_OK;
}

static frit_status make_states(frit_session *s, frit_error *err) {
    for (uint32_t i = 0; i < package_of(s)->info->n_states; i++) TRY(make_state(s, i, err));
    for (uint32_t b = 0; b < s->frame.variant->n_buffers; b++) {
        const fpk_buffer *buf = &s->frame.buffers[b];
        if (buf->kind == FPK_BUF_STATE)
            s->frame.base[b] = s->states[buf->index].data, s->frame.size[b] = s->states[buf->index].bytes;
    }
    return init_states(s, err);
}

static frit_status have_states(frit_session *s, frit_error *err) {
    if (s->have_states) return FRIT_OK;
    frit_status st = make_states(s, err);
    if (st != FRIT_OK) return drop_states(s), st;
    pin_state_dims(s);
    s->have_states = true;
    return FRIT_OK;
}

static bool find_state(const frit_package *p, const char *name, uint32_t *i) {
    for (*i = 0; *i < p->info->n_states; ++*i)
        if (!strcmp(rt_string(p, rt_tensor(p, RT_STATE, *i)->name), name)) return true;
    return false;
}

frit_status frit_session_state(frit_session *s, const char *name, DLTensor *out, frit_error *err) {
    if (!s || !name || !out)
        return rt_fail(err, FRIT_USAGE, "frit_session_state: session, name and out must not be NULL");
    uint32_t i;
    if (!find_state(package_of(s), name, &i))
        return rt_fail(err, FRIT_NOT_FOUND, "the model %s has no state '%s'",
                       rt_string(package_of(s), package_of(s)->info->entry), name);
    if (!s->have_states)
        return rt_fail(err, FRIT_USAGE, "state '%s' has no memory before the first prepare or run", name);
    const fpk_tensor *t = rt_tensor(package_of(s), RT_STATE, i);
    *out = frit_dense(s->states[i].data, (frit_dtype)t->dtype, t->rank, s->states[i].shape);
    out->device = s->weights->dev->dl;
    return FRIT_OK;
}

frit_status frit_session_reset(frit_session *s, frit_error *err) {
    if (!s) return rt_fail(err, FRIT_USAGE, "frit_session_reset: session must not be NULL");
    if (!s->have_states) return FRIT_OK;
    const rt_driver *drv = s->weights->dev->driver;
    uint32_t was = drv->begin(s->weights->dev);
    frit_status st = init_states(s, err);
    drv->end(s->weights->dev, was);
    return st;
}

/* ---- Shapes ------------------------------------------------------------------------------------------------------ */
static frit_status check_inputs(const frit_session *s, const DLTensor *inputs, int n, bool data, frit_error *err) {
    const frit_package *p = package_of(s);
    if (n < 0 || (uint32_t)n != p->info->n_inputs)
        return rt_fail(err, FRIT_USAGE, "the model %s has %u inputs, but %d were given", rt_string(p, p->info->entry),
                       p->info->n_inputs, n);
    if (n && !inputs) return rt_fail(err, FRIT_USAGE, "inputs must not be NULL");
    for (int i = 0; i < n; i++)
        TRY(rt_check_tensor(p, RT_INPUT, rt_tensor(p, RT_INPUT, (uint32_t)i), &inputs[i], s->weights->dev, data, err));
    return FRIT_OK;
}

/* Values of all symbols for these inputs; the frame changes only when they are right. */
static frit_status bind_inputs(frit_session *s, const DLTensor *inputs, frit_error *err) {
    const frit_package *p = package_of(s);
    memcpy(s->next, s->fixed, p->n_symbols * sizeof *s->next);
    memcpy(s->next_known, s->fixed_known, p->n_symbols);
    TRY(rt_bind_shapes(p, RT_INPUT, inputs, s->next, s->next_known, err));
    TRY(rt_bind_bounds(p, s->next, s->next_known, err));
    if (!rt_frame_symbols(&s->frame, s->next, s->next_known) && s->bound) return FRIT_OK;
    s->bound = false; /* sizes are not those of the symbols until all of them have values */
    TRY(rt_frame_sizes(&s->frame, FPK_BUF_INPUT, err));
    TRY(rt_frame_sizes(&s->frame, FPK_BUF_OUTPUT, err));
    s->bound = true;
    return FRIT_OK;
}

frit_status frit_session_output_shape(const frit_session *s, int i, int64_t *dims, frit_error *err) {
    if (!s || !dims) return rt_fail(err, FRIT_USAGE, "frit_session_output_shape: session and dims must not be NULL");
    const frit_package *p = package_of(s);
    if (i < 0 || (uint32_t)i >= p->info->n_outputs) return rt_fail(err, FRIT_USAGE, "there is no output %d", i);
    if (!s->bound) return rt_fail(err, FRIT_USAGE, "shapes of outputs are known after prepare or run");
    const fpk_tensor *t = rt_tensor(p, RT_OUTPUT, (uint32_t)i);
    for (uint32_t k = 0; k < t->rank; k++)
        if (!rt_eval(p, p->lists[t->dims + k], s->next, s->next_known, &dims[k]))
            return rt_fail(err, FRIT_SHAPE, "a dim of output '%s' has no value", rt_string(p, t->name));
    return FRIT_OK;
}

frit_status frit_session_dim(const frit_session *s, const char *name, int64_t *value, frit_error *err) {
    if (!s || !name || !value)
        return rt_fail(err, FRIT_USAGE, "frit_session_dim: session, name and value must not be NULL");
    const frit_package *p = package_of(s);
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        if (strcmp(rt_string(p, p->symbols[i].name), name)) continue;
        if (!s->bound || !s->frame.known[i]) return rt_fail(err, FRIT_USAGE, "%s has no value yet", name);
        *value = s->frame.syms[i];
        return FRIT_OK;
    }
    return rt_fail(err, FRIT_NOT_FOUND, "the model %s has no dim %s", rt_string(p, p->info->entry), name);
}

/* ---- Staging ----------------------------------------------------------------------------------------------------- */
static bool overlaps(const DLTensor *a, const DLTensor *b) {
    int64_t alo, ahi, blo, bhi;
    if (!rt_extent(a, &alo, &ahi) || !rt_extent(b, &blo, &bhi) || alo == ahi || blo == bhi) return false;
    return rt_data(a) + alo < rt_data(b) + bhi && rt_data(b) + blo < rt_data(a) + ahi;
}

/* Whether kernels can use the tensor's memory as it is. */
static bool usable(const frit_session *s, const DLTensor *t, uint32_t io) {
    if (!s->align[io]) return true;
    return rt_on_device(s->weights->dev, t->device) && rt_is_dense(t) &&
           (!t->data || ((uintptr_t)rt_data(t) & (s->align[io] - 1)) == 0);
}

static bool output_in_place(const frit_session *s, const DLTensor *inputs, int n_inputs, const DLTensor *out,
                            uint32_t io) {
    if (!usable(s, out, io)) return false;
    for (int i = 0; out->data && i < n_inputs; i++)
        if (overlaps(&inputs[i], out)) return false;
    return true;
}

static frit_status stage_one(frit_session *s, const DLTensor *t, uint32_t io, int64_t *total, frit_error *err) {
    int64_t bits, end;
    if (__builtin_mul_overflow(rt_elements(t), (int64_t)t->dtype.bits, &bits) ||
        __builtin_add_overflow(*total, bits / 8 + 1, &end) || end > INT64_MAX - (int64_t)FPK_ALIGN)
        return rt_fail(err, FRIT_SHAPE, "the copies of strided inputs and outputs overflow 64 bits");
    s->offset[io] = *total;
    *total = (end + FPK_ALIGN - 1) / FPK_ALIGN * FPK_ALIGN;
    return FRIT_OK;
}

/* Which inputs and outputs go through copies, where, and the bytes that these take. outputs may be NULL (prepare). */
static frit_status plan_staging(frit_session *s, const DLTensor *inputs, const DLTensor *outputs, int64_t *total,
                                frit_error *err) {
    uint32_t n = package_of(s)->info->n_inputs;
    *total = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->offset[i] = -1;
        if (!usable(s, &inputs[i], i)) TRY(stage_one(s, &inputs[i], i, total, err));
    }
    for (uint32_t i = 0; outputs && i < package_of(s)->info->n_outputs; i++) {
        s->offset[n + i] = -1;
        if (!output_in_place(s, inputs, (int)n, &outputs[i], n + i)) TRY(stage_one(s, &outputs[i], n + i, total, err));
    }
    return FRIT_OK;
}

/* Addresses of inputs and outputs in the frame, and the copies of inputs. */
static frit_status show_tensors(frit_session *s, const DLTensor *inputs, const DLTensor *outputs, char *tail,
                                frit_error *err) {
    uint32_t n = package_of(s)->info->n_inputs;
    for (uint32_t i = 0; i < n; i++)
        if (s->offset[i] >= 0) TRY(rt_put(s->weights->dev, s->queue, &s->mem, tail + s->offset[i], &inputs[i], err));
    for (uint32_t b = 0; b < s->frame.variant->n_buffers; b++) {
        const fpk_buffer *buf = &s->frame.buffers[b];
        if (buf->kind > FPK_BUF_OUTPUT) continue;
        bool in = buf->kind == FPK_BUF_INPUT;
        int64_t at = s->offset[in ? buf->index : n + buf->index];
        s->frame.base[b] = at >= 0 ? tail + at : rt_data(in ? &inputs[buf->index] : &outputs[buf->index]);
    }
    return FRIT_OK;
}

/* ---- Prepare and run --------------------------------------------------------------------------------------------- */
static frit_status prepare(frit_session *s, const DLTensor *inputs, frit_error *err) {
    int64_t staging;
    TRY(bind_inputs(s, inputs, err));
    TRY(have_states(s, err));
    TRY(plan_staging(s, inputs, NULL, &staging, err));
    return rt_frame_place(&s->frame, 0, staging, NULL, err);
}

frit_status frit_session_prepare(frit_session *s, const DLTensor *inputs, int n_inputs, frit_error *err) {
    if (!s) return rt_fail(err, FRIT_USAGE, "frit_session_prepare: session must not be NULL");
    TRY(check_inputs(s, inputs, n_inputs, false, err));
    const rt_driver *drv = s->weights->dev->driver;
    uint32_t was = drv->begin(s->weights->dev);
    frit_status st = prepare(s, inputs, err);
    drv->end(s->weights->dev, was);
    return st;
}

static frit_status wrong_output(const frit_session *s, const fpk_tensor *t, frit_error *err) {
    char want[256];
    rt_describe(package_of(s), t, s->next, s->next_known, want, sizeof want);
    return rt_fail(err, FRIT_SHAPE, "output '%s' has another shape than %s", rt_string(package_of(s), t->name), want);
}

static frit_status check_outputs(frit_session *s, const DLTensor *outputs, int n, frit_error *err) {
    const frit_package *p = package_of(s);
    if (n < 0 || (uint32_t)n != p->info->n_outputs)
        return rt_fail(err, FRIT_USAGE, "the model %s has %u outputs, but %d were given", rt_string(p, p->info->entry),
                       p->info->n_outputs, n);
    if (n && !outputs) return rt_fail(err, FRIT_USAGE, "outputs must not be NULL");
    for (int i = 0; i < n; i++) {
        const fpk_tensor *t = rt_tensor(p, RT_OUTPUT, (uint32_t)i);
        TRY(rt_check_tensor(p, RT_OUTPUT, t, &outputs[i], s->weights->dev, true, err));
        for (uint32_t k = 0; k < t->rank; k++) {
            int64_t v;
            TRY(rt_value(&s->frame, p->lists[t->dims + k], &v, err));
            if (v != outputs[i].shape[k]) return wrong_output(s, t, err);
        }
        for (int j = 0; j < i; j++)
            if (overlaps(&outputs[i], &outputs[j]))
                return rt_fail(err, FRIT_USAGE, "outputs %d and %d share memory", j, i);
    }
    return FRIT_OK;
}

/* Staged outputs to where they belong, and extents that the run computed. */
static frit_status give_outputs(frit_session *s, DLTensor *outputs, const char *tail, frit_error *err) {
    const frit_package *p = package_of(s);
    for (uint32_t i = 0; i < p->info->n_outputs; i++) {
        const fpk_tensor *t = rt_tensor(p, RT_OUTPUT, i);
        int64_t at = s->offset[p->info->n_inputs + i], v;
        if (at >= 0) TRY(rt_get(s->weights->dev, s->queue, &s->mem, &outputs[i], tail + at, err));
        for (uint32_t k = 0; k < t->rank; k++) {
            uint32_t e = p->lists[t->dims + k];
            if (p->facts[e].device && rt_value(&s->frame, e, &v, NULL) == FRIT_OK) outputs[i].shape[k] = v;
        }
    }
    return FRIT_OK;
}

static frit_status run(frit_session *s, const DLTensor *inputs, DLTensor *outputs, int n_outputs, frit_error *err) {
    int64_t staging;
    char *tail;
    TRY(bind_inputs(s, inputs, err));
    TRY(check_outputs(s, outputs, n_outputs, err));
    TRY(have_states(s, err));
    TRY(plan_staging(s, inputs, outputs, &staging, err));
    TRY(rt_frame_place(&s->frame, 0, staging, &tail, err));
    TRY(show_tensors(s, inputs, outputs, tail, err));
    TRY(rt_exec_main(&s->frame, err));
    return give_outputs(s, outputs, tail, err);
}

/* What the queue reports now is the failure of something that was launched before. */
static frit_status blame_last(frit_session *s, frit_status st, frit_error *err) {
    if (!err || !s->frame.variant->n_kernels) return st;
    const fpk_kernel *k = &s->frame.kernels[s->frame.last];
    frit_error reason = *err;
    rt_fail(err, st, "kernel %s or one before it: %.400s", rt_string(package_of(s), k->name), reason.message);
    rt_blame(err, rt_string(package_of(s), k->file), k->line);
    return st;
}

frit_status frit_session_run(frit_session *s, const DLTensor *inputs, int n_inputs, DLTensor *outputs, int n_outputs,
                             frit_error *err) {
    if (!s) return rt_fail(err, FRIT_USAGE, "frit_session_run: session must not be NULL");
    TRY(check_inputs(s, inputs, n_inputs, true, err));
    const rt_driver *drv = s->weights->dev->driver;
    uint32_t was = drv->begin(s->weights->dev);
    frit_status st = run(s, inputs, outputs, n_outputs, err);
    drv->end(s->weights->dev, was);
    return st;
}

frit_status frit_session_wait(frit_session *s, frit_error *err) {
    if (!s) return rt_fail(err, FRIT_USAGE, "frit_session_wait: session must not be NULL");
    const rt_driver *drv = s->weights->dev->driver;
    uint32_t was = drv->begin(s->weights->dev);
    frit_status st = drv->wait(s->weights->dev, s->queue, err);
    drv->end(s->weights->dev, was);
    return st == FRIT_OK ? st : blame_last(s, st, err);
}

void frit_session_seed(frit_session *s, uint64_t seed) {
    if (s) set_seed(s, seed);
}

/* ---- Profile ----------------------------------------------------------------------------------------------------- */
void frit_session_set_profile(frit_session *s, bool on) {
    if (!s) return;
    const frit_package *p = package_of(s);
    for (uint32_t i = 0; i < s->frame.variant->n_kernels; i++) {
        const fpk_kernel *k = &s->frame.kernels[i];
        s->frame.profile[i] = (frit_kernel_profile){rt_string(p, k->name), rt_string(p, k->file), k->line, 0, 0, 0, 0};
    }
    s->frame.n_timed = 0;
    s->frame.profiling = on;
}

int frit_session_get_profile(const frit_session *s, frit_kernel_profile *out, int n) {
    if (!s) return 0;
    int have = (int)s->frame.variant->n_kernels;
    const rt_driver *drv = s->weights->dev->driver;
    uint32_t was = drv->begin(s->weights->dev);
    rt_profile_flush((rt_frame *)&s->frame, NULL); /* a session is never a constant object */
    drv->end(s->weights->dev, was);
    for (int i = 0; out && i < n && i < have; i++) out[i] = s->frame.profile[i];
    return have;
}

size_t frit_session_memory(const frit_session *s) {
    if (!s) return 0;
    size_t n = (size_t)s->frame.arena_size;
    for (uint32_t i = 0; i < package_of(s)->info->n_states; i++)
        n += s->states[i].data ? (size_t)s->states[i].bytes : 0;
    return n;
}
