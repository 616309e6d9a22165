/* The frit command with a device that tries mutants of the kernels it runs (mutate.py drives it):
 *
 *     FRIT_MUTANTS=FOLDER FRIT_MUTANTS_LIST=FILE FRIT_MUTANTS_PASS=1|2|3 [FRIT_MUTANTS_SHARE=N/M] [FRIT_MUTANTS_DONE=TEXT]
 *         frit_mutate run PACKAGE ...
 *
 * A mutant is a kernel with one thing about its threads' cooperation wrong (mutate_ops.h). It runs alone, in as many blocks
 * as there may be and in few, of which some run, with early and late copies, and is caught by one of the executor's checks or
 * by results that differ from the kernel's own in a single bit. The first pass has it run briefly on the data of the launch at
 * hand; most are caught there, on the first of the shapes where they differ; what is not on three of them waits for the
 * second. That, over the same launches, has the others run at length and on other data (mutate_launch.h), and asks what shows
 * that they make no difference:
 *
 *   - "unreached": no launch came to the op;
 *   - "implied": the mutant can't differ, as mutate_proof.h shows for all sizes;
 *   - "harmless": it chooses between equals (mutate_equals.h); all the same the first pass tries it;
 *   - "vacuous": where a value was changed, on no data it was ever another than before, and that is not shown to be so always;
 *   - "redundant": shown to make no difference where it was another: an op that only orders, without which no two accesses
 *     collide (the executor would tell, in whatever order threads come), a predicate without which all accesses are in bounds
 *     and of what has a value, while nonsense in place of what it keeps back changes no result; an access to shared memory
 *     that may as well move nonsense, wherever that is other than what it moves; a branch that makes no difference to what is
 *     computed or stored, or only leaves in memory what may as well be infinite; a comparison or a branch that
 *     changes no values but by the sign of a zero, or such that may as well be others again;
 *   - "alive": none of these.
 *
 * FILE gets a line for each kernel, "HASH NUMBER-OF-MUTANTS NAME". FOLDER/HASH is what is known of the kernels of that text
 * (but for the name), in whatever model, form or revision they occur: a line "VERDICT NUMBER LINE WHAT: OP" for each mutant
 * that is caught, implied or harmless, one with "passed" for each launch of the first pass where it differs and is not caught,
 * and one for every other mutant of the kernels that ran when the device is closed after the second pass. Those that are caught
 * are not tried again, and what is said thrice to be redundant has only to pass on the launch's own data; a kernel with a line
 * "done TEXT" is not tried at all. A third pass is as the second, for those not shown redundant. The share tries those whose
 * number is N modulo M. A kernel is looked at in the first launches that differ in their integers. Launches of many tasks do
 * not run at all behind the trials: numbers in their outputs serve the kernels that follow as well. */
#include "mutate_equals.h"
#include "mutate_launch.h"
#include "mutate_ops.h"
#include "mutate_proof.h"
#include "runtime/package.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAUNCHES = 3, MAX_KERNELS = 512, MANY_TASKS = 8, ENOUGH = 3 };

/* ---- Bookkeeping ------------------------------------------------------------------------------------------------- */
/* Later ones count. */
typedef enum verdict { UNTRIED, UNREACHED, VACUOUS, REDUNDANT, ALIVE, HARMLESS, IMPLIED, CAUGHT } verdict;
static const char *const verdict_names[] = {"", "unreached", "vacuous", "redundant", "alive", "harmless", "implied", "caught"};

typedef struct mutant {
    verdict v;
    mutant_kind kind;
    ir_op *op;     /* of the module at hand */
    uint32_t seen; /* the sets of data on which it differs */
    int shown;     /* runs of the command that have shown it redundant */
    int passed;    /* launches of first passes where it differs and was not caught */
    bool proof_tried;
    char *text;
} mutant;

typedef struct subject {
    uint64_t hash;
    int n;
    mutant *mutants;
    bool done; /* all that the campaign has for it was tried before */
    int launches;
    uint64_t seen[MAX_LAUNCHES]; /* hashes of their integers */
    struct subject *next;
} subject;

