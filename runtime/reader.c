/* Opens packages: maps the bytes, then checks that every size, offset, index and expression in them holds. What runs
 * later relies on it and checks nothing of this again. */
#include "rt.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint32_t record_size[FPK_SECTION_KINDS] = {
    [FPK_INFO] = sizeof(fpk_info),
    [FPK_STRINGS] = 1,
    [FPK_SYMBOLS] = sizeof(fpk_symbol),
    [FPK_STEPS] = sizeof(fpk_step),
    [FPK_EXPRS] = sizeof(fpk_expr),
    [FPK_LISTS] = sizeof(uint32_t),
    [FPK_TENSORS] = sizeof(fpk_tensor),
    [FPK_CHECKS] = sizeof(fpk_check),
    [FPK_VARIANTS] = sizeof(fpk_variant),
    [FPK_BUFFERS] = sizeof(fpk_buffer),
    [FPK_KERNELS] = sizeof(fpk_kernel),
    [FPK_SCHEDULES] = sizeof(fpk_schedule),
    [FPK_WORDS] = sizeof(uint32_t),
    [FPK_DATA] = 1,
    [FPK_CODE] = 1,
    [FPK_WEIGHTS] = 1,
};

static frit_status bad(frit_error *err, const char *what) {
    return rt_fail(err, FRIT_BAD_PACKAGE, "damaged package: %s", what);
}
#define CHECK(cond, what)                                                                                              \
    do {                                                                                                               \
        if (!(cond)) return bad(err, what);                                                                            \
    } while (0)

/* ---- Sections ---------------------------------------------------------------------------------------------------- */
static uint64_t header_checksum(const uint8_t *base, uint32_t n_sections) {
    uint8_t buf[sizeof(fpk_header) + FPK_SECTION_KINDS * sizeof(fpk_section)];
    size_t n = sizeof(fpk_header) + n_sections * sizeof(fpk_section);
    memcpy(buf, base, n);
    memset(buf + offsetof(fpk_header, checksum), 0, sizeof(uint64_t));
    return fpk_hash(buf, n);
}

static frit_status check_header(const frit_package *p, frit_error *err) {
    const fpk_header *h = (const fpk_header *)p->base;
    if (p->size < sizeof *h || memcmp(h->magic, FPK_MAGIC, 8))
        return rt_fail(err, FRIT_BAD_PACKAGE, "not a frit package (.fpk)");
    if (h->version != FPK_VERSION)
        return rt_fail(err, FRIT_VERSION_MISMATCH,
                       "package has format version %u, but this library (frit %s) reads version %u", h->version,
                       FRIT_VERSION, FPK_VERSION);
    if (h->file_size > p->size)
        return rt_fail(err, FRIT_BAD_PACKAGE, "package is cut off: %llu of %llu bytes", (unsigned long long)p->size,
                       (unsigned long long)h->file_size);
    CHECK(h->file_size == p->size, "it is followed by other bytes");
    CHECK(h->n_sections <= FPK_SECTION_KINDS, "too many sections");
    CHECK(sizeof *h + h->n_sections * sizeof(fpk_section) <= p->size, "section table");
    CHECK(header_checksum(p->base, h->n_sections) == h->checksum, "checksum of the header");
    return FRIT_OK;
}

static frit_status check_sections(frit_package *p, frit_error *err) {
    const fpk_header *h = (const fpk_header *)p->base;
    const fpk_section *s = (const fpk_section *)(h + 1);
    for (uint32_t i = 0; i < h->n_sections; i++) {
        CHECK(s[i].kind < FPK_SECTION_KINDS && (i == 0 || s[i].kind > s[i - 1].kind), "kinds of sections");
        CHECK(s[i].record == record_size[s[i].kind], "record size");
        CHECK(s[i].offset % FPK_ALIGN == 0 && s[i].offset <= p->size && s[i].size <= p->size - s[i].offset,
              "section outside the file");
        CHECK(s[i].size % s[i].record == 0, "size of a section");
        CHECK(s[i].record == 1 || s[i].size / s[i].record <= FPK_MAX_TABLE, "size of a table");
        if (s[i].kind != FPK_WEIGHTS || s[i].size <= RT_CHECK_BELOW)
            CHECK(fpk_hash(p->base + s[i].offset, s[i].size) == s[i].checksum, "checksum of a section");
        p->sections[s[i].kind] = s[i];
    }
    CHECK(p->sections[FPK_INFO].size == sizeof(fpk_info), "no info");
    return FRIT_OK;
}

