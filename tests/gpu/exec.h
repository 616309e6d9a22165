/* Runs kernels made for blocks of threads (thread IR with func->threads > 0, docs/gpu.md) on the host, without compiling
 * them, and checks what a GPU would leave undefined.
 *
 * The threads of a block go through the program in step: every op is done for all threads that are there before the next
 * op begins; where control diverges, masks say who takes part. Blocks run one after another, in an order that the seed
 * chooses. What is checked, with the op and the threads named:
 *
 *   - races: two accesses to the same bytes of shared or global memory, at least one of them a write, by two threads with
 *     no barrier between, or by two blocks of a launch at all;
 *   - reads of shared, global or thread-private memory that nothing has written;
 *   - accesses out of bounds, writes to what the kernel may only read, addresses less aligned than the op claims;
 *   - barriers, shuffles and atoms that some threads of their group do not reach;
 *   - asynchronous copies: their two sides are touched by nothing until a copy_wait of the thread that started them covers
 *     them; for other threads a barrier must follow. They complete at once, or as late as allowed (exec_launch.late), their
 *     destination then holding nonsense until then.
 *
 * Kernels with ops from warp_barrier on (ir/thread.def) are followed more closely (exec_clock.c): what orders two accesses are
 * barriers of any kind, and mbarriers from an arrival to a wait. Arms of a branch that hold waits run side by side, in an order
 * that the seed chooses, each one's threads in step; when all wait and no copy is under way, that is told. Besides, for them:
 *
 *   - what the asynchronous proxy reads and no fence_async of its writer covers; accumulators used while products are under way,
 *     or in groups that no wait covers; operands that change meanwhile;
 *   - destinations of bulk copies touched before the mbarrier's phase is waited for; sources that change; layouts and addresses
 *     that the hardware would not take; arrivals and bytes that do not add up.
 *
 * The blocks of a cluster run in step, each with shared memory of its own; blocks is a multiple of the cluster then (exec_cluster.c).
 * Told are besides: accesses of two of its blocks to the same bytes, of shared or global memory, with no cluster_barrier (or arrival
 * at an mbarrier) between; touches of another block's memory before it is known to run, and such that it may have left by then.
 *
 * The first violation ends the launch. */
#ifndef FRIT_TESTS_GPU_EXEC_H
#define FRIT_TESTS_GPU_EXEC_H
#include "ir/diag.h"
#include "ir/ir.h"

/* What a pointer argument points to. */
typedef struct exec_memory {
    void *data;
    int64_t bytes;    /* exact: the next byte is out of bounds */
    uint8_t *written; /* one bit a byte, lowest bit first: has a value. NULL: all have */
    int64_t first;    /* the bit of data's first byte */
    uint8_t *read;    /* NULL, or likewise a bit a byte: set where the kernel reads */
    bool output;      /* may be written. Memory that two arguments share is given to both in full */
} exec_memory;

typedef struct exec_launch {
    const exec_memory *buffers; /* one per pointer argument, without the scratch memory */
    const int64_t *ints;        /* one per i64 argument, without the number of tasks */
    exec_memory scratch;        /* of all blocks; nothing in it has a value at first */
    int64_t tasks, blocks;
    int64_t sample;    /* > 0: no more blocks than this run, spread evenly from the first to the last */
    uint64_t seed;     /* of the order of the blocks */
    const ir_op *nonsense; /* NULL, or a copy_async: brings nonsense where its predicate is false, */
    bool tame;             /* finite numbers at that */
    bool late;         /* asynchronous copies complete as late as they may */
    bool watch;        /* exec_seen is to say all it can */
    int64_t max_steps; /* ops (each for all threads) after which the kernel is said not to end; 0: no limit */
} exec_launch;

typedef struct exec_kernel exec_kernel;

/* Prepares f (verified; level thread, threads > 0). warp: threads of a warp. d: where the spans of f's ops belong, or NULL.
 * f, its module and d stay alive as long as the kernel. NULL with *error (text in f's arena) when it cannot be run. */
exec_kernel *exec_kernel_new(ir_func *f, int warp, const diag *d, const char **error);
void exec_kernel_free(exec_kernel *k);
/* False: message (of n bytes) says what is wrong. */
bool exec_run(exec_kernel *k, const exec_launch *l, char *message, size_t n);
/* Ops executed so far, each counted once however many threads it is done for. */
int64_t exec_steps(const exec_kernel *k);
/* What any launch so far has seen op (of the kernel's func) do, as bits; EXEC_REACHED for ops that are no steps: constants,
 * `shared`. But for EXEC_REACHED only launches with `watch` count. */
enum {
    EXEC_REACHED = 1,
    EXEC_TRUE = 2,   /* a condition, or the predicate of an access, that holds for some thread's lane; */
    EXEC_FALSE = 4,  /* that does not */
    EXEC_EQUAL = 8,  /* a comparison of equal integers (i64) */
    EXEC_CHANGED = 16 /* an xor (i64) that is not its first operand */
};
int exec_seen(const exec_kernel *k, const ir_op *op);
#endif
