/* Ops on values: elementwise, lanes, numbers of threads and blocks, exchanges. Ops that cannot fail are done for threads
 * that do not take part as well: nothing looks at their results. */
#include "exec_internal.h"
#include "ir/scalar.h"
#include <string.h>

/* The threads an op is done for, as a range of elements of v. */
static int64_t first_of(const exec_context *x, const exec_value *v) { return v->uniform ? 0 : (int64_t)x->mask.lo * v->lanes; }
static int64_t count_of(const exec_context *x, const exec_value *v) {
    return v->uniform ? v->lanes : (int64_t)(x->mask.hi - x->mask.lo) * v->lanes;
}

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */
static frit_dtype register_form(frit_dtype t) {
    if (frit_dtype_bits(t) >= 8) return t;
    return frit_dtype_kind_of(t) == FRIT_KIND_SINT ? FRIT_i8 : FRIT_u8;
}

static void element_by_element(exec_context *x, const exec_inst *i, int64_t n, char *d, const char *const *in, const int *stride) {
    frit_dtype t = i->in[i->op->code == IR_select]->dtype, out = i->out->dtype;
    for (int64_t e = 0; e < n; e++) {
        scalar args[3] = {0}, r;
        for (int k = 0; k < i->n_in; k++) args[k] = scalar_load(register_form(i->in[k]->dtype), in[k], stride[k] ? e : 0);
        if (!scalar_eval(i->op->code, t, out, args, &r)) {
            exec_fail(x, i, -1, "not defined on %s", frit_dtype_name(t));
            return;
        }
        scalar_store(register_form(out), d, e, r);
    }
}

/* Operand k as an array with a stride. */
static const char *operand(const exec_context *x, const exec_inst *i, int k, int *stride) {
    const exec_value *v = i->in[k];
    *stride = 1;
    if (!v->uniform) return v->p + first_of(x, v) * v->size;
    if (i->out->uniform) return v->p;
    if (v->lanes == 1 || v->alike) return *stride = 0, v->p;
    for (int t = 0; t < x->mask.hi - x->mask.lo; t++) memcpy(i->temp[k] + (size_t)t * (size_t)v->bytes, v->p, (size_t)v->bytes);
    return i->temp[k];
}

void exec_elementwise(exec_context *x, const exec_inst *i) {
    const char *in[3] = {0};
    int stride[3] = {0};
    for (int k = 0; k < i->n_in; k++) in[k] = operand(x, i, k, &stride[k]);
    char *d = i->out->p + first_of(x, i->out) * i->out->size;
    int64_t n = count_of(x, i->out);
    if (i->loop->fn) i->loop->fn(d, in[0], in[1], in[2], n, stride[0], stride[1], stride[2]);
    else element_by_element(x, i, n, d, in, stride);
}

/* ---- Lanes ------------------------------------------------------------------------------------------------------- */
#define SPREAD(T)                                                                                                      \
    {                                                                                                                  \
        T *to = (T *)(void *)d;                                                                                        \
        const T *from = (const T *)(const void *)s;                                                                    \
        if (lanes == 1)                                                                                                \
            for (int64_t e = 0; e < n; e++) to[e] = from[e * step];                                                    \
        else if (lanes == 4)                                                                                           \
            for (int64_t e = 0; e < n; e++) to[4 * e] = to[4 * e + 1] = to[4 * e + 2] = to[4 * e + 3] = from[e * step]; \
        else                                                                                                           \
            for (int64_t e = 0; e < n; e++)                                                                            \
                for (int l = 0; l < lanes; l++) to[e * lanes + l] = from[e * step];                                    \
        break;                                                                                                         \
    }
/* n times `lanes` elements of one element each, `step` elements on. */
static void spread(char *d, const char *s, int size, int64_t n, int lanes, int step) {
    switch (size) {
    case 1: SPREAD(uint8_t)
    case 2: SPREAD(uint16_t)
    case 4: SPREAD(uint32_t)
    default: SPREAD(uint64_t)
    }
}

void exec_splat(exec_context *x, const exec_inst *i) {
    const exec_value *o = i->out, *v = i->in[0];
    int64_t threads = count_of(x, o) / o->lanes;
    spread(o->p + first_of(x, o) * o->size, v->p + first_of(x, v) * v->size, o->size, threads, o->lanes, !v->uniform);
}

void exec_extract(exec_context *x, const exec_inst *i) {
    const exec_value *o = i->out, *v = i->in[0];
    int64_t threads = count_of(x, o) / o->lanes;
    for (int64_t t = 0; t < threads && o->lanes > 1; t++) {
        int64_t from = first_of(x, v) + (v->uniform ? 0 : t * v->lanes) + i->number;
        memcpy(o->p + (first_of(x, o) + t * o->lanes) * o->size, v->p + from * v->size, (size_t)(o->lanes * o->size));
    }
    if (o->lanes > 1) return;
    spread(o->p + first_of(x, o) * o->size, v->p + (first_of(x, v) + i->number) * v->size, o->size, count_of(x, o), 1,
           v->uniform ? 0 : v->lanes);
}

