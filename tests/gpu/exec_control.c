#include "exec_internal.h"
#include <string.h>

/* ---- Masks ------------------------------------------------------------------------------------------------------- */
static void mask_finish(exec_mask *m, const uint8_t *on, int lo, int hi) {
    *m = (exec_mask){.on = on, .lo = hi, .hi = lo};
    for (int t = lo; t < hi; t++)
        if (on[t]) {
            if (!m->n++) m->lo = t;
            m->hi = t + 1;
        }
}

bool exec_whole_groups(exec_context *x, const exec_inst *i, int size, const char *what) {
    if (x->mask.n == x->threads) return true;
    for (int g = 0; g < x->threads; g += size) {
        int n = 0, there = -1, missing = -1, end = g + size < x->threads ? g + size : x->threads;
        for (int t = g; t < end; t++) {
            bool on = t >= x->mask.lo && t < x->mask.hi && x->mask.on[t];
            n += on;
            *(on ? &there : &missing) = t;
        }
        if (!n || missing < 0) continue;
        exec_fail(x, i, there, "reaches this, thread %d of the same %s does not (%d of %d do)", missing, what, n, end - g);
        return false;
    }
    return true;
}

/* ---- Copies of values -------------------------------------------------------------------------------------------- */
/* `to` at p takes what `from` at q holds, for the threads that take part. */
static void copy_value(const exec_context *x, const exec_value *to, char *p, const exec_value *from, const char *q) {
    size_t n = (size_t)to->bytes;
    if (to->uniform) memcpy(p, q, n);
    else if (from->uniform) {
        EACH_THREAD(x, t) memcpy(p + n * (size_t)t, q, n);
    } else if (x->mask.n == x->mask.hi - x->mask.lo)
        memcpy(p + n * (size_t)x->mask.lo, q + n * (size_t)x->mask.lo, n * (size_t)x->mask.n);
    else
        EACH_THREAD(x, t) memcpy(p + n * (size_t)t, q + n * (size_t)t, n);
}

static bool is_arg(const exec_code *c, const exec_value *v) {
    for (int i = 0; i < c->n_args; i++)
        if (c->args[i] == v) return true;
    return false;
}

static size_t room(const exec_context *x, const exec_value *v) {
    size_t n = (size_t)v->bytes * (size_t)(v->uniform ? 1 : x->threads);
    return (n + 63) / 64 * 64;
}

