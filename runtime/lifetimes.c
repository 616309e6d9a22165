/* When the contents of each temp matter. A schedule is walked twice: the first walk finds which scopes (loops,
 * branches) hold all accesses of a temp, the second stretches its life over loops.
 *
 * A temp that is used in a loop and outside it lives through the loop. One whose accesses all lie in a loop's body
 * lives from the first to the last of them when the first is a write that happens in every iteration in which any
 * happens; otherwise its value may come from the iteration before, and it lives through the outermost loop. */
#include "rt.h"

typedef struct scope {
    uint32_t begin, end; /* words; end is meaningful for loops */
    bool loop;
} scope;

typedef struct walk {
    const frit_package *p;
    const fpk_variant *v;
    const uint32_t *code;
    const uint32_t *root;
    rt_life *lives; /* by buffer */
    scope scopes[FPK_MAX_NESTING];
    uint16_t depth;
    bool second;
} walk;

static void first_walk(walk *w, rt_life *l, uint32_t pc, bool write) {
    if (!l->touched) {
        l->touched = true, l->carried |= !write;
        l->first = pc, l->first_depth = l->common_depth = w->depth;
    }
    l->last = pc;
    uint16_t common = 0;
    while (common < w->depth && w->scopes[common].begin <= l->first) common++;
    if (common < l->common_depth) l->common_depth = common;
}

static void second_walk(walk *w, rt_life *l) {
    bool carried = l->carried || l->first_depth != l->common_depth;
    for (uint16_t d = carried ? 0 : l->common_depth; d < w->depth; d++) {
        const scope *s = &w->scopes[d];
        if (!s->loop) continue;
        if (s->begin < l->first) l->first = s->begin;
        if (s->end > l->last) l->last = s->end;
        return;
    }
}

static void access_temp(walk *w, uint32_t buffer, uint32_t pc, bool write) {
    const fpk_buffer *b = &w->p->buffers[w->v->first_buffer + buffer];
    if (b->kind != FPK_BUF_TEMP) return;
    rt_life *l = &w->lives[w->root[buffer]];
    if (w->second)
        second_walk(w, l);
    else
        first_walk(w, l, pc, write), l->carried |= (b->flags & FPK_KEEP) != 0;
}

static void launch(walk *w, uint32_t pc, const uint32_t *i) {
    const fpk_kernel *k = &w->p->kernels[w->v->first_kernel + i[1]];
    for (uint32_t a = 0; a < k->n_inputs + k->n_outputs; a++) access_temp(w, i[2 + 2 * a], pc, a >= k->n_inputs);
}

static void push(walk *w, uint32_t begin, uint32_t end, bool loop) {
    w->scopes[w->depth++] = (scope){begin, end, loop};
}

static void instruction(walk *w, uint32_t pc, const uint32_t *i) {
    switch ((fpk_op)(i[0] & 0xff)) {
    case FPK_OP_LAUNCH: launch(w, pc, i); break;
    case FPK_OP_COPY: access_temp(w, i[3], pc, false), access_temp(w, i[1], pc, true); break;
    case FPK_OP_FILL: access_temp(w, i[1], pc, true); break;
    case FPK_OP_SWAP: access_temp(w, i[1], pc, false), access_temp(w, i[2], pc, false); break;
    case FPK_OP_READ_SYM: access_temp(w, i[2], pc, false); break;
    case FPK_OP_LOOP: push(w, pc, i[3], true); break;
    case FPK_OP_WHILE: push(w, pc, i[3], true), access_temp(w, i[1], pc, false); break; /* read in each turn */
    case FPK_OP_IF: access_temp(w, i[1], pc, false), push(w, pc, 0, false); break;
    case FPK_OP_ELSE: w->scopes[w->depth - 1].begin = pc; break;
    case FPK_OP_NEXT:
    case FPK_OP_ENDIF: w->depth--; break;
    case FPK_OP_END:
    case FPK_OP_CHECK:
    case FPK_OPS: break;
    }
}

static void walk_schedule(walk *w, uint32_t n, bool second) {
    w->second = second;
    for (uint32_t pc = 0; pc < n; pc += w->code[pc] >> 8) instruction(w, pc, w->code + pc);
}

/* Two temps that swap hold each other's storage: both live as long as either. */
static bool join_swaps(walk *w, uint32_t n) {
    bool changed = false;
    for (uint32_t pc = 0; pc < n; pc += w->code[pc] >> 8) {
        if ((w->code[pc] & 0xff) != FPK_OP_SWAP) continue;
        rt_life *a = &w->lives[w->root[w->code[pc + 1]]], *b = &w->lives[w->root[w->code[pc + 2]]];
        if (a->first == b->first && a->last == b->last) continue;
        a->first = b->first = a->first < b->first ? a->first : b->first;
        a->last = b->last = a->last > b->last ? a->last : b->last;
        changed = true;
    }
    return changed;
}

static void prepare(walk *w, uint32_t *root) {
    for (uint32_t b = 0; b < w->v->n_buffers; b++) {
        const fpk_buffer *buf = &w->p->buffers[w->v->first_buffer + b];
        root[b] = buf->same_as == FPK_NONE ? b : root[buf->same_as];
        w->lives[b] = (rt_life){.buffer = b};
    }
}

uint32_t rt_lifetimes(const frit_package *p, const fpk_variant *v, uint32_t s, uint32_t *root, rt_life *lives) {
    const fpk_schedule *sched = &p->schedules[v->first_schedule + s];
    walk w = {.p = p, .v = v, .code = p->words + sched->first, .root = root, .lives = lives};
    prepare(&w, root);
    walk_schedule(&w, sched->count, false);
    walk_schedule(&w, sched->count, true);
    while (join_swaps(&w, sched->count)) {
    }
    uint32_t n = 0;
    for (uint32_t b = 0; b < v->n_buffers; b++)
        if (lives[b].touched) lives[n++] = lives[b];
    return n;
}
