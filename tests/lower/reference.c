#include "reference.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ir/scalar.h"

typedef struct machine {
    arena *a;
    sym_ctx *c;
    const dim_value *dims;
    VEC(sym_t) vars;
    VEC(int64_t) values;
    scalar *v;    /* by value id */
    void **bufs;  /* by value id */
} machine;

static bool lookup(void *u, sym_t var, int64_t *v) {
    const machine *m = u;
    for (int i = m->vars.len - 1; i >= 0; i--)
        if (m->vars.data[i] == var) {
            *v = m->values.data[i];
            return true;
        }
    for (const dim_value *d = m->dims; d && d->name; d++)
        if (!strcmp(d->name, sym_var_name(var))) {
            *v = d->v;
            return true;
        }
    return false;
}

static int64_t value(machine *m, sym_t s) {
    int64_t v;
    if (!sym_eval(s, lookup, m, &v)) fail_msg("cannot evaluate %s", sym_print(m->a, s));
    return v;
}

static void bind(machine *m, sym_t var, int64_t v) {
    vec_push(m->a, &m->vars, var);
    vec_push(m->a, &m->values, v);
}

static void drop(machine *m, int n) { m->vars.len = m->values.len = n; }

/* Flat index of the access, or -1 where a checked coordinate is outside. */
static int64_t element(machine *m, const ir_op *op, int first) {
    const sym_t *map, *idx;
    const int64_t *checked;
    ir_type t = ir_operand(op, 0)->type;
    int n = ir_get_syms(op, IR_ATTR_map, &map), n_idx = ir_get_syms(op, IR_ATTR_idx, &idx), mark = m->vars.len;
    int n_checked = ir_get_ints(op, IR_ATTR_checked, &checked);
    for (int i = 0; i < n_idx; i++) bind(m, idx[i], m->v[ir_operand(op, first + i)->id].i);
    int64_t at = 0;
    bool outside = false;
    for (int i = 0; i < n; i++) {
        int64_t e = value(m, map[i]), d = value(m, t.dims[i]);
        bool out = e < 0 || e >= d, may = false;
        for (int k = 0; k < n_checked; k++) may |= checked[k] == i;
        if (out && !may) fail_msg("the program reads or writes out of bounds");
        outside |= out;
        at = at * d + e;
    }
    drop(m, mark);
    return outside ? -1 : at;
}

static void exec_op(machine *m, const ir_op *op) {
    const ir_value *r = op->n_results ? ir_result(op, 0) : NULL;
    frit_dtype t = r ? (frit_dtype)r->type.dtype : FRIT_f32;
    if (op->code == IR_read) {
        int64_t at = element(m, op, 1);
        double fill = ir_get_float(op, IR_ATTR_fill, 0);
        if (at >= 0) m->v[r->id] = scalar_load(t, m->bufs[ir_operand(op, 0)->id], at);
        else if (frit_dtype_is_float(t)) m->v[r->id].f = scalar_round(t, fill);
        else m->v[r->id].i = frit_int_from_double(t, fill);
    } else if (op->code == IR_write) {
        int64_t at = element(m, op, 2);
        const ir_value *b = ir_operand(op, 0);
        if (at >= 0) scalar_store((frit_dtype)b->type.dtype, m->bufs[b->id], at, m->v[ir_operand(op, 1)->id]);
    } else if (op->code == IR_index) {
        const sym_t *s;
        ir_get_syms(op, IR_ATTR_size, &s);
        scalar x = {.i = value(m, s[0])};
        scalar_eval(IR_cast, FRIT_i64, t, &x, &m->v[r->id]);
    } else if (op->code == IR_constant) {
        m->v[r->id] = scalar_load(t, ir_attr_get(op, IR_ATTR_value)->data.p, 0);
    } else if (op->code != IR_yield) {
        scalar x[3];
        for (int i = 0; i < op->n_operands; i++) x[i] = m->v[ir_operand(op, i)->id];
        frit_dtype in = (frit_dtype)ir_operand(op, op->code == IR_select)->type.dtype;
        if (!scalar_eval(op->code, in, t, x, &m->v[r->id])) fail_msg("%s?", ir_op_table[op->code].name);
    }
}

static void exec_block(machine *m, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) exec_op(m, op);
}

/* One more term into state (value, index). */
static void take(int c, frit_dtype t, scalar x, int64_t at, scalar *state, int64_t *index) {
    bool fl = frit_dtype_is_float(t), max = c == IR_MAX || c == IR_ARGMAX;
    if (c == IR_SUM) {
        if (fl) state->f += x.f;
        else state->i = t == FRIT_bool ? state->i | x.i : scalar_wrap(t, (int64_t)((uint64_t)state->i + (uint64_t)x.i));
    } else if (c == IR_PROD) {
        if (fl) state->f *= x.f;
        else state->i = scalar_wrap(t, (int64_t)((uint64_t)state->i * (uint64_t)x.i));
    } else if (c == IR_ANY || c == IR_ALL) {
        state->i = c == IR_ANY ? state->i | x.i : state->i & x.i;
    } else {
        bool more = fl ? (max ? x.f > state->f : x.f < state->f) : (max ? x.i > state->i : x.i < state->i);
        if (at == 0 || more) *state = x, *index = at;
    }
}

