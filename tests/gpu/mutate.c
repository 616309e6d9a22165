/* The frit command with a device that tries mutants of the kernels it runs (mutate.py drives it):
 *
 *     FRIT_MUTANTS=FILE [FRIT_MUTANTS_SHARE=N/M] frit_mutate run PACKAGE ...
 *
 * A mutant is a kernel with one thing about its threads' cooperation wrong (mutate_ops.h). It runs on the data of the
 * launch at hand, in few blocks and in as many as there may be, of which six run, with early and late copies, and is caught by one of the
 * executor's checks or by results that differ from the kernel's own in a single bit. One that is not caught is "vacuous" when
 * on this data the changed value is never another than it was (a predicate that is never false): the run is the same, step
 * by step, and says nothing. It is "redundant" when that is shown: a barrier without which no two accesses collide (the
 * executor would tell), a predicate without which all accesses are in bounds and of what has a value, while nonsense
 * in place of what it keeps back changes no result; an access to shared memory that may as well move nonsense; a branch
 * that makes no difference to what is computed or stored. Else it is "alive".
 *
 * FILE gets a line for each kernel, "kernel HASH NUMBER-OF-MUTANTS NAME", and for each mutant that was tried, "caught",
 * "alive", "redundant" or "vacuous", the kernel's hash, the mutant's number, line, what was done, the op. Mutants of ops that a launch does not come to
 * are not tried on it; those that FILE says are caught are not tried again. The share tries those whose number is N modulo
 * M. A kernel is looked at in the first launches that differ in their integers. */
#include "driver.h"
#include "mutate_ops.h"
#include "runtime/package.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAUNCHES = 3 };

/* ---- Bookkeeping ------------------------------------------------------------------------------------------------- */
typedef struct subject {
    uint64_t hash;
    int n;            /* mutants */
    uint8_t *caught;
    uint8_t *reached; /* by the launch at hand */
    uint8_t *barrier; /* is one less */
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
    s->caught = calloc((size_t)n + 1, 1), s->reached = calloc((size_t)n + 1, 1), s->barrier = calloc((size_t)n + 1, 1);
    if (!s->caught || !s->reached || !s->barrier) abort();
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
        free(s->barrier);
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
enum { RUNS = 4, SAMPLE = 6 };

typedef struct trial {
    const exec_tapped *t;
    int n_buffers;
    picture before, after[RUNS];
    int64_t steps;
} trial;

/* As many blocks as there may be, or few that have several tasks each. */
static int64_t blocks_for(const trial *r, int run) {
    int64_t most = r->t->most_blocks, tasks = r->t->launch->tasks, few = tasks <= 2 * SAMPLE ? 1 : (tasks + 2) / 3;
    return run % 2 || few > most ? most : few;
}

/* Variant `run` of the launch: many or few blocks, of which some run; early or late copies. */
static bool run_once(const trial *r, exec_kernel *k, int run, int64_t max_steps, const ir_op *nonsense, char *message, size_t n) {
    exec_launch l = *r->t->launch;
    l.blocks = blocks_for(r, run);
    if (l.blocks != r->t->launch->blocks) l.scratch.bytes = l.scratch.bytes / r->t->launch->blocks * l.blocks;
    l.late = run / 2;
    l.sample = SAMPLE;
    l.nonsense = nonsense;
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

/* Whether the launch has come to op, or, where op only computes, to something that its results go into. */
static bool matters(const exec_kernel *k, const ir_op *op) {
    if (!exec_reached(k, op)) return false;
    if (!(ir_op_flags(op) & IR_F_ELEMENTWISE) && op->code != IR_tensor_map) return true;
    for (const ir_use *u = ir_result(op, 0)->uses; u; u = u->next) {
        bool end = ir_op_flags(u->user) & IR_F_TERMINATOR;
        if (matters(k, end ? u->user->parent->op : u->user)) return true;
    }
    return false;
}

/* The kernel itself in every variant; its results are what mutants are compared with. */
static bool learn(trial *r, subject *s, char *message, size_t n) {
    diag *d;
    ir_module *m = parse(r->t, &d);
    const char *error;
    exec_kernel *k = exec_kernel_new(m->funcs, r->t->warp, d, &error);
    bool ok = k;
    for (int run = 0; run < RUNS && ok; run++) {
        ok = run_once(r, k, run, 0, NULL, message, n);
        r->after[run] = take(r->t->launch, r->n_buffers);
    }
    r->steps = k ? exec_steps(k) : 0;
    for (int i = 0; i < s->n && ok; i++) {
        mutant_kind what;
        int left = i;
        const ir_op *op = mutant_find(m->funcs->body, &left, &what);
        s->reached[i] = matters(k, op), s->barrier[i] = mutant_is_barrier(op, what);
    }
    exec_kernel_free(k);
    ir_module_free(m);
    diag_free(d);
    return ok;
}

typedef enum verdict { CAUGHT, ALIVE, REDUNDANT, VACUOUS } verdict;
static const char *const verdict_names[] = {"caught", "alive", "redundant", "vacuous"};

/* Runs m in the first `runs` variants: true when a check fails or results differ. */
static bool fails(const trial *r, ir_module *m, const diag *d, int runs, const ir_op *nonsense) {
    char message[1024];
    const char *error;
    exec_kernel *e = exec_kernel_new(m->funcs, r->t->warp, d, &error);
    bool found = !e;
    for (int run = 0; run < runs && !found; run++) {
        found = !run_once(r, e, run, r->steps * 4 + 100000, nonsense, message, sizeof message);
        picture p = take(r->t->launch, r->n_buffers);
        found = found || memcmp(p.data, r->after[run].data, p.n) != 0;
        free(p.data);
    }
    exec_kernel_free(e);
    return found;
}

typedef enum change { MUTANT, PROBE, POISON, SAME } change;

/* Whether the kernel fails with the mutant `number`, or with what is to show something about it. -1: nothing can be shown
 * that way. */
static int try_one(const trial *r, int number, change c, char *what, size_t n) {
    diag *d;
    ir_module *m = parse(r->t, &d);
    mutant_kind k;
    int left = number, line, column;
    ir_op *op = mutant_find(m->funcs->body, &left, &k);
    const ir_op *nonsense = NULL;
    diag_locate(d, op->span.file, op->span.begin, &line, &column);
    snprintf(what, n, "%s:%d %s: %.200s", diag_source_name(d, 1), line, mutant_kind_names[k], ir_print_op(m->arena, op));
    bool changed = true;
    if (c == MUTANT) mutant_apply(m, op, k);
    else if (c == PROBE) changed = mutant_probe(m, op, k);
    else if (c == POISON) changed = mutant_poison(m, op, k, &nonsense);
    else changed = mutant_compare(m, op, k);
    int found = changed ? fails(r, m, d, c == PROBE ? 1 : RUNS, nonsense) : -1; /* values are alike in all variants */
    ir_module_free(m);
    diag_free(d);
    return found;
}

static verdict judge(const trial *r, int number, bool barrier, char *what, size_t n) {
    if (!try_one(r, number, PROBE, what, n)) return VACUOUS;
    if (try_one(r, number, MUTANT, what, n)) return CAUGHT;
    bool shown = barrier || !try_one(r, number, POISON, what, n) || !try_one(r, number, SAME, what, n);
    return shown ? REDUNDANT : ALIVE;
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
            verdict v = judge(r, i, s->barrier[i], what, sizeof what);
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
    mutant_kind k;
    int left = n;
    mutant_find(b, &left, &k);
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
