/* if, for, loop, while. Host conditions choose at compile time and `for` is unrolled; the others become ops whose blocks
 * carry the variables that they assign. */
#include "elab_internal.h"
#include <string.h>

enum { MAX_UNROLL = 100000, MAX_ATTEMPTS = 6 };

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

/* ---- What a block assigns ------------------------------------------------------------------------------------------ */

typedef struct outer {
    binding *b;
    val init;
} outer;
typedef VEC(outer) outers;

static void add_outer(elab *e, outers *o, const char *name) {
    binding *b = el_find_local(e, name);
    if (!b || b->unbound || b->kind != B_VALUE)
        return;
    for (int i = 0; i < o->len; i++)
        if (o->data[i].b == b)
            return;
    if (el_is_host(b->v) || b->v.kind == V_TENSOR)
        vec_push(e->a, o, ((outer){.b = b, .init = b->v}));
}

static void assigned_names(elab *e, const ast_stmts *stmts, outers *o) {
    for (int i = 0; i < stmts->len; i++) {
        const ast_stmt *s = stmts->data[i];
        switch (s->kind) {
        case AST_ASSIGN:
            for (int k = 0; k < s->assign.targets.len; k++)
                add_outer(e, o, s->assign.targets.data[k].name.text);
            break;
        case AST_IF:
            for (int k = 0; k < s->branch.arms.len; k++)
                assigned_names(e, &s->branch.arms.data[k].block.stmts, o);
            if (s->branch.has_else)
                assigned_names(e, &s->branch.otherwise.stmts, o);
            break;
        case AST_FOR: case AST_LOOP: assigned_names(e, &s->loop.body.stmts, o); break;
        case AST_WHILE: assigned_names(e, &s->repeat.body.stmts, o); break;
        default: break;
        }
    }
}

static void discard(ir_block *b) {
    while (b && b->last) {
        ir_op *op = b->last;
        ir_op_remove(op);
    }
}

/* ---- Run-time loops ------------------------------------------------------------------------------------------------ */

typedef enum { DONE, AGAIN, FAILED } outcome;

static bool same_type(const ir_value *a, const ir_value *b) { return ir_type_equal(a->type, b->type); }

static bool changed_type(elab *e, const carried *c, val now, ir_span at) {
    diag_record *r = diag_report(e->d, MSG_CARRIED_TYPE, el_at(e, at), c->b->name, el_describe(e, c->init), el_describe(e, now));
    diag_note(e->d, r, c->b->span, "'%s' gets its first value here", c->b->name);
    el_fail(e, r);
    return false;
}

/* What one iteration leaves in c must have the type it began with. A weak or smaller first value gives way. */
static outcome settle(elab *e, carried *c, outer *o, val *now, ir_span at) {
    val v = *now;
    if (el_is_host(v))
        v = el_tensor(e, v, v.kind == V_NUM && !frit_dtype_is_float(el_dtype(c->init)) ? FRIT_DTYPE_COUNT : el_dtype(c->init), at);
    if (v.kind != V_TENSOR)
        return v.kind == V_ERROR ? FAILED : (changed_type(e, c, *now, at), FAILED);
    bool weak_init = o && o->init.kind != V_TENSOR && o->init.kind != V_BOOL && o->init.kind != V_COND;
    weak_init = weak_init || (o && o->init.kind == V_TENSOR && o->init.weak);
    if (el_dtype(v) != el_dtype(c->init)) {
        if (v.weak && !(weak_init && v.weak == WEAK_NUM && el_dtype(c->init) == FRIT_i64))
            v = el_cast(e, v, el_dtype(c->init), at);
        else if (weak_init && o) {
            uint8_t weak = v.weak;
            o->init = el_tensor(e, o->init, FRIT_DTYPE_COUNT, at);
            o->init = el_cast(e, o->init, el_dtype(v), at);
            o->init.weak = weak;
            return AGAIN;
        } else
            return changed_type(e, c, v, at), FAILED;
    }
    if (v.n_axes > c->init.n_axes && o) {
        sym_t dims[IR_MAX_RANK];
        o->init = el_strong(e, o->init, at);
        for (int i = 0; i < el_rank(o->init); i++)
            dims[i] = el_dims(o->init)[i];
        o->init = el_spread(e, o->init, v.n_axes, v.axes, el_rank(o->init), dims);
        return AGAIN;
    }
    bool same = el_rank(v) == el_rank(c->init);
    for (int i = 0; same && i < el_rank(v); i++)
        same = el_dims_equal(e, el_dims(c->init)[i], el_dims(v)[i], at, arena_printf(e->a, "'%s' keeps its shape", c->b->name));
    if (!same)
        return changed_type(e, c, v, at), FAILED;
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < el_rank(v); i++)
        dims[i] = el_dims(c->init)[i];
    v = el_spread(e, v, c->init.n_axes, c->init.axes, el_rank(v), dims);
    *now = same_type(v.t, c->arg) ? v : el_reshape(e, v, el_rank(v), dims);
    return DONE;
}

