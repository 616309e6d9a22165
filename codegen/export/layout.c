/* The plan of one schedule: a C struct with the places of its temporaries and the values of its formulas, and the
 * function that fills it.
 *
 * Places. The runtime's planner is run here, for likely dims. What is kept of its answer is the order from low to high
 * offsets: of two temporaries that live at the same time the upper one begins where the lower one ends, or higher.
 * Those rules give a valid layout for all dims (and the planner's own for the likely ones), and they are assignments:
 *
 *     plan->t7 = max_(end5, end6);        end7 = end_(plan->t7, bytes of 7)
 *
 * This is a longest path through the graph of "lies above"; edges that others imply are left out. */
#include "export_internal.h"
#include <stdlib.h>
#include <string.h>

/* ---- Likely dims ------------------------------------------------------------------------------------------------- */
enum { LIKELY_DIM = 64 };

static int64_t likely(const fpk_symbol *s) {
    int64_t v = LIKELY_DIM, m = s->multiple > 1 ? s->multiple : 1;
    if (v > s->hi) v = s->hi;
    if (v < s->lo) v = s->lo;
    if (m <= v)
        v -= v % m;
    else if (m <= s->hi)
        v = m;
    return v;
}

static int64_t *likely_values(const exporter *x) {
    int64_t *v = arena_array(x->a, int64_t, n_symbols(x) + 1), bound;
    for (uint32_t i = 0; i < n_symbols(x); i++)
        v[i] = x->is_known[i] ? x->known[i] : x->level[i] == LEVEL_DEVICE ? 0 : likely(&x->p->symbols[i]);
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        const fpk_symbol *s = &x->p->symbols[i];
        if (x->level[i] != LEVEL_DEVICE) continue;
        v[i] = s->hi;
        if (s->upper != FPK_NONE && rt_eval(x->p, s->upper, v, NULL, &bound) && bound < v[i]) v[i] = bound;
    }
    return v;
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */
typedef struct placer {
    layout *l;
    uint32_t n;
    uint32_t *order;  /* lives from low to high */
    int64_t *offsets; /* for the likely dims */
    bool *constant;   /* per life: where it ends is a number */
    int64_t *begin, *end;
} placer;

static bool overlap(const rt_life *a, const rt_life *b) { return a->first <= b->last && b->first <= a->last; }

static void size_lives(layout *l, const int64_t *syms) {
    const exporter *x = l->x;
    for (uint32_t i = 0; i < l->n_lives; i++) {
        l->lives[i].size = 0;
        for (uint32_t b = 0; b < x->v->n_buffers; b++) {
            int64_t n;
            if (x->buffers[b].kind != FPK_BUF_TEMP || l->root[b] != l->lives[i].buffer) continue;
            if (rt_eval(x->p, x->buffers[b].size, syms, NULL, &n) && n > l->lives[i].size) l->lives[i].size = n;
        }
    }
}

static void sort_by_offset(placer *p) {
    for (uint32_t i = 1; i < p->n; i++) { /* insertion: stable, and the planner's order is nearly it */
        uint32_t v = p->order[i], j = i;
        for (; j > 0 && p->offsets[p->order[j - 1]] > p->offsets[v]; j--) p->order[j] = p->order[j - 1];
        p->order[j] = v;
    }
}

/* The largest size among the buffers that share this storage, as C. */
static const char *life_bytes(layout *l, const rt_life *life, int64_t *number) {
    const exporter *x = l->x;
    const char *t = NULL;
    VEC(uint32_t) seen = {0};
    *number = 0;
    for (uint32_t b = 0; b < x->v->n_buffers; b++) {
        uint32_t e = x->buffers[b].size;
        int64_t v;
        bool again = false;
        if (x->buffers[b].kind != FPK_BUF_TEMP || l->root[b] != life->buffer) continue;
        for (int i = 0; i < seen.len; i++) again |= seen.data[i] == e;
        if (again) continue;
        vec_push(x->a, &seen, e);
        if (formula_const(x, e, &v)) {
            if (v > *number) *number = v;
            continue;
        }
        const char *f = formula(&l->s, e, false);
        if (t) l->x->helps[HELP_MAX] = true;
        t = t ? arena_printf(x->a, "max_(%s, %s)", t, f) : f;
    }
    if (t && *number) {
        l->x->helps[HELP_MAX] = true;
        t = arena_printf(x->a, "max_(%s, %s)", t, literal(x->a, *number));
    }
    return t;
}

/* Lower lives that x must lie above and that no other lower one lies above. */
static uint32_t below(const placer *p, uint32_t at, uint32_t *out) {
    const rt_life *lives = p->l->lives;
    uint32_t n = 0;
    for (uint32_t j = at; j-- > 0;) {
        bool implied = false;
        if (!overlap(&lives[p->order[j]], &lives[p->order[at]])) continue;
        for (uint32_t k = 0; k < n && !implied; k++) implied = overlap(&lives[p->order[j]], &lives[out[k]]);
        if (!implied) out[n++] = p->order[j];
    }
    return n;
}

