/* Inside of libfrit_rt: the objects behind frit.h and what its files offer one another. */
#ifndef FRIT_RUNTIME_RT_H
#define FRIT_RUNTIME_RT_H
#include "frit.h"
#include "package.h"
#include "driver.h"
#include <stdatomic.h>

/* ---- Errors (error.c) -------------------------------------------------------------------------------------------- */
/* Fills *err (when not NULL) and returns s, so that `return rt_fail(...)` is one line. */
frit_status rt_fail(frit_error *err, frit_status s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Says which line of the model is to blame. */
void rt_blame(frit_error *err, const char *file, uint32_t line);
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        frit_status try_status = (call);                                                                               \
        if (try_status != FRIT_OK) return try_status;                                                                  \
    } while (0)

/* ---- Memory (memory.c) ------------------------------------------------------------------------------------------- */
extern const frit_allocator rt_malloc;
/* Zeroed, 64-byte aligned; NULL when there is none or the size overflows. rt_free takes the same n and size. */
void *rt_new(const frit_allocator *a, uint64_t n, uint64_t size);
void rt_free(const frit_allocator *a, void *p, uint64_t n, uint64_t size);
/* Copies a host's option struct over *dst (zeroed, of `size` bytes), whichever of the two is longer. False when its
 * struct_size is not set, or when a field that this library does not know yet is not zero. src may be NULL. */
bool rt_take_options(void *dst, size_t size, const void *src);
static inline frit_status rt_no_memory(frit_error *err) { return rt_fail(err, FRIT_NO_MEMORY, "out of memory"); }

/* ---- Package (reader.c, check_schedule.c, info.c) ---------------------------------------------------------------- */
/* What an expression needs, found at open. */
typedef struct rt_expr_facts {
    uint64_t mask;        /* bit (symbol % 64) of every symbol in it */
    uint32_t bare;        /* the symbol, when it is nothing but one */
    bool counter, device; /* uses a symbol of role LOOP, DEVICE */
} rt_expr_facts;

struct frit_package {
    atomic_int refs;
    const uint8_t *base;
    uint64_t size;
    enum { RT_MAPPED, RT_COPIED, RT_LENT } how;
    void (*done)(void *ctx);
    void *ctx;
    char *dir;
    fpk_section sections[FPK_SECTION_KINDS]; /* by kind; size 0 when absent */
    const fpk_info *info;
    const char *strings;
    const fpk_symbol *symbols;
    const fpk_step *steps;
    const fpk_expr *exprs;
    const uint32_t *lists;
    const fpk_tensor *tensors;
    const fpk_check *checks;
    const fpk_variant *variants;
    const fpk_buffer *buffers;
    const fpk_kernel *kernels;
    const fpk_schedule *schedules;
    const uint32_t *words;
    uint32_t n_symbols, n_steps, n_exprs, n_lists, n_tensors, n_checks, n_variants, n_buffers, n_kernels, n_schedules,
        n_words;
    rt_expr_facts *facts; /* per expression */
    frit_package_info public;
    frit_tensor_info *tensor_info; /* what public refers to */
    frit_dim_info *dim_info;
    const char **text;
    uint64_t n_text;
};
static inline const char *rt_string(const frit_package *p, uint32_t s) { return p->strings + s; }
enum { RT_INPUT, RT_OUTPUT, RT_PARAM, RT_STATE };
/* Tensor i of a kind, and how many there are. */
const fpk_tensor *rt_tensor(const frit_package *p, int kind, uint32_t i);
uint32_t rt_n_tensors(const frit_package *p, int kind);
/* Checksums of weights larger than this are left to frit_package_verify. */
#define RT_CHECK_BELOW ((uint64_t)16 << 20)
/* (beside.c) Maps the data of a param that lies in a file beside the package: *map of *map_size bytes is the caller's
 * to unmap (NULL for no bytes), *data lies in it. `check`: compares the digest. */
frit_status rt_map_beside(const frit_package *p, const fpk_tensor *t, bool check, void **map, size_t *map_size,
                          const char **data, frit_error *err);
/* Structure of every schedule of a variant: operands in range, nesting, lengths. */
frit_status rt_check_variant(const frit_package *p, const fpk_variant *v, frit_error *err);
frit_status rt_make_info(frit_package *p, frit_error *err);
void rt_free_info(frit_package *p);

/* ---- Expressions (expr.c) ---------------------------------------------------------------------------------------- */
/* Value of expression e; false on overflow or when `known` (may be NULL) says that a symbol has no value. */
bool rt_eval(const frit_package *p, uint32_t e, const int64_t *syms, const uint8_t *known, int64_t *out);
/* Degree of e as a polynomial in symbol s: 0, 1, or 2 for anything else. */
int rt_degree(const frit_package *p, uint32_t e, uint32_t s);

