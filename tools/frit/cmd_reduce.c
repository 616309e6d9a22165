/* frit reduce: a smaller program on which a command still succeeds.
 *
 * Greedy, to a fixed point: drop a result; replace an op's result by one of its operands of the same type, by a constant,
 * or by a new input; after each step unused ops, inputs and params go. A candidate that does not verify is not tried. */
#include "cli.h"
#include "ir/ir.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const ir_span nowhere = {0};

typedef struct {
    cli *c;
    const char *command, *candidate; /* candidate: the file that the command is given */
    char *best;                      /* text of the smallest program so far */
    int tried, kept;
} reducer;

static ir_module *parse(cli *c, const char *text, diag *d) {
    return ir_parse(d, diag_add_source(d, "candidate.fir", text, strlen(text)));
}

/* ---- one step on a module ---- */
static bool is_pure(const ir_op *op) { return !(ir_op_flags(op) & (IR_F_EFFECT | IR_F_TERMINATOR)); }

static bool unused(const ir_op *op) {
    for (int i = 0; i < op->n_results; i++)
        if (op->results[i].uses)
            return false;
    return true;
}

static void remove_dead(ir_block *b) {
    for (ir_op *op = b->last, *prev; op; op = prev) {
        prev = op->prev;
        for (int i = 0; i < op->n_blocks; i++)
            remove_dead(op->blocks[i]);
        if (is_pure(op) && unused(op))
            ir_op_remove(op);
    }
}

static bool names_path(const ir_block *b, const char *path) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (ir_has(op, IR_ATTR_path) && !strcmp(ir_get_string(op, IR_ATTR_path), path))
            return true;
        for (int i = 0; i < op->n_blocks; i++)
            if (names_path(op->blocks[i], path))
                return true;
    }
    return false;
}

static void remove_params(ir_module *m) {
    int n = 0;
    for (int i = 0; i < m->globals.len; i++) {
        bool used = m->globals.data[i]->is_state;
        for (const ir_func *f = m->funcs; f && !used; f = f->next)
            used = names_path(f->body, m->globals.data[i]->path);
        if (used)
            m->globals.data[n++] = m->globals.data[i];
    }
    m->globals.len = n;
    ir_global_index(m);
}

static void tidy(ir_module *m) {
    for (ir_func *f = m->funcs; f; f = f->next)
        remove_dead(f->body);
    remove_params(m);
}

/* Input i of the program's first func goes when nothing reads it and it gives no host integer. */
static bool drop_input(ir_module *m, int i) {
    ir_func *f = m->funcs;
    ir_block *b = f->body;
    if (b->args[i]->uses || (f->arg_syms && f->arg_syms[i]))
        return false;
    for (int k = i; k + 1 < b->n_args; k++) {
        b->args[k] = b->args[k + 1];
        b->args[k]->index = k;
        if (f->arg_syms)
            f->arg_syms[k] = f->arg_syms[k + 1];
    }
    b->n_args--;
    return true;
}

/* The n-th op of the module in program order, nested ones included; NULL past the end. */
static ir_op *nth_in_block(ir_block *b, int *n) {
    for (ir_op *op = b->first; op; op = op->next) {
        if ((*n)-- == 0)
            return op;
        for (int i = 0; i < op->n_blocks; i++) {
            ir_op *found = nth_in_block(op->blocks[i], n);
            if (found)
                return found;
        }
    }
    return NULL;
}

static ir_op *nth_op(ir_module *m, int n) {
    for (ir_func *f = m->funcs; f; f = f->next) {
        ir_op *op = nth_in_block(f->body, &n);
        if (op)
            return op;
    }
    return NULL;
}

/* A return without operand i takes the place of ret. */
static bool drop_result(ir_module *m, ir_op *ret, int i) {
    ir_func *f = ir_block_func(ret->parent);
    ir_value *kept[256];
    int n = 0;
    if (ret->n_operands < 2 || i >= ret->n_operands || ret->n_operands > 256)
        return false;
    for (int k = 0; k < ret->n_operands; k++)
        if (k != i)
            kept[n++] = ir_operand(ret, k);
    for (int k = i; f->result_names && k + 1 < f->n_results; k++)
        f->result_names[k] = f->result_names[k + 1];
    f->n_results -= f->n_results > 0;
    ir_builder b = ir_builder_before(m, ret);
    ir_build(&b, IR_return, n, kept, 0, NULL);
    ir_op_remove(ret);
    return true;
}

/* Way 0 .. operands-1: an operand instead of result 0; then: a constant; then: a new input. An op without results goes. */
static bool simplify(ir_module *m, ir_op *op, int way) {
    if (op->code == IR_return)
        return drop_result(m, op, way);
    if (op->n_results == 0 || ir_op_flags(op) & IR_F_TERMINATOR) {
        if (way || ir_op_flags(op) & IR_F_TERMINATOR)
            return false;
        ir_op_remove(op);
        return true;
    }
    ir_value *with = NULL;
    if (op->n_results > 1 || op->code == IR_constant)
        return false;
    if (way < op->n_operands)
        with = ir_operand(op, way);
    else if (way == op->n_operands && op->results[0].type.kind == IR_TENSOR) {
        ir_builder b = ir_builder_before(m, op);
        bool real = frit_dtype_is_float((frit_dtype)op->results[0].type.dtype);
        with = real ? ir_splat(&b, op->results[0].type, 1) : ir_splat_int(&b, op->results[0].type, 1);
    }
    else if (way == op->n_operands + 1 && op->parent == m->funcs->body && op->results[0].type.kind == IR_TENSOR)
        with = ir_block_add_arg(m, op->parent, op->results[0].type, "in");
    if (!with || !ir_type_equal(with->type, op->results[0].type))
        return false;
    ir_replace_uses(&op->results[0], with);
    return true;
}

