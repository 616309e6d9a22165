/* Memory of a function. For threads of a block the stack is dear, as there are very many of them: what holds constants from its
 * beginning on is the module's, and parts of the function that follow each other share what cannot be registers. */
#include "printer_internal.h"
#include <string.h>

/* The bytes that a store to such memory gives it; NULL: it may be none. */
static const ir_attr *stored(const ir_op *store, frit_dtype t, int64_t *at) {
    const ir_op *from = ir_operand(store, 2)->op, *index = ir_operand(store, 1)->op;
    if (store->n_operands > 3 || !from || from->code != IR_constant || !index || index->code != IR_constant) return NULL;
    const ir_attr *value = ir_attr_get(from, IR_ATTR_value), *place = ir_attr_get(index, IR_ATTR_value);
    if (value->data.bytes != frit_dtype_bytes(t, ir_operand(store, 2)->type.lanes) || place->data.bytes != (int64_t)sizeof *at) return NULL;
    memcpy(at, place->data.p, sizeof *at);
    return value;
}

static bool reads(const ir_op *op, const ir_value *memory) {
    return (op->code == IR_load || op->code == IR_load_lanes) && ir_operand(op, 0) == memory;
}

static int count_uses(const ir_value *v) {
    int n = 0;
    for (const ir_use *u = v->uses; u; u = u->next) n++;
    return n;
}

/* Its stores come first, all in its block as its loads are, and fill it. */
static bool collect(const ir_op *local, int64_t elements, char *bytes) {
    const ir_value *memory = ir_result(local, 0);
    frit_dtype t = (frit_dtype)memory->type.dtype;
    int64_t filled = 0, at;
    int left = count_uses(memory);
    bool read = false;
    for (const ir_op *op = local->next; op && left; op = op->next) {
        if (reads(op, memory)) {
            read = true;
            left--;
        } else if (op->code == IR_store && ir_operand(op, 0) == memory) {
            const ir_attr *value = stored(op, t, &at);
            int64_t lanes = ir_operand(op, 2)->type.lanes;
            if (!value || read || at != filled || at + lanes > elements) return false;
            memcpy(bytes + frit_dtype_bytes(t, at), value->data.p, (size_t)value->data.bytes);
            filled += lanes;
            left--;
        }
    }
    return !left && filled == elements;
}

/* Equal tables are one. */
static LLVMValueRef find(LLVMModuleRef m, LLVMValueRef content) {
    for (LLVMValueRef g = LLVMGetFirstGlobal(m); g; g = LLVMGetNextGlobal(g))
        if (LLVMIsGlobalConstant(g) && LLVMGetInitializer(g) == content) return g;
    return NULL;
}

/* A table that the local is, or NULL. */
static LLVMValueRef table(printer *p, const ir_op *local, int64_t elements) {
    frit_dtype t = (frit_dtype)ir_result(local, 0)->type.dtype;
    if (frit_dtype_is_float(t) || frit_dtype_bits(t) < 8) return NULL;
    int64_t size = frit_dtype_bytes(t, elements);
    char *bytes = arena_alloc(p->a, (size_t)size + 1);
    if (!collect(local, elements, bytes)) return NULL;
    LLVMValueRef content = LLVMConstStringInContext(p->context, bytes, (unsigned)size, true), g = find(p->module, content);
    if (g) return g;
    g = LLVMAddGlobalInAddressSpace(p->module, LLVMTypeOf(content), "table", p->block->spaces[IR_GLOBAL]);
    LLVMSetInitializer(g, content);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetAlignment(g, 16);
    return g;
}

bool is_table(LLVMValueRef memory) { return LLVMIsAGlobalVariable(memory) && LLVMIsGlobalConstant(memory); }

/* ---- Parts that follow each other ---- */
static const ir_op *part_of(const printer *p, const ir_op *op) {
    while (op->parent != p->func->body) op = op->parent->op;
    return op;
}

/* The op of the function's body that all uses are in; NULL: there is none, or all accesses are at constants, and LLVM makes values of
 * them. */
static const ir_op *only_part(const printer *p, const ir_value *memory) {
    const ir_op *part = NULL;
    bool indexed = false;
    for (const ir_use *u = memory->uses; u; u = u->next) {
        const ir_op *at = part_of(p, u->user);
        if (part && at != part) return NULL;
        part = at;
        indexed |= u->user->n_operands < 2 || !ir_is(ir_operand(u->user, 1), IR_constant);
    }
    return indexed && part && part->n_blocks ? part : NULL;
}

static bool is_in_use(const printer *p, LLVMValueRef memory, const ir_op *part) {
    for (const printer_local *x = p->locals; x; x = x->next)
        if (x->memory == memory && x->part == part) return true;
    return false;
}

/* Memory as large that only other parts use; or NULL. */
static LLVMValueRef shared_memory(printer *p, const ir_op *part, LLVMTypeRef type, unsigned align) {
    for (const printer_local *x = p->locals; part && x; x = x->next)
        if (LLVMGetAllocatedType(x->memory) == type && LLVMGetAlignment(x->memory) == align && !is_in_use(p, x->memory, part))
            return x->memory;
    return NULL;
}

static LLVMValueRef stack_memory(printer *p, LLVMTypeRef type, unsigned align) {
    LLVMBuilderRef b = LLVMCreateBuilderInContext(p->context);
    LLVMValueRef first = LLVMGetFirstInstruction(p->entry);
    if (first) LLVMPositionBuilderBefore(b, first);
    else LLVMPositionBuilderAtEnd(b, p->entry);
    LLVMValueRef v = LLVMBuildAlloca(b, type, "local");
    LLVMSetAlignment(v, align);
    LLVMDisposeBuilder(b);
    return v;
}

LLVMValueRef print_local(printer *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    const sym_t *size = NULL;
    int64_t n = 0;
    if (ir_get_syms(op, IR_ATTR_size, &size) != 1 || !sym_is_const(size[0], &n)) {
        printer_fail(p, op, "size must be a constant");
        return NULL;
    }
    LLVMTypeRef type = LLVMArrayType2(int_type(p, 8, 1), (uint64_t)frit_dtype_bytes(t, n));
    unsigned bits = frit_dtype_bits(t), align = (unsigned)ir_get_int(op, IR_ATTR_align, bits < 8 ? 1 : bits / 8);
    const ir_op *part = p->block ? only_part(p, ir_result(op, 0)) : NULL;
    LLVMValueRef v = p->block ? table(p, op, n) : NULL;
    if (v) return v;
    v = shared_memory(p, part, type, align);
    if (!v) v = stack_memory(p, type, align);
    if (!part) return v;
    printer_local *x = arena_new_of(p->a, printer_local);
    *x = (printer_local){v, part, p->locals};
    p->locals = x;
    return v;
}