/* ---- A program with its values (frame.c) ------------------------------------------------------------------------- */
/* Placement of the temps of one schedule for given sizes. */
typedef struct rt_plan {
    int64_t total;    /* bytes of the temps */
    int64_t stride;   /* bytes of scratch of one worker */
    int64_t *offsets; /* per buffer of the variant; -1: not a temp of this schedule */
    int64_t *syms;    /* the symbols that it was made for */
    uint32_t schedule;
    uint64_t used; /* for the least recently used to go first; 0: empty */
} rt_plan;
#define RT_PLANS 8

/* A run as recorded, good for equal values of symbols and addresses of buffers. */
typedef struct rt_replay {
    int64_t *syms;
    char **base;
    bool seen;       /* a run with these values has been done */
    rt_graph *graph; /* NULL until the next such run */
    uint64_t used;
} rt_replay;
#define RT_REPLAYS 4

/* Lifetime of a temp: first and last word of the schedule at which its contents matter, loops taken into account. */
typedef struct rt_life {
    int64_t size;
    uint32_t first, last;
    uint32_t buffer;
    uint16_t first_depth, common_depth; /* of the scopes around the first access, and around all of them */
    bool touched, carried;
} rt_life;

/* What running a schedule needs: values of symbols and expressions, addresses and sizes of buffers. */
typedef struct rt_frame {
    const frit_package *pkg;
    const fpk_variant *variant;
    const fpk_buffer *buffers; /* of the variant */
    const fpk_kernel *kernels;
    frit_device *dev;
    rt_module *module;
    rt_queue *queue;
    const frit_allocator *mem;
    int64_t *syms;
    uint8_t *known;
    int64_t *values; /* of expressions that use neither counters nor device symbols */
    uint8_t *fresh;  /* values[e] holds for the present symbols */
    char **base;     /* address of each buffer of the variant */
    int64_t *size;
    uint32_t widest, n_ints; /* most buffers, integers of a launch */
    void **args;
    int64_t *room; /* bytes from each argument to the end of its buffer */
    int64_t *ints;
    rt_life *lives; /* working memory of the planner */
    uint32_t *root, *order;
    int64_t *placed;
    uint64_t plan_mask;             /* symbols that sizes of temps and scratch depend on */
    rt_plan plans[RT_PLANS], *plan; /* plan: the one that `base` shows */
    uint64_t clock;
    bool swaps; /* schedules move temps, so `base` has to be restored for every run */
    char *arena;
    int64_t arena_size;
    char *scratch; /* in the arena */
    int workers;
    uint32_t last; /* kernel that was launched last */
    bool profiling;
    frit_kernel_profile *profile; /* per kernel */
    uint32_t *timed;              /* kernels whose times lie between marks 2 i and 2 i + 1 of the queue */
    uint32_t n_timed;
    rt_replay replays[RT_REPLAYS];
    bool recordable; /* the main schedule can be recorded, by this driver, and is worth it */
    bool records;    /* and has not failed to */
} rt_frame;

/* m and q may be NULL where nothing is run. */
frit_status rt_frame_init(rt_frame *f, const frit_package *p, const fpk_variant *v, frit_device *dev, rt_module *m,
                          rt_queue *q, const frit_allocator *mem, int workers, frit_error *err);
void rt_frame_free(rt_frame *f);
/* Takes the values of `syms` and `known`; returns whether any differs from before. */
bool rt_frame_symbols(rt_frame *f, const int64_t *syms, const uint8_t *known);
/* Why e has no value. */
frit_status rt_no_value(rt_frame *f, uint32_t e, frit_error *err);
/* Value of e now (counters and device symbols at their present values). */
static inline frit_status rt_value(rt_frame *f, uint32_t e, int64_t *out, frit_error *err) {
    if (f->fresh[e]) return *out = f->values[e], FRIT_OK;
    if (!rt_eval(f->pkg, e, f->syms, f->known, out)) return rt_no_value(f, e, err);
    if (!f->pkg->facts[e].counter && !f->pkg->facts[e].device) f->values[e] = *out, f->fresh[e] = 1;
    return FRIT_OK;
}
/* Sets f->size of all buffers of this kind. */
frit_status rt_frame_sizes(rt_frame *f, uint32_t kind, frit_error *err);
/* Places the temps of schedule s (0: main, 1: load, 2 + i: init of state i) and its kernels' scratch in the arena, with
 * `extra` bytes behind them whose address *tail receives. Grows the arena when it is too small. */
frit_status rt_frame_place(rt_frame *f, uint32_t s, int64_t extra, char **tail, frit_error *err);

/* ---- Planner (lifetimes.c, plan.c) ------------------------------------------------------------------------------- */
/* Lifetimes of the temps that schedule s of the variant touches, joined over same_as and swaps; returns how many.
 * lives: room for n_buffers, sizes are left 0. root[b] receives the buffer whose storage b shares. */
uint32_t rt_lifetimes(const frit_package *p, const fpk_variant *v, uint32_t s, uint32_t *root, rt_life *lives);
/* Offsets, multiples of FPK_ALIGN, such that no two lives that overlap in time overlap in memory. Greedy by size, best
 * fit: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, section 4.3.
 * offsets[i] is that of lives[i]; order: room for 2 n. Returns the bytes needed, -1 on overflow. */
