#include "program_kernels.h"
#include "passes/describe.h"
#include "passes/expand_math.h"
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
    const char *key;
    int n_symbols;       /* in order of appearance in the key */
    const sym_t *symbols;
    sym_t tasks, scratch;
    const code_blob *blob;
    const code_kernel *code; /* its place in the blob */
} record;

struct kernel_set {
    arena *arena;
    ir_module *m;
    /* Kernels at the tile and thread level; they share the arena and symbols of m. */
    ir_module tiles, threads;
    const target *target;
    VEC(record) records;
    VEC(sym_t) canonical; /* stand-ins for symbols, by position of first appearance */
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
    s->m = m;
    if (!m->seed) m->seed = sym_var(m->syms, "seed", SYM_INT, NULL, NULL);
    s->tiles = (ir_module){.arena = m->arena, .syms = m->syms, .seed = m->seed};
    s->tiles.last_func = &s->tiles.funcs;
    s->threads = (ir_module){.arena = m->arena, .syms = m->syms};
    s->threads.last_func = &s->threads.funcs;
    s->target = t;
    return s;
}

/* ---- Keys: a kernel op's text with values numbered and symbols renamed in order of appearance ------------------------- */
typedef struct writer {
    kernel_set *s;
    char *text;
    size_t n, cap;
    VEC(sym_t) vars;    /* appearance order; loop indices of maps included */
    VEC(sym_t) symbols; /* those of them that a launch passes */
    VEC(const ir_value *) values;
} writer;

static void put(writer *w, const char *s) {
    size_t k = strlen(s);
    if (w->n + k + 1 > w->cap) {
        w->cap = (w->cap + k) * 2 + 256;
        char *p = arena_alloc(w->s->arena, w->cap);
        if (w->n) memcpy(p, w->text, w->n);
        w->text = p;
    }
    memcpy(w->text + w->n, s, k + 1);
    w->n += k;
}

static void put_int(writer *w, int64_t v) {
    char b[32];
    snprintf(b, sizeof b, "%lld ", (long long)v);
    put(w, b);
}

static void note_var(void *u, sym_t var) {
    writer *w = u;
    for (int i = 0; i < w->vars.len; i++)
        if (w->vars.data[i] == var) return;
    vec_push(w->s->arena, &w->vars, var);
    while (w->s->canonical.len < w->vars.len) {
        char name[16];
        snprintf(name, sizeof name, "$%d", w->s->canonical.len);
        vec_push(w->s->arena, &w->s->canonical, sym_var(w->s->m->syms, name, SYM_VALUE, NULL, NULL));
    }
    if (sym_var_role(var) != SYM_INDEX && sym_var_role(var) != SYM_VALUE) {
        vec_push(w->s->arena, &w->symbols, var);
        int64_t lo, hi; /* what is known of a symbol decides which code is right */
        sym_range(w->s->m->syms, var, &lo, &hi);
        put(w, "<");
        put_int(w, sym_var_role(var));
        put_int(w, lo);
        put_int(w, hi);
        put_int(w, sym_var_multiple(var));
        put_int(w, sym_hint(var));
        put(w, ">");
    }
}

static void put_sym(writer *w, sym_t s) {
    sym_each_var(s, note_var, w);
    put(w, sym_print(w->s->arena, sym_subst(w->s->m->syms, s, w->vars.len, w->vars.data, w->s->canonical.data)));
    put(w, ",");
}

static void put_type(writer *w, ir_type t) {
    put(w, frit_dtype_name((frit_dtype)t.dtype));
    put(w, "[");
    for (int d = 0; d < t.rank; d++) put_sym(w, t.dims[d]);
    put(w, "]");
}

static void put_value(writer *w, const ir_value *v) {
    for (int i = w->values.len - 1; i >= 0; i--)
        if (w->values.data[i] == v) {
            put_int(w, i);
            return;
        }
    put(w, "? ");
}

static void put_bytes(writer *w, const void *p, int64_t n) {
    char b[4];
    for (int64_t i = 0; i < n; i++) {
        snprintf(b, sizeof b, "%02x", ((const unsigned char *)p)[i]);
        put(w, b);
    }
}

static void put_attr(writer *w, const ir_attr *a) {
    char b[40];
    put(w, ir_attr_table[a->key].name);
    put(w, "=");
    switch (ir_attr_table[a->key].kind) {
    case IR_ATTR_INT:
    case IR_ATTR_DTYPE:
    case IR_ATTR_ENUM: put_int(w, a->i); return;
    case IR_ATTR_FLOAT:
        snprintf(b, sizeof b, "%a ", a->f);
        put(w, b);
        return;
    case IR_ATTR_STRING: put(w, a->s); return;
    case IR_ATTR_INTS:
        for (int i = 0; i < a->ints.n; i++) put_int(w, a->ints.v[i]);
        return;
    case IR_ATTR_SYMS:
        for (int i = 0; i < a->syms.n; i++) put_sym(w, a->syms.v[i]);
        return;
    case IR_ATTR_DATA: put_bytes(w, a->data.p, a->data.bytes); return;
    }
}