typedef struct looping {
    const ast_stmt *s;
    const ast_block *body;
    const ast_expr *cond; /* while */
    outers outs;
    loop_rec rec;
    sym_t extent;
} looping;

static bool enter(elab *e, looping *l) {
    loop_rec *r = &l->rec;
    r->block = ir_block_new(e->m);
    r->cond = l->cond ? ir_block_new(e->m) : NULL;
    r->carried.len = 0;
    for (int i = 0; i < l->outs.len; i++) {
        outer *o = &l->outs.data[i];
        val t = el_tensor(e, o->init, FRIT_DTYPE_COUNT, l->s->span);
        if (t.kind != V_TENSOR)
            return false;
        carried c = {.b = o->b, .init = t, .weak = (weakness)t.weak};
        c.init.weak = STRONG;
        c.arg = ir_block_add_arg(e->m, r->block, t.t->type, o->b->name);
        if (r->cond)
            ir_block_add_arg(e->m, r->cond, t.t->type, o->b->name);
        vec_push(e->a, &r->carried, c);
    }
    return true;
}

static void set_carried(loop_rec *r, ir_block *b) {
    for (int i = 0; i < r->carried.len; i++) {
        carried *c = &r->carried.data[i];
        c->b->v = v_tensor_axes(b->args[i], c->init.n_axes, c->init.axes);
        c->b->v.weak = c->weak;
    }
}

static bool run_cond(elab *e, looping *l) {
    set_carried(&l->rec, l->rec.cond);
    e->b = ir_builder_at_end(e->m, l->rec.cond);
    val c = el_eval(e, l->cond);
    if (c.kind == V_BOOL || c.kind == V_COND)
        c = el_tensor(e, c, FRIT_DTYPE_COUNT, l->cond->span);
    if (c.kind == V_ERROR)
        return false;
    if (c.kind != V_TENSOR || el_dtype(c) != FRIT_bool || c.t->type.rank) {
        el_fail(e, diag_report(e->d, MSG_BAD_CONDITION, el_at(e, l->cond->span), el_describe(e, c)));
        return false;
    }
    ir_build(&e->b, IR_yield, 1, &c.t, 0, NULL);
    return true;
}

static bool run_loop_body(elab *e, looping *l) {
    scope *sc = el_scope_push(e);
    if (l->cond && !run_cond(e, l)) {
        el_scope_pop(e);
        return false;
    }
    set_carried(&l->rec, l->rec.block);
    e->b = ir_builder_at_end(e->m, l->rec.block);
    if (!l->cond) {
        binding *n = el_bind(e, sc, l->s->loop.name.text, v_int(sym_add(e->s, l->rec.counter, l->rec.lo)), l->s->loop.name.span);
        n->kind = B_LOOP;
        n->loop = &l->rec;
    }
    e->frame->run_time++;
    bool ok = el_block(e, &l->body->stmts);
    e->frame->run_time--;
    el_scope_pop(e);
    return ok;
}

