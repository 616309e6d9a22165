/* The indices of a statement or call of index notation, and their extents: written as ranges, or found from the dims that
 * they index. */
#include "elab_extents.h"
#include <string.h>

iaxis *el_axis_new(elab *e, const char *name, sym_t lo, sym_t extent, ir_span span) {
    iaxis *x = arena_new_of(e->a, iaxis);
    *x = (iaxis){.id = e->n_axes++, .name = name, .lo = lo, .extent = extent, .span = span};
    x->var = sym_is(lo, 0) ? sym_index(e->s, name, extent)
                           : sym_var(e->s, name, SYM_INDEX, lo, sym_addi(e->s, sym_add(e->s, lo, extent), -1));
    int id = sym_var_id(x->var);
    while (e->axis_of_var.len <= id)
        vec_push(e->a, &e->axis_of_var, NULL);
    e->axis_of_var.data[id] = x;
    return x;
}

wanted *el_want_of(wanteds *w, const char *name) {
    for (int i = 0; i < w->list.len; i++)
        if (!strcmp(w->list.data[i].name, name))
            return &w->list.data[i];
    return NULL;
}

static void found_extent(wanteds *w, wanted *x, sym_t dim, ir_span at) {
    elab *e = w->e;
    if (!x->extent) {
        x->extent = dim;
        x->first = at;
        return;
    }
    if (x->first.file == 0 || el_dims_equal(e, x->extent, dim, at, arena_printf(e->a, "the uses of index '%s' agree", x->name)))
        return;
    diag_record *r = diag_report(e->d, MSG_AXIS_DISAGREE, el_at(e, at), x->name, sym_print(e->a, x->extent),
                                 sym_print(e->a, dim));
    diag_note(e->d, r, x->first, "'%s' runs over %s here", x->name, sym_print(e->a, x->extent));
    diag_suggest(e->d, r, "write its range: '%s in 0..N'", x->name);
    el_fail(e, r);
    w->failed = true;
}

static bool mentions(const wanteds *w, const ast_expr *x);
static bool sub_mentions(const wanteds *w, const ast_sub *s) {
    return (s->value && mentions(w, s->value)) || (s->hi && mentions(w, s->hi)) || (s->step && mentions(w, s->step));
}
static bool mentions(const wanteds *w, const ast_expr *x) {
    switch (x->kind) {
    case AST_NAME:
        for (int i = 0; i < w->list.len; i++)
            if (!strcmp(w->list.data[i].name, x->name.text))
                return true;
        return false;
    case AST_ATTR: return mentions(w, x->attr.base);
    case AST_INDEX:
        for (int i = 0; i < x->index.subs.len; i++)
            if (sub_mentions(w, &x->index.subs.data[i]))
                return true;
        return mentions(w, x->index.base);
    default: return true; /* anything else is not evaluated twice for its shape */
    }
}

/* True where x uses a wanted name anywhere. */
static bool names_wanted(wanteds *w, const ast_expr *x) {
    switch (x->kind) {
    case AST_NAME: return el_want_of(w, x->name.text) != NULL;
    case AST_UNARY: return names_wanted(w, x->unary.operand);
    case AST_CHAIN:
        for (int i = 0; i < x->chain.links.len; i++)
            if (names_wanted(w, x->chain.links.data[i].rhs))
                return true;
        return names_wanted(w, x->chain.first);
    case AST_INT: return false;
    default: return true;
    }
}

static int consumed(const ast_sub *s) {
    return s->kind != AST_SUB_REST && !(s->kind == AST_SUB_EXPR && s->value->kind == AST_NONE);
}

/* The name in 'i + e' or 'e - c + i' when e and c use no other wanted name. */
static wanted *offset_use(wanteds *w, const ast_expr *x) {
    wanted *found = NULL;
    if (x->kind != AST_CHAIN || (x->chain.links.data[0].op != AST_ADD && x->chain.links.data[0].op != AST_SUB))
        return NULL;
    for (int i = -1; i < x->chain.links.len; i++) {
        const ast_expr *part = i < 0 ? x->chain.first : x->chain.links.data[i].rhs;
        wanted *here = part->kind == AST_NAME ? el_want_of(w, part->name.text) : NULL;
        if (here && (found || (i >= 0 && x->chain.links.data[i].op == AST_SUB)))
            return NULL;
        if (here)
            found = here;
        else if (names_wanted(w, part))
            return NULL;
    }
    return found;
}

static wanted *use_of(wanteds *w, const ast_sub *s) {
    if (s->kind != AST_SUB_EXPR)
        return NULL;
    if (!w->offsets)
        return s->value->kind == AST_NAME ? el_want_of(w, s->value->name.text) : NULL;
    wanted *x = offset_use(w, s->value);
    return x && (!x->extent || x->from_offset) ? x : NULL;
}

