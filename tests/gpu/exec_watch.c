/* What ops are seen to do (exec_seen): which ways conditions and predicates turn out. */
#include "exec_internal.h"

static int truths(const exec_context *x, const exec_value *v) {
    int seen = 0;
    EACH_THREAD(x, t) {
        const char *p = exec_of(v, t);
        for (int l = 0; l < v->lanes; l++) seen |= p[l] ? EXEC_TRUE : EXEC_FALSE;
    }
    return seen;
}

static int64_t lane(const exec_value *v, int t, int l) { return ((const int64_t *)(const void *)exec_of(v, t))[l]; }

static int equality(const exec_context *x, const exec_value *a, const exec_value *b) {
    EACH_THREAD(x, t)
        for (int l = 0; l < a->lanes; l++)
            if (lane(a, t, l) == lane(b, t, l)) return EXEC_EQUAL;
    return 0;
}

static int change(const exec_context *x, const exec_value *by) {
    EACH_THREAD(x, t)
        for (int l = 0; l < by->lanes; l++)
            if (lane(by, t, l)) return EXEC_CHANGED;
    return 0;
}

void exec_watch(exec_context *x, const exec_inst *i) {
    uint8_t *seen = &x->k->seen[i->id];
    int predicate = i->op->code == IR_tif ? 0 : -1;
    switch (i->op->code) {
    case IR_load:
    case IR_load_lanes: predicate = 2; break;
    case IR_store:
    case IR_store_lanes: predicate = 3; break;
    case IR_copy_async: predicate = 4; break;
    case IR_lt:
    case IR_le:
        if (i->in[0]->dtype == FRIT_i64) *seen |= (uint8_t)equality(x, i->in[0], i->in[1]);
        break;
    case IR_xor:
        if (i->in[0]->dtype == FRIT_i64) *seen |= (uint8_t)change(x, i->in[1]);
        break;
    default: break;
    }
    if (predicate >= 0 && predicate < i->n_in) *seen |= (uint8_t)truths(x, i->in[predicate]);
}
