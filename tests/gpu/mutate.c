/* The frit command with a device that tries mutants of the kernels it runs (mutate.py drives it):
 *
 *     FRIT_MUTANTS=FILE [FRIT_MUTANTS_SHARE=N/M] frit_mutate run PACKAGE ...
 *
 * A mutant is a kernel with one thing about its threads' cooperation wrong: a barrier, commit or wait less, a predicate that
 * always (or never) holds or is one off, an access to shared memory elsewhere, a swizzle left out. It runs on the data of the
 * launch at hand, in one block and in as many as there may be, with early and late copies, and is caught by one of the
 * executor's checks or by results that differ from the kernel's own in a single bit. One that is not caught is "vacuous" when
 * on this data the changed value is never another than it was (a predicate that is never false): the run is the same, step
 * by step, and says nothing. It is "redundant" when that is shown: a barrier without which no two accesses collide (the
 * executor would tell), or a predicate of reads without which all reads are in bounds and of what has a value, while nonsense
 * in place of what is got where it is false changes no result. Else it is "alive".
 *
 * FILE gets a line for each kernel, "kernel HASH NUMBER-OF-MUTANTS NAME", and for each mutant that was tried, "caught",
 * "alive", "redundant" or "vacuous", the kernel's hash, the mutant's number, line, what was done, the op. Mutants of ops that a launch does not come to
 * are not tried on it; those that FILE says are caught are not tried again. The share tries those whose number is N modulo
 * M. A kernel is looked at in the first launches that differ in their integers. */
#include "driver.h"
#include "runtime/package.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAUNCHES = 3 };

/* ---- The mutants of a func --------------------------------------------------------------------------------------- */
typedef enum kind {
    NONE,
    REMOVED,  /* barrier, copy_commit, copy_wait */
    WAITED,   /* copy_wait leaves one group more */
    UNMASKED, /* load, store, copy_async: everywhere */
    ALWAYS, NEVER, /* tif */
    ONE_OFF,  /* lt of i64 as le, le as lt */
    SHIFTED,  /* index into shared memory + lanes */
    UNSWIZZLED, /* xor of i64: its first operand */
    KINDS
} kind;
static const char *const kind_names[KINDS] = {"",         "removed", "one group less", "without its predicate", "taken always",
                                              "taken never", "one off", "shifted",     "without the xor"};

static bool is_shared(const ir_value *v) {
    while (v->op && (v->op->code == IR_ptradd || v->op->code == IR_ptrcast)) v = ir_operand(v->op, 0);
    return v->op && v->op->code == IR_shared;
}

static int mask_operand(const ir_op *op) {
    switch (op->code) {
    case IR_load:
    case IR_load_lanes: return op->n_operands > 2 ? 2 : -1;
    case IR_store:
    case IR_store_lanes: return op->n_operands > 3 ? 3 : -1;
    case IR_copy_async: return op->n_operands > 4 ? 4 : -1;
    default: return -1;
    }
}

/* The operand that indexes shared memory. */
static int shared_index(const ir_op *op) {
    bool memory = op->code == IR_load || op->code == IR_store || op->code == IR_load_lanes || op->code == IR_store_lanes;
    if (!memory && op->code != IR_copy_async && op->code != IR_atom) return -1;
    return op->n_operands > 1 && ir_operand(op, 0)->type.kind == IR_PTR && is_shared(ir_operand(op, 0)) ? 1 : -1;
}

static bool compares_i64(const ir_op *op) {
    return (op->code == IR_lt || op->code == IR_le) && ir_operand(op, 0)->type.dtype == FRIT_i64;
}

static bool applies(const ir_op *op, kind k) {
    switch (k) {
    case REMOVED: return op->code == IR_barrier || op->code == IR_copy_commit || op->code == IR_copy_wait;
    case WAITED: return op->code == IR_copy_wait;
    case UNMASKED: return mask_operand(op) >= 0;
    case ALWAYS:
    case NEVER: return op->code == IR_tif;
    case ONE_OFF: return compares_i64(op);
    case SHIFTED: return shared_index(op) >= 0;
    case UNSWIZZLED: return op->code == IR_xor && ir_operand(op, 0)->type.dtype == FRIT_i64;
    default: return false;
    }
}

