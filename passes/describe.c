#include "describe.h"
#include "ir/text.h"
#include <string.h>

enum { LONGEST = 30, MOST_VARIABLES = 96 }; /* values that one formula shows; variables in scope */

typedef struct describer {
    arena *a;
    const ir_func *f;
    const char **names; /* by value id */
    int n_allocs;
    int left; /* values that the formula at hand may still show */
    int n_scope; /* variables of the grid, loops and stage at hand, and what they are called: names that are taken get a number */
    sym_t scope[MOST_VARIABLES], as[MOST_VARIABLES];
    text out;
} describer;

static const char *formula(describer *d, const ir_value *v);

static const char *sym_text(describer *d, sym_t s) {
    return sym_print(d->a, sym_subst(d->f->module->syms, s, d->n_scope, d->scope, d->as));
}

static const char *position(describer *d, const ir_op *op) {
    const sym_t *map;
    int n = ir_get_syms(op, IR_ATTR_map, &map);
    text t = {.a = d->a};
    text_put(&t, "[");
    for (int i = 0; i < n; i++) text_printf(&t, "%s%s", i ? ", " : "", sym_text(d, map[i]));
    text_put(&t, "]");
    return t.s;
}

/* Arguments have the model's names, made different as the printer of texts does; buffers of a task are s0, s1... */
static const char *argument_name(describer *d, const ir_value *v) {
    const char *base = v->name ? v->name : "buffer", *name = base;
    for (int i = 0, n = 2; i < v->index; i++)
        if (!strcmp(d->names[d->f->body->args[i]->id], name)) name = arena_printf(d->a, "%s_%d", base, n++), i = -1;
    return name;
}

static const char *name_of(describer *d, const ir_value *v) {
    if (!d->names[v->id]) d->names[v->id] = v->block ? argument_name(d, v) : arena_printf(d->a, "s%d", d->n_allocs++);
    return d->names[v->id];
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

/* An operand of an infix operator: in parentheses if it is one. */
static const char *operand(describer *d, const ir_op *op, int i) {
    const ir_value *v = ir_operand(op, i);
    const char *s = formula(d, v);
    bool simple = !v->op || !infix(v->op->code) || !strcmp(s, "...");
    bool chain = v->op && (v->op->code == op->code || v->op->code == IR_mul) && i == 0;
    return simple || chain ? s : arena_printf(d->a, "(%s)", s);
}

static const char *call_text(describer *d, const ir_op *op, const char *name, int from) {
    text t = {.a = d->a};
    text_printf(&t, "%s(", name);
    for (int i = from; i < op->n_operands; i++)
        text_printf(&t, "%s%s", i > from ? ", " : "", formula(d, ir_operand(op, i)));
    text_put(&t, ")");
    return t.s;
}

static const char *op_formula(describer *d, const ir_op *op) {
    const char *mid = infix(op->code);
    const sym_t *size;
    switch (op->code) {
    case IR_constant: return constant_text(d, op);
    case IR_read: return arena_printf(d->a, "%s%s", name_of(d, ir_operand(op, 0)), position(d, op));
    case IR_index: return ir_get_syms(op, IR_ATTR_size, &size) == 1 ? sym_text(d, size[0]) : "...";
    case IR_cast: return call_text(d, op, frit_dtype_name((frit_dtype)ir_result(op, 0)->type.dtype), 0);
    case IR_neg: return arena_printf(d->a, "-%s", operand(d, op, 0));
    default: break;
    }
    if (mid) return arena_printf(d->a, "%s %s %s", operand(d, op, 0), mid, operand(d, op, 1));
    return call_text(d, op, ir_op_table[op->code].name, 0);
}

static const char *formula(describer *d, const ir_value *v) {
    if (d->names[v->id]) return d->names[v->id];
    return v->op && d->left-- > 0 ? op_formula(d, v->op) : "...";
}

static bool is_taken(const describer *d, const char *name) {
    for (int i = 0; i < d->n_scope; i++)
        if (!strcmp(sym_var_name(d->as[i]), name)) return true;
    return false;
}

static void open_variables(describer *d, int n, const sym_t *vars) {
    for (int i = 0; i < n && d->n_scope < MOST_VARIABLES; i++) {
        const char *name = sym_var_name(vars[i]);
        for (int k = 2; is_taken(d, name); k++) name = arena_printf(d->a, "%s%d", sym_var_name(vars[i]), k);
        bool own = !strcmp(name, sym_var_name(vars[i]));
        d->scope[d->n_scope] = vars[i];
        d->as[d->n_scope++] = own ? vars[i] : sym_var(d->f->module->syms, name, SYM_INDEX, sym_var_lo(vars[i]), sym_var_hi(vars[i]));
    }
}

/* "max over r < N of FORMULA" for each value that a stage reduces becomes the name of the epilogue's argument. */
static void bind_reductions(describer *d, const ir_op *stage) {
    const sym_t *vars;
    const int64_t *combines;
    int n = ir_get_syms(stage, IR_ATTR_vars, &vars), first = (int)ir_get_int(stage, IR_ATTR_parallel, 0);
    int n_combines = ir_get_ints(stage, IR_ATTR_combines, &combines);
    const ir_op *yield = stage->blocks[0]->last;
    const char *over = "";
    for (int i = first; i < n; i++) over = arena_printf(d->a, "%s%s%s", over, i > first ? ", " : "", sym_text(d, vars[i]));
    for (int i = 0; i < stage->blocks[1]->n_args; i++) {
        const char *how = i < n_combines ? ir_combine_name((ir_combine)combines[i]) : "combined";
        d->left = LONGEST;
        const char *of = yield && i < yield->n_operands ? formula(d, ir_operand(yield, i)) : "...";
        d->names[stage->blocks[1]->args[i]->id] = arena_printf(d->a, "%s over %s of %s", how, over, of);
    }
}

static void put_writes(describer *d, const ir_block *b, const char *indent) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code != IR_write) continue;
        const ir_value *x = ir_operand(op, 1);
        d->left = LONGEST;
        const char *to = arena_printf(d->a, "%s%s", name_of(d, ir_operand(op, 0)), position(d, op));
        ir_combine how = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SET);
        const char *joined = how == IR_SUM ? " +=" : how == IR_SET ? " =" : arena_printf(d->a, " %s=", ir_combine_name(how));
        text_printf(&d->out, "%s%s%s %s\n", indent, to, joined, formula(d, x));
        if (x->op && x->op->n_operands) d->names[x->id] = to; /* what follows uses it from there */
    }
}