/* Where life i begins: a number, or C text. */
static const char *begin_of(placer *p, uint32_t i, const uint32_t *lower, uint32_t n) {
    const exporter *x = p->l->x;
    const char *t = NULL;
    int64_t most = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (p->constant[lower[k]]) {
            if (p->end[lower[k]] > most) most = p->end[lower[k]];
            continue;
        }
        const char *end = arena_printf(x->a, "end%u", p->l->lives[lower[k]].buffer);
        if (t) p->l->x->helps[HELP_MAX] = true;
        t = t ? arena_printf(x->a, "max_(%s, %s)", t, end) : end;
    }
    p->begin[i] = most;
    if (t && most) {
        p->l->x->helps[HELP_MAX] = true;
        t = arena_printf(x->a, "max_(%s, %s)", t, literal(x->a, most));
    }
    return t;
}

static void place(placer *p, uint32_t at, uint32_t *lower) {
    layout *l = p->l;
    exporter *x = l->x;
    uint32_t i = p->order[at], b = l->lives[i].buffer;
    int64_t number;
    const char *from = begin_of(p, i, lower, below(p, at, lower)), *bytes = life_bytes(l, &l->lives[i], &number);
    if (from) {
        put(&l->fields, "    int64_t t%u;\n", b);
        line(&l->s, "plan->t%u = %s;", b, from);
        l->at[b] = arena_printf(x->a, "plan->t%u", b);
    } else
        l->at[b] = literal(x->a, p->begin[i]);
    if (!from && !bytes && number < INT64_MAX / 2) {
        p->constant[i] = true;
        p->end[i] = p->begin[i] + (number + 63) / 64 * 64;
        return;
    }
    x->helps[HELP_END] = l->s.checked = true;
    line(&l->s, "end%u = end_(%s, %s, &bad);", b, l->at[b], bytes ? bytes : literal(x->a, number));
}

static void put_total(placer *p) {
    layout *l = p->l;
    int64_t most = 0;
    const char *t = NULL;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->constant[i] && p->end[i] > most) most = p->end[i];
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->constant[i]) continue;
        if (!t) line(&l->s, "plan->total = %s;", literal(l->x->a, most));
        t = arena_printf(l->x->a, "end%u", l->lives[i].buffer);
        l->x->helps[HELP_MAX] = true;
        line(&l->s, "plan->total = max_(plan->total, %s);", t);
    }
    if (!t) line(&l->s, "plan->total = %s;", literal(l->x->a, most));
}

static const char *declare_ends(placer *p) {
    const char *t = NULL;
    arena *a = p->l->x->a;
    for (uint32_t i = 0; i < p->n; i++)
        if (!p->constant[p->order[i]])
            t = t ? arena_printf(a, "%s%send%u", t, i % 12 == 11 ? ",\n        " : ", ",
                                 p->l->lives[p->order[i]].buffer)
                  : arena_printf(a, "    int64_t end%u", p->l->lives[p->order[i]].buffer);
    return t;
}

