/* Asynchronous copies. While one is in flight its destination's cells are marked; a copy_wait of the thread that started
 * it turns the mark into a write of that thread at the time of the wait, so that other threads need a barrier after. The
 * source is compared at the end with what it was at the start. */
#include "exec_internal.h"
#include <stdlib.h>
#include <string.h>

static void keep(exec_context *x, const exec_copy *c) {
    if (x->n_copies == x->cap_copies) {
        x->cap_copies = x->cap_copies * 2 + 256;
        x->copies = realloc(x->copies, (size_t)x->cap_copies * sizeof *x->copies);
        if (!x->copies) abort();
    }
    x->copies[x->n_copies++] = *c;
}

enum { WILD = 0xff, TAME = 0x40 }; /* bytes of floats that are NaN, and 2 or 3 and a little */

/* What arrives. */
static void deliver(const exec_context *x, char *to, const exec_copy *c) {
    if (c->inside) memcpy(to, c->was, (size_t)c->bytes);
    else memset(to, x->l->nonsense != c->inst->op ? 0 : x->l->tame ? TAME : WILD, (size_t)c->bytes);
}

static int64_t byte_at(const exec_value *pointer, const exec_value *index, int t) {
    unsigned bits = frit_dtype_bits(pointer->dtype);
    return exec_i64(pointer, t) + (bits < 8 ? exec_i64(index, t) / 2 : exec_i64(index, t) * (bits / 8));
}

/* Starts the copy of thread t. */
static bool start(exec_context *x, const exec_inst *i, int t) {
    exec_copy c = {.thread = t, .op = i->id, .group = x->committed[t], .inst = i};
    c.target = &x->k->roots[i->in[0]->root], c.source = &x->k->roots[i->in[2]->root];
    c.to = byte_at(i->in[0], i->in[1], t), c.from = byte_at(i->in[2], i->in[3], t);
    c.bytes = (int)frit_dtype_bytes(i->in[0]->dtype, i->number);
    c.inside = i->n_in < 5 || *exec_of(i->in[4], t);
    if (c.target->kind != ROOT_SHARED || c.source->kind != ROOT_GLOBAL)
        return exec_fail(x, i, t, "copies to or from the wrong kind of memory"), false;
    if (c.bytes != 4 && c.bytes != 8 && c.bytes != 16) return exec_fail(x, i, t, "copies %d bytes at once", c.bytes), false;
    if (!exec_bounds(x, i, c.target, t, c.to, c.bytes) || !exec_aligned(x, i, c.target, t, c.to, c.bytes)) return false;
    if (c.inside) {
        if (!exec_bounds(x, i, c.source, t, c.from, c.bytes) || !exec_aligned(x, i, c.source, t, c.from, c.bytes)) return false;
        const char *from = exec_read(x, i, c.source, t, c.from, c.bytes, false);
        if (!from) return false;
        memcpy(c.was, from, (size_t)c.bytes);
    }
    char *to = exec_write_in_flight(x, i, c.target, t, c.to, c.bytes);
    if (!to) return false;
    if (x->l->late) memset(to, 0xff, (size_t)c.bytes);
    else deliver(x, to, &c);
    keep(x, &c);
    return true;
}

void exec_copy_async(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) if (!start(x, i, t)) return;
}

void exec_copy_commit(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) x->committed[t]++;
}

static void finish(exec_context *x, const exec_inst *i, const exec_copy *c) {
    char *to = c->target->base + exec_place(x, c->target, c->thread, c->to);
    if (c->inside) {
        const char *from = exec_read(x, c->inst, c->source, c->thread, c->from, c->bytes, false);
        if (from && memcmp(from, c->was, (size_t)c->bytes))
            exec_fail(x, c->inst, c->thread, "the source of an asynchronous copy changed while it was in flight");
    }
    if (x->l->late) deliver(x, to, c);
    exec_landed(x, c->target, c->thread, c->op, c->to, c->bytes);
}

void exec_copy_wait(exec_context *x, const exec_inst *i) {
    int left = 0;
    for (int k = 0; k < x->n_copies; k++) {
        const exec_copy *c = &x->copies[k];
        bool on = c->thread >= x->mask.lo && c->thread < x->mask.hi && x->mask.on[c->thread];
        if (on && c->group < x->committed[c->thread] - i->number) finish(x, i, c);
        else x->copies[left++] = *c;
    }
    x->n_copies = left;
}

void exec_copies_end(exec_context *x) {
    if (x->n_copies)
        exec_fail(x, x->copies[0].inst, x->copies[0].thread, "an asynchronous copy is in flight when the kernel ends");
    x->n_copies = 0;
}
