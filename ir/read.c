/* The reader of .fir text: modules, funcs, ops. It builds what the text says, as long as that is a well-formed tree with
 * every name defined before its use; whether the program makes sense is for ir_verify. */
#include "read_internal.h"
#include <math.h>
#include <string.h>

static void read_block(reader *r, ir_block *b);

static sym_role read_role(reader *r, int standard) {
    for (int i = 0; i < 4; i++)
        if (read_accept_word(r, ir_role_names[i])) return (sym_role)i;
    read_fail(r, "dim, int, index or value");
    return (sym_role)standard;
}

static void read_multiple(reader *r, sym_t var) {
    if (!read_accept_word(r, "multiple")) return;
    int64_t v = read_int(r);
    if (v < 1) read_fail(r, "a multiple of at least 1 before this");
    else sym_var_bound(r->m->syms, var, NULL, NULL, v);
}

/* ---- Attributes ---- */

/* A variable that vars, idx or counter declares; a bare name of one of the module's variables stands for that. */
static sym_t read_declared(reader *r, int role) {
    sym_ctx *c = r->m->syms;
    const char *name = r->t.s;
    size_t len = r->t.len;
    sym_t lo = NULL, hi = NULL;
    if (r->t.kind != TOK_NAME) return read_sym(r);
    read_next(r);
    bool bare = read_is(r, ',') || read_is(r, ']');
    for (int i = 0; bare && i < r->header; i++)
        if (r->scope.data[i].len == len && !memcmp(r->scope.data[i].name, name, len)) return r->scope.data[i].var;
    if (read_accept(r, ':')) role = read_role(r, role);
    if (read_accept(r, '<')) {
        lo = sym_const(c, 0);
        hi = sym_addi(c, read_sym(r), -1);
    } else {
        read_range(r, &lo, &hi);
    }
    sym_t var = sym_var(c, arena_strndup(r->scratch, name, len), (sym_role)role, lo, hi);
    read_multiple(r, var);
    read_add_var(r, name, len, var);
    return var;
}

static void read_syms(reader *r, ir_op *op, ir_attr_key key) {
    VEC(sym_t) v = {0};
    int role = ir_declared_role(op->code, key);
    read_expect(r, '[');
    while (!r->failed && !read_accept(r, ']')) {
        if (v.len) read_expect(r, ',');
        sym_t s = role >= 0 ? read_declared(r, role) : read_sym(r);
        vec_push(r->scratch, &v, s);
    }
    ir_set_syms(r->m, op, key, v.len, v.data);
}

static ir_combine read_combine(reader *r) {
    for (int c = 0; c < IR_COMBINE_COUNT; c++)
        if (read_accept_word(r, ir_combine_name((ir_combine)c))) return (ir_combine)c;
    read_fail(r, "sum, prod, max, min, any, all, argmax, argmin or set");
    return IR_SUM;
}

static void read_ints(reader *r, ir_op *op, ir_attr_key key) {
    VEC(int64_t) v = {0};
    read_expect(r, '[');
    while (!r->failed && !read_accept(r, ']')) {
        if (v.len) read_expect(r, ',');
        int64_t i = key == IR_ATTR_combines && r->t.kind == TOK_NAME ? (int64_t)read_combine(r) : read_int(r);
        vec_push(r->scratch, &v, i);
    }
    ir_set_ints(r->m, op, key, v.len, v.data);
}

static number read_number(reader *r) {
    bool negative = read_accept(r, '-');
    number n = {.is_float = true};
    if (read_accept_word(r, "inf")) {
        n.f = INFINITY;
    } else if (read_accept_word(r, "nan")) {
        n.f = NAN;
    } else if (r->t.kind == TOK_FLOAT || r->t.kind == TOK_INT) {
        n.is_float = r->t.kind == TOK_FLOAT;
        n.f = r->t.f;
        n.i = (int64_t)(negative ? 0 - r->t.u : r->t.u);
        read_next(r);
    } else {
        read_fail(r, "a number");
    }
    if (negative) n.f = -n.f;
    return n;
}

/* Elements of a constant, kept until the type of the result is known. */
typedef struct elements {
    bool given, is_list;
    VEC(number) list;
    const char *bytes; /* of x"..." */
    size_t size;
    uint32_t begin;
} elements;

