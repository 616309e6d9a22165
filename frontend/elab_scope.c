/* Names: scopes with hash tables, lookup from the inside out, and what was probably meant. */
#include "elab_internal.h"
#include <string.h>

static uint32_t hash_name(const char *s) {
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

scope *el_scope_new(elab *e, scope *up) {
    scope *s = arena_new_of(e->a, scope);
    s->up = up;
    return s;
}

scope *el_scope_push(elab *e) { return e->scope = el_scope_new(e, e->scope); }
void el_scope_pop(elab *e) {
    scope *s = e->scope;
    e->scope = s->up;
    if (!s->list.len)
        return;
    s->ended_before = e->ended;
    e->ended = s;
}

binding *el_find(const scope *s, const char *name) {
    if (!s->n_buckets)
        return NULL;
    binding *b = s->buckets[hash_name(name) & (uint32_t)(s->n_buckets - 1)];
    while (b && strcmp(b->name, name))
        b = b->next;
    return b;
}

static void scope_grow(elab *e, scope *s) {
    s->n_buckets = s->n_buckets ? s->n_buckets * 2 : 8;
    s->buckets = arena_array(e->a, binding *, s->n_buckets);
    for (int i = 0; i < s->list.len; i++) {
        binding *b = s->list.data[i];
        binding **slot = &s->buckets[hash_name(b->name) & (uint32_t)(s->n_buckets - 1)];
        b->next = *slot;
        *slot = b;
    }
}

binding *el_bind(elab *e, scope *s, const char *name, val v, ir_span span) {
    binding *b = el_find(s, name);
    if (!b) {
        b = arena_new_of(e->a, binding);
        b->name = name;
        b->home = s;
        if (s->list.len >= s->n_buckets)
            scope_grow(e, s);
        vec_push(e->a, &s->list, b);
        binding **slot = &s->buckets[hash_name(name) & (uint32_t)(s->n_buckets - 1)];
        b->next = *slot;
        *slot = b;
    }
    b->kind = B_VALUE;
    b->span = span;
    b->unbound = false;
    b->v = v;
    return b;
}

void el_rebind(elab *e, binding *b, val v) {
    vec_push(e->a, &e->journal, ((change){b, b->v}));
    b->v = v;
}

binding *el_find_local(const elab *e, const char *name) {
    for (const scope *s = e->scope; s; s = s->up) {
        binding *b = el_find(s, name);
        if (b)
            return b;
    }
    return NULL;
}

static file_env *el_current_file(const elab *e) { return e->frame ? e->frame->fn->file : e->root; }

val el_lookup_in(file_env *f, const char *name, bool *found) {
    binding *b = f ? el_find(f->top, name) : NULL;
    *found = b != NULL;
    if (!b)
        return v_error();
    b->uses++;
    return b->v;
}

bool el_is_function(const elab *e, const char *name) {
    binding *b = NULL;
    for (int i = 0; i < e->preludes.len && !b; i++)
        b = el_find(e->preludes.data[i]->top, name);
    return (b && b->v.kind == V_FN) || el_builtin_find(name);
}

bool el_known(elab *e, const char *name) {
    binding *b = el_find_local(e, name);
    if (b)
        return true;
    file_env *f = el_current_file(e);
    b = f ? el_find(f->top, name) : NULL;
    return b && b->v.kind != V_FN && b->v.kind != V_MODULE;
}

static val read_binding(elab *e, binding *b) {
    b->uses++;
    if (b->kind == B_STATE)
        return el_state_read(e, b);
    if (b->v.kind == V_INT && e->subst_var.len)
        b->v.i = el_resolve(e, b->v.i);
    return b->v;
}

typedef VEC(const char *) names;
typedef struct collector {
    elab *e;
    names list;
} collector;

static void collect_scope(collector *c, const scope *s) {
    for (int i = 0; i < s->list.len; i++)
        vec_push(c->e->a, &c->list, s->list.data[i]->name);
}
static void collect_name(void *u, const char *name) {
    collector *c = u;
    vec_push(c->e->a, &c->list, name);
}

static const char *el_suggest(elab *e, const char *name) {
    collector c = {e, {0}};
    for (const scope *s = e->scope; s; s = s->up)
        collect_scope(&c, s);
    file_env *f = el_current_file(e);
    if (f)
        collect_scope(&c, f->top);
    for (int i = 0; i < e->preludes.len; i++)
        collect_scope(&c, e->preludes.data[i]->top);
    el_builtin_names(collect_name, &c);
    for (int i = 0; i < FRIT_DTYPE_COUNT; i++)
        collect_name(&c, frit_dtype_name((frit_dtype)i));
    return diag_nearest(name, c.list.data, c.list.len);
}

/* The name was first bound in a block of this call that is over. */
static const binding *ended_with_block(const elab *e, const char *name) {
    for (const scope *s = e->ended; s; s = s->ended_before) {
        const binding *b = el_find(s, name);
        for (const scope *outer = s->up; b && outer; outer = outer->up)
            if (outer == e->scope)
                return b;
    }
    return NULL;
}

static val unknown_name(elab *e, const ast_name *n) {
    const char *other = el_spelling(n->text), *near = el_suggest(e, n->text);
    diag_record *r = diag_report(e->d, MSG_UNKNOWN_NAME, el_at(e, n->span), n->text);
    const binding *ended = ended_with_block(e, n->text);
    if (ended) {
        diag_note(e->d, r, el_at(e, ended->span), "'%s' ends with the block that binds it", n->text);
        diag_suggest(e->d, r, "give it a value before the block");
    } else if (other)
        diag_suggest(e->d, r, "%s", other);
    else if (near)
        diag_suggest(e->d, r, "did you mean '%s'?", near);
    return el_fail(e, r);
}

val el_lookup(elab *e, const ast_name *n) {
    binding *b = el_find_local(e, n->text);
    if (b && !b->unbound)
        return read_binding(e, b);
    if (b)
        return el_fail(e, diag_report(e->d, MSG_UNSOLVED_DIM, el_at(e, n->span), n->text));
    bool found;
    val v = el_lookup_in(el_current_file(e), n->text, &found);
    if (found)
        return v;
    for (int i = 0; i < e->preludes.len; i++) {
        v = el_lookup_in(e->preludes.data[i], n->text, &found);
        if (found)
            return v;
    }
    frit_dtype t = frit_dtype_from_name(n->text, strlen(n->text));
    if (t != FRIT_DTYPE_COUNT)
        return v_dtype(t);
    const builtin *f = el_builtin_find(n->text);
    if (f)
        return (val){.kind = V_BUILTIN, .builtin = f};
    return unknown_name(e, n);
}
