/* Modules, kernels, blocks. */
#include "printer_internal.h"
#include <string.h>

void c_fail(cprinter *p, const ir_op *op, const char *what) {
    if (!p->error)
        p->error = arena_printf(p->a, "internal error: kernel '%s': op '%s': %s", p->f->name, ir_op_table[op->code].name, what);
}

enum { COLUMNS = 120, INDENT = 4 };

void c_line(cprinter *p, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *s = arena_vprintf(p->a, fmt, ap);
    va_end(ap);
    for (int indent = INDENT * p->indent;; indent = INDENT * (p->indent + 2)) {
        size_t room = indent < COLUMNS / 2 ? (size_t)(COLUMNS - indent) : COLUMNS / 2, n = strlen(s);
        if (p->d->blocks && n > room) n = c_first_part(s, room);
        text_printf(&p->out, "%*s%.*s\n", indent, "", (int)n, s);
        s += n;
        if (!*s) return;
        s++;
    }
}

static bool combines(const ir_op *op) {
    return op->code == IR_add || op->code == IR_mul || op->code == IR_max || op->code == IR_min || op->code == IR_and || op->code == IR_or;
}

bool c_chain(cprinter *p, const ir_value *v, const char *variable) {
    const ir_use *a = v->uses, *b = a ? a->next : NULL;
    if (!p->d->blocks || !b || b->next || !v->op || (p->in_place[v->id] && !c_knows(p, v, V_CHAINED))) return false;
    const ir_op *shuffle = a->user->code == IR_shuffle ? a->user : b->user, *with = shuffle == a->user ? b->user : a->user;
    if (shuffle->code != IR_shuffle || ir_operand(shuffle, 0) != v || !combines(with) || with->parent != v->op->parent) return false;
    const ir_value *told = ir_result(shuffle, 0), *r = ir_result(with, 0);
    bool next = told->uses && !told->uses->next && told->uses->user == with && c_knows(p, told, V_INLINE);
    if (!next || p->in_place[r->id] || c_knows(p, r, V_INLINE) || r->type.lanes != v->type.lanes || r->type.dtype != v->type.dtype) return false;
    p->in_place[r->id] = variable;
    p->facts[r->id] |= V_CHAINED;
    return true;
}

void c_declare(cprinter *p, const ir_value *v, const char *init) {
    const char *name = p->in_place[v->id];
    bool own = !name;
    if (own) name = c_fresh_name(p, c_role(p, v));
    bool chained = c_chain(p, v, name);
    if (own) c_line(p, "%s%s %s = %s;", chained ? "" : "const ", c_value_type(p, v), name, init);
    else c_line(p, "%s = %s;", name, init);
    p->value[v->id] = c_primary(name);
}

void c_bind(cprinter *p, const ir_value *v, expr e) {
    if (c_knows(p, v, V_INLINE)) p->value[v->id] = e;
    else c_declare(p, v, (e.prec == PREC_SPLAT ? c_scalar_of(p, e) : e).s);
}

static bool prints_value(const ir_op *op) { return op->n_results == 1 && ir_result(op, 0)->type.kind == IR_VECTOR; }

static void print_op(cprinter *p, const ir_op *op) {
    if (op->n_results == 1 && c_knows(p, ir_result(op, 0), V_UNUSED)) return;
    switch (op->code) {
    case IR_tfor: c_for(p, op); return;
    case IR_tif: c_if(p, op); return;
    case IR_twhile: c_while(p, op); return;
    case IR_store:
    case IR_store_lanes: c_store(p, op); return;
    case IR_local:
    case IR_ptradd:
    case IR_ptrcast: c_pointer(p, op); return;
    default: break;
    }
    if (p->d->blocks && c_block_op(p, op)) return;
    if (!prints_value(op)) {
        c_fail(p, op, "has no meaning here");
        return;
    }
    const ir_value *v = ir_result(op, 0);
    bool lanes = op->code == IR_splat || op->code == IR_ramp || op->code == IR_extract || op->code == IR_reduce_lanes ||
                 op->code == IR_reinterpret;
    if (op->code == IR_load || op->code == IR_load_lanes) c_bind(p, v, c_load_of(p, op));
    else if (op->code == IR_constant) c_constant(p, op);
    else if (lanes) c_bind(p, v, c_lanes_op(p, op));
    else if (ir_op_flags(op) & IR_F_ELEMENTWISE) c_bind(p, v, c_elementwise(p, op));
    else c_fail(p, op, "has no meaning in thread code");
}

