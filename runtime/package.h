/* The package format (.fpk), version 4: what codegen/package.c writes and runtime/reader.c maps.
 *
 * Little-endian. A header, a table of sections, then the sections, each 64-byte aligned, in the order of their kinds.
 * All tables are arrays of the records below; references are indices, FPK_NONE is no reference. Strings are offsets
 * into the string section, NUL-terminated. Integers whose value depends on dims are *expressions*: a range of postfix
 * steps. Equal contents give equal bytes: nothing in a package depends on time, place or addresses.
 *
 * A package serves several targets: a *variant* is a whole program (buffers, kernels, schedules, code) for one target;
 * symbols, expressions, tensors, checks, constants and weights are shared.
 *
 * Checksums (fpk_hash) cover the header with the section table, and each section; those of FPK_WEIGHTS are compared by
 * frit_package_verify only when the section is large. They find damage, not malice, so every reference and size is
 * checked at open as well, before anything is used. */
#ifndef FRIT_RUNTIME_PACKAGE_H
#define FRIT_RUNTIME_PACKAGE_H
#include <stddef.h>
#include <stdint.h>

#define FPK_MAGIC                                                                                                      \
    "\x89"                                                                                                             \
    "FPK\r\n\x1a\n"    /* 8 bytes: shows line-end conversion and truncation, as PNG's does */
#define FPK_VERSION 4u /* readers accept exactly this; it grows with every change of meaning */
#define FPK_NONE UINT32_MAX
#define FPK_ALIGN 64u
#define FPK_MAX_RANK 16
#define FPK_MAX_STACK 32         /* deepest stack of an expression */
#define FPK_MAX_NESTING 16       /* deepest nesting of loops and branches of a schedule */
#define FPK_MAX_TABLE (1u << 24) /* most records of a table */
#define FPK_MAX_THREADS 1024     /* of a block */
#define FPK_MAX_SHARED (1u << 20) /* most bytes of a block's shared memory */
#define FPK_MAX_CLUSTER 8        /* most blocks of a cluster */
#define FPK_MAX_GPU_TASKS ((1 << 30) - 1) /* most tasks of a launch on a GPU, whose kernels count them in 32 bits */

typedef struct fpk_header {
    char magic[8];
    uint32_t version;
    uint32_t n_sections;
    uint64_t file_size;
    uint64_t checksum; /* of the header with this field 0, then of the section table */
} fpk_header;

typedef enum fpk_section_kind {
    FPK_INFO,      /* one fpk_info */
    FPK_STRINGS,   /* bytes; the first and the last are NUL, so that offset 0 is "" */
    FPK_SYMBOLS,   /* fpk_symbol */
    FPK_STEPS,     /* fpk_step */
    FPK_EXPRS,     /* fpk_expr */
    FPK_LISTS,     /* uint32_t: lists that other records refer to by first and count */
    FPK_TENSORS,   /* fpk_tensor: inputs, outputs, params, states */
    FPK_CHECKS,    /* fpk_check */
    FPK_VARIANTS,  /* fpk_variant */
    FPK_BUFFERS,   /* fpk_buffer */
    FPK_KERNELS,   /* fpk_kernel */
    FPK_SCHEDULES, /* fpk_schedule */
    FPK_WORDS,     /* uint32_t: the schedules' code */
    FPK_DATA,      /* bytes: constants */
    FPK_CODE,      /* bytes: machine code (or a GPU module) of all variants */
    FPK_WEIGHTS,   /* bytes: params kept inside */
    FPK_SECTION_KINDS
} fpk_section_kind;

typedef struct fpk_section {
    uint32_t kind;         /* each kind once, ascending */
    uint32_t record;       /* bytes of one record */
    uint64_t offset, size; /* bytes; offset is a multiple of FPK_ALIGN */
    uint64_t checksum;
} fpk_section;

typedef struct fpk_info {
    uint32_t entry, doc, compiler;                    /* strings */
    uint32_t n_inputs, n_outputs, n_params, n_states; /* tensors come in this order */
    uint32_t reserved;
} fpk_info;

