/* What is known of dims: which are equal, which stand for others, what runs check, how they are bounded. */
#include "elab_internal.h"
#include <string.h>

void el_check(elab *e, const char *op, sym_t lhs, sym_t rhs, const char *text, ir_span at) {
    for (int i = 0; i < e->m->checks.len; i++) {
        const ir_check *c = &e->m->checks.data[i];
        if (c->lhs == lhs && c->rhs == rhs && !strcmp(c->op, op))
            return;
    }
    if (!text || !*text)
        text = arena_printf(e->a, "%s %s %s", sym_print(e->a, lhs), op, sym_print(e->a, rhs));
    ir_check c = {op, lhs, rhs, arena_strdup(e->m->arena, text), el_at(e, at)};
    vec_push(e->m->arena, &e->m->checks, c);
}

struct subst {
    elab *e;
    sym_t var, to;
};

static sym_t subst_one(const struct subst *s, sym_t x) {
    return sym_uses(x, s->var) ? sym_subst(s->e->s, x, 1, &s->var, &s->to) : x;
}

static void subst_list(const struct subst *s, int n, const sym_t *v, const sym_t **out) {
    for (int i = 0; i < n; i++) {
        if (subst_one(s, v[i]) == v[i])
            continue;
        sym_t *fresh = arena_array(s->e->m->arena, sym_t, n);
        for (int k = 0; k < n; k++)
            fresh[k] = subst_one(s, v[k]);
        *out = fresh;
        return;
    }
}

static void subst_block(const struct subst *s, ir_block *b) {
    for (int i = 0; i < b->n_args; i++)
        subst_list(s, b->args[i]->type.rank, b->args[i]->type.dims, &b->args[i]->type.dims);
    for (ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_results; i++)
            subst_list(s, op->results[i].type.rank, op->results[i].type.dims, &op->results[i].type.dims);
        for (int i = 0; i < op->n_attrs; i++)
            if (ir_attr_table[op->attrs[i].key].kind == IR_ATTR_SYMS)
                subst_list(s, op->attrs[i].syms.n, op->attrs[i].syms.v, &op->attrs[i].syms.v);
        for (int i = 0; i < op->n_blocks; i++)
            subst_block(s, op->blocks[i]);
    }
}

/* Everything made so far says `to` instead of var: the program sees one dim, not two that happen to be equal. */
static void substitute(elab *e, sym_t var, sym_t to) {
    struct subst s = {e, var, to};
    for (ir_func *f = e->m->funcs; f; f = f->next)
        subst_block(&s, f->body);
    for (loop_rec *l = e->loops; l; l = l->up) {
        if (l->block)
            subst_block(&s, l->block);
        if (l->cond)
            subst_block(&s, l->cond);
        l->lo = subst_one(&s, l->lo);
        l->hi = l->hi ? subst_one(&s, l->hi) : NULL;
    }
    for (int i = 0; i < e->open_blocks.len; i++)
        subst_block(&s, e->open_blocks.data[i]);
    for (int i = 0; i < e->m->globals.len; i++)
        subst_list(&s, e->m->globals.data[i]->type.rank, e->m->globals.data[i]->type.dims, &e->m->globals.data[i]->type.dims);
    for (int i = 0; i < e->m->checks.len; i++) {
        e->m->checks.data[i].lhs = subst_one(&s, e->m->checks.data[i].lhs);
        e->m->checks.data[i].rhs = subst_one(&s, e->m->checks.data[i].rhs);
    }
    for (int i = 0; i < e->opaque.len; i++)
        sym_redefine(e->opaque.data[i], subst_one(&s, sym_definition(e->opaque.data[i])));
    for (int i = 0; i < e->axis_of_var.len; i++) {
        iaxis *x = e->axis_of_var.data[i];
        if (x) {
            x->lo = subst_one(&s, x->lo);
            x->extent = subst_one(&s, x->extent);
        }
    }
    for (int i = 0; i < e->m->symbols.len; i++) {
        if (e->m->symbols.data[i] != var)
            continue;
        memmove(&e->m->symbols.data[i], &e->m->symbols.data[i + 1], sizeof(sym_t) * (size_t)(e->m->symbols.len - i - 1));
        e->m->symbols.len--;
        break;
    }
}

void el_substitute(elab *e, sym_t var, sym_t to) {
    vec_push(e->a, &e->subst_var, var);
    vec_push(e->a, &e->subst_to, to);
    substitute(e, var, to);
}

