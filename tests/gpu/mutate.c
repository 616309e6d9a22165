/* The frit command with a device that tries mutants of the kernels it runs (mutate.py drives it):
 *
 *     FRIT_MUTANTS=FILE FRIT_MUTANTS_PASS=1|2|3 [FRIT_MUTANTS_SHARE=N/M] frit_mutate run PACKAGE ...
 *
 * A mutant is a kernel with one thing about its threads' cooperation wrong (mutate_ops.h). It runs alone, in as many blocks as
 * there may be and in few, of which some run, with early and late copies, and is caught by one of the executor's checks or by
 * results that differ from the kernel's own in a single bit. The first pass has it run briefly on the data of the launch at hand; most
 * are caught there, on the first of the shapes where they differ; what is not on three of them waits for the second. That, over the same launches, has the others run at length and on other data
 * (mutate_launch.h), and asks what shows that they make no difference:
 *
 *   - "unreached": no launch came to the op;
 *   - "implied": the mutant can't differ, as mutate_proof.h shows for all sizes;
 *   - "vacuous": where a value was changed, on no data it was ever another than before, and that is not shown to be so always;
 *   - "redundant": shown to make no difference where it was another: an op that only orders, without which no two accesses
 *     collide (the executor would tell, in whatever order threads come), a predicate without which all accesses are in bounds and of what
 *     has a value, while nonsense in place of what it keeps back changes no result; an access to shared memory that may as
 *     well move nonsense; a branch that makes no difference to what is computed or stored, or only leaves in memory of the
 *     thread what may as well be infinite;
 *   - "alive": none of these.
 *
 * FILE gets a line for each kernel, "kernel HASH NUMBER-OF-MUTANTS NAME", for each mutant that is caught "caught HASH NUMBER
 * TEXT", one with "passed" for each launch of the first pass where it differs and is not caught, and when the device is closed after the second pass one such line for every other mutant of the kernels that ran; the text is the line,
 * what was done, and the op. Those that FILE says are caught are not tried again, and what it says thrice
 * to be redundant has only to pass on the launch's own data. A third pass is as the second, for those not shown redundant. The share tries those whose number is N
 * modulo M. A kernel is looked at in the first launches that differ in their integers. Launches of many tasks do not run at
 * all behind the trials: numbers in their outputs serve the kernels that follow as well. */
#include "mutate_launch.h"
#include "mutate_ops.h"
#include "mutate_proof.h"
#include "runtime/package.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAUNCHES = 3, MANY_TASKS = 48, ENOUGH = 3 };

/* ---- Bookkeeping ------------------------------------------------------------------------------------------------- */
typedef enum verdict { UNTRIED, UNREACHED, VACUOUS, REDUNDANT, ALIVE, IMPLIED, CAUGHT } verdict; /* later ones count */
static const char *const verdict_names[] = {"", "unreached", "vacuous", "redundant", "alive", "implied", "caught"};

typedef struct mutant {
    verdict v;
    mutant_kind kind;
    const ir_op *op; /* of the module at hand */
    uint32_t seen;   /* the sets of data on which it differs */
    int shown;       /* runs of the command that have shown it redundant */
    int passed;      /* launches of first passes where it differs and was not caught */
    char *text;
} mutant;

typedef struct subject {
    uint64_t hash;
    int n;
    mutant *mutants;
    int launches;
    uint64_t seen[MAX_LAUNCHES]; /* hashes of their integers */
    struct subject *next;
} subject;

typedef struct campaign {
    const char *path;
    int pass, share, of;
    subject *subjects;
} campaign;

static ir_module *parse(const exec_tapped *t, diag **d) {
    size_t n;
    const char *text = diag_source_text(t->d, 1, &n);
    *d = diag_new();
    return ir_parse(*d, diag_add_source(*d, diag_source_name(t->d, 1), text, n));
}