static void put_kernel(writer *w, const ir_op *kernel) {
    const ir_block *b = kernel->blocks[0];
    for (int i = 0; i < b->n_args; i++) {
        vec_push(w->s->arena, &w->values, b->args[i]);
        put_type(w, b->args[i]->type);
    }
    for (const ir_op *op = b->first; op; op = op->next) {
        put(w, ";");
        put(w, ir_op_table[op->code].name);
        put(w, " ");
        for (int i = 0; i < op->n_operands; i++) put_value(w, ir_operand(op, i));
        for (int i = 0; i < op->n_attrs; i++) put_attr(w, &op->attrs[i]);
        for (int i = 0; i < op->n_results; i++) {
            vec_push(w->s->arena, &w->values, ir_result(op, i));
            put_type(w, ir_result(op, i)->type);
        }
    }
}

/* ---- Scheduling ------------------------------------------------------------------------------------------------------ */
static bool make_record(kernel_set *s, const ir_op *op, const writer *w, const char **error) {
    record r = {.key = w->text, .n_symbols = w->symbols.len, .symbols = w->symbols.data};
    r.k.op = op;
    r.k.name = ir_get_string(op, IR_ATTR_name);
    for (int n = 1; ir_func_find(&s->tiles, r.k.name); n++)
        r.k.name = arena_printf(s->arena, "%s_%d", ir_get_string(op, IR_ATTR_name), n);
    double t0 = now_ms();
    const char *why = NULL;
    r.k.tile = schedule_kernel(&s->tiles, op, r.k.name, &s->target->limits, &why);
    if (!r.k.tile) {
        *error = arena_printf(s->arena, "kernel %s: %s", r.k.name, why ? why : "no schedule");
        return false;
    }
    double t1 = now_ms();
    lower_info info;
    r.k.thread = lower_tile(&s->threads, r.k.tile, &s->target->limits, &info);
    r.k.thread->doc = describe_kernel(s->arena, r.k.tile);
    expand_math(r.k.thread);
    s->schedule_ms += t1 - t0;
    s->lower_ms += now_ms() - t1;
    r.tasks = r.k.tasks = info.tasks;
    r.scratch = r.k.scratch = info.scratch_bytes;
    vec_push(s->arena, &s->records, r);
    return true;
}

bool kernel_set_add(kernel_set *s, const ir_op *op, kernel_use *use, const char **error) {
    writer w = {.s = s};
    put(&w, "");
    put_kernel(&w, op);
    int at = 0;
    while (at < s->records.len && strcmp(s->records.data[at].key, w.text)) at++;
    if (at == s->records.len && !make_record(s, op, &w, error)) return false;
    record *r = &s->records.data[at];
    r->k.launches++;
    const ir_func *f = r->k.thread;
    sym_ctx *c = s->m->syms;
    sym_t *ints = arena_array(s->arena, sym_t, f->body->n_args + 1);
    int n = 0;
    for (int i = 0; i < f->body->n_args; i++)
        if (f->arg_syms && f->arg_syms[i])
            ints[n++] = sym_subst(c, f->arg_syms[i], r->n_symbols, r->symbols, w.symbols.data);
    package_map *maps = NULL;
    int n_maps = kernel_maps(s->arena, f, &maps, error);
    if (n_maps < 0) return false;
    for (int i = 0; i < n_maps * FPK_MAP_VALUES; i++) {
        sym_t *v = &maps[i / FPK_MAP_VALUES].values[i % FPK_MAP_VALUES];
        if (*v) *v = sym_subst(c, *v, r->n_symbols, r->symbols, w.symbols.data);
    }
    *use = (kernel_use){at, n, ints, sym_subst(c, r->tasks, r->n_symbols, r->symbols, w.symbols.data),
                        sym_subst(c, r->scratch, r->n_symbols, r->symbols, w.symbols.data), n_maps, maps};
    return true;
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
        g->funcs[g->n++] = s->records.data[i].k.thread;
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
    int n = s->records.len, n_groups = n < MAX_GROUPS ? n : MAX_GROUPS;
    bool ok = true;
    if (!n) return true;
    group *groups = make_groups(s, n_groups);
    run_groups(s->target, groups, n_groups, workers > 0 ? workers : (int)sysconf(_SC_NPROCESSORS_ONLN));
    for (int i = 0; i < n_groups; i++) {
        const code_blob *b = groups[i].blob ? keep_blob(s, groups[i].blob) : NULL;
        if (!b && ok) *error = arena_strdup(s->arena, groups[i].error ? groups[i].error : "no code");
        ok &= b != NULL;
        for (int k = 0; b && k < groups[i].n; k++) {
            record *r = &s->records.data[k * n_groups + i];
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
program_kernel *kernel_set_at(kernel_set *s, int i) { return &s->records.data[i].k; }
const code_blob *kernel_set_code(const kernel_set *s, int i, const code_kernel **code) {
    *code = s->records.data[i].code;
    return s->records.data[i].blob;
}
void kernel_set_times(const kernel_set *s, double *schedule_ms, double *lower_ms) {
    *schedule_ms = s->schedule_ms;
    *lower_ms = s->lower_ms;
}
