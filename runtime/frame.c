#include "rt.h"
#include <string.h>

/* ---- Making ------------------------------------------------------------------------------------------------------ */
static void widest_launch(rt_frame *f) {
    for (uint32_t i = 0; i < f->variant->n_kernels; i++) {
        const fpk_kernel *k = &f->kernels[i];
        if (k->n_inputs + k->n_outputs > f->widest) f->widest = k->n_inputs + k->n_outputs;
        uint32_t values = k->n_ints + k->n_maps * FPK_MAP_VALUES;
        if (values > f->n_ints) f->n_ints = values;
        f->plan_mask |= f->pkg->facts[k->scratch].mask;
    }
}

/* Submitting a recording costs as much as a few launches. */
enum { WORTH_RECORDING = 4 };

/* Whether the main schedule can be recorded: nothing in it is decided on the host while it runs; and is worth it. */
static bool recordable(const rt_frame *f) {
    const fpk_schedule *sched = &f->pkg->schedules[f->variant->first_schedule];
    const uint32_t *code = f->pkg->words + sched->first;
    uint32_t n = 0;
    for (uint32_t pc = 0; pc < sched->count; pc += code[pc] >> 8) {
        uint32_t op = code[pc] & 0xff;
        if (op == FPK_OP_WHILE || op == FPK_OP_IF || op == FPK_OP_READ_SYM) return false;
        n += op == FPK_OP_LAUNCH || op == FPK_OP_COPY || op == FPK_OP_FILL || op == FPK_OP_LOOP;
    }
    return n >= WORTH_RECORDING;
}

static void look_at_schedules(rt_frame *f) {
    const frit_package *p = f->pkg;
    for (uint32_t b = 0; b < f->variant->n_buffers; b++)
        if (f->buffers[b].kind == FPK_BUF_TEMP) f->plan_mask |= p->facts[f->buffers[b].size].mask;
    for (uint32_t s = 0; s < 2 + p->info->n_states; s++) {
        const fpk_schedule *sched = &p->schedules[f->variant->first_schedule + s];
        for (uint32_t pc = 0; pc < sched->count; pc += p->words[sched->first + pc] >> 8)
            f->swaps |= (p->words[sched->first + pc] & 0xff) == FPK_OP_SWAP;
    }
    f->recordable = f->records = f->dev->driver->record && recordable(f);
}

/* Address of the array of n elements at *at, which moves on; with at's memory NULL it only counts. */
static void *carve(char *memory, uint64_t *at, uint64_t n, uint64_t size) {
    void *p = memory ? memory + *at : NULL;
    uint64_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(*at, bytes, at)) *at = UINT64_MAX / 2;
    *at = (*at + 15) & ~(uint64_t)15;
    return p;
}

/* Lays out all arrays in one block and returns its size. */
static uint64_t lay_out(rt_frame *f, char *memory) {
    uint64_t at = 0, ns = f->pkg->n_symbols, ne = f->pkg->n_exprs, nb = f->variant->n_buffers;
    f->syms = carve(memory, &at, ns, sizeof *f->syms);
    f->known = carve(memory, &at, ns, sizeof *f->known);
    f->values = carve(memory, &at, ne, sizeof *f->values);
    f->fresh = carve(memory, &at, ne, sizeof *f->fresh);
    f->base = carve(memory, &at, nb, sizeof *f->base);
    f->size = carve(memory, &at, nb, sizeof *f->size);
    f->args = carve(memory, &at, f->widest, sizeof *f->args);
    f->room = carve(memory, &at, f->widest, sizeof *f->room);
    f->ints = carve(memory, &at, f->n_ints, sizeof *f->ints);
    f->lives = carve(memory, &at, nb, sizeof *f->lives);
    f->root = carve(memory, &at, nb, sizeof *f->root);
    f->order = carve(memory, &at, 2 * nb, sizeof *f->order);
    f->placed = carve(memory, &at, nb, sizeof *f->placed);
    f->profile = carve(memory, &at, f->variant->n_kernels, sizeof *f->profile);
    f->timed = carve(memory, &at, RT_MARKS / 2, sizeof *f->timed);
    for (int i = 0; f->recordable && i < RT_REPLAYS; i++) {
        f->replays[i].base = carve(memory, &at, nb, sizeof *f->base);
        f->replays[i].syms = carve(memory, &at, ns, sizeof *f->syms);
    }
    for (int i = 0; i < RT_PLANS; i++) {
        f->plans[i].offsets = carve(memory, &at, nb, sizeof(int64_t));
        f->plans[i].syms = carve(memory, &at, ns, sizeof(int64_t));
    }
    return at;
}

