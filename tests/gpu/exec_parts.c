/* Arms of a branch whose threads wait for each other (roles of warps): each arm runs on a stack of its own until its threads
 * have to wait; then another goes on. The order is chosen by the launch's seed. When no one can go on, a copy that is under way
 * arrives, and when there is none, the kernel would wait for ever. */
#include "exec_async.h"
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STACK = 512 << 10 };

struct exec_part {
    ucontext_t own, back;
    exec_context *x;
    const exec_inst *i;
    int arm;
    exec_mask mask;
    void (*run)(exec_context *, const exec_inst *, int arm);
    bool done;
    exec_part *outer;
    void *stack;
};

static uint64_t next_random(uint64_t *s) { /* xorshift64*, Vigna 2016 */
    *s ^= *s >> 12, *s ^= *s << 25, *s ^= *s >> 27;
    return *s * UINT64_C(2685821657736338717);
}

void exec_progress(exec_context *x) { x->async->progress++; }

/* ---- Stacks: those of ended arms are kept, linked through their first bytes ---------------------------------------------- */
static void *take_stack(exec_async *s) {
    void *p = s->stacks;
    if (!p) return exec_room(STACK);
    memcpy(&s->stacks, p, sizeof p);
    return p;
}
static void give_stack(exec_async *s, void *p) {
    memcpy(p, &s->stacks, sizeof p);
    s->stacks = p;
}

/* ---- Arms -------------------------------------------------------------------------------------------------------- */
/* makecontext passes ints. */
static void enter(unsigned high, unsigned low) {
    exec_part *p = (exec_part *)(uintptr_t)((uint64_t)high << 32 | low);
    p->x->mask = p->mask;
    p->run(p->x, p->i, p->arm);
    p->done = true;
    exec_progress(p->x);
    swapcontext(&p->own, &p->back);
}

static void begin(exec_context *x, exec_part *p) {
    p->stack = take_stack(x->async);
    getcontext(&p->own);
    p->own.uc_stack.ss_sp = p->stack;
    p->own.uc_stack.ss_size = STACK;
    p->own.uc_link = NULL;
    uint64_t at = (uint64_t)(uintptr_t)p;
    makecontext(&p->own, (void (*)(void))enter, 2, (unsigned)(at >> 32), (unsigned)at);
}

static void go_on(exec_context *x, exec_part *p) {
    x->async->running = p;
    swapcontext(&p->back, &p->own);
    x->async->running = p->outer;
}

void exec_pause(exec_context *x, const exec_inst *i, int thread) {
    exec_async *s = x->async;
    exec_part *p = s->running;
    if (i) s->waits = i, s->waits_thread = thread;
    if (p) {
        exec_mask mask = x->mask;
        swapcontext(&p->own, &p->back);
        x->mask = mask;
    } else if (!exec_bulk_step(x))
        exec_fail(x, s->waits, s->waits_thread, "waits for ever: no thread and no copy is left that could let it go on");
}

void exec_parts_if(exec_context *x, const exec_inst *i, const exec_mask arms[2], void (*run)(exec_context *, const exec_inst *, int arm)) {
    exec_part part[2];
    const exec_mask before = x->mask;
    for (int arm = 0; arm < 2; arm++) {
        part[arm] = (exec_part){.x = x, .i = i, .arm = arm, .mask = arms[arm], .run = run, .outer = x->async->running};
        begin(x, &part[arm]);
    }
    while (!part[0].done || !part[1].done) {
        uint64_t progress = x->async->progress;
        int first = (int)(next_random(&x->async->random) >> 63);
        for (int k = 0; k < 2; k++)
            if (!part[first ^ k].done) go_on(x, &part[first ^ k]);
        x->mask = before;
        if (progress == x->async->progress && !x->failed) exec_pause(x, NULL, -1);
    }
    for (int arm = 0; arm < 2; arm++) give_stack(x->async, part[arm].stack);
    x->mask = before;
}

/* ---- A launch ---------------------------------------------------------------------------------------------------- */
void exec_async_open(exec_context *x) {
    if (!x->k->clock) return;
    exec_async *s = x->async = exec_room(sizeof *s);
    s->random = x->l->seed * 2 + 1;
    s->committed = exec_room(sizeof *s->committed * (size_t)x->threads);
    s->named = exec_room(sizeof *s->named * EXEC_BARRIERS * (size_t)x->k->cluster);
    for (int b = 0; b < EXEC_BARRIERS * x->k->cluster; b++) {
        s->named[b].now = exec_room(8 * (size_t)exec_clock_width(x));
        s->named[b].last = exec_room(8 * (size_t)exec_clock_width(x));
    }
}

static void drop_work(exec_async *s) {
    for (int k = 0; k < s->n_mbarriers; k++) free(s->mbarriers[k].now), free(s->mbarriers[k].last);
    for (int k = 0; k < s->n_bulk; k++) free(s->bulk[k].data);
    for (int k = 0; k < s->n_mma; k++) free(s->mma[k].a), free(s->mma[k].b);
    for (exec_tile *t = s->tiles, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    s->tiles = NULL;
    s->n_mbarriers = s->n_bulk = s->n_mma = 0;
}

void exec_async_close(exec_context *x) {
    exec_async *s = x->async;
    if (!s) return;
    drop_work(s);
    while (s->stacks) free(take_stack(s));
    for (int b = 0; b < EXEC_BARRIERS * x->k->cluster; b++) free(s->named[b].now), free(s->named[b].last);
    free(s->mbarriers), free(s->bulk), free(s->mma), free(s->committed), free(s->named);
    free(s);
}

void exec_async_block(exec_context *x) {
    exec_async *s = x->async;
    if (!s) return;
    drop_work(s);
    memset(s->committed, 0, sizeof *s->committed * (size_t)x->threads);
    memset(s->mma_committed, 0, sizeof s->mma_committed);
    memset(s->registers, 0, sizeof s->registers);
    for (int b = 0; b < EXEC_BARRIERS * x->k->cluster; b++) s->named[b].arrived = s->named[b].round = s->named[b].count = 0;
    memset(s->pool, 0, sizeof s->pool);
}

void exec_async_end(exec_context *x) {
    exec_async *s = x->async;
    if (!s) return;
    exec_bulk_end(x);
    for (int k = 0; k < s->n_mma; k++) exec_fail(x, s->mma[k].inst, s->mma[k].first, "a product is under way when the kernel ends");
    for (int k = 0; k < s->n_mbarriers; k++)
        if (s->mbarriers[k].expected)
            exec_fail(x, NULL, -1, "the mbarrier at byte %lld of shared memory expects %lld more bytes when the kernel ends", (long long)(x->k->cluster > 1 ? s->mbarriers[k].at % x->k->stride : s->mbarriers[k].at),
                      (long long)s->mbarriers[k].expected);
    for (int b = 0; b < EXEC_BARRIERS * x->k->cluster; b++)
        if (s->named[b].arrived) exec_fail(x, NULL, -1, "%lld threads wait at barrier %d when the kernel ends", (long long)s->named[b].arrived, b % EXEC_BARRIERS);
}