/* ---- Scratch ----------------------------------------------------------------------------------------------------- */
static void put_scratch(layout *l) {
    const exporter *x = l->x;
    const fpk_schedule *s = &x->p->schedules[x->v->first_schedule + l->schedule];
    const uint32_t *code = x->p->words + s->first;
    bool *seen = arena_array(x->a, bool, x->p->n_exprs + 1);
    int64_t most = 0, v;
    VEC(uint32_t) open = {0};
    for (uint32_t pc = 0; pc < s->count; pc += code[pc] >> 8) {
        if ((code[pc] & 0xff) != FPK_OP_LAUNCH) continue;
        uint32_t e = x->kernels[code[pc + 1]].scratch;
        if (formula_const(x, e, &v))
            most = v > most ? v : most;
        else if (!seen[e])
            seen[e] = true, vec_push(x->a, &open, e);
    }
    line(&l->s, "plan->scratch = %s;", literal(x->a, (most + 127) / 128 * 128));
    for (int i = 0; i < open.len; i++) {
        l->x->helps[HELP_MAX] = l->x->helps[HELP_END] = l->s.checked = true;
        line(&l->s, "plan->scratch = max_(plan->scratch, end_(64, %s, &bad));", formula(&l->s, open.data[i], false));
    }
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */
void layout_init(layout *l, exporter *x, uint32_t schedule, const char *suffix) {
    uint32_t nb = x->v->n_buffers;
    *l = (layout){.x = x, .schedule = schedule, .suffix = suffix, .fields = {.a = x->a}};
    scope_init(&l->s, x, NULL);
    if (schedule == 0) put_checks(&l->s, LEVEL_RUN);
    for (uint32_t i = 0; schedule == 0 && i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_RUN) line(&l->s, "plan->%s = %s;", x->symbol[i], x->symbol[i]);
    l->value = arena_array(x->a, int, x->p->n_exprs + 1);
    l->root = arena_array(x->a, uint32_t, nb + 1);
    l->lives = arena_array(x->a, rt_life, nb + 1);
    l->at = arena_array(x->a, const char *, nb + 1);
    l->n_lives = rt_lifetimes(x->p, x->v, schedule, l->root, l->lives);
    size_lives(l, likely_values(x));
    placer p = {.l = l, .n = l->n_lives};
    p.order = arena_array(x->a, uint32_t, 2 * p.n + 1);
    p.offsets = arena_array(x->a, int64_t, p.n + 1);
    p.constant = arena_array(x->a, bool, p.n + 1);
    p.begin = arena_array(x->a, int64_t, p.n + 1);
    p.end = arena_array(x->a, int64_t, p.n + 1);
    uint32_t *lower = arena_array(x->a, uint32_t, p.n + 1);
    if (rt_plan_offsets(l->lives, p.n, p.order, p.offsets) < 0) export_fail(x, "the temporaries overflow 64 bits");
    for (uint32_t i = 0; i < p.n; i++) p.order[i] = i;
    sort_by_offset(&p);
    for (uint32_t i = 0; i < p.n; i++) place(&p, i, lower);
    put_total(&p);
    put_scratch(l);
    const char *ends = declare_ends(&p);
    if (ends) l->ends = arena_printf(x->a, "%s;\n", ends);
    for (uint32_t b = 0; b < nb; b++)
        if (x->buffers[b].kind == FPK_BUF_TEMP) l->at[b] = l->at[l->root[b]];
}

const char *layout_value(layout *l, uint32_t e) {
    if (!l->value[e]) {
        int v = l->value[e] = ++l->n_values;
        put(&l->fields, "    int64_t v%d;\n", v - 1);
        line(&l->s, "plan->v%d = %s;", v - 1, formula(&l->s, e, false));
    }
    return arena_printf(l->x->a, "plan->v%d", l->value[e] - 1);
}

void put_device_bounds(text *t, scope *of, bool constant) {
    exporter *x = of->x;
    scope s;
    scope_init(&s, x, NULL);
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        if (x->level[i] != LEVEL_DEVICE || !of->uses[i]) continue;
        const fpk_symbol *record = &x->p->symbols[i];
        const char *hi = record->upper != FPK_NONE ? formula(&s, record->upper, false) : literal(x->a, record->hi);
        if (record->upper != FPK_NONE && record->hi != INT64_MAX) {
            x->helps[HELP_MIN] = true;
            hi = arena_printf(x->a, "min_(%s, %s)", hi, literal(x->a, record->hi));
        }
        line(&s, "%sint64_t %s = %s; /* at most */", constant ? "const " : "", x->symbol[i], hi);
    }
    for (uint32_t k = 0; k < n_symbols(x); k++) of->uses[k] |= s.uses[k];
    of->checked |= s.checked;
    put(t, "%s", text_of(&s.body));
}

void put_layout_struct(text *t, layout *l) {
    exporter *x = l->x;
    put(t, "typedef struct %s_plan {\n", l->suffix);
    for (uint32_t i = 0; l->schedule == 0 && i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_RUN) put(t, "    int64_t %s;\n", x->symbol[i]);
    put(t, "    int64_t total, scratch; /* bytes of the temporaries, and of each worker's scratch */\n%s} %s_plan;\n\n",
        text_of(&l->fields), l->suffix);
}

void put_layout_function(text *t, layout *l) {
    exporter *x = l->x;
    bool load = l->schedule == 1;
    text bounds = {.a = x->a};
    put_device_bounds(&bounds, &l->s, true);
    put(t, "static %s_status plan_%s(const %s_%s *%s, %s_plan *plan", x->name, l->suffix, x->name,
        load ? "weights" : "context", load ? "weights" : "context", l->suffix);
    if (l->schedule == 0) put_level_params(x, t, LEVEL_RUN, false, ", ");
    put(t, ") {\n");
    put_locals(t, &l->s, load ? "weights" : NULL);
    put(t, "%s%s", l->ends ? l->ends : "", text_of(&bounds));
    if (load ? !l->s.weights : !l->s.context) put(t, "    (void)%s;\n", load ? "weights" : "context");
    put(t, "%s", text_of(&l->s.body));
    if (l->s.checked) put(t, "    if (bad) return %s_E_TOO_LARGE;\n", x->upper);
    put(t, "    return %s_OK;\n}\n\n", x->upper);
}