int64_t rt_plan_offsets(const rt_life *lives, uint32_t n, uint32_t *order, int64_t *offsets);

/* ---- Binding (bind.c) -------------------------------------------------------------------------------------------- */
/* Binds symbols from the shapes (and host integers) of the n tensors of a kind; ndim < 0 marks one that is not given.
 * Bare dims bind, equations with one unknown are solved, all others are compared. dtype and rank were checked. */
frit_status rt_bind_shapes(const frit_package *p, int kind, const DLTensor *given, int64_t *syms, uint8_t *known,
                           frit_error *err);
/* Bounds and multiples of the symbols that are known, and the package's checks that can be evaluated. Gives device
 * symbols their upper bounds. */
frit_status rt_bind_bounds(const frit_package *p, int64_t *syms, uint8_t *known, frit_error *err);
/* One check; true when it holds or has no value yet. */
frit_status rt_check_fact(const frit_package *p, uint32_t check, const int64_t *syms, const uint8_t *known,
                          frit_error *err);
/* The dims of t with all values that are known, for messages: "f32[B, 64] with B = 2". */
void rt_describe(const frit_package *p, const fpk_tensor *t, const int64_t *syms, const uint8_t *known, char *out,
                 size_t n);

/* ---- Running (exec.c) -------------------------------------------------------------------------------------------- */
/* Runs schedule s (as in rt_frame_place) on the frame as it is. */
frit_status rt_exec(rt_frame *f, uint32_t s, frit_error *err);
/* Adds the times between marks to the profile; waits for the queue. */
frit_status rt_profile_flush(rt_frame *f, frit_error *err);
/* (replay.c) The main schedule; recorded at the second run with equal values where the driver can, and then replayed.
 */
frit_status rt_exec_main(rt_frame *f, frit_error *err);
void rt_forget_replays(rt_frame *f);

/* ---- Tensors (strided.c, dltensor.c) ----------------------------------------------------------------------------- */
/* dtype, rank and device of t against the package's tensor (not its dims), and that it has memory. */
frit_status rt_check_tensor(const frit_package *p, int kind, const fpk_tensor *want, const DLTensor *t,
                            const frit_device *dev, bool needs_data, frit_error *err);
/* Row-major without gaps. */
bool rt_is_dense(const DLTensor *t);
static inline char *rt_data(const DLTensor *t) { return (char *)t->data + t->byte_offset; }
/* Elements; -1 on overflow or a negative dim. */
int64_t rt_elements(const DLTensor *t);
/* [*lo, *hi): the bytes around rt_data(t) that the elements take. False on overflow. */
bool rt_extent(const DLTensor *t, int64_t *lo, int64_t *hi);
/* Elements of t to, or from, dense row-major memory. Element size is a whole number of bytes unless t is dense. */
void rt_pack(char *dense, const DLTensor *t);
void rt_unpack(const DLTensor *t, const char *dense);
/* (transfer.c) The same where `dense` is memory of the device, and the tensor's is there or on the host. Tensors with
 * strides take a detour through memory of the host from `mem`. */
frit_status rt_put(frit_device *d, rt_queue *q, const frit_allocator *mem, char *dense, const DLTensor *t,
                   frit_error *err);
frit_status rt_get(frit_device *d, rt_queue *q, const frit_allocator *mem, const DLTensor *t, const char *dense,
                   frit_error *err);
/* Kernels on the device can use memory of this kind. */
bool rt_on_device(const frit_device *d, DLDevice where);

/* ---- Objects ----------------------------------------------------------------------------------------------------- */
typedef struct rt_param {
    DLTensor view; /* what was bound; ndim < 0: nothing. Its shape is `shape` */
    int64_t shape[FPK_MAX_RANK];
    char *data; /* dense, in the device's memory; NULL: no value yet */
    int64_t bytes;
    void *map; /* of a file beside */
    size_t map_size;
    bool owned; /* data is the device's memory, ours to free */
} rt_param;

struct frit_weights {
    atomic_int refs;
    frit_package *pkg;
    frit_device *dev;
    const fpk_variant *variant;
    rt_module *module;
    rt_queue *queue;
    bool loaded;
    int64_t *syms; /* bound by params and frit_weights_set_dim */
    uint8_t *known;
    rt_param *params;
    DLTensor *views; /* their shapes, for binding */
    char **packed;   /* address of each packed buffer of the variant, and of constants where they are copied */
    int64_t *packed_size;
    bool packed_lent; /* packed lies in the bytes that restore was given */
    void (*packed_done)(void *ctx);
    void *packed_ctx;
};
/* Addresses and sizes of params and packed buffers. */
void rt_weights_addresses(const frit_weights *w, rt_frame *f);
/* Packed buffers of these sizes (per buffer of the variant) from the bytes of frit_weights_save; *lent: used in place.
 * (packed.c) */
frit_status rt_packed_take(frit_weights *w, const int64_t *size, const void *bytes, uint64_t n, bool *lent,
                           frit_error *err);
#endif
