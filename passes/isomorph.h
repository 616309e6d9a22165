/* Keys of sets of ops: equal keys mean that the sets differ in nothing but the identity of values and symbols, so that what
 * is found out about one (a cost, a schedule, code) holds for the other. Symbols are numbered in order of appearance, and
 * what is known of each (role, bounds, divisor, typical size) is part of the key. */
#ifndef FRIT_PASSES_ISOMORPH_H
#define FRIT_PASSES_ISOMORPH_H
#include "ir/ir.h"

/* What keys of one module share: the stand-ins of symbols, by number. */
typedef struct isomorph_names {
    ir_module *m;
    VEC(sym_t) stand_in;
} isomorph_names;

typedef struct isomorph_key {
    uint64_t hash;
    int n_words, n_symbols;
    const int64_t *words;
    const sym_t *symbols; /* what a launch passes (dims, host integers), in order of appearance */
} isomorph_key;

typedef struct isomorph_set {
    int n_inputs, n_ops, n_outputs;
    ir_value *const *inputs;
    ir_op *const *ops;        /* in order; each operand is an input, a result of an earlier op, or foreign */
    ir_value *const *outputs; /* may be 0: then they follow from the ops */
} isomorph_set;

/* The key of a set, in memory of a. Makes stand-ins that are kept: call it outside of sym_here .. sym_back. */
isomorph_key isomorph_key_of(isomorph_names *n, arena *a, const isomorph_set *s);
/* The key of a kernel op: of its block, with the block's arguments as inputs. */
isomorph_key isomorph_key_of_kernel(isomorph_names *n, arena *a, const ir_op *kernel);

/* Keys and a number for each. Zeroed, it is empty; keys and table live in the arena that is passed. */
typedef struct isomorph_table {
    struct isomorph_entry {
        isomorph_key key;
        int value;
    } *slots;
    int n, cap;
} isomorph_table;
/* The number entered for an equal key, or -1. */
int isomorph_find(const isomorph_table *t, const isomorph_key *k);
void isomorph_enter(arena *a, isomorph_table *t, const isomorph_key *k, int value);
#endif
