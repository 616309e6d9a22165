/* What passes may know of a target: its limits. A target's folder in codegen/ fills one of these; passes never ask for
 * its name. */
#ifndef FRIT_PASSES_TARGET_H
#define FRIT_PASSES_TARGET_H
#include "ir/atom.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct frit_target_limits {
    int vector_bytes;     /* native vector register, e.g. 32 for AVX2 */
    int vector_registers; /* how many */
    bool fma;             /* fused multiply-add in one instruction */
    int64_t l1_bytes, l2_bytes; /* data cache of one core; on a GPU, shared memory of a block */
    int cache_line;       /* bytes */
    bool is_source;       /* code is text for a compiler that writes out loops itself: it is kept short */
    /* Where a task is done by a block of threads that share memory. */
    int threads;          /* usual number of threads of a block; 0: a task is one core's, in vectors */
    int warp;             /* threads that run in step and exchange values */
    int64_t shared_bytes; /* a block's shared memory at most */
    int registers;        /* 32-bit registers of a thread at most */
    uint32_t atoms;       /* frit_atoms that there are */
    /* What the cost model of contractions counts with; 0 multiprocessors: none of them is done in parts (lower_parts.h). */
    int multiprocessors;
    int multiprocessor_registers;  /* 32-bit ones */
    int64_t multiprocessor_shared; /* bytes */
    int64_t launch_bytes;          /* that a multiprocessor could move in the time that one more launch takes */
    double piece_price;            /* of a byte of sums that passes from launch to launch, in bytes of operands */
    int cluster_part;      /* elements of a row that are worth a block of a cluster, at least (FRIT_ATOM_CLUSTER) */
} frit_target_limits;
#endif