/* Roles have the numbers of frit_dim_role. */
typedef struct fpk_symbol {
    uint32_t name, role;
    int64_t lo, hi;        /* inclusive; INT64_MIN, INT64_MAX: no bound. Checked when the symbol is bound */
    int64_t multiple;      /* value % multiple == 0; 1 for anything */
    uint32_t lower, upper; /* bounds that depend on other symbols (expressions), or FPK_NONE */
} fpk_symbol;

typedef enum fpk_step_op {
    FPK_CONST,
    FPK_SYM, /* push value; push the value of symbol `sym` */
    FPK_ADD,
    FPK_SUB,
    FPK_MUL,
    FPK_FLOORDIV,
    FPK_MOD,
    FPK_MIN,
    FPK_MAX,
    FPK_CEILDIV, /* pop b, pop a, push a op b */
    FPK_STEP_OPS
} fpk_step_op;
/* Checked 64-bit: overflow is an error of the run. Division and remainder round toward minus infinity, by 0 they give 0
 * (as in ir/sym.h). */
typedef struct fpk_step {
    uint32_t op, sym;
    int64_t value;
} fpk_step;
typedef struct fpk_expr {
    uint32_t first, count; /* steps */
} fpk_expr;

typedef struct fpk_tensor {
    uint32_t name;
    uint16_t dtype, rank;
    uint32_t dims;   /* first of 2 * rank list entries: the expression of each dim, then each dim as text (a string) */
    uint32_t type;   /* string: all of it as text */
    uint32_t symbol; /* of a host integer input, or FPK_NONE */
    uint32_t place;  /* frit_param_place of a param, else 0 */
    uint32_t file;   /* string: the file beside, relative to the package's folder, or FPK_NONE */
    uint32_t reserved;
    uint64_t offset, size; /* of the data, in FPK_WEIGHTS or in the file */
    uint64_t digest;       /* fpk_hash of the data in a file beside, else 0 */
} fpk_tensor;

typedef enum fpk_compare { FPK_EQ, FPK_NE, FPK_LT, FPK_LE, FPK_COMPARES } fpk_compare;
/* A fact checked on the host when dims are bound. */
typedef struct fpk_check {
    uint32_t compare, lhs, rhs; /* expressions */
    uint32_t text, file, line;
} fpk_check;

typedef enum fpk_arch { FPK_ARCH_ANY, FPK_ARCH_X86_64, FPK_ARCH_AARCH64 } fpk_arch;
typedef struct fpk_variant {
    uint32_t target; /* canonical string; the part before ':' names the driver */
    uint32_t arch;
    uint64_t features;               /* of the CPU that must be there: bits of runtime/cpu.h */
    uint64_t code_offset, code_size; /* in FPK_CODE */
    uint32_t first_buffer, n_buffers;
    uint32_t first_kernel, n_kernels;
    uint32_t first_schedule; /* main, load, then one init per state: 2 + n_states */
    uint32_t reserved;
} fpk_variant;

typedef enum fpk_buffer_kind {
    FPK_BUF_INPUT,
    FPK_BUF_OUTPUT,
    FPK_BUF_PARAM,
    FPK_BUF_STATE,  /* of tensor `index` among its kind */
    FPK_BUF_TEMP,   /* memory of one run (or of one load program) */
    FPK_BUF_CONST,  /* bytes of FPK_DATA */
    FPK_BUF_PACKED, /* written by the load program, read by the main schedule; its size depends on params' dims only */
    FPK_BUF_KINDS
} fpk_buffer_kind;
enum {
    FPK_KEEP =
        1 /* a temp that carries values from one iteration of a loop to the next although the loop writes it first */
};
typedef struct fpk_buffer {
    uint32_t kind, index;
    uint32_t size;    /* expression: bytes. No loop counters; device symbols count at their upper bounds */
    uint32_t align;   /* power of two up to FPK_ALIGN that kernels rely on */
    uint32_t same_as; /* another temp of the variant whose storage this one shares, or FPK_NONE */
    uint32_t flags;
    uint64_t offset; /* in FPK_DATA, of a constant */
} fpk_buffer;

