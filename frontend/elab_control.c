/* if and for. Host conditions choose at compile time and `for` is unrolled; an `if` on a run-time condition becomes an op
 * whose blocks yield the variables that they assign. Run-time loops are in elab_loop.c. */
#include "elab_internal.h"
#include <string.h>

enum { MAX_UNROLL = 100000, MAX_STEPS = 1000000 };

/* ---- for ----------------------------------------------------------------------------------------------------------- */

bool el_for(elab *e, const ast_stmt *s) {
    sym_t lo, hi;
    int64_t a, b;
    if (!el_eval_int(e, s->loop.lo, &lo, "the beginning of a range") || !el_eval_int(e, s->loop.hi, &hi, "the end of a range"))
        return false;
    if (!sym_is_const(lo, &a) || !sym_is_const(hi, &b)) {
        diag_record *r = diag_report(e->d, MSG_NOT_STATIC, el_at(e, s->loop.hi->span), "a bound of 'for'");
        diag_suggest(e->d, r, "'loop %s in ...' runs at run time", s->loop.name.text);
        el_fail(e, r);
        return false;
    }
    if (b > a && (uint64_t)b - (uint64_t)a > MAX_UNROLL) {
        el_fail(e, diag_report(e->d, MSG_UNROLL, el_at(e, s->span), MAX_UNROLL));
        return false;
    }
    loop_rec l = {.up = e->loops, .lo = lo, .hi = hi, .outside = e->scope, .before = e->b, .frame = e->frame};
    e->loops = &l;
    bool ok = true;
    for (int64_t i = a; i < b && ok && !e->frame->returned; i++) {
        if (++e->steps > MAX_STEPS) {
            el_fail(e, diag_report(e->d, MSG_TOO_MUCH, el_at(e, s->span), MAX_STEPS, "steps of 'for'"));
            ok = false;
            break;
        }
        scope *sc = el_scope_push(e);
        binding *n = el_bind(e, sc, s->loop.name.text, v_consti(e, i), s->loop.name.span);
        n->kind = B_LOOP;
        n->loop = &l;
        ok = el_block(e, &s->loop.body.stmts) || e->frame->returned;
        el_scope_pop(e);
    }
    e->loops = l.up;
    return ok && !e->frame->failed;
}

/* ---- if ------------------------------------------------------------------------------------------------------------ */

typedef struct merged {
    binding *b;
    val old, then, otherwise;
    bool fresh; /* both arms bind the name first: nothing to go back to */
} merged;
typedef VEC(merged) merges;

static merged *merge_of(elab *e, merges *m, binding *b, val old) {
    for (int i = 0; i < m->len; i++)
        if (m->data[i].b == b)
            return &m->data[i];
    vec_push(e->a, m, ((merged){b, old, old, old, false}));
    return &m->data[m->len - 1];
}

/* What changed since `mark` is noted as the value of one arm, and undone. */
static void take_changes(elab *e, int mark, merges *m, bool then) {
    for (int i = mark; i < e->journal.len; i++) {
        change *c = &e->journal.data[i];
        if (el_find_local(e, c->b->name) != c->b)
            continue; /* bound inside the arm */
        merged *x = merge_of(e, m, c->b, c->old);
        if (then)
            x->then = c->b->v;
        else
            x->otherwise = c->b->v;
    }
    for (int i = e->journal.len - 1; i >= mark; i--)
        e->journal.data[i].b->v = e->journal.data[i].old;
    e->journal.len = mark;
}

static bool same_host(val a, val b) {
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case V_INT: return a.i == b.i;
    case V_NUM: return a.num == b.num;
    case V_BOOL: return a.b == b.b;
    case V_TENSOR: return a.t == b.t;
    default: return a.kind == V_NONE;
    }
}

