/* frit explain MODEL: the kernels that fusion made, and why. */
#include "codegen/program.h"
#include "explain_model.h"
#include "driver.h"
#include <stdlib.h>
#include <string.h>

/* ---- where an op of the fused program is ---- */
static int line_of(const cli *c, ir_span span) {
    int line = 0, column = 0;
    if (span.file)
        diag_locate(c->d, span.file, span.begin, &line, &column);
    return line;
}

static bool op_matches(const cli *c, const ir_op *op, const char *what) {
    if (what[0] == ':')
        return line_of(c, op->span) == atoi(what + 1);
    for (int i = 0; i < op->n_results; i++)
        if (op->results[i].name && !strcmp(op->results[i].name, what))
            return true;
    return !strcmp(ir_op_table[op->code].name, what);
}

static bool block_has(const cli *c, const ir_block *b, const char *what) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op_matches(c, op, what))
            return true;
        for (int i = 0; i < op->n_blocks; i++)
            if (block_has(c, op->blocks[i], what))
                return true;
    }
    return false;
}

/* ---- all kernels ---- */
typedef struct {
    cli *c;
    ir_module *module;
    int kernels, at_load;
} explainer;

static const char *kernel_name(const ir_op *op) {
    const char *name = ir_get_string(op, IR_ATTR_name);
    return name ? name : "(unnamed)";
}

/* "12: layer_norm, mul": the ops of each source line, once each. */
static void list_lines(const cli *c, const ir_block *b) {
    int shown = -1;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (ir_op_flags(op) & IR_F_TERMINATOR || op->code == IR_constant)
            continue;
        int line = line_of(c, op->span);
        if (line != shown)
            printf("%s    line %d: ", shown < 0 ? "" : "\n", line);
        else
            printf(", ");
        shown = line;
        printf("%s", ir_op_table[op->code].name);
    }
    if (shown >= 0)
        puts("");
}

static void show_kernel(explainer *x, const ir_op *op) {
    const char *reason = ir_get_string(op, IR_ATTR_reason);
    printf("kernel %s:", kernel_name(op));
    for (int i = 0; i < op->n_results; i++)
        printf("%s %s", i ? "," : "", ir_type_print(x->c->arena, op->results[i].type));
    puts("");
    if (op->n_blocks)
        list_lines(x->c, op->blocks[0]);
    if (reason && *reason)
        printf("    why: %s\n", reason);
    if (program_at_load(x->module, op)) {
        puts("    runs once, when weights are loaded");
        x->at_load++;
    } else
        x->kernels++;
}

static void show_block(explainer *x, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_kernel) {
            show_kernel(x, op);
            continue;
        }
        for (int i = 0; i < op->n_blocks; i++)
            show_block(x, op->blocks[i]);
    }
}

/* ---- two ops ---- */
static const ir_op *kernel_with(const cli *c, const ir_block *b, const char *what) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_kernel) {
            if (block_has(c, op->blocks[0], what))
                return op;
            continue;
        }
        for (int i = 0; i < op->n_blocks; i++) {
            const ir_op *found = kernel_with(c, op->blocks[i], what);
            if (found)
                return found;
        }
    }
    return NULL;
}

static bool feeds(const ir_op *from, const ir_op *to) {
    for (int i = 0; i < to->n_operands; i++)
        if (ir_operand(to, i)->op == from)
            return true;
    return false;
}

static int explain_two(cli *c, const model *m, const char *one, const char *other) {
    const ir_op *a = kernel_with(c, m->func->body, one), *b = kernel_with(c, m->func->body, other);
    if (!a || !b)
        return cli_usage(c, "no kernel has '%s' (a value's name, an op, or a line as :12)", a ? other : one);
    explainer x = {.c = c, .module = m->module};
    if (a == b) {
        printf("%s and %s share a kernel.\n", one, other);
        show_kernel(&x, a);
        return EXIT_DONE;
    }
    printf("%s is in kernel %s, %s in %s.\n", one, kernel_name(a), other, kernel_name(b));
    if (feeds(a, b) || feeds(b, a))
        puts("One reads what the other writes, so they pass it through memory.");
    else
        puts("Neither reads what the other writes.");
    show_kernel(&x, a);
    show_kernel(&x, b);
    return EXIT_DONE;
}

int explain_model(cli *c, const char *path, const char *one, const char *other) {
    model m;
    int status;
    bool ok = model_open(c, path, &m, &status);
    if (ok)
        status = driver_fuse(c, &m);
    if (ok && status == EXIT_DONE && one)
        status = explain_two(c, &m, one, other);
    else if (ok && status == EXIT_DONE) {
        explainer x = {.c = c, .module = m.module};
        show_block(&x, m.func->body);
        if (x.at_load)
            printf("%d kernel%s at load\n", x.at_load, x.at_load == 1 ? "" : "s");
        printf("%d kernel%s\n", x.kernels, x.kernels == 1 ? "" : "s");
    }
    model_close(&m);
    return status;
}
