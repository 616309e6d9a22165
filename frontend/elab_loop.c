/* Run-time loops: `loop` and `while` become ops whose blocks carry the variables that they assign. A body is elaborated
 * again until the types of what it carries agree with those that it began with. */
#include "elab_internal.h"

enum { MAX_ATTEMPTS = 6 };

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

void el_discard(ir_block *b) {
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
    for (int i = 0; i < el_rank(v); i++)
        if (el_dims(v)[i] != dims[i]) { /* equal in every run that passes the check */
            v = el_reshape(e, v, el_rank(v), dims);
            break;
        }
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
    el_discard(l->rec.block);
    el_discard(l->rec.cond);
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
