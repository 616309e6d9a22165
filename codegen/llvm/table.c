/* Memory of a function that holds constants from its beginning on, and nothing else ever: for a thread of a block it is the
 * module's, not a copy on each thread's stack. */
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

LLVMValueRef print_table(printer *p, const ir_op *local, int64_t elements) {
    frit_dtype t = (frit_dtype)ir_result(local, 0)->type.dtype;
    if (!p->block || frit_dtype_is_float(t) || frit_dtype_bits(t) < 8) return NULL;
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
