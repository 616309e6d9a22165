/* Loops and branches. A carried value is one variable: the loop's initial value, its block argument, what the body
 * yields, and the loop's result. */
#include "printer_internal.h"
#include <string.h>

/* The expression of v, as printed, reads `arg`. */
static bool reads(const cprinter *p, const ir_value *v, const ir_value *arg) {
    if (v == arg) return true;
    const ir_expansion *call = c_math_result(p, v);
    if (call && call != p->math && c_knows(p, v, V_INLINE)) return reads(p, call->x, arg) || (call->y && reads(p, call->y, arg));
    if (!v->op || !c_knows(p, v, V_INLINE) || v->op->n_blocks) return false;
    for (int i = 0; i < v->op->n_operands; i++)
        if (reads(p, ir_operand(v->op, i), arg)) return true;
    return false;
}

/* vars[i] = operand i + skip of the yield, as if at once. args[i]: the block argument that vars[i] stands for, or NULL. */
static void assign(cprinter *p, const ir_op *yield, int skip, int n, const char *const *vars, ir_value *const *args) {
    const char **from = arena_array(p->a, const char *, n + 1);
    for (int i = 0; i < n; i++) {
        const ir_value *v = ir_operand(yield, i + skip);
        from[i] = c_value_of(p, v).s;
        bool late = false; /* reads a variable that has been given its next value by then */
        for (int j = 0; j < i && args; j++) late = late || (strcmp(from[j], vars[j]) && reads(p, v, args[j]));
        if (!late) continue;
        const char *name = c_fresh_name(p, arena_printf(p->a, "next_%s", vars[i]));
        c_line(p, "const %s %s = %s;", c_value_type(p, v), name, from[i]);
        from[i] = name;
    }
    for (int i = 0; i < n; i++)
        if (strcmp(from[i], vars[i])) c_line(p, "%s = %s;", vars[i], from[i]);
}

static const char *plain(cprinter *p, expr e) { return (e.prec == PREC_SPLAT ? c_scalar_of(p, e) : e).s; }

/* Variables with the values' types: initial values from init (NULL: none). */
static const char **variables(cprinter *p, const ir_op *op, int n, ir_value *const *named, const ir_value *const *init) {
    const char **vars = arena_array(p->a, const char *, n + 1);
    for (int i = 0; i < n; i++) {
        const ir_value *r = ir_result(op, i);
        const char *name = named && named[i]->name && !r->name ? named[i]->name : c_role(p, r);
        bool outer = init && p->in_place[r->id]; /* the loop around has the variable, with this value */
        vars[i] = outer ? p->in_place[r->id] : c_fresh_name(p, name);
        if (outer) ;
        else if (init) c_line(p, "%s %s = %s;", c_value_type(p, r), vars[i], plain(p, c_value_of(p, init[i])));
        else c_line(p, "%s %s;", c_value_type(p, r), vars[i]);
        p->value[r->id] = c_primary(vars[i]);
    }
    return vars;
}

static const ir_value *const *operands_from(cprinter *p, const ir_op *op, int first, int n) {
    const ir_value **v = arena_array(p->a, const ir_value *, n + 1);
    for (int i = 0; i < n; i++) v[i] = ir_operand(op, first + i);
    return v;
}

static struct declared *open_brace(cprinter *p) {
    p->indent++;
    return c_open_scope(p);
}
static void close_brace(cprinter *p, struct declared *outside) {
    c_close_scope(p, outside);
    p->indent--;
}

/* ------------ carried values that are computed in their variable */
static bool block_reads(const cprinter *p, const ir_op *from, const ir_value *arg) {
    for (const ir_op *op = from; op; op = op->next) {
        for (int i = 0; i < op->n_operands; i++)
            if (reads(p, ir_operand(op, i), arg)) return true;
        for (int i = 0; i < op->n_blocks; i++)
            if (block_reads(p, op->blocks[i]->first, arg)) return true;
    }
    return false;
}

