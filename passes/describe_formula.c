/* Formulas of stages: a line for each thing that is written, and for what several of its terms have in common. */
#include "describe_internal.h"
#include <string.h>

enum {
    LONGEST = 12,   /* ops that one line shows */
    MOST_LINES = 24 /* of a stage that are for intermediate values; what would take more is left out (...) */
};

/* ---- Names ---- */
const char *describe_sym(describer *d, sym_t s) {
    return sym_print(d->a, sym_subst(d->f->module->syms, s, d->n_scope, d->scope, d->as));
}

const char *describe_buffer(describer *d, const ir_value *v) {
    if (!d->names[v->id]) d->names[v->id] = arena_printf(d->a, "s%d", d->n_allocs++);
    return d->names[v->id];
}

static bool is_taken(const describer *d, const char *name) {
    for (int i = 0; i < d->n_scope; i++)
        if (sym_is_var(d->as[i]) && !strcmp(sym_var_name(d->as[i]), name)) return true;
    for (int i = 0; d->parameters[i]; i++)
        if (!strcmp(d->parameters[i], name)) return true;
    return false;
}

static const char *free_name(const describer *d, const char *want) {
    const char *name = want;
    for (int k = 2; is_taken(d, name); k++) name = arena_printf(d->a, "%s_%d", want, k);
    return name;
}

void describe_enter(describer *d, sym_t var, const char *name) {
    if (d->n_scope >= DESCRIBE_VARIABLES) return;
    bool own = !strcmp(name, sym_var_name(var));
    d->scope[d->n_scope] = var;
    d->as[d->n_scope++] = own ? var : sym_var(d->f->module->syms, name, SYM_INDEX, sym_var_lo(var), sym_var_hi(var));
}

const char *describe_fresh(describer *d, const char *want) {
    const char *name = free_name(d, want);
    describe_enter(d, sym_var(d->f->module->syms, name, SYM_INDEX, NULL, NULL), name);
    return name;
}

void describe_variables(describer *d, int n, const sym_t *vars) {
    for (int i = 0; i < n; i++) describe_enter(d, vars[i], free_name(d, sym_var_name(vars[i])));
}

/* ---- Formulas ---- */
static const char *formula(describer *d, const ir_value *v);

/* Elements that the map needs stand in it as they are read. */
static const char *position(describer *d, const ir_op *op, int first_index) {
    const sym_t *map, *idx;
    int n = ir_get_syms(op, IR_ATTR_map, &map), n_idx = ir_get_syms(op, IR_ATTR_idx, &idx), outside = d->n_scope;
    for (int i = 0; i < n_idx && first_index + i < op->n_operands; i++) describe_enter(d, idx[i], formula(d, ir_operand(op, first_index + i)));
    text t = {.a = d->a};
    text_put(&t, n ? "[" : "");
    for (int i = 0; i < n; i++) text_printf(&t, "%s%s", i ? ", " : "", describe_sym(d, map[i]));
    text_put(&t, n ? "]" : "");
    d->n_scope = outside;
    return t.s;
}

static const char *constant_text(describer *d, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    const void *data = ir_attr_get(op, IR_ATTR_value)->data.p;
    if (frit_dtype_is_float(t)) return arena_printf(d->a, "%.9g", frit_load_float(t, data, 0));
    return arena_printf(d->a, "%lld", (long long)frit_load_int(t, data, 0));
}

static const char *infix(ir_opcode c) {
    switch (c) {
    case IR_add: return "+";
    case IR_sub: return "-";
    case IR_mul: return "*";
    case IR_div: return "/";
    case IR_lt: return "<";
    case IR_le: return "<=";
    case IR_eq: return "==";
    case IR_ne: return "!=";
    case IR_and: return "and";
    case IR_or: return "or";
    default: return NULL;
    }
}

/* An operand of an infix operator: in parentheses if it is one, or reaches as far as it can. */
static const char *operand(describer *d, const ir_op *op, int i) {
    const ir_value *v = ir_operand(op, i);
    const char *s = formula(d, v);
    bool named = d->names[v->id] && !strstr(s, " over ");
    const sym_t *size;
    bool long_index = v->op && v->op->code == IR_index && ir_get_syms(v->op, IR_ATTR_size, &size) == 1 && !sym_is_var(size[0]) && !sym_is_const(size[0], NULL);
    bool simple = named || !strcmp(s, "...") || (v->op && !infix(v->op->code) && v->op->code != IR_inrange && !long_index);
    bool chain = v->op && !d->names[v->id] && i == 0 && (v->op->code == op->code || v->op->code == IR_mul);
    return simple || chain ? s : arena_printf(d->a, "(%s)", s);
}

