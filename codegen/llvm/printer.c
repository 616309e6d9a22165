/* Functions and blocks: walks the ops and hands each to the file of its kind. */
#include "passes/ranges.h"
#include "printer_internal.h"

void printer_fail(printer *p, const ir_op *op, const char *what) {
    if (!p->error)
        p->error = arena_printf(p->a, "internal error: kernel '%s': op '%s': %s", p->func->name,
                                ir_op_table[op->code].name, what);
}

static LLVMValueRef print_ramp(printer *p, const ir_op *op) {
    int lanes = lanes_of(ir_result(op, 0));
    LLVMTypeRef e = reg_type(p, (frit_dtype)ir_result(op, 0)->type.dtype, 1);
    if (lanes == 1) return operand_of(p, op, 0);
    LLVMValueRef *v = arena_array(p->a, LLVMValueRef, lanes);
    for (int i = 0; i < lanes; i++) v[i] = LLVMConstInt(e, (uint64_t)i, false);
    return LLVMBuildAdd(p->b, splat(p, operand_of(p, op, 0), lanes), LLVMConstVector(v, (unsigned)lanes), "");
}

/* Lanes from .. from + n - 1 of x. */
static LLVMValueRef lanes_from(printer *p, LLVMValueRef x, int from, int n) {
    LLVMTypeRef i32 = int_type(p, 32, 1);
    if (n == 1) return LLVMBuildExtractElement(p->b, x, LLVMConstInt(i32, (uint64_t)from, false), "");
    LLVMValueRef *v = arena_array(p->a, LLVMValueRef, n);
    for (int i = 0; i < n; i++) v[i] = LLVMConstInt(i32, (uint64_t)(from + i), false);
    return LLVMBuildShuffleVector(p->b, x, LLVMGetPoison(LLVMTypeOf(x)), LLVMConstVector(v, (unsigned)n), "");
}

static LLVMValueRef print_extract(printer *p, const ir_op *op) {
    LLVMValueRef x = operand_of(p, op, 0);
    if (lanes_of(ir_operand(op, 0)) == 1) return x;
    return lanes_from(p, x, (int)ir_get_int(op, IR_ATTR_offset, 0), lanes_of(ir_result(op, 0)));
}

/* Lane i with lane i + n/2; an odd last lane is combined at the very end, in lane order. */
static LLVMValueRef print_reduce(printer *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM);
    LLVMValueRef x = operand_of(p, op, 0), odd[32];
    int n = lanes_of(ir_operand(op, 0)), n_odd = 0;
    for (; n > 1; n /= 2) {
        if (n % 2) odd[n_odd++] = lanes_from(p, x, n - 1, 1);
        x = combine(p, c, t, n / 2, lanes_from(p, x, 0, n / 2), lanes_from(p, x, n / 2, n / 2));
    }
    while (n_odd) x = combine(p, c, t, 1, x, odd[--n_odd]);
    return x;
}

static LLVMValueRef print_elementwise_op(printer *p, const ir_op *op) {
    LLVMValueRef x[3] = {0};
    for (int i = 0; i < op->n_operands; i++) x[i] = operand_of(p, op, i);
    frit_dtype t = (frit_dtype)ir_operand(op, op->code == IR_select)->type.dtype;
    return print_elementwise(p, op, t, lanes_of(ir_result(op, 0)), x);
}

