/* Types: matching dims against the names of a signature, and solving for these. */
#include "elab_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Given on the command line ------------------------------------------------------------------------------------- */

static val parse_define(elab *e, const char *text) {
    char *end;
    errno = 0;
    if (!strcmp(text, "true") || !strcmp(text, "false"))
        return v_bool(!strcmp(text, "true"));
    long long i = strtoll(text, &end, 0);
    if (end != text && !*end && !errno)
        return v_consti(e, i);
    double d = strtod(text, &end);
    if (end != text && !*end)
        return v_num(d);
    frit_dtype t = frit_dtype_from_name(text, strlen(text));
    return t != FRIT_DTYPE_COUNT ? v_dtype(t) : v_str(text);
}

bool el_define(elab *e, const char *name, val *out) {
    for (int i = e->o->n_defines - 1; i >= 0; i--) {
        if (strcmp(e->o->defines[i].name, name))
            continue;
        e->define_used[i] = true;
        *out = parse_define(e, e->o->defines[i].value);
        return true;
    }
    return false;
}

/* ---- Dtypes of types ----------------------------------------------------------------------------------------------- */

static bool dtype_kind_ok(const char *kind, frit_dtype t) {
    if (!strcmp(kind, "float"))
        return frit_dtype_is_float(t);
    if (!strcmp(kind, "integer"))
        return frit_dtype_is_int(t);
    return strcmp(kind, "number") || t != FRIT_bool;
}

static frit_dtype bind_dtype(elab *e, binding *b, frit_dtype actual, ir_span at) {
    if (actual == FRIT_DTYPE_COUNT)
        return actual;
    if (b->v.kind == V_STR && !dtype_kind_ok(b->v.s, actual)) { /* an unbound dtype parameter keeps its kind here */
        el_fail(e, diag_report(e->d, MSG_DTYPE_KIND, el_at(e, at), b->name, b->v.s, frit_dtype_name(actual)));
        return FRIT_DTYPE_COUNT;
    }
    b->unbound = false;
    b->v = v_dtype(actual);
    return actual;
}

frit_dtype el_type_dtype(elab *e, const ast_type *t, frit_dtype actual, ir_span at) {
    binding *b = el_find_local(e, t->name.text);
    if (b && b->unbound)
        return bind_dtype(e, b, actual, at);
    val v = el_lookup(e, &t->name);
    if (v.kind == V_DTYPE)
        return (frit_dtype)v.dtype;
    if (v.kind != V_ERROR)
        el_fail(e, diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, t->name.span), "a dtype", el_describe(e, v)));
    return FRIT_DTYPE_COUNT;
}

/* ---- Matching ------------------------------------------------------------------------------------------------------ */

static const char *rest_name(elab *e, const ast_sub *s) {
    return s->name.text ? arena_printf(e->a, "...%s", s->name.text) : "...";
}

static bool rank_mismatch(elab *e, const ast_subs *subs, int rank, const sym_t *dims, place_of w, bool open) {
    int n = subs->len - open;
    const char *need = arena_printf(e->a, "%s%d", open ? "at least " : "", n);
    diag_record *r = diag_report(e->d, MSG_RANK_MISMATCH, el_at(e, w.at), w.what, rank, need);
    diag_note(e->d, r, w.decl, "declared here; the value has shape %s", el_dims_text(e, dims, rank));
    el_fail(e, r);
    return false;
}

static bool match_rest(elab *e, const ast_sub *s, int n, const sym_t *dims, place_of w) {
    const char *name = rest_name(e, s);
    binding *b = el_find_local(e, name);
    if (!b || b->unbound) {
        val *items = arena_array(e->a, val, n + 1);
        for (int i = 0; i < n; i++)
            items[i] = v_int(dims[i]);
        el_bind(e, e->frame->scope, name, v_list(items, n), w.at);
        return true;
    }
    bool same = b->v.count == n;
    for (int i = 0; same && i < n; i++)
        same = el_dims_equal(e, b->v.items[i].i, dims[i], w.at, NULL);
    if (same)
        return true;
    sym_t bound[IR_MAX_RANK];
    for (int i = 0; i < b->v.count; i++)
        bound[i] = el_resolve(e, b->v.items[i].i);
    diag_record *r = diag_report(e->d, MSG_REST_MISMATCH, el_at(e, w.at), w.what, el_dims_text(e, dims, n), name,
                                 el_dims_text(e, bound, b->v.count));
    diag_note(e->d, r, b->span, "'%s' was bound here", name);
    el_fail(e, r);
    return false;
}