static const char *call_text(describer *d, const ir_op *op, const char *name) {
    text t = {.a = d->a};
    text_printf(&t, "%s(", name);
    for (int i = 0; i < op->n_operands; i++) text_printf(&t, "%s%s", i ? ", " : "", formula(d, ir_operand(op, i)));
    text_put(&t, ")");
    return t.s;
}

static const char *range_text(describer *d, const ir_op *op) {
    const sym_t *map, *extent, *idx;
    int n = ir_get_syms(op, IR_ATTR_map, &map), n_idx = ir_get_syms(op, IR_ATTR_idx, &idx), outside = d->n_scope;
    for (int i = 0; i < n_idx && i < op->n_operands; i++) describe_enter(d, idx[i], formula(d, ir_operand(op, i)));
    ir_get_syms(op, IR_ATTR_extent, &extent);
    text t = {.a = d->a};
    text_put(&t, n ? "" : "true");
    for (int i = 0; i < n; i++) {
        const char *at = describe_sym(d, map[i]), *low = sym_prove_ge0(d->f->module->syms, map[i]) ? "" : "0 <= ";
        text_printf(&t, "%s%s%s < %s", i ? " and " : "", low, at, describe_sym(d, extent[i]));
    }
    d->n_scope = outside;
    return t.s;
}

static const char *op_formula(describer *d, const ir_op *op) {
    const char *mid = infix(op->code);
    const sym_t *size;
    switch (op->code) {
    case IR_constant: return constant_text(d, op);
    case IR_read: return arena_printf(d->a, "%s%s", describe_buffer(d, ir_operand(op, 0)), position(d, op, 1));
    case IR_index: return ir_get_syms(op, IR_ATTR_size, &size) == 1 ? describe_sym(d, size[0]) : "...";
    case IR_inrange: return range_text(d, op);
    case IR_cast: return call_text(d, op, frit_dtype_name((frit_dtype)ir_result(op, 0)->type.dtype));
    case IR_bitcast: return call_text(d, op, arena_printf(d->a, "bits_as_%s", frit_dtype_name((frit_dtype)ir_result(op, 0)->type.dtype)));
    case IR_neg: return arena_printf(d->a, "-%s", operand(d, op, 0));
    case IR_not: return arena_printf(d->a, "not %s", operand(d, op, 0));
    default: break;
    }
    bool turned = op->code == IR_sub && ir_is(ir_operand(op, 0), IR_neg) && ir_is(ir_operand(op, 1), IR_neg); /* -x - -y */
    if (turned) return arena_printf(d->a, "%s - %s", operand(d, ir_operand(op, 1)->op, 0), operand(d, ir_operand(op, 0)->op, 0));
    if (mid) return arena_printf(d->a, "%s %s %s", operand(d, op, 0), mid, operand(d, op, 1));
    return call_text(d, op, ir_op_table[op->code].name);
}

static const char *formula(describer *d, const ir_value *v) {
    if (d->names[v->id]) return d->names[v->id];
    return v->op ? op_formula(d, v->op) : "...";
}

/* ---- What gets a line ---- */
typedef struct stage_text {
    describer *d;
    const char *indent;
    int n_vars;        /* that values of the block at hand depend on */
    const sym_t *vars;
} stage_text;

static bool is_read_as(const ir_value *v) { /* no more than an element, or a number */
    while (v->op && (v->op->code == IR_cast || v->op->code == IR_neg)) v = ir_operand(v->op, 0);
    return v->op && (v->op->code == IR_read || v->op->code == IR_constant || v->op->code == IR_index);
}