static void print_op(printer *p, const ir_op *op) {
    LLVMValueRef v = NULL;
    if (print_narrow_op(p, op)) return;
    switch (op->code) {
    case IR_tfor: print_for(p, op); return;
    case IR_tif: print_if(p, op); return;
    case IR_twhile: print_while(p, op); return;
    case IR_store: print_store(p, op); return;
    case IR_store_lanes: print_store_lanes(p, op); return;
    case IR_prefetch: print_prefetch(p, op); return;
    case IR_load: v = print_load(p, op); break;
    case IR_load_lanes: v = print_load_lanes(p, op); break;
    case IR_local: v = print_local(p, op); break;
    case IR_ptradd: v = print_ptradd(p, op); break;
    case IR_ptrcast: v = operand_of(p, op, 0); break;
    case IR_splat: v = splat(p, operand_of(p, op, 0), lanes_of(ir_result(op, 0))); break;
    case IR_ramp: v = print_ramp(p, op); break;
    case IR_extract: v = print_extract(p, op); break;
    case IR_reduce_lanes: v = print_reduce(p, op); break;
    case IR_reinterpret: v = LLVMBuildBitCast(p->b, operand_of(p, op, 0), printer_type(p, ir_result(op, 0)->type), ""); break;
    case IR_constant: v = print_constant(p, op); break;
    case IR_thread_id:
    case IR_block_id:
    case IR_block_count:
    case IR_shared:
    case IR_barrier:
    case IR_shuffle:
    case IR_copy_async:
    case IR_copy_commit:
    case IR_copy_wait:
    case IR_atom: v = print_block_op(p, op); break;
    default:
        if (print_bound_op(p, op)) return;
        if (ir_op_flags(op) & IR_F_ELEMENTWISE) v = print_elementwise_op(p, op);
        else printer_fail(p, op, "has no meaning in thread code");
        break;
    }
    if (!op->n_results || op->code == IR_atom) return; /* an atom binds its results itself */
    if (!v) v = LLVMGetPoison(printer_type(p, ir_result(op, 0)->type));
    p->values[ir_result(op, 0)->id] = v;
    if (op->n_operands && ir_operand(op, 0)->type.kind == IR_PTR && ir_result(op, 0)->type.kind == IR_PTR)
        p->roots[ir_result(op, 0)->id] = p->roots[ir_operand(op, 0)->id];
}

const ir_op *print_block(printer *p, const ir_block *blk) {
    for (const ir_op *op = blk->first; op; op = op->next) {
        if (ir_op_flags(op) & IR_F_TERMINATOR) return op;
        print_op(p, op);
    }
    return NULL;
}

/* One alias scope per pointer argument. Names make the scopes of different functions different. */
static void make_scopes(printer *p) {
    LLVMContextRef c = p->context;
    LLVMMetadataRef name = LLVMMDStringInContext2(c, p->func->name, __builtin_strlen(p->func->name));
    LLVMMetadataRef domain = LLVMMDNodeInContext2(c, &name, 1);
    int n = p->n_args;
    LLVMMetadataRef *each = arena_array(p->a, LLVMMetadataRef, n + 1),
                    *others = arena_array(p->a, LLVMMetadataRef, n + 1);
    for (int i = 0; i < n; i++) {
        const char *id = arena_printf(p->a, "%s.%d", p->func->name, i);
        each[i] = LLVMMDNodeInContext2(
            c, (LLVMMetadataRef[]){LLVMMDStringInContext2(c, id, __builtin_strlen(id)), domain}, 2);
    }
    for (int i = 0; i < n; i++) {
        int k = 0;
        for (int j = 0; j < n; j++)
            if (j != i && p->func->body->args[j]->type.kind == IR_PTR) others[k++] = each[j];
        p->scope[i] = shim_metadata(c, &each[i], 1);
        p->noalias[i] = shim_metadata(c, others, k);
    }
}

void printer_body(printer *p, const ir_func *func, LLVMValueRef fn, LLVMValueRef *args) {
    p->func = func;
    p->fn = fn;
    p->entry = LLVMGetEntryBasicBlock(fn);
    p->n_args = func->body->n_args;
    p->values = arena_array(p->a, LLVMValueRef, func->module->n_values + 1);
    p->locals = NULL;
    p->roots = arena_array(p->a, int, func->module->n_values + 1);
    p->ranges = func->threads ? ranges_of(p->a, func) : NULL;
    p->narrow = arena_array(p->a, LLVMValueRef, func->module->n_values + 1);
    p->scope = arena_array(p->a, LLVMValueRef, p->n_args + 1);
    p->noalias = arena_array(p->a, LLVMValueRef, p->n_args + 1);
    make_scopes(p);
    for (int i = 0; i < p->n_args; i++) {
        p->values[func->body->args[i]->id] = args[i];
        if (func->body->args[i]->type.kind == IR_PTR) p->roots[func->body->args[i]->id] = i + 1;
    }
    int map = p->n_args;
    for (const ir_op *op = func->body->first; op; op = op->next)
        if (op->code == IR_tensor_map) p->values[ir_result(op, 0)->id] = args[map++];
    print_block(p, func->body);
}
