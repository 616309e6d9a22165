#include "region_internal.h"
#include "expand_math.h"
#include <limits.h>
#include <math.h>

enum {
    MAX_ROUNDS = 32,
    KEEP_COST = 16,
    FLOPS_PER_BYTE = 8 /* that a block does in the time in which a byte passes to or from memory */
};

nest *region_nest_of(region *r, const ir_value *v) {
    for (int i = 0; i < r->nests.len; i++)
        if (r->nests.data[i].v == v) return &r->nests.data[i];
    return NULL;
}

bool region_inside(const region *r, const ir_value *v) { return v->op && v->op->mark == REGION_MARK; }

static bool kept(const region *r, const ir_value *v) {
    for (int i = 0; i < r->keep.len; i++)
        if (r->keep.data[i] == v) return true;
    return false;
}

/* ---- Which ops are nests ----------------------------------------------------------------------------------------- */
double region_op_cost(const ir_op *op) {
    uint32_t f = ir_op_flags(op);
    if (f & IR_F_TRANSCENDENTAL) return 20;
    if (op->code == IR_div || op->code == IR_sqrt || op->code == IR_rsqrt || op->code == IR_mod || op->code == IR_floordiv)
        return 6;
    if (op->code == IR_gather || op->code == IR_concat) return 4;
    if (op->code == IR_random) return 40;
    return f & IR_F_ELEMENTWISE ? 1 : 0;
}

static double element_cost(region *r, const ir_value *v, int depth) {
    if (!region_inside(r, v) || depth > 64) return 0;
    if (!access_is_pointwise(v->op) || (depth && region_nest_of(r, v))) return 0;
    double cost = region_op_cost(v->op);
    for (int i = 0; i < v->op->n_operands && cost < 1e3; i++) cost += element_cost(r, ir_operand(v->op, i), depth + 1);
    return cost;
}
double region_element_cost(region *r, const ir_value *v) { return element_cost(r, v, 0); }

static int element_length(region *r, const ir_value *v, int most, int depth) {
    if (!region_inside(r, v) || !access_is_pointwise(v->op) || (depth && region_nest_of(r, v))) return 0;
    int n = ir_op_flags(v->op) & IR_F_ELEMENTWISE ? expand_math_length(v->op->code) : 0;
    for (int i = 0; i < v->op->n_operands && n <= most && depth < 64; i++)
        n += element_length(r, ir_operand(v->op, i), most - n, depth + 1);
    return n;
}
int region_element_length(region *r, const ir_value *v, int most) { return element_length(r, v, most, 0); }

bool region_is_plain_read(region *r, const ir_value *v) {
    for (int depth = 0; depth < 64; depth++) {
        if (!region_inside(r, v) || region_nest_of(r, v)) return true;
        switch (v->op->code) {
        case IR_transpose:
        case IR_broadcast:
        case IR_slice:
        case IR_reshape:
        case IR_view:
        case IR_cast:
        case IR_pad: v = ir_operand(v->op, 0); break;
        default: return false;
        }
    }
    return false;
}

/* Marks the ops that the outputs need. */
static void mark_needed(const region *r, ir_value *const *outputs, int n) {
    enum { KNOWN = REGION_MARK + 1 };
    for (int i = 0; i < r->n_ops; i++) r->ops[i]->mark = KNOWN;
    for (int i = 0; i < n; i++)
        if (outputs[i]->op && outputs[i]->op->mark == KNOWN) outputs[i]->op->mark = REGION_MARK;
    for (int k = r->n_ops - 1; k >= 0; k--) {
        const ir_op *op = r->ops[k];
        if (op->mark != REGION_MARK) continue;
        for (int i = 0; i < op->n_operands; i++) {
            ir_value *v = ir_operand(op, i);
            if (v->op && v->op->mark == KNOWN) v->op->mark = REGION_MARK;
        }
    }
    for (int i = 0; i < r->n_ops; i++)
        if (r->ops[i]->mark == KNOWN) r->ops[i]->mark = 0;
}

double region_points(int n, const nest_axis *axes) {
    double points = 1;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < axes[i].n_vars; k++) points *= (double)sym_hint(axes[i].extents[k]);
    return points;
}

double region_tasks(const region *r) {
    double tasks = 1;
    for (int g = 0; g < r->n_grid; g++) tasks *= (double)sym_hint(r->grid_extent[g]);
    return tasks;
}

void region_release(region *r) {
    for (int i = 0; i < r->n_ops; i++) r->ops[i]->mark = 0;
}

static bool is_output(ir_value *const *outputs, int n, const ir_value *v) {
    for (int i = 0; i < n; i++)
        if (outputs[i] == v) return true;
    return false;
}

