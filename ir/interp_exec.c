/* The walk: blocks, ops and control flow. */
#include "absent.h"
#include "interp_internal.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTING = 128 };

static const ir_block *home(const ir_value *v) { return v->op ? v->op->parent : v->block; }

/* ---- Lifetimes --------------------------------------------------------------------------------------------------- */
static void note_uses(interp *it, ir_op *op) {
    for (int i = 0; i < op->n_operands; i++) {
        const ir_value *v = ir_operand(op, i);
        ir_op *at = op; /* the op in v's own block that holds this use */
        while (at && at->parent != home(v)) at = at->parent ? at->parent->op : NULL;
        it->last_use[v->id] = at;
    }
}

static bool note_block(interp *it, const ir_block *b, int depth) {
    if (depth > MAX_NESTING) return interp_fail(it, INTERP_BAD_IR, "blocks nested deeper than %d", MAX_NESTING);
    for (ir_op *op = b->first; op; op = op->next) {
        note_uses(it, op);
        for (int i = 0; i < op->n_blocks; i++)
            if (!note_block(it, op->blocks[i], depth + 1)) return false;
    }
    return true;
}

bool interp_prepare(interp *it, const ir_block *b) {
    int n = it->m->n_values;
    if (n > it->n_env) {
        node **env = realloc(it->env, sizeof *env * (size_t)n);
        if (env) it->env = env;
        node **absent = realloc(it->absent, sizeof *absent * (size_t)n);
        if (absent) it->absent = absent;
        ir_op **last = realloc(it->last_use, sizeof *last * (size_t)n);
        if (last) it->last_use = last;
        if (!env || !absent || !last) return interp_fail(it, INTERP_MEMORY, "out of memory");
        memset(env + it->n_env, 0, sizeof *env * (size_t)(n - it->n_env));
        memset(absent + it->n_env, 0, sizeof *absent * (size_t)(n - it->n_env));
        memset(last + it->n_env, 0, sizeof *last * (size_t)(n - it->n_env));
        it->n_env = n;
    }
    return note_block(it, b, 0);
}

static void forget(interp *it, const ir_value *v) {
    node_release(it, it->env[v->id]);
    node_release(it, it->absent[v->id]);
    it->env[v->id] = it->absent[v->id] = NULL;
}

static void define(interp *it, const ir_value *v, node *x) {
    forget(it, v);
    it->env[v->id] = x;
}

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */
static bool op_elementwise(interp *it, const ir_op *op, node **in, node **out) {
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    int n = ir_op_table[op->code].n_operands, first = op->code == IR_select;
    bool ok = op->n_operands == n && n > 0, same = op->code != IR_cast && op->code != IR_bitcast;
    bool compares = ir_op_flags(op) & IR_F_COMPARE;
    for (int i = 0; ok && i < n; i++) {
        if (i < first) ok = in[i]->dtype == FRIT_bool;
        else ok = in[i]->dtype == in[first]->dtype;
        ok &= in[i]->rank == in[0]->rank;
        for (int k = 0; ok && k < in[i]->rank; k++)
            if (in[i]->shape[k] != in[0]->shape[k])
                return interp_fail(it, INTERP_BAD_INPUT, "%s: dim %d is %lld and %lld", ir_op_table[op->code].name, k,
                                   (long long)in[0]->shape[k], (long long)in[i]->shape[k]);
    }
    if (ok && same) ok = compares ? t == FRIT_bool : t == in[first]->dtype;
    if (!ok) return interp_fail(it, INTERP_BAD_IR, "%s: operands do not fit", ir_op_table[op->code].name);
    if (!(out[0] = node_new(it, NODE_ELEMENTWISE, t, in[0]->rank, in[0]->shape, n, in))) return false;
    out[0]->op = op->code;
    return true;
}

/* ---- Control ----------------------------------------------------------------------------------------------------- */
static bool read_bool(interp *it, const node *x, bool *v, bool *doubt) {
    scalar s;
    double e = 0;
    if (x->n != 1 || x->rank != 0 || x->dtype != FRIT_bool)
        return interp_fail(it, INTERP_BAD_IR, "a condition is not a bool scalar");
    if (!node_eval(it, x, 1, NULL, &s, it->wide ? &e : NULL)) return false;
    *v = s.i != 0;
    *doubt |= e != 0;
    return true;
}

