#include "interp_internal.h"
#include <math.h>
#include <stdlib.h>

typedef struct {
    scalar v;
    double e;
    int64_t place;
} element;

/* Ascending with NaN last. */
static int order(frit_dtype t, scalar x, scalar y) {
    if (frit_dtype_is_float(t)) {
        if (isnan(x.f) || isnan(y.f)) return isnan(x.f) - isnan(y.f);
        return (x.f > y.f) - (x.f < y.f);
    }
    if (frit_dtype_kind_of(t) == FRIT_KIND_UINT)
        return ((uint64_t)x.i > (uint64_t)y.i) - ((uint64_t)x.i < (uint64_t)y.i);
    return (x.i > y.i) - (x.i < y.i);
}

/* Stable merge sort of a[0..n), with room for n more. */
static void merge_sort(frit_dtype t, bool descending, element *a, element *room, int64_t n) {
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t begin = 0; begin < n; begin += 2 * width) {
            int64_t mid = begin + width < n ? begin + width : n, end = mid + width < n ? mid + width : n;
            for (int64_t i = begin, j = mid, k = begin; k < end; k++) {
                int cmp = i < mid && j < end ? order(t, a[i].v, a[j].v) : 0;
                bool left = j >= end || (i < mid && (descending ? cmp >= 0 : cmp <= 0));
                room[k] = a[left ? i++ : j++];
            }
        }
        for (int64_t i = 0; i < n; i++) a[i] = room[i];
    }
}

typedef struct {
    node *values, *places;
    element *row, *room;
    int64_t length, kept, filled, written; /* of a row: elements, results */
    bool descending;
} sorting;

/* A sorted value moves no more than the worst of its row; a position is certain away from its neighbours. */
static void emit_row(sorting *s) {
    frit_dtype t = s->values->dtype;
    merge_sort(t, s->descending, s->row, s->room, s->length);
    double worst = 0;
    for (int64_t i = 0; i < s->length; i++) worst = fmax(worst, s->row[i].e);
    for (int64_t i = 0; i < s->kept; i++, s->written++) {
        element *x = &s->row[i];
        scalar_store(s->values->store->t, s->values->store->data, s->written, x->v);
        scalar_store(FRIT_i64, s->places->store->data, s->written, (scalar){.i = x->place});
        if (!s->values->store->err) continue;
        bool close = worst > 0 && !frit_dtype_is_float(t);
        for (int64_t d = -1; d <= 1 && worst > 0 && !close; d += 2)
            if (i + d >= 0 && i + d < s->length)
                close = interp_too_close(x->v.f, worst, s->row[i + d].v.f, worst);
        s->values->store->err[s->written] = worst;
        s->places->store->err[s->written] = close ? INFINITY : 0;
    }
}

static bool sort_block(void *u, interp *it, int64_t begin, int n, const column *at, const scalar *v, const double *e) {
    sorting *s = u;
    for (int i = 0; i < n; i++) {
        s->row[s->filled] = (element){v[i], e ? e[i] : 0, s->filled};
        if (++s->filled < s->length) continue;
        emit_row(s);
        s->filled = 0;
    }
    return true;
}

bool op_sort(interp *it, const ir_op *op, node **in, node **out) {
    node *x = in[0];
    int last = x->rank - 1, along = (int)ir_get_int(op, IR_ATTR_axis, 0), perm[IR_MAX_RANK], back[IR_MAX_RANK];
    if (along < 0 || along > last) return interp_fail(it, INTERP_BAD_IR, "sort along axis %d", along);
    for (int i = 0; i <= last; i++) {
        perm[i] = i < along ? i : i < last ? i + 1 : along;
        back[perm[i]] = i;
    }
    int64_t kept[IR_MAX_RANK], shape[IR_MAX_RANK];
    if (!interp_dims(it, ir_result(op, 0)->type, kept)) return false;
    if (kept[along] > x->shape[along]) return interp_fail(it, INTERP_BAD_IR, "a sort of fewer elements than it gives");
    sorting s = {.length = x->shape[along], .kept = kept[along], .descending = ir_get_int(op, IR_ATTR_descending, 0) != 0};
    int64_t bytes = 0;
    if (__builtin_mul_overflow(s.length + 1, (int64_t)(2 * sizeof(element)), &bytes) ||
        bytes > it->max_bytes - it->live_bytes)
        return interp_fail(it, INTERP_MEMORY, "sort of %lld elements exceeds the memory limit", (long long)s.length);
    s.row = malloc((size_t)bytes);
    s.room = s.row ? s.row + s.length : NULL;
    node *rows = s.row ? node_permute(it, x, perm) : NULL;
    for (int i = 0; i <= last; i++) shape[i] = kept[perm[i]];
    s.values = rows ? node_dense(it, x->dtype, x->rank, shape) : NULL;
    s.places = s.values ? node_dense(it, FRIT_i64, x->rank, shape) : NULL;
    bool ok = s.places ? node_visit(it, rows, sort_block, &s) : interp_fail(it, INTERP_MEMORY, "out of memory");
    if (ok) out[0] = node_permute(it, s.values, back);
    if (ok) out[1] = node_permute(it, s.places, back);
    node_release(it, rows);
    node_release(it, s.values);
    node_release(it, s.places);
    free(s.row);
    return ok && out[0] && out[1];
}
