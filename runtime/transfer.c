/* Tensors of the host's to dense memory of the device, and back. */
#include "rt.h"
#include <string.h>

static bool in_host_memory(DLDevice where) {
    return where.device_type == kDLCPU || where.device_type == kDLCUDAHost || where.device_type == kDLROCMHost;
}

bool rt_on_device(const frit_device *d, DLDevice where) {
    if (d->driver->host_memory) return in_host_memory(where);
    if (where.device_type == kDLCUDAManaged) return d->dl.device_type == kDLCUDA;
    return where.device_type == d->dl.device_type && where.device_id == d->dl.device_id;
}

/* The bytes around a strided tensor of the device's, on the host: `t` moves there, *copy is what is to be freed. */
static frit_status fetch(frit_device *d, rt_queue *q, const frit_allocator *mem, DLTensor *t, int64_t *bytes,
                         char **copy, frit_error *err) {
    int64_t lo, hi;
    rt_extent(t, &lo, &hi);
    *bytes = hi - lo;
    *copy = rt_new(mem, 1, (uint64_t)*bytes);
    if (!*copy) return rt_no_memory(err);
    frit_status s = d->driver->read(d, q, *copy, rt_data(t) + lo, *bytes, err);
    if (s != FRIT_OK) return rt_free(mem, *copy, 1, (uint64_t)*bytes), s;
    t->data = *copy - lo, t->byte_offset = 0;
    return FRIT_OK;
}

static int64_t dense_bytes(const DLTensor *t) { return (rt_elements(t) * t->dtype.bits + 7) / 8; }

static frit_status put_strided(frit_device *d, rt_queue *q, const frit_allocator *mem, char *dense, const DLTensor *t,
                               frit_error *err) {
    int64_t bytes = dense_bytes(t), around = 0;
    DLTensor from = *t;
    char *copy = NULL;
    char *packed = rt_new(mem, 1, (uint64_t)bytes);
    if (!packed) return rt_no_memory(err);
    frit_status s = in_host_memory(t->device) ? FRIT_OK : fetch(d, q, mem, &from, &around, &copy, err);
    if (s == FRIT_OK) {
        rt_pack(packed, &from);
        s = d->driver->write(d, q, dense, packed, bytes, err);
    }
    rt_free(mem, copy, 1, (uint64_t)around);
    rt_free(mem, packed, 1, (uint64_t)bytes);
    return s;
}

frit_status rt_put(frit_device *d, rt_queue *q, const frit_allocator *mem, char *dense, const DLTensor *t,
                   frit_error *err) {
    if (d->driver->host_memory) return rt_pack(dense, t), FRIT_OK;
    if (rt_elements(t) == 0) return FRIT_OK;
    if (!rt_is_dense(t)) return put_strided(d, q, mem, dense, t, err);
    if (in_host_memory(t->device)) return d->driver->write(d, q, dense, rt_data(t), dense_bytes(t), err);
    return d->driver->copy(d, q, dense, rt_data(t), dense_bytes(t), err);
}

static frit_status get_strided(frit_device *d, rt_queue *q, const frit_allocator *mem, const DLTensor *t,
                               const char *dense, frit_error *err) {
    int64_t bytes = dense_bytes(t), around = 0, lo, hi;
    DLTensor to = *t;
    char *copy = NULL;
    char *packed = rt_new(mem, 1, (uint64_t)bytes);
    if (!packed) return rt_no_memory(err);
    frit_status s = d->driver->read(d, q, packed, dense, bytes, err);
    if (s == FRIT_OK && !in_host_memory(t->device)) s = fetch(d, q, mem, &to, &around, &copy, err);
    if (s == FRIT_OK) rt_unpack(&to, packed);
    rt_extent(t, &lo, &hi);
    if (s == FRIT_OK && copy) s = d->driver->write(d, q, rt_data(t) + lo, copy, around, err);
    rt_free(mem, copy, 1, (uint64_t)around);
    rt_free(mem, packed, 1, (uint64_t)bytes);
    return s;
}

frit_status rt_get(frit_device *d, rt_queue *q, const frit_allocator *mem, const DLTensor *t, const char *dense,
                   frit_error *err) {
    if (d->driver->host_memory) return rt_unpack(t, dense), FRIT_OK;
    if (rt_elements(t) == 0) return FRIT_OK;
    if (!rt_is_dense(t)) return get_strided(d, q, mem, t, dense, err);
    if (in_host_memory(t->device)) return d->driver->read(d, q, rt_data(t), dense, dense_bytes(t), err);
    return d->driver->copy(d, q, rt_data(t), dense, dense_bytes(t), err);
}

