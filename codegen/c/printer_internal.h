/* What the files of the C-family printer share. */
#ifndef FRIT_CODEGEN_C_PRINTER_INTERNAL_H
#define FRIT_CODEGEN_C_PRINTER_INTERNAL_H
#include "ir/text.h"
#include "printer.h"

/* How tightly an expression's outermost operator binds, as in C. */
typedef enum prec {
    PREC_COND, PREC_LOR, PREC_LAND, PREC_OR, PREC_XOR, PREC_AND, PREC_EQ, PREC_REL, PREC_SHIFT, PREC_ADD, PREC_MUL,
    PREC_UNARY, PREC_PRIMARY, PREC_SPLAT /* TYPE(SCALAR): the scalar in every lane */
} prec;
typedef struct expr {
    const char *s;
    prec prec;
} expr;

/* What one value is known to be. */
enum {
    V_INLINE = 1,      /* printed where it is used */
    V_NONNEGATIVE = 2, /* an i64 that is never below 0 */
    V_NARROW = 16,     /* an i64 that is held and computed in an i32, which its range fits */
    V_CHAINED = 32,    /* computed in the variable of what it is combined from (c_chain) */
    V_UNUSED = 8,      /* nothing that is printed needs it */
    V_INDEX = 4        /* an i64 made of loop counters, sizes and small numbers: its arithmetic does not overflow */
};

typedef struct dialect dialect;

typedef struct cprinter {
    arena *a;
    const dialect *d;
    const char *error;
    text types, instructions, helpers; /* types and functions that kernels use, each before its first use; instructions are
                                        * functions that the emulation has its own form of */
    name_table seen;   /* their names */
    /* The kernel being printed. */
    const ir_func *f;
    text out, locals;  /* body; declarations in front of it */
    int indent;
    expr *value;       /* by ir_value id */
    uint8_t *facts;    /* by ir_value id: V_... */
    int8_t *scale;     /* by ir_value id, of V_INDEX: bits of the constants multiplied in */
    int *roots;        /* by id of a pointer: the argument it is derived from + 1; 0: none */
    bool *written;     /* by argument: stored through */
    name_table names;  /* identifiers in use */
    struct declared *declared; /* those of the blocks that are open, the latest first */
    struct lane_constant *constants; /* those whose lanes differ (lanes.c) */
    bool uses_shared;  /* the block's memory */
    const char **in_place; /* by ir_value id: the variable of a loop that is given the value where it is computed, or NULL */
    const ir_expansion **math_first, **math_result; /* by id of the first op's value and of the result: what is printed as a call */
    const ir_expansion *math; /* whose function is being printed, or NULL */
    int next_temp, loops; /* number of the next temporary; loops around */
} cprinter;

/* A dialect: what differs between the three. */
struct dialect {
    const char *preamble;
    const char *about;               /* a format with the processor three times: how texts are compiled */
    const char *restrict_, *inline_; /* qualifier of pointers, storage class of helpers */
    const char *const *types;        /* by frit_dtype */
    bool gnu_vectors;                /* helpers have a second form in GCC's vectors */
    bool blocks;                     /* kernels are run by blocks of threads: then */
    bool nvidia;                     /* instructions are PTX */
    bool rounds_products;            /* products that are added must say that they are rounded */
    const char *thread, *block, *block_count, *barrier; /* expressions */
    const char *bounds;              /* of a kernel, a format with the number of threads */
    const char *shared;              /* declares the block's memory */
};
extern const dialect dialect_c, dialect_cuda, dialect_hip;

void c_fail(cprinter *p, const ir_op *op, const char *what);

/* ---- expr.c: expressions and constants */
expr c_primary(const char *s);
#define PRIMARY(p, ...) c_primary(arena_printf((p)->a, __VA_ARGS__))
/* e, in parentheses unless it binds at least as tightly as `at`. */
const char *c_tight(cprinter *p, expr e, prec at);
expr c_binary(cprinter *p, const char *op, expr x, expr y);
expr c_literal(cprinter *p, frit_dtype t, const void *data, int64_t i);
expr c_int_literal(cprinter *p, frit_dtype t, int64_t v);
static inline expr c_value_of(const cprinter *p, const ir_value *v) { return p->value[v->id]; }
static inline expr c_operand_of(const cprinter *p, const ir_op *op, int i) { return c_value_of(p, ir_operand(op, i)); }
static inline bool c_knows(const cprinter *p, const ir_value *v, int fact) { return (p->facts[v->id] & fact) == fact; }
/* v is an i64 or other integer constant. */
bool c_constant_int(const ir_value *v, int64_t *out);

/* ---- types.c */
const char *c_scalar_type(cprinter *p, frit_dtype t); /* as held in registers */
const char *c_memory_type(cprinter *p, frit_dtype t); /* as held in memory; 4-bit types: their bytes */
const char *c_type_of(cprinter *p, ir_type t);        /* of a register; declares vector types */
const char *c_value_type(cprinter *p, const ir_value *v); /* of v as it is printed */
const char *c_type_tag(cprinter *p, frit_dtype t, int lanes); /* "f32", "f32x4": the end of helpers' names */
bool c_is_narrow_float(frit_dtype t);
bool c_is_signed(frit_dtype t);
bool c_is_nibble(frit_dtype t);

