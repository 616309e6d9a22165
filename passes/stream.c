#include "stream.h"
#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 256, MAX_VARS = 256 };

typedef struct finder {
    region *r;
    /* Variables of axes; those at which one nest reads along another's axis are one class. */
    int n_vars;
    sym_t var[MAX_VARS], extent[MAX_VARS];
    int nest[MAX_VARS], parent[MAX_VARS];
    bool own[MAX_VARS];     /* an axis of the nest's value, not a reduced one */
    bool blocked[MAX_VARS]; /* of a class, by root: read at something else than a variable */
    bool full;
    stream *s;
    signed char *depends; /* by value id: 0 unknown, 1 no, 2 yes */
} finder;

/* ---- Classes of variables -------------------------------------------------------------------------------------------- */
static int find_var(const finder *f, sym_t v) {
    for (int i = 0; i < f->n_vars; i++)
        if (f->var[i] == v) return i;
    return -1;
}

static int root_of(const finder *f, int i) {
    while (f->parent[i] != i) i = f->parent[i];
    return i;
}

static void add_axis(finder *f, int of_nest, const nest_axis *a, bool own) {
    if (a->n_vars != 1 || a->expr != a->vars[0] || find_var(f, a->vars[0]) >= 0) return;
    if (f->n_vars == MAX_VARS) {
        f->full = true;
        return;
    }
    int i = f->n_vars++;
    f->var[i] = a->vars[0], f->extent[i] = a->extents[0];
    f->nest[i] = of_nest, f->parent[i] = i, f->own[i] = own, f->blocked[i] = false;
}

static void unite(finder *f, int a, int b) {
    a = root_of(f, a), b = root_of(f, b);
    if (a == b) return;
    f->parent[b] = a;
    f->blocked[a] |= f->blocked[b] || f->extent[a] != f->extent[b];
}

static void note_read(void *u, nest *n, const sym_t *coords) {
    finder *f = u;
    for (int d = 0; d < n->rank; d++) {
        int a = n->dim[d].n_vars == 1 ? find_var(f, n->dim[d].expr) : -1, b = find_var(f, coords[d]);
        if (a >= 0 && b >= 0) unite(f, a, b);
        else if (a >= 0) f->blocked[root_of(f, a)] = true;
    }
}

static void find_classes(finder *f) {
    region *r = f->r;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        for (int d = 0; d < n->rank; d++) add_axis(f, i, &n->dim[d], true);
        for (int k = 0; k < n->n_red; k++) add_axis(f, i, &n->red[k], false);
    }
    for (int i = 0; i < r->nests.len; i++) region_each_read(r, i, note_read, f);
}

/* ---- Dependence on states ---------------------------------------------------------------------------------------- */
static int nest_index(const region *r, const ir_value *v) {
    for (int i = 0; i < r->nests.len; i++)
        if (r->nests.data[i].v == v) return i;
    return -1;
}

static bool is_state(const finder *f, const ir_value *v) {
    int i = nest_index(f->r, v);
    return i >= 0 && f->s->nests[i].role == STREAM_STATE;
}

static bool operands_depend(finder *f, const ir_value *v, int depth);

static bool depends(finder *f, const ir_value *v, int depth) {
    if (!region_inside(f->r, v)) return false;
    signed char *known = &f->depends[v->id - f->r->first_id];
    if (!*known) *known = is_state(f, v) || operands_depend(f, v, depth) ? 2 : 1;
    return *known == 2;
}

static bool operands_depend(finder *f, const ir_value *v, int depth) {
    if (depth > 3000) return true;
    for (int i = 0; i < v->op->n_operands; i++)
        if (depends(f, ir_operand(v->op, i), depth + 1)) return true;
    return false;
}

/* ---- The rule ---------------------------------------------------------------------------------------------------- */
static bool on_axis(const finder *f, const sym_t *coords, int rank) {
    for (int d = 0; d < rank; d++)
        for (int k = 0; k < f->s->n_vars; k++)
            if (sym_uses(coords[d], f->s->vars[k])) return true;
    return false;
}

