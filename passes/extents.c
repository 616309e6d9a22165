#include "extents.h"
#include <string.h>

/* Formulas with more leaves than SHORT are long; one with at most FEW more leaves than a variable's formula is written with
 * that variable. */
enum { SHORT = 6, FEW = 2, MAX_LOCAL = 48 };

typedef struct shortener {
    ir_module *m;
    sym_ctx *c;
    arena *scratch;
    sym_t *short_of; /* by id of an expression made before: what it becomes; NULL: not known yet */
    int n_ids;
    sym_t local[MAX_LOCAL]; /* variables of the formulas among the dims of the op at hand */
    int n_local;
} shortener;

static void note_moving(void *u, sym_t var) {
    sym_role r = sym_var_role(var);
    if (r == SYM_INDEX || r == SYM_VALUE) *(bool *)u = true;
}

/* Some index of an axis or element of a tensor is in e. */
static bool moves(sym_t e) {
    bool found = false;
    sym_each_var(e, note_moving, &found);
    return found;
}

static sym_t shorten(shortener *x, sym_t e, sym_role role);

/* e by a local formula f: f + few, few - f, or q * f; NULL when none helps. Extents are no sums of another and a few terms:
 * each has its own variable, so that layers are alike. */
static sym_t by_local(shortener *x, sym_t e, sym_role role) {
    sym_ctx *c = x->c;
    for (int i = x->n_local - 1; i >= 0; i--) {
        sym_t v = x->local[i], f = sym_definition(v), d = sym_sub(c, e, f);
        if (role != SYM_DIM && sym_leaves(d, FEW) <= FEW) return sym_add(c, v, d);
        d = sym_add(c, e, f);
        if (role != SYM_DIM && sym_leaves(d, FEW) <= FEW) return sym_sub(c, d, v);
        if (sym_n_terms(e) <= sym_n_terms(f)) continue;
        sym_t q = sym_floordiv(c, e, f);
        if (sym_n_terms(q) < sym_n_terms(e) && sym_mul(c, q, f) == e) return sym_mul(c, v, shorten(x, q, role));
    }
    return NULL;
}

static void note_local(shortener *x, sym_t v) {
    for (int i = 0; i < x->n_local; i++)
        if (x->local[i] == v) return;
    if (x->n_local < MAX_LOCAL) x->local[x->n_local++] = v;
}

/* A long formula that no index is in. */
static sym_t name_formula(shortener *x, sym_t e, sym_role role) {
    sym_t s = by_local(x, e, role);
    if (s) return s;
    s = sym_opaque(x->c, role == SYM_DIM ? "dim" : "int", role, e);
    note_local(x, s);
    return s;
}

/* Terms that have the same moving part: their coefficient is one formula. */
static sym_t shorten_sum(shortener *x, sym_t e) {
    sym_ctx *c = x->c;
    struct part {
        sym_t moving, coef;
    } *parts = arena_array(x->scratch, struct part, sym_n_terms(e) + 1);
    int n = 0;
    sym_t one = sym_const(c, 1), out = sym_const(c, 0);
    parts[n++] = (struct part){one, sym_const(c, sym_constant_part(e))};
    for (int i = 0; i < sym_n_terms(e); i++) {
        sym_t atoms, moving = one, coef;
        int at = 0;
        coef = sym_const(c, sym_term(c, e, i, &atoms));
        for (int k = 0; k < sym_n_atoms(atoms); k++) {
            sym_t a = sym_atom(atoms, k);
            if (moves(a)) moving = sym_mul(c, moving, a);
            else coef = sym_mul(c, coef, a);
        }
        while (at < n && parts[at].moving != moving) at++;
        if (at == n) parts[n++] = (struct part){moving, sym_const(c, 0)};
        parts[at].coef = sym_add(c, parts[at].coef, coef);
    }
    for (int i = 0; i < n; i++) {
        sym_t m = one;
        for (int k = 0; parts[i].moving != one && k < sym_n_atoms(parts[i].moving); k++)
            m = sym_mul(c, m, shorten(x, sym_atom(parts[i].moving, k), SYM_INT));
        out = sym_add(c, out, sym_mul(c, shorten(x, parts[i].coef, SYM_INT), m));
    }
    return out;
}

static sym_t shorten_new(shortener *x, sym_t e, sym_role role) {
    sym_ctx *c = x->c;
    if (!moves(e)) return name_formula(x, e, role);
    sym_t out, y;
    switch (sym_kind_of(e)) {
    case SYM_SUM: return shorten_sum(x, e);
    case SYM_PRODUCT:
        out = sym_const(c, 1);
        for (int i = 0; i < sym_n_atoms(e); i++) out = sym_mul(c, out, shorten(x, sym_atom(e, i), SYM_INT));
        return out;
    default: break;
    }
    out = shorten(x, sym_arg(e, 0), SYM_INT), y = shorten(x, sym_arg(e, 1), SYM_INT);
    switch (sym_kind_of(e)) {
    case SYM_FLOORDIV: return sym_floordiv(c, out, y);
    case SYM_MOD: return sym_mod(c, out, y);
    case SYM_MIN: return sym_min(c, out, y);
    default: return sym_max(c, out, y);
    }
}

