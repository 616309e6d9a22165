/* Tensors, buffers and kernels of a package. */
#include "package_internal.h"
#include <string.h>

void package_wrong(package *p, const char *fmt, ...) {
    if (p->why) return;
    va_list ap;
    va_start(ap, fmt);
    p->why = arena_vprintf(p->a, fmt, ap);
    va_end(ap);
}

package *package_new(arena *a, sym_ctx *syms, const char *entry, const char *doc) {
    package *p = arena_new_of(a, package);
    p->a = a, p->syms = syms, p->schedule = -1;
    bytes_append(a, &p->strings, "", 1, 1);
    p->info.entry = package_string(p, entry);
    p->info.doc = package_string(p, doc);
    p->info.compiler = package_string(p, "frit " FRIT_VERSION);
    return p;
}

/* ---- Tensors ----------------------------------------------------------------------------------------------------- */
static const char *type_text(package *p, frit_dtype t, int rank, const sym_t *dims) {
    const char *s = arena_printf(p->a, "%s[", frit_dtype_name(t));
    for (int i = 0; i < rank; i++) s = arena_printf(p->a, "%s%s%s", s, i ? ", " : "", sym_print(p->a, dims[i]));
    return arena_printf(p->a, "%s]", s);
}

static void mark_dim(void *u, sym_t var) {
    package *p = u;
    uint32_t i = package_symbol_of(p, var); /* may move the table */
    p->symbols.data[i].tensor_dim = true;
}

static uint32_t dim_list(package *p, int rank, const sym_t *dims) {
    uint32_t first = (uint32_t)p->lists.len;
    for (int i = 0; i < rank; i++) {
        uint32_t e = package_expr(p, dims[i], 0);
        vec_push(p->a, &p->lists, e);
    }
    for (int i = 0; i < rank; i++) {
        uint32_t s = package_string(p, sym_print(p->a, dims[i]));
        vec_push(p->a, &p->lists, s);
    }
    return first;
}

static int add_tensor(package *p, int kind, const char *name, frit_dtype t, int rank, const sym_t *dims) {
    if (rank > FPK_MAX_RANK) package_wrong(p, "%s has more than %d dims", name, FPK_MAX_RANK), rank = 0;
    if (p->variants.len) package_wrong(p, "%s comes after a target was begun", name);
    package_tensor x = {.dims = arena_copy(p->a, dims, (size_t)rank * sizeof *dims)};
    x.record = (fpk_tensor){.name = package_string(p, name),
                            .dtype = (uint16_t)t,
                            .rank = (uint16_t)rank,
                            .symbol = FPK_NONE,
                            .file = FPK_NONE};
    x.record.dims = dim_list(p, rank, dims);
    x.record.type = package_string(p, type_text(p, t, rank, dims));
    for (int i = 0; kind != PACKAGE_OUTPUT && i < rank; i++) sym_each_var(dims[i], mark_dim, p);
    vec_push(p->a, &p->tensors[kind], x);
    return p->tensors[kind].len - 1;
}

void package_set_role(package *p, sym_t var, uint32_t role) {
    uint32_t i = package_symbol_of(p, var); /* may move the table */
    fpk_symbol *s = &p->symbols.data[i].record;
    if (s->role != 0 && s->role != role) package_wrong(p, "%s gets its value in two ways", sym_var_name(var));
    s->role = role;
}

int package_input(package *p, const char *name, frit_dtype t, int rank, const sym_t *dims, sym_t host_int) {
    int i = add_tensor(p, PACKAGE_INPUT, name, t, rank, dims);
    if (!host_int) return i;
    if (rank || t != FRIT_i64) package_wrong(p, "the host integer %s must be an i64 of rank 0", name);
    package_set_role(p, host_int, ROLE_INT);
    p->tensors[PACKAGE_INPUT].data[i].record.symbol = package_symbol_of(p, host_int); /* known by now */
    return i;
}
int package_output(package *p, const char *name, frit_dtype t, int rank, const sym_t *dims) {
    return add_tensor(p, PACKAGE_OUTPUT, name, t, rank, dims);
}
int package_param(package *p, const char *path, frit_dtype t, int rank, const sym_t *dims) {
    return add_tensor(p, PACKAGE_PARAM, path, t, rank, dims);
}
int package_state(package *p, const char *path, frit_dtype t, int rank, const sym_t *dims) {
    return add_tensor(p, PACKAGE_STATE, path, t, rank, dims);
}

/* places: FRIT_PARAM_INSIDE and FRIT_PARAM_BESIDE of runtime/frit.h. */
void package_param_inside(package *p, int param, const void *data, uint64_t bytes) {
    package_tensor *t = &p->tensors[PACKAGE_PARAM].data[param];
    t->data = data, t->record.size = bytes, t->record.place = 1;
}
void package_param_beside(package *p, int param, const char *file, uint64_t offset, const void *data, uint64_t bytes) {
    fpk_tensor *t = &p->tensors[PACKAGE_PARAM].data[param].record;
    t->file = package_string(p, file), t->offset = offset, t->size = bytes, t->place = 2;
    t->digest = fpk_hash(data, bytes);
}

