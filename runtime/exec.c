/* Runs schedules. Their structure was checked at open; what depends on values is checked here. */
#include "rt.h"

typedef struct machine {
    rt_frame *f;
    const uint32_t *code;
    uint32_t pc;
    int64_t trips[FPK_MAX_NESTING]; /* of the open loops */
    int depth;
    frit_error *err;
} machine;

static const char *buffer_name(const rt_frame *f, uint32_t b) {
    static const char *const kinds[] = {"an input",    "an output",  "a param",       "a state",
                                        "a temporary", "a constant", "a packed param"};
    return kinds[f->buffers[b].kind];
}

/* Address of `bytes` bytes at w[0] (a buffer) + w[1] (an offset expression). */
static frit_status address(machine *m, const uint32_t *w, int64_t bytes, char **out) {
    rt_frame *f = m->f;
    int64_t offset = 0;
    if (w[1] != FPK_NONE) TRY(rt_value(f, w[1], &offset, m->err));
    if (offset < 0 || offset > f->size[w[0]] || bytes < 0 || bytes > f->size[w[0]] - offset)
        return rt_fail(m->err, FRIT_SHAPE, "the run reaches bytes %lld .. %lld of %s of %lld bytes", (long long)offset,
                       (long long)offset + (long long)bytes, buffer_name(f, w[0]), (long long)f->size[w[0]]);
    *out = f->base[w[0]] + offset;
    return FRIT_OK;
}

/* ---- Launch ------------------------------------------------------------------------------------------------------ */
static double estimate(rt_frame *f, uint32_t e) {
    int64_t v;
    return e != FPK_NONE && rt_value(f, e, &v, NULL) == FRIT_OK && v > 0 ? (double)v : 0;
}

/* Nanoseconds on one core, at 32 bytes from a cache or 32 flops in each: good enough to tell small from large. */
static int64_t work_of(rt_frame *f, const fpk_kernel *k) {
    if (k->bytes == FPK_NONE && k->flops == FPK_NONE) return -1;
    double bytes = estimate(f, k->bytes), flops = estimate(f, k->flops), ns = (bytes > flops ? bytes : flops) / 32;
    return ns < 1e18 ? (int64_t)ns : -1;
}

frit_status rt_profile_flush(rt_frame *f, frit_error *err) {
    const rt_driver *drv = f->dev->driver;
    uint32_t n = f->n_timed;
    f->n_timed = 0;
    if (!n) return FRIT_OK;
    TRY(drv->wait(f->dev, f->queue, err));
    for (uint32_t i = 0; i < n; i++)
        f->profile[f->timed[i]].seconds += drv->between(f->dev, f->queue, (int)(2 * i), (int)(2 * i + 1));
    return FRIT_OK;
}

static frit_status timed_launch(rt_frame *f, const rt_launch *l, frit_error *err) {
    const rt_driver *drv = f->dev->driver;
    f->last = l->kernel;
    if (!f->profiling) return drv->launch(f->dev, f->queue, l, err);
    frit_kernel_profile *p = &f->profile[l->kernel];
    if (f->n_timed == RT_MARKS / 2) TRY(rt_profile_flush(f, err));
    TRY(drv->mark(f->dev, f->queue, (int)(2 * f->n_timed), err));
    TRY(drv->launch(f->dev, f->queue, l, err));
    TRY(drv->mark(f->dev, f->queue, (int)(2 * f->n_timed + 1), err));
    f->timed[f->n_timed++] = l->kernel;
    p->launches++;
    p->bytes += estimate(f, f->kernels[l->kernel].bytes);
    p->flops += estimate(f, f->kernels[l->kernel].flops);
    return FRIT_OK;
}

static frit_status launch_kernel(machine *m, const uint32_t *w) {
    rt_frame *f = m->f;
    const fpk_kernel *k = &f->kernels[w[1]];
    char *at;
    for (uint32_t i = 0; i < k->n_inputs + k->n_outputs; i++) {
        TRY(address(m, w + 2 + 2 * i, 0, &at));
        f->args[i] = at;
        f->room[i] = f->size[w[2 + 2 * i]] - (at - f->base[w[2 + 2 * i]]);
    }
    for (uint32_t i = 0; i < k->n_ints + k->n_maps * FPK_MAP_VALUES; i++)
        TRY(rt_value(f, f->pkg->lists[k->ints + i], &f->ints[i], m->err));
    rt_launch l = {.module = f->module,
                   .record = k,
                   .kernel = w[1],
                   .args = f->args,
                   .sizes = f->room,
                   .ints = f->ints,
                   .maps = f->pkg->lists + k->maps,
                   .workers = f->workers,
                   .scratch = f->scratch,
                   .stride = f->plan ? f->plan->stride : 0,
                   .work = 0};
    TRY(rt_value(f, k->tasks, &l.tasks, m->err));
    TRY(rt_value(f, k->scratch, &l.scratch_bytes, m->err));
    if (l.tasks <= 0) return FRIT_OK;
    if (l.tasks > 1 && l.workers > 1) l.work = work_of(f, k);
    return timed_launch(f, &l, m->err);
}

