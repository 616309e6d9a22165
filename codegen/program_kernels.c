#include "program_kernels.h"
#include "passes/describe.h"
#include "passes/expand_math.h"
#include "passes/isomorph.h"
#include "passes/lower_tile.h"
#include "passes/schedule.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Small enough that a group's fixed cost does not count, and enough of them for the cores of most machines. */
enum { MAX_GROUPS = 16 };

typedef struct record {
    program_kernel k;
    isomorph_key key;
    ir_module tile, thread; /* its funcs are made in: ids of their own, so that side tables are no longer than a kernel */
    sym_t tasks, scratch;
    int parts;         /* the record of the launch that comes before; -1: none does */
    sym_t parts_bytes;
    const code_blob *blob;
    const code_kernel *code; /* its place in the blob */
} record;

struct kernel_set {
    arena *arena;
    ir_module *m;
    /* Kernels at the tile and thread level; they share the arena and symbols of m. */
    ir_module tiles, threads;
    const target *target;
    VEC(record *) records;
    isomorph_names names;
    isomorph_table by_key;
    double schedule_ms, lower_ms;
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

kernel_set *kernel_set_new(arena *a, ir_module *m, const target *t) {
    kernel_set *s = arena_new_of(a, kernel_set);
    s->arena = a;
    s->m = s->names.m = m;
    if (!m->seed) m->seed = sym_var(m->syms, "seed", SYM_INT, NULL, NULL);
    s->tiles = (ir_module){.arena = m->arena, .syms = m->syms, .seed = m->seed};
    s->tiles.last_func = &s->tiles.funcs;
    s->threads = (ir_module){.arena = m->arena, .syms = m->syms, .model = m->funcs ? m->funcs->name : NULL};
    s->threads.last_func = &s->threads.funcs;
    s->target = t;
    return s;
}

/* ---- Scheduling ------------------------------------------------------------------------------------------------------ */
/* The funcs of all kernels as one list. Ids of values are unique in each func alone. */
static void list_func(ir_module *list, ir_func *f) {
    *list->last_func = f;
    list->last_func = &f->next;
    if (list->n_values < f->module->n_values) list->n_values = f->module->n_values;
    f->module = list;
}

static record *new_record(kernel_set *s, const ir_op *op, const isomorph_key *key) {
    record *r = arena_new_of(s->arena, record);
    r->key = *key;
    r->parts = -1;
    r->tile = (ir_module){.arena = s->m->arena, .syms = s->m->syms, .seed = s->m->seed};
    r->thread = (ir_module){.arena = s->m->arena, .syms = s->m->syms};
    r->tile.last_func = &r->tile.funcs;
    r->thread.last_func = &r->thread.funcs;
    r->k.op = op;
    return r;
}

/* No other kernel has that name. */
static const char *fresh_name(kernel_set *s, const char *wanted) {
    const char *name = wanted;
    for (int n = 1; ir_func_find(&s->tiles, name) || ir_func_find(&s->threads, name); n++)
        name = arena_printf(s->arena, "%s_%d", wanted, n);
    return name;
}

static void keep_record(kernel_set *s, record *r, describe_launch launch, const lower_info *info) {
    launch.thread = r->k.thread;
    launch.info = info;
    r->k.thread->doc = describe_kernel(s->arena, r->k.tile, &launch);
    expand_math(r->k.thread);
    list_func(&s->threads, r->k.thread);
    r->tasks = r->k.tasks = info->tasks;
    r->scratch = r->k.scratch = info->scratch_bytes;
    r->parts_bytes = info->parts_bytes;
    vec_push(s->arena, &s->records, r);
}

/* The launch before r's, and its name: `first`, or NULL and it does what r leaves in pieces, of the same tile program. */
static const char *add_parts(kernel_set *s, record *r, ir_func *first) {
    const frit_target_limits *limits = &s->target->limits;
    record *parts = new_record(s, r->k.op, &r->key);
    lower_info info;
    parts->k.tile = first ? first : r->k.tile;
    parts->k.name = fresh_name(s, arena_printf(s->arena, "%s_parts", r->k.name));
    if (first) first->name = parts->k.name;
    parts->k.thread = first ? lower_tile(&parts->thread, first, limits, &info)
                            : lower_tile_parts(&parts->thread, r->k.tile, parts->k.name, r->k.op->n_operands, LOWER_PARTS, limits, &info);
    r->parts = s->records.len;
    keep_record(s, parts, (describe_launch){.phase = first ? LOWER_WHOLE : LOWER_PARTS, .after = r->k.name}, &info);
    return parts->k.name;
}

static sym_t bytes_of(kernel_set *s, ir_type t) { return sym_muli(s->m->syms, t.dims[0], (int64_t)frit_dtype_bits((frit_dtype)t.dtype) / 8); }

/* What one kernel op launches: r, and what may come before it (first: by a tile program of its own). */
static void lower_record(kernel_set *s, record *r, ir_func *first) {
    const frit_target_limits *limits = &s->target->limits;
    describe_launch launch = {.phase = LOWER_WHOLE};
    lower_info info;
    describe_name_buffers(s->arena, r->k.tile);
    if (first) describe_name_buffers(s->arena, first);
    int n = r->k.op->n_operands;
    bool pieces = !first && limits->multiprocessors;
    if (pieces) pieces = (r->k.thread = lower_tile_parts(&r->thread, r->k.tile, r->k.name, n, LOWER_REST, limits, &info)) != NULL;
    if (pieces) launch.phase = LOWER_REST;
    if (pieces || first) launch.before = add_parts(s, r, first);
    if (!pieces) r->k.thread = lower_tile(&r->thread, r->k.tile, limits, &info);
    if (first) info.parts_bytes = bytes_of(s, first->body->args[n]->type);
    keep_record(s, r, launch, &info);
}

/* The new record, the last one; NULL with *error. */
static record *make_record(kernel_set *s, const ir_op *op, const isomorph_key *key, const char **error) {
    record *r = new_record(s, op, key);
    r->k.name = fresh_name(s, ir_get_string(op, IR_ATTR_name));
    double t0 = now_ms();
    const char *why = NULL;
    ir_func *first = NULL;
    r->k.tile = schedule_kernel(&r->tile, op, r->k.name, &s->target->limits, &first, &why);
    if (!r->k.tile) {
        *error = arena_printf(s->arena, "kernel %s: %s", r->k.name, why ? why : "no schedule");
        return NULL;
    }
    double t1 = now_ms();
    lower_record(s, r, first);
    list_func(&s->tiles, r->k.tile);
    if (first) list_func(&s->tiles, first);
    s->schedule_ms += t1 - t0;
    s->lower_ms += now_ms() - t1;
    isomorph_enter(s->arena, &s->by_key, key, s->records.len - 1);
    return r;
}

/* Symbols of a record's kernel and what they are in a use of it; both grow by the variables of formulas that lowering made. */
typedef struct renaming {
    kernel_set *s;
    arena *a;
    VEC(sym_t) from, to;
} renaming;

static sym_t renamed(renaming *r, sym_t e);

static void rename_opaque(void *u, sym_t var) {
    renaming *r = u;
    sym_t formula = sym_definition(var);
    for (int i = 0; i < r->from.len; i++)
        if (r->from.data[i] == var) return;
    if (!formula) return;
    sym_t to = renamed(r, formula);
    if (to != formula) to = sym_opaque(r->s->m->syms, sym_var_name(var), sym_var_role(var), to);
    else to = var;
    vec_push(r->a, &r->from, var);
    vec_push(r->a, &r->to, to);
}

static sym_t renamed(renaming *r, sym_t e) {
    sym_each_var(e, rename_opaque, r);
    return sym_subst(r->s->m->syms, e, r->from.len, r->from.data, r->to.data);
}

/* The use of record `at` whose kernel's symbols are those of key; false with *error. */
static bool make_use(kernel_set *s, int at, const isomorph_key *key, kernel_use *use, const char **error) {
    arena *scratch = arena_new();
    record *r = s->records.data[at];
    r->k.launches++;
    const ir_func *f = r->k.thread;
    renaming names = {.s = s, .a = scratch};
    for (int i = 0; i < key->n_symbols; i++) {
        vec_push(scratch, &names.from, r->key.symbols[i]);
        vec_push(scratch, &names.to, key->symbols[i]);
    }
    sym_t *ints = arena_array(s->arena, sym_t, f->body->n_args + 1);
    int n = 0;
    for (int i = 0; i < f->body->n_args; i++)
        if (f->arg_syms && f->arg_syms[i]) ints[n++] = renamed(&names, f->arg_syms[i]);
    package_map *maps = NULL;
    int n_maps = kernel_maps(s->arena, f, &maps, error);
    for (int i = 0; i < n_maps * FPK_MAP_VALUES; i++) {
        sym_t *v = &maps[i / FPK_MAP_VALUES].values[i % FPK_MAP_VALUES];
        if (*v) *v = renamed(&names, *v);
    }
    *use = (kernel_use){.index = at,
                        .n_ints = n,
                        .ints = ints,
                        .tasks = renamed(&names, r->tasks),
                        .scratch = renamed(&names, r->scratch),
                        .n_maps = n_maps,
                        .maps = maps};
    if (r->parts >= 0) use->parts_bytes = renamed(&names, r->parts_bytes);
    arena_free(scratch);
    return n_maps >= 0;
}

bool kernel_set_add(kernel_set *s, const ir_op *op, kernel_use *use, const char **error) {
    arena *scratch = arena_new();
    isomorph_key key = isomorph_key_of_kernel(&s->names, scratch, op);
    int at = isomorph_find(&s->by_key, &key);
    if (at < 0) { /* kept with its record */
        key.words = arena_copy(s->arena, key.words, (size_t)key.n_words * sizeof *key.words);
        key.symbols = arena_copy(s->arena, key.symbols, (size_t)key.n_symbols * sizeof *key.symbols);
        if (!make_record(s, op, &key, error)) {
            arena_free(scratch);
            return false;
        }
        at = s->records.len - 1;
    }
    bool ok = make_use(s, at, &key, use, error);
    int parts = s->records.data[at]->parts;
    if (ok && parts >= 0) {
        kernel_use *first = arena_new_of(s->arena, kernel_use);
        ok = make_use(s, parts, &key, first, error);
        use->parts = first;
    }
    arena_free(scratch);
    return ok;
}

/* ---- Compilation ----------------------------------------------------------------------------------------------------- */
/* Kernels that are compiled together, into one blob. */
typedef struct group {
    arena *arena; /* an arena serves one thread */
    int n;
    ir_func **funcs;
    const code_blob *blob;
    const char *error;
} group;

typedef struct job {
    const target *target;
    group *groups;
    int n;
    atomic_int next;
} job;

static void *run_job(void *u) {
    job *j = u;
    for (int i = atomic_fetch_add(&j->next, 1); i < j->n; i = atomic_fetch_add(&j->next, 1)) {
        group *g = &j->groups[i];
        g->blob = target_compile(j->target, g->arena, g->n, g->funcs, &g->error);
    }
    return NULL;
}

/* Kernels are dealt to groups in turn, by their number alone: the bytes must not depend on the machine that compiles. */
static group *make_groups(kernel_set *s, int n_groups) {
    int n = s->records.len;
    group *groups = arena_array(s->arena, group, n_groups);
    for (int i = 0; i < n_groups; i++)
        groups[i] = (group){.arena = arena_new(), .funcs = arena_array(s->arena, ir_func *, n / n_groups + 1)};
    for (int i = 0; i < n; i++) {
        group *g = &groups[i % n_groups];
        g->funcs[g->n++] = s->records.data[i]->k.thread;
    }
    return groups;
}

static void run_groups(const target *t, group *groups, int n, int workers) {
    job j = {.target = t, .groups = groups, .n = n};
    pthread_t threads[MAX_GROUPS];
    int started = 0;
    while (started + 1 < workers && started + 1 < n && !pthread_create(&threads[started], NULL, run_job, &j)) started++;
    run_job(&j);
    while (started) pthread_join(threads[--started], NULL);
}

/* The blob in the set's arena. */
static const code_blob *keep_blob(kernel_set *s, const code_blob *from) {
    code_blob *b = arena_copy(s->arena, from, sizeof *b);
    code_kernel *k = arena_copy(s->arena, from->kernels, (size_t)from->n_kernels * sizeof *k);
    b->bytes = arena_copy(s->arena, from->bytes, (size_t)from->size);
    b->kernels = k;
    for (int i = 0; i < b->n_kernels; i++) k[i].name = arena_strdup(s->arena, k[i].name);
    return b;
}

bool kernel_set_compile(kernel_set *s, int workers, const char **error) {
    int most = s->target->modules ? s->target->modules : MAX_GROUPS;
    int n = s->records.len, n_groups = n < most ? n : most;
    bool ok = true;
    if (!n) return true;
    group *groups = make_groups(s, n_groups);
    run_groups(s->target, groups, n_groups, workers > 0 ? workers : (int)sysconf(_SC_NPROCESSORS_ONLN));
    for (int i = 0; i < n_groups; i++) {
        const code_blob *b = groups[i].blob ? keep_blob(s, groups[i].blob) : NULL;
        if (!b && ok) *error = arena_strdup(s->arena, groups[i].error ? groups[i].error : "no code");
        ok &= b != NULL;
        for (int k = 0; b && k < groups[i].n; k++) {
            record *r = s->records.data[k * n_groups + i];
            r->blob = b, r->code = &b->kernels[k];
            r->k.code_bytes = b->size;
        }
        arena_free(groups[i].arena);
    }
    return ok;
}

const ir_module *kernel_set_tiles(const kernel_set *s) { return &s->tiles; }
const ir_module *kernel_set_threads(const kernel_set *s) { return &s->threads; }
int kernel_set_count(const kernel_set *s) { return s->records.len; }
program_kernel *kernel_set_at(kernel_set *s, int i) { return &s->records.data[i]->k; }
const code_blob *kernel_set_code(const kernel_set *s, int i, const code_kernel **code) {
    *code = s->records.data[i]->code;
    return s->records.data[i]->blob;
}
void kernel_set_times(const kernel_set *s, double *schedule_ms, double *lower_ms) {
    *schedule_ms = s->schedule_ms;
    *lower_ms = s->lower_ms;
}