static char *describe(const diag *d, ir_module *m, const ir_op *op, mutant_kind k) {
    char text[400];
    int line, column;
    diag_locate(d, op->span.file, op->span.begin, &line, &column);
    snprintf(text, sizeof text, "%s:%d %s: %.200s", diag_source_name(d, 1), line, mutant_kind_names[k], ir_print_op(m->arena, op));
    text[strcspn(text, "\n")] = 0;
    return strdup(text);
}

static subject *new_subject(campaign *c, const exec_tapped *t, uint64_t hash) {
    subject *s = calloc(1, sizeof *s);
    if (!s) abort();
    diag *d;
    ir_module *m = parse(t, &d);
    int left = s->n = mutant_count(m->funcs->body);
    s->hash = hash, s->next = c->subjects;
    s->mutants = calloc((size_t)s->n + 1, sizeof *s->mutants);
    if (!s->mutants) abort();
    for (int i = 0; i < s->n; i++) {
        mutant *u = &s->mutants[i];
        const ir_op *op = mutant_find(m->funcs->body, (left = i, &left), &u->kind);
        u->text = describe(d, m, op, u->kind);
    }
    ir_module_free(m);
    diag_free(d);
    return c->subjects = s;
}

static subject *subject_of(campaign *c, const exec_tapped *t) {
    size_t n_text;
    const char *text = diag_source_text(t->d, 1, &n_text);
    uint64_t hash = fpk_hash(text, n_text);
    for (subject *s = c->subjects; s; s = s->next)
        if (s->hash == hash) return s;
    subject *s = new_subject(c, t, hash);
    FILE *f = fopen(c->path, "r");
    char line[1024];
    unsigned long long h;
    int number;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "caught %llx %d ", &h, &number) == 2 && h == hash && number < s->n) s->mutants[number].v = CAUGHT;
        else if (sscanf(line, "redundant %llx %d ", &h, &number) == 2 && h == hash && number < s->n) s->mutants[number].shown++;
        else if (sscanf(line, "implied %llx %d ", &h, &number) == 2 && h == hash && number < s->n) s->mutants[number].v = IMPLIED;
        else if (sscanf(line, "passed %llx %d ", &h, &number) == 2 && h == hash && number < s->n) s->mutants[number].passed++;
    }
    if (f) fclose(f);
    f = fopen(c->path, "a");
    if (f) fprintf(f, "kernel %016llx %d %s\n", (unsigned long long)hash, s->n, t->kernel), fclose(f);
    return s;
}

static bool in_share(const campaign *c, const subject *s, int number) {
    return (number * 7919 + (int)(s->hash % 9973)) % c->of == c->share;
}

static void record(const campaign *c, const subject *s, int number, const char *what) {
    FILE *f = fopen(c->path, "a");
    if (!f) return;
    fprintf(f, "%s %016llx %d %s\n", what, (unsigned long long)s->hash, number, s->mutants[number].text);
    fclose(f);
}

static void *campaign_open(void) {
    const char *path = getenv("FRIT_MUTANTS"), *pass = getenv("FRIT_MUTANTS_PASS"), *share = getenv("FRIT_MUTANTS_SHARE");
    campaign *c = calloc(1, sizeof *c);
    if (!c) abort();
    c->path = path, c->of = 1;
    if (pass && sscanf(pass, "%d", &c->pass) != 1) abort();
    if (path && (c->pass < 1 || c->pass > 3)) abort();
    if (share && (sscanf(share, "%d/%d", &c->share, &c->of) != 2 || c->of < 1)) abort();
    return c;
}

static void campaign_close(void *ctx) {
    campaign *c = ctx;
    for (subject *s = c->subjects, *next; s; s = next) {
        next = s->next;
        for (int i = 0; i < s->n; i++) {
            if (c->pass > 1 && s->mutants[i].v != UNTRIED && s->mutants[i].v != CAUGHT) record(c, s, i, verdict_names[s->mutants[i].v]);
            free(s->mutants[i].text);
        }
        free(s->mutants);
        free(s);
    }
    free(c);
}