/* ---- For hosts --------------------------------------------------------------------------------------------------- */
static bool same_shape(const DLTensor *a, const DLTensor *b) {
    if (a->ndim != b->ndim || frit_dtype_bits(frit_dtype_from_dl(a->dtype)) != b->dtype.bits) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

static frit_status check_side(const frit_device *d, const DLTensor *t, frit_error *err) {
    int64_t lo, hi;
    if (t->ndim < 0 || t->ndim > FPK_MAX_RANK || (t->ndim && !t->shape) || rt_elements(t) < 0 ||
        !rt_extent(t, &lo, &hi))
        return rt_fail(err, FRIT_USAGE, "frit_tensor_copy: a tensor's shape is not one");
    if (frit_dtype_from_dl(t->dtype) == FRIT_DTYPE_COUNT || (t->dtype.bits < 8 && !rt_is_dense(t)))
        return rt_fail(err, FRIT_USAGE, "frit_tensor_copy: a tensor has a dtype that frit does not have or move");
    if (!in_host_memory(t->device) && !rt_on_device(d, t->device))
        return rt_fail(err, FRIT_USAGE, "frit_tensor_copy: a tensor is neither on the host nor on %s", d->name);
    return FRIT_OK;
}

static frit_status copy_tensors(frit_device *d, rt_queue *q, const DLTensor *dst, const DLTensor *src,
                                frit_error *err) {
    if (rt_on_device(d, dst->device) && rt_is_dense(dst)) return rt_put(d, q, &d->mem, rt_data(dst), src, err);
    if (rt_on_device(d, src->device) && rt_is_dense(src)) return rt_get(d, q, &d->mem, dst, rt_data(src), err);
    int64_t bytes = dense_bytes(src), n = bytes ? bytes : 1;
    char *between = d->driver->alloc(d, q, &d->mem, n);
    if (!between) return rt_no_memory(err);
    frit_status s = rt_put(d, q, &d->mem, between, src, err);
    if (s == FRIT_OK) s = rt_get(d, q, &d->mem, dst, between, err);
    d->driver->free(d, q, &d->mem, between, n);
    return s;
}

frit_status frit_tensor_copy(frit_device *d, const DLTensor *dst, const DLTensor *src, frit_error *err) {
    if (!d || !dst || !src) return rt_fail(err, FRIT_USAGE, "frit_tensor_copy: device, dst and src must not be NULL");
    TRY(check_side(d, dst, err));
    TRY(check_side(d, src, err));
    if (!same_shape(dst, src)) return rt_fail(err, FRIT_SHAPE, "frit_tensor_copy: shapes or sizes of elements differ");
    rt_queue *q;
    TRY(d->driver->queue_open(d, NULL, &q, err));
    uint32_t was = d->driver->begin(d);
    frit_status s = copy_tensors(d, q, dst, src, err);
    if (s == FRIT_OK) s = d->driver->wait(d, q, err);
    d->driver->end(d, was);
    d->driver->queue_close(d, q);
    return s;
}

DLDevice frit_device_dl(const frit_device *d) { return d ? d->dl : (DLDevice){kDLCPU, 0}; }

void *frit_device_alloc(frit_device *d, size_t bytes) {
    rt_queue *q;
    if (!d || bytes > INT64_MAX || d->driver->queue_open(d, NULL, &q, NULL) != FRIT_OK) return NULL;
    void *p = d->driver->alloc(d, q, &d->mem, bytes ? (int64_t)bytes : 1);
    uint32_t was = d->driver->begin(d);
    d->driver->wait(d, q, NULL); /* it is the device's, whatever the queue */
    d->driver->end(d, was);
    d->driver->queue_close(d, q);
    return p;
}

void frit_device_free(frit_device *d, void *p, size_t bytes) {
    rt_queue *q;
    if (!d || !p || d->driver->queue_open(d, NULL, &q, NULL) != FRIT_OK) return;
    d->driver->free(d, q, &d->mem, p, bytes ? (int64_t)bytes : 1);
    d->driver->queue_close(d, q);
}