/* A failure names the kernel and the source line that it stems from. */
static frit_status launch(machine *m, const uint32_t *w) {
    frit_status s = launch_kernel(m, w);
    if (s == FRIT_OK) return s;
    const fpk_kernel *k = &m->f->kernels[w[1]];
    frit_error reason = {0};
    if (!m->err) return s;
    reason = *m->err;
    rt_fail(m->err, s, "kernel %s: %.400s", rt_string(m->f->pkg, k->name), reason.message);
    rt_blame(m->err, rt_string(m->f->pkg, k->file), k->line);
    return s;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
static frit_status copy(machine *m, const uint32_t *w) {
    int64_t bytes;
    char *dst, *src;
    TRY(rt_value(m->f, w[5], &bytes, m->err));
    TRY(address(m, w + 1, bytes, &dst));
    TRY(address(m, w + 3, bytes, &src));
    return bytes && dst != src ? m->f->dev->driver->copy(m->f->dev, m->f->queue, dst, src, bytes, m->err) : FRIT_OK;
}

static frit_status fill(machine *m, const uint32_t *w) {
    int64_t bytes;
    char *dst;
    TRY(rt_value(m->f, w[3], &bytes, m->err));
    TRY(address(m, w + 1, bytes, &dst));
    uint64_t pattern = w[5] | (uint64_t)w[6] << 32;
    return bytes ? m->f->dev->driver->fill(m->f->dev, m->f->queue, dst, bytes, (int)w[4], pattern, m->err) : FRIT_OK;
}

static frit_status read(machine *m, const uint32_t *w, void *to, int64_t bytes) {
    char *src;
    TRY(address(m, w, bytes, &src));
    return m->f->dev->driver->read(m->f->dev, m->f->queue, to, src, bytes, m->err);
}

static void swap(rt_frame *f, const uint32_t *w) {
    char *t = f->base[w[1]];
    f->base[w[1]] = f->base[w[2]], f->base[w[2]] = t;
}

/* The value must keep the symbol's bounds: sizes were taken at the upper one. */
static frit_status read_symbol(machine *m, const uint32_t *w) {
    rt_frame *f = m->f;
    const fpk_symbol *s = &f->pkg->symbols[w[1]];
    int64_t v, hi = s->hi, bound;
    TRY(read(m, w + 2, &v, sizeof v));
    if (s->upper != FPK_NONE && rt_eval(f->pkg, s->upper, f->syms, f->known, &bound) && bound < hi) hi = bound;
    if (v < s->lo || v > hi)
        return rt_fail(m->err, FRIT_SHAPE, "%s = %lld, which the run computed, is not in %lld .. %lld",
                       rt_string(f->pkg, s->name), (long long)v, (long long)s->lo, (long long)hi);
    f->syms[w[1]] = v;
    return FRIT_OK;
}

/* ---- Control ----------------------------------------------------------------------------------------------------- */
static void jump(machine *m, uint32_t to) { m->pc = to + (m->code[to] >> 8); } /* behind the instruction there */

static frit_status enter_loop(machine *m, const uint32_t *w) {
    int64_t trips;
    TRY(rt_value(m->f, w[2], &trips, m->err));
    if (trips <= 0) return jump(m, w[3]), FRIT_OK;
    m->trips[m->depth++] = trips;
    m->f->syms[w[1]] = 0;
    return FRIT_OK;
}

static frit_status test(machine *m, const uint32_t *w) {
    uint8_t cond;
    TRY(read(m, w + 1, &cond, 1));
    if (!cond) jump(m, w[3]);
    return FRIT_OK;
}

static void next(machine *m, uint32_t top) {
    const uint32_t *loop = m->code + top;
    if ((loop[0] & 0xff) == FPK_OP_WHILE)
        m->pc = top;
    else if (++m->f->syms[loop[1]] < m->trips[m->depth - 1])
        jump(m, top);
    else
        m->depth--;
}

static frit_status step(machine *m, const uint32_t *w) {
    switch ((fpk_op)(w[0] & 0xff)) {
    case FPK_OP_LAUNCH: return launch(m, w);
    case FPK_OP_COPY: return copy(m, w);
    case FPK_OP_FILL: return fill(m, w);
    case FPK_OP_SWAP: return swap(m->f, w), FRIT_OK;
    case FPK_OP_LOOP: return enter_loop(m, w);
    case FPK_OP_WHILE:
    case FPK_OP_IF: return test(m, w);
    case FPK_OP_NEXT: return next(m, w[1]), FRIT_OK;
    case FPK_OP_ELSE: return jump(m, w[1]), FRIT_OK;
    case FPK_OP_READ_SYM: return read_symbol(m, w);
    case FPK_OP_CHECK: return rt_check_fact(m->f->pkg, w[1], m->f->syms, m->f->known, m->err);
    case FPK_OP_ENDIF:
    case FPK_OP_END:
    case FPK_OPS: break;
    }
    return FRIT_OK;
}

frit_status rt_exec(rt_frame *f, uint32_t s, frit_error *err) {
    const fpk_schedule *sched = &f->pkg->schedules[f->variant->first_schedule + s];
    machine m = {.f = f, .code = f->pkg->words + sched->first, .err = err};
    while (m.pc < sched->count) {
        const uint32_t *w = m.code + m.pc;
        m.pc += w[0] >> 8;
        TRY(step(&m, w));
    }
    return FRIT_OK;
}