const ir_op *c_ops(cprinter *p, const ir_op *first, const ir_op *last) {
    for (const ir_op *op = first; op; op = op == last ? NULL : op->next) {
        if (ir_op_flags(op) & IR_F_TERMINATOR) return op;
        const ir_expansion *e = op->n_results ? p->math_first[ir_result(op, 0)->id] : NULL;
        if (!e || e == p->math) {
            print_op(p, op);
            continue;
        }
        c_math(p, e);
        op = e->last;
    }
    return NULL;
}

const ir_op *c_block(cprinter *p, const ir_block *b) { return c_ops(p, b->first, b->last); }

/* ------------ the CPU kernel ABI */
enum { TAIL = 3 }; /* scratch, begin, end */

/* Locals for the arguments that are used, from the arrays that the ABI passes. */
static void open_arguments(cprinter *p) {
    const ir_block *b = p->f->body;
    int n_ptr = 0, n_int = 0;
    for (int i = 0; i < b->n_args - TAIL; i++) {
        const ir_value *v = b->args[i];
        bool ptr = v->type.kind == IR_PTR;
        int at = ptr ? n_ptr++ : n_int++;
        const char *name = c_fresh_name(p, v->name ? v->name : ptr ? "buffer" : "size");
        p->value[v->id] = c_primary(name);
        if (!v->uses) continue;
        const char *constant = ptr && !p->written[i] ? "const " : "", *type = c_memory_type(p, (frit_dtype)v->type.dtype);
        if (ptr) c_line(p, "%s%s *%s %s = (%s%s *)buffers[%d];", constant, type, p->d->restrict_, name, constant, type, at);
        else c_line(p, "const i64 %s = ints[%d];", name, at);
    }
    static const char *const tail[TAIL] = {"scratch", "begin", "end"};
    if (b->args[b->n_args - TAIL]->uses) c_line(p, "u8 *const scratch = (u8 *)memory;");
    for (int i = 0; i < TAIL; i++) p->value[b->args[b->n_args - TAIL + i]->id] = c_primary(tail[i]);
}

/* ------------ headers */
/* How much of s, which is longer than `room`, goes on one line: up to a space where the fewest parentheses are open; within some, behind a
 * comma rather. */
static size_t header_part(const char *s, size_t room) {
    size_t best = 0;
    int depth = 0, least = 0;
    for (size_t i = 0; i < room; i++) {
        depth += (s[i] == '(' || s[i] == '[') - (s[i] == ')' || s[i] == ']');
        if (s[i] != ' ' || i < room / 3) continue;
        int price = 2 * depth + (depth > 0 && s[i - 1] != ',');
        if (best && price > least) continue;
        best = i, least = price;
    }
    return best ? best : strlen(s);
}

/* A line of a header, broken where it has to be. */
static void header_line(text *t, const char *s) {
    enum { MARKS = 3 };
    size_t indent = strspn(s, " "), more = indent + INDENT;
    s += indent;
    for (size_t n = strlen(s); n; n = strlen(s), indent = more) {
        size_t room = indent < COLUMNS / 2 ? COLUMNS - MARKS - indent : COLUMNS / 2;
        if (n > room) n = header_part(s, room);
        text_printf(t, " * %*s%.*s\n", (int)indent, "", (int)n, s);
        s += n + (s[n] == ' ');
    }
}

static bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* s with each word `from`, a parameter's name in formulas, as the text has it. */
static const char *rename_word(cprinter *p, const char *s, const char *from, const char *to) {
    size_t n = strlen(from);
    text t = {.a = p->a};
    text_put(&t, "");
    for (const char *c = s; *c;) {
        bool starts = is_word(*c) && (c == s || !is_word(c[-1])), same = starts && !strncmp(c, from, n) && !is_word(c[n]);
        if (same) text_put(&t, to);
        else text_putn(&t, c, 1);
        c += same ? n : 1;
    }
    return t.s;
}

