/* Inside of the package writer: the tables as they grow. */
#ifndef FRIT_CODEGEN_PACKAGE_INTERNAL_H
#define FRIT_CODEGEN_PACKAGE_INTERNAL_H
#include "package.h"

typedef struct byte_buffer {
    uint8_t *data;
    uint64_t len, cap;
} byte_buffer;

/* A map from a 64-bit key to an index: open addressing, 0 in `index` is empty. */
typedef struct index_map {
    uint64_t *key;
    uint32_t *index; /* + 1 */
    uint32_t len, cap;
} index_map;

enum { PACKAGE_INPUT, PACKAGE_OUTPUT, PACKAGE_PARAM, PACKAGE_STATE, PACKAGE_TENSOR_KINDS };

typedef struct package_tensor {
    fpk_tensor record;
    const sym_t *dims;
    const void *data; /* of a param kept inside */
} package_tensor;

typedef struct package_symbol {
    fpk_symbol record;
    sym_t var;
    bool tensor_dim; /* appears in the dims of an input, param or state */
} package_symbol;

struct package {
    arena *a;
    sym_ctx *syms;
    const char *why; /* the caller's first mistake, or NULL */
    fpk_info info;
    byte_buffer strings, data, code;
    index_map string_map, expr_map, symbol_map, constant_map;
    VEC(package_symbol) symbols;
    VEC(fpk_step) steps;
    VEC(fpk_expr) exprs;
    VEC(uint32_t) lists;
    VEC(package_tensor) tensors[PACKAGE_TENSOR_KINDS];
    VEC(fpk_check) checks;
    VEC(fpk_variant) variants;
    VEC(fpk_buffer) buffers;
    VEC(fpk_kernel) kernels;
    VEC(fpk_schedule) schedules;
    VEC(uint32_t) words;
    VEC(uint32_t) body; /* of the schedule being written */
    int schedule;       /* its index in schedules, -1: none */
    uint32_t open[FPK_MAX_NESTING]; /* its scopes */
    int depth;
    int tensor_buffer[PACKAGE_TENSOR_KINDS]; /* first of the variant's buffers of each kind in tensor_buffers */
    VEC(int) tensor_buffers; /* per tensor: its buffer in the variant, -1: none yet */
};

/* Records the first mistake. */
void package_wrong(package *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t bytes_append(arena *a, byte_buffer *b, const void *data, uint64_t n, uint64_t align); /* its offset */
/* The place of `key` in the map: *found says whether *slot holds an index already. */
uint32_t *map_slot(arena *a, index_map *m, uint64_t key, bool *found);
uint32_t package_string(package *p, const char *s); /* NULL is "" */
/* The expression for s; NULL is `absent`. */
uint32_t package_expr(package *p, sym_t s, int64_t absent);
/* The symbol of a variable, made when it is new. */
uint32_t package_symbol_of(package *p, sym_t var);
/* How a symbol gets its value, with the numbers of frit_dim_role; two ways are a mistake. */
enum { ROLE_BOUND, ROLE_INT, ROLE_SEED, ROLE_LOOP, ROLE_DEVICE };
void package_set_role(package *p, sym_t var, uint32_t role);
/* Where the bytes are among the package's constants. */
uint64_t package_data(package *p, const void *data, uint64_t bytes);
/* The tables as the bytes of a package (of the arena, aligned to 64), *n of them. */
const void *package_write(package *p, uint64_t *n);
/* Ends the schedule being written. */
void package_close_schedule(package *p);
fpk_variant *package_variant(package *p); /* the last, or NULL with a mistake recorded */
#endif