/* All points of axes first .. last-1 of the stage: body(m, u) at each, in row-major order. */
static void points(machine *m, const ir_op *op, int first, int last, void (*body)(machine *, const ir_op *, void *), void *u) {
    if (first == last) {
        body(m, op, u);
        return;
    }
    const sym_t *vars, *extent;
    ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    int64_t n = value(m, extent[first]);
    int mark = m->vars.len;
    for (int64_t i = 0; i < n; i++) {
        bind(m, vars[first], i);
        points(m, op, first + 1, last, body, u);
        drop(m, mark);
    }
}

typedef struct sums {
    scalar state[8];
    int64_t index[8], count;
} sums;

static void reduced_point(machine *m, const ir_op *op, void *u) {
    sums *s = u;
    const int64_t *c;
    exec_block(m, op->blocks[0]);
    const ir_op *y = op->blocks[0]->last;
    ir_get_ints(op, IR_ATTR_combines, &c);
    for (int k = 0; k < y->n_operands; k++) {
        const ir_value *x = ir_operand(y, k);
        take((int)c[k], (frit_dtype)x->type.dtype, m->v[x->id], s->count, &s->state[k], &s->index[k]);
    }
    s->count++;
}

static void parallel_point(machine *m, const ir_op *op, void *u) {
    const sym_t *vars;
    const int64_t *c;
    int n = ir_get_syms(op, IR_ATTR_vars, &vars), par = (int)ir_get_int(op, IR_ATTR_parallel, n);
    if (par == n) {
        exec_block(m, op->blocks[0]);
        return;
    }
    sums s = {0};
    int k_n = ir_get_ints(op, IR_ATTR_combines, &c);
    for (int k = 0; k < k_n; k++) {
        frit_dtype t = (frit_dtype)ir_operand(op->blocks[0]->last, k)->type.dtype;
        bool fl = frit_dtype_is_float(t);
        if (c[k] == IR_PROD || c[k] == IR_ALL) fl ? (s.state[k].f = 1) : (s.state[k].i = 1);
        double least = c[k] == IR_MAX ? -INFINITY : INFINITY;
        if (c[k] == IR_MAX || c[k] == IR_MIN) fl ? (s.state[k].f = least) : (s.state[k].i = frit_int_from_double(t, least));
    }
    points(m, op, par, n, reduced_point, &s);
    for (int k = 0; k < k_n; k++) {
        const ir_value *a = op->blocks[1]->args[k];
        if (c[k] == IR_ARGMAX || c[k] == IR_ARGMIN) s.state[k].i = s.index[k];
        else if (frit_dtype_is_float((frit_dtype)a->type.dtype)) s.state[k].f = scalar_round((frit_dtype)a->type.dtype, s.state[k].f);
        m->v[a->id] = s.state[k];
    }
    exec_block(m, op->blocks[1]);
}

static void exec_list(machine *m, const ir_op *around, void *u) {
    for (const ir_op *op = around->blocks[0]->first; op; op = op->next) {
        const sym_t *vars;
        if (op->code == IR_stage) {
            int n = ir_get_syms(op, IR_ATTR_vars, &vars);
            points(m, op, 0, (int)ir_get_int(op, IR_ATTR_parallel, n), parallel_point, NULL);
        } else if (op->code == IR_for) {
            points(m, op, 0, 1, exec_list, NULL);
        } else if (op->code == IR_alloc) {
            ir_type t = ir_result(op, 0)->type;
            int64_t n = 1;
            for (int i = 0; i < t.rank; i++) n *= value(m, t.dims[i]);
            m->bufs[ir_result(op, 0)->id] = arena_alloc(m->a, (size_t)frit_dtype_bytes((frit_dtype)t.dtype, n) + 1);
        }
    }
}

void reference_run(const prog *p, const memory *bufs, const dim_value *dims) {
    machine m = {.a = arena_new(), .c = p->c, .dims = dims};
    m.v = arena_array(m.a, scalar, p->m->n_values);
    m.bufs = arena_array(m.a, void *, p->m->n_values);
    for (int i = 0; i < p->f->body->n_args; i++) m.bufs[p->f->body->args[i]->id] = bufs[i].p;
    for (const ir_op *op = p->f->body->first; op; op = op->next) {
        const sym_t *vars, *guard;
        if (op->code != IR_grid || (ir_get_syms(op, IR_ATTR_guard, &guard) && !value(&m, *guard))) continue;
        points(&m, op, 0, ir_get_syms(op, IR_ATTR_vars, &vars), exec_list, NULL);
    }
    arena_free(m.a);
}