/* What passes/describe.h says of the kernel: its parameters, a line each, then what it computes. */
static const char *described(cprinter *p) {
    const char *s = p->f->doc ? p->f->doc : "", *all = s;
    for (int i = 0; i < p->f->body->n_args && *s && *s != '\n'; i++, s += strcspn(s, "\n") + 1) {
        const char *name = arena_printf(p->a, "%.*s", (int)strcspn(s, ":"), s), *printed = c_value_of(p, p->f->body->args[i]).s;
        if (strcmp(name, printed)) all = rename_word(p, all, name, printed);
    }
    return all;
}

/* Tensor maps are parameters behind the func's arguments, in the order of their ops. */
static void put_map_lines(cprinter *p, text *t) {
    for (const ir_op *op = p->f->body->first; op; op = op->next) {
        if (op->code != IR_tensor_map) continue;
        const char *name = c_value_of(p, ir_result(op, 0)).s + 1, *of = c_base_name(p, ir_operand(op, 0));
        header_line(t, arena_printf(p->a, "%s: tensor map of %s", name, of ? of : "a buffer"));
    }
}

static const char *header(cprinter *p) {
    text t = {.a = p->a};
    text_printf(&t, "/* %s\n", p->f->name);
    if (p->d->blocks) {
        header_line(&t, arena_printf(p->a, "launch: `tasks` blocks, or fewer that take turns, each of %d threads and %lld bytes of shared memory",
                                     p->f->threads, (long long)p->f->shared));
        if (p->f->cluster) header_line(&t, arena_printf(p->a, "in clusters of %d", p->f->cluster));
    }
    text_put(&t, " *\n");
    bool parameters = true; /* come first */
    for (const char *s = described(p); *s;) {
        size_t n = strcspn(s, "\n");
        if (!n && parameters) put_map_lines(p, &t);
        parameters = parameters && n;
        if (n) header_line(&t, arena_printf(p->a, "%.*s", (int)n, s));
        else text_put(&t, " *\n");
        s += n + (s[n] == '\n');
    }
    text_put(&t, " */\n");
    return t.s;
}

static void start(cprinter *p, const ir_func *f) {
    int n = f->module->n_values + 1;
    p->f = f;
    p->out = p->locals = (text){.a = p->a};
    text_put(&p->out, "");
    text_put(&p->locals, "");
    p->indent = 1;
    p->value = arena_array(p->a, expr, n);
    p->facts = arena_array(p->a, uint8_t, n);
    p->scale = arena_array(p->a, int8_t, n);
    p->roots = arena_array(p->a, int, n);
    p->in_place = arena_array(p->a, const char *, n);
    p->math_first = arena_array(p->a, const ir_expansion *, n);
    p->math_result = arena_array(p->a, const ir_expansion *, n);
    p->math = NULL;
    c_find_math(p);
    p->written = arena_array(p->a, bool, f->body->n_args + 1);
    p->names = (name_table){.a = p->a};
    p->declared = NULL;
    p->constants = NULL;
    p->next_temp = p->loops = 0;
    p->uses_shared = false;
    c_find_facts(p);
}

static void print_core_kernel(cprinter *p, text *module) {
    open_arguments(p);
    c_block(p, p->f->body);
    text_printf(module, "\n%sFRIT_KERNEL void %s(void *const *buffers, const i64 *ints, void *memory, i64 begin, i64 end) {\n"
                        "    (void)ints, (void)memory; /* not all kernels use them */\n%s%s}\n",
                header(p), cprint_kernel_name(p->a, p->f), p->locals.s, p->out.s);
}

/* ------------ the launch contract of docs/gpu.md */
static const char *parameter(cprinter *p, int i) {
    const ir_block *b = p->f->body;
    const ir_value *v = b->args[i];
    const char *name = i == b->n_args - 1 ? "tasks" : i == b->n_args - 2 ? "scratch" : NULL;
    bool ptr = v->type.kind == IR_PTR;
    if (!name) name = c_fresh_name(p, v->name ? v->name : ptr ? "buffer" : "size");
    p->value[v->id] = c_primary(name);
    if (!ptr) return arena_printf(p->a, "i64 %s", name);
    const char *type = c_memory_type(p, (frit_dtype)v->type.dtype);
    return arena_printf(p->a, "%s%s *%s %s", p->written[i] ? "" : "const ", type, p->d->restrict_, name);
}