/* Values made since from dims that were read earlier may name a replaced dim: replaces it there as well. */
static void refresh(elab *e) {
    for (int i = 0; i < e->subst_var.len; i++)
        substitute(e, e->subst_var.data[i], e->subst_to.data[i]);
}

bool el_is_free_dim(const elab *e, sym_t s) {
    for (int i = 0; i < e->free_dims.len; i++)
        if (e->free_dims.data[i] == s)
            return true;
    return false;
}

static bool unify_if(elab *e, sym_t var, sym_t to) {
    if (!el_is_free_dim(e, var) || sym_uses(to, var) || !el_runs_known(e, to))
        return false;
    el_substitute(e, var, to);
    return true;
}

bool el_dims_merge(elab *e, sym_t a, sym_t b) {
    if (a == b)
        return true;
    sym_t x = el_resolve(e, a), y = el_resolve(e, b);
    if (x != a || y != b)
        refresh(e);
    a = x;
    b = y;
    return a == b || unify_if(e, b, a) || unify_if(e, a, b);
}

struct known {
    elab *e;
    bool ok;
};
static void known_var(void *u, sym_t var) {
    struct known *k = u;
    if (sym_definition(var)) {
        sym_each_var(sym_definition(var), known_var, u);
        return;
    }
    for (int i = k->e->m->symbols.len - 1; i >= 0; i--)
        if (k->e->m->symbols.data[i] == var)
            return;
    k->ok = false;
}

bool el_runs_known(elab *e, sym_t s) {
    struct known k = {e, true};
    sym_each_var(s, known_var, &k);
    return k.ok;
}

static bool dim_var(elab *e, sym_t s) { return sym_is_var(s) && !sym_definition(s) && sym_var_role(s) == SYM_DIM && el_runs_known(e, s); }

static void free_var(void *u, sym_t var) {
    struct known *k = u;
    if (sym_definition(var))
        sym_each_var(sym_definition(var), free_var, u);
    k->ok = k->ok || el_is_free_dim(k->e, var);
}

bool el_dims_assume(elab *e, sym_t a, sym_t b, ir_span at) {
    struct known k = {e, false};
    sym_each_var(a, free_var, &k);
    sym_each_var(b, free_var, &k);
    if (!k.ok || sym_prove_lt(e->s, a, b) || sym_prove_lt(e->s, b, a) || !el_runs_known(e, a) || !el_runs_known(e, b))
        return false;
    el_check(e, "==", a, b, "two shapes agree", at);
    return true;
}

/* Dims of inputs are unified too: binding them per run compares the tensors that share a symbol. */
bool el_dims_equal(elab *e, sym_t a, sym_t b, ir_span at, const char *text) {
    a = el_resolve(e, a);
    b = el_resolve(e, b);
    if (el_dims_merge(e, a, b))
        return true;
    if (sym_prove_lt(e->s, a, b) || sym_prove_lt(e->s, b, a) || !el_runs_known(e, a) || !el_runs_known(e, b))
        return false;
    if (dim_var(e, b) && !sym_uses(a, b) && dim_var(e, a))
        el_substitute(e, b, a);
    else
        el_check(e, "==", a, b, text, at);
    return true;
}

static void bound_var(elab *e, sym_t var, bool upper, sym_t limit) {
    if (!sym_uses(limit, var))
        sym_var_bound(e->s, var, upper ? NULL : limit, upper ? limit : NULL, 1);
}

void el_bound(elab *e, const char *op, sym_t lhs, sym_t rhs) {
    bool strict = !strcmp(op, "<");
    if (!strict && strcmp(op, "<="))
        return;
    for (int i = e->m->symbols.len - 1; i >= 0; i--) {
        sym_t v = e->m->symbols.data[i], coef, rest, d = sym_sub(e->s, rhs, lhs);
        bool lone = lhs == v || rhs == v;
        if ((sym_var_role(v) != SYM_INT && !lone) || !sym_linear(e->s, d, v, &coef, &rest))
            continue;
        if (strict)
            rest = sym_addi(e->s, rest, -1);
        if (sym_is(coef, -1)) /* v <= rest */
            bound_var(e, v, true, rest);
        else if (sym_is(coef, 1)) /* v >= -rest */
            bound_var(e, v, false, sym_muli(e->s, rest, -1));
        else
            continue;
        return;
    }
}