/* A loop within that starts from arg and reads it nowhere else. */
static bool takes_over(const cprinter *p, const ir_value *v, const ir_value *arg) {
    const ir_op *loop = v->op;
    if (loop->code != IR_tfor || block_reads(p, loop->blocks[0]->first, arg)) return false;
    for (int i = 0; i < loop->n_operands; i++) {
        bool start = i >= 3 && ir_result(loop, i - 3) == v;
        if (start ? ir_operand(loop, i) != arg : reads(p, ir_operand(loop, i), arg)) return false;
    }
    return true;
}

/* The next value v of arg's variable may be assigned where it is computed: nothing reads arg from there on. */
static bool may_assign_early(const cprinter *p, const ir_block *body, const ir_value *v, const ir_value *arg) {
    if (!v->op || v->op->parent != body || c_knows(p, v, V_INLINE) || p->in_place[v->id] || v->type.kind != IR_VECTOR) return false;
    if (v->op->n_blocks ? !takes_over(p, v, arg) : v->op->n_results != 1 || v->op->code == IR_constant) return false;
    return !block_reads(p, v->op->next, arg);
}

static bool accumulates(const ir_op *op) {
    switch (op->code) {
    case IR_atom:
    case IR_wgmma:
    case IR_wgmma_wait:
    case IR_wgmma_fence:
    case IR_fma:
    case IR_add:
    case IR_max:
    case IR_min: return true;
    default: return false;
    }
}

/* Values that become one another, each read by the next alone, are computed in the one variable that they end in. */
static void assign_chain(cprinter *p, const ir_block *body, const ir_value *v, const ir_value *arg, const char *var) {
    if (!v->op || !accumulates(v->op)) return;
    for (int i = 0; i < v->op->n_operands; i++) {
        const ir_value *u = ir_operand(v->op, i);
        bool same = u->type.kind == IR_VECTOR && u->type.dtype == v->type.dtype && u->type.lanes == v->type.lanes;
        bool handed = v->op->n_results == 1 || (i < v->op->n_results && ir_result(v->op, i) == v);
        if (!same || !handed || !u->op || !accumulates(u->op) || u->uses->next || !may_assign_early(p, body, u, arg)) continue;
        p->in_place[u->id] = var;
        assign_chain(p, body, u, arg, var);
        return;
    }
}

static void assign_early(cprinter *p, const ir_block *body, int n, const char *const *vars) {
    const ir_op *yield = body->last;
    if (!yield || !(ir_op_flags(yield) & IR_F_TERMINATOR)) return;
    for (int i = 0; i < n; i++) {
        const ir_value *v = ir_operand(yield, i);
        if (!may_assign_early(p, body, v, body->args[1 + i])) continue;
        p->in_place[v->id] = vars[i];
        assign_chain(p, body, v, body->args[1 + i], vars[i]);
    }
}

static bool is_one(const ir_value *v) {
    int64_t k;
    return c_constant_int(v, &k) && k == 1;
}

/* i, j, i2, i3... from the outermost loop inwards. */
static const char *counter_name(const cprinter *p) {
    return p->loops == 0 ? "i" : p->loops == 1 ? "j" : arena_printf(p->a, "i%d", p->loops);
}

void c_for(cprinter *p, const ir_op *op) {
    int n = op->n_results;
    const ir_block *body = op->blocks[0];
    const char **vars = variables(p, op, n, body->args + 1, operands_from(p, op, 3, n));
    const ir_value *counter = body->args[0];
    const char *i = p->d->blocks && c_counts_tasks(counter) ? "task" : counter_name(p);
    struct declared *outside = c_open_scope(p);
    if (*i == 't') i = c_fresh_name(p, i);
    else p->loops++;
    p->value[counter->id] = c_primary(i);
    for (int k = 0; k < n; k++) p->value[body->args[1 + k]->id] = c_primary(vars[k]);
    assign_early(p, body, n, vars);
    int64_t unroll = ir_get_int(op, IR_ATTR_unroll, 1);
    if (unroll > 1 || (p->d->blocks && ir_keeps_rolled(p->f))) c_line(p, "UNROLL(%lld)", (long long)(unroll > 1 ? unroll : 1));
    expr step = c_operand_of(p, op, 2);
    const char *next = is_one(ir_operand(op, 2)) ? arena_printf(p->a, "%s++", i) : arena_printf(p->a, "%s += %s", i, step.s);
    c_line(p, "for (%s %s = %s; %s; %s) {", c_value_type(p, counter), i, c_operand_of(p, op, 0).s, c_binary(p, "<", c_primary(i), c_operand_of(p, op, 1)).s, next);
    open_brace(p);
    const ir_op *yield = c_block(p, body);
    if (yield) assign(p, yield, 0, n, vars, body->args + 1);
    if (*i != 't') p->loops--;
    close_brace(p, outside);
    c_line(p, "}");
    for (int k = 0; k < n; k++) c_chain(p, ir_result(op, k), vars[k]);
}