static sym_t shorten(shortener *x, sym_t e, sym_role role) {
    if (sym_leaves(e, SHORT) <= SHORT) return e;
    int id = sym_id(e);
    if (id < x->n_ids && x->short_of[id]) return x->short_of[id];
    sym_t s = shorten_new(x, e, role);
    if (id < x->n_ids) x->short_of[id] = s;
    return s;
}

static const sym_t *shorten_list(shortener *x, int n, const sym_t *v, sym_role role) {
    sym_t *fresh = NULL;
    for (int i = 0; i < n; i++) {
        sym_t s = shorten(x, v[i], role);
        if (s == v[i]) continue;
        if (!fresh) fresh = arena_copy(x->m->arena, v, (size_t)n * sizeof *v);
        fresh[i] = s;
    }
    return fresh ? fresh : v;
}

static void shorten_type(shortener *x, ir_type *t) {
    t->dims = shorten_list(x, t->rank, t->dims, SYM_DIM);
    for (int d = 0; d < t->rank; d++)
        if (sym_definition(t->dims[d])) note_local(x, t->dims[d]);
}

static void shorten_block(shortener *x, ir_block *b) {
    for (int i = 0; i < b->n_args; i++) shorten_type(x, &b->args[i]->type);
    for (ir_op *op = b->first; op; op = op->next) {
        x->n_local = 0;
        for (int i = 0; i < op->n_operands; i++) {
            ir_type t = ir_operand(op, i)->type;
            for (int d = 0; d < t.rank; d++)
                if (sym_definition(t.dims[d])) note_local(x, t.dims[d]);
        }
        for (int i = 0; i < op->n_results; i++) shorten_type(x, &op->results[i].type);
        for (int i = 0; i < op->n_attrs; i++)
            if (ir_attr_table[op->attrs[i].key].kind == IR_ATTR_SYMS)
                op->attrs[i].syms.v = shorten_list(x, op->attrs[i].syms.n, op->attrs[i].syms.v, SYM_INT);
        for (int i = 0; i < op->n_blocks; i++) shorten_block(x, op->blocks[i]);
    }
}

/* ---- Windows ---- */
typedef struct pair_search {
    const sym_t *vars;
    int n, at[2], found;
} pair_search;

static void find_axis(void *u, sym_t var) {
    pair_search *p = u;
    for (int i = 0; i < p->n; i++)
        if (p->vars[i] == var && p->found++ < 2) p->at[p->found - 1] = i;
}

/* The position within a window is added to where the window is, and the number of windows goes down with their size. */
static void hint_window(sym_t size, sym_t count) {
    enum { TYPICAL_DIM = 128, TYPICAL_WINDOW = 3 };
    if (sym_is_var(size) && sym_var_role(size) == SYM_DIM && sym_hint(size) == TYPICAL_DIM && size != count && sym_uses(count, size))
        sym_var_hint(size, TYPICAL_WINDOW);
}

static void hint_windows(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        const sym_t *vars, *map;
        int n = op->code == IR_view ? ir_get_syms(op, IR_ATTR_vars, &vars) : 0, n_map = n ? ir_get_syms(op, IR_ATTR_map, &map) : 0;
        for (int k = 0; k < n_map; k++) {
            pair_search p = {.vars = vars, .n = n};
            sym_each_var(map[k], find_axis, &p);
            if (p.found != 2) continue;
            const sym_t *dims = ir_result(op, 0)->type.dims;
            hint_window(dims[p.at[0]], dims[p.at[1]]);
            hint_window(dims[p.at[1]], dims[p.at[0]]);
        }
        for (int i = 0; i < op->n_blocks; i++) hint_windows(op->blocks[i]);
    }
}

void shorten_extents(ir_module *m) {
    for (ir_func *f = m->funcs; f; f = f->next)
        if (f->level == IR_LEVEL_TENSOR) hint_windows(f->body);
    shortener x = {.m = m, .c = m->syms, .scratch = arena_new(), .n_ids = sym_count(m->syms)};
    x.short_of = arena_array(x.scratch, sym_t, x.n_ids + 1);
    for (int i = 0; i < m->globals.len; i++) shorten_type(&x, &m->globals.data[i]->type);
    for (ir_func *f = m->funcs; f; f = f->next)
        if (f->level == IR_LEVEL_TENSOR) shorten_block(&x, f->body);
    arena_free(x.scratch);
}