static outer *outer_of(looping *l, const binding *b) {
    for (int i = 0; i < l->outs.len; i++)
        if (l->outs.data[i].b == b)
            return &l->outs.data[i];
    return NULL;
}

/* One elaboration of the body. AGAIN: the first values had to change, or some name turned out not to be assigned. */
static outcome attempt(elab *e, looping *l) {
    loop_rec *r = &l->rec;
    ir_builder outside = e->b;
    r->before = e->b;
    if (!enter(e, l))
        return FAILED;
    r->up = e->loops;
    e->loops = r;
    outcome out = run_loop_body(e, l) ? DONE : FAILED;
    ir_value **yields = arena_array(e->a, ir_value *, r->carried.len + 1);
    ir_builder inside = ir_builder_at_end(e->m, r->block);
    for (int i = 0; i < r->carried.len && out != FAILED; i++) {
        carried *c = &r->carried.data[i];
        outer *o = outer_of(l, c->b);
        if (o && c->b->v.kind == V_TENSOR && c->b->v.t == c->arg) { /* not assigned after all */
            o->b->v = o->init;
            *o = l->outs.data[--l->outs.len];
            out = AGAIN;
            break;
        }
        e->b = inside;
        if (o && c->b->v.kind == V_TENSOR && (c->b->v.n_axes > c->init.n_axes || el_dtype(c->b->v) != el_dtype(c->init)))
            e->b = outside; /* the first value is remade in front of the loop */
        val now = c->b->v;
        outcome one = settle(e, c, o, &now, l->s->span);
        out = one == DONE ? out : one;
        yields[i] = one == DONE ? now.t : NULL;
        if (one == AGAIN)
            break;
        inside = ir_builder_at_end(e->m, r->block);
    }
    if (out == DONE) {
        e->b = ir_builder_at_end(e->m, r->block);
        ir_build(&e->b, IR_yield, r->carried.len, yields, 0, NULL);
    }
    e->loops = r->up;
    e->b = outside;
    return out;
}

static void undo_attempt(elab *e, looping *l) {
    for (int i = 0; i < l->rec.carried.len; i++) {
        carried *c = &l->rec.carried.data[i];
        outer *o = outer_of(l, c->b);
        c->b->v = o ? o->init : c->init;
        if (c->stacked && c->b->home == l->rec.outside)
            c->b->unbound = true;
    }
    discard(l->rec.block);
    discard(l->rec.cond);
}

/* Names first assigned inside an earlier attempt by stacking over an outer loop are plain outer names by now. */
static void finish(elab *e, looping *l, const outers *original) {
    loop_rec *r = &l->rec;
    int n = r->carried.len;
    ir_value **init = arena_array(e->a, ir_value *, n + 1);
    ir_type *types = arena_array(e->a, ir_type, n + 1);
    for (int i = 0; i < n; i++) {
        init[i] = r->carried.data[i].init.t;
        types[i] = init[i]->type;
    }
    ir_op *op = ir_build(&e->b, l->cond ? IR_while : IR_loop, n, init, n, types);
    ir_block *blocks[2] = {l->cond ? r->cond : r->block, r->block};
    for (int i = 0; i < op->n_blocks; i++) {
        op->blocks[i] = blocks[i];
        blocks[i]->op = op;
    }
    if (!l->cond) {
        ir_set_syms(e->m, op, IR_ATTR_counter, 1, &r->counter);
        ir_set_syms(e->m, op, IR_ATTR_extent, 1, &l->extent);
    }
    for (int i = 0; i < n; i++) {
        carried *c = &r->carried.data[i];
        outer *o = outer_of(l, c->b);
        if (o) { /* the journal must know the value from before the loop */
            for (int k = 0; k < original->len; k++)
                if (original->data[k].b == c->b)
                    c->b->v = original->data[k].init;
            el_rebind(e, c->b, c->b->v);
        }
        c->b->v = v_tensor_axes(ir_result(op, i), c->init.n_axes, c->init.axes);
        ir_result(op, i)->name = c->b->name;
    }
}