static void read_data(reader *r, elements *e) {
    e->given = true;
    e->begin = r->t.begin;
    e->list.len = 0;
    e->bytes = NULL;
    e->is_list = false;
    if (r->t.kind == TOK_HEX) {
        e->bytes = r->t.text;
        e->size = r->t.size;
        read_next(r);
    } else if (read_accept(r, '[')) {
        e->is_list = true;
        while (!r->failed && !read_accept(r, ']')) {
            if (e->list.len) read_expect(r, ',');
            number n = read_number(r);
            vec_push(r->scratch, &e->list, n);
        }
    } else {
        number n = read_number(r);
        vec_push(r->scratch, &e->list, n);
    }
}

static void store_number(frit_dtype t, void *buf, int64_t i, number v) {
    if (frit_dtype_is_float(t) && !v.is_float) v.is_float = true; /* an integer literal, -0 included */
    number_store(t, buf, i, v);
}

static void set_data(reader *r, ir_op *op, const elements *e) {
    if (!e->given || r->failed) return;
    if (op->n_results != 1) {
        read_fail_at(r, e->begin, e->begin, "elements of an op with %d results", op->n_results);
        return;
    }
    frit_dtype t = (frit_dtype)op->results[0].type.dtype;
    if (e->bytes) {
        ir_set_data(r->m, op, IR_ATTR_value, e->bytes, (int64_t)e->size);
        return;
    }
    int n = e->list.len;
    bool nibbles = frit_dtype_bits(t) < 8;
    int64_t bytes = frit_dtype_bytes(t, n);
    if (nibbles && n == 2 && e->is_list) bytes = 2; /* not to be taken for a splat: see ir_dense */
    uint8_t *buf = arena_alloc(r->scratch, (size_t)bytes + 8);
    for (int i = 0; i < n; i++) store_number(t, buf, i, e->list.data[i]);
    if (nibbles && !e->is_list) store_number(t, buf, 1, e->list.data[0]);
    ir_set_data(r->m, op, IR_ATTR_value, buf, bytes);
}

static frit_dtype read_dtype_attr(reader *r) {
    frit_dtype t = read_dtype_word(&r->t);
    if (t == FRIT_DTYPE_COUNT) read_fail(r, "a dtype");
    else read_next(r);
    return t;
}

static void read_attr_value(reader *r, ir_op *op, ir_attr_key key, elements *data) {
    ir_module *m = r->m;
    switch (ir_attr_table[key].kind) {
    case IR_ATTR_INT: ir_set_int(m, op, key, read_int(r)); break;
    case IR_ATTR_FLOAT: ir_set_float(m, op, key, read_number(r).f); break;
    case IR_ATTR_STRING: ir_set_string(m, op, key, read_string(r)); break;
    case IR_ATTR_DTYPE: ir_set_int(m, op, key, read_dtype_attr(r)); break;
    case IR_ATTR_ENUM: ir_set_int(m, op, key, read_combine(r)); break;
    case IR_ATTR_INTS: read_ints(r, op, key); break;
    case IR_ATTR_SYMS: read_syms(r, op, key); break;
    case IR_ATTR_DATA: read_data(r, data); break;
    }
}

static int attr_key(const token *t) {
    for (int k = 0; t->kind == TOK_NAME && k < IR_ATTR_COUNT; k++)
        if (strlen(ir_attr_table[k].name) == t->len && !memcmp(ir_attr_table[k].name, t->s, t->len)) return k;
    return -1;
}

static void read_attrs(reader *r, ir_op *op, elements *data) {
    if (!read_accept(r, '{')) return;
    do {
        int key = attr_key(&r->t);
        if (key < 0) {
            read_fail(r, "the name of an attribute");
            return;
        }
        read_next(r);
        read_expect(r, '=');
        if (ir_has(op, (ir_attr_key)key)) read_fail(r, "every attribute once");
        if (!r->failed) read_attr_value(r, op, (ir_attr_key)key, data);
    } while (read_accept(r, ','));
    read_expect(r, '}');
}

/* ---- Ops ---- */

typedef VEC(token) token_list;
typedef VEC(ir_value *) value_list;

