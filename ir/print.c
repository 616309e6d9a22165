/* The printer of .fir text. See README.md for the format. Names are chosen here: values are unique in their function,
 * variables among those in scope together. */
#include "verify_internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIST_MAX = 16,    /* constants of more elements are printed as hexadecimal bytes */
    TYPICAL_DIM = 128 /* the hint of a dim that has none (sym_hint) */
};

typedef struct scoped {
    sym_t var;
    const char *name;
} scoped;

typedef struct printer {
    arena *a;
    const ir_module *m;
    text t;
    VEC(scoped) scope; /* variables that have a name now, outermost first */
    int header;        /* how many of them hold for the whole module */
    const char **values; /* name by value id */
    name_table taken;    /* names of values of this function */
    int unnamed, indent;
    const char *(*note)(void *u, const ir_op *op);
    void *note_context;
} printer;

/* ---- Names ---- */

static const char *find_var(const printer *p, sym_t var) {
    for (int i = p->scope.len - 1; i >= 0; i--)
        if (p->scope.data[i].var == var) return p->scope.data[i].name;
    return NULL;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* name with everything but letters, digits and underscores (and dots) replaced; starts with a letter. */
static const char *clean(arena *a, const char *name, bool dots) {
    if (!name || !*name) return "v";
    char *s = arena_printf(a, "%s%s", is_letter(*name) ? "" : "v", name);
    for (char *c = s; *c; c++)
        if (!is_letter(*c) && !is_digit(*c) && !(dots && *c == '.')) *c = '_';
    return s;
}

static bool var_taken(const printer *p, const char *name) {
    static const char *const words[] = {"min", "max", "invalid", "in", "is", "hint", "multiple", "inf", "nan",
                                        "dim", "int", "index", "value", "free", "bound", "param", "state", "check",
                                        "func"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], name)) return true;
    for (int i = 0; i < p->scope.len; i++)
        if (!strcmp(p->scope.data[i].name, name)) return true;
    return false;
}

static const char *declare_var(printer *p, sym_t var) {
    const char *base = clean(p->a, sym_var_name(var), false), *name = base;
    for (int i = 1; var_taken(p, name); i++) name = arena_printf(p->a, "%s_%d", base, i);
    vec_push(p->a, &p->scope, ((scoped){var, name}));
    return name;
}

/* A variable that nothing in scope declares (a lone op is printed, or the program is wrong) keeps its own name. */
static const char *var_name(void *u, sym_t var) {
    printer *p = u;
    const char *name = find_var(p, var);
    return name ? name : clean(p->a, sym_var_name(var), false);
}

/* The table holds for every name how many values asked for it, so that the n-th one finds a free number at once. */
static void name_value(printer *p, const ir_value *v) {
    if (!v->name || !*v->name) {
        p->values[v->id] = arena_printf(p->a, "%d", p->unnamed++);
        return;
    }
    const char *base = clean(p->a, v->name, true), *name = base;
    int *asked = name_get(&p->taken, base, strlen(base));
    if (asked) {
        do {
            name = arena_printf(p->a, "%s_%d", base, ++*asked);
        } while (name_get(&p->taken, name, strlen(name)));
    }
    name_set(&p->taken, name, strlen(name), arena_new_of(p->a, int));
    p->values[v->id] = name;
}

static void name_block(printer *p, const ir_block *b) {
    for (int i = 0; i < b->n_args; i++) name_value(p, b->args[i]);
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_results; i++) name_value(p, &op->results[i]);
        for (int i = 0; i < op->n_blocks; i++) name_block(p, op->blocks[i]);
    }
}

static void name_func(printer *p, const ir_func *f) {
    p->values = arena_array(p->a, const char *, p->m->n_values + 1);
    p->taken = (name_table){.a = p->a};
    p->unnamed = 0;
    name_block(p, f->body);
}

/* ---- Pieces ---- */

static void put_sym(printer *p, sym_t s) { text_sym(&p->t, s, var_name, p); }

