/* What the files of staged contractions share. See lower_contract.c. */
#ifndef FRIT_PASSES_LOWER_CONTRACT_H
#define FRIT_PASSES_LOWER_CONTRACT_H
#include "lower_internal.h"

typedef struct lower_axes {
    int n;
    sym_t var[IR_MAX_RANK], extent[IR_MAX_RANK];
} lower_axes;

typedef struct lower_operand {
    const ir_value *v; /* what is staged; a value of the stage's block 0 */
    bool *wanted;      /* it and what it is computed from */
    frit_dtype t;
    lower_axes axes;   /* that it alone varies along */
    int tile;          /* positions along them that are done at a time */
    bool k_inner;      /* staged as [tile][chunk], else as [chunk][tile] */
    int ld;            /* elements from row to row of that */
    int64_t at, elements; /* bytes from the start of the contraction's memory; elements of one buffer */
    ir_value *ptr;
} lower_operand;

typedef struct lower_contract {
    const ir_op *op;
    lower_operand side[2];
    lower_axes outer, k; /* one after another; reduced */
    frit_dtype sum;
    const ir_value *guarded; /* the term, where some are left out (lower_absent.c); NULL: the plain product */
    int chunk;           /* reduced positions staged at a time */
    int buffers;         /* chunks that there is room for */
    int first_id;        /* of the values of block 0 */
    lower_place place;
    bool n_inner;        /* the sums pass to the epilogue as [m][n], else as [n][m] */
    int result_ld[2];    /* elements from row to row, where m or n is inner */
    ir_value *result;
    /* The sums of a thread. */
    int threads[2], n_each[2]; /* along m and n: threads, and positions of each */
    int n_sums;
    ir_value **sums;
    const ir_product *product; /* by matrix instructions: threads counts warps; or NULL */
} lower_contract;

/* lower_sums.c: which sums a thread has; adds the chunk in the buffer of that number to them; puts them into `result`. */
void lower_share_sums(lower *l, lower_contract *p);
void lower_sum_chunk(lower *l, lower_contract *p, sym_t buffer);
void lower_store_sums(lower *l, lower_contract *p);
/* Where the sum of a row and a column of the tile is in `result`. */
sym_t lower_result_at(lower *l, const lower_contract *p, sym_t row, sym_t col);

/* lower_mma.c: the same by matrix instructions. The plan says whether target and dtypes allow it, and may choose what is
 * staged; false of share: the tile has too few rows and columns for the block's warps. */
bool lower_mma_plan(lower *l, lower_contract *p);
bool lower_mma_share(lower *l, lower_contract *p);
/* Registers of a thread for sums and fragments; 0 where the tile can't be shared. */
int lower_mma_registers(lower *l, lower_contract *p);
void lower_mma_zero(lower *l, lower_contract *p);
void lower_mma_sum_chunk(lower *l, lower_contract *p, sym_t buffer);
void lower_mma_store(lower *l, lower_contract *p);
#endif
