/* Thread IR to LLVM IR, the same for every target that LLVM serves.
 *
 * Registers hold floats of 64 and 32 bits as such, f16, bf16 and f8 as the integers that are their bits, bool as i1.
 * Memory holds bool as a byte and 4-bit integers two to a byte. Every op is total as ir/elementwise.def says; no
 * fast-math flag is ever set and nothing is contracted.
 *
 * Pointer arguments of one function are taken not to overlap, but for an output that is the same buffer as an input,
 * each element of which is read by the task that writes it, before the write. */
#ifndef FRIT_CODEGEN_LLVM_PRINTER_H
#define FRIT_CODEGEN_LLVM_PRINTER_H
#include "ir/ir.h"
#include <llvm-c/Core.h>

typedef struct printer printer;

/* How a target says the ops that concern a block of threads. Ids are i32 values. */
typedef struct printer_block_ops {
    unsigned spaces[IR_SPACE_COUNT]; /* LLVM's address spaces */
    int warp;
    bool bf16; /* converts f32 to bf16 in one instruction */
    LLVMValueRef (*thread_id)(printer *p);
    LLVMValueRef (*block_id)(printer *p);
    LLVMValueRef (*block_count)(printer *p);
    void (*barrier)(printer *p);
    /* The i32 x of the warp's thread `lane` (i32). */
    LLVMValueRef (*shuffle)(printer *p, LLVMValueRef x, LLVMValueRef lane);
    /* 4, 8 or 16 bytes from global to shared memory; zeros where inside (i1, may be NULL) is false. The three are NULL
     * where a thread must wait for its copies: they are made at once. */
    void (*copy_async)(printer *p, LLVMValueRef to, LLVMValueRef from, int bytes, LLVMValueRef inside);
    void (*copy_commit)(printer *p);
    void (*copy_wait)(printer *p, int64_t pending);
    /* Binds the op's results. False when the target has no such instruction. */
    bool (*atom)(printer *p, const ir_op *op, const char *name);
    /* The same for the ops of thread.def from warp_barrier on; may be NULL. tensor_map's result is bound before the body. */
    bool (*async)(printer *p, const ir_op *op);
    int shared_align; /* of the block's shared memory; 0: 128 */
} printer_block_ops;

/* Memory on the stack, and an op of the function's body that uses it. */
typedef struct printer_local {
    LLVMValueRef memory;
    const ir_op *part;
    struct printer_local *next;
} printer_local;

struct printer {
    arena *a;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    const char *error; /* first failure, arena text; printing goes on with poison */
    const printer_block_ops *block; /* NULL where a task is one core's */
    LLVMValueRef shared;            /* the module's shared memory, once a kernel has used it */

    /* The function being printed. */
    const ir_func *func;
    LLVMValueRef fn;
    LLVMBasicBlockRef entry; /* allocas go to its front */
    LLVMValueRef *values;    /* by ir_value id */
    const struct value_range *ranges; /* of i64s, by id (passes/ranges.h); NULL: they stay as they are */
    LLVMValueRef *narrow;    /* by id: the low 32 bits of an i64 that fits them, or NULL */
    int *roots;              /* by id of a pointer: the function argument it is derived from + 1; 0 is none */
    printer_local *locals;   /* that parts of the function may share */
    const ir_block *atoms_of;        /* the block that the last atoms printed were of, and how many of it */
    int atoms;
    int n_args;
    LLVMValueRef *scope, *noalias; /* by root: metadata for accesses through it */
};

/* Prints the body of func into fn, whose builder stands at the end of fn's entry block: args[i] is the value of
 * argument i of the body; behind those stand the results of the body's tensor_maps. The builder is left at the end of the last block, with no terminator. */
void printer_body(printer *p, const ir_func *func, LLVMValueRef fn, LLVMValueRef *args);
/* The register type of a value of type t. */
LLVMTypeRef printer_type(printer *p, ir_type t);
#endif