static bool find_nests(region *r, int n_out, ir_value *const *outputs) {
    r->nests.len = 0;
    for (int k = 0; k < r->n_ops; k++) {
        const ir_op *op = r->ops[k];
        bool needed = op->mark == REGION_MARK;
        if (!needed || op->n_results != 1) {
            if (needed) return r->why_not = "an op with several results has a kernel of its own", false;
            continue;
        }
        bool loops = op->code == IR_reduce || op->code == IR_contract, out = is_output(outputs, n_out, ir_result(op, 0));
        if (!loops && !access_is_pointwise(op)) return r->why_not = "an op without a formula has a kernel of its own", false;
        if (!loops && !out && !kept(r, ir_result(op, 0))) continue;
        if (r->nests.len >= 64) return r->why_not = "too many loop nests for one kernel", false;
        nest n = {.v = ir_result(op, 0),
                  .kind = op->code == IR_reduce ? NEST_REDUCE : op->code == IR_contract ? NEST_CONTRACT : NEST_MAP,
                  .output = out,
                  .rank = ir_result(op, 0)->type.rank,
                  .into = -1,
                  .merged = -1,
                  .own = NULL,
                  .last_reader = -1};
        vec_push(r->x.scratch, &r->nests, n);
    }
    return true;
}

static void find_ids(region *r) {
    int lo = INT_MAX, hi = 0;
    for (int k = 0; k < r->n_ops; k++)
        for (int j = 0; j < r->ops[k]->n_results; j++) {
            int id = ir_result(r->ops[k], j)->id;
            if (id < lo) lo = id;
            if (id >= hi) hi = id + 1;
        }
    r->first_id = lo < hi ? lo : 0;
    r->n_ids = lo < hi ? hi - lo : 0;
}

/* What the nests evaluate: how many of them evaluate each value, and whether one reduces over an axis of open length in doing so. */
typedef struct evaluation {
    int *readers, *last;
    bool *open;
} evaluation;

static bool has_open_axis(const nest *n) {
    sym_t extents[IR_MAX_RANK];
    int n_red = n->kind == NEST_REDUCE ? access_reduced_extents(n->v->op, extents) : 0;
    for (int k = 0; k < n_red; k++)
        if (!sym_is_const(extents[k], NULL)) return true;
    return false;
}

static void count_readers(region *r, ir_value *v, int reader, bool open, evaluation *e, int depth) {
    if (!region_inside(r, v) || depth > REGION_MAX_DEPTH || e->last[region_id(r, v)] == reader) return;
    e->last[region_id(r, v)] = reader;
    e->readers[region_id(r, v)]++;
    e->open[region_id(r, v)] |= open;
    if (region_nest_of(r, v)) return;
    for (int i = 0; i < v->op->n_operands; i++) count_readers(r, ir_operand(v->op, i), reader, open, e, depth + 1);
}

static evaluation count_evaluations(region *r) {
    arena *a = r->x.scratch;
    evaluation e = {arena_array(a, int, r->n_ids + 1), arena_array(a, int, r->n_ids + 1), arena_array(a, bool, r->n_ids + 1)};
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        bool open = has_open_axis(n);
        for (int k = 0; k < n->v->op->n_operands; k++) count_readers(r, ir_operand(n->v->op, k), i + 1, open, &e, 0);
    }
    return e;
}

static double elements_of(region *r, const ir_value *v) { return (double)sym_hint(ir_type_elements(r->x.m, v->type)); }

/* Bytes that evaluating all of v reads of inputs and nests, at most `all` elements of each. */
static double bytes_read(region *r, const ir_value *v, double all, int depth) {
    enum { DEPTH = 24 };
    if (!region_inside(r, v) || (depth && region_nest_of(r, v))) {
        double n = elements_of(r, v);
        return (n < all ? n : all) * (double)frit_dtype_bits((frit_dtype)v->type.dtype) / 8;
    }
    if (v->op->code == IR_constant) return 0;
    double bytes = depth < DEPTH ? 0 : INFINITY;
    for (int i = 0; i < v->op->n_operands && bytes <= 1e300; i++) bytes += bytes_read(r, ir_operand(v->op, i), all, depth + 1);
    return bytes;
}

/* A block would keep v, which each of its readers evaluates along an axis of open length, in the device's memory: it is written once and
 * read by each. Computing it again reads what it is made of, and takes arithmetic. */
static bool is_made_again(region *r, ir_value *v, const evaluation *e) {
    int id = region_id(r, v);
    if (!r->blocks || !e->open[id]) return false;
    double all = elements_of(r, v), readers = e->readers[id];
    double kept = all * (1 + readers) * (double)frit_dtype_bits((frit_dtype)v->type.dtype) / 8;
    double saved = kept - (readers - 1) * bytes_read(r, v, all, 0);
    return (readers - 1) * all * region_element_cost(r, v) <= FLOPS_PER_BYTE * saved;
}

static bool add_keep(region *r, ir_value *v) {
    if (kept(r, v) || region_nest_of(r, v) || !region_inside(r, v)) return false;
    vec_push(r->x.scratch, &r->keep, v);
    return true;
}

