/* Structured control as basic blocks. Loops are printed rotated (the test guards the entry and stands at the bottom),
 * so that what is invariant is known to execute and can be hoisted. */
#include "passes/ranges.h"
#include "printer_internal.h"

static LLVMBasicBlockRef new_block(printer *p, const char *name) {
    return LLVMAppendBasicBlockInContext(p->context, p->fn, name);
}

static void enter(printer *p, LLVMBasicBlockRef blk) { LLVMPositionBuilderAtEnd(p->b, blk); }

/* Phis of the values' types at the builder's block, each with one incoming value. */
static void open_phis(printer *p, int n, LLVMValueRef *phi, LLVMValueRef *incoming, LLVMBasicBlockRef from) {
    for (int i = 0; i < n; i++) {
        phi[i] = LLVMBuildPhi(p->b, LLVMTypeOf(incoming[i]), "");
        LLVMAddIncoming(phi[i], &incoming[i], &from, 1);
    }
}

static void add_incoming(int n, LLVMValueRef *phi, LLVMValueRef *incoming, LLVMBasicBlockRef from) {
    for (int i = 0; i < n; i++) LLVMAddIncoming(phi[i], &incoming[i], &from, 1);
}

static void bind_args(printer *p, const ir_block *blk, LLVMValueRef *v) {
    for (int i = 0; i < blk->n_args; i++) p->values[blk->args[i]->id] = v[i];
}

static void bind_results(printer *p, const ir_op *op, LLVMValueRef *v) {
    for (int i = 0; i < op->n_results; i++) p->values[ir_result(op, i)->id] = v[i];
}

/* The operands of a block's yield, from the `skip`th on. */
static void yielded(printer *p, const ir_op *yield, int skip, int n, LLVMValueRef *v) {
    for (int i = 0; i < n; i++) v[i] = operand_of(p, yield, i + skip);
}

static void keep_rolled(printer *p, LLVMValueRef branch) {
    if (p->block && ir_keeps_rolled(p->func)) shim_keep_rolled(p->context, branch);
}

/* ------------ tfor */
typedef struct loop {
    const ir_op *op;
    bool narrow;     /* the counter is of 32 bits */
    int n;           /* carried values */
    LLVMValueRef *v; /* v[0]: the counter; v[1 .. n]: the carried values */
    LLVMValueRef to, step;
} loop;

/* Steps of the number of blocks are looked up anew each time: whatever grows with the counter would else be counted along by LLVM, in
 * registers of its own throughout the body. */
static LLVMValueRef step_of(printer *p, const loop *l) {
    const ir_value *step = ir_operand(l->op, 2);
    if (!ir_is(step, IR_block_count)) return l->step;
    LLVMValueRef n = print_block_op(p, step->op);
    return l->narrow ? LLVMBuildTrunc(p->b, n, int_type(p, 32, 1), "") : n;
}

/* What a loop carries in arg's place is arg's 32 bits where these are all. */
static LLVMValueRef carried(printer *p, const ir_value *arg, const ir_value *v) {
    return fits_narrow(p, arg) ? narrow_of(p, v) : value_of(p, v);
}

static void bind_carried(printer *p, const ir_value *v, bool narrow, LLVMValueRef x) {
    if (narrow) bind_narrow(p, v, x);
    else p->values[v->id] = x, p->narrow[v->id] = NULL;
}

/* The body once, at counter and carried values l->v, which become the next ones. */
static void print_iteration(printer *p, loop *l) {
    const ir_block *body = l->op->blocks[0];
    for (int k = 0; k < body->n_args; k++) bind_carried(p, body->args[k], k ? fits_narrow(p, body->args[k]) : l->narrow, l->v[k]);
    LLVMValueRef i = l->v[0];
    const ir_op *yield = print_block(p, body);
    for (int k = 0; yield && k < l->n; k++) l->v[1 + k] = carried(p, body->args[1 + k], ir_operand(yield, k));
    l->v[0] = LLVMBuildNSWAdd(p->b, i, step_of(p, l), "");
}