void el_bare_uses(wanteds *w, const ast_subs *subs, int rank, const sym_t *dims) {
    int total = 0, k = 0;
    for (int i = 0; i < subs->len; i++)
        total += consumed(&subs->data[i]);
    for (int i = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        if (s->kind == AST_SUB_REST)
            k += rank - total;
        wanted *x = use_of(w, s);
        if (x && k >= 0 && k < rank) {
            x->from_offset = w->offsets;
            found_extent(w, x, dims[k], s->span);
        }
        k += consumed(s);
    }
}

/* The shape of what is subscripted, if it is cheap to tell. */
static bool base_shape(wanteds *w, const ast_expr *base, int *rank, const sym_t **dims) {
    elab *e = w->e;
    if (base->kind == AST_NAME) {
        binding *b = el_find_local(e, base->name.text);
        if (b && b->kind == B_STATE) {
            *rank = b->state->type.rank;
            *dims = b->state->type.dims;
            return true;
        }
        if (b && !b->unbound && b->v.kind == V_ERROR)
            w->failed = true; /* reported already */
        if (!b || b->unbound || b->v.kind != V_TENSOR)
            return false;
        *rank = el_rank(b->v);
        *dims = el_dims(b->v);
        return true;
    }
    if (mentions(w, base))
        return false;
    val v = el_eval(e, base);
    if (v.kind != V_TENSOR)
        return false;
    *rank = el_rank(v);
    *dims = el_dims(v);
    return true;
}

static void uses_in(void *u, const ast_expr *x);

static void uses_in_index(wanteds *w, const ast_expr *x) {
    int rank;
    const sym_t *dims;
    bool any = false;
    for (int i = 0; i < x->index.subs.len; i++) {
        const ast_sub *s = &x->index.subs.data[i];
        any = any || use_of(w, s);
        if (s->value) uses_in(w, s->value);
        if (s->hi) uses_in(w, s->hi);
    }
    uses_in(w, x->index.base);
    if (any && base_shape(w, x->index.base, &rank, &dims))
        el_bare_uses(w, &x->index.subs, rank, dims);
}

static void uses_in(void *u, const ast_expr *x) {
    wanteds *w = u;
    if (w->failed || el_deep(w->e, x->span)) {
        w->failed = true;
        return;
    }
    if (x->kind == AST_INDEX)
        uses_in_index(w, x);
    else if (x->kind == AST_ATTR)
        uses_in(w, x->attr.base);
    else
        ast_each_operand(x, uses_in, w);
}

bool el_any_left(const wanteds *w) {
    for (int i = 0; i < w->list.len; i++)
        if (!w->list.data[i].extent)
            return true;
    return false;
}

/* Extents from the bare uses in x; where an index has none, from uses at an offset. */
void el_extents_from(wanteds *w, const ast_args *args, const ast_expr *x) {
    for (int pass = 0; pass < 2 && !w->failed && (!pass || el_any_left(w)); pass++) {
        w->offsets = pass;
        if (x)
            uses_in(w, x);
        for (int i = 0; args && i < args->len; i++)
            uses_in(w, args->data[i].value);
    }
    w->offsets = false;
}

bool el_want_range(wanteds *w, const ast_sub *s) {
    elab *e = w->e;
    wanted x = {.name = s->name.text, .span = s->span};
    sym_t hi;
    if (!el_eval_int(e, s->value, &x.lo, "the beginning of a range") || !el_eval_int(e, s->hi, &hi, "the end of a range"))
        return false;
    x.extent = sym_sub(e->s, hi, x.lo);
    if (sym_prove_lt(e->s, x.extent, sym_const(e->s, 0))) {
        el_fail(e, diag_report(e->d, MSG_BAD_RANGE, el_at(e, s->span), sym_print(e->a, x.lo), sym_print(e->a, hi)));
        return false;
    }
    vec_push(e->a, &w->list, x);
    return true;
}

bool el_want_name(wanteds *w, const ast_sub *s) {
    wanted x = {.name = s->value->name.text, .span = s->span, .lo = sym_const(w->e->s, 0)};
    vec_push(w->e->a, &w->list, x);
    return true;
}

/* Binds every wanted name as an axis in the innermost scope. */
bool el_make_axes(wanteds *w) {
    elab *e = w->e;
    for (int i = 0; i < w->list.len; i++) {
        wanted *x = &w->list.data[i];
        if (!x->extent) {
            diag_record *r = diag_report(e->d, MSG_AXIS_EXTENT, el_at(e, x->span), x->name);
            diag_suggest(e->d, r, "write its range: '%s in 0..N'", x->name);
            el_fail(e, r);
            return false;
        }
        iaxis *a = el_axis_new(e, x->name, x->lo, el_resolve(e, x->extent), x->span);
        el_bind(e, e->scope, x->name, v_int(a->var), x->span)->kind = B_AXIS;
    }
    return true;
}