static void put_type(printer *p, ir_type t) {
    if (t.kind != IR_TENSOR && t.kind != IR_BUFFER) {
        text_put(&p->t, ir_type_print(p->a, t));
        return;
    }
    if (t.kind == IR_BUFFER)
        text_printf(&p->t, "buffer %s ", t.space < IR_SPACE_COUNT ? ir_space_names[t.space] : "?");
    text_printf(&p->t, "%s[", frit_dtype_name((frit_dtype)t.dtype));
    for (int i = 0; i < t.rank; i++) {
        if (i) text_put(&p->t, ", ");
        put_sym(p, t.dims[i]);
    }
    text_put(&p->t, "]");
}

static bool is_identifier(const char *s) {
    if (!is_letter(*s)) return false;
    while (is_letter(*s) || is_digit(*s)) s++;
    return !*s;
}

static void put_name(printer *p, const char *s) {
    if (is_identifier(s)) text_put(&p->t, s);
    else text_quote(&p->t, s);
}

static void put_value(printer *p, const ir_value *v) {
    const char *name = v && p->values && v->id < p->m->n_values ? p->values[v->id] : NULL;
    text_printf(&p->t, "%%%s", name ? name : "?");
}

/* ---- Variables ---- */

static void put_range(printer *p, sym_t lo, sym_t hi) {
    text_put(&p->t, " in ");
    if (lo) put_sym(p, lo);
    text_put(&p->t, "..");
    if (hi) put_sym(p, hi);
}

static void put_multiple(printer *p, sym_t var) {
    if (sym_var_multiple(var) > 1) text_printf(&p->t, " multiple %lld", (long long)sym_var_multiple(var));
}

static bool is_const_or_none(sym_t s) { return !s || sym_is_const(s, NULL); }

/* The lower bound that needs saying: a dim is never below 0 anyway. */
static sym_t said_lo(sym_t var) {
    sym_t lo = sym_var_lo(var);
    return lo && sym_var_role(var) == SYM_DIM && sym_is(lo, 0) ? NULL : lo;
}

/* A variable of the attributes vars, idx or counter: `i < 64`, or the name alone for one of the module. */
static void put_declared(printer *p, sym_t var, int role) {
    if (!sym_is_var(var)) {
        put_sym(p, var);
        return;
    }
    for (int i = 0; i < p->header; i++) {
        if (p->scope.data[i].var != var) continue;
        text_put(&p->t, p->scope.data[i].name);
        return;
    }
    sym_t lo = sym_var_lo(var), hi = sym_var_hi(var);
    text lines = p->t; /* bounds are written before the variable itself has a name */
    p->t = (text){.a = p->a};
    if ((int)sym_var_role(var) != role) text_printf(&p->t, ": %s", ir_role_names[sym_var_role(var)]);
    if (p->m && sym_var_role(var) != SYM_DIM && lo && sym_is(lo, 0) && hi) {
        text_put(&p->t, " < ");
        put_sym(p, sym_addi(p->m->syms, hi, 1));
    } else if (said_lo(var) || hi) {
        put_range(p, said_lo(var), hi);
    }
    put_multiple(p, var);
    const char *bounds = p->t.n ? p->t.s : "";
    p->t = lines;
    text_printf(&p->t, "%s%s", declare_var(p, var), bounds);
}

/* ---- Attributes ---- */

static bool same_number(frit_dtype t, const void *data, int64_t i, number v) {
    uint64_t a = 0, b = 0;
    unsigned bits = frit_dtype_bits(t);
    number_store(t, &b, 0, v);
    if (bits < 8) return frit_load_int(t, data, i) == frit_load_int(t, &b, 0);
    memcpy(&a, (const char *)data + i * (bits / 8), bits / 8);
    return a == b;
}

/* Element i as a number that reads back to the same bits; false when no decimal number does (a NaN with a payload). */
static bool put_element(printer *p, frit_dtype t, const void *data, int64_t i) {
    if (frit_dtype_is_float(t)) {
        number v = {.is_float = true, .f = frit_load_float(t, data, i)};
        if (!same_number(t, data, i, v)) return false;
        char s[40] = "nan";
        bool whole = v.f == rint(v.f) && fabs(v.f) < 1e15;
        /* The shortest that rounds to the same element, but whole numbers in full. */
        for (int digits = whole ? 17 : 1; digits <= 17 && !isnan(v.f); digits++) {
            snprintf(s, sizeof s, "%.*g", digits, v.f);
            if (same_number(t, data, i, (number){.is_float = true, .f = strtod(s, NULL)})) break;
        }
        text_put(&p->t, s);
        return true;
    }
    number v = {.i = frit_load_int(t, data, i)};
    if (!same_number(t, data, i, v)) return false;
    if (t == FRIT_u64) text_printf(&p->t, "%llu", (unsigned long long)v.i);
    else text_printf(&p->t, "%lld", (long long)v.i);
    return true;
}

