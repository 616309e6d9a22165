/* Printers compute in 32 bits what passes/ranges.h says fits them: here it is seen that the values do keep to their ranges. */
#include "exec_internal.h"

const value_range *exec_range_of(const exec_kernel *k, const ir_op *op) {
    if (op->n_results != 1 || op->code == IR_constant) return NULL;
    const ir_value *v = ir_result(op, 0);
    bool bounded = k->ranges[v->id].lo != INT64_MIN || k->ranges[v->id].hi != INT64_MAX;
    return v->type.kind == IR_VECTOR && v->type.dtype == FRIT_i64 && bounded ? &k->ranges[v->id] : NULL;
}

static bool is_within(exec_context *x, const exec_inst *i, int thread, const int64_t *v) {
    for (int l = 0; l < i->out->lanes; l++)
        if (v[l] < i->range->lo || v[l] > i->range->hi) {
            exec_fail(x, i, thread, "%lld is outside of the range that it is said to have, %lld to %lld", (long long)v[l],
                      (long long)i->range->lo, (long long)i->range->hi);
            return false;
        }
    return true;
}

void exec_check_range(exec_context *x, const exec_inst *i) {
    const exec_value *v = i->out;
    const int64_t *p = (const int64_t *)(const void *)v->p;
    if (v->uniform) {
        if (x->mask.n > 0) is_within(x, i, -1, p);
        return;
    }
    for (int t = x->mask.lo; t < x->mask.hi; t++)
        if (x->mask.on[t] && !is_within(x, i, t, p + (int64_t)t * v->lanes)) return;
}
