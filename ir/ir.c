#include "internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void ir_misuse(ir_opcode code, const char *what) {
    fprintf(stderr, "frit: internal error: ir op '%s': %s\n",
            (unsigned)code < IR_OPCODE_COUNT ? ir_op_table[code].name : "?", what);
    abort();
}

/* ---- Module, funcs ---- */

ir_module *ir_module_new(void) {
    arena *a = arena_new();
    ir_module *m = arena_new_of(a, ir_module);
    m->arena = a;
    m->syms = sym_ctx_new(a);
    m->last_func = &m->funcs;
    return m;
}

void ir_module_free(ir_module *m) {
    if (m) arena_free(m->arena);
}

ir_block *ir_block_new(ir_module *m) { return arena_new_of(m->arena, ir_block); }

ir_func *ir_func_new(ir_module *m, const char *name, ir_level level) {
    ir_func *f = arena_new_of(m->arena, ir_func);
    f->name = arena_strdup(m->arena, name);
    f->module = m;
    f->level = level;
    f->body = ir_block_new(m);
    f->body->func = f;
    *m->last_func = f;
    m->last_func = &f->next;
    return f;
}

void ir_func_remove(ir_func *f) {
    ir_module *m = f->module;
    for (ir_func **link = &m->funcs; *link; link = &(*link)->next) {
        if (*link != f) continue;
        *link = f->next;
        if (m->last_func == &f->next) m->last_func = link;
        f->next = NULL;
        return;
    }
}

ir_func *ir_func_find(const ir_module *m, const char *name) {
    for (ir_func *f = m->funcs; f; f = f->next)
        if (!strcmp(f->name, name)) return f;
    return NULL;
}

void ir_value_init(ir_module *m, ir_value *v, ir_type t) {
    v->type = t;
    v->id = m->n_values++;
}

/* An array without a capacity field grows when its length is a power of two. */
static bool is_full(int n) { return (n & (n - 1)) == 0; }

static void *grown(arena *a, const void *data, int n, size_t elem) {
    void *p = arena_alloc(a, elem * (size_t)(n ? 2 * n : 1));
    if (n) memcpy(p, data, elem * (size_t)n);
    return p;
}

ir_value *ir_block_add_arg(ir_module *m, ir_block *b, ir_type t, const char *name) {
    if (is_full(b->n_args)) {
        b->args = grown(m->arena, b->args, b->n_args, sizeof *b->args);
        if (b->func) b->func->arg_syms = grown(m->arena, b->func->arg_syms, b->n_args, sizeof(sym_t));
    }
    ir_value *v = arena_new_of(m->arena, ir_value);
    ir_value_init(m, v, t);
    v->block = b;
    v->index = b->n_args;
    v->name = name ? arena_strdup(m->arena, name) : NULL;
    b->args[b->n_args++] = v;
    return v;
}

/* Where the first global of the path is, or may be put. */
static ir_global **global_slot(const ir_module *m, const char *path) {
    uint32_t h = 5381, mask = (uint32_t)m->n_by_path - 1;
    for (const char *c = path; *c; c++) h = h * 33 ^ (unsigned char)*c;
    while (m->by_path[h & mask] && strcmp(m->by_path[h & mask]->path, path)) h++;
    return &m->by_path[h & mask];
}

ir_global *ir_global_find(const ir_module *m, const char *path) { return m->n_by_path ? *global_slot(m, path) : NULL; }

static void enter_global(ir_module *m, ir_global *g, int at) {
    g->number = g->is_state ? at - m->n_params : m->n_params;
    m->n_params += !g->is_state;
    ir_global **slot = global_slot(m, g->path);
    if (!*slot) *slot = g;
}

void ir_global_index(ir_module *m) {
    int room = 16;
    while (room < 4 * m->globals.len) room *= 2;
    m->by_path = arena_array(m->arena, ir_global *, room);
    m->n_by_path = room;
    m->n_params = 0;
    for (int i = 0; i < m->globals.len; i++) enter_global(m, m->globals.data[i], i);
}