/* v at coords is the same all along the axis. */
static bool is_constant(finder *f, ir_value *v, const sym_t *coords, int depth) {
    if (!on_axis(f, coords, v->type.rank)) return true;
    if (depth > MAX_DEPTH || !region_inside(f->r, v) || nest_index(f->r, v) >= 0) return false;
    const ir_op *op = v->op;
    if (op->code == IR_constant || op->code == IR_size) return true;
    if (op->code == IR_iota) return !on_axis(f, &coords[ir_get_int(op, IR_ATTR_axis, 0)], 1);
    if (!(ir_op_flags(op) & (IR_F_ELEMENTWISE | IR_F_VIEW)) || op->code == IR_concat || op->code == IR_pad) return false;
    sym_t at[IR_MAX_RANK];
    for (int i = 0; i < op->n_operands; i++) {
        access_operand(&f->r->x, op, i, coords, at);
        if (!is_constant(f, ir_operand(op, i), at, depth + 1)) return false;
    }
    return true;
}

/* What an expression looks through: plain views, and casts that lose nothing. */
static bool is_transparent(const ir_op *op) {
    switch (op->code) {
    case IR_broadcast:
    case IR_transpose:
    case IR_reshape:
    case IR_slice: return true;
    case IR_cast: {
        frit_dtype from = (frit_dtype)ir_operand(op, 0)->type.dtype, to = (frit_dtype)ir_result(op, 0)->type.dtype;
        return frit_dtype_is_float(from) && frit_dtype_is_float(to) && frit_dtype_bits(to) >= frit_dtype_bits(from);
    }
    default: return false;
    }
}

static const sym_t *kept_coords(finder *f, const ir_value *v, const sym_t *coords) {
    return arena_copy(f->r->x.scratch, coords, (size_t)(v->type.rank + 1) * sizeof *coords);
}

static bool add_factor(finder *f, stream_term *t, ir_value *v, const sym_t *coords, bool divides) {
    if (t->n_factors == STREAM_MAX_FACTORS || !is_constant(f, v, coords, 0)) return false;
    t->factor[t->n_factors] = v;
    t->factor_at[t->n_factors] = kept_coords(f, v, coords);
    t->divides[t->n_factors++] = divides;
    return true;
}

/* Adds to W what the exponent v at coords, under the sign and factors of `t`, takes from states. */
static bool add_exponent(finder *f, stream_nest *w, stream_term t, ir_value *v, const sym_t *coords, int depth) {
    if (!depends(f, v, 0)) return true;
    const ir_op *op = v->op;
    sym_t at[2][IR_MAX_RANK];
    int i = nest_index(f->r, v);
    bool looks_in = (i < 0 || f->s->nests[i].role == STREAM_BODY) && depth < MAX_DEPTH && access_is_pointwise(op);
    if (looks_in && op->n_operands <= 2)
        for (int k = 0; k < op->n_operands; k++) access_operand(&f->r->x, op, k, coords, at[k]);
    if (looks_in && is_transparent(op)) return add_exponent(f, w, t, ir_operand(op, 0), at[0], depth + 1);
    if (looks_in && (op->code == IR_add || op->code == IR_sub)) {
        stream_term u = t;
        u.minus ^= op->code == IR_sub;
        return add_exponent(f, w, t, ir_operand(op, 0), at[0], depth + 1) &&
               add_exponent(f, w, u, ir_operand(op, 1), at[1], depth + 1);
    }
    if (looks_in && op->code == IR_neg) {
        t.minus = !t.minus;
        return add_exponent(f, w, t, ir_operand(op, 0), at[0], depth + 1);
    }
    if (looks_in && (op->code == IR_mul || op->code == IR_div)) {
        int x = op->code == IR_div || depends(f, ir_operand(op, 0), 0) ? 0 : 1;
        if (!depends(f, ir_operand(op, 1 - x), 0) && add_factor(f, &t, ir_operand(op, 1 - x), at[1 - x], op->code == IR_div))
            return add_exponent(f, w, t, ir_operand(op, x), at[x], depth + 1);
    }
    if (w->n_terms == STREAM_MAX_TERMS || !is_constant(f, v, coords, 0)) return false;
    t.v = v;
    t.at = kept_coords(f, v, coords);
    w->term[w->n_terms++] = t;
    return true;
}