int package_check(package *p, const char *op, sym_t lhs, sym_t rhs, const char *text, const char *file, uint32_t line) {
    static const char *const ops[FPK_COMPARES] = {"==", "!=", "<", "<="};
    fpk_check c = {.lhs = package_expr(p, lhs, 0),
                   .rhs = package_expr(p, rhs, 0),
                   .text = package_string(p, text),
                   .file = package_string(p, file),
                   .line = line};
    while (c.compare < FPK_COMPARES && strcmp(ops[c.compare], op)) c.compare++;
    if (c.compare == FPK_COMPARES) package_wrong(p, "a check compares with '%s'", op), c.compare = 0;
    vec_push(p->a, &p->checks, c);
    return p->checks.len - 1;
}

void package_seed(package *p, sym_t var) { package_set_role(p, var, ROLE_SEED); }

/* ---- Targets ----------------------------------------------------------------------------------------------------- */
fpk_variant *package_variant(package *p) {
    if (p->variants.len) return &p->variants.data[p->variants.len - 1];
    package_wrong(p, "no target was begun");
    return NULL;
}

/* Slots for the buffer of each tensor, none made yet. */
static void clear_tensor_buffers(package *p) {
    p->tensor_buffers.len = 0;
    for (int k = 0; k < PACKAGE_TENSOR_KINDS; k++) {
        p->tensor_buffer[k] = p->tensor_buffers.len;
        for (int i = 0; i < p->tensors[k].len; i++) vec_push(p->a, &p->tensor_buffers, -1);
    }
}

void package_target(package *p, const char *target, fpk_arch arch, uint64_t features) {
    package_close_schedule(p);
    fpk_variant v = {.target = package_string(p, target), .arch = arch, .features = features};
    v.code_offset = bytes_append(p->a, &p->code, NULL, 0, FPK_ALIGN);
    v.first_buffer = (uint32_t)p->buffers.len;
    v.first_kernel = (uint32_t)p->kernels.len;
    v.first_schedule = (uint32_t)p->schedules.len;
    vec_push(p->a, &p->variants, v);
    fpk_schedule none = {0, 0};
    for (int i = 0; i < 2 + p->tensors[PACKAGE_STATE].len; i++) vec_push(p->a, &p->schedules, none);
    clear_tensor_buffers(p);
}

uint64_t package_code(package *p, const void *code, uint64_t bytes, uint64_t align) {
    fpk_variant *v = package_variant(p);
    if (!v) return 0;
    if (align == 0 || align > 4096 || (align & (align - 1)))
        package_wrong(p, "code is aligned to %llu", (unsigned long long)align), align = 64;
    /* The variant's code is what gets placed at a page: offsets count from its start. */
    uint64_t at = (v->code_size + align - 1) / align * align;
    static const uint8_t zeros[64];
    for (uint64_t gap = at - v->code_size; gap;) {
        uint64_t n = gap < sizeof zeros ? gap : sizeof zeros;
        bytes_append(p->a, &p->code, zeros, n, 1);
        gap -= n;
    }
    bytes_append(p->a, &p->code, code, bytes, 1);
    v->code_size = at + bytes;
    return at;
}

/* ---- Buffers ----------------------------------------------------------------------------------------------------- */
static fpk_buffer *buffer_at(package *p, int buffer) {
    fpk_variant *v = package_variant(p);
    if (v && buffer >= 0 && (uint32_t)buffer < v->n_buffers)
        return &p->buffers.data[v->first_buffer + (uint32_t)buffer];
    package_wrong(p, "there is no buffer %d", buffer);
    return NULL;
}

static int add_buffer(package *p, fpk_buffer b) {
    fpk_variant *v = package_variant(p);
    if (!v) return -1;
    b.same_as = FPK_NONE;
    vec_push(p->a, &p->buffers, b);
    return (int)v->n_buffers++;
}

static sym_t tensor_bytes(package *p, const package_tensor *t) {
    int64_t bits = frit_dtype_bits((frit_dtype)t->record.dtype);
    sym_t n = sym_prod(p->syms, t->dims, t->record.rank);
    if (bits < 8) return sym_ceildiv(p->syms, n, sym_const(p->syms, 8 / bits));
    return sym_muli(p->syms, n, bits / 8);
}

static int tensor_buffer(package *p, int kind, int i) {
    if (!package_variant(p)) return -1;
    if (i < 0 || i >= p->tensors[kind].len) return package_wrong(p, "there is no tensor %d of its kind", i), -1;
    int *slot = &p->tensor_buffers.data[p->tensor_buffer[kind] + i];
    if (*slot >= 0) return *slot;
    const package_tensor *t = &p->tensors[kind].data[i];
    uint32_t align = frit_dtype_bits((frit_dtype)t->record.dtype) / 8;
    fpk_buffer b = {.kind = (uint32_t)kind,
                    .index = (uint32_t)i,
                    .size = package_expr(p, tensor_bytes(p, t), 0),
                    .align = align ? align : 1};
    return *slot = add_buffer(p, b);
}