/* Iterations `times` at a time while so many are left. */
static void print_loop(printer *p, loop *l, int times) {
    LLVMValueRef ahead = LLVMBuildMul(p->b, l->step, const_int(LLVMTypeOf(l->step), times - 1), "");
    LLVMValueRef last = times == 1 ? l->to : LLVMBuildSub(p->b, l->to, ahead, "");
    LLVMBasicBlockRef from = LLVMGetInsertBlock(p->b);
    LLVMBasicBlockRef pre = new_block(p, "pre"), body = new_block(p, "loop"), done = new_block(p, "done");
    LLVMBuildCondBr(p->b, LLVMBuildICmp(p->b, LLVMIntSLT, l->v[0], last, ""), pre, done);
    enter(p, pre);
    LLVMBuildBr(p->b, body);
    enter(p, body);
    LLVMValueRef *in = arena_array(p->a, LLVMValueRef, l->n + 1), *out = arena_array(p->a, LLVMValueRef, l->n + 1);
    LLVMValueRef *init = arena_copy(p->a, l->v, sizeof *l->v * (size_t)(l->n + 1));
    open_phis(p, l->n + 1, in, init, pre);
    for (int i = 0; i <= l->n; i++) l->v[i] = in[i];
    for (int i = 0; i < times; i++) print_iteration(p, l);
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(p->b);
    keep_rolled(p, LLVMBuildCondBr(p->b, LLVMBuildICmp(p->b, LLVMIntSLT, l->v[0], last, ""), body, done));
    add_incoming(l->n + 1, in, l->v, latch);
    enter(p, done);
    open_phis(p, l->n + 1, out, init, from);
    add_incoming(l->n + 1, out, l->v, latch);
    for (int i = 0; i <= l->n; i++) l->v[i] = out[i];
}

/* The number of iterations when it is a constant, else -1. */
static int64_t trip_count(const ir_op *op) {
    int64_t v[3];
    for (int i = 0; i < 3; i++) {
        const ir_value *x = ir_operand(op, i);
        if (!ir_is(x, IR_constant)) return -1;
        v[i] = frit_load_int(FRIT_i64, ir_attr_get(x->op, IR_ATTR_value)->data.p, 0);
    }
    if (v[2] <= 0) return -1;
    return v[0] >= v[1] ? 0 : (int64_t)(((uint64_t)v[1] - (uint64_t)v[0] - 1) / (uint64_t)v[2] + 1);
}

void print_for(printer *p, const ir_op *op) {
    loop l = {.op = op, .n = op->n_results, .v = arena_array(p->a, LLVMValueRef, op->n_results + 1)};
    int64_t unroll = ir_get_int(op, IR_ATTR_unroll, 1), trips = trip_count(op);
    if (unroll < 1) unroll = 1;
    l.narrow = unroll == 1 && p->ranges && ranges_narrow_counter(p->ranges, op);
    l.v[0] = l.narrow ? narrow_of(p, ir_operand(op, 0)) : operand_of(p, op, 0);
    l.to = l.narrow ? narrow_of(p, ir_operand(op, 1)) : operand_of(p, op, 1);
    l.step = l.narrow ? narrow_of(p, ir_operand(op, 2)) : operand_of(p, op, 2);
    for (int i = 0; i < l.n; i++) l.v[1 + i] = carried(p, op->blocks[0]->args[1 + i], ir_operand(op, 3 + i));
    if (trips >= 0 && trips <= unroll) {
        for (int64_t i = 0; i < trips; i++) print_iteration(p, &l);
    } else {
        if (unroll > 1) print_loop(p, &l, (int)unroll);
        if (unroll == 1 || trips < 0 || trips % unroll) print_loop(p, &l, 1);
    }
    for (int i = 0; i < l.n; i++) bind_carried(p, ir_result(op, i), fits_narrow(p, op->blocks[0]->args[1 + i]), l.v[1 + i]);
}

