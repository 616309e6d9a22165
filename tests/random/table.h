/* How often each op and each kind of kernel was met. */
#ifndef FRIT_TESTS_RANDOM_TABLE_H
#define FRIT_TESTS_RANDOM_TABLE_H
#include "codegen/program.h"
#include "tests/compile/roundtrip.h"
#include <stdio.h>

typedef enum table_kind {
    TABLE_MAP,           /* no reduction */
    TABLE_REDUCE,
    TABLE_REDUCES,       /* several reductions */
    TABLE_CONTRACT,
    TABLE_CHAIN,         /* several contractions */
    TABLE_CONTRACT_REDUCE,
    TABLE_SCATTER, TABLE_SCAN, TABLE_SORT, TABLE_COMPACT,
    TABLE_SPECIAL_FUSED, /* one of the four with a producer computed where it reads */
    TABLE_CONCAT,        /* pieces stored one by one */
    TABLE_IN_PLACE,
    TABLE_COPY,          /* an argument stored */
    TABLE_GRIDS,         /* several grids in a dispatch */
    TABLE_BUFFER,        /* task-private memory */
    TABLE_PANELS,        /* an operand copied into panels */
    TABLE_PACKED,        /* weights laid out by the load program */
    TABLE_EPILOGUE,      /* a formula on combined values */
    TABLE_CUT,           /* a grid axis cut into tiles with a rest */
    TABLE_OUTPUTS,       /* several outputs */
    TABLE_KINDS
} table_kind;

enum { TABLE_OFTEN = 100 }; /* a campaign should meet everything so often */

typedef struct table {
    int64_t compared; /* graphs at least half of whose elements the bound says something about */
    int64_t skipped, empty, open; /* the others: ended early, without elements, mostly undecidable */
    int64_t elements, undecidable; /* of compared graphs */
    int64_t graphs, kernels, kinds[TABLE_KINDS];
    int64_t source[IR_OPCODE_COUNT], fused[IR_OPCODE_COUNT]; /* ops as written, and in kernels or beside them */
} table;

void table_count(table *t, const ir_module *source, const ir_module *fused, const program *p);
/* A graph that ran without a fault. */
void table_compared(table *t, const roundtrip_result *r);
void table_print(const table *t, FILE *f);
#endif