/* ---- trying ---- */
static bool command_succeeds(reducer *r, const char *text) {
    io_error e;
    if (!io_write_file(r->candidate, text, strlen(text), false, &e))
        return false;
    fflush(stdout);
    int status = system(arena_printf(r->c->arena, "%s '%s' >/dev/null 2>&1", r->command, r->candidate));
    r->tried++;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Whether the changed program m, tidied, is smaller, sound, and still succeeds; it is then the best. */
static bool keeps(reducer *r, arena *a, ir_module *m) {
    tidy(m);
    const char *text = ir_print(a, m);
    if (ir_verify(a, m, NULL) || strlen(text) >= strlen(r->best) || !command_succeeds(r, text))
        return false;
    free(r->best);
    r->best = strdup(text);
    r->kept++;
    return true;
}

/* Input i of the best program: 1 dropped, 0 not, -1 no such input. */
static int attempt_input(reducer *r, int i) {
    diag *d = diag_new();
    arena *a = arena_new();
    ir_module *m = parse(r->c, r->best, d);
    int result = m && i < m->funcs->body->n_args ? 0 : -1;
    if (result == 0 && drop_input(m, i) && keeps(r, a, m))
        result = 1;
    if (m)
        ir_module_free(m);
    arena_free(a);
    diag_free(d);
    return result;
}

/* Step (n, way) applied to the best program: 1 kept, 0 not, -1 no such op. */
static int attempt(reducer *r, int n, int way, bool *possible) {
    diag *d = diag_new();
    arena *a = arena_new();
    ir_module *m = parse(r->c, r->best, d);
    ir_op *op = m ? nth_op(m, n) : NULL;
    int result = op ? 0 : -1;
    *possible = op && way <= op->n_operands + 1;
    if (op && simplify(m, op, way) && keeps(r, a, m))
        result = 1;
    if (m)
        ir_module_free(m);
    arena_free(a);
    diag_free(d);
    return result;
}

static void reduce(reducer *r) {
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (int n = 0;; n++) {
            int got = 0;
            bool possible = true;
            for (int way = 0; possible && got == 0; way++)
                got = attempt(r, n, way, &possible);
            if (got < 0)
                break;
            if (got > 0) {
                smaller = true;
                n--; /* what stands there now */
            }
        }
        for (int i = 0, got; (got = attempt_input(r, i)) >= 0; i += !got)
            smaller |= got > 0;
    }
}

int cmd_reduce(cli *c) {
    io_error e;
    char candidate[] = "/tmp/frit-reduce-XXXXXX.fir";
    const char *test = option_text(&c->o, OPT_test, NULL);
    if (c->o.arguments.len != 1 || !test)
        return cli_usage(c, "FILE.fir and --test CMD are wanted (frit reduce --help)");
    const char *path = c->o.arguments.data[0];
    io_file *f = io_file_open(path, &e);
    if (!f) {
        size_t named = strncmp(e.text, path, strlen(path)) ? 0 : strlen(path) + strlen(": ");
        diag_report(c->d, MSG_MODEL_FILE, nowhere, path, e.text + named);
        return EXIT_MODEL;
    }
    uint32_t source = diag_add_source(c->d, path, (const char *)io_file_data(f), io_file_size(f));
    io_file_release(f);
    ir_module *m = ir_parse(c->d, source);
    if (!m)
        return EXIT_MODEL;
    int fd = mkstemps(candidate, 4);
    if (fd < 0)
        return cli_environment(c, "no temporary file could be made");
    close(fd);
    reducer r = {.c = c, .command = test, .candidate = candidate, .best = strdup(ir_print(c->arena, m))};
    ir_module_free(m);
    int status = EXIT_DONE;
    if (!command_succeeds(&r, r.best))
        status = cli_usage(c, "the command fails on %s itself: there is nothing to keep", path);
    else
        reduce(&r);
    const char *to = option_text(&c->o, OPT_output, NULL);
    size_t n = strlen(path);
    if (!to)
        to = arena_printf(c->arena, "%.*s.reduced.fir", (int)(n > 4 ? n - 4 : n), path);
    if (status == EXIT_DONE && !io_write_file(to, r.best, strlen(r.best), false, &e)) {
        diag_report(c->d, MSG_OUTPUT_FILE, nowhere, e.text);
        status = EXIT_MODEL;
    } else if (status == EXIT_DONE)
        cli_note(c, "%s: %d of %d steps kept", to, r.kept, r.tried);
    unlink(candidate);
    free(r.best);
    return status;
}