static void mark_undecided(int n, node **x, bool doubt) {
    for (int i = 0; i < n && doubt; i++)
        if (x[i]) x[i]->undecided = true;
}

bool op_if(interp *it, const ir_op *op, node **in, node **out) {
    bool cond, doubt = false;
    if (op->n_operands < 1 || !read_bool(it, in[0], &cond, &doubt)) return false;
    bool ok = interp_block(it, op->blocks[cond ? 0 : 1], op->n_operands - 1, in + 1, op->n_results, out);
    mark_undecided(op->n_results, out, doubt);
    return ok;
}

/* The carried values: results in out[], starting as the operands. */
static bool carry(interp *it, const ir_op *op, node **in, node **out) {
    if (op->n_operands != op->n_results)
        return interp_fail(it, INTERP_BAD_IR, "%s: as many results as operands", ir_op_table[op->code].name);
    for (int i = 0; i < op->n_results; i++) {
        out[i] = in[i];
        in[i] = NULL;
    }
    return true;
}

bool op_loop(interp *it, const ir_op *op, node **in, node **out) {
    const sym_t *counter, *extent;
    int64_t n;
    if (ir_get_syms(op, IR_ATTR_counter, &counter) != 1 || ir_get_syms(op, IR_ATTR_extent, &extent) != 1)
        return interp_fail(it, INTERP_BAD_IR, "loop without a counter or extent");
    if (!interp_eval(it, extent[0], &n) || !carry(it, op, in, out)) return false;
    for (int64_t i = 0; i < n; i++) {
        interp_set_symbol(it, counter[0], i);
        if (!interp_block(it, op->blocks[0], op->n_results, out, op->n_results, out)) return false;
    }
    return true;
}

bool op_while(interp *it, const ir_op *op, node **in, node **out) {
    bool go = true, doubt = false, ok = carry(it, op, in, out);
    node **args = calloc((size_t)op->n_results + 1, sizeof *args);
    if (!args) ok = interp_fail(it, INTERP_MEMORY, "out of memory");
    while (ok && go) {
        node *cond = NULL;
        for (int i = 0; i < op->n_results; i++) args[i] = node_keep(out[i]);
        ok = interp_block(it, op->blocks[0], op->n_results, args, 1, &cond) && read_bool(it, cond, &go, &doubt);
        node_release(it, cond);
        for (int i = 0; i < op->n_results; i++) node_release(it, args[i]);
        if (ok && go) ok = interp_block(it, op->blocks[1], op->n_results, out, op->n_results, out);
    }
    free(args);
    mark_undecided(op->n_results, out, doubt);
    return ok;
}

bool op_kernel(interp *it, const ir_op *op, node **in, node **out) {
    return interp_block(it, op->blocks[0], op->n_operands, in, op->n_results, out);
}

/* ---- Ops --------------------------------------------------------------------------------------------------------- */
op_function *interp_function(const ir_op *op) {
    if (op->code == IR_constant) return op_constant;
    if (ir_op_flags(op) & IR_F_ELEMENTWISE) return op_elementwise;
    switch (op->code) {
    case IR_param: return op_param;
    case IR_state_read: return op_state_read;
    case IR_state_write: return op_state_write;
    case IR_size: return op_size;
    case IR_iota: return op_iota;
    case IR_random: return op_random;
    case IR_materialize: /* a reshape to its own dims */
    case IR_reshape: return op_reshape;
    case IR_transpose: return op_transpose;
    case IR_broadcast: return op_broadcast;
    case IR_slice: return op_slice;
    case IR_pad: return op_pad;
    case IR_concat: return op_concat;
    case IR_view:
    case IR_gather: return op_map;
    case IR_reduce: return op_reduce;
    case IR_scan: return op_scan;
    case IR_contract: return op_contract;
    case IR_sort: return op_sort;
    case IR_scatter: return op_scatter;
    case IR_insert: return op_insert;
    case IR_compact: return op_compact;
    case IR_if: return op_if;
    case IR_loop: return op_loop;
    case IR_while: return op_while;
    case IR_kernel: return op_kernel;
    default: return NULL;
    }
}