static int lanes_moved(const ir_op *op) {
    if (op->code == IR_copy_async) return (int)ir_get_int(op, IR_ATTR_lanes, 1);
    if (op->code == IR_store || op->code == IR_store_lanes) return ir_operand(op, 2)->type.lanes;
    return op->code == IR_atom ? 8 : ir_result(op, 0)->type.lanes;
}

static void shift(ir_module *m, ir_op *op) {
    ir_builder b = ir_builder_before(m, op);
    int at = shared_index(op);
    ir_value *index = ir_operand(op, at);
    ir_set_operand(op, at, ir_binary(&b, IR_add, index, ir_splat_int(&b, index->type, lanes_moved(op))));
}

/* What takes the place of a value in mutant k of op, and where: operand *at, or all uses of the result (-1). NULL: no value
 * is replaced. */
static ir_value *replacement(ir_builder *b, const ir_op *op, kind k, int *at) {
    *at = -1;
    switch (k) {
    case UNMASKED: *at = mask_operand(op); return ir_splat_int(b, ir_operand(op, *at)->type, 1);
    case ALWAYS:
    case NEVER: *at = 0; return ir_splat_int(b, ir_operand(op, 0)->type, k == ALWAYS);
    case ONE_OFF: return ir_binary(b, op->code == IR_lt ? IR_le : IR_lt, ir_operand(op, 0), ir_operand(op, 1));
    case UNSWIZZLED: return ir_operand(op, 0);
    default: return NULL;
    }
}

static void mutate(ir_module *m, ir_op *op, kind k) {
    int at;
    ir_builder b = ir_builder_before(m, op);
    ir_value *v = replacement(&b, op, k, &at);
    if (v && at >= 0) ir_set_operand(op, at, v);
    else if (v) ir_replace_uses(ir_result(op, 0), v);
    else if (k == REMOVED) ir_op_remove(op);
    else if (k == WAITED) ir_set_int(m, op, IR_ATTR_pending, ir_get_int(op, IR_ATTR_pending, 0) + 1);
    else shift(m, op);
}

/* Makes the kernel fail where the mutant's value would be another: a load far outside, under a mask. False when the mutant
 * replaces no value. */
static bool probe(ir_module *m, ir_op *op, kind k) {
    int at;
    ir_builder b = ir_builder_before(m, op);
    ir_value *v = replacement(&b, op, k, &at);
    if (!v) return false;
    if (at < 0) b = ir_builder_after(m, op);
    ir_value *was = at >= 0 ? ir_operand(op, at) : ir_result(op, 0), *differs = ir_binary(&b, IR_ne, was, v);
    ir_value *ptr = m->funcs->body->args[0];
    ir_type any = ir_vector(FRIT_bool, 1), t = ir_vector((frit_dtype)ptr->type.dtype, 1);
    if (differs->type.lanes > 1) {
        ir_op *reduce = ir_build(&b, IR_reduce_lanes, 1, &differs, 1, &any);
        ir_set_int(m, reduce, IR_ATTR_combine, IR_ANY);
        differs = ir_result(reduce, 0);
    }
    ir_value *operands[] = {ptr, ir_splat_int(&b, ir_vector(FRIT_i64, 1), INT64_MIN / 64), differs, ir_splat(&b, t, 0)};
    ir_build(&b, IR_load, 4, operands, 1, &t);
    return true;
}

static ir_value *nonsense(ir_builder *b, ir_type t) {
    return frit_dtype_is_float((frit_dtype)t.dtype) ? ir_splat(b, t, NAN) : ir_splat_int(b, t, 0x55);
}

