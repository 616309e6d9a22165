#include "table.h"
#include "passes/schedule.h"

static void count_ops(const ir_block *b, int64_t *n) {
    for (const ir_op *op = b->first; op; op = op->next) {
        n[op->code]++;
        for (int i = 0; i < op->n_blocks; i++) count_ops(op->blocks[i], n);
    }
}

static void count_module(const ir_module *m, int64_t *n) {
    for (const ir_func *f = m->funcs; f; f = f->next) count_ops(f->body, n);
}

/* What a tile program holds. */
typedef struct shape {
    int grids, buffers, panels, epilogues, cuts;
} shape;

static bool has_rest(const ir_op *stage) {
    const sym_t *extent;
    int n = ir_get_syms(stage, IR_ATTR_extent, &extent);
    for (int i = 0; i < n; i++)
        if (sym_kind_of(extent[i]) == SYM_MIN) return true;
    return false;
}

/* Arithmetic in the block that receives combined values. */
static bool computes(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next)
        if (ir_op_flags(op) & IR_F_ELEMENTWISE && op->code != IR_cast && op->code != IR_constant) return true;
    return false;
}

static void look(const ir_block *b, shape *s) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_grid) s->grids++;
        if (op->code == IR_alloc) {
            ir_type t = ir_result(op, 0)->type;
            s->buffers++;
            s->panels += t.rank >= 2 && sym_is(t.dims[t.rank - 1], SCHEDULE_PANEL);
        }
        if (op->code == IR_stage) {
            s->cuts += has_rest(op);
            s->epilogues += computes(op->blocks[1]);
            continue;
        }
        for (int i = 0; i < op->n_blocks; i++) look(op->blocks[i], s);
    }
}

static void count_kernel(table *t, const program_kernel *k) {
    int64_t n[IR_OPCODE_COUNT] = {0}, *kinds = t->kinds;
    const ir_block *b = k->op->blocks[0];
    shape s = {0};
    int ops = 0;
    count_ops(b, n);
    look(k->tile->body, &s);
    for (const ir_op *op = b->first; op; op = op->next) ops += op->n_operands > 0 && op->code != IR_yield;
    int64_t special = n[IR_scatter] + n[IR_scan] + n[IR_sort] + n[IR_compact];
    t->kernels++;
    kinds[TABLE_MAP] += !n[IR_reduce] && !n[IR_contract] && !special;
    kinds[TABLE_REDUCE] += n[IR_reduce] == 1 && !n[IR_contract];
    kinds[TABLE_REDUCES] += n[IR_reduce] > 1;
    kinds[TABLE_CONTRACT] += n[IR_contract] == 1;
    kinds[TABLE_CHAIN] += n[IR_contract] > 1;
    kinds[TABLE_CONTRACT_REDUCE] += n[IR_contract] && n[IR_reduce];
    kinds[TABLE_SCATTER] += n[IR_scatter] > 0;
    kinds[TABLE_SCAN] += n[IR_scan] > 0;
    kinds[TABLE_SORT] += n[IR_sort] > 0;
    kinds[TABLE_COMPACT] += n[IR_compact] > 0;
    kinds[TABLE_SPECIAL_FUSED] += special && ops > 1;
    kinds[TABLE_PACKED] += n[IR_materialize] > 0;
    kinds[TABLE_GRIDS] += s.grids > 1;
    kinds[TABLE_BUFFER] += s.buffers > 0;
    kinds[TABLE_PANELS] += s.panels > 0;
    kinds[TABLE_EPILOGUE] += s.epilogues > 0;
    kinds[TABLE_CUT] += s.cuts > 0;
    kinds[TABLE_OUTPUTS] += k->op->n_results > 1;
    for (int i = 0; i < k->op->n_results; i++) {
        const ir_value *v = ir_operand(b->last, i);
        kinds[TABLE_CONCAT] += ir_is(v, IR_concat);
        kinds[TABLE_IN_PLACE] += schedule_in_place(k->op, i) >= 0;
        for (int j = 0; ir_is(v, IR_concat) && j < v->op->n_operands; j++) kinds[TABLE_COPY] += !ir_operand(v->op, j)->op;
        kinds[TABLE_COPY] += !v->op || (ir_is(v, IR_insert) && !ir_operand(v->op, 1)->op);
    }
}

void table_count(table *t, const ir_module *source, const ir_module *fused, const program *p) {
    t->graphs++;
    count_module(source, t->source);
    count_module(fused, t->fused);
    for (int i = 0; i < p->n_kernels; i++) count_kernel(t, &p->kernels[i]);
}

void table_compared(table *t, const roundtrip_result *r) {
    bool empty = r->elements == 0, open = 2 * r->undecidable > r->elements;
    if (r->skipped) t->skipped++;
    else if (empty) t->empty++;
    else if (open) t->open++;
    else t->compared++;
    if (r->skipped || empty || open) return;
    t->elements += r->elements;
    t->undecidable += r->undecidable;
}

void table_print(const table *t, FILE *f) {
    static const char *const kinds[TABLE_KINDS] = {
        "map", "reduce", "several reductions", "contract", "several contractions", "contract and reduce", "scatter", "scan", "sort",
        "compact", "scatter .. compact, with producers", "concat stored by pieces", "in place", "copy", "several grids",
        "task-private buffer", "panels", "materialize", "epilogue", "tiles with a rest", "several outputs"};
    fprintf(f, "\n%-36s %9s\n", "kernels", "");
    for (int i = 0; i < TABLE_KINDS; i++) fprintf(f, "  %-34s %9lld\n", kinds[i], (long long)t->kinds[i]);
    fprintf(f, "  %-34s %9lld\n\n%-36s %9s %9s\n", "all", (long long)t->kernels, "ops", "written", "compiled");
    for (int i = 0; i < IR_OPCODE_COUNT; i++)
        if (t->source[i] || t->fused[i] || (ir_op_table[i].flags & IR_F_TENSOR))
            fprintf(f, "  %-34s %9lld %9lld\n", ir_op_table[i].name, (long long)t->source[i], (long long)t->fused[i]);
    const char *between = "";
    fprintf(f, "met less than %d times:", TABLE_OFTEN);
    for (int i = 0; i < TABLE_KINDS; i++)
        if (t->kinds[i] < TABLE_OFTEN) fprintf(f, "%s %s", between, kinds[i]), between = ",";
    for (int i = 1; i < IR_OPCODE_COUNT; i++)
        if (ir_op_table[i].flags & IR_F_TENSOR && t->fused[i] < TABLE_OFTEN) fprintf(f, "%s %s", between, ir_op_table[i].name), between = ",";
    fprintf(f, "%s\n\n", *between ? "" : " nothing");
    fprintf(f, "not counted: %lld ended early (too much work for the interpreter), %lld without elements, %lld mostly undecidable\n",
            (long long)t->skipped, (long long)t->empty, (long long)t->open);
    fprintf(f, "of %lld elements %lld are undecidable (%.2f%%)\n", (long long)t->elements, (long long)t->undecidable,
            t->elements ? 100.0 * (double)t->undecidable / (double)t->elements : 0);
}