static bool shape_is(interp *it, const ir_op *op, const ir_value *v, const node *x) {
    int64_t shape[IR_MAX_RANK];
    if (!x || x->dtype != (frit_dtype)v->type.dtype || x->rank != v->type.rank)
        return interp_fail(it, INTERP_BAD_IR, "%s: the result is not of its type", ir_op_table[op->code].name);
    if (!interp_dims(it, v->type, shape)) return false;
    for (int i = 0; i < x->rank; i++)
        if (shape[i] != x->shape[i])
            return interp_fail(it, INTERP_BAD_INPUT, "%s: dim %d of the result is %lld, its type says %lld",
                               ir_op_table[op->code].name, i, (long long)x->shape[i], (long long)shape[i]);
    return true;
}

/* A recipe read once, by an op of the same block that reads each element about once, is not written out. */
static bool stays_recipe(const ir_op *op, const ir_value *v, const node *x) {
    if (!v->uses || v->uses->next || x->depth >= MAX_DEPTH) return false;
    const ir_op *user = v->uses->user;
    uint32_t flags = ir_op_flags(user);
    bool reads = flags & (IR_F_ELEMENTWISE | IR_F_VIEW);
    reads |= user->code == IR_reduce || user->code == IR_scan || user->code == IR_sort || user->code == IR_contract;
    reads |= user->code == IR_gather || user->code == IR_insert;
    return reads && user->parent == op->parent;
}

/* Enters a result. What should be written out but does not fit stays a recipe while it is shallow. */
static bool enter(interp *it, const ir_op *op, const ir_value *v, node *x) {
    if (!shape_is(it, op, v, x)) return false;
    if (!v->uses) {
        forget(it, v);
        node_release(it, x);
        return true;
    }
    if (x->kind != NODE_STRIDED && !stays_recipe(op, v, x) && !node_settle(it, x)) {
        if (it->status != INTERP_MEMORY || x->depth >= MAX_DEPTH) return false;
        it->status = INTERP_OK;
        it->message[0] = 0;
    }
    define(it, v, x);
    return true;
}

static bool call(interp *it, const ir_op *op, node **in, node **out) {
    op_function *f = interp_function(op);
    if (!f) return interp_fail(it, INTERP_BAD_IR, "the interpreter has no op %s", ir_op_table[op->code].name);
    if (!interp_work(it, 1)) return false;
    int least = ir_op_table[op->code].n_operands, results = ir_op_table[op->code].n_results;
    int floor = op->code == IR_scatter ? 2 : op->code == IR_gather || op->code == IR_concat || op->code == IR_if;
    if (op->n_operands < floor || (least >= 0 && op->n_operands != least) ||
        (results >= 0 && op->n_results != results) || op->n_blocks != ir_op_table[op->code].n_blocks)
        return interp_fail(it, INTERP_BAD_IR, "%s: wrong number of operands or results", ir_op_table[op->code].name);
    for (int i = 0; i < op->n_operands; i++) {
        const ir_value *v = ir_operand(op, i);
        if (!it->env[v->id])
            return interp_fail(it, INTERP_BAD_IR, "%s uses a value that is not defined", ir_op_table[op->code].name);
        in[i] = node_keep(it->env[v->id]);
    }
    for (int i = 0; i < op->n_operands; i++) /* ops nested in this one may read an operand too */
        if (op->n_blocks == 0 && it->last_use[ir_operand(op, i)->id] == op) forget(it, ir_operand(op, i));
    return f(it, op, in, out);
}