/* Names that are all digits are the printer's numbers: the value stays unnamed. */
static const char *value_name(reader *r, const token *t) {
    for (size_t i = 1; i < t->len; i++)
        if (t->s[i] < '0' || t->s[i] > '9') return arena_strndup(r->m->arena, t->s + 1, t->len - 1);
    return NULL;
}

static void define(reader *r, const token *name, ir_value *v) {
    if (r->failed) return;
    if (name_get(&r->values, name->s, name->len)) {
        read_fail_at(r, name->begin, name->begin + (uint32_t)name->len, "%.*s is defined twice", (int)name->len, name->s);
        return;
    }
    name_set(&r->values, name->s, name->len, v);
    v->name = value_name(r, name);
}

static void read_operands(reader *r, value_list *operands) {
    read_expect(r, '(');
    while (!r->failed && !read_accept(r, ')')) {
        if (operands->len) read_expect(r, ',');
        if (r->t.kind != TOK_VALUE) {
            read_fail(r, "a value, %name");
            return;
        }
        ir_value *v = name_get(&r->values, r->t.s, r->t.len);
        if (!v) {
            read_fail_at(r, r->t.begin, r->t.begin + (uint32_t)r->t.len, "%.*s is not defined before this",
                         (int)r->t.len, r->t.s);
            return;
        }
        vec_push(r->scratch, operands, v);
        read_next(r);
    }
}

static void read_result_names(reader *r, token_list *names) {
    while (r->t.kind == TOK_VALUE) {
        vec_push(r->scratch, names, r->t);
        read_next(r);
        if (!read_accept(r, ',')) break;
    }
    if (names->len) read_expect(r, '=');
}

static ir_opcode read_opcode(reader *r) {
    ir_opcode code = r->t.kind == TOK_NAME ? ir_opcode_from_name(r->t.s, r->t.len) : IR_OP_INVALID;
    if (code == IR_OP_INVALID) read_fail(r, "an op");
    else read_next(r);
    return code;
}

static bool count_is(int wanted, int n) { return wanted < 0 || wanted == n; }

static void read_op(reader *r, ir_block *b) {
    token_list names = {0};
    value_list operands = {0};
    elements data = {0};
    int mark = r->scope.len;
    token first = r->t;
    read_result_names(r, &names);
    ir_opcode code = read_opcode(r);
    read_operands(r, &operands);
    if (r->failed) return;
    const ir_op_info *info = &ir_op_table[code];
    if (!count_is(info->n_operands, operands.len) || !count_is(info->n_results, names.len)) {
        read_fail_at(r, first.begin, r->t.begin, "%s takes %d operands and gives %d results", info->name,
                     info->n_operands, info->n_results);
        return;
    }
    /* The types of the results come after the attributes, which may declare variables that the types use. */
    ir_type *types = arena_array(r->scratch, ir_type, names.len + 1);
    ir_op *op = ir_op_new(r->m, code, operands.len, operands.data, names.len, types);
    ir_op_insert(b, NULL, op);
    read_attrs(r, op, &data);
    for (int i = 0; i < names.len && !r->failed; i++) {
        read_expect(r, i ? ',' : ':');
        op->results[i].type = read_type(r);
        define(r, &names.data[i], &op->results[i]);
    }
    set_data(r, op, &data);
    op->span = (ir_span){r->file, first.begin, r->t.begin};
    for (int i = 0; i < op->n_blocks && !r->failed; i++) read_block(r, op->blocks[i]);
    if (code != IR_compact) r->scope.len = mark;
}

/* ---- Blocks ---- */

static void read_args(reader *r, ir_block *b) {
    read_expect(r, '(');
    while (!r->failed && !read_accept(r, ')')) {
        if (b->n_args) read_expect(r, ',');
        token name = r->t;
        if (name.kind != TOK_VALUE) read_fail(r, "an argument, %name");
        read_next(r);
        read_expect(r, ':');
        ir_type t = read_type(r);
        if (r->failed) return;
        define(r, &name, ir_block_add_arg(r->m, b, t, NULL));
        if (b->func && read_accept_word(r, "is")) b->func->arg_syms[b->n_args - 1] = read_sym(r);
    }
}

static void read_body(reader *r, ir_block *b) {
    int mark = r->scope.len;
    if (r->depth >= READ_MAX_DEPTH) read_fail_at(r, r->t.begin, r->t.begin, "blocks nest more than %d deep", READ_MAX_DEPTH);
    r->depth++;
    read_expect(r, '{');
    while (!r->failed && !read_accept(r, '}')) read_op(r, b);
    r->depth--;
    r->scope.len = mark;
}