static const void *table(const frit_package *p, fpk_section_kind k, uint32_t *n) {
    if (n) *n = (uint32_t)(p->sections[k].size / record_size[k]);
    return p->base + p->sections[k].offset;
}

static void find_tables(frit_package *p) {
    p->info = table(p, FPK_INFO, NULL);
    p->strings = table(p, FPK_STRINGS, NULL);
    p->symbols = table(p, FPK_SYMBOLS, &p->n_symbols);
    p->steps = table(p, FPK_STEPS, &p->n_steps);
    p->exprs = table(p, FPK_EXPRS, &p->n_exprs);
    p->lists = table(p, FPK_LISTS, &p->n_lists);
    p->tensors = table(p, FPK_TENSORS, &p->n_tensors);
    p->checks = table(p, FPK_CHECKS, &p->n_checks);
    p->variants = table(p, FPK_VARIANTS, &p->n_variants);
    p->buffers = table(p, FPK_BUFFERS, &p->n_buffers);
    p->kernels = table(p, FPK_KERNELS, &p->n_kernels);
    p->schedules = table(p, FPK_SCHEDULES, &p->n_schedules);
    p->words = table(p, FPK_WORDS, &p->n_words);
}

/* ---- Records ----------------------------------------------------------------------------------------------------- */
static bool is_string(const frit_package *p, uint32_t s) { return s < p->sections[FPK_STRINGS].size; }
static bool is_expr(const frit_package *p, uint32_t e) { return e < p->n_exprs; }
static bool is_expr_or_none(const frit_package *p, uint32_t e) { return e == FPK_NONE || is_expr(p, e); }
static bool in_range(uint64_t first, uint64_t count, uint64_t n) { return first <= n && count <= n - first; }

static frit_status check_strings(const frit_package *p, frit_error *err) {
    const fpk_section *s = &p->sections[FPK_STRINGS];
    CHECK(s->size > 0 && p->strings[0] == 0 && p->strings[s->size - 1] == 0, "strings");
    CHECK(is_string(p, p->info->entry) && is_string(p, p->info->doc) && is_string(p, p->info->compiler), "info");
    uint64_t n = (uint64_t)p->info->n_inputs + p->info->n_outputs + p->info->n_params + p->info->n_states;
    CHECK(n == p->n_tensors, "number of tensors");
    return FRIT_OK;
}

static frit_status check_symbols(const frit_package *p, frit_error *err) {
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        const fpk_symbol *s = &p->symbols[i];
        CHECK(is_string(p, s->name) && s->role <= FRIT_DIM_DEVICE && s->multiple > 0, "symbol");
        CHECK(is_expr_or_none(p, s->lower) && is_expr_or_none(p, s->upper), "bound of a symbol");
        CHECK(s->role != FRIT_DIM_DEVICE || s->hi != INT64_MAX || s->upper != FPK_NONE, "device symbol has no bound");
    }
    return FRIT_OK;
}

/* One expression: the stack never under- or overflows and one value is left. Gathers what it uses. */
static bool check_expr(const frit_package *p, const fpk_expr *e, rt_expr_facts *f) {
    *f = (rt_expr_facts){.bare = FPK_NONE};
    if (e->count == 0 || !in_range(e->first, e->count, p->n_steps)) return false;
    int depth = 0;
    for (uint32_t i = e->first; i < e->first + e->count; i++) {
        const fpk_step *s = &p->steps[i];
        if (s->op >= FPK_STEP_OPS) return false;
        depth += s->op <= FPK_SYM ? 1 : -1;
        if (depth < 1 || depth > FPK_MAX_STACK) return false;
        if (s->op != FPK_SYM) continue;
        if (s->sym >= p->n_symbols) return false;
        f->mask |= (uint64_t)1 << s->sym % 64;
        f->counter |= p->symbols[s->sym].role == FRIT_DIM_LOOP;
        f->device |= p->symbols[s->sym].role == FRIT_DIM_DEVICE;
        if (e->count == 1) f->bare = s->sym;
    }
    return depth == 1;
}

static frit_status check_exprs(frit_package *p, frit_error *err) {
    p->facts = rt_new(&rt_malloc, p->n_exprs, sizeof *p->facts);
    if (!p->facts) return rt_no_memory(err);
    for (uint32_t i = 0; i < p->n_exprs; i++) CHECK(check_expr(p, &p->exprs[i], &p->facts[i]), "expression");
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        const fpk_symbol *s = &p->symbols[i];
        CHECK(s->lower == FPK_NONE || !(p->facts[s->lower].counter || p->facts[s->lower].device), "lower bound");
        CHECK(s->upper == FPK_NONE || !(p->facts[s->upper].counter || p->facts[s->upper].device), "upper bound");
    }
    return FRIT_OK;
}

