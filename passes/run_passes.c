#include "pass.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

const pass_info pass_table[PASS_COUNT] = {
#define PASS(name, doc) {#name, doc, pass_##name},
#include "passes.def"
#undef PASS
};

pass_ctx pass_ctx_new(ir_module *m, const pass_options *options) {
    static const pass_options defaults = {0};
    return (pass_ctx){.m = m, .options = options ? options : &defaults};
}

static pass_id find(const char *name, size_t len) {
    int i = 0;
    while (i < PASS_COUNT && (strncmp(pass_table[i].name, name, len) || pass_table[i].name[len])) i++;
    return (pass_id)i;
}

pass_id pass_find(const char *name) { return find(name, strlen(name)); }

const char *pass_parse_skip(const char *list, uint64_t *skip, size_t *len) {
    while (*list) {
        size_t n = strcspn(list, ",");
        pass_id id = find(list, n);
        if (n && id == PASS_COUNT) {
            *len = n;
            return list;
        }
        if (n) *skip |= UINT64_C(1) << id;
        list += n + (list[n] == ',');
    }
    return NULL;
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A dump is for people: a folder that cannot be written to is no reason to stop. */
static void dump(pass_ctx *c, const char *func, const char *stage) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%03d-%s-%s.fir", c->options->dump_dir, c->dumps++, func, stage);
    FILE *out = fopen(path, "w");
    if (!out) return;
    fputs(ir_print(c->scratch, c->m), out);
    fclose(out);
}

static void verify_after(pass_ctx *c, const char *func, const char *stage) {
    const char *problems = NULL;
    if (ir_verify(c->scratch, c->m, &problems) == 0) return;
    c->bug = arena_printf(c->m->arena, "the program is broken after pass '%s' on '%s':\n%s", stage, func, problems);
}

bool pass_run(pass_ctx *c, pass_id id, ir_func *f) {
    if (c->bug || c->options->skip >> id & 1) return false;
    c->scratch = arena_new();
    int64_t start = now_ns();
    bool changed = pass_table[id].run(c, f);
    c->timers[id].ns += now_ns() - start;
    c->timers[id].runs++;
    c->timers[id].changes += changed;
    if (changed && !c->options->unverified) verify_after(c, f->name, pass_table[id].name);
    if (changed && c->options->dump_dir) dump(c, f->name, pass_table[id].name);
    if (changed && c->options->show) c->options->show(c->options->user, c->m, pass_table[id].name);
    arena_free(c->scratch);
    c->scratch = NULL;
    return changed;
}

/* Each round makes opportunities for the next; models settle after two or three, and a bound keeps the time linear. */
enum { MAX_ROUNDS = 6 };

static void tidy(pass_ctx *c, ir_func *f) {
    for (int round = 0; round < MAX_ROUNDS; round++) {
        bool changed = pass_run(c, PASS_canonicalize, f);
        changed |= pass_run(c, PASS_fold, f);
        changed |= pass_run(c, PASS_simplify, f);
        changed |= pass_run(c, PASS_control, f);
        changed |= pass_run(c, PASS_cse, f);
        changed |= pass_run(c, PASS_dce, f);
        if (!changed) return;
    }
}

static void tensor_func(pass_ctx *c, ir_func *f) {
    pass_run(c, PASS_dce, f);
    pass_run(c, PASS_state, f);
    tidy(c, f);
    if (pass_run(c, PASS_contract, f)) tidy(c, f);
    if (pass_run(c, PASS_contract, f)) tidy(c, f); /* sums that the first run has made smaller */
    if (pass_run(c, PASS_split, f)) tidy(c, f);
}

bool passes_tensor(pass_ctx *c, ir_module *m) {
    for (ir_func *f = m->funcs; f; f = f->next)
        if (f->level == IR_LEVEL_TENSOR) tensor_func(c, f);
    return !c->bug;
}
