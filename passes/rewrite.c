#include "rewrite.h"
#include <math.h>
#include <string.h>

/* Removes op and then the operands' ops that nothing reads any more, so that rules see true use counts. Returns the op
 * to go on behind: `behind`, or what is in front of it if that went too. */
static ir_op *remove_chain(rewriter *r, ir_op *op, ir_op *behind) {
    const ir_block *block = op->parent;
    VEC(ir_op *) todo = {0};
    VEC(ir_value *) in = {0};
    vec_push(r->scratch, &todo, op);
    while (todo.len) {
        ir_op *dead = todo.data[--todo.len];
        if (!dead->parent) continue; /* met twice */
        in.len = 0;
        for (int i = 0; i < dead->n_operands; i++) vec_push(r->scratch, &in, ir_operand(dead, i));
        if (dead == behind) behind = behind->prev;
        ir_op_remove(dead);
        for (int i = 0; i < in.len; i++) {
            ir_op *p = in.data[i]->op;
            if (in.data[i]->uses || !p || p->parent != block || p->n_results != 1) continue;
            if (!p->n_blocks && !(ir_op_flags(p) & IR_F_EFFECT)) vec_push(r->scratch, &todo, p);
        }
    }
    return behind;
}

static bool rewrite_block(rewriter *r, ir_block *b, rewrite_rule *rule, int64_t *budget) {
    bool changed = false;
    for (ir_op *op = b->first; op;) {
        if (op->code != IR_kernel)
            for (int i = 0; i < op->n_blocks; i++) changed |= rewrite_block(r, op->blocks[i], rule, budget);
        ir_op *prev = op->prev;
        ir_value *v = NULL;
        if (op->n_results == 1 && --*budget > 0) {
            r->at = ir_builder_before(r->m, op);
            r->at.span = op->span;
            v = rule(r, op);
        }
        if (!v) {
            op = op->next;
            continue;
        }
        ir_value *old = ir_result(op, 0);
        if (!v->name && v->op) v->name = old->name;
        ir_replace_uses(old, v);
        prev = remove_chain(r, op, prev);
        changed = true;
        op = prev ? prev->next : b->first;
    }
    return changed;
}

static int64_t count_ops(const ir_block *b) {
    int64_t n = 0;
    for (const ir_op *op = b->first; op; op = op->next) {
        n++;
        for (int i = 0; i < op->n_blocks; i++) n += count_ops(op->blocks[i]);
    }
    return n;
}

bool rewrite_func(pass_ctx *c, ir_func *f, rewrite_rule *rule) {
    rewriter r = {.m = c->m, .s = c->m->syms, .scratch = c->scratch, .exact = c->options->exact, .limits = c->options->limits};
    r.x = (access){.m = c->m, .scratch = c->scratch};
    int64_t budget = 1000 + 40 * count_ops(f->body);
    bool changed = rewrite_block(&r, f->body, rule, &budget);
    c->cut_off += budget <= 0;
    return changed;
}

bool splat_of(const ir_value *v, scalar *out) {
    if (!ir_is(v, IR_constant)) return false;
    frit_dtype t = (frit_dtype)v->type.dtype;
    const ir_attr *a = ir_attr_get(v->op, IR_ATTR_value);
    if (a->data.bytes != frit_dtype_bytes(t, 1)) return false;
    *out = scalar_load(t, a->data.p, 0);
    return true;
}

bool is_splat_float(const ir_value *v, double x) {
    scalar s;
    return is_float_type(v->type) && splat_of(v, &s) && s.f == x && signbit(s.f) == signbit(x);
}

bool is_splat_int(const ir_value *v, int64_t x) {
    scalar s;
    return !is_float_type(v->type) && splat_of(v, &s) && s.i == x;
}

ir_value *make_splat(ir_builder *b, ir_type t, scalar x) {
    return is_float_type(t) ? ir_splat(b, t, x.f) : ir_splat_int(b, t, x.i);
}

bool is_float_type(ir_type t) { return frit_dtype_is_float((frit_dtype)t.dtype); }

bool single_use(const ir_value *v) { return v->uses && !v->uses->next; }

bool in_range(sym_ctx *s, sym_t e, sym_t extent) { return sym_prove_ge0(s, e) && sym_prove_lt(s, e, extent); }

bool has_division(sym_t e) {
    switch (sym_kind_of(e)) {
    case SYM_FLOORDIV:
    case SYM_MOD: return true;
    case SYM_MIN:
    case SYM_MAX: return has_division(sym_arg(e, 0)) || has_division(sym_arg(e, 1));
    case SYM_SUM:
    case SYM_PRODUCT: break;
    default: return false;
    }
    if (sym_kind_of(e) == SYM_PRODUCT) {
        for (int i = 0; i < sym_n_atoms(e); i++)
            if (has_division(sym_atom(e, i))) return true;
        return false;
    }
    for (int i = 0; i < sym_n_terms(e); i++) {
        sym_t atoms;
        sym_term(NULL, e, i, &atoms);
        if (has_division(atoms)) return true;
    }
    return false;
}

ir_value *drop_axes(ir_builder *b, ir_value *x, unsigned drop) {
    sym_t dims[IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->type.rank; i++)
        if (!(drop >> i & 1)) dims[rank++] = x->type.dims[i];
    return ir_reshape(b, x, rank, dims);
}