static const char *role(const ir_value *v, int depth) {
    if (v->hint) return v->hint;
    if (!v->op || depth == 0) return "value";
    switch (v->op->code) {
    case IR_cast: return role(ir_operand(v->op, 0), depth - 1);
    case IR_exp: return "e";
    case IR_add: return "sum";
    case IR_sub: return "difference";
    case IR_mul: return "product";
    case IR_div: return "quotient";
    case IR_inrange: return "inside";
    default: return v->type.dtype == FRIT_bool ? "holds" : "value";
    }
}

static void put_line(stage_text *s, const char *to, const char *how, const char *what) {
    text_printf(&s->d->out, "%s%s %s %s\n", s->indent, to, how, what);
}

/* Gives v a line, and the name that it has there. */
static void name_value(stage_text *s, const ir_value *v, const char *wanted, const char *what) {
    describer *d = s->d;
    if (d->n_lines-- <= 0) {
        d->names[v->id] = "...";
        return;
    }
    const char *name = describe_fresh(d, wanted);
    text t = {.a = d->a};
    text_put(&t, name);
    int n = 0;
    for (int i = 0; i < s->n_vars; i++) {
        const char *at = describe_sym(d, s->vars[i]);
        if (strcmp(at, "0")) text_printf(&t, "%s%s", n++ ? ", " : "[", at);
    }
    if (n) text_put(&t, "]");
    put_line(s, t.s, "=", what);
    d->names[v->id] = t.s;
}

static void count_uses(describer *d, const ir_value *v) {
    if (d->uses[v->id]++ || !v->op || d->names[v->id]) return;
    for (int i = 0; i < v->op->n_operands; i++)
        if (ir_operand(v->op, i)->type.kind != IR_BUFFER) count_uses(d, ir_operand(v->op, i));
}

/* Lines for what v's formula, which has one, would have twice, or be too long with. */
static void prepare(stage_text *s, const ir_value *v) {
    describer *d = s->d;
    if (d->sizes[v->id] || d->names[v->id] || !v->op) return;
    int size = 1;
    const ir_value *longest = NULL;
    for (int i = 0; i < v->op->n_operands; i++) {
        const ir_value *x = ir_operand(v->op, i);
        if (x->type.kind == IR_BUFFER) continue;
        prepare(s, x);
        if (d->uses[x->id] > 1 && !is_read_as(x) && !d->names[x->id]) name_value(s, x, role(x, 2), formula(d, x));
        if (d->names[x->id]) continue;
        size += d->sizes[x->id];
        if (!is_read_as(x) && (!longest || d->sizes[x->id] > d->sizes[longest->id])) longest = x;
    }
    if (size > LONGEST && longest) {
        name_value(s, longest, role(longest, 2), formula(d, longest));
        size -= d->sizes[longest->id];
    }
    d->sizes[v->id] = size;
}

/* ---- Stages ---- */
static void count_block(describer *d, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        bool root = op->code == IR_write || op->code == IR_only || (ir_op_flags(op) & IR_F_TERMINATOR);
        for (int i = 0; i < op->n_operands && root; i++)
            if (ir_operand(op, i)->type.kind != IR_BUFFER) count_uses(d, ir_operand(op, i));
    }
}

static const char *within_text(describer *d, const ir_op *write) {
    const sym_t *within;
    if (ir_get_syms(write, IR_ATTR_within, &within) != 2) return "";
    return arena_printf(d->a, " where %s < %s", describe_sym(d, within[0]), describe_sym(d, within[1]));
}

static void put_write(stage_text *s, const ir_op *op) {
    describer *d = s->d;
    const ir_value *x = ir_operand(op, 1);
    for (int i = 1; i < op->n_operands; i++) prepare(s, ir_operand(op, i));
    const char *to = arena_printf(d->a, "%s%s", describe_buffer(d, ir_operand(op, 0)), position(d, op, 2));
    ir_combine how = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SET);
    const char *joined = how == IR_SUM ? "+=" : how == IR_SET ? "=" : arena_printf(d->a, "%s=", ir_combine_name(how));
    put_line(s, to, joined, arena_printf(d->a, "%s%s", formula(d, x), within_text(d, op)));
    if (how == IR_SET && x->op && x->op->n_operands) d->names[x->id] = to; /* what follows uses it from there */
}