ir_global *ir_global_add(ir_module *m, const char *path, ir_type t, bool is_state, ir_span span) {
    ir_global *g = arena_new_of(m->arena, ir_global);
    g->path = arena_strdup(m->arena, path);
    g->type = t;
    g->is_state = is_state;
    g->span = span;
    vec_push(m->arena, &m->globals, g);
    if (m->globals.len * 2 > m->n_by_path) ir_global_index(m);
    else enter_global(m, g, m->globals.len - 1);
    return g;
}

ir_func *ir_block_func(const ir_block *b) {
    while (b && b->op) b = b->op->parent;
    return b ? b->func : NULL;
}

/* ---- Types ---- */

static const sym_t *copy_dims(ir_module *m, int rank, const sym_t *dims) {
    IR_REQUIRE(rank >= 0 && rank <= IR_MAX_RANK, IR_OP_INVALID, "a type of more than IR_MAX_RANK dims");
    return rank ? arena_copy(m->arena, dims, sizeof(sym_t) * (size_t)rank) : NULL;
}

ir_type ir_tensor(ir_module *m, frit_dtype t, int rank, const sym_t *dims) {
    return (ir_type){
        .kind = IR_TENSOR, .dtype = (uint8_t)t, .rank = (uint8_t)rank, .dims = copy_dims(m, rank, dims)};
}

ir_type ir_scalar(frit_dtype t) { return (ir_type){.kind = IR_TENSOR, .dtype = (uint8_t)t}; }

ir_type ir_buffer(ir_module *m, frit_dtype t, ir_space s, int rank, const sym_t *dims) {
    ir_type r = ir_tensor(m, t, rank, dims);
    r.kind = IR_BUFFER;
    r.space = (uint8_t)s;
    return r;
}

ir_type ir_vector(frit_dtype t, int lanes) {
    return (ir_type){.kind = IR_VECTOR, .dtype = (uint8_t)t, .lanes = (uint16_t)lanes};
}

ir_type ir_ptr(frit_dtype t, ir_space s) {
    return (ir_type){.kind = IR_PTR, .dtype = (uint8_t)t, .space = (uint8_t)s};
}

bool ir_type_equal(ir_type a, ir_type b) {
    if (a.kind != b.kind) return false;
    if (a.kind == IR_NONE) return true;
    if (a.dtype != b.dtype || a.space != b.space || a.rank != b.rank || a.lanes != b.lanes) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dims[i] != b.dims[i]) return false;
    return true;
}

sym_t ir_type_elements(ir_module *m, ir_type t) { return sym_prod(m->syms, t.dims, t.rank); }

ir_type ir_with_dtype(ir_type t, frit_dtype d) {
    t.dtype = (uint8_t)d;
    return t;
}

static const char *const space_names[IR_SPACE_COUNT] = {"global", "core", "register", "map", "cluster"};

const char *ir_type_print(arena *a, ir_type t) {
    const char *d = frit_dtype_name((frit_dtype)t.dtype);
    if (t.kind == IR_NONE) return "none";
    const char *space = t.space < IR_SPACE_COUNT ? space_names[t.space] : "?";
    if (t.kind == IR_VECTOR) return t.lanes == 1 ? d : arena_printf(a, "%sx%d", d, t.lanes);
    if (t.kind == IR_PTR)
        return t.space == IR_GLOBAL ? arena_printf(a, "ptr %s", d) : arena_printf(a, "ptr %s %s", space, d);
    const char *s = t.kind == IR_BUFFER ? arena_printf(a, "buffer %s %s[", space, d) : arena_printf(a, "%s[", d);
    for (int i = 0; i < t.rank; i++)
        s = arena_printf(a, "%s%s%s", s, i ? ", " : "", sym_print(a, t.dims[i]));
    return arena_printf(a, "%s]", s);
}