/* The number of elements, when the dims are numbers. */
static bool const_elements(ir_type t, int64_t *n) {
    *n = 1;
    for (int i = 0; i < t.rank; i++) {
        int64_t dim;
        if (!sym_is_const(t.dims[i], &dim) || __builtin_mul_overflow(*n, dim, n)) return false;
    }
    return true;
}

static bool put_elements(printer *p, const ir_op *op, const ir_attr *attr) {
    if (op->n_results != 1) return false;
    ir_type type = op->results[0].type;
    frit_dtype t = (frit_dtype)type.dtype;
    int64_t bytes = attr->data.bytes, n = -1;
    if (bytes == ir_splat_bytes(type)) {
        const uint8_t *b = attr->data.p;
        if (frit_dtype_bits(t) < 8 && (*b >> 4) != (*b & 15)) return false;
        return put_element(p, t, b, 0);
    }
    if (type.kind != IR_TENSOR || !const_elements(type, &n) || n > LIST_MAX || n < 1) return false;
    bool padded = n == 2 && bytes == 2 && frit_dtype_bits(t) < 8 && ((const uint8_t *)attr->data.p)[1] == 0;
    bool odd = n % 2 && frit_dtype_bits(t) < 8 && ((const uint8_t *)attr->data.p)[bytes - 1] >> 4 != 0;
    if ((frit_dtype_bytes(t, n) != bytes && !padded) || odd) return false;
    text_put(&p->t, "[");
    for (int64_t i = 0; i < n; i++) {
        if (i) text_put(&p->t, ", ");
        if (!put_element(p, t, attr->data.p, i)) return false;
    }
    text_put(&p->t, "]");
    return true;
}

static void put_data(printer *p, const ir_op *op, const ir_attr *attr) {
    size_t start = p->t.n;
    if (put_elements(p, op, attr)) return;
    p->t.n = start;
    text_put(&p->t, "x\"");
    for (int64_t i = 0; i < attr->data.bytes; i++)
        text_putn(&p->t, (const char[]){"0123456789abcdef"[((const uint8_t *)attr->data.p)[i] >> 4],
                                        "0123456789abcdef"[((const uint8_t *)attr->data.p)[i] & 15]}, 2);
    text_put(&p->t, "\"");
}

static void put_ints(printer *p, const ir_attr *attr) {
    text_put(&p->t, "[");
    for (int i = 0; i < attr->ints.n; i++) {
        int64_t v = attr->ints.v[i];
        if (i) text_put(&p->t, ", ");
        if (attr->key == IR_ATTR_combines && v >= 0 && v < IR_COMBINE_COUNT)
            text_put(&p->t, ir_combine_name((ir_combine)v));
        else text_printf(&p->t, "%lld", (long long)v);
    }
    text_put(&p->t, "]");
}

static void put_syms(printer *p, const ir_op *op, const ir_attr *attr) {
    int role = ir_declared_role(op->code, (ir_attr_key)attr->key);
    text_put(&p->t, "[");
    for (int i = 0; i < attr->syms.n; i++) {
        if (i) text_put(&p->t, ", ");
        if (role >= 0) put_declared(p, attr->syms.v[i], role);
        else put_sym(p, attr->syms.v[i]);
    }
    text_put(&p->t, "]");
}

