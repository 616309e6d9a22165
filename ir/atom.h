/* What is known of the instructions in atoms.def: passes choose by it, the executor of thread IR computes by it. */
#ifndef FRIT_IR_ATOM_H
#define FRIT_IR_ATOM_H
#include "runtime/dtype.h"
#include <stdbool.h>
#include <stdint.h>

/* Families of instructions beyond plain arithmetic that schedules and the lowering choose by. */
typedef enum frit_atoms {
    FRIT_ATOM_COPY_ASYNC = 1 << 0, /* copies to shared memory that a thread need not wait for, 16 bytes each */
    FRIT_ATOM_MMA_16816 = 1 << 1,  /* warp products 16x8x16 of f16, bf16, 16x8x8 of tf32, 16x8x32 of i8 (mma.sync) */
    FRIT_ATOM_WGMMA = 1 << 2,      /* products of four warps from shared memory */
    FRIT_ATOM_MFMA = 1 << 3,       /* wave64 matrix products of f16, bf16 and f32 (CDNA) */
    FRIT_ATOM_WMMA = 1 << 4,       /* wave32 matrix products (RDNA 3) */
    FRIT_ATOM_WMMA_RDNA4 = 1 << 5, /* wave32 matrix products (RDNA 4) */
    FRIT_ATOM_MFMA_I8_16 = 1 << 6, /* wave64 matrix products of i8, 16 deep (CDNA 2) */
    FRIT_ATOM_MFMA_I8_32 = 1 << 7, /* the same, 32 deep (CDNA 3) */
    FRIT_ATOM_TMA = 1 << 8,        /* copies of boxes of tensors to shared memory, and mbarriers that wait for them */
    FRIT_ATOM_CLUSTER = 1 << 9,    /* clusters of up to 8 blocks that reach each other's shared memory */
} frit_atoms;

/* A matrix product, products.def. */
typedef struct ir_product {
    const char *name;
    uint32_t family; /* one of frit_atoms */
    frit_dtype in, acc; /* of A and B; of C and D. Products of f32 in a row whose name ends in tf32 read 19 bits of them */
    int warp;    /* threads of the warps that it is for */
    int m, n, k; /* D (m x n) = A (m x k) B (k x n) + C */
    const char *layout[3]; /* of A, B, C */
} ir_product;

/* Of the op wgmma, whose B is in shared memory: layouts of A (where it is in registers) and C for the four warps' thread
 * 0 .. 127, n = 256. A product of fewer columns has the first n / 2 elements. NULL: there is none for this dtype. */
const ir_product *ir_wgmma_product(frit_dtype in);
/* Row i, NULL past the last; the row of that name, or NULL. */
const ir_product *ir_product_at(int i);
const ir_product *ir_product_find(const char *name);
/* Its products are of f32, of which the upper 19 bits are read. */
bool ir_product_is_tf32(const ir_product *p);
/* How many elements of operand o (0: A, 1: B, 2: C and D) a thread holds. */
int ir_product_elements(const ir_product *p, int o);
/* Sums of instructions side by side are, in every thread, elements of operand o (0: A, columns along k; 1: B, rows along k), if
 * the reduced positions are taken in another order: the position 2^b of the operand is the sum's order->weight[b]; other positions
 * go by their bits. Positions from order->size on keep their place from one group of that many to the next. Threads whose numbers
 * differ by order->twin alone (0: there are none) have the same elements of the operand, of which each has every other one as a sum. */
typedef struct ir_product_order {
    int size, weight[8], twin;
} ir_product_order;
bool ir_product_feeds(const ir_product *p, int o, ir_product_order *order);
/* Where reduced position k of the operand is; order may be NULL. */
int ir_product_ordered(const ir_product_order *order, int k);
/* Where element i of operand o of thread `lane` of the warp lies in its matrix. */
void ir_product_place(const ir_product *p, int o, int lane, int i, int *row, int *column);
#endif