/* Puts nonsense where the predicate of a read is false. False when op is no such thing. */
static bool poison(ir_module *m, ir_op *op, kind k) {
    ir_builder b = ir_builder_before(m, op);
    if (k == UNMASKED && (op->code == IR_load || op->code == IR_load_lanes) && op->n_operands > 3) {
        ir_set_operand(op, 3, nonsense(&b, ir_result(op, 0)->type));
        return true;
    }
    if (k != ALWAYS || !op->n_results) return false;
    ir_op *yield = op->blocks[1]->last;
    b = ir_builder_before(m, yield);
    for (int i = 0; i < yield->n_operands; i++) {
        if (ir_operand(yield, i)->type.kind != IR_VECTOR) return false;
        ir_set_operand(yield, i, nonsense(&b, ir_operand(yield, i)->type));
    }
    return true;
}

/* Mutant number *left counted from here; *left goes down by those that were passed. */
static ir_op *find_mutant(const ir_block *b, int *left, kind *k) {
    for (ir_op *op = b->first; op; op = op->next) {
        for (*k = NONE; *k < KINDS; ++*k)
            if (applies(op, *k) && (*left)-- == 0) return op;
        for (int i = 0; i < op->n_blocks; i++) {
            ir_op *found = find_mutant(op->blocks[i], left, k);
            if (found) return found;
        }
    }
    return NULL;
}

/* ---- Bookkeeping ------------------------------------------------------------------------------------------------- */
typedef struct subject {
    uint64_t hash;
    int n;            /* mutants */
    uint8_t *caught;
    uint8_t *reached; /* by the launch at hand */
    int launches;
    uint64_t seen[MAX_LAUNCHES]; /* hashes of their integers */
    struct subject *next;
} subject;

typedef struct campaign {
    const char *path;
    int share, of;
    subject *subjects;
} campaign;

static subject *subject_of(campaign *c, uint64_t hash, int n, const char *name) {
    for (subject *s = c->subjects; s; s = s->next)
        if (s->hash == hash) return s;
    subject *s = calloc(1, sizeof *s);
    if (!s) abort();
    *s = (subject){.hash = hash, .n = n, .next = c->subjects};
    s->caught = calloc((size_t)n + 1, 1), s->reached = calloc((size_t)n + 1, 1);
    if (!s->caught || !s->reached) abort();
    c->subjects = s;
    FILE *f = fopen(c->path, "r");
    char line[1024];
    unsigned long long h;
    int number;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "caught %llx %d ", &h, &number) == 2 && h == hash && number < n) s->caught[number] = 1;
    if (f) fclose(f);
    f = fopen(c->path, "a");
    if (f) fprintf(f, "kernel %016llx %d %s\n", (unsigned long long)hash, n, name), fclose(f);
    return s;
}

static void *campaign_open(void) {
    const char *path = getenv("FRIT_MUTANTS"), *share = getenv("FRIT_MUTANTS_SHARE");
    campaign *c = calloc(1, sizeof *c);
    if (!c) abort();
    c->path = path, c->of = 1;
    if (share && (sscanf(share, "%d/%d", &c->share, &c->of) != 2 || c->of < 1)) abort();
    return c;
}

static void campaign_close(void *ctx) {
    campaign *c = ctx;
    for (subject *s = c->subjects, *next; s; s = next) {
        next = s->next;
        free(s->caught);
        free(s->reached);
        free(s);
    }
    free(c);
}

/* ---- Memory of a launch ------------------------------------------------------------------------------------------ */
/* What the outputs hold, and which of their bytes have a value. */
typedef struct picture {
    char *data;
    size_t n;
} picture;

enum { MEASURE, TAKE, PUT_BACK };

static void each_output(const exec_launch *l, int n, picture *p, int what) {
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        const exec_memory *m = &l->buffers[i];
        if (!m->output || !m->bytes) continue;
        size_t bits = m->written ? (size_t)((m->first % 8 + m->bytes + 7) / 8) : 0;
        uint8_t *written = bits ? m->written + m->first / 8 : NULL;
        if (what == TAKE) memcpy(p->data + at, m->data, (size_t)m->bytes);
        if (what == PUT_BACK) memcpy(m->data, p->data + at, (size_t)m->bytes);
        at += (size_t)m->bytes;
        if (what == TAKE && bits) memcpy(p->data + at, written, bits);
        if (what == PUT_BACK && bits) memcpy(written, p->data + at, bits);
        at += bits;
    }
    p->n = at;
}

