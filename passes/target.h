/* What passes may know of a target: its limits. A target's folder in codegen/ fills one of these; passes never ask for
 * its name. */
#ifndef FRIT_PASSES_TARGET_H
#define FRIT_PASSES_TARGET_H
#include <stdbool.h>
#include <stdint.h>

/* Families of instructions beyond plain arithmetic that schedules and the lowering choose by. */
typedef enum frit_atoms {
    FRIT_ATOM_COPY_ASYNC = 1 << 0, /* copies to shared memory that a thread need not wait for, 16 bytes each */
    FRIT_ATOM_MMA_16816 = 1 << 1,  /* warp products 16x8x16 of f16, bf16, 16x8x8 of tf32, 16x8x32 of i8 (mma.sync) */
    FRIT_ATOM_WGMMA = 1 << 2,      /* products of four warps from shared memory, and bulk tensor copies with barriers */
    FRIT_ATOM_MFMA = 1 << 3,       /* wave64 matrix products (CDNA) */
    FRIT_ATOM_WMMA = 1 << 4,       /* wave32 matrix products (RDNA) */
} frit_atoms;

typedef struct frit_target_limits {
    int vector_bytes;     /* native vector register, e.g. 32 for AVX2 */
    int vector_registers; /* how many */
    bool fma;             /* fused multiply-add in one instruction */
    bool masked_memory;   /* masked vector loads and stores of 32 and 64-bit elements are cheap */
    int64_t l1_bytes, l2_bytes; /* data cache of one core; on a GPU, shared memory of a block */
    int cache_line;       /* bytes */
    /* Where a task is done by a block of threads that share memory. */
    int threads;          /* usual number of threads of a block; 0: a task is one core's, in vectors */
    int warp;             /* threads that run in step and exchange values */
    int64_t shared_bytes; /* a block's shared memory at most */
    int registers;        /* 32-bit registers of a thread at most */
    uint32_t atoms;       /* frit_atoms that there are */
    double flops_per_byte; /* machine balance: f32 flops per byte of memory traffic, for the cost model */
} frit_target_limits;
#endif