static bool check_data(const frit_package *p, const fpk_tensor *t) {
    switch (t->place) {
    case FRIT_PARAM_NONE: return true;
    case FRIT_PARAM_INSIDE:
        return t->offset % FPK_ALIGN == 0 && in_range(t->offset, t->size, p->sections[FPK_WEIGHTS].size);
    case FRIT_PARAM_BESIDE: return is_string(p, t->file) && t->size <= INT64_MAX && t->offset <= INT64_MAX - t->size;
    default: return false;
    }
}

static frit_status check_tensor(const frit_package *p, const fpk_tensor *t, bool input, bool output, bool param,
                                frit_error *err) {
    CHECK(is_string(p, t->name) && is_string(p, t->type) && t->dtype < FRIT_DTYPE_COUNT, "tensor");
    CHECK(t->rank <= FPK_MAX_RANK && in_range(t->dims, 2u * t->rank, p->n_lists), "dims of a tensor");
    for (uint32_t k = 0; k < t->rank; k++) {
        uint32_t e = p->lists[t->dims + k];
        CHECK(is_expr(p, e) && is_string(p, p->lists[t->dims + t->rank + k]), "dim of a tensor");
        CHECK(!p->facts[e].counter && (output || !p->facts[e].device), "dim of a tensor");
    }
    bool host_int = t->symbol != FPK_NONE;
    CHECK(!host_int || (input && t->rank == 0 && t->dtype == FRIT_i64 && t->symbol < p->n_symbols &&
                        p->symbols[t->symbol].role == FRIT_DIM_INT),
          "host integer");
    CHECK(param ? check_data(p, t) : t->place == 0, "data of a param");
    return FRIT_OK;
}

static frit_status check_tensors(const frit_package *p, frit_error *err) {
    for (int kind = RT_INPUT; kind <= RT_STATE; kind++)
        for (uint32_t i = 0; i < rt_n_tensors(p, kind); i++)
            TRY(check_tensor(p, rt_tensor(p, kind, i), kind == RT_INPUT, kind == RT_OUTPUT, kind == RT_PARAM, err));
    for (uint32_t i = 0; i < p->n_checks; i++) {
        const fpk_check *c = &p->checks[i];
        CHECK(c->compare < FPK_COMPARES && is_expr(p, c->lhs) && is_expr(p, c->rhs), "check");
        CHECK(is_string(p, c->text) && is_string(p, c->file), "check");
    }
    return FRIT_OK;
}

static frit_status check_buffers(const frit_package *p, const fpk_variant *v, frit_error *err) {
    for (uint32_t i = 0; i < v->n_buffers; i++) {
        const fpk_buffer *b = &p->buffers[v->first_buffer + i];
        CHECK(b->kind < FPK_BUF_KINDS && is_expr(p, b->size) && !p->facts[b->size].counter, "buffer");
        CHECK(b->align && b->align <= FPK_ALIGN && (b->align & (b->align - 1)) == 0, "alignment of a buffer");
        CHECK(b->kind > FPK_BUF_STATE || b->index < rt_n_tensors(p, (int)b->kind), "tensor of a buffer");
        /* Chains end: a buffer shares with one that comes before it. */
        CHECK(b->same_as == FPK_NONE || (b->kind == FPK_BUF_TEMP && b->same_as < i &&
                                         p->buffers[v->first_buffer + b->same_as].kind == FPK_BUF_TEMP),
              "shared buffer");
        CHECK(b->kind != FPK_BUF_CONST || (p->facts[b->size].mask == 0 && b->offset % FPK_ALIGN == 0), "constant");
        int64_t n;
        if (b->kind == FPK_BUF_CONST)
            CHECK(rt_eval(p, b->size, NULL, NULL, &n) && n >= 0 &&
                      in_range(b->offset, (uint64_t)n, p->sections[FPK_DATA].size),
                  "constant outside the data");
    }
    return FRIT_OK;
}

static bool is_map(const fpk_kernel *k, const uint32_t *w) {
    static const uint32_t swizzles[] = {16, 32, 64, 128};
    bool known = false;
    for (int i = 0; i < 4; i++) known = known || w[3] == swizzles[i];
    for (int i = 0; i < FPK_MAP_RANK; i++) {
        uint32_t box = fpk_map_box(w[FPK_MAP_BOX + i]), step = fpk_map_step(w[FPK_MAP_BOX + i]);
        known = known && box >= 1 && step <= (i ? 8 : 1) && (box - 1) * step < 256;
    }
    return known && w[0] < k->n_inputs + k->n_outputs && w[1] < FRIT_DTYPE_COUNT && frit_dtype_bits((frit_dtype)w[1]) >= 8 && w[2] >= 2 &&
           w[2] <= FPK_MAP_RANK;
}