static bool same_value(const stream_term *a, const stream_term *b) {
    if (a->v != b->v || a->minus != b->minus || a->n_factors != b->n_factors) return false;
    if (memcmp(a->at, b->at, a->v->type.rank * sizeof *a->at)) return false;
    for (int i = 0; i < a->n_factors; i++)
        if (a->factor[i] != b->factor[i] || a->divides[i] != b->divides[i] ||
            memcmp(a->factor_at[i], b->factor_at[i], a->factor[i]->type.rank * sizeof *a->at))
            return false;
    return true;
}

static bool same_scale(const stream_nest *a, const stream_nest *b) {
    if (a->base2 != b->base2 || a->n_terms != b->n_terms) return false;
    for (int i = 0; i < a->n_terms; i++)
        if (!same_value(&a->term[i], &b->term[i])) return false;
    return true;
}

static bool is_zero(const ir_value *v) {
    double x;
    while (v->op && v->op->code == IR_broadcast) v = ir_operand(v->op, 0);
    return v->op && v->op->code == IR_constant && ir_splat_value(v, &x) && x == 0;
}

static bool scale_of(finder *f, stream_nest *w, ir_value *v, const sym_t *coords, int depth);

/* Both of x and y have the scale w, or are 0. */
static bool scale_of_both(finder *f, stream_nest *w, ir_value *const *x, sym_t (*at)[IR_MAX_RANK], int depth) {
    stream_nest each[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++)
        if (!is_zero(x[i]) && !scale_of(f, &each[i], x[i], at[i], depth)) return false;
    int known = is_zero(x[0]);
    each[known].role = w->role;
    *w = each[known];
    return w->scaled && (is_zero(x[1 - known]) || same_scale(&each[0], &each[1]));
}

static bool is_low(const ir_value *v) {
    double x;
    while (v->op && v->op->code == IR_broadcast) v = ir_operand(v->op, 0);
    return v->op && v->op->code == IR_constant && ir_splat_value(v, &x) && isinf(x) && x < 0;
}

/* The bool v hangs on states at most through whether exponents are -inf (passes/absent.c). What such a test says of a
 * position does not change with a state as long as the state is a number; where it is none, terms are none either. */
static bool tests_low(finder *f, const ir_value *v, int depth) {
    if (!depends(f, v, 0)) return true;
    const ir_op *op = v->op;
    if (depth > MAX_DEPTH || nest_index(f->r, v) >= 0 || !access_is_pointwise(op)) return false;
    if (op->code == IR_eq || op->code == IR_ne) return is_low(ir_operand(op, 1));
    if (v->type.dtype != FRIT_bool) return false;
    for (int i = 0; i < op->n_operands; i++)
        if (ir_operand(op, i)->type.dtype != FRIT_bool || !tests_low(f, ir_operand(op, i), depth + 1)) return false;
    return true;
}