/* A kernel is known by where its text lies before that is hashed. */
typedef struct known {
    const char *text;
    subject *s;
} known;

typedef struct campaign {
    const char *folder, *list, *done;
    int pass, share, of;
    subject *subjects;
    int n_known;
    known known[MAX_KERNELS];
} campaign;

static bool in_share(const campaign *c, const subject *s, int number) {
    return (number * 7919 + (int)(s->hash % 9973)) % c->of == c->share;
}

static void note_op(void *ctx, int number, ir_op *op, mutant_kind k) {
    mutant *u = &((subject *)ctx)->mutants[number];
    u->op = op, u->kind = k;
}

static ir_module *parse(const exec_tapped *t, diag **d) {
    size_t n;
    const char *text = diag_source_text(t->d, 1, &n);
    *d = diag_new();
    return ir_parse(*d, diag_add_source(*d, diag_source_name(t->d, 1), text, n));
}

/* Line, what was done, the op as the kernel's text has it: kernels of the same text say the same. */
static char *describe(const diag *d, const ir_op *op, mutant_kind k) {
    char text[400];
    int line, column;
    size_t n;
    const char *from = diag_source_text(d, op->span.file, &n), *at = from + op->span.begin;
    diag_locate(d, op->span.file, op->span.begin, &line, &column);
    while (at > from && at[-1] != '\n') at--;
    while (*at == ' ') at++;
    snprintf(text, sizeof text, "%d %s: %.200s", line, mutant_kind_names[k], at);
    text[strcspn(text, "\n")] = 0;
    return strdup(text);
}

/* What a kernel computes, whatever its name: layers and forms share it. */
static uint64_t hash_of(const exec_tapped *t) {
    size_t n;
    const char *text = diag_source_text(t->d, 1, &n), *from = memchr(text, '(', n);
    if (!from) from = text;
    return fpk_hash(from, n - (size_t)(from - text)) + (uint64_t)t->warp;
}

static FILE *open_results(const campaign *c, const subject *s, const char *how) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%016llx", c->folder, (unsigned long long)s->hash);
    return fopen(path, how);
}

static void record(const campaign *c, const subject *s, int number, const char *what) {
    FILE *f = open_results(c, s, "a");
    if (!f) abort();
    fprintf(f, "%s %d %s\n", what, number, s->mutants[number].text);
    fclose(f);
}

/* What is known of the kernel; false: nothing. */
static bool recall(const campaign *c, subject *s) {
    FILE *f = open_results(c, s, "r");
    if (!f) return false;
    char line[1024], done[256];
    int number;
    snprintf(done, sizeof done, "done %.200s\n", c->done ? c->done : "");
    while (fgets(line, sizeof line, f)) {
        char *text = strchr(line, ' ');
        if (!strcmp(line, done)) s->done = true;
        if (!text || sscanf(text, "%d", &number) != 1 || number < 0 || number >= s->n) continue;
        mutant *u = &s->mutants[number];
        if (!strncmp(line, "caught ", 7)) u->v = CAUGHT;
        else if (!strncmp(line, "implied ", 8)) u->v = IMPLIED;
        else if (!strncmp(line, "harmless ", 9)) u->v = HARMLESS;
        else if (!strncmp(line, "redundant ", 10)) u->shown++;
        else if (!strncmp(line, "passed ", 7)) u->passed++;
    }
    fclose(f);
    return true;
}

static void prove(const campaign *c, subject *s, const ir_func *f, int number) {
    mutant *u = &s->mutants[number];
    if (u->proof_tried || u->v >= HARMLESS) return;
    u->proof_tried = true;
    if (mutate_proven(f, u->op, u->kind)) u->v = IMPLIED;
    else if (u->kind == MUTANT_ONE_OFF && mutate_chooses_equals(u->op)) u->v = HARMLESS;
    else return;
    record(c, s, number, verdict_names[u->v]);
}

