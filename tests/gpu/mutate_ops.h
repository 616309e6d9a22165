/* The mutants of a kernel: one thing about its threads' cooperation is wrong in each. */
#ifndef FRIT_TESTS_GPU_MUTATE_OPS_H
#define FRIT_TESTS_GPU_MUTATE_OPS_H
#include "ir/ir.h"

typedef enum mutant_kind {
    MUTANT_NONE,
    MUTANT_REMOVED,  /* barriers, fences, arrivals, waits, commits, tensor copies: every op that is there for other threads */
    MUTANT_WAITED,   /* a wait (all with `pending`) leaves one group more */
    MUTANT_UNMASKED, /* load, store, copy_async: everywhere */
    MUTANT_ALWAYS,   /* tif */
    MUTANT_NEVER,
    MUTANT_ONE_OFF,    /* lt of i64 as le, le as lt */
    MUTANT_SHIFTED,    /* index into shared memory + lanes */
    MUTANT_UNSWIZZLED, /* xor of i64: its first operand */
    MUTANT_PHASE,      /* mbarrier_wait for the other parity */
    MUTANT_PLAIN,      /* tensor_map, wgmma: as if not swizzled */
    MUTANT_ALONE,    /* what goes to several blocks (all with `ranks`): to this one */
    MUTANT_ELSEWHERE, /* cluster_ptr: into a neighbour of that block */
    MUTANT_KINDS
} mutant_kind;
extern const char *const mutant_kind_names[MUTANT_KINDS];

/* Mutant number *left counted from here: its op and kind. NULL: there are fewer; *left goes down by as many. */
ir_op *mutant_find(const ir_block *b, int *left, mutant_kind *k);
/* How many there are. */
int mutant_count(const ir_block *b);
/* All of them: calls fn(ctx, number, op, kind) for each, in order. */
void mutant_each(const ir_block *b, void (*fn)(void *ctx, int number, ir_op *op, mutant_kind k), void *ctx);
/* The operand that is op's predicate; -1: none. */
int mutant_mask(const ir_op *op);
/* The op moves and makes no values, all that it does is order what others do: in whatever order threads come and copies end,
 * the executor tells where that is missing. Where no check fails without it, nothing needs it. */
bool mutant_only_orders(const ir_op *op, mutant_kind k);
void mutant_apply(ir_module *m, ir_op *op, mutant_kind k);
/* The bit of exec_seen without which the mutant does what the kernel does. */
int mutant_shows(mutant_kind k);

/* What follows changes a kernel so that it fails, or has other results, where something is not so. False: nothing can be
 * said that way.
 * What the mutant gets or stores beyond the kernel, or moves elsewhere, makes no difference: it is nonsense. Where *brings is set, that
 * asynchronous copy is to bring nonsense where its predicate is false (exec_launch.nonsense). */
bool mutant_poison(ir_module *m, ir_op *op, mutant_kind k, const ir_op **brings);
/* A branch that the mutant takes always or never yields the same either way, bit for bit; what it stores is there already. What
 * is loaded from elsewhere is the same, or may as well be nonsense where it is not. */
bool mutant_compare(ir_module *m, ir_op *op, mutant_kind k);
/* The mutant, but for floats and integers that are other numbers in it than in the kernel (zeros are the same, so are NaN): these
 * are others again, 3.25 where floats are; *brings as above, of finite numbers. all: so is all that one of the two alone stores,
 * where nothing may have been before. mutate_spoil.c */
bool mutant_spoil(ir_module *m, ir_op *op, mutant_kind k, bool all, const ir_op **brings);

/* Parts of the above. */
/* What takes the place of a value in mutant k of op, and where: operand *at, or all uses of the result (-1). NULL: no value
 * is replaced. */
ir_value *mutant_replacement(ir_builder *b, const ir_op *op, mutant_kind k, int *at);
ir_value *mutant_nonsense(ir_builder *b, ir_type t);
/* As select; c may have fewer lanes. */
ir_value *mutant_select(ir_builder *b, ir_value *c, ir_value *x, ir_value *y);
bool mutant_stores(const ir_op *op);
/* Nothing in the block can be told from outside but, where may_store, what it stores. */
bool mutant_is_plain(const ir_block *block, bool may_store);
#endif
