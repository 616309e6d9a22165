/* The tables as text. */
#include "catalogue.h"
#include "ir/diag.h"
#include "ir/ir.h"
#include <string.h>

static void wrap(FILE *out, const char *text) {
    enum { WIDTH = 100 };
    int column = 0;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column && column + (int)n + 1 > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += fprintf(out, "%s%.*s", column ? " " : "", (int)n, text);
        text += n + strspn(text + n, " ");
    }
    fputc('\n', out);
}

/* ---- ops ---- */
static void print_levels(FILE *out, uint32_t flags) {
    const char *between = "";
    static const struct {
        uint32_t flag;
        const char *name;
    } levels[] = {{IR_F_TENSOR, "tensor"}, {IR_F_TILE, "tile"}, {IR_F_THREAD, "thread"}};
    for (int i = 0; i < 3; i++)
        if (flags & levels[i].flag) {
            fprintf(out, "%s%s", between, levels[i].name);
            between = ", ";
        }
}

static void print_attributes(FILE *out, const ir_op_info *info) {
    const char *between = "";
    for (int k = 0; k < IR_ATTR_COUNT; k++)
        if (info->attrs >> k & 1) {
            fprintf(out, "%s%s", between, ir_attr_table[k].name);
            between = ", ";
        }
}

bool catalogue_op(FILE *out, const char *name) {
    ir_opcode code = ir_opcode_from_name(name, strlen(name));
    if (code == IR_OP_INVALID)
        return false;
    const ir_op_info *info = &ir_op_table[code];
    fprintf(out, "%s(%s): an op of the ", info->name, info->operand_names);
    print_levels(out, info->flags);
    fputs(" level\n", out);
    wrap(out, info->doc);
    for (int k = 0; k < IR_ATTR_COUNT; k++)
        if (info->attrs >> k & 1)
            fprintf(out, "  %s: %s\n", ir_attr_table[k].name, ir_attr_table[k].doc);
    return true;
}

static void print_cell(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|' || *text == '<' || *text == '*')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void ops_of_level(FILE *out, const char *title, uint32_t flag, bool elementwise) {
    fprintf(out, "\n## %s\n\n| op | operands | attributes | levels | meaning |\n|---|---|---|---|---|\n", title);
    for (int c = 1; c < IR_OPCODE_COUNT; c++) {
        const ir_op_info *info = &ir_op_table[c];
        if (!(info->flags & flag) || ((info->flags & IR_F_ELEMENTWISE) != 0) != elementwise)
            continue;
        fprintf(out, "| `%s` | %s | ", info->name, info->operand_names);
        print_attributes(out, info);
        fputs(" | ", out);
        print_levels(out, info->flags);
        fputs(" | ", out);
        print_cell(out, info->doc);
        fputs(" |\n", out);
    }
}

void catalogue_ops_markdown(FILE *out) {
    fputs("# Ops\n\nMade from ir/*.def by `docgen ops`; do not edit. A model calls ops by these names, or functions of the "
          "prelude (docs/prelude.md) that expand to them.\n", out);
    ops_of_level(out, "Elementwise (all levels)", IR_F_TENSOR | IR_F_TILE | IR_F_THREAD, true);
    ops_of_level(out, "Tensor level: what to compute", IR_F_TENSOR, false);
    ops_of_level(out, "Tile level: how a block or core computes it", IR_F_TILE, false);
    ops_of_level(out, "Thread level: what one thread does", IR_F_THREAD, false);
    fputs("\n## Attributes\n\n| attribute | meaning |\n|---|---|\n", out);
    for (int k = 0; k < IR_ATTR_COUNT; k++) {
        fprintf(out, "| `%s` | ", ir_attr_table[k].name);
        print_cell(out, ir_attr_table[k].doc);
        fputs(" |\n", out);
    }
}

/* ---- messages ---- */
static char letter(diag_severity s) { return s == DIAG_ERROR ? 'E' : s == DIAG_WARNING ? 'W' : 'N'; }

/* The message with `...` for what is filled in and N for numbers. False, and nothing printed, when nothing else is left. */
static bool print_pattern(FILE *out, const char *before, const char *format, const char *after) {
    if (!format[strspn(format, "%s: ")])
        return false;
    fputs(before, out);
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            fputc(*p, out);
            continue;
        }
        p += 1 + strspn(p + 1, "0123456789.*l");
        if (*p != 's') fputs(*p == '%' ? "%" : "N", out);
        else if (strncmp(p + 1, "%s", 2)) /* of several in a row the last */
            fputs("...", out);
    }
    fputs(after, out);
    return true;
}

bool catalogue_message(FILE *out, const char *code) {
    const diag_message_info *info = diag_message_find(code);
    if (!info)
        return false;
    fprintf(out, "%c%04d", letter(info->severity), info->number);
    print_pattern(out, ": ", info->format, "");
    fputs("\n\n", out);
    wrap(out, info->explanation);
    return true;
}

void catalogue_errors_markdown(FILE *out) {
    fputs("# Diagnostics\n\nMade from ir/messages.def by `docgen errors`; do not edit. `frit explain E0204` prints one. In "
          "the messages `...` stands for names and types of the model, `N` for numbers.\n", out);
    for (int i = 0; i < DIAG_MESSAGES; i++) {
        const diag_message_info *info = diag_message_get((diag_message)i);
        fprintf(out, "\n## %c%04d\n\n", letter(info->severity), info->number);
        print_pattern(out, "`", info->format, "`\n\n");
        print_cell(out, info->explanation);
        fputc('\n', out);
    }
}