/* A thread's lanes lie side by side: the same bytes. */
void exec_reinterpret(exec_context *x, const exec_inst *i) {
    const exec_value *o = i->out, *v = i->in[0];
    int64_t threads = count_of(x, o) / o->lanes;
    char *to = o->p + first_of(x, o) * o->size;
    for (int64_t t = 0; t < (v->uniform ? threads : 1); t++)
        memcpy(to + t * o->bytes, v->p + first_of(x, v) * v->size, (size_t)((v->uniform ? 1 : threads) * o->bytes));
}

void exec_ramp(exec_context *x, const exec_inst *i) {
    const exec_value *o = i->out, *v = i->in[0];
    frit_dtype t = register_form(o->dtype);
    int64_t n = count_of(x, o), first = first_of(x, o), from = first_of(x, v);
    for (int64_t e = 0; e < n; e++) {
        int64_t base = frit_load_int(t, v->p, v->uniform ? 0 : from + e / o->lanes);
        frit_store_int(t, o->p, first + e, scalar_wrap(o->dtype, (int64_t)((uint64_t)base + (uint64_t)(e % o->lanes))));
    }
}

/* ---- reduce_lanes: lane i with lane i + n / 2; an odd last lane at the very end, in lane order ------------------------ */
typedef struct tree {
    exec_context *x;
    const exec_inst *i;
    int size;
    int64_t threads;
} tree;

/* a[k] = a[k] with b[k], over n elements. */
static void combine(const tree *r, char *a, const char *b, int64_t n) {
    const exec_inst *i = r->i;
    if (i->loop->fn) {
        i->loop->fn(i->temp[1], a, b, NULL, n, 1, 1, 0);
        memcpy(a, i->temp[1], (size_t)(n * r->size));
        return;
    }
    frit_dtype t = i->in[0]->dtype, form = register_form(t);
    for (int64_t e = 0; e < n; e++) {
        scalar args[2] = {scalar_load(form, a, e), scalar_load(form, b, e)}, out;
        if (!scalar_eval((ir_opcode)i->number, t, t, args, &out)) exec_fail(r->x, i, -1, "not defined on %s", frit_dtype_name(t));
        else scalar_store(form, a, e, out);
    }
}

void exec_reduce_lanes(exec_context *x, const exec_inst *i) {
    const exec_value *v = i->in[0], *o = i->out;
    tree r = {x, i, v->size, count_of(x, o)};
    int64_t lane = r.threads * r.size; /* bytes of a lane of all threads: temp[0] holds lane after lane */
    for (int l = 0; l < v->lanes; l++)
        spread(i->temp[0] + l * lane, v->p + (first_of(x, v) + l) * v->size, v->size, r.threads, 1, v->lanes);
    int odd[32], n_odd = 0, n = v->lanes;
    for (; n > 1; n /= 2) {
        if (n % 2) odd[n_odd++] = n - 1;
        combine(&r, i->temp[0], i->temp[0] + n / 2 * lane, n / 2 * r.threads);
    }
    while (n_odd) combine(&r, i->temp[0], i->temp[0] + odd[--n_odd] * lane, r.threads);
    memcpy(o->p + first_of(x, o) * o->size, i->temp[0], (size_t)lane);
}

/* ---- Threads and blocks ------------------------------------------------------------------------------------------ */
void exec_thread_id(exec_context *x, const exec_inst *i) {
    int64_t *d = (int64_t *)(void *)i->out->p;
    for (int t = x->mask.lo; t < x->mask.hi; t++) d[t] = t % x->k->block;
}
void exec_block_id(exec_context *x, const exec_inst *i) {
    int64_t *d = (int64_t *)(void *)i->out->p;
    for (int t = 0; t < (i->out->uniform ? 1 : x->threads); t++) d[t] = x->block + t / x->k->block;
}
void exec_block_count(exec_context *x, const exec_inst *i) { memcpy(i->out->p, &x->l->blocks, 8); }

void exec_barrier(exec_context *x, const exec_inst *i) {
    if (exec_whole_groups(x, i, x->k->block, "block")) exec_clock_barrier(x);
}

void exec_shuffle(exec_context *x, const exec_inst *i) {
    int warp = x->k->warp;
    if (!exec_whole_groups(x, i, warp, "warp")) return;
    EACH_THREAD(x, t) {
        int64_t lane = exec_i64(i->in[1], t);
        if (lane < 0 || lane >= warp || t / warp * warp + lane >= x->threads) {
            exec_fail(x, i, t, "asks lane %lld of a warp of %d", (long long)lane, warp);
            return;
        }
        const char *from = exec_of(i->in[0], (int)(t / warp * warp + lane));
        char *to = i->out->p + t * i->out->bytes;
        if (i->out->bytes == 4) memcpy(to, from, 4);
        else memcpy(to, from, (size_t)i->out->bytes);
    }
}