/* v at coords, which depends on states, is exp(W) times something that does not: W. */
static bool scale_of(finder *f, stream_nest *w, ir_value *v, const sym_t *coords, int depth) {
    if (depth > MAX_DEPTH || !depends(f, v, 0)) return false;
    int i = nest_index(f->r, v);
    const ir_op *op = v->op;
    if ((i >= 0 && f->s->nests[i].role != STREAM_BODY) || !access_is_pointwise(op) || op->n_operands > 3) return false;
    sym_t at[3][IR_MAX_RANK];
    for (int k = 0; k < op->n_operands; k++) access_operand(&f->r->x, op, k, coords, at[k]);
    ir_value *x[3] = {op->n_operands > 0 ? ir_operand(op, 0) : NULL, op->n_operands > 1 ? ir_operand(op, 1) : NULL,
                      op->n_operands > 2 ? ir_operand(op, 2) : NULL};
    switch (op->code) {
    case IR_exp:
    case IR_exp2:
        w->scaled = true;
        w->base2 = op->code == IR_exp2;
        return add_exponent(f, w, (stream_term){0}, x[0], at[0], depth + 1);
    case IR_neg:
    case IR_cast:
    case IR_broadcast:
    case IR_transpose:
    case IR_reshape:
    case IR_slice:
        return frit_dtype_is_float((frit_dtype)v->type.dtype) && scale_of(f, w, x[0], at[0], depth + 1);
    case IR_mul: {
        int k = depends(f, x[0], 0) ? 0 : 1;
        return !depends(f, x[1 - k], 0) && scale_of(f, w, x[k], at[k], depth + 1);
    }
    case IR_div: return !depends(f, x[1], 0) && scale_of(f, w, x[0], at[0], depth + 1);
    case IR_add:
    case IR_sub: return scale_of_both(f, w, x, at, depth + 1);
    case IR_select: return tests_low(f, x[0], depth) && scale_of_both(f, w, x + 1, at + 1, depth + 1);
    default: return false;
    }
}

/* ---- Roles ------------------------------------------------------------------------------------------------------- */
static bool has_var(const stream *s, const nest_axis *a) {
    for (int k = 0; k < a->n_vars; k++)
        if (stream_var(s, a->vars[k]) >= 0) return true;
    return false;
}

static int count_axes(const stream *s, const nest_axis *a, int n) {
    int count = 0;
    for (int i = 0; i < n; i++) count += has_var(s, &a[i]);
    return count;
}

static bool is_state_kind(const nest *n) {
    ir_combine c = n->kind == NEST_REDUCE ? (ir_combine)ir_get_int(n->v->op, IR_ATTR_combine, IR_SUM) : IR_SUM;
    return frit_dtype_is_float((frit_dtype)n->v->type.dtype) && c <= IR_MIN;
}

/* Each nest's part, from its axes alone. */
static bool give_roles(finder *f) {
    stream *s = f->s;
    for (int i = 0; i < f->r->nests.len; i++) {
        const nest *n = &f->r->nests.data[i];
        int own = count_axes(s, n->dim, n->rank), red = count_axes(s, n->red, n->n_red);
        if (own + red > 1 || (own && n->output) || (red && !is_state_kind(n))) return false;
        s->nests[i] = (stream_nest){.role = red ? STREAM_STATE : own ? STREAM_BODY : STREAM_BEFORE};
    }
    for (int i = 0; i < f->r->nests.len; i++) { /* on its reader's variables: the readers come later */
        const nest *n = &f->r->nests.data[i];
        if (n->own && n->into >= 0 && s->nests[i].role == STREAM_BEFORE && s->nests[n->into].role == STREAM_BODY)
            s->nests[i].role = STREAM_BODY;
    }
    memset(f->depends, 0, (size_t)f->r->n_ids);
    for (int i = 0; i < f->r->nests.len; i++)
        if (s->nests[i].role == STREAM_BEFORE && depends(f, f->r->nests.data[i].v, 0)) s->nests[i].role = STREAM_AFTER;
    return true;
}

/* A state's terms: free of other states, or scaled by them. */
static bool find_scale(finder *f, int i) {
    const nest *n = &f->r->nests.data[i];
    stream_nest *w = &f->s->nests[i];
    const ir_op *op = n->v->op;
    if (!operands_depend(f, n->v, 0)) return true;
    if (n->kind == NEST_REDUCE && ir_get_int(op, IR_ATTR_combine, IR_SUM) != IR_SUM) return false;
    sym_t coords[IR_MAX_RANK], red[IR_MAX_RANK], at[IR_MAX_RANK];
    for (int d = 0; d < n->rank; d++) coords[d] = n->dim[d].expr;
    for (int k = 0; k < n->n_red; k++) red[k] = n->red[k].expr;
    int x = depends(f, ir_operand(op, 0), 0) ? 0 : 1;
    if (n->kind == NEST_CONTRACT && depends(f, ir_operand(op, 1 - x), 0)) return false;
    access_reduced(&f->r->x, op, x, coords, red, at);
    return scale_of(f, w, ir_operand(op, x), at, 0);
}

