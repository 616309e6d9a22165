/* What passes/expand_math.c made of one op is printed as a function of the text, once for each type. */
#include "printer_internal.h"
#include <string.h>

void c_find_math(cprinter *p) {
    for (const ir_expansion *e = p->d->blocks ? p->f->expansions : NULL; e; e = e->next) {
        p->math_first[ir_result(e->first, 0)->id] = e;
        p->math_result[e->result->id] = e;
    }
}

/* How the function is computed (passes/expand_math*.c). */
static const char *about(ir_opcode code) {
    switch (code) {
    case IR_exp: return "/* x = 2 n ln 2 + r: e^r by a polynomial, times 2^n twice; n by rounding in float arithmetic */\n";
    case IR_exp2: return "/* x = 2 n + r: 2^r by a polynomial, times 2^n twice; n by rounding in float arithmetic */\n";
    case IR_expm1: return "/* x = n ln 2 + r: 2^n (e^r - 1) + (2^n - 1), e^r - 1 by a polynomial */\n";
    case IR_log:
    case IR_log2:
    case IR_log1p: return "/* x = 2^k f, f between 1/sqrt 2 and sqrt 2: k ln 2 plus the logarithm of f by a polynomial */\n";
    case IR_erf: return "/* near 0 a polynomial, else 1 - e^P(|x|), P = log erfc; the exponential as in exp; x's sign */\n";
    case IR_tanh: return "/* near 0 a polynomial, else 1 - 2 / (e^2|x| + 1); the exponential as in exp; x's sign */\n";
    case IR_sin:
    case IR_cos: return "/* x = k pi/2 + r: a polynomial of r, by k mod 4 */\n";
    case IR_pow: return "/* e^(y log x), log x in two parts; then the cases of IEEE 754 */\n";
    default: return "";
    }
}

/* The body in names of its own. What is known of its values holds wherever it is called: they are made of floats alone. */
static void define(cprinter *p, const ir_expansion *e, const char *name) {
    cprinter outside = *p;
    expr x = p->value[e->x->id], y = e->y ? p->value[e->y->id] : x;
    p->out = p->locals = (text){.a = p->a};
    text_put(&p->out, "");
    text_put(&p->locals, "");
    p->names = (name_table){.a = p->a};
    p->declared = NULL, p->constants = NULL;
    p->indent = 1, p->next_temp = p->loops = 0;
    p->math = e;
    p->value[e->x->id] = c_primary(c_lasting_name(p, "x"));
    if (e->y) p->value[e->y->id] = c_primary(c_lasting_name(p, "y"));
    c_ops(p, e->first, e->last);
    const char *second = e->y ? arena_printf(p->a, ", %s y", c_type_of(p, e->y->type)) : "";
    c_helper_define(p, "%s%s %s %s(%s x%s) {\n%s%s    return %s;\n}\n", about(e->code), p->d->inline_, c_type_of(p, e->result->type), name, c_type_of(p, e->x->type),
                    second, p->locals.s, p->out.s, c_value_of(p, e->result).s);
    p->value[e->x->id] = x;
    if (e->y) p->value[e->y->id] = y;
    p->out = outside.out, p->locals = outside.locals, p->names = outside.names;
    p->declared = outside.declared, p->constants = outside.constants;
    p->indent = outside.indent, p->next_temp = outside.next_temp, p->loops = outside.loops;
    p->math = outside.math;
}

void c_math(cprinter *p, const ir_expansion *e) {
    if (c_knows(p, e->result, V_UNUSED)) return;
    ir_type t = e->result->type;
    const char *name = arena_printf(p->a, "%s_%s", ir_op_table[e->code].name, c_type_tag(p, (frit_dtype)t.dtype, t.lanes));
    if (c_helper_new(p, name)) define(p, e, name);
    expr x[2] = {c_value_of(p, e->x), e->y ? c_value_of(p, e->y) : (expr){"", PREC_PRIMARY}};
    for (int i = 0; i < 2; i++)
        if (x[i].prec == PREC_SPLAT) x[i] = c_scalar_of(p, x[i]);
    c_bind(p, e->result, c_call(p, name, e->y ? 2 : 1, x));
}