static bool arm_type(elab *e, const merged *x, ir_span at) {
    diag_record *r = diag_report(e->d, MSG_ARM_TYPES, el_at(e, at), x->b->name, el_describe(e, x->then), el_describe(e, x->otherwise));
    el_fail(e, r);
    return false;
}

/* Both arms' values of one name as tensors of one type, each made at the end of its arm. */
static bool meet(elab *e, merged *x, ir_builder arm[2], ir_span at) {
    ir_builder here = e->b;
    val *v[2] = {&x->then, &x->otherwise};
    frit_dtype t = FRIT_DTYPE_COUNT;
    for (int i = 0; i < 2; i++) {
        if (v[i]->kind == V_ERROR)
            return false;
        if (!el_is_host(*v[i]) && v[i]->kind != V_TENSOR)
            return arm_type(e, x, at);
    }
    t = el_common_dtype(e, (val[]){x->then, x->otherwise}, 2, "the values after 'if'", at);
    if (t == FRIT_DTYPE_COUNT)
        return false;
    for (int i = 0; i < 2; i++) {
        e->b = arm[i];
        *v[i] = el_tensor(e, *v[i], t, at);
        e->b = here;
        if (v[i]->kind != V_TENSOR)
            return false;
    }
    iaxis **axes;
    int n = el_union_axes(e, (val[]){x->then, x->otherwise}, 2, &axes);
    bool same = el_rank(x->then) == el_rank(x->otherwise);
    for (int i = 0; same && i < el_rank(x->then); i++)
        same = el_dims_equal(e, el_dims(x->then)[i], el_dims(x->otherwise)[i], at, NULL);
    if (!same)
        return arm_type(e, x, at);
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < el_rank(x->then); i++)
        dims[i] = el_dims(x->then)[i];
    for (int i = 0; i < 2; i++) {
        e->b = arm[i];
        *v[i] = el_reshape(e, el_spread(e, *v[i], n, axes, el_rank(*v[i]), el_dims(*v[i])), el_rank(x->then), dims);
    }
    e->b = here;
    return true;
}

static bool run_if(elab *e, const ast_stmt *s, int at_arm);

/* *names: the scope of the arm, whose names no longer hold. */
static bool run_arm(elab *e, const ast_stmt *s, int at_arm, bool then, ir_block *b, merges *m, scope **names) {
    int mark = e->journal.len;
    ir_builder outside = e->b;
    e->b = ir_builder_at_end(e->m, b);
    vec_push(e->a, &e->open_blocks, b);
    e->frame->run_time++;
    *names = el_scope_push(e);
    bool ok = true;
    if (then)
        ok = el_block(e, &s->branch.arms.data[at_arm].block.stmts);
    else if (at_arm + 1 < s->branch.arms.len)
        ok = run_if(e, s, at_arm + 1);
    else if (s->branch.has_else)
        ok = el_block(e, &s->branch.otherwise.stmts);
    el_scope_pop(e);
    e->frame->run_time--;
    e->b = outside;
    take_changes(e, mark, m, then);
    return ok;
}

static void after_if(elab *e, const merged *x, val v) {
    if (x->fresh)
        x->b->v = v;
    else
        el_rebind(e, x->b, v);
}

static bool build_if(elab *e, const ast_stmt *s, ir_value *cond, ir_block *blocks[2], merges *m) {
    ir_value **yields[2];
    ir_type *types = arena_array(e->a, ir_type, m->len + 1);
    ir_builder arm[2] = {ir_builder_at_end(e->m, blocks[0]), ir_builder_at_end(e->m, blocks[1])};
    int n = 0;
    for (int i = 0; i < 2; i++)
        yields[i] = arena_array(e->a, ir_value *, m->len + 1);
    for (int i = 0; i < m->len; i++) {
        merged *x = &m->data[i];
        if (same_host(x->then, x->otherwise)) {
            after_if(e, x, x->then);
            continue;
        }
        if (!meet(e, x, arm, s->span))
            return false;
        yields[0][n] = x->then.t;
        yields[1][n] = x->otherwise.t;
        types[n] = x->then.t->type;
        m->data[n++] = *x;
    }
    ir_op *op = ir_build(&e->b, IR_if, 1, &cond, n, types);
    for (int i = 0; i < 2; i++) {
        ir_build(&arm[i], IR_yield, n, yields[i], 0, NULL);
        op->blocks[i] = blocks[i];
        blocks[i]->op = op;
    }
    for (int i = 0; i < n; i++) {
        val r = v_tensor_axes(ir_result(op, i), m->data[i].then.n_axes, m->data[i].then.axes);
        after_if(e, &m->data[i], r);
    }
    return true;
}