frit_status rt_frame_init(rt_frame *f, const frit_package *p, const fpk_variant *v, frit_device *dev, rt_module *m,
                          rt_queue *q, const frit_allocator *mem, int workers, frit_error *err) {
    *f = (rt_frame){.pkg = p, .variant = v, .dev = dev, .module = m, .queue = q, .mem = mem, .workers = workers};
    f->buffers = p->buffers + v->first_buffer;
    f->kernels = p->kernels + v->first_kernel;
    widest_launch(f);
    look_at_schedules(f);
    char *memory = rt_new(mem, lay_out(f, NULL), 1);
    if (!memory) return rt_no_memory(err);
    lay_out(f, memory);
    for (uint32_t i = 0; i < p->n_symbols; i++) f->known[i] = p->symbols[i].role == FRIT_DIM_LOOP;
    for (uint32_t b = 0; b < v->n_buffers; b++) {
        if (f->buffers[b].kind != FPK_BUF_CONST) continue;
        f->base[b] = (char *)p->base + p->sections[FPK_DATA].offset + f->buffers[b].offset;
        rt_eval(p, f->buffers[b].size, f->syms, NULL, &f->size[b]);
    }
    return FRIT_OK;
}

void rt_frame_free(rt_frame *f) {
    rt_forget_replays(f);
    if (f->arena) f->dev->driver->free(f->dev, f->queue, f->mem, f->arena, f->arena_size);
    void *memory = f->syms; /* the first array; laying out anew forgets it */
    rt_free(f->mem, memory, lay_out(f, NULL), 1);
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */
bool rt_frame_symbols(rt_frame *f, const int64_t *syms, const uint8_t *known) {
    uint64_t changed = 0;
    for (uint32_t i = 0; i < f->pkg->n_symbols; i++)
        if ((f->syms[i] != syms[i] || f->known[i] != known[i]) && f->pkg->symbols[i].role != FRIT_DIM_LOOP)
            changed |= (uint64_t)1 << i % 64;
    if (!changed) return false;
    for (uint32_t i = 0; i < f->pkg->n_symbols; i++)
        if (f->pkg->symbols[i].role != FRIT_DIM_LOOP) f->syms[i] = syms[i], f->known[i] = known[i];
    for (uint32_t e = 0; e < f->pkg->n_exprs; e++)
        if (f->pkg->facts[e].mask & changed) f->fresh[e] = 0;
    return true;
}

frit_status rt_no_value(rt_frame *f, uint32_t e, frit_error *err) {
    const frit_package *p = f->pkg;
    for (uint32_t i = p->exprs[e].first; i < p->exprs[e].first + p->exprs[e].count; i++)
        if (p->steps[i].op == FPK_SYM && !f->known[p->steps[i].sym])
            return rt_fail(err, FRIT_SHAPE,
                           "the value of dim %s is not known: no input or param tells it, so it must be given",
                           rt_string(p, p->symbols[p->steps[i].sym].name));
    return rt_fail(err, FRIT_SHAPE, "a size overflows 64 bits: the dims are too large");
}

static frit_status size_of(rt_frame *f, uint32_t b, frit_error *err) {
    TRY(rt_value(f, f->buffers[b].size, &f->size[b], err));
    if (f->size[b] < 0)
        return rt_fail(err, FRIT_SHAPE, "a buffer's size is negative: %lld bytes", (long long)f->size[b]);
    return FRIT_OK;
}

frit_status rt_frame_sizes(rt_frame *f, uint32_t kind, frit_error *err) {
    for (uint32_t b = 0; b < f->variant->n_buffers; b++)
        if (f->buffers[b].kind == kind) TRY(size_of(f, b, err));
    return FRIT_OK;
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */
static bool plan_fits(const rt_frame *f, const rt_plan *p, uint32_t s) {
    if (!p->used || p->schedule != s) return false;
    for (uint32_t i = 0; i < f->pkg->n_symbols; i++)
        if (f->plan_mask >> i % 64 & 1 && p->syms[i] != f->syms[i]) return false;
    return true;
}

/* Scratch of one worker: the most that any kernel of the schedule wants, a multiple of two cache lines. */
static frit_status scratch_stride(rt_frame *f, uint32_t s, int64_t *stride, frit_error *err) {
    const fpk_schedule *sched = &f->pkg->schedules[f->variant->first_schedule + s];
    const uint32_t *code = f->pkg->words + sched->first;
    int64_t most = 0;
    for (uint32_t pc = 0; pc < sched->count; pc += code[pc] >> 8) {
        int64_t n;
        if ((code[pc] & 0xff) != FPK_OP_LAUNCH) continue;
        TRY(rt_value(f, f->kernels[code[pc + 1]].scratch, &n, err));
        if (n > most) most = n;
    }
    if (most > INT64_MAX / 8192)
        return rt_fail(err, FRIT_SHAPE, "a kernel wants %lld bytes of scratch", (long long)most);
    *stride = (most + 127) / 128 * 128;
    return FRIT_OK;
}

/* Sizes of the temps that the plan places. */
static frit_status size_temps(rt_frame *f, const rt_plan *p, frit_error *err) {
    for (uint32_t b = 0; b < f->variant->n_buffers; b++)
        if (p->offsets[b] >= 0) TRY(size_of(f, b, err));
    return FRIT_OK;
}

/* Marks the temps that share the storage of a life with offset 0, the others with -1. */
static void mark_placed(rt_frame *f, rt_plan *p, uint32_t n) {
    for (uint32_t b = 0; b < f->variant->n_buffers; b++) p->offsets[b] = -1;
    for (uint32_t i = 0; i < n; i++) p->offsets[f->lives[i].buffer] = 0;
    for (uint32_t b = 0; b < f->variant->n_buffers; b++) p->offsets[b] = p->offsets[f->root[b]];
}

static void size_lives(rt_frame *f, const rt_plan *p, uint32_t n) {
    int64_t *most = f->placed; /* by buffer, for now */
    for (uint32_t b = 0; b < f->variant->n_buffers; b++) {
        if (f->root[b] == b) most[b] = 0;
        if (p->offsets[b] >= 0 && f->size[b] > most[f->root[b]]) most[f->root[b]] = f->size[b];
    }
    for (uint32_t i = 0; i < n; i++) f->lives[i].size = most[f->lives[i].buffer];
}

static frit_status make_plan(rt_frame *f, rt_plan *p, uint32_t s, frit_error *err) {
    p->used = 0; /* not usable if what follows fails */
    if (f->plan == p) f->plan = NULL;
    uint32_t n = rt_lifetimes(f->pkg, f->variant, s, f->root, f->lives);
    mark_placed(f, p, n);
    TRY(size_temps(f, p, err));
    size_lives(f, p, n);
    TRY(scratch_stride(f, s, &p->stride, err));
    p->total = rt_plan_offsets(f->lives, n, f->order, f->placed);
    if (p->total < 0) return rt_fail(err, FRIT_SHAPE, "the temporaries overflow 64 bits: the dims are too large");
    for (uint32_t i = 0; i < n; i++) p->offsets[f->lives[i].buffer] = f->placed[i];
    for (uint32_t b = 0; b < f->variant->n_buffers; b++) p->offsets[b] = p->offsets[f->root[b]];
    memcpy(p->syms, f->syms, f->pkg->n_symbols * sizeof *p->syms);
    p->schedule = s;
    return FRIT_OK;
}

static frit_status find_plan(rt_frame *f, uint32_t s, rt_plan **out, frit_error *err) {
    rt_plan *oldest = &f->plans[0];
    for (int i = 0; i < RT_PLANS; i++) {
        if (plan_fits(f, &f->plans[i], s)) return *out = &f->plans[i], FRIT_OK;
        if (f->plans[i].used < oldest->used) oldest = &f->plans[i];
    }
    TRY(make_plan(f, oldest, s, err));
    *out = oldest;
    return FRIT_OK;
}

static frit_status grow_arena(rt_frame *f, int64_t bytes, frit_error *err) {
    if (bytes <= f->arena_size) return FRIT_OK;
    char *p = f->dev->driver->alloc(f->dev, f->queue, f->mem, bytes);
    if (!p) return rt_fail(err, FRIT_NO_MEMORY, "no memory for the %lld bytes that a run needs", (long long)bytes);
    rt_forget_replays(f);
    if (f->arena) f->dev->driver->free(f->dev, f->queue, f->mem, f->arena, f->arena_size);
    f->arena = p, f->arena_size = bytes;
    f->plan = NULL;
    return FRIT_OK;
}

static void show_plan(rt_frame *f, rt_plan *p) {
    for (uint32_t b = 0; b < f->variant->n_buffers; b++) {
        if (f->buffers[b].kind != FPK_BUF_TEMP) continue;
        f->base[b] = p->offsets[b] >= 0 ? f->arena + p->offsets[b] : NULL;
    }
    f->plan = p;
}

frit_status rt_frame_place(rt_frame *f, uint32_t s, int64_t extra, char **tail, frit_error *err) {
    rt_plan *p = f->plan && plan_fits(f, f->plan, s) ? f->plan : NULL;
    if (!p) TRY(find_plan(f, s, &p, err));
    p->used = ++f->clock;
    int64_t scratch = p->stride * f->workers, need;
    if (__builtin_add_overflow(p->total, scratch, &need) || __builtin_add_overflow(need, extra, &need))
        return rt_fail(err, FRIT_SHAPE, "the temporaries overflow 64 bits: the dims are too large");
    TRY(grow_arena(f, need, err));
    if (f->plan != p) TRY(size_temps(f, p, err));
    if (f->plan != p || f->swaps) show_plan(f, p);
    f->scratch = f->arena + p->total;
    if (tail) *tail = f->scratch + scratch;
    return FRIT_OK;
}