static void read_block(reader *r, ir_block *b) {
    read_args(r, b);
    read_body(r, b);
}

/* ---- Funcs ---- */

static void read_results(reader *r, ir_func *f) {
    VEC(const char *) names = {0};
    if (!read_accept(r, PUNCT2('-', '>'))) return;
    if (r->t.kind == TOK_INT) {
        int64_t n = read_int(r);
        if (n > 1 << 16) read_fail(r, "fewer results");
        else f->n_results = (int)n;
        return;
    }
    read_expect(r, '(');
    while (!r->failed && !read_accept(r, ')')) {
        if (names.len) read_expect(r, ',');
        const char *name = read_name(r);
        vec_push(r->m->arena, &names, *name ? name : NULL);
    }
    f->n_results = names.len;
    f->result_names = names.data ? names.data : arena_array(r->m->arena, const char *, 1);
}

static int64_t read_bounded(reader *r, int64_t lo, int64_t hi) {
    int64_t v = read_int(r);
    if (!r->failed && (v < lo || v > hi))
        read_fail_at(r, r->t.begin, r->t.begin, "%lld is not from %lld to %lld", (long long)v, (long long)lo, (long long)hi);
    return v;
}

static void read_func(reader *r) {
    int level = -1;
    for (int i = 0; i < 3 && level < 0; i++)
        if (read_accept_word(r, ir_level_names[i])) level = i;
    if (level < 0) read_fail(r, "tensor, tile or thread");
    read_expect(r, '@');
    token at = r->t;
    const char *name = read_name(r);
    if (r->failed) return;
    if (ir_func_find(r->m, name)) {
        read_fail_at(r, at.begin, at.begin + (uint32_t)at.len, "there are two functions called '%s'", name);
        return;
    }
    ir_func *f = ir_func_new(r->m, name, (ir_level)level);
    r->values = (name_table){.a = r->scratch};
    read_args(r, f->body);
    read_results(r, f);
    if (read_accept_word(r, "threads")) f->threads = (int)read_bounded(r, 1, 1024);
    if (f->threads && read_accept_word(r, "shared")) f->shared = read_bounded(r, 0, INT32_MAX);
    if (level != IR_LEVEL_TENSOR && read_accept_word(r, "cluster")) f->cluster = (int)read_bounded(r, 2, 8);
    if (read_accept_word(r, "doc")) f->doc = read_string(r);
    f->span = (ir_span){r->file, at.begin, r->t.begin};
    read_body(r, f->body);
}

/* ---- The header ---- */

static void read_symbol(reader *r, int role, bool is_free) {
    token name = r->t;
    sym_t lo, hi;
    if (name.kind != TOK_NAME) {
        read_fail(r, "the name of a variable");
        return;
    }
    if (read_find_var(r, name.s, name.len)) {
        read_fail_at(r, name.begin, name.begin + (uint32_t)name.len, "'%.*s' is declared twice", (int)name.len, name.s);
        return;
    }
    read_next(r);
    const char *said = arena_strndup(r->scratch, name.s, name.len);
    sym_t var;
    if (is_free && read_accept(r, '=')) {
        sym_t formula = read_sym(r);
        if (r->failed) return;
        var = sym_opaque(r->m->syms, said, (sym_role)role, formula);
    } else {
        read_range(r, &lo, &hi);
        var = sym_var(r->m->syms, said, (sym_role)role, lo, hi);
        read_multiple(r, var);
        if (read_accept_word(r, "hint")) sym_var_hint(var, read_int(r));
    }
    read_add_var(r, name.s, name.len, var);
    r->header = r->scope.len;
    if (!is_free) vec_push(r->m->arena, &r->m->symbols, var);
}

static void read_bound(reader *r) {
    sym_t var = r->t.kind == TOK_NAME ? read_find_var(r, r->t.s, r->t.len) : NULL, lo, hi;
    if (!var || sym_var_role(var) > SYM_INT) {
        read_fail(r, "a dim or an int declared above");
        return;
    }
    read_next(r);
    read_range(r, &lo, &hi);
    if (!r->failed) sym_var_bound(r->m->syms, var, lo, hi, 1);
}