/* ---- names.c */
/* A fresh identifier like `want` (may be NULL: a temporary), in use until the block of C that is open ends. */
const char *c_fresh_name(cprinter *p, const char *want);
/* The same for what is declared in front of the kernel's body. */
const char *c_lasting_name(cprinter *p, const char *want);
/* The identifier for what is the same wherever it is asked for (`thread`), of this C type: one for all of a block of C. */
const char *c_common_name(cprinter *p, const char *want, const char *type, bool *is_new);
/* Names from here on are free again after c_close_scope. */
struct declared *c_open_scope(cprinter *p);
void c_close_scope(cprinter *p, struct declared *outside);

/* A word that identifiers may be, as it is. */
bool c_is_free_word(const char *s);

/* ---- roles.c */
/* What v is called: its name, what it is read from or for, what computes it. NULL: a temporary like others. */
const char *c_role(const cprinter *p, const ir_value *v);
/* The tensor or buffer that ptr leads into; NULL for scratch memory and what has no name. */
const char *c_base_name(const cprinter *p, const ir_value *ptr);
/* What combining values gives, in a word: "sum", "largest". */
const char *c_combined_name(ir_combine c);
/* v counts the tasks of a grid. */
bool c_counts_tasks(const ir_value *v);

/* ---- helper.c: functions that the text defines for itself */
/* True the first time that `name` is asked for: the caller then defines it. */
bool c_helper_new(cprinter *p, const char *name);
void c_helper_define(cprinter *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A function that the emulation has its own form of. */
void c_define_instruction(cprinter *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void c_type_define(cprinter *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* How many of the characters of s, which is longer than `room`, go on one line: up to the last comma or operator within the fewest
 * parentheses, of those in the second half. */
size_t c_first_part(const char *s, size_t room);
/* The functions of s, those on one line whose few statements fit there. */
const char *c_compact(cprinter *p, const char *s);
/* The name of the helper `op` of dtype t, defined from its table. */
const char *c_scalar_helper(cprinter *p, const char *op, frit_dtype t);
/* name(x, y, z) */
expr c_call(cprinter *p, const char *name, int n, const expr *x);
/* A function of lanes: name(T x, U y...) whose lane l is `lane`, an expression in those of x, y...; gnu: its value in
 * GCC's vectors, or NULL. */
void c_vector_helper(cprinter *p, const char *name, ir_type result, int n, const ir_type *types, const char *lane,
                   const char *gnu);
/* Lane `lane` of a vector variable as it is stored, and lane l as a register value. */
const char *c_lane_text(cprinter *p, const char *vector, const char *lane, int lanes);
expr c_lane_of(cprinter *p, const char *vector, ir_type t);
/* What is stored in a lane of dtype t. */
const char *c_as_lane(cprinter *p, expr e, frit_dtype t);

/* ---- convert.c */
expr c_convert(cprinter *p, frit_dtype from, frit_dtype to, expr x);
expr c_widen(cprinter *p, frit_dtype t, expr x);
expr c_narrow(cprinter *p, frit_dtype t, expr x);
expr c_bits_of(cprinter *p, frit_dtype from, frit_dtype to, expr x);

/* ---- elementwise.c */
expr c_elementwise(cprinter *p, const ir_op *op);
expr c_combine(cprinter *p, ir_combine c, frit_dtype t, expr x, expr y);

/* ---- math.c: functions of mathematics as functions of the text */
void c_find_math(cprinter *p);
void c_math(cprinter *p, const ir_expansion *e);
static inline const ir_expansion *c_math_result(const cprinter *p, const ir_value *v) { return p->math_result[v->id]; }

/* ---- lanes.c */
/* The scalar of a PREC_SPLAT: C++ makes a vector of it by itself where one is expected. */
expr c_scalar_of(cprinter *p, expr splat);
expr c_splat_of(cprinter *p, ir_type t, expr x);
expr c_lanes_op(cprinter *p, const ir_op *op); /* splat, ramp, extract, reinterpret, reduce_lanes */
void c_constant(cprinter *p, const ir_op *op);

/* ---- memory.c */
expr c_element_address(cprinter *p, expr ptr, expr index); /* ptr + index */
expr c_load_of(cprinter *p, const ir_op *op);
void c_store(cprinter *p, const ir_op *op);
void c_pointer(cprinter *p, const ir_op *op);

/* ---- control.c */
void c_for(cprinter *p, const ir_op *op);
void c_if(cprinter *p, const ir_op *op);
void c_while(cprinter *p, const ir_op *op);

/* ---- block.c: threads of a block */
bool c_block_op(cprinter *p, const ir_op *op);

/* ---- atoms.c */
void c_atom(cprinter *p, const ir_op *op);

/* ---- async.c: the ops of thread.def from warp_barrier on */
bool c_async_op(cprinter *p, const ir_op *op);
void c_define_tensor_map(cprinter *p);

/* ---- facts.c */
/* Fills in p->facts, p->scale, p->roots and p->written. */
void c_find_facts(cprinter *p);

/* ---- printer.c */
void c_line(cprinter *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Declares v as a new variable with this value, or keeps the expression to print where v is used. */
void c_bind(cprinter *p, const ir_value *v, expr e);
/* v has been given this variable. Where it is next combined with what another thread has of it, and nothing else reads it, the
 * result is computed in the same one; true then. */
bool c_chain(cprinter *p, const ir_value *v, const char *variable);
/* Declares a variable of v's type without a value (init NULL) or with one, and binds v to it. */
void c_declare(cprinter *p, const ir_value *v, const char *init);
/* Prints the ops from first to last, but a terminator, which is returned. */
const ir_op *c_ops(cprinter *p, const ir_op *first, const ir_op *last);
/* Prints the ops of b but its terminator, which is returned (NULL: none). */
const ir_op *c_block(cprinter *p, const ir_block *b);
#endif