/* ---- The kernel itself ------------------------------------------------------------------------------------------- */
/* The kernel at hand. */
typedef struct original {
    diag *d;
    ir_module *m;
    exec_kernel *k;
    bool learnt[MAX_DATA], good[MAX_DATA];
} original;

/* Whether the launch has come to op, or, where op only computes, to something that its results go into. */
static bool matters(const exec_kernel *k, const ir_op *op) {
    if (!(exec_seen(k, op) & EXEC_REACHED)) return false;
    if (!(ir_op_flags(op) & IR_F_ELEMENTWISE) && op->code != IR_tensor_map) return true;
    for (const ir_use *u = ir_result(op, 0)->uses; u; u = u->next) {
        bool end = ir_op_flags(u->user) & IR_F_TERMINATOR;
        if (matters(k, end ? u->user->parent->op : u->user)) return true;
    }
    return false;
}

/* Runs the kernel itself on set d: what mutants are compared with, and which of them differ there. */
static bool learn(original *o, trial *r, subject *s, int d, char *message, size_t n) {
    if (o->learnt[d]) return o->good[d];
    o->learnt[d] = true;
    const char *error;
    exec_kernel *k = exec_kernel_new(o->m->funcs, r->t->warp, o->d, &error);
    r->watch = true;
    bool ok = k;
    for (int run = 0; run < RUNS && ok; run++) {
        if (!trial_has(r, d, run)) continue;
        ok = trial_run(r, k, d, run, d < DATA_INTS ? 0 : r->steps[DATA_OWN] * 4 + 100000, NULL, message, n);
        r->after[d][run] = trial_outcome(r);
    }
    r->watch = false;
    if (k) r->steps[d] = exec_steps(k);
    for (int i = 0; i < s->n && ok; i++) {
        mutant *u = &s->mutants[i];
        if (u->v == UNTRIED || u->v == CAUGHT || !matters(k, u->op)) continue;
        if (u->v == UNREACHED) u->v = VACUOUS;
        if (!(exec_seen(k, u->op) & mutant_shows(u->kind))) continue;
        u->seen |= 1u << d;
        if (u->v == IMPLIED) u->v = ALIVE, fprintf(stderr, "seen to differ, and proven not to: %s\n", u->text);
    }
    exec_kernel_free(k);
    return o->good[d] = ok;
}

/* ---- Trying ------------------------------------------------------------------------------------------------------ */
/* Runs m on set d: true when a check fails or results differ. */
static bool fails_on(const trial *r, exec_kernel *e, int d, const ir_op *nonsense) {
    char message[1024];
    for (int run = 0; run < RUNS; run++)
        if (trial_has(r, d, run) && (!trial_run(r, e, d, run, r->steps[d] * 4 + 100000, nonsense, message, sizeof message) || trial_outcome(r) != r->after[d][run])) return true;
    return false;
}

typedef enum change { MUTANT, POISON, SAME } change;

/* Whether the kernel fails on one of the sets of data, with the mutant `number` or with what is to show something about it.
 * -1: nothing can be shown that way. */
static int try_on(const trial *r, int number, change c, uint32_t sets) {
    diag *d;
    ir_module *m = parse(r->t, &d);
    mutant_kind k;
    int left = number, found = -1;
    ir_op *op = mutant_find(m->funcs->body, &left, &k);
    const ir_op *nonsense = NULL;
    bool changed = true;
    if (c == MUTANT) mutant_apply(m, op, k);
    else if (c == POISON) changed = mutant_poison(m, op, k, &nonsense);
    else changed = mutant_compare(m, op, k);
    if (changed) {
        const char *error;
        exec_kernel *e = exec_kernel_new(m->funcs, r->t->warp, d, &error);
        found = !e;
        for (int set = 0; set < MAX_DATA && !found; set++)
            if (sets >> set & 1) found = fails_on(r, e, set, nonsense);
        exec_kernel_free(e);
    }
    ir_module_free(m);
    diag_free(d);
    return found;
}