typedef struct pending_init {
    ir_global *global;
    const char *name;
    uint32_t begin;
} pending_init;
typedef VEC(pending_init) pending_list;

static void read_global(reader *r, bool is_state, pending_list *inits) {
    uint32_t begin = r->t.begin;
    const char *path = read_string(r);
    if (!r->failed && name_get(&r->values, path, strlen(path)))
        read_fail_at(r, begin, r->t.begin, "\"%s\" is declared twice", path);
    read_expect(r, ':');
    ir_type t = read_type(r);
    if (r->failed) return;
    ir_global *g = ir_global_add(r->m, path, t, is_state, (ir_span){r->file, begin, r->t.begin});
    name_set(&r->values, path, strlen(path), g); /* until the first func the table holds paths */
    if (!read_accept(r, '=')) return;
    read_expect(r, '@');
    pending_init p = {g, NULL, r->t.begin};
    p.name = read_name(r);
    vec_push(r->scratch, inits, p);
}

static void read_check(reader *r) {
    static const struct {
        int punct;
        const char *op;
    } ops[] = {{PUNCT2('=', '='), "=="}, {PUNCT2('!', '='), "!="}, {PUNCT2('<', '='), "<="}, {'<', "<"}};
    uint32_t begin = r->t.begin;
    ir_check c = {.lhs = read_sym(r)};
    for (size_t i = 0; i < sizeof ops / sizeof *ops && !c.op; i++)
        if (read_accept(r, ops[i].punct)) c.op = ops[i].op;
    if (!c.op) read_fail(r, "==, !=, < or <=");
    c.rhs = read_sym(r);
    c.text = read_string(r);
    c.span = (ir_span){r->file, begin, r->t.begin};
    if (!r->failed) vec_push(r->m->arena, &r->m->checks, c);
}

static bool read_header_line(reader *r, pending_list *inits) {
    bool is_free = read_accept_word(r, "free");
    for (int role = 0; role < 4; role++) {
        if (!(is_free || role == SYM_DIM || role == SYM_INT) || !read_accept_word(r, ir_role_names[role])) continue;
        read_symbol(r, role, is_free);
        return true;
    }
    if (is_free) read_fail(r, "dim, int, index or value");
    else if (read_accept_word(r, "bound")) read_bound(r);
    else if (read_accept_word(r, "param")) read_global(r, false, inits);
    else if (read_accept_word(r, "state")) read_global(r, true, inits);
    else if (read_accept_word(r, "check")) read_check(r);
    else return false;
    return true;
}

static void resolve_inits(reader *r, const pending_list *inits) {
    for (int i = 0; i < inits->len && !r->failed; i++) {
        const pending_init *p = &inits->data[i];
        p->global->init = ir_func_find(r->m, p->name);
        if (!p->global->init) read_fail_at(r, p->begin, p->begin, "there is no function '%s'", p->name);
    }
}

static void read_module(reader *r) {
    pending_list inits = {0};
    read_next(r);
    if (!read_accept_word(r, "fir") || r->t.kind != TOK_INT || r->t.u != FIR_VERSION) {
        if (!r->failed) diag_report(r->d, MSG_FIR_VERSION, (ir_span){r->file, 0, 0}, FIR_VERSION);
        r->failed = true;
        return;
    }
    read_next(r);
    while (!r->failed && read_header_line(r, &inits)) {}
    while (!r->failed && r->t.kind != TOK_END) {
        if (read_accept_word(r, "func")) read_func(r);
        else read_fail(r, "func");
    }
    resolve_inits(r, &inits);
}

ir_module *ir_parse(diag *d, uint32_t file) {
    reader r = {.d = d, .file = file, .scratch = arena_new(), .m = ir_module_new()};
    r.src = diag_source_text(d, file, &r.size);
    r.values.a = r.scratch;
    if (r.size > READ_MAX_BYTES) {
        r.size = 0;
        read_fail_at(&r, 0, 0, "the file is larger than %d MiB", READ_MAX_BYTES >> 20);
    } else {
        read_module(&r);
    }
    ir_module *m = r.m;
    if (r.failed) {
        ir_module_free(m);
        m = NULL;
    }
    arena_free(r.scratch);
    return m;
}