static subject *new_subject(campaign *c, const exec_tapped *t, uint64_t hash) {
    subject *s = calloc(1, sizeof *s);
    if (!s) abort();
    diag *d;
    ir_module *m = parse(t, &d);
    s->hash = hash, s->next = c->subjects;
    s->n = mutant_count(m->funcs->body);
    s->mutants = calloc((size_t)s->n + 1, sizeof *s->mutants);
    if (!s->mutants) abort();
    mutant_each(m->funcs->body, note_op, s);
    for (int i = 0; i < s->n; i++) s->mutants[i].text = describe(d, s->mutants[i].op, s->mutants[i].kind);
    if (!recall(c, s))
        for (int i = 0; i < s->n; i++)
            if (in_share(c, s, i)) prove(c, s, m->funcs, i);
    ir_module_free(m);
    diag_free(d);
    return c->subjects = s;
}

/* The kernel that t runs; the list of kernels gets its name when it is met first. */
static subject *subject_of(campaign *c, const exec_tapped *t) {
    size_t n;
    const char *text = diag_source_text(t->d, 1, &n);
    for (int i = 0; i < c->n_known; i++)
        if (c->known[i].text == text) return c->known[i].s;
    uint64_t hash = hash_of(t);
    subject *s = c->subjects;
    while (s && s->hash != hash) s = s->next;
    if (!s) s = new_subject(c, t, hash);
    if (c->n_known < MAX_KERNELS) c->known[c->n_known++] = (known){text, s};
    FILE *f = fopen(c->list, "a");
    if (!f) abort();
    fprintf(f, "%016llx %d %s\n", (unsigned long long)hash, s->n, t->kernel);
    fclose(f);
    return s;
}

static void *campaign_open(void) {
    const char *pass = getenv("FRIT_MUTANTS_PASS"), *share = getenv("FRIT_MUTANTS_SHARE");
    campaign *c = calloc(1, sizeof *c);
    if (!c) abort();
    c->folder = getenv("FRIT_MUTANTS"), c->list = getenv("FRIT_MUTANTS_LIST"), c->done = getenv("FRIT_MUTANTS_DONE"), c->of = 1;
    if (pass && sscanf(pass, "%d", &c->pass) != 1) abort();
    if (c->folder && (c->pass < 1 || c->pass > 3 || !c->list)) abort();
    if (share && (sscanf(share, "%d/%d", &c->share, &c->of) != 2 || c->of < 1)) abort();
    return c;
}