static void judge(original *o, trial *r, subject *s, int number) {
    mutant *u = &s->mutants[number];
    char message[512];
    bool differs = u->seen & 1;
    if (differs && try_on(r, number, MUTANT, 1)) {
        u->v = CAUGHT;
        return;
    }
    if (r->pass == 1) {
        u->passed += differs;
        return;
    }
    if (u->seen & 1 && u->shown >= ENOUGH) {
        if (u->v < REDUNDANT) u->v = REDUNDANT;
        return;
    }
    if (u->v <= VACUOUS && !(u->seen & 1) && mutate_proven(o->m->funcs, u->op, u->kind)) {
        u->v = IMPLIED;
        return;
    }
    for (int d = 1; d < r->n_data; d++) learn(o, r, s, d, message, sizeof message);
    if (u->v == UNREACHED || !u->seen) return;
    bool orders = mutant_only_orders(u->op, u->kind);
    if (orders) u->seen &= 1 | 1 << DATA_WILD; /* numbers matter where they decide what is done */
    if (try_on(r, number, MUTANT, u->seen & ~1u) > 0) {
        u->v = CAUGHT;
        return;
    }
    bool shown = orders || !try_on(r, number, POISON, u->seen) || !try_on(r, number, SAME, u->seen);
    verdict v = shown ? REDUNDANT : ALIVE;
    if (u->v < v) u->v = v;
}

/* Whether the mutant is to be tried in this pass. */
static bool is_open(const campaign *c, const subject *s, int number) {
    const mutant *u = &s->mutants[number];
    if (u->v == CAUGHT || u->v == IMPLIED || !in_share(c, s, number)) return false;
    return c->pass == 1 ? u->passed < ENOUGH : c->pass == 2 || !u->shown;
}

static void try_all(campaign *c, subject *s, trial *r, original *o) {
    char message[512];
    int n_open = 0;
    for (int i = 0; i < s->n; i++) {
        int left = i;
        mutant *u = &s->mutants[i];
        u->op = mutant_find(o->m->funcs->body, &left, &u->kind), u->seen = 0;
        if (u->v == UNTRIED && is_open(c, s, i)) u->v = UNREACHED;
        n_open += is_open(c, s, i);
    }
    if (!n_open) return;
    if (!learn(o, r, s, DATA_OWN, message, sizeof message))
        fprintf(stderr, "kernel %s is wrong without a mutation: %s\n", r->t->kernel, message);
    else
        for (int i = 0; i < s->n; i++) {
            mutant *u = &s->mutants[i];
            if (!is_open(c, s, i)) continue;
            int passed = u->passed;
            judge(o, r, s, i);
            if (u->v == CAUGHT) record(c, s, i, verdict_names[CAUGHT]);
            else if (u->passed > passed) record(c, s, i, "passed");
        }
}

static bool is_new(subject *s, uint64_t ints) {
    if (s->launches == MAX_LAUNCHES) return false;
    for (int i = 0; i < s->launches; i++)
        if (s->seen[i] == ints) return false;
    s->seen[s->launches++] = ints;
    return true;
}

static bool campaign_launch(void *ctx, const exec_tapped *t) {
    campaign *c = ctx;
    if (!c->path) return false;
    subject *s = subject_of(c, t);
    original o = {0};
    o.m = parse(t, &o.d);
    trial r;
    trial_open(&r, c->pass, t, o.m->funcs->body);
    uint64_t ints = fpk_hash(t->launch->ints, sizeof(int64_t) * (size_t)r.n_ints) ^ (uint64_t)t->launch->tasks;
    if (is_new(s, ints)) try_all(c, s, &r, &o);
    bool filled = t->launch->tasks > MANY_TASKS;
    trial_close(&r, filled);
    ir_module_free(o.m);
    diag_free(o.d);
    return filled;
}

const exec_tap exec_device_tap = {campaign_open, campaign_launch, campaign_close};