static frit_status check_kernels(const frit_package *p, const fpk_variant *v, frit_error *err) {
    for (uint32_t i = 0; i < v->n_kernels; i++) {
        const fpk_kernel *k = &p->kernels[v->first_kernel + i];
        CHECK(is_string(p, k->name) && is_string(p, k->file), "kernel");
        CHECK(k->n_inputs < FPK_MAX_TABLE && k->n_outputs < FPK_MAX_TABLE, "kernel's buffers");
        CHECK(k->n_maps <= (k->threads ? FPK_MAX_MAPS : 0) && k->n_ints < FPK_MAX_TABLE, "kernel's arguments");
        uint32_t values = k->n_ints + k->n_maps * FPK_MAP_VALUES;
        CHECK(in_range(k->ints, values, p->n_lists) && in_range(k->maps, k->n_maps * FPK_MAP_WORDS, p->n_lists), "kernel's arguments");
        for (uint32_t j = 0; j < k->n_maps; j++) CHECK(is_map(k, p->lists + k->maps + j * FPK_MAP_WORDS), "kernel's tensor map");
        for (uint32_t j = 0; j < values; j++) CHECK(is_expr(p, p->lists[k->ints + j]), "kernel's argument");
        CHECK(is_expr(p, k->tasks) && is_expr(p, k->scratch) && !p->facts[k->scratch].counter, "kernel's sizes");
        CHECK(is_expr_or_none(p, k->bytes) && is_expr_or_none(p, k->flops), "kernel's estimates");
        CHECK(in_range(k->code_offset, k->code_size, v->code_size) && k->code_size > 0, "kernel's code");
        CHECK(k->threads <= FPK_MAX_THREADS && k->shared <= FPK_MAX_SHARED, "kernel's block");
        CHECK(k->cluster <= FPK_MAX_CLUSTER && k->cluster != 1 && (!k->cluster || k->threads), "kernel's cluster");
        CHECK(is_string(p, k->entry) && (k->threads ? p->strings[k->entry] != 0 : k->shared == 0), "kernel's entry");
    }
    return FRIT_OK;
}

static frit_status check_variants(const frit_package *p, frit_error *err) {
    CHECK(p->n_variants > 0, "no targets");
    for (uint32_t i = 0; i < p->n_schedules; i++)
        CHECK(in_range(p->schedules[i].first, p->schedules[i].count, p->n_words), "schedule");
    for (uint32_t i = 0; i < p->n_variants; i++) {
        const fpk_variant *v = &p->variants[i];
        CHECK(is_string(p, v->target) && in_range(v->code_offset, v->code_size, p->sections[FPK_CODE].size), "target");
        CHECK(in_range(v->first_buffer, v->n_buffers, p->n_buffers), "buffers of a target");
        CHECK(in_range(v->first_kernel, v->n_kernels, p->n_kernels), "kernels of a target");
        CHECK(in_range(v->first_schedule, 2 + (uint64_t)p->info->n_states, p->n_schedules), "schedules of a target");
        TRY(check_buffers(p, v, err));
        TRY(check_kernels(p, v, err));
        TRY(rt_check_variant(p, v, err));
    }
    return FRIT_OK;
}

const fpk_tensor *rt_tensor(const frit_package *p, int kind, uint32_t i) {
    for (int k = RT_INPUT; k < kind; k++) i += rt_n_tensors(p, k);
    return &p->tensors[i];
}
uint32_t rt_n_tensors(const frit_package *p, int kind) {
    const fpk_info *i = p->info;
    return kind == RT_INPUT    ? i->n_inputs
           : kind == RT_OUTPUT ? i->n_outputs
           : kind == RT_PARAM  ? i->n_params
                               : i->n_states;
}

static frit_status check_all(frit_package *p, frit_error *err) {
    TRY(check_header(p, err));
    TRY(check_sections(p, err));
    find_tables(p);
    TRY(check_strings(p, err));
    TRY(check_symbols(p, err));
    TRY(check_exprs(p, err));
    TRY(check_tensors(p, err));
    TRY(check_variants(p, err));
    return rt_make_info(p, err);
}