static void mark_early(finder *f, ir_value *v, int depth) {
    if (depth > 3000 || !depends(f, v, 0)) return;
    int i = nest_index(f->r, v);
    if (i >= 0 && f->s->nests[i].role == STREAM_STATE) {
        f->s->nests[i].early = true;
        return;
    }
    for (int k = 0; k < v->op->n_operands; k++) mark_early(f, ir_operand(v->op, k), depth + 1);
}

/* What nest i may read: nothing that is ready only after the pass while it runs in the pass. */
typedef struct reads {
    finder *f;
    int i;
    bool ok;
} reads;
static void check_read(void *u, nest *n, const sym_t *coords) {
    reads *x = u;
    const stream *s = x->f->s;
    stream_role from = s->nests[nest_index(x->f->r, n->v)].role, to = s->nests[x->i].role;
    if (from == STREAM_AFTER && to != STREAM_AFTER) x->ok = false;
    if (from == STREAM_BODY && (to == STREAM_BEFORE || to == STREAM_AFTER)) x->ok = false;
}

static bool follows_rules(finder *f) {
    stream *s = f->s;
    for (int i = 0; i < f->r->nests.len; i++) {
        const nest *n = &f->r->nests.data[i];
        reads x = {f, i, true};
        region_each_read(f->r, i, check_read, &x);
        if (!x.ok) return false;
        if (s->nests[i].role == STREAM_BODY && n->kind != NEST_MAP && operands_depend(f, n->v, 0)) return false;
        if (s->nests[i].role == STREAM_STATE && !find_scale(f, i)) return false;
        stream_role with = n->into >= 0 ? s->nests[n->into].role : s->nests[i].role;
        if (with != s->nests[i].role && !(s->nests[i].role == STREAM_STATE && with == STREAM_AFTER)) return false;
    }
    for (int i = 0; i < f->r->nests.len; i++)
        for (int k = 0; k < s->nests[i].n_terms; k++) mark_early(f, s->nests[i].term[k].v, 0);
    for (int i = 0; i < f->r->nests.len; i++) /* a running value that is itself rescaled can't scale another */
        if (s->nests[i].early && s->nests[i].scaled) return false;
    return true;
}

/* ---- Choosing ---------------------------------------------------------------------------------------------------- */
int stream_var(const stream *s, sym_t var) {
    for (int i = 0; i < s->n_vars; i++)
        if (s->vars[i] == var) return i;
    return -1;
}

/* Elements that would be kept along the class of variable `root`; 0 when none are, or when it is short. */
static double weight(const finder *f, int root, int64_t most) {
    int64_t e;
    double w = 0;
    if (f->blocked[root] || (sym_is_const(f->extent[root], &e) && e <= most)) return 0;
    for (int i = 0; i < f->n_vars; i++) {
        const nest *n = &f->r->nests.data[f->nest[i]];
        if (root_of(f, i) == root && f->own[i] && !n->output && n->n_readers > (n->into >= 0))
            w += (double)sym_hint(f->extent[root]);
    }
    return w;
}

/* Reductions over the class that run on their readers' variables get their own back: the reader runs behind the loop. */
static int set_states_apart(finder *f, int *apart) {
    int n = 0;
    for (int i = 0; i < f->r->nests.len; i++) {
        const nest *x = &f->r->nests.data[i];
        if (!x->own || x->into < 0 || !count_axes(f->s, x->red, x->n_red)) continue;
        apart[n++] = i;
        apart[n++] = x->into;
        region_set_apart(f->r, i, x->into);
    }
    return n;
}

static bool try_class(finder *f, int root) {
    stream *s = f->s;
    s->extent = f->extent[root];
    s->n_vars = 0;
    for (int i = 0; i < f->n_vars; i++)
        if (root_of(f, i) == root) {
            if (s->n_vars == STREAM_MAX_VARS) return false;
            s->vars[s->n_vars++] = f->var[i];
        }
    int *apart = arena_array(f->r->x.scratch, int, 2 * f->r->nests.len), n = set_states_apart(f, apart);
    if (give_roles(f) && follows_rules(f)) return true;
    while ((n -= 2) >= 0) region_set_apart(f->r, apart[n], apart[n + 1]);
    return false;
}