static binding *bind_dim(elab *e, binding *b, const char *name, sym_t s, ir_span at) {
    if (!b)
        b = el_bind(e, e->frame->scope, name, v_int(s), at);
    b->unbound = false;
    b->v = v_int(s);
    b->span = at;
    b->is_dim = true;
    return b;
}

static binding *unknown_dim(elab *e, const char *name, bool *unknown) {
    binding *b = el_find_local(e, name);
    *unknown = b ? b->unbound : !el_known(e, name);
    return b;
}

bool el_match_dims(elab *e, const ast_subs *subs, int rank, const sym_t *dims, place_of w, equations *eqs) {
    int open = -1;
    for (int i = 0; i < subs->len; i++)
        if (subs->data[i].kind == AST_SUB_REST)
            open = i;
    int n = subs->len - (open >= 0), extra = rank - n;
    if (open >= 0 ? extra < 0 : extra != 0)
        return rank_mismatch(e, subs, rank, dims, w, open >= 0);
    if (open >= 0 && !match_rest(e, &subs->data[open], extra, extra ? dims + open : dims, w))
        return false;
    for (int i = 0, k = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        if (s->kind == AST_SUB_REST) {
            k += extra;
            continue;
        }
        if (s->kind != AST_SUB_EXPR)
            return el_fail(e, diag_report(e->d, MSG_BAD_DIM, el_at(e, s->span))).kind != V_ERROR;
        bool unknown = false;
        binding *b = s->value->kind == AST_NAME ? unknown_dim(e, s->value->name.text, &unknown) : NULL;
        if (s->value->kind == AST_NAME && unknown)
            bind_dim(e, b, s->value->name.text, dims[k], w.at);
        else
            vec_push(e->a, eqs, ((equation){s->value, dims[k], w, k}));
        k++;
    }
    return true;
}

/* Names that nothing defines yet; two are enough. */
typedef struct unknowns {
    elab *e;
    int n;
    const char *name[2];
} unknowns;

static void add_unknowns(void *u, const ast_expr *x) {
    unknowns *f = u;
    bool unknown;
    if (f->n == 2 || x->kind == AST_LIST)
        return;
    if (x->kind != AST_NAME) {
        ast_each_operand(x, add_unknowns, f);
        return;
    }
    unknown_dim(f->e, x->name.text, &unknown);
    if (unknown && !(f->n && !strcmp(f->name[0], x->name.text)))
        f->name[f->n++] = x->name.text;
}

static unknowns unknowns_of(elab *e, const ast_expr *x) {
    unknowns f = {.e = e};
    add_unknowns(&f, x);
    return f;
}

static bool dim_mismatch(elab *e, const equation *q, sym_t want_dim) {
    diag_record *r = diag_report(e->d, MSG_DIM_MISMATCH, el_at(e, q->w.at), q->w.what, q->dim + 1,
                                 sym_print(e->a, q->actual), sym_print(e->a, want_dim));
    diag_note(e->d, r, q->pattern->span, "declared here");
    if (q->pattern->kind == AST_NAME) {
        const char *name = q->pattern->name.text;
        binding *b = el_find_local(e, name);
        if (b)
            diag_note(e->d, r, b->span, "'%s' is %s because of this", name, sym_print(e->a, want_dim));
        else
            diag_note(e->d, r, (ir_span){0}, "'%s' is a const of this file; another name would be a new dim", name);
    }
    el_fail(e, r);
    return false;
}

static bool eval_dim(elab *e, const ast_expr *x, sym_t *out) {
    if (!el_eval_int(e, x, out, "a dim"))
        return false;
    *out = el_resolve(e, *out);
    return true;
}

static bool check_equation(elab *e, const equation *q) {
    sym_t w;
    if (!eval_dim(e, q->pattern, &w))
        return false;
    const char *text = arena_printf(e->a, "dim %d of %s is %s, expected %s", q->dim + 1, q->w.what,
                                    sym_print(e->a, q->actual), sym_print(e->a, w));
    return el_dims_equal(e, w, q->actual, q->w.at, text) || dim_mismatch(e, q, w);
}