/* Looks through reads that cost nothing to the value worth keeping. */
static ir_value *behind_views(region *r, ir_value *v) {
    while (region_inside(r, v) && !region_nest_of(r, v) &&
           (v->op->code == IR_transpose || v->op->code == IR_broadcast || v->op->code == IR_reshape))
        v = ir_operand(v->op, 0);
    return v;
}

/* Bits of the inputs that v is computed from, each of which it reads once at most; negative: it is more than cheap arithmetic on
 * inputs. */
static double input_bits(region *r, ir_value *v, int depth) {
    enum { DEPTH = 16 };
    if (!region_inside(r, v)) return (double)sym_hint(ir_type_elements(r->x.m, v->type)) * (double)frit_dtype_bits((frit_dtype)v->type.dtype);
    const ir_op *op = v->op;
    bool view = op->code == IR_transpose || op->code == IR_broadcast || op->code == IR_reshape || op->code == IR_slice;
    if (depth == DEPTH || region_nest_of(r, v) || !(view || ir_op_flags(op) & IR_F_ELEMENTWISE || op->code == IR_constant)) return -1;
    double bits = 0;
    for (int i = 0; i < op->n_operands && bits >= 0; i++) {
        double one = input_bits(r, ir_operand(op, i), depth + 1);
        bits = one < 0 ? -1 : bits + one;
    }
    return bits;
}

/* Operand k is computed from fewer bytes than it has, such as weights in groups that each have a scale: a block does that in
 * registers, as often as it reads them. What another contraction makes, or reads, stays as it is. */
static bool is_widened_on_its_way(region *r, const ir_op *contract, int k) {
    enum { CHEAP = 8 };
    ir_value *v = ir_operand(contract, k);
    for (int i = 0; i < r->nests.len; i++)
        if (r->nests.data[i].kind == NEST_CONTRACT && r->nests.data[i].v->op != contract) return false;
    if (!r->blocks || region_element_cost(r, v) > CHEAP) return false;
    double bits = input_bits(r, v, 0), own = (double)sym_hint(ir_type_elements(r->x.m, v->type)) * (double)frit_dtype_bits((frit_dtype)v->type.dtype);
    return bits >= 0 && bits <= own * 3 / 4;
}

/* Adds to keep: operands of contractions that are more than a read, and dear values that several nests evaluate. */
static bool choose_keep(region *r) {
    bool changed = false;
    for (int i = 0; i < r->nests.len; i++) {
        nest *n = &r->nests.data[i];
        if (n->kind != NEST_CONTRACT) continue;
        for (int k = 0; k < 2; k++)
            if (!region_is_plain_read(r, ir_operand(n->v->op, k)) && !is_widened_on_its_way(r, n->v->op, k))
                changed |= add_keep(r, behind_views(r, ir_operand(n->v->op, k)));
    }
    evaluation e = count_evaluations(r);
    const int *readers = e.readers;
    for (int k = r->n_ops - 1; k >= 0; k--) {
        const ir_op *op = r->ops[k];
        if (op->mark != REGION_MARK || !(ir_op_flags(op) & IR_F_ELEMENTWISE)) continue;
        ir_value *v = ir_result(op, 0);
        if (readers[region_id(r, v)] < 2 || region_element_cost(r, v) < KEEP_COST || is_made_again(r, v, &e)) continue;
        bool last_shared = false; /* some user is a nest, or is evaluated by fewer nests than v */
        for (ir_use *u = v->uses; u; u = u->next)
            if (u->user->mark == REGION_MARK && u->user->n_results == 1) {
                ir_value *w = ir_result(u->user, 0);
                last_shared |= region_nest_of(r, w) || readers[region_id(r, w)] < readers[region_id(r, v)];
            }
        if (last_shared) changed |= add_keep(r, v);
    }
    return changed;
}

region *region_analyse(ir_module *m, arena *scratch, bool blocks, int n_ops, ir_op *const *ops, int n_outputs,
                       ir_value *const *outputs, const char **why) {
    region *r = arena_new_of(scratch, region);
    r->x.m = m;
    r->x.scratch = scratch;
    r->blocks = blocks;
    r->n_ops = n_ops;
    r->ops = ops;
    r->splits = arena_new_of(scratch, work);
    find_ids(r);
    mark_needed(r, outputs, n_outputs);
    bool ok = find_nests(r, n_outputs, outputs);
    for (int round = 0; ok && round < 8 && choose_keep(r); round++) ok = find_nests(r, n_outputs, outputs);
    for (int round = 0; ok; round++) {
        if (round == MAX_ROUNDS) r->why_not = "its index maps do not settle on common axes", ok = false;
        else if (!(ok = region_place(r)) || !r->splits->again) break;
    }
    if (!ok) {
        region_release(r);
        if (why) *why = r->why_not;
        return NULL;
    }
    region_merge_epilogues(r);
    return r;
}