static void put_attr(printer *p, const ir_op *op, const ir_attr *attr) {
    text_printf(&p->t, "%s = ", ir_attr_table[attr->key].name);
    switch (ir_attr_table[attr->key].kind) {
    case IR_ATTR_INT: text_printf(&p->t, "%lld", (long long)attr->i); break;
    case IR_ATTR_FLOAT: text_double(&p->t, attr->f); break;
    case IR_ATTR_STRING: text_quote(&p->t, attr->s); break;
    case IR_ATTR_DTYPE: text_put(&p->t, frit_dtype_name((frit_dtype)attr->i)); break;
    case IR_ATTR_ENUM:
        if (attr->i >= 0 && attr->i < IR_COMBINE_COUNT) text_put(&p->t, ir_combine_name((ir_combine)attr->i));
        else text_printf(&p->t, "%lld", (long long)attr->i);
        break;
    case IR_ATTR_INTS: put_ints(p, attr); break;
    case IR_ATTR_SYMS: put_syms(p, op, attr); break;
    case IR_ATTR_DATA: put_data(p, op, attr); break;
    }
}

/* ---- Ops, blocks, funcs ---- */

static void put_block(printer *p, const ir_block *b);

static void put_indent(printer *p) { text_printf(&p->t, "%*s", 4 * p->indent, ""); }

static void put_op(printer *p, const ir_op *op) {
    int mark = p->scope.len;
    for (int i = 0; i < op->n_results; i++) {
        if (i) text_put(&p->t, ", ");
        put_value(p, &op->results[i]);
    }
    const char *opcode = (unsigned)op->code < IR_OPCODE_COUNT ? ir_op_table[op->code].name : "?";
    text_printf(&p->t, "%s%s(", op->n_results ? " = " : "", opcode);
    for (int i = 0; i < op->n_operands; i++) {
        if (i) text_put(&p->t, ", ");
        put_value(p, op->operands[i].value);
    }
    text_put(&p->t, ")");
    for (int i = 0; i < op->n_attrs; i++) {
        text_put(&p->t, i ? ", " : " {");
        put_attr(p, op, &op->attrs[i]);
    }
    if (op->n_attrs) text_put(&p->t, "}");
    for (int i = 0; i < op->n_results; i++) {
        text_put(&p->t, i ? ", " : " : ");
        put_type(p, op->results[i].type);
    }
    for (int i = 0; i < op->n_blocks; i++) {
        text_put(&p->t, " ");
        put_block(p, op->blocks[i]);
    }
    if (op->code != IR_compact) p->scope.len = mark; /* compact's dim lives to the end of its block */
}

static void put_args(printer *p, const ir_block *b, const sym_t *is) {
    text_put(&p->t, "(");
    for (int i = 0; i < b->n_args; i++) {
        if (i) text_put(&p->t, ", ");
        put_value(p, b->args[i]);
        text_put(&p->t, ": ");
        put_type(p, b->args[i]->type);
        if (!is || !is[i]) continue;
        text_put(&p->t, " is ");
        put_sym(p, is[i]);
    }
    text_put(&p->t, ")");
}

static void put_note(printer *p, const ir_op *op) {
    const char *note = p->note ? p->note(p->note_context, op) : NULL;
    if (!note) return;
    put_indent(p);
    text_printf(&p->t, "# %s\n", note);
}

static void put_body(printer *p, const ir_block *b) {
    int mark = p->scope.len;
    text_put(&p->t, " {\n");
    p->indent++;
    for (const ir_op *op = b->first; op; op = op->next) {
        put_note(p, op);
        put_indent(p);
        put_op(p, op);
        text_put(&p->t, "\n");
    }
    p->indent--;
    p->scope.len = mark;
    put_indent(p);
    text_put(&p->t, "}");
}

static void put_block(printer *p, const ir_block *b) {
    put_args(p, b, NULL);
    put_body(p, b);
}

static void put_func(printer *p, const ir_func *f) {
    name_func(p, f);
    text_printf(&p->t, "func %s @", ir_level_names[f->level]);
    put_name(p, f->name);
    put_args(p, f->body, f->arg_syms);
    if (f->result_names) {
        text_put(&p->t, " -> (");
        for (int i = 0; i < f->n_results; i++) {
            if (i) text_put(&p->t, ", ");
            if (f->result_names[i]) put_name(p, f->result_names[i]);
            else text_put(&p->t, "\"\"");
        }
        text_put(&p->t, ")");
    } else if (f->n_results) {
        text_printf(&p->t, " -> %d", f->n_results);
    }
    if (f->threads) text_printf(&p->t, " threads %d shared %lld", f->threads, (long long)f->shared);
    if (f->cluster) text_printf(&p->t, " cluster %d", f->cluster);
    if (f->doc) {
        text_put(&p->t, " doc ");
        text_quote(&p->t, f->doc);
    }
    put_body(p, f->body);
    text_put(&p->t, "\n");
}

