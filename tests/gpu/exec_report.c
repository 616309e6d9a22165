#include "exec_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *exec_root_name(const exec_context *x, const exec_root *r) {
    const exec_kernel *k = x->k;
    if (r->kind == ROOT_SHARED) return "shared memory";
    if (r->kind == ROOT_LOCAL) return "a thread's own memory";
    if (r->arg == k->f->body->n_args - 2) return "scratch memory";
    const char *name = k->f->body->args[r->arg]->name;
    return arena_printf(k->a, "global memory, argument %d%s%s", r->arg, name ? " " : "", name ? name : "");
}

static void place(exec_context *x, const ir_op *op, char *out, size_t n) {
    out[0] = 0;
    if (!x->k->d || !op->span.file) return;
    int line, column;
    diag_locate(x->k->d, op->span.file, op->span.begin, &line, &column);
    snprintf(out, n, "%s:%d: ", diag_source_name(x->k->d, op->span.file), line);
}

void exec_fail(exec_context *x, const exec_inst *i, int thread, const char *fmt, ...) {
    if (x->failed) return;
    x->failed = true;
    char what[512], where[256] = "", who[64] = "";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (i) place(x, i->op, where, sizeof where);
    if (thread >= 0) snprintf(who, sizeof who, " thread %d", thread % x->k->block);
    const char *text = i ? ir_print_op(x->k->a, i->op) : "";
    snprintf(x->message, x->n_message, "%skernel %s, block %lld%s: %s%s%.300s", where, x->k->f->name, (long long)(x->block + (thread > 0 ? thread / x->k->block : 0)), who,
             what, i ? "\n    " : "", text);
}