/* to[i] = from[i], all at once: what is itself an argument that is overwritten goes through room for the results. */
static void assign(const exec_context *x, const exec_inst *i, int n, exec_value *const *to, exec_value *const *from) {
    const exec_code *target = NULL;
    for (int b = 0; b < 2; b++)
        if (n && i->blocks[b] && is_arg(i->blocks[b], to[0])) target = i->blocks[b];
    bool crossed = false;
    for (int k = 0; target && k < n; k++) crossed |= from[k] != to[k] && is_arg(target, from[k]);
    char *at = i->temp[3];
    for (int k = 0; crossed && k < n; k++) {
        copy_value(x, to[k], at, from[k], from[k]->p);
        at += room(x, to[k]);
    }
    at = i->temp[3];
    for (int k = 0; k < n; k++) {
        if (crossed) copy_value(x, to[k], to[k]->p, to[k], at);
        else if (to[k] != from[k]) copy_value(x, to[k], to[k]->p, from[k], from[k]->p);
        at += room(x, to[k]);
    }
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */
void exec_code_run(exec_context *x, const exec_code *c) {
    if ((x->steps_left -= c->n) < 0) exec_fail(x, c->n ? &c->v[0] : NULL, -1, "does not end: too many steps");
    uint8_t *seen = x->k->seen;
    x->run++;
    for (int i = 0; i < c->n && !x->failed; i++) {
        seen[c->v[i].id] |= EXEC_REACHED;
        if (x->l->watch) exec_watch(x, &c->v[i]);
        c->v[i].fn(x, &c->v[i]);
        if (c->v[i].range) exec_check_range(x, &c->v[i]);
    }
}

/* ---- for --------------------------------------------------------------------------------------------------------- */
static void for_together(exec_context *x, const exec_inst *i) {
    const exec_code *c = i->blocks[0];
    int n = i->op->n_results;
    int64_t at = exec_i64(i->in[0], 0), to = exec_i64(i->in[1], 0), step = exec_i64(i->in[2], 0);
    if (step <= 0) {
        exec_fail(x, i, -1, "a loop's step is %lld", (long long)step);
        return;
    }
    for (; at < to && !x->failed; at += step) {
        exec_value *v = c->args[0];
        if (v->uniform) memcpy(v->p, &at, 8);
        else
            for (int t = 0; t < x->threads; t++) memcpy(v->p + 8 * t, &at, 8);
        exec_code_run(x, c);
        assign(x, i, n, c->args + 1, c->yield);
        x->steps_left--;
    }
}

/* Threads leave one after another; the counter is an argument like the carried values. */
static void for_apart(exec_context *x, const exec_inst *i) {
    const exec_code *c = i->blocks[0];
    const exec_mask before = x->mask;
    int64_t *at = (int64_t *)(void *)c->args[0]->p;
    EACH_THREAD(x, t) at[t] = exec_i64(i->in[0], t);
    while (!x->failed) {
        uint8_t *on = i->masks[0];
        for (int t = x->mask.lo; t < x->mask.hi; t++) on[t] = x->mask.on[t] && at[t] < exec_i64(i->in[1], t);
        mask_finish(&x->mask, on, x->mask.lo, x->mask.hi);
        if (!x->mask.n) break;
        exec_code_run(x, c);
        assign(x, i, i->op->n_results, c->args + 1, c->yield);
        EACH_THREAD(x, t) {
            int64_t step = exec_i64(i->in[2], t);
            if (step <= 0) exec_fail(x, i, t, "a loop's step is %lld", (long long)step);
            at[t] += step;
        }
        x->steps_left--;
    }
    x->mask = before;
}

void exec_for(exec_context *x, const exec_inst *i) {
    const exec_code *c = i->blocks[0];
    int n = i->op->n_results;
    assign(x, i, n, c->args + 1, i->in + 3);
    if (i->in[0]->uniform && i->in[1]->uniform && i->in[2]->uniform) for_together(x, i);
    else for_apart(x, i);
    for (int k = 0; k < n; k++) copy_value(x, i->results[k], i->results[k]->p, c->args[1 + k], c->args[1 + k]->p);
}

/* ---- if ---------------------------------------------------------------------------------------------------------- */
static void run_arm(exec_context *x, const exec_inst *i, int arm) {
    const exec_code *c = i->blocks[arm];
    exec_code_run(x, c);
    for (int k = 0; k < i->op->n_results; k++) copy_value(x, i->results[k], i->results[k]->p, c->yield[k], c->yield[k]->p);
}

void exec_if(exec_context *x, const exec_inst *i) {
    const exec_value *cond = i->in[0];
    if (cond->uniform) {
        run_arm(x, i, *cond->p ? 0 : 1);
        return;
    }
    const exec_mask before = x->mask;
    exec_mask arms[2];
    for (int arm = 0; arm < 2; arm++) {
        uint8_t *on = i->masks[arm];
        for (int t = before.lo; t < before.hi; t++) on[t] = before.on[t] && (cond->p[t] != 0) == (arm == 0);
        mask_finish(&arms[arm], on, before.lo, before.hi);
    }
    if (i->parts && arms[0].n && arms[1].n) exec_parts_if(x, i, arms, run_arm);
    else for (int arm = 0; arm < 2 && !x->failed; arm++) {
        x->mask = arms[arm];
        if (x->mask.n) run_arm(x, i, arm);
    }
    x->mask = before;
}

/* ---- while ------------------------------------------------------------------------------------------------------- */
void exec_while(exec_context *x, const exec_inst *i) {
    const exec_code *test = i->blocks[0], *body = i->blocks[1];
    const exec_mask before = x->mask;
    int n = i->op->n_results;
    assign(x, i, n, test->args, i->in);
    while (!x->failed) {
        exec_code_run(x, test);
        const exec_value *cond = test->yield[0];
        for (int k = 0; k < n; k++) /* all: those that stop now take what was yielded */
            copy_value(x, i->results[k], i->results[k]->p, test->yield[1 + k], test->yield[1 + k]->p);
        assign(x, i, n, body->args, test->yield + 1);
        if (cond->uniform && !*cond->p) break;
        if (!cond->uniform) {
            uint8_t *on = i->masks[0];
            for (int t = x->mask.lo; t < x->mask.hi; t++) on[t] = x->mask.on[t] && cond->p[t];
            mask_finish(&x->mask, on, x->mask.lo, x->mask.hi);
            if (!x->mask.n) break;
        }
        exec_code_run(x, body);
        assign(x, i, n, test->args, body->yield);
        x->steps_left--;
    }
    x->mask = before;
}