/* call, and which elements of the result are excluded. */
static bool call_and_exclude(interp *it, const ir_op *op, node **in, node **out, node **absent) {
    enum { MOST = 3 }; /* operands of an op whose result may have such elements, and of a sum */
    node *absent_in[MOST] = {NULL};
    bool sums = op->code == IR_reduce || op->code == IR_contract, follows = ir_absence_of(op) != IR_ABSENT_NEVER;
    for (int i = 0; (sums || follows) && i < op->n_operands && i < MOST; i++)
        absent_in[i] = node_keep(it->absent[ir_operand(op, i)->id]);
    for (int i = 0; i < 2; i++) it->absent_in[i] = sums ? absent_in[i] : NULL;
    bool ok = call(it, op, in, out);
    for (int i = 0; i < 2; i++) it->absent_in[i] = NULL;
    if (ok && follows) *absent = interp_absent(it, op, in, absent_in, out[0]);
    for (int i = 0; i < MOST; i++) node_release(it, absent_in[i]);
    return ok && it->status == INTERP_OK;
}

static bool execute(interp *it, const ir_op *op) {
    node **in = calloc((size_t)(op->n_operands + op->n_results) + 1, sizeof *in), **out = in + op->n_operands, *absent = NULL;
    if (!in) return interp_fail(it, INTERP_MEMORY, "out of memory");
    bool ok = call_and_exclude(it, op, in, out, &absent);
    for (int i = 0; i < op->n_operands; i++) node_release(it, in[i]);
    for (int i = 0; i < op->n_results; i++) {
        if (ok && (ok = enter(it, op, ir_result(op, i), out[i]))) continue;
        node_release(it, out[i]);
    }
    if (ok && absent && it->env[ir_result(op, 0)->id]) it->absent[ir_result(op, 0)->id] = absent;
    else node_release(it, absent);
    for (int i = 0; i < op->n_operands; i++)
        if (it->last_use[ir_operand(op, i)->id] == op) forget(it, ir_operand(op, i));
    /* values of outer blocks that only ops nested in this one used */
    for (int b = 0; b < op->n_blocks; b++)
        for (const ir_op *o = op->blocks[b]->first; o; o = o->next)
            for (int i = 0; i < o->n_operands; i++)
                if (it->last_use[ir_operand(o, i)->id] == op) forget(it, ir_operand(o, i));
    free(in);
    return ok;
}

/* Moves the terminator's values out. */
static bool collect(interp *it, const ir_op *end, int n, node **results) {
    if (!end || !(ir_op_flags(end) & IR_F_TERMINATOR) || end->n_operands != n)
        return interp_fail(it, INTERP_BAD_IR, "a block does not end with %d values", n);
    for (int i = 0; i < n; i++) {
        node *x = it->env[ir_operand(end, i)->id];
        if (!x) return interp_fail(it, INTERP_BAD_IR, "a block yields a value that is not defined");
        if (!node_settle(it, x)) return false;
    }
    for (int i = 0; i < n; i++) results[i] = node_keep(it->env[ir_operand(end, i)->id]);
    return true;
}

static void leave(interp *it, const ir_block *b) {
    for (int i = 0; i < b->n_args; i++) forget(it, b->args[i]);
    for (const ir_op *op = b->first; op; op = op->next)
        for (int i = 0; i < op->n_results; i++) forget(it, ir_result(op, i));
}

bool interp_block(interp *it, const ir_block *b, int n_args, node **args, int n_results, node **results) {
    if (b->n_args != n_args)
        return interp_fail(it, INTERP_BAD_IR, "a block has %d arguments, given %d", b->n_args, n_args);
    for (int i = 0; i < n_args; i++) {
        node *x = args[i];
        if (!x || x->dtype != (frit_dtype)b->args[i]->type.dtype || x->rank != b->args[i]->type.rank)
            return interp_fail(it, INTERP_BAD_IR, "a block's argument is not of its type");
    }
    for (int i = 0; i < n_args; i++) {
        define(it, b->args[i], args[i]);
        args[i] = NULL;
    }
    const ir_op *op = b->first;
    bool ok = true;
    for (; ok && op && !(ir_op_flags(op) & IR_F_TERMINATOR); op = op->next) ok = execute(it, op);
    ok = ok && collect(it, op, n_results, results);
    leave(it, b);
    return ok;
}