/* ---- Open and release -------------------------------------------------------------------------------------------- */
static void destroy(frit_package *p) {
    rt_free_info(p);
    rt_free(&rt_malloc, p->facts, p->n_exprs, sizeof *p->facts);
    if (p->how == RT_MAPPED && p->base) munmap((void *)p->base, p->size);
    if (p->how == RT_COPIED) rt_free(&rt_malloc, (void *)p->base, p->size, 1);
    if (p->done) p->done(p->ctx);
    if (p->dir) rt_free(&rt_malloc, p->dir, strlen(p->dir) + 1, 1);
    rt_free(&rt_malloc, p, 1, sizeof *p);
}

/* `dir` of n bytes ("" is the current folder). */
static frit_package *new_package(const char *dir, size_t n) {
    frit_package *p = rt_new(&rt_malloc, 1, sizeof *p);
    if (!p) return NULL;
    atomic_init(&p->refs, 1);
    p->how = RT_LENT;
    p->dir = rt_new(&rt_malloc, n + 1, 1);
    if (!p->dir) return destroy(p), NULL;
    memcpy(p->dir, dir, n);
    return p;
}

static frit_status map_file(frit_package *p, const char *path, frit_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) return rt_fail(err, FRIT_IO, "cannot open '%s': %s", path, strerror(errno));
    void *m = MAP_FAILED;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    else
        errno = EINVAL;
    int why = errno;
    close(fd);
    if (m == MAP_FAILED) return rt_fail(err, FRIT_IO, "cannot map '%s': %s", path, strerror(why));
    p->base = m, p->size = (uint64_t)st.st_size, p->how = RT_MAPPED;
    return FRIT_OK;
}

frit_status frit_package_open(const char *path, frit_package **out, frit_error *err) {
    if (!path || !out) return rt_fail(err, FRIT_USAGE, "frit_package_open: path and out must not be NULL");
    const char *slash = strrchr(path, '/');
    frit_package *p = new_package(path, slash ? (size_t)(slash - path) + 1 : 0);
    if (!p) return rt_no_memory(err);
    frit_status s = map_file(p, path, err);
    if (s == FRIT_OK) s = check_all(p, err);
    if (s != FRIT_OK) return destroy(p), s;
    *out = p;
    return FRIT_OK;
}

/* Refers to the bytes, or copies them when they are not aligned. */
static frit_status take_bytes(frit_package *p, const void *bytes, size_t size, frit_error *err) {
    p->base = bytes, p->size = size;
    if ((uintptr_t)bytes % FPK_ALIGN == 0) return FRIT_OK;
    void *copy = rt_new(&rt_malloc, size, 1);
    if (!copy) return rt_no_memory(err);
    memcpy(copy, bytes, size);
    p->base = copy, p->how = RT_COPIED;
    return FRIT_OK;
}

frit_status frit_package_open_memory(const void *bytes, size_t size, const char *dir, void (*done)(void *ctx),
                                     void *ctx, frit_package **out, frit_error *err) {
    if (!bytes || !out) return rt_fail(err, FRIT_USAGE, "frit_package_open_memory: bytes and out must not be NULL");
    size_t n = dir ? strlen(dir) : 0;
    frit_package *p = new_package(dir ? dir : "", n ? n + 1 : 0);
    if (!p) return rt_no_memory(err);
    if (n) p->dir[n] = '/';
    frit_status s = take_bytes(p, bytes, size, err);
    if (s == FRIT_OK) s = check_all(p, err);
    if (s != FRIT_OK) return destroy(p), s;
    p->done = done, p->ctx = ctx;
    *out = p;
    return FRIT_OK;
}

frit_package *frit_package_retain(frit_package *p) {
    if (p) atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}
void frit_package_release(frit_package *p) {
    if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) destroy(p);
}

frit_status frit_package_verify(const frit_package *p, frit_error *err) {
    if (!p) return rt_fail(err, FRIT_USAGE, "frit_package_verify: package must not be NULL");
    for (int k = 0; k < FPK_SECTION_KINDS; k++) {
        const fpk_section *s = &p->sections[k];
        if (s->record) CHECK(fpk_hash(p->base + s->offset, s->size) == s->checksum, "checksum of a section");
    }
    for (uint32_t i = 0; i < p->info->n_params; i++) {
        const fpk_tensor *t = rt_tensor(p, RT_PARAM, i);
        void *map = NULL;
        size_t n;
        const char *data;
        if (t->place == FRIT_PARAM_BESIDE) TRY(rt_map_beside(p, t, true, &map, &n, &data, err));
        if (map) munmap(map, n);
    }
    return FRIT_OK;
}