/* An axis that is not known to be at most `most` long. */
static stream *find(region *r, int64_t most) {
    arena *a = r->x.scratch;
    finder *f = arena_new_of(a, finder);
    f->r = r;
    find_classes(f);
    if (f->full) return NULL;
    f->s = arena_new_of(a, stream);
    f->s->nests = arena_array(a, stream_nest, r->nests.len + 1);
    f->depends = arena_alloc(a, (size_t)r->n_ids + 1);
    bool tried[MAX_VARS] = {false};
    for (;;) {
        int best = -1;
        double most_weight = 0;
        for (int i = 0; i < f->n_vars; i++) {
            double w = tried[i] || root_of(f, i) != i ? 0 : weight(f, i, most);
            if (w > most_weight) best = i, most_weight = w;
        }
        if (best < 0) return NULL;
        tried[best] = true;
        if (try_class(f, best)) return f->s;
    }
}

stream *stream_rows(region *r, sym_t row) {
    arena *a = r->x.scratch;
    finder *f = arena_new_of(a, finder);
    stream *s = f->s = arena_new_of(a, stream);
    f->r = r;
    find_classes(f);
    if (f->full) return NULL;
    s->nests = arena_array(a, stream_nest, r->nests.len + 1);
    s->extent = row;
    f->depends = arena_alloc(a, (size_t)r->n_ids + 1);
    for (int i = 0; i < f->n_vars; i++) {
        if (f->extent[i] != row || f->own[i]) continue;
        if (s->n_vars == STREAM_MAX_VARS || f->blocked[root_of(f, i)]) return NULL;
        for (int k = 0; k < f->n_vars; k++)
            if (f->own[k] && root_of(f, k) == root_of(f, i)) return NULL;
        s->vars[s->n_vars++] = f->var[i];
    }
    return s->n_vars > 1 && give_roles(f) && follows_rules(f) ? s : NULL;
}

static frit_dtype given_dtype(const ir_value *v) {
    while (v->op && (v->op->code == IR_cast || ir_op_flags(v->op) & IR_F_VIEW) && v->op->n_operands == 1) {
        bool narrow = frit_dtype_bits((frit_dtype)v->type.dtype) == 16;
        if (narrow) break;
        v = ir_operand(v->op, 0);
    }
    return (frit_dtype)v->type.dtype;
}

const schedule_rows *stream_of_products(const region *r, const schedule_sizes *z) {
    int n = 0;
    frit_dtype t = FRIT_f32;
    for (int i = 0; i < r->nests.len; i++) {
        if (r->nests.data[i].kind != NEST_CONTRACT) continue;
        for (int k = 0; k < 2; k++) {
            frit_dtype own = given_dtype(ir_operand(r->nests.data[i].v->op, k));
            if (!frit_dtype_is_float(own) || (frit_dtype_bits(own) != 16 && own != FRIT_f32) || (n++ && own != t)) return NULL;
            t = own;
        }
    }
    const schedule_rows *rows = &z->stream[t == FRIT_f32];
    return n > 0 && rows->rows ? rows : NULL;
}

bool stream_is_narrow(const region *r, const stream *s, int64_t most) {
    int64_t e;
    for (int i = 0; i < r->nests.len; i++)
        for (int d = 0; d < r->nests.data[i].rank; d++) {
            const nest_axis *a = &r->nests.data[i].dim[d];
            for (int k = 0; k < a->n_vars; k++)
                if (stream_var(s, a->vars[k]) < 0 && !(sym_is_const(a->extents[k], &e) && e <= most)) return false;
        }
    return true;
}

stream *stream_choose(region *r, const schedule_sizes *z) {
    return find(r, stream_of_products(r, z) ? z->stream_least : z->chunk);
}
