/* The table of built-in functions: binding of arguments by its parameter lists. */
#include "elab_builtins.h"
#include <stdlib.h>
#include <string.h>

static const builtin table[] = {
#define BUILTIN(name, params, fn, doc) {name, params, fn, doc},
#include "builtins.def"
#undef BUILTIN
};
enum { COUNT = sizeof table / sizeof table[0] };

/* Elementwise ops by name: a builtin without a function of its own. */
static const char *const elementwise_params[] = {"", "x", "x, y", "x, y, z"};
static const builtin elementwise[] = {
#define OP(name, operands, results, blocks, flags, attrs, names, doc) {#name, NULL, NULL, doc},
#include "ir/elementwise.def"
#undef OP
};
enum { ELEMENTWISE = sizeof elementwise / sizeof elementwise[0] };

static ir_opcode el_elementwise_op(const char *name) {
    static const char *const hidden[] = {"constant", "cast", "bitcast", "select", "min", "max", "and", "or", "not", "xor"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (!strcmp(name, hidden[i]))
            return IR_OP_INVALID;
    ir_opcode op = ir_opcode_from_name(name, strlen(name));
    return op != IR_OP_INVALID && (ir_op_table[op].flags & IR_F_ELEMENTWISE) ? op : IR_OP_INVALID;
}

const builtin *el_builtin_find(const char *name) {
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(table[i].name, name))
            return &table[i];
    if (el_elementwise_op(name) == IR_OP_INVALID)
        return NULL;
    for (int i = 0; i < ELEMENTWISE; i++)
        if (!strcmp(elementwise[i].name, name))
            return &elementwise[i];
    return NULL;
}

void el_builtin_names(void (*f)(void *u, const char *name), void *u) {
    for (int i = 0; i < COUNT; i++)
        f(u, table[i].name);
    for (int i = 0; i < ELEMENTWISE; i++)
        if (el_elementwise_op(elementwise[i].name) != IR_OP_INVALID)
            f(u, elementwise[i].name);
}

enum { MAX_PARAMS = 8 };
typedef struct params {
    int n;
    char name[MAX_PARAMS][24], text[MAX_PARAMS][24]; /* text "": required */
} params;

static const char *params_text(const builtin *b) {
    return b->params ? b->params : elementwise_params[ir_op_table[el_elementwise_op(b->name)].n_operands];
}

static void read_params(const builtin *b, params *p) {
    const char *s = params_text(b);
    *p = (params){0};
    while (*s) {
        size_t n = strcspn(s, ",="), d = 0;
        memcpy(p->name[p->n], s, n);
        s += n;
        if (*s == '=') {
            d = strcspn(++s, ",");
            memcpy(p->text[p->n], s, d);
            s += d;
        }
        p->n++;
        s += strspn(s, ", ");
    }
}

static val default_value(elab *e, const char *t) {
    if (!strcmp(t, "none"))
        return v_none();
    if (!strcmp(t, "true") || !strcmp(t, "false"))
        return v_bool(*t == 't');
    frit_dtype d = frit_dtype_from_name(t, strlen(t));
    return d != FRIT_DTYPE_COUNT ? v_dtype(d) : v_consti(e, strtol(t, NULL, 10));
}

bool el_builtin_takes(const builtin *b, const char *name) {
    params p;
    read_params(b, &p);
    for (int i = 0; i < p.n; i++)
        if (!strcmp(p.name[i], name))
            return true;
    return false;
}

static int find_param(const params *p, const char *name) {
    for (int i = 0; i < p->n; i++)
        if (!strcmp(p->name[i], name))
            return i;
    return -1;
}

static void note_usage(elab *e, const builtin *b, diag_record *r) {
    diag_note(e->d, r, (ir_span){0}, "%s(%s): %s", b->name, params_text(b), b->doc);
}

static bool unknown_param(elab *e, const builtin *b, const params *p, const arg *a) {
    const char *names[MAX_PARAMS];
    for (int i = 0; i < p->n; i++)
        names[i] = p->name[i];
    diag_record *r = diag_report(e->d, MSG_UNKNOWN_ARGUMENT, el_at(e, a->span), b->name, a->name);
    const char *near = el_keyword(a->name, names, p->n);
    if (near)
        diag_suggest(e->d, r, "did you mean '%s'?", near);
    else
        note_usage(e, b, r);
    el_fail(e, r);
    return false;
}

static bool place(elab *e, const builtin *b, const params *p, arg *args, int n, arg *out) {
    int position = 0;
    for (int i = 0; i < n; i++) {
        int k = args[i].name ? find_param(p, args[i].name) : position++;
        if (k < 0)
            return unknown_param(e, b, p, &args[i]);
        if (k >= p->n) {
            diag_record *r = diag_report(e->d, MSG_EXTRA_ARGUMENT, el_at(e, args[i].span), b->name, p->n, position);
            note_usage(e, b, r);
            el_fail(e, r);
            return false;
        }
        if (out[k].span.file || out[k].v.kind != V_ERROR) {
            diag_record *r = diag_report(e->d, MSG_DUPLICATE_ARGUMENT, el_at(e, args[i].span), p->name[k]);
            diag_note(e->d, r, out[k].span, "argument %d is '%s'", k + 1, p->name[k]);
            note_usage(e, b, r);
            el_fail(e, r);
            return false;
        }
        out[k] = args[i];
    }
    return true;
}

val el_call_builtin(elab *e, const builtin *b, arg *args, int n, ir_span at) {
    params p;
    arg given[MAX_PARAMS] = {0};
    val v[MAX_PARAMS];
    read_params(b, &p);
    if (!place(e, b, &p, args, n, given))
        return v_error();
    for (int i = 0; i < p.n; i++) {
        bool present = given[i].v.kind != V_ERROR;
        if (!present && !p.text[i][0]) {
            diag_record *r = diag_report(e->d, MSG_MISSING_ARGUMENT, el_at(e, at), b->name, p.name[i]);
            note_usage(e, b, r);
            return el_fail(e, r);
        }
        v[i] = present ? given[i].v : default_value(e, p.text[i]);
    }
    call_site c = {at, b->name, given};
    if (b->fn)
        return b->fn(e, &c, v);
    ir_opcode op = el_elementwise_op(b->name);
    val host;
    if (el_host_call(e, op, v, p.n, &host))
        return host;
    return el_elementwise(e, op, v, p.n, b->name, at);
}