static bool not_divisible(elab *e, const equation *q, sym_t whole, sym_t by) {
    diag_record *r = diag_report(e->d, MSG_NOT_DIVISIBLE, el_at(e, q->w.at), sym_print(e->a, whole), sym_print(e->a, by));
    diag_note(e->d, r, q->pattern->span, "dim %d of %s is declared here", q->dim + 1, q->w.what);
    el_fail(e, r);
    return false;
}

static bool unsolved(elab *e, const char *name, ir_span at) {
    diag_record *r = diag_report(e->d, MSG_UNSOLVED_DIM, el_at(e, at), name);
    binding *b = el_find_local(e, name);
    if (b && !b->is_dim)
        diag_suggest(e->d, r, "give it in the call: %s = ...", name);
    el_fail(e, r);
    return false;
}

/* Symbols of a module have different names, so that its text can be read back. */
static const char *unique_name(elab *e, const char *name) {
    const char *try = name;
    for (int n = 2;; n++) {
        bool taken = false;
        for (int i = 0; i < e->m->symbols.len; i++)
            taken |= !strcmp(sym_var_name(e->m->symbols.data[i]), try);
        if (!taken)
            return try;
        try = arena_printf(e->a, "%s_%d", name, n);
    }
}

/* A dim that nothing defines: -D gives it, else it is a symbol of the module. */
static sym_t new_dim(elab *e, const char *name, const char *path) {
    val v;
    int64_t n;
    const char *full = path && *path ? arena_printf(e->a, "%s.%s", path, name) : name;
    if ((path && el_define(e, full, &v)) || el_define(e, name, &v)) {
        if (el_const_int(v, &n) && n >= 0)
            return v.i;
        if (!el_find(e->root->top, name))
            diag_report(e->d, MSG_EXPECTED_VALUE, (ir_span){0}, arena_printf(e->a, "a length for -D %s", name),
                        el_const_int(v, &n) ? sym_print(e->a, v.i) : el_describe(e, v));
    }
    sym_t s = sym_var(e->s, unique_name(e, name), SYM_DIM, NULL, NULL);
    vec_push(e->m->arena, &e->m->symbols, s);
    if (path)
        vec_push(e->a, &e->free_dims, s);
    return s;
}

/* One unknown: pattern == actual is linear in it, or it can't be solved. */
static bool solve_one(elab *e, const equation *q, const char *name) {
    binding *b = el_find_local(e, name);
    if (!b)
        b = el_bind(e, e->frame->scope, name, v_error(), q->w.at);
    sym_t u = sym_var(e->s, name, SYM_DIM, NULL, NULL), pattern, coef, rest;
    val kind = b->v;
    b->unbound = false;
    b->v = v_int(u);
    bool ok = eval_dim(e, q->pattern, &pattern);
    b->unbound = true;
    b->v = kind;
    if (!ok)
        return false;
    if (!sym_linear(e->s, pattern, u, &coef, &rest) || sym_uses(coef, u) || sym_uses(rest, u))
        return unsolved(e, name, q->pattern->span);
    sym_t whole = sym_sub(e->s, el_resolve(e, q->actual), rest), s = sym_floordiv(e->s, whole, coef);
    sym_t back = sym_mul(e->s, s, coef);
    int64_t c, w;
    if (sym_is_const(coef, &c) && (c == 0 || (sym_is_const(whole, &w) && (w % c != 0 || w / c < 0))))
        return not_divisible(e, q, whole, coef);
    if (back != whole && el_is_free_dim(e, whole) && !sym_uses(coef, whole) && el_runs_known(e, coef)) { /* O is 8 * E */
        s = new_dim(e, name, "");
        el_substitute(e, whole, sym_mul(e->s, coef, s));
    } else if (back != whole) {
        sym_t left = sym_mod(e->s, whole, coef);
        if (!el_runs_known(e, left))
            return not_divisible(e, q, whole, coef);
        if (!sym_is(left, 0))
            el_check(e, "==", left, sym_const(e->s, 0),
                     arena_printf(e->a, "%s is not divisible by %s", sym_print(e->a, whole), sym_print(e->a, coef)), q->w.at);
        if (sym_is_var(whole) && sym_is_const(coef, &c))
            sym_var_bound(e->s, whole, NULL, NULL, c);
    }
    bind_dim(e, b, name, s, q->w.at);
    return true;
}