static void put_writes(stage_text *s, const ir_block *b) {
    const char *indent = s->indent;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_write) put_write(s, op);
        if (op->code != IR_only) continue;
        prepare(s, ir_operand(op, 0));
        text_printf(&s->d->out, "%swhere %s:\n", s->indent, formula(s->d, ir_operand(op, 0)));
        s->indent = arena_printf(s->d->a, "%s  ", s->indent);
    }
    s->indent = indent;
}

static const char *name_of_combined(ir_combine how) {
    switch (how) {
    case IR_SUM: return "sum";
    case IR_PROD: return "product";
    case IR_MAX: return "largest";
    case IR_MIN: return "smallest";
    default: return "found";
    }
}

/* The value is a line's whole formula, but for a cast. */
static bool stands_alone(const ir_value *v) {
    if (!v->uses) return true;
    if (v->uses->next) return false;
    const ir_op *user = v->uses->user;
    return user->code == IR_write || (user->code == IR_cast && stands_alone(ir_result(user, 0)));
}

/* "max over r < N of FORMULA" for each value that a stage reduces becomes the name of the epilogue's argument, or what that is named. */
static void put_reductions(stage_text *s, const ir_op *stage, int first, int n) {
    describer *d = s->d;
    const sym_t *vars, *extent;
    const int64_t *combines;
    int n_combines = ir_get_ints(stage, IR_ATTR_combines, &combines);
    const ir_op *yield = stage->blocks[0]->last;
    const char *over = "";
    ir_get_syms(stage, IR_ATTR_vars, &vars);
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    for (int i = first; i < n; i++)
        over = arena_printf(d->a, "%s%s%s < %s", over, i > first ? ", " : "", describe_sym(d, vars[i]), describe_sym(d, extent[i]));
    for (int i = 0; yield && i < yield->n_operands; i++) prepare(s, ir_operand(yield, i));
    s->n_vars = first;
    for (int i = 0; i < stage->blocks[1]->n_args; i++) {
        const ir_value *arg = stage->blocks[1]->args[i], *x = yield && i < yield->n_operands ? ir_operand(yield, i) : NULL;
        const char *name = i < n_combines ? name_of_combined((ir_combine)combines[i]) : "combined";
        const char *how = i < n_combines ? ir_combine_name((ir_combine)combines[i]) : "combined", *of = x ? formula(d, x) : "...";
        const char *all = arena_printf(d->a, d->sums_alone ? "%s over those of %s of %s" : "%s over %s of %s", how, over, of);
        if (d->sums_alone) {
            name_value(s, arg, name, all);
            continue;
        }
        if (stands_alone(arg)) d->names[arg->id] = all;
        else name_value(s, arg, arg->hint ? arg->hint : name, all);
    }
}

/* "for i0 < 16, i1 < N:", of those that have more than one position; "": there are none. */
static const char *range_of(describer *d, int n, const sym_t *vars, const sym_t *extent) {
    text t = {.a = d->a};
    for (int i = 0; i < n; i++)
        if (!sym_is(extent[i], 1)) text_printf(&t, "%s%s < %s", t.s ? ", " : "for ", describe_sym(d, vars[i]), describe_sym(d, extent[i]));
    return t.s ? t.s : "";
}

static bool writes(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next)
        if (op->code == IR_write) return true;
    return false;
}

void describe_stage(describer *d, const ir_op *stage, const char *indent) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(stage, IR_ATTR_vars, &vars), first = (int)ir_get_int(stage, IR_ATTR_parallel, 0);
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < d->n_scope && sym_is(extent[i], 1); k++)
            if (d->scope[k] == vars[i]) d->as[k] = sym_const(d->f->module->syms, 0); /* its only position */
    bool at_all = writes(stage->blocks[0]) && !d->sums_alone;
    const char *range = range_of(d, at_all ? n : first, vars, extent);
    if (*range && strcmp(range, d->range)) text_printf(&d->out, "%s%s:\n", indent, range);
    d->range = range;
    d->n_lines = MOST_LINES;
    stage_text s = {.d = d, .indent = *range ? arena_printf(d->a, "%s  ", indent) : indent, .n_vars = n, .vars = vars};
    for (int i = 0; i < 2; i++) count_block(d, stage->blocks[i]);
    if (!d->sums_alone) put_writes(&s, stage->blocks[0]);
    put_reductions(&s, stage, first, n);
    if (!d->sums_alone) put_writes(&s, stage->blocks[1]);
}