/* A tensor map: how copies of boxes see one of a kernel's buffers (CUDA: a CUtensorMap). Words: buffer (position among the
 * kernel's), dtype, rank, bytes of the swizzle, elements of a box along each axis, the contiguous one first, and
 * in the upper half of these words the step between them less 1. Values: extents of
 * the axes, then strides, in elements, of all but the first. What is behind the rank is 1. */
enum { FPK_MAP_RANK = 5, FPK_MAP_BOX = 4, FPK_MAP_WORDS = FPK_MAP_BOX + FPK_MAP_RANK, FPK_MAP_VALUES = 2 * FPK_MAP_RANK - 1 };
static inline uint32_t fpk_map_box(uint32_t word) { return word & 0xffff; }
static inline uint32_t fpk_map_step(uint32_t word) { return (word >> 16) + 1; }
#define FPK_MAX_MAPS 64u /* of a kernel */

typedef struct fpk_kernel {
    uint32_t name, file, line;             /* strings and number: the source op that it stems from */
    uint32_t n_inputs, n_outputs;          /* buffers it reads, then buffers it writes */
    uint32_t ints, n_ints;                 /* list of expressions: its i64 arguments */
    uint32_t tasks, scratch, bytes, flops; /* expressions; bytes and flops may be FPK_NONE. Scratch is bytes a worker,
                                            * without loop counters, device symbols at their upper bounds */
    uint32_t threads, shared;              /* of a block and its dynamic shared memory in bytes, where blocks of threads
                                            * do the tasks; else 0 */
    uint32_t entry;                        /* string: its name in its module, with threads; else "" */
    uint32_t maps, n_maps;                 /* list of FPK_MAP_WORDS for each tensor map that it takes behind its other arguments;
                                            * FPK_MAP_VALUES expressions of each stand behind the i64 arguments in `ints` */
    uint32_t cluster;                      /* blocks that are launched side by side and reach each other's shared memory: tasks
                                            * are a multiple, and so are the blocks of a launch; 0: none */
    uint32_t reserved;
    uint64_t code_offset, code_size;       /* in the variant's code. With threads: its module, which kernels may share;
                                            * else its entry point and what follows */
} fpk_kernel;

typedef struct fpk_schedule {
    uint32_t first, count; /* words */
} fpk_schedule;

/* Instructions of a schedule: word 0 is op | length << 8, length counting all words; then the operands. `buffer`
 * numbers are within the variant; `offset` is an expression in bytes or FPK_NONE (0). Jumps are relative to the
 * schedule's first word. */
typedef enum fpk_op {
    FPK_OP_END,    /* ends the schedule */
    FPK_OP_LAUNCH, /* kernel, then (buffer, offset) for each of its buffers */
    FPK_OP_COPY,   /* dst, dst offset, src, src offset, bytes (expression); may overlap */
    FPK_OP_FILL,   /* dst, offset, bytes, width (1, 2, 4, 8), pattern low word, pattern high word */
    FPK_OP_SWAP,   /* a, b: two temps of equal size exchange their storage (carried values of a loop) */
    FPK_OP_LOOP,   /* symbol, trips (expression), jump to its NEXT: symbol counts 0 .. trips-1 */
    FPK_OP_WHILE,  /* buffer, offset, jump to its NEXT: repeats while the bool there is not 0 */
    FPK_OP_NEXT,   /* jump to its LOOP or WHILE */
    FPK_OP_IF,     /* buffer, offset, jump to its ELSE or ENDIF: taken when the bool there is not 0 */
    FPK_OP_ELSE,   /* jump to its ENDIF */
    FPK_OP_ENDIF,
    FPK_OP_READ_SYM, /* symbol (role DEVICE), buffer, offset: symbol = the i64 there */
    FPK_OP_CHECK,    /* index of an fpk_check, evaluated now */
    FPK_OPS
} fpk_op;

/* XXH64 with seed 0 (Yann Collet's published algorithm: fast, 64 bits, not cryptographic). */
uint64_t fpk_hash(const void *bytes, size_t n);
#endif
