/* Evaluation of tensor values one element at a time: from a value and coordinates to scalar ops in a tile stage.
 * Arithmetic on f16, bf16 and f8 happens in f32, rounded where the program writes a cast. */
#ifndef FRIT_PASSES_EMIT_H
#define FRIT_PASSES_EMIT_H
#include "access.h"

/* Where a value's elements are while the stage runs: buffer element index(coords), written in `at` (one variable per dim
 * of the value). */
typedef struct emit_place {
    const ir_value *v;
    ir_value *buffer;
    int rank;         /* of the buffer */
    const sym_t *at;  /* one per dim of v */
    const sym_t *index;
    bool exact;       /* index is the identity and the buffer has v's dims: out-of-range coordinates can be tested on it */
} emit_place;

typedef struct emit_memo emit_memo;

typedef struct emit {
    access x;
    ir_builder b; /* cursor in the stage's block */
    VEC(emit_place) places;
    /* Bindings of SYM_VALUE variables to scalars of the current block. */
    VEC(sym_t) value_vars;
    VEC(ir_value *) values;
    /* In the finished code this loop variable (NULL: none) runs as two, split_expr. Coordinates are worked out in the
     * variable itself, whose range is known; where split_lane carries split_expr past that range, accesses are checked. */
    sym_t split_var, split_expr, split_lane, split_extent; /* split_extent: of split_var */
    int unsafe;          /* > 0: coordinates may be out of range */
    emit_memo *memo;
    const char *error;   /* the first value that has no formula */
} emit;

/* The dtype that arithmetic on t uses. */
frit_dtype emit_compute_dtype(frit_dtype t);

void emit_init(emit *e, ir_module *m, arena *scratch);
/* v is found in buffer at its own coordinates. */
void emit_place_identity(emit *e, const ir_value *v, ir_value *buffer);
/* Starts a block: what was computed in another block is not reused. */
void emit_block(emit *e, ir_block *block, ir_span span);
/* Forgets what has been computed in this block: places have changed. */
void emit_forget(emit *e);
/* The value of a symbolic integer, i64. */
ir_value *emit_size(emit *e, sym_t size);
/* Says that v at coords is `scalar` in this block. */
void emit_known(emit *e, const ir_value *v, const sym_t *coords, ir_value *scalar);
/* The element of v at coords, of dtype emit_compute_dtype(v's). NULL with e->error set when there is no formula. */
ir_value *emit_element(emit *e, ir_value *v, const sym_t *coords);
/* All of those are numbers of v's own dtype, so that a copy in it loses nothing: v is a written cast, or made of such
 * elements without arithmetic. */
bool emit_is_rounded(const ir_value *v);
/* The same where coords may be outside of v: fill is read there. */
ir_value *emit_element_or(emit *e, ir_value *v, const sym_t *coords, double fill);
/* Stores scalar x at map in buffer, converted to its dtype. */
ir_op *emit_write(emit *e, ir_value *buffer, ir_value *x, int rank, const sym_t *map);
/* What follows in the block is done where 0 <= at < extent only. */
void emit_only(emit *e, sym_t at, sym_t extent);
/* Reads buffer at map; the result has its dtype's compute dtype. */
ir_value *emit_read(emit *e, ir_value *buffer, int rank, const sym_t *map, double fill);
#endif