int package_input_buffer(package *p, int input) { return tensor_buffer(p, PACKAGE_INPUT, input); }
int package_output_buffer(package *p, int output) { return tensor_buffer(p, PACKAGE_OUTPUT, output); }
int package_param_buffer(package *p, int param) { return tensor_buffer(p, PACKAGE_PARAM, param); }
int package_state_buffer(package *p, int state) { return tensor_buffer(p, PACKAGE_STATE, state); }
int package_temp(package *p, sym_t bytes) {
    return add_buffer(p, (fpk_buffer){.kind = FPK_BUF_TEMP, .size = package_expr(p, bytes, 0), .align = FPK_ALIGN});
}
int package_packed(package *p, sym_t bytes) {
    return add_buffer(p, (fpk_buffer){.kind = FPK_BUF_PACKED, .size = package_expr(p, bytes, 0), .align = FPK_ALIGN});
}

/* Equal bytes are stored once in the package, also between targets. */
uint64_t package_data(package *p, const void *data, uint64_t bytes) {
    bool found;
    uint32_t *slot = map_slot(p->a, &p->constant_map, fpk_hash(data, bytes) ^ bytes, &found);
    uint64_t at = found ? (uint64_t)(*slot - 1) * FPK_ALIGN : 0;
    if (!found || at + bytes > p->data.len || memcmp(p->data.data + at, data, bytes))
        at = bytes_append(p->a, &p->data, data, bytes, FPK_ALIGN);
    *slot = (uint32_t)(at / FPK_ALIGN) + 1;
    return at;
}

int package_constant(package *p, const void *data, uint64_t bytes) {
    uint64_t at = package_data(p, data, bytes);
    sym_t size = sym_const(p->syms, (int64_t)bytes);
    return add_buffer(
        p, (fpk_buffer){.kind = FPK_BUF_CONST, .size = package_expr(p, size, 0), .align = FPK_ALIGN, .offset = at});
}

void package_align(package *p, int buffer, uint32_t align) {
    fpk_buffer *b = buffer_at(p, buffer);
    if (align == 0 || align > FPK_ALIGN || (align & (align - 1))) package_wrong(p, "a buffer is aligned to %u", align);
    if (b) b->align = align;
}

void package_same_as(package *p, int b, int a) {
    fpk_buffer *x = buffer_at(p, b), *y = buffer_at(p, a);
    if (!x || !y) return;
    if (x->kind != FPK_BUF_TEMP || y->kind != FPK_BUF_TEMP || a >= b)
        package_wrong(p, "buffer %d cannot share with %d: both must be temps, the shared one made first", b, a);
    else
        x->same_as = (uint32_t)a;
}

void package_keep(package *p, int temp) {
    fpk_buffer *b = buffer_at(p, temp);
    if (b) b->flags |= FPK_KEEP;
}

/* ---- Kernels ----------------------------------------------------------------------------------------------------- */
int package_add_kernel(package *p, const package_kernel *k) {
    fpk_variant *v = package_variant(p);
    if (!v) return -1;
    fpk_kernel r = {.name = package_string(p, k->name),
                    .file = package_string(p, k->file),
                    .line = k->line,
                    .n_inputs = (uint32_t)k->n_inputs,
                    .n_outputs = (uint32_t)k->n_outputs,
                    .n_ints = (uint32_t)k->n_ints,
                    .tasks = package_expr(p, k->tasks, 1),
                    .scratch = package_expr(p, k->scratch, 0),
                    .bytes = k->bytes ? package_expr(p, k->bytes, 0) : FPK_NONE,
                    .flops = k->flops ? package_expr(p, k->flops, 0) : FPK_NONE,
                    .threads = (uint32_t)k->threads,
                    .shared = (uint32_t)k->shared,
                    .cluster = (uint32_t)k->cluster,
                    .entry = package_string(p, k->entry),
                    .code_offset = k->code_offset,
                    .code_size = k->code_size};
    r.ints = (uint32_t)p->lists.len;
    for (int i = 0; i < k->n_ints; i++) {
        uint32_t e = package_expr(p, k->ints[i], 0);
        vec_push(p->a, &p->lists, e);
    }
    for (int i = 0; i < k->n_maps * FPK_MAP_VALUES; i++) {
        uint32_t e = package_expr(p, k->maps[i / FPK_MAP_VALUES].values[i % FPK_MAP_VALUES], 1);
        vec_push(p->a, &p->lists, e);
    }
    r.maps = (uint32_t)p->lists.len;
    r.n_maps = (uint32_t)k->n_maps;
    for (int i = 0; i < k->n_maps * FPK_MAP_WORDS; i++) vec_push(p->a, &p->lists, k->maps[i / FPK_MAP_WORDS].words[i % FPK_MAP_WORDS]);
    vec_push(p->a, &p->kernels, r);
    return (int)v->n_kernels++;
}