static void put_maps(cprinter *p, text *parameters) {
    for (const ir_op *op = p->f->body->first; op; op = op->next) {
        if (op->code != IR_tensor_map) continue;
        const ir_value *v = ir_result(op, 0);
        const char *of = c_base_name(p, ir_operand(op, 0)), *name = c_fresh_name(p, v->name ? v->name : of ? arena_printf(p->a, "%s_map", of) : "map");
        c_define_tensor_map(p);
        text_printf(parameters, ",\n        const __grid_constant__ tensor_map %s", name);
        p->value[v->id] = c_primary(arena_printf(p->a, "&%s", name));
    }
}

static void print_block_kernel(cprinter *p, text *module) {
    text parameters = {.a = p->a};
    for (int i = 0; i < p->f->body->n_args; i++) text_printf(&parameters, "%s\n        %s", i ? "," : "", parameter(p, i));
    put_maps(p, &parameters);
    c_block(p, p->f->body);
    text_printf(module, "\n%sextern \"C\" ", header(p));
    text_printf(module, p->d->bounds, p->f->threads);
    if (p->f->cluster) text_printf(module, " __cluster_dims__(%d, 1, 1)", p->f->cluster);
    text_printf(module, " %s(%s) {\n", cprint_kernel_name(p->a, p->f), parameters.s);
    if (p->uses_shared) text_printf(module, "    %s\n", p->d->shared);
    text_printf(module, "%s%s}\n", p->locals.s, p->out.s);
}

static void print_kernel(cprinter *p, const ir_func *f, text *module) {
    start(p, f);
    if (p->d->blocks != (f->threads > 0))
        p->error = arena_printf(p->a, "internal error: kernel '%s' is not for this dialect's machines", f->name);
    else if (p->d->blocks) print_block_kernel(p, module);
    else print_core_kernel(p, module);
}

/* What the text is, and how it is used. */
static const char *file_comment(const cprinter *p, const char *arch, int n, ir_func *const *kernels) {
    if (!arch || !p->d->about) return "";
    const char *model = n ? kernels[0]->module->model : NULL;
    const char *of = model ? arena_printf(p->a, " of the model '%s'", model) : "";
    return arena_printf(p->a, "/* %d kernel%s%s, made by frit " FRIT_VERSION ".\n%s */\n", n, n == 1 ? "" : "s", of,
                        arena_printf(p->a, p->d->about, arch, arch, arch));
}

const char *cprint_module(arena *a, cprint_dialect d, const char *arch, int n, ir_func *const *kernels, const char **error) {
    static const dialect *const dialects[CPRINT_DIALECT_COUNT] = {&dialect_c, &dialect_cuda, &dialect_hip};
    cprinter p = {.a = a, .d = dialects[d], .types = {.a = a}, .instructions = {.a = a}, .helpers = {.a = a}, .seen = {.a = a}};
    text module = {.a = a};
    text_put(&p.types, "");
    text_put(&p.instructions, "");
    text_put(&p.helpers, "");
    text_put(&module, "");
    for (int i = 0; i < n && !p.error; i++) print_kernel(&p, kernels[i], &module);
    *error = p.error;
    if (p.error) return NULL;
    if (!p.d->blocks) return arena_printf(a, "%s%s%s%s", p.d->preamble, p.types.s, p.helpers.s, module.s);
    const char *instructions = *p.instructions.s ? arena_printf(a, "\n#ifndef FRIT_EMULATE\n%s#endif\n", c_compact(&p, p.instructions.s)) : "";
    return arena_printf(a, "%s%s%s%s%s%s%s", file_comment(&p, arch, n, kernels), p.d->preamble, p.types.s, instructions, *p.helpers.s ? "\n" : "", c_compact(&p, p.helpers.s), module.s);
}