/* Equations with no unknown are checked, those with one solved, until nothing is left. */
bool el_solve(elab *e, equations *eqs) {
    while (eqs->len) {
        int kept = 0, before = eqs->len;
        for (int i = 0; i < before; i++) {
            equation q = eqs->data[i];
            unknowns f = unknowns_of(e, q.pattern);
            if (f.n == 0 && !check_equation(e, &q))
                return false;
            if (f.n == 1 && !solve_one(e, &q, f.name[0]))
                return false;
            if (f.n > 1)
                eqs->data[kept++] = q;
        }
        eqs->len = kept;
        if (kept == before)
            return unsolved(e, unknowns_of(e, eqs->data[0].pattern).name[0], eqs->data[0].pattern->span);
    }
    return true;
}

/* ---- Dims of a written type ---------------------------------------------------------------------------------------- */

static bool rest_dims(elab *e, const ast_sub *s, int *rank, sym_t dims[IR_MAX_RANK], int room) {
    const char *name = rest_name(e, s);
    binding *b = el_find_local(e, name);
    if (!b || b->unbound) {
        el_fail(e, diag_report(e->d, MSG_UNSOLVED_DIM, el_at(e, s->span), name));
        return false;
    }
    for (int i = 0; i < b->v.count; i++) {
        if (*rank >= room)
            return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, s->span), *rank + 1, IR_MAX_RANK)).kind != V_ERROR;
        dims[(*rank)++] = el_resolve(e, b->v.items[i].i);
    }
    return true;
}

static bool negative_dim(elab *e, sym_t d, ir_span at) {
    if (!sym_prove_lt(e->s, d, sym_const(e->s, 0)))
        return false;
    el_fail(e, diag_report(e->d, MSG_NEGATIVE_DIM, el_at(e, at), sym_print(e->a, d)));
    return true;
}

bool el_type_dims(elab *e, const ast_subs *subs, int *rank, sym_t dims[IR_MAX_RANK], bool make_new, const char *path) {
    *rank = 0;
    for (int i = 0; make_new && i < subs->len; i++) { /* bare names first: 2*D may come before D */
        const ast_sub *s = &subs->data[i];
        if (s->kind != AST_SUB_EXPR)
            continue;
        for (unknowns f = unknowns_of(e, s->value); f.n; f = unknowns_of(e, s->value))
            bind_dim(e, el_find_local(e, f.name[0]), f.name[0], new_dim(e, f.name[0], path), s->span);
    }
    for (int i = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        if (s->kind == AST_SUB_REST) {
            if (!rest_dims(e, s, rank, dims, IR_MAX_RANK))
                return false;
            continue;
        }
        if (*rank >= IR_MAX_RANK)
            return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, s->span), subs->len, IR_MAX_RANK)).kind != V_ERROR;
        if (s->kind != AST_SUB_EXPR)
            return el_fail(e, diag_report(e->d, MSG_BAD_DIM, el_at(e, s->span))).kind != V_ERROR;
        if (!eval_dim(e, s->value, &dims[*rank]) || negative_dim(e, dims[*rank], s->span))
            return false;
        (*rank)++;
    }
    return true;
}

val el_eval_type(elab *e, const ast_expr *x) {
    val base = el_eval(e, x->index.base);
    if (base.kind != V_DTYPE)
        return base;
    int rank;
    sym_t dims[IR_MAX_RANK];
    if (!el_type_dims(e, &x->index.subs, &rank, dims, false, NULL))
        return v_error();
    val *items = arena_array(e->a, val, rank + 1);
    for (int i = 0; i < rank; i++)
        items[i] = v_int(dims[i]);
    return (val){.kind = V_TYPE, .dtype = base.dtype, .items = items, .count = rank};
}

/* ---- Misspelt dims ------------------------------------------------------------------------------------------------- */

static bool nearly(const char *a, const char *b) {
    size_t n = strlen(a);
    return n >= 3 && strcmp(a, b) && diag_distance(a, b, n >= 5 ? 2 : 1) <= (n >= 5 ? 2 : 1);
}

/* A dim of a signature that is written once and looks like another name is probably that name. */
void el_warn_misspelt(elab *e, const fn_ref *f, scope *s) {
    for (int i = 0; i < s->list.len; i++) {
        binding *b = s->list.data[i];
        if (!b->is_dim || b->uses > 0 || f->file->is_prelude)
            continue;
        for (int k = 0; k < s->list.len; k++) {
            const binding *other = s->list.data[k];
            if (other == b || !other->is_dim || !nearly(b->name, other->name))
                continue;
            diag_report(e->d, MSG_MISSPELT_DIM, f->fn->head, b->name, other->name);
            break;
        }
    }
}
