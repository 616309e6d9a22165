/* What the files of the printer share. */
#ifndef FRIT_CODEGEN_LLVM_PRINTER_INTERNAL_H
#define FRIT_CODEGEN_LLVM_PRINTER_INTERNAL_H
#include "printer.h"
#include "shim.h"

/* Keeps the first failure. */
void printer_fail(printer *p, const ir_op *op, const char *what);

/* ---- types.c: LLVM types and constants */
LLVMTypeRef int_type(printer *p, unsigned bits, int lanes);
LLVMTypeRef float_type(printer *p, unsigned bits, int lanes); /* 64, 32, 16 */
LLVMTypeRef reg_type(printer *p, frit_dtype t, int lanes);
LLVMTypeRef mem_type(printer *p, frit_dtype t, int lanes); /* not for 4-bit types */
bool is_narrow_float(frit_dtype t);                        /* 16 and 8-bit floats */
bool is_signed(frit_dtype t);
bool is_nibble(frit_dtype t);
/* Every lane the same number, in an integer type or vector of it, a float type or vector of it. */
LLVMValueRef const_int(LLVMTypeRef t, int64_t v);
LLVMValueRef const_float(LLVMTypeRef t, double v);
LLVMTypeRef same_lanes(LLVMTypeRef like, LLVMTypeRef element); /* element, in as many lanes as `like` */
LLVMValueRef splat(printer *p, LLVMValueRef x, int lanes);
LLVMValueRef print_constant(printer *p, const ir_op *op);

/* ---- convert.c */
LLVMValueRef widen(printer *p, frit_dtype from, int lanes, LLVMValueRef x);  /* narrow float to f32, exact */
LLVMValueRef narrow(printer *p, frit_dtype to, int lanes, LLVMValueRef x);   /* f32 to narrow float, to nearest even */
LLVMValueRef convert(printer *p, frit_dtype from, frit_dtype to, int lanes, LLVMValueRef x); /* op `cast` */

/* ---- elementwise.c */
/* The op applied to operands of dtype t (that of operand 0, or of operand 1 for select). */
LLVMValueRef print_elementwise(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef *x);
/* Two values combined as a reduction does. */
LLVMValueRef combine(printer *p, ir_combine c, frit_dtype t, int lanes, LLVMValueRef x, LLVMValueRef y);

/* ---- memory.c */
LLVMValueRef print_load(printer *p, const ir_op *op);
void print_store(printer *p, const ir_op *op);
LLVMValueRef print_load_lanes(printer *p, const ir_op *op);
void print_store_lanes(printer *p, const ir_op *op);
void print_prefetch(printer *p, const ir_op *op);
/* locals.c */
LLVMValueRef print_local(printer *p, const ir_op *op);
/* It only ever holds constants, and has them: stores to it have been made. */
bool is_table(LLVMValueRef memory);
LLVMValueRef print_ptradd(printer *p, const ir_op *op);

/* ---- block.c: the ops that concern a block of threads; NULL where there is no result */
LLVMValueRef print_block_op(printer *p, const ir_op *op);
/* Those that bind their results themselves; false for any other op. */
bool print_bound_op(printer *p, const ir_op *op);

/* ---- narrow.c: i64s in 32 bits, where their ranges allow it */
/* The op in 32 bits, if that is all it takes: its value, and with it the 64 bits of it that others read. */
bool print_narrow_op(printer *p, const ir_op *op);
/* v's low 32 bits; of a value that fits them. */
LLVMValueRef narrow_of(printer *p, const ir_value *v);
bool fits_narrow(const printer *p, const ir_value *v);
/* v is what these 32 bits say. */
void bind_narrow(printer *p, const ir_value *v, LLVMValueRef x);

/* ---- control.c */
/* Runs what is printed next only where cond holds, up to end_where; *w is the caller's. */
typedef struct where {
    LLVMBasicBlockRef from, done;
} where;
void begin_where(printer *p, LLVMValueRef cond, where *w);
/* The value x of the guarded part, `other` elsewhere; NULL when x is. */
LLVMValueRef end_where(printer *p, const where *w, LLVMValueRef x, LLVMValueRef other);
void print_for(printer *p, const ir_op *op);
void print_if(printer *p, const ir_op *op);
void print_while(printer *p, const ir_op *op);

/* ---- printer.c */
/* Prints the ops of blk but its terminator, which is returned. */
const ir_op *print_block(printer *p, const ir_block *blk);
static inline LLVMValueRef value_of(const printer *p, const ir_value *v) { return p->values[v->id]; }
static inline LLVMValueRef operand_of(const printer *p, const ir_op *op, int i) {
    return value_of(p, ir_operand(op, i));
}
static inline int lanes_of(const ir_value *v) { return v->type.lanes; }
#endif