/* Both arms bind the name, to values of one type. */
static bool agree(elab *e, const binding *a, const binding *b) {
    if (a->kind != B_VALUE || b->kind != B_VALUE || a->unbound || b->unbound)
        return false;
    if (a->v.kind != V_TENSOR || b->v.kind != V_TENSOR)
        return same_host(a->v, b->v) && a->v.kind != V_NONE;
    bool same = el_dtype(a->v) == el_dtype(b->v) && a->v.weak == b->v.weak && !a->v.n_axes && !b->v.n_axes &&
                el_rank(a->v) == el_rank(b->v);
    for (int i = 0; same && i < el_rank(a->v); i++)
        same = el_resolve(e, el_dims(a->v)[i]) == el_resolve(e, el_dims(b->v)[i]);
    return same;
}

/* Names that both arms bind, and nothing outside, hold after the if. */
static void take_common(elab *e, scope *const names[2], merges *m) {
    for (int i = 0; i < names[0]->list.len; i++) {
        const binding *a = names[0]->list.data[i], *b = el_find(names[1], a->name);
        if (!b || el_find_local(e, a->name) || !agree(e, a, b))
            continue;
        binding *both = el_bind(e, e->scope, a->name, v_none(), a->span);
        vec_push(e->a, m, ((merged){both, v_none(), a->v, b->v, true}));
    }
}

static bool run_time_if(elab *e, const ast_stmt *s, int at_arm, val c) {
    merges m = {0};
    ir_block *blocks[2] = {ir_block_new(e->m), ir_block_new(e->m)};
    int open = e->open_blocks.len;
    scope *names[2];
    bool ok = run_arm(e, s, at_arm, true, blocks[0], &m, &names[0]);
    ok = run_arm(e, s, at_arm, false, blocks[1], &m, &names[1]) && ok;
    if (ok)
        take_common(e, names, &m);
    ok = ok && build_if(e, s, c.t, blocks, &m);
    e->open_blocks.len = open;
    if (!ok) {
        el_discard(blocks[0]);
        el_discard(blocks[1]);
    }
    return ok;
}

static bool run_if(elab *e, const ast_stmt *s, int at_arm) {
    for (; at_arm < s->branch.arms.len; at_arm++) {
        const ast_arm *arm = &s->branch.arms.data[at_arm];
        val c = el_eval(e, arm->cond);
        if (c.kind == V_ERROR)
            return false;
        if (c.kind == V_BOOL && c.b)
            return el_block(e, &arm->block.stmts) || e->frame->returned;
        if (c.kind == V_BOOL)
            continue;
        if (c.kind == V_COND)
            c = el_cond_tensor(e, c);
        if (c.kind != V_TENSOR || el_dtype(c) != FRIT_bool || c.t->type.rank) {
            el_fail(e, diag_report(e->d, MSG_BAD_CONDITION, el_at(e, arm->cond->span), el_describe(e, c)));
            return false;
        }
        return run_time_if(e, s, at_arm, c);
    }
    return !s->branch.has_else || el_block(e, &s->branch.otherwise.stmts) || e->frame->returned;
}

bool el_if(elab *e, const ast_stmt *s) {
    e->b.span = el_at(e, s->span);
    return run_if(e, s, 0);
}
