/* What the schedules of ops with loops of their own share (schedule_special.c, schedule_scan.c, schedule_sort.c). */
#ifndef FRIT_PASSES_SCHEDULE_SPECIAL_H
#define FRIT_PASSES_SCHEDULE_SPECIAL_H
#include "schedule_internal.h"

/* x combined with y; NULL for combinations that are none of two values. */
ir_value *sched_combined(ir_builder *b, ir_combine c, ir_value *x, ir_value *y);
/* The value of dtype emit_compute_dtype(t) that combining elements of dtype t with changes nothing. */
ir_value *sched_identity(ir_builder *b, ir_combine c, frit_dtype t);
/* A symbolic integer as an i64 of the stage at hand. */
ir_value *sched_index_value(sched *s, sym_t at);
/* A sequential loop at the end of `in`; returns its body. */
ir_block *sched_loop_over(sched *s, ir_block *in, sym_t var, sym_t extent);
/* The output buffer that v goes to; NULL when nothing outside reads it. */
ir_value *sched_output_of(sched *s, const ir_value *v);
/* An axis as tasks of `tile` positions each (*task < *tasks) and positions within one, which become a variable of sv; returns
 * the coordinate, their sum. */
sym_t sched_cut_dim(sched *s, sym_t extent, int64_t tile, sym_t *task, sym_t *tasks, stage_vars *sv);

/* Whether the scan op suits a block of threads; its schedule, where `held` is the dtype that it combines in. */
bool sched_scans_by_block(const sched *s, const ir_op *op);
bool sched_block_scan(sched *s, const ir_op *op, ir_value *out, frit_dtype held);
/* The schedule of a sort. */
bool sched_sort(sched *s, const ir_op *op);
#endif