static void campaign_close(void *ctx) {
    campaign *c = ctx;
    for (subject *s = c->subjects, *next; s; s = next) {
        next = s->next;
        for (int i = 0; i < s->n; i++) {
            verdict v = s->mutants[i].v;
            if (c->pass > 1 && v != UNTRIED && v < HARMLESS) record(c, s, i, verdict_names[v]);
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
static bool fails_on(trial *r, exec_kernel *e, int d, const ir_op *nonsense) {
    char message[1024];
    for (int run = 0; run < RUNS; run++) {
        if (!trial_has(r, d, run)) continue;
        if (!trial_run(r, e, d, run, r->steps[d] * 4 + 100000, nonsense, message, sizeof message)) return true;
        if (trial_outcome(r) != r->after[d][run]) return true;
    }
    return false;
}

typedef enum change { MUTANT, POISON, SAME, SPOIL, SPOIL_ALL } change;

/* Whether the kernel fails on one of the sets of data, with the mutant `number` or with what is to show something about it.
 * -1: nothing can be shown that way. */
static int try_on(trial *r, int number, change c, uint32_t sets) {
    diag *d;
    ir_module *m = parse(r->t, &d);
    mutant_kind k;
    int left = number, found = -1;
    ir_op *op = mutant_find(m->funcs->body, &left, &k);
    const ir_op *nonsense = NULL;
    bool changed = true;
    if (c == MUTANT) mutant_apply(m, op, k);
    else if (c == POISON) changed = mutant_poison(m, op, k, &nonsense);
    else changed = c == SAME ? mutant_compare(m, op, k) : mutant_spoil(m, op, k, c == SPOIL_ALL, &nonsense);
    r->tame = c == SPOIL;
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

static void judge(const campaign *c, original *o, trial *r, subject *s, int number) {
    mutant *u = &s->mutants[number];
    char message[512];
    bool differs = u->seen & 1;
    if (differs && try_on(r, number, MUTANT, 1)) {
        if (u->v == HARMLESS) fprintf(stderr, "proven not to matter, and caught: %s\n", u->text);
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
    if (u->v <= VACUOUS && !(u->seen & 1)) prove(c, s, o->m->funcs, number);
    if (u->v >= HARMLESS) return;
    for (int d = 1; d < r->n_data; d++) learn(o, r, s, d, message, sizeof message);
    if (u->v == UNREACHED || !u->seen) return;
    bool orders = mutant_only_orders(u->op, u->kind);
    if (orders) u->seen &= 1 | 1 << DATA_WILD; /* numbers matter where they decide what is done */
    /* What is the same, or may as well be nonsense, differs on no numbers; other integers may have it done elsewhere. */
    bool branch = u->kind == MUTANT_ALWAYS || u->kind == MUTANT_NEVER;
    bool shown = !orders && !try_on(r, number, branch ? SAME : POISON, u->seen);
    uint32_t others = shown ? u->seen >> DATA_INTS << DATA_INTS : u->seen & ~1u;
    if (others && try_on(r, number, MUTANT, others) > 0) {
        u->v = CAUGHT;
        return;
    }
    if (!shown) shown = orders || !try_on(r, number, branch ? POISON : SAME, u->seen);
    for (change how = SPOIL; how <= SPOIL_ALL && !shown; how++) shown = !try_on(r, number, how, u->seen);
    verdict v = shown ? REDUNDANT : ALIVE;
    if (u->v < v) u->v = v;
}

/* Whether the mutant is to be tried in this pass. */
static bool is_open(const campaign *c, const subject *s, int number) {
    const mutant *u = &s->mutants[number];
    if (s->done || u->v >= IMPLIED || !in_share(c, s, number)) return false;
    if (u->v == HARMLESS && c->pass > 1) return false;
    return c->pass == 1 ? u->passed < ENOUGH : c->pass == 2 || !u->shown;
}

static void try_all(campaign *c, subject *s, trial *r, original *o) {
    char message[512];
    o->m = parse(r->t, &o->d);
    mutant_each(o->m->funcs->body, note_op, s);
    for (int i = 0; i < s->n; i++) {
        mutant *u = &s->mutants[i];
        u->seen = 0;
        if (u->v == UNTRIED && is_open(c, s, i)) u->v = UNREACHED;
    }
    if (!learn(o, r, s, DATA_OWN, message, sizeof message))
        fprintf(stderr, "kernel %s is wrong without a mutation: %s\n", r->t->kernel, message);
    else
        for (int i = 0; i < s->n; i++) {
            mutant *u = &s->mutants[i];
            if (!is_open(c, s, i)) continue;
            int passed = u->passed;
            judge(c, o, r, s, i);
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

static bool any_open(const campaign *c, const subject *s) {
    for (int i = 0; i < s->n; i++)
        if (is_open(c, s, i)) return true;
    return false;
}

static bool campaign_launch(void *ctx, const exec_tapped *t) {
    campaign *c = ctx;
    if (!c->folder) return false;
    subject *s = subject_of(c, t);
    original o = {0};
    trial r;
    trial_open(&r, c->pass, t);
    uint64_t ints = fpk_hash(t->launch->ints, sizeof(int64_t) * (size_t)r.n_ints) ^ (uint64_t)t->launch->tasks;
    if (any_open(c, s) && is_new(s, ints)) try_all(c, s, &r, &o);
    bool filled = t->launch->tasks > MANY_TASKS;
    trial_close(&r, filled);
    if (o.m) ir_module_free(o.m);
    diag_free(o.d);
    return filled;
}

const exec_tap exec_device_tap = {campaign_open, campaign_launch, campaign_close};