/* ------------ tif */
static bool is_empty(const ir_block *b) {
    return !b->first || ((ir_op_flags(b->first) & IR_F_TERMINATOR) && !b->first->n_operands);
}

/* The block is its yield alone, or expressions that are printed there. */
static const ir_op *only_yields(cprinter *p, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (ir_op_flags(op) & IR_F_TERMINATOR) return op;
        if (op->n_results != 1 || !c_knows(p, ir_result(op, 0), V_INLINE)) return NULL;
    }
    return NULL;
}

static bool print_choice(cprinter *p, const ir_op *op) {
    if (op->n_results != 1 || !only_yields(p, op->blocks[0]) || !only_yields(p, op->blocks[1])) return false;
    const ir_op *yes = c_block(p, op->blocks[0]), *no = c_block(p, op->blocks[1]);
    expr e = {arena_printf(p->a, "%s ? %s : %s", c_tight(p, c_operand_of(p, op, 0), PREC_LOR),
                           c_tight(p, c_operand_of(p, yes, 0), PREC_LOR), c_tight(p, c_operand_of(p, no, 0), PREC_COND)),
              PREC_COND};
    c_declare(p, ir_result(op, 0), e.s);
    return true;
}

static void print_arm(cprinter *p, const ir_block *b, int n, const char *const *vars) {
    struct declared *outside = open_brace(p);
    const ir_op *yield = c_block(p, b);
    if (yield) assign(p, yield, 0, n, vars, NULL);
    close_brace(p, outside);
}

void c_if(cprinter *p, const ir_op *op) {
    if (print_choice(p, op)) return;
    int n = op->n_results;
    const char **vars = variables(p, op, n, NULL, NULL);
    c_line(p, "if (%s) {", c_operand_of(p, op, 0).s);
    print_arm(p, op->blocks[0], n, vars);
    if (n || !is_empty(op->blocks[1])) {
        c_line(p, "} else {");
        print_arm(p, op->blocks[1], n, vars);
    }
    c_line(p, "}");
}

/* ------------ twhile */
void c_while(cprinter *p, const ir_op *op) {
    int n = op->n_operands;
    const ir_value *const *init = operands_from(p, op, 0, n);
    const char **carried = arena_array(p->a, const char *, n + 1);
    for (int i = 0; i < n; i++) {
        const ir_value *arg = op->blocks[0]->args[i];
        carried[i] = c_fresh_name(p, arg->name ? arg->name : c_role(p, init[i]));
        c_line(p, "%s %s = %s;", c_type_of(p, arg->type), carried[i], c_value_of(p, init[i]).s);
        p->value[arg->id] = c_primary(carried[i]);
    }
    const char **vars = variables(p, op, op->n_results, NULL, NULL);
    c_line(p, "for (;;) {");
    struct declared *outside = open_brace(p);
    const ir_op *test = c_block(p, op->blocks[0]);
    const char *cond = c_fresh_name(p, "goes_on");
    c_line(p, "const bool %s = %s;", cond, c_operand_of(p, test, 0).s);
    assign(p, test, 1, op->n_results, vars, NULL);
    c_line(p, "if (!%s) break;", cond);
    for (int i = 0; i < op->blocks[1]->n_args; i++) p->value[op->blocks[1]->args[i]->id] = c_primary(vars[i]);
    const ir_op *next = c_block(p, op->blocks[1]);
    if (next) assign(p, next, 0, n, carried, NULL);
    close_brace(p, outside);
    c_line(p, "}");
}