static void put_block(describer *d, const ir_block *b, const char *indent) {
    const sym_t *vars, *extent;
    int outside = d->n_scope;
    for (const ir_op *op = b->first; op; op = op->next, d->n_scope = outside) {
        int n = op->code == IR_for || op->code == IR_stage ? ir_get_syms(op, IR_ATTR_vars, &vars) : 0;
        if (n > 0) open_variables(d, n, vars);
        if (op->code == IR_for && n == 1 && ir_get_syms(op, IR_ATTR_extent, &extent) == 1) {
            text_printf(&d->out, "%sfor %s < %s:\n", indent, sym_text(d, vars[0]), sym_text(d, extent[0]));
            put_block(d, op->blocks[0], arena_printf(d->a, "%s  ", indent));
        }
        if (op->code != IR_stage) continue;
        bind_reductions(d, op);
        put_writes(d, op->blocks[0], indent);
        put_writes(d, op->blocks[1], indent);
    }
}

/* A guard is min(1, e) or 1 - min(1, e), e being at least 0 (variant.h): "if e > 0" or "if e == 0". */
static const char *guard_text(describer *d, sym_t guard) {
    sym_ctx *c = d->f->module->syms;
    bool no = sym_is(guard, 0) || sym_kind_of(guard) != SYM_MIN;
    sym_t least = no ? sym_sub(c, sym_const(c, 1), guard) : guard, one = sym_const(c, 1);
    if (sym_kind_of(least) != SYM_MIN || (sym_arg(least, 0) != one && sym_arg(least, 1) != one)) return NULL;
    sym_t e = sym_arg(least, sym_arg(least, 0) == one);
    int64_t k;
    if (sym_kind_of(e) == SYM_FLOORDIV && sym_is_const(sym_arg(e, 1), &k) && k > 0)
        return arena_printf(d->a, "if %s %s %lld, ", sym_text(d, sym_arg(e, 0)), no ? "<" : ">=", (long long)k);
    return arena_printf(d->a, "if %s %s 0, ", sym_text(d, e), no ? "==" : ">");
}

static void put_grid(describer *d, const ir_op *grid) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(grid, IR_ATTR_vars, &vars);
    ir_get_syms(grid, IR_ATTR_extent, &extent);
    d->n_scope = 0;
    open_variables(d, n, vars);
    const char *guard = n && !strcmp(sym_var_name(vars[0]), "on") ? guard_text(d, extent[0]) : NULL;
    bool some = n > (guard != NULL);
    text_printf(&d->out, "\n%s%s", guard ? guard : "", some ? "tasks " : "one task:");
    for (int i = guard != NULL; i < n; i++)
        text_printf(&d->out, "%s%s < %s", i > (guard != NULL) ? ", " : "", sym_text(d, vars[i]), sym_text(d, extent[i]));
    text_put(&d->out, some ? ":\n" : "\n");
    put_block(d, grid->blocks[0], "  ");
}

static void name_buffers(describer *d, ir_block *b) {
    for (ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_alloc) ir_result(op, 0)->name = d->names[ir_result(op, 0)->id];
        for (int i = 0; i < op->n_blocks; i++) name_buffers(d, op->blocks[i]);
    }
}

const char *describe_kernel(arena *a, ir_func *f) {
    describer d = {.a = a, .f = f, .names = arena_array(a, const char *, f->module->n_values + 1), .out = {.a = a}};
    text_put(&d.out, "");
    for (int i = 0; i < f->body->n_args; i++) {
        const ir_value *v = f->body->args[i];
        const char *type = ir_type_print(a, ir_tensor(f->module, (frit_dtype)v->type.dtype, v->type.rank, v->type.dims));
        text_printf(&d.out, "%s: %s, %s\n", name_of(&d, v), type, ir_is_written(v) ? "out" : "in");
    }
    for (const ir_op *op = f->body->first; op; op = op->next)
        if (op->code == IR_grid) put_grid(&d, op);
    name_buffers(&d, f->body);
    return d.out.s;
}