static picture take(const exec_launch *l, int n) {
    picture p = {0};
    each_output(l, n, &p, MEASURE);
    p.data = malloc(p.n + 16);
    if (!p.data) abort();
    each_output(l, n, &p, TAKE);
    return p;
}

/* The launch's memory as it was; nothing in scratch memory has a value. */
static void put_back(const exec_launch *l, int n, const picture *p, int64_t most_blocks) {
    picture copy = *p;
    each_output(l, n, &copy, PUT_BACK);
    const exec_memory *s = &l->scratch;
    if (s->bytes && s->written) memset(s->written + s->first / 8, 0, (size_t)(s->bytes / l->blocks * most_blocks + 7) / 8);
}

/* ---- Trying ------------------------------------------------------------------------------------------------------ */
enum { RUNS = 4 };

typedef struct trial {
    const exec_tapped *t;
    int n_buffers;
    picture before, after[RUNS];
    int64_t steps;
} trial;

static int64_t blocks_for(const trial *r, int run) { return run % 2 ? r->t->most_blocks : 1; }

/* Variant `run` of the launch: one block or as many as there may be, early or late copies. */
static bool run_once(const trial *r, exec_kernel *k, int run, int64_t max_steps, char *message, size_t n) {
    exec_launch l = *r->t->launch;
    l.blocks = blocks_for(r, run);
    if (l.blocks != r->t->launch->blocks) l.scratch.bytes = l.scratch.bytes / r->t->launch->blocks * l.blocks;
    l.late = run / 2;
    l.seed = (uint64_t)run * 77 + 5;
    l.max_steps = max_steps;
    put_back(r->t->launch, r->n_buffers, &r->before, r->t->most_blocks);
    return exec_run(k, &l, message, n);
}

static ir_module *parse(const exec_tapped *t, diag **d) {
    size_t n;
    const char *text = diag_source_text(t->d, 1, &n);
    *d = diag_new();
    return ir_parse(*d, diag_add_source(*d, diag_source_name(t->d, 1), text, n));
}

/* The kernel itself in every variant; its results are what mutants are compared with. */
static bool learn(trial *r, subject *s, char *message, size_t n) {
    diag *d;
    ir_module *m = parse(r->t, &d);
    const char *error;
    exec_kernel *k = exec_kernel_new(m->funcs, r->t->warp, d, &error);
    bool ok = k;
    for (int run = 0; run < RUNS && ok; run++) {
        ok = run_once(r, k, run, 0, message, n);
        r->after[run] = take(r->t->launch, r->n_buffers);
    }
    r->steps = k ? exec_steps(k) : 0;
    for (int i = 0; i < s->n && ok; i++) {
        kind what;
        int left = i;
        s->reached[i] = exec_reached(k, find_mutant(m->funcs->body, &left, &what));
    }
    exec_kernel_free(k);
    ir_module_free(m);
    diag_free(d);
    return ok;
}

typedef enum verdict { CAUGHT, ALIVE, REDUNDANT, VACUOUS } verdict;
static const char *const verdict_names[] = {"caught", "alive", "redundant", "vacuous"};

/* Runs m in all variants: true when a check fails or results differ. */
static bool fails(const trial *r, ir_module *m, const diag *d) {
    char message[1024];
    const char *error;
    exec_kernel *e = exec_kernel_new(m->funcs, r->t->warp, d, &error);
    bool found = !e;
    for (int run = 0; run < RUNS && !found; run++) {
        found = !run_once(r, e, run, r->steps * 4 + 100000, message, sizeof message);
        picture p = take(r->t->launch, r->n_buffers);
        found = found || memcmp(p.data, r->after[run].data, p.n) != 0;
        free(p.data);
    }
    exec_kernel_free(e);
    return found;
}

