/* Which element of an operand a result element needs: the one place that gives every elementwise op and view its index
 * map. Fusion, scheduling and the emission of tile code all follow these maps. */
#ifndef FRIT_PASSES_ACCESS_H
#define FRIT_PASSES_ACCESS_H
#include "ir/ir.h"

/* A variable that stands for the element of an index tensor at given coordinates (the k-th index operand of a gather). */
typedef struct access_value {
    const ir_op *op;
    int k;
    const sym_t *coords;
    sym_t var;
} access_value;

typedef struct access {
    ir_module *m;
    arena *scratch;
    VEC(access_value) values;
} access;

/* True when each result element of op is a formula of single elements of its operands: elementwise ops, views, gather,
 * constants, iota and size. Everything else needs loops of its own or memory. */
bool access_is_pointwise(const ir_op *op);

/* Coordinates (one per dim of operand i) that result coordinates `coords` read; out has room for IR_MAX_RANK. For pad
 * and concat the caller tests which piece applies; the map is meaningful inside that piece. */
void access_operand(access *x, const ir_op *op, int i, const sym_t *coords, sym_t *out);

/* The variable for index operand k of gather `op` at `coords`: the same one for the same request. */
sym_t access_index_var(access *x, const ir_op *op, int k, const sym_t *coords);

/* Coordinates of operand i of a reduce or contract, from result coordinates and one variable per reduced axis. */
void access_reduced(access *x, const ir_op *op, int i, const sym_t *coords, const sym_t *red, sym_t *out);
/* Extents of the reduced axes of a reduce or contract, in order; returns how many. */
int access_reduced_extents(const ir_op *op, sym_t *extents);
#endif