/* ---- Module ---- */

/* Finds the variables that neither the module nor an op around their use declares (a kernel's function uses the dims of
 * the model it was cut from): they are declared as `free`. */
typedef struct finder {
    printer *p;
    VEC(sym_t) bound, found;
} finder;

static void find_free(void *u, sym_t var) {
    finder *f = u;
    for (int i = 0; i < f->p->scope.len; i++)
        if (f->p->scope.data[i].var == var) return;
    for (int i = 0; i < f->bound.len; i++)
        if (f->bound.data[i] == var) return;
    for (int i = 0; i < f->found.len; i++)
        if (f->found.data[i] == var) return;
    if (sym_definition(var)) { /* written behind what it is made of */
        sym_each_var(sym_definition(var), find_free, f);
        vec_push(f->p->a, &f->found, var);
        return;
    }
    vec_push(f->p->a, &f->found, var);
    if (sym_var_lo(var)) sym_each_var(sym_var_lo(var), find_free, f);
    if (sym_var_hi(var)) sym_each_var(sym_var_hi(var), find_free, f);
}

static void find_in_type(finder *f, ir_type t) {
    for (int i = 0; i < t.rank; i++) sym_each_var(t.dims[i], find_free, f);
}

static void find_in_block(finder *f, const ir_block *b);

static void find_in_op(finder *f, const ir_op *op) {
    int mark = f->bound.len;
    for (int i = 0; i < op->n_attrs; i++) {
        const ir_attr *a = &op->attrs[i];
        if (ir_attr_table[a->key].kind != IR_ATTR_SYMS) continue;
        bool declares = ir_declared_role(op->code, (ir_attr_key)a->key) >= 0;
        for (int k = 0; k < a->syms.n; k++) {
            sym_t s = a->syms.v[k];
            if (!declares || !sym_is_var(s)) {
                sym_each_var(s, find_free, f);
                continue;
            }
            if (sym_var_lo(s)) sym_each_var(sym_var_lo(s), find_free, f);
            if (sym_var_hi(s)) sym_each_var(sym_var_hi(s), find_free, f);
            vec_push(f->p->a, &f->bound, s);
        }
    }
    for (int i = 0; i < op->n_results; i++) find_in_type(f, op->results[i].type);
    for (int i = 0; i < op->n_blocks; i++) find_in_block(f, op->blocks[i]);
    if (op->code != IR_compact) f->bound.len = mark;
}

static void find_in_block(finder *f, const ir_block *b) {
    int mark = f->bound.len;
    for (int i = 0; i < b->n_args; i++) find_in_type(f, b->args[i]->type);
    for (const ir_op *op = b->first; op; op = op->next) find_in_op(f, op);
    f->bound.len = mark;
}

static void find_in_module(finder *f) {
    const ir_module *m = f->p->m;
    for (int i = 0; i < m->symbols.len; i++) {
        if (sym_var_lo(m->symbols.data[i])) sym_each_var(sym_var_lo(m->symbols.data[i]), find_free, f);
        if (sym_var_hi(m->symbols.data[i])) sym_each_var(sym_var_hi(m->symbols.data[i]), find_free, f);
    }
    for (int i = 0; i < m->globals.len; i++) find_in_type(f, m->globals.data[i]->type);
    for (int i = 0; i < m->checks.len; i++) {
        sym_each_var(m->checks.data[i].lhs, find_free, f);
        sym_each_var(m->checks.data[i].rhs, find_free, f);
    }
    for (const ir_func *fn = m->funcs; fn; fn = fn->next) {
        for (int i = 0; fn->arg_syms && i < fn->body->n_args; i++)
            if (fn->arg_syms[i]) sym_each_var(fn->arg_syms[i], find_free, f);
        find_in_block(f, fn->body);
    }
}

