/* Runs of equal values as recorded work: a driver then submits them as one. */
#include "rt.h"
#include <string.h>

static bool equal(const rt_frame *f, const rt_replay *r) {
    return !memcmp(r->base, f->base, f->variant->n_buffers * sizeof *f->base) &&
           !memcmp(r->syms, f->syms, f->pkg->n_symbols * sizeof *f->syms);
}

/* The entry of these values; else the one that was not used for longest, emptied. */
static rt_replay *find(rt_frame *f) {
    rt_replay *oldest = &f->replays[0];
    for (int i = 0; i < RT_REPLAYS; i++) {
        rt_replay *r = &f->replays[i];
        if (r->seen && equal(f, r)) return r;
        if (r->used < oldest->used) oldest = r;
    }
    if (oldest->graph) f->dev->driver->forget(f->dev, oldest->graph);
    oldest->graph = NULL, oldest->seen = false;
    return oldest;
}

/* Recording does nothing yet. When the driver cannot, the session goes on without. */
static void record(rt_frame *f, rt_replay *r) {
    const rt_driver *drv = f->dev->driver;
    if (drv->record(f->dev, f->queue, NULL) != FRIT_OK) {
        f->records = false;
        return;
    }
    frit_status s = rt_exec(f, 0, NULL);
    frit_status closed = drv->recorded(f->dev, f->queue, &r->graph, NULL);
    if (s == FRIT_OK && closed == FRIT_OK) return;
    if (closed == FRIT_OK) drv->forget(f->dev, r->graph);
    r->graph = NULL;
    f->records = false;
}

/* Temps that the schedule swaps are back where the plan has them when it starts. */
static void restore_temps(rt_frame *f) {
    for (uint32_t b = 0; f->swaps && b < f->variant->n_buffers; b++)
        if (f->buffers[b].kind == FPK_BUF_TEMP)
            f->base[b] = f->plan->offsets[b] >= 0 ? f->arena + f->plan->offsets[b] : NULL;
}

frit_status rt_exec_main(rt_frame *f, frit_error *err) {
    const frit_package *p = f->pkg;
    if (!f->records || f->profiling) return rt_exec(f, 0, err);
    for (uint32_t i = 0; i < p->n_symbols; i++)
        if (p->symbols[i].role == FRIT_DIM_LOOP) f->syms[i] = 0; /* left by an earlier run */
    rt_replay *r = find(f);
    r->used = ++f->clock;
    if (!r->seen) {
        memcpy(r->base, f->base, f->variant->n_buffers * sizeof *f->base);
        memcpy(r->syms, f->syms, p->n_symbols * sizeof *f->syms);
        r->seen = true;
        return rt_exec(f, 0, err);
    }
    if (!r->graph) {
        record(f, r);
        restore_temps(f);
    }
    return r->graph ? f->dev->driver->replay(f->dev, f->queue, r->graph, err) : rt_exec(f, 0, err);
}

void rt_forget_replays(rt_frame *f) {
    for (int i = 0; i < RT_REPLAYS; i++) {
        if (f->replays[i].graph) f->dev->driver->forget(f->dev, f->replays[i].graph);
        f->replays[i].graph = NULL, f->replays[i].seen = false;
    }
}