typedef enum change { MUTANT, PROBE, POISON } change;

/* Whether the kernel fails with the mutant `number`, or with what is to show something about it. */
static bool try_one(const trial *r, int number, change c, char *what, size_t n) {
    diag *d;
    ir_module *m = parse(r->t, &d);
    kind k;
    int left = number, line, column;
    ir_op *op = find_mutant(m->funcs->body, &left, &k);
    diag_locate(d, op->span.file, op->span.begin, &line, &column);
    snprintf(what, n, "%s:%d %s: %.200s", diag_source_name(d, 1), line, kind_names[k], ir_print_op(m->arena, op));
    bool changed = true, barrier = op->code == IR_barrier;
    if (c == MUTANT) mutate(m, op, k);
    else if (c == PROBE) changed = probe(m, op, k);
    else changed = poison(m, op, k);
    bool found = changed ? fails(r, m, d) : c == PROBE || !barrier;
    ir_module_free(m);
    diag_free(d);
    return found;
}

static verdict judge(const trial *r, int number, char *what, size_t n) {
    if (try_one(r, number, MUTANT, what, n)) return CAUGHT;
    if (!try_one(r, number, PROBE, what, n)) return VACUOUS;
    return try_one(r, number, POISON, what, n) ? ALIVE : REDUNDANT;
}

static void record(const campaign *c, const subject *s, int number, verdict v, char *what) {
    FILE *f = fopen(c->path, "a");
    if (!f) return;
    what[strcspn(what, "\n")] = 0;
    fprintf(f, "%s %016llx %d %s\n", verdict_names[v], (unsigned long long)s->hash, number, what);
    fclose(f);
}

static void try_all(campaign *c, subject *s, trial *r) {
    char what[512];
    if (!learn(r, s, what, sizeof what)) fprintf(stderr, "kernel %s is wrong without a mutation: %s\n", r->t->kernel, what);
    else
        for (int i = 0; i < s->n; i++) {
            if (s->caught[i] || !s->reached[i] || (i * 7919 + (int)(s->hash % 9973)) % c->of != c->share) continue;
            verdict v = judge(r, i, what, sizeof what);
            s->caught[i] = v == CAUGHT;
            record(c, s, i, v, what);
        }
    put_back(r->t->launch, r->n_buffers, &r->before, r->t->most_blocks);
}

static bool is_new(subject *s, uint64_t ints) {
    if (s->launches == MAX_LAUNCHES) return false;
    for (int i = 0; i < s->launches; i++)
        if (s->seen[i] == ints) return false;
    s->seen[s->launches++] = ints;
    return true;
}

static void campaign_launch(void *ctx, const exec_tapped *t) {
    campaign *c = ctx;
    size_t n_text;
    const char *text = diag_source_text(t->d, 1, &n_text);
    diag *d;
    if (!c->path) return;
    ir_module *m = parse(t, &d);
    const ir_block *b = m->funcs->body;
    int n_buffers = 0, n_ints = 0, n = 1 << 30;
    for (int i = 0; i < b->n_args - 2; i++) *(b->args[i]->type.kind == IR_PTR ? &n_buffers : &n_ints) += 1;
    kind k;
    int left = n;
    find_mutant(b, &left, &k);
    n -= left;
    ir_module_free(m);
    diag_free(d);
    subject *s = subject_of(c, fpk_hash(text, n_text), n, t->kernel);
    uint64_t ints = fpk_hash(t->launch->ints, sizeof(int64_t) * (size_t)n_ints) ^ (uint64_t)t->launch->tasks;
    if (!is_new(s, ints)) return;
    trial r = {.t = t, .n_buffers = n_buffers, .before = take(t->launch, n_buffers)};
    try_all(c, s, &r);
    free(r.before.data);
    for (int i = 0; i < RUNS; i++) free(r.after[i].data);
}

const exec_tap exec_device_tap = {campaign_open, campaign_launch, campaign_close};