static void put_symbol(printer *p, sym_t var, const char *name, bool is_free) {
    text_printf(&p->t, "%s%s %s", is_free ? "free " : "", ir_role_names[sym_var_role(var)], name);
    if (sym_definition(var)) {
        text_put(&p->t, " = ");
        put_sym(p, sym_definition(var));
        text_put(&p->t, "\n");
        return;
    }
    sym_t lo = said_lo(var), hi = sym_var_hi(var);
    if ((lo || hi) && is_const_or_none(lo) && is_const_or_none(hi)) put_range(p, lo, hi);
    put_multiple(p, var);
    sym_role role = sym_var_role(var);
    if ((role == SYM_DIM && sym_hint(var) != TYPICAL_DIM) || (role == SYM_INT && sym_hint(var) != 0))
        text_printf(&p->t, " hint %lld", (long long)sym_hint(var));
    text_put(&p->t, "\n");
}

/* Bounds that are no numbers follow once all symbols are declared. */
static void put_bound(printer *p, sym_t var, const char *name) {
    sym_t lo = said_lo(var), hi = sym_var_hi(var);
    if (sym_definition(var) || sym_var_role(var) > SYM_INT || (is_const_or_none(lo) && is_const_or_none(hi))) return;
    text_printf(&p->t, "bound %s", name);
    put_range(p, lo, hi);
    text_put(&p->t, "\n");
}

static void declare_symbols(printer *p, int *n_symbols) {
    for (int i = 0; i < p->m->symbols.len; i++) declare_var(p, p->m->symbols.data[i]);
    *n_symbols = p->scope.len;
    finder f = {.p = p};
    find_in_module(&f);
    for (int i = 0; i < f.found.len; i++) declare_var(p, f.found.data[i]);
    p->header = p->scope.len;
}

static void put_header(printer *p) {
    int n_symbols;
    declare_symbols(p, &n_symbols);
    text_printf(&p->t, "fir %d\n", FIR_VERSION);
    for (int i = 0; i < p->header; i++)
        put_symbol(p, p->scope.data[i].var, p->scope.data[i].name, i >= n_symbols);
    for (int i = 0; i < p->header; i++) put_bound(p, p->scope.data[i].var, p->scope.data[i].name);
    for (int i = 0; i < p->m->globals.len; i++) {
        const ir_global *g = p->m->globals.data[i];
        text_put(&p->t, g->is_state ? "state " : "param ");
        text_quote(&p->t, g->path);
        text_put(&p->t, ": ");
        put_type(p, g->type);
        if (g->init) {
            text_put(&p->t, " = @");
            put_name(p, g->init->name);
        }
        text_put(&p->t, "\n");
    }
    for (int i = 0; i < p->m->checks.len; i++) {
        const ir_check *c = &p->m->checks.data[i];
        text_put(&p->t, "check ");
        put_sym(p, c->lhs);
        text_printf(&p->t, " %s ", c->op);
        put_sym(p, c->rhs);
        text_put(&p->t, " ");
        text_quote(&p->t, c->text ? c->text : "");
        text_put(&p->t, "\n");
    }
}

const char *ir_print(arena *a, const ir_module *m) { return ir_print_noted(a, m, NULL, NULL); }

const char *ir_print_noted(arena *a, const ir_module *m, const char *(*note)(void *u, const ir_op *op), void *u) {
    printer p = {.a = a, .m = m, .t = {.a = a}, .note = note, .note_context = u};
    put_header(&p);
    for (const ir_func *f = m->funcs; f; f = f->next) {
        text_put(&p.t, "\n");
        put_func(&p, f);
    }
    return p.t.s;
}

const char *ir_print_func(arena *a, const ir_func *f) {
    printer p = {.a = a, .m = f->module, .t = {.a = a}};
    int n_symbols;
    declare_symbols(&p, &n_symbols);
    put_func(&p, f);
    return p.t.s;
}

const char *ir_print_op(arena *a, const ir_op *op) {
    const ir_func *f = op->parent ? ir_block_func(op->parent) : NULL;
    printer p = {.a = a, .m = f ? f->module : NULL, .t = {.a = a}};
    if (f) name_func(&p, f);
    put_op(&p, op);
    return p.t.s;
}