static bool run_time_loop(elab *e, looping *l) {
    l->rec.run_time = true;
    l->rec.outside = e->scope;
    l->rec.frame = e->frame;
    assigned_names(e, &l->body->stmts, &l->outs);
    outers original = {0};
    for (int i = 0; i < l->outs.len; i++)
        vec_push(e->a, &original, l->outs.data[i]);
    for (int i = 0; i < MAX_ATTEMPTS; i++) {
        int mark = e->journal.len;
        outcome r = attempt(e, l);
        e->journal.len = mark;
        if (r == DONE) {
            finish(e, l, &original);
            return true;
        }
        undo_attempt(e, l);
        if (r == FAILED)
            return false;
        outers more = {0};
        assigned_names(e, &l->body->stmts, &more);
        for (int k = 0; k < more.len; k++) { /* stacked over an outer loop by the attempt: carried from now on */
            bool known = false;
            for (int j = 0; j < original.len; j++)
                known |= original.data[j].b == more.data[k].b;
            if (!known) {
                vec_push(e->a, &l->outs, more.data[k]);
                vec_push(e->a, &original, more.data[k]);
            }
        }
    }
    el_fail(e, diag_report(e->d, MSG_LOOP_UNSETTLED, el_at(e, l->s->span)));
    return false;
}

bool el_loop(elab *e, const ast_stmt *s) {
    looping l = {.s = s, .body = &s->loop.body};
    sym_t zero = sym_const(e->s, 0);
    if (!el_eval_int(e, s->loop.lo, &l.rec.lo, "the beginning of a range") ||
        !el_eval_int(e, s->loop.hi, &l.rec.hi, "the end of a range"))
        return false;
    l.extent = sym_sub(e->s, l.rec.hi, l.rec.lo);
    if (sym_prove_lt(e->s, l.extent, zero)) {
        el_fail(e, diag_report(e->d, MSG_BAD_RANGE, el_at(e, s->span), sym_print(e->a, l.rec.lo), sym_print(e->a, l.rec.hi)));
        return false;
    }
    l.rec.counter = sym_var(e->s, s->loop.name.text, SYM_INT, zero, sym_addi(e->s, l.extent, -1));
    return run_time_loop(e, &l);
}

bool el_while(elab *e, const ast_stmt *s) {
    looping l = {.s = s, .body = &s->repeat.body, .cond = s->repeat.cond};
    return run_time_loop(e, &l);
}

/* ---- if ------------------------------------------------------------------------------------------------------------ */

typedef struct merged {
    binding *b;
    val old, then, otherwise;
} merged;
typedef VEC(merged) merges;

static merged *merge_of(elab *e, merges *m, binding *b, val old) {
    for (int i = 0; i < m->len; i++)
        if (m->data[i].b == b)
            return &m->data[i];
    vec_push(e->a, m, ((merged){b, old, old, old}));
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

static bool run_arm(elab *e, const ast_stmt *s, int at_arm, bool then, ir_block *b, merges *m) {
    int mark = e->journal.len;
    ir_builder outside = e->b;
    e->b = ir_builder_at_end(e->m, b);
    vec_push(e->a, &e->open_blocks, b);
    e->frame->run_time++;
    el_scope_push(e);
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
            el_rebind(e, x->b, x->then);
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
        el_rebind(e, m->data[i].b, r);
    }
    return true;
}

static bool run_time_if(elab *e, const ast_stmt *s, int at_arm, val c) {
    merges m = {0};
    ir_block *blocks[2] = {ir_block_new(e->m), ir_block_new(e->m)};
    int open = e->open_blocks.len;
    bool ok = run_arm(e, s, at_arm, true, blocks[0], &m);
    ok = run_arm(e, s, at_arm, false, blocks[1], &m) && ok;
    ok = ok && build_if(e, s, c.t, blocks, &m);
    e->open_blocks.len = open;
    if (!ok) {
        discard(blocks[0]);
        discard(blocks[1]);
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