/* ------------ tif */
static LLVMBasicBlockRef print_arm(printer *p, const ir_op *op, int arm, LLVMBasicBlockRef blk, LLVMBasicBlockRef done,
                                   LLVMValueRef *v) {
    enter(p, blk);
    const ir_op *yield = print_block(p, op->blocks[arm]);
    if (yield) yielded(p, yield, 0, op->n_results, v);
    LLVMBuildBr(p->b, done);
    return LLVMGetInsertBlock(p->b);
}

void print_if(printer *p, const ir_op *op) {
    int n = op->n_results;
    LLVMValueRef *x = arena_array(p->a, LLVMValueRef, n + 1), *y = arena_array(p->a, LLVMValueRef, n + 1);
    LLVMValueRef *phi = arena_array(p->a, LLVMValueRef, n + 1);
    LLVMBasicBlockRef yes = new_block(p, "then"), no = new_block(p, "else"), done = new_block(p, "endif");
    LLVMBuildCondBr(p->b, operand_of(p, op, 0), yes, no);
    yes = print_arm(p, op, 0, yes, done, x);
    no = print_arm(p, op, 1, no, done, y);
    enter(p, done);
    open_phis(p, n, phi, x, yes);
    add_incoming(n, phi, y, no);
    bind_results(p, op, phi);
}

/* ------------ guards within one op */
void begin_where(printer *p, LLVMValueRef cond, where *w) {
    *w = (where){LLVMGetInsertBlock(p->b), new_block(p, "next")};
    LLVMBasicBlockRef yes = new_block(p, "where");
    LLVMMoveBasicBlockAfter(w->done, yes);
    LLVMBuildCondBr(p->b, cond, yes, w->done);
    enter(p, yes);
}

LLVMValueRef end_where(printer *p, const where *w, LLVMValueRef x, LLVMValueRef other) {
    LLVMBasicBlockRef yes = LLVMGetInsertBlock(p->b);
    LLVMBuildBr(p->b, w->done);
    LLVMMoveBasicBlockAfter(w->done, yes);
    enter(p, w->done);
    if (!x) return NULL;
    LLVMValueRef phi = LLVMBuildPhi(p->b, LLVMTypeOf(x), "");
    LLVMAddIncoming(phi, (LLVMValueRef[]){x, other}, (LLVMBasicBlockRef[]){yes, w->from}, 2);
    return phi;
}

/* ------------ twhile */
void print_while(printer *p, const ir_op *op) {
    int n = op->n_operands;
    LLVMValueRef *v = arena_array(p->a, LLVMValueRef, n + 1), *phi = arena_array(p->a, LLVMValueRef, n + 1);
    for (int i = 0; i < n; i++) v[i] = operand_of(p, op, i);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(p->b);
    LLVMBasicBlockRef test = new_block(p, "while"), body = new_block(p, "do"), done = new_block(p, "done");
    LLVMBuildBr(p->b, test);
    enter(p, test);
    open_phis(p, n, phi, v, from);
    bind_args(p, op->blocks[0], phi);
    const ir_op *cond = print_block(p, op->blocks[0]);
    LLVMValueRef *mid = arena_array(p->a, LLVMValueRef, n + 1);
    yielded(p, cond, 1, n, mid);
    LLVMBuildCondBr(p->b, operand_of(p, cond, 0), body, done);
    enter(p, body);
    bind_args(p, op->blocks[1], mid);
    const ir_op *next = print_block(p, op->blocks[1]);
    if (next) yielded(p, next, 0, n, v);
    add_incoming(n, phi, v, LLVMGetInsertBlock(p->b));
    keep_rolled(p, LLVMBuildBr(p->b, test));
    enter(p, done);
    bind_results(p, op, mid);
}
