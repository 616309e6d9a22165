/* Greedy fusion in three sweeps over a block, each linear in the ops with bounded look-around:
 *   1. forward: a pointwise op joins the kernel of its producer when it has the producer's elements (epilogues);
 *   2. backward: a group joins a consumer when the merged loops fit one kernel and cost less memory traffic;
 *   3. siblings: independent groups that read the same value become one dispatch with a grid each.
 * Views, generators and cheap formulas of inputs belong to no group: each kernel that reads them evaluates them. */
#include "fuse.h"
#include "isomorph.h"
#include "region.h"
#include "schedule_internal.h"
#include "stream.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_GROUP = 160, MAX_OUTPUTS = 16, CHEAP = 12, NEAR = 48 };
/* What starting a kernel costs, as the bytes that could move in that time: some microseconds. */
enum { LAUNCH_BYTES = 1 << 16 };

typedef struct node {
    ir_op *op;
    int group; /* -1: evaluated by whoever reads it */
} node;

typedef struct group {
    VEC(int) ops; /* node indices, ascending */
    bool fixed;   /* not a kernel: params, states, control flow */
    bool dead;    /* merged into another */
    bool grown;   /* another was merged into it since it was last tried with its readers */
    bool special; /* rooted in an op with a schedule of its own */
    bool kept;    /* ends in a materialize: what reads it is another kernel */
    int emitted;
    double cost;  /* bytes of traffic; < 0: not known yet */
    const char *reason;
} group;

typedef struct verdict {
    double cost;
    const char *why;
} verdict;

typedef struct fuser {
    ir_module *m;
    ir_block *block;
    const fuse_options *o;
    schedule_sizes sizes;
    arena *scratch;
    arena *trial; /* for one attempt at a time: what `collect` finds */
    isomorph_names names;
    isomorph_table costs, scheduled; /* sets of ops that were weighed; kernels that were scheduled */
    VEC(verdict) verdicts;
    node *nodes;
    int n_nodes;
    int classified; /* nodes up to this one belong to a group or are known to be inline; no op after it is in a group */
    int *node_of; /* value id -> node index, -1 for values of other blocks */
    int n_ids;
    VEC(group) groups;
    int *seen, stamp; /* per group: the last path search that met it */
    int *seen_node, node_stamp; /* per node: the last walk that passed through it as an inline op */
    int *walked, walk;          /* the same for walks toward producers */
    bool counts; /* the block has a compact */
    int next_name;
} fuser;

/* ---- Classification ----------------------------------------------------------------------------------------------- */
static bool is_fixed(const ir_op *op) {
    double d;
    switch (op->code) {
    case IR_param:
    case IR_state_read:
    case IR_state_write:
    case IR_if:
    case IR_loop:
    case IR_while:
    case IR_yield:
    case IR_return:
    case IR_kernel: return true;
    case IR_constant: return !ir_splat_value(ir_result(op, 0), &d);
    default: return false;
    }
}

static int64_t bytes_of(fuser *f, ir_type t) {
    int64_t n = sym_hint(ir_type_elements(f->m, t));
    return n * frit_dtype_bits((frit_dtype)t.dtype) / 8;
}

static int node_index(const fuser *f, const ir_value *v) { return v->id < f->n_ids ? f->node_of[v->id] : -1; }

/* The node of the block's op that `user` is or is nested in. Ops without results are nodes that no value names. */
static int node_of_user(const fuser *f, const ir_op *user) {
    while (user && user->parent != f->block) user = user->parent->op;
    if (!user) return -1;
    if (user->n_results) return node_index(f, ir_result(user, 0));
    return -1;
}

static bool needs_memory_base(const ir_op *op, int operand) {
    return operand == 0 && (op->code == IR_insert || op->code == IR_scatter);
}

/* A pointwise op that each reader evaluates for itself: views and generators, and cheap arithmetic on what is not computed
 * by any group. */
static bool is_inline(fuser *f, const ir_op *op) {
    if (!access_is_pointwise(op) || op->n_results != 1 || op->code == IR_gather || op->code == IR_materialize) return false;
    if (op->code == IR_concat && op->n_operands > 2) return false;
    for (ir_use *u = ir_result(op, 0)->uses; u; u = u->next) {
        if (u->user->parent != f->block || is_fixed(u->user)) return false; /* wanted in memory */
        if (needs_memory_base(u->user, (int)(u - u->user->operands))) return false;
    }
    if (op->n_operands == 0) return true;
    if (ir_op_flags(op) & IR_F_VIEW) return op->code != IR_pad && op->code != IR_concat;
    if (f->o->mode == FUSE_OP) return false;
    double cost = 1;
    if (ir_op_flags(op) & IR_F_TRANSCENDENTAL) return false;
    for (int i = 0; i < op->n_operands; i++) {
        ir_value *v = ir_operand(op, i);
        int k = node_index(f, v);
        if (k < 0) continue;
        group *g = f->nodes[k].group >= 0 ? &f->groups.data[f->nodes[k].group] : NULL;
        if (g && !g->fixed) return false;
        const ir_op *p = f->nodes[k].op;
        while (!g && p->n_operands && ir_op_flags(p) & IR_F_VIEW) { /* a view of a group's result */
            int q = node_index(f, ir_operand(p, 0));
            if (q < 0) break;
            if (f->nodes[q].group >= 0 && !f->groups.data[f->nodes[q].group].fixed) return false;
            p = f->nodes[q].op;
        }
        cost += 2;
    }
    return cost <= CHEAP;
}

static int new_group(fuser *f, int at, bool fixed) {
    group g = {.fixed = fixed, .cost = -1, .emitted = 0};
    vec_push(f->scratch, &g.ops, at);
    g.special = !fixed && sched_is_special(f->nodes[at].op);
    g.kept = f->nodes[at].op->code == IR_materialize;
    vec_push(f->scratch, &f->groups, g);
    f->nodes[at].group = f->groups.len - 1;
    return f->groups.len - 1;
}

/* ---- What a set of ops reads and writes ---------------------------------------------------------------------------- */
typedef struct io {
    VEC(ir_op *) ops;         /* the groups' ops and the inline ops they read, in block order */
    VEC(ir_value *) inputs;   /* read from memory */
    VEC(ir_value *) outputs;  /* stored */
} io;

static bool in_either(const fuser *f, int at, int a, int b) {
    int g = f->nodes[at].group;
    return g >= 0 && (g == a || g == b);
}

static void add_value(fuser *f, ir_value ***data, int *len, int *cap, ir_value *v) {
    for (int i = 0; i < *len; i++)
        if ((*data)[i] == v) return;
    if (*len == *cap) *data = arena_grow(f->trial, *data, *len, cap, sizeof **data);
    (*data)[(*len)++] = v;
}

static int by_node(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Someone other than groups a and b reads v, directly or through inline ops. */
static bool read_outside(fuser *f, const ir_value *v, int a, int b) {
    VEC(const ir_value *) todo = {0};
    vec_push(f->trial, &todo, v);
    int walk = ++f->walk;
    for (int t = 0; t < todo.len; t++)
        for (const ir_use *u = todo.data[t]->uses; u; u = u->next) {
            if (u->user->parent != f->block || u->user->n_results == 0) return true;
            int n = node_index(f, ir_result(u->user, 0));
            if (n > f->classified) return true;
            if (f->nodes[n].group < 0) {
                if (f->walked[n] == walk) continue;
                f->walked[n] = walk;
                vec_push(f->trial, &todo, ir_result(f->nodes[n].op, 0));
            } else if (!in_either(f, n, a, b)) return true;
        }
    return false;
}

/* Collects what groups a and b (b < 0: only a) would be as one kernel. */
static io collect(fuser *f, int a, int b) {
    io r = {0};
    VEC(int) list = {0};
    int walk = ++f->walk;
    for (int k = 0; k < 2; k++) {
        int g = k ? b : a;
        if (g < 0) continue;
        for (int i = 0; i < f->groups.data[g].ops.len; i++) vec_push(f->trial, &list, f->groups.data[g].ops.data[i]);
    }
    for (int i = 0; i < list.len; i++) { /* grows by the inline ops it meets */
        const ir_op *op = f->nodes[list.data[i]].op;
        for (int k = 0; k < op->n_operands; k++) {
            ir_value *v = ir_operand(op, k);
            int n = node_index(f, v);
            if (n >= 0 && in_either(f, n, a, b)) continue;
            if (n >= 0 && f->nodes[n].group < 0) {
                if (f->walked[n] != walk) vec_push(f->trial, &list, n);
                f->walked[n] = walk;
                continue;
            }
            add_value(f, &r.inputs.data, &r.inputs.len, &r.inputs.cap, v);
        }
    }
    qsort(list.data, (size_t)list.len, sizeof *list.data, by_node);
    for (int i = 0; i < list.len; i++) {
        ir_op *op = f->nodes[list.data[i]].op;
        vec_push(f->trial, &r.ops, op);
        if (f->nodes[list.data[i]].group < 0) continue;
        for (int k = 0; k < op->n_results; k++) {
            ir_value *v = ir_result(op, k);
            bool outside = op->code == IR_compact && k == 1; /* the length binds a dim: it is always stored */
            if (outside || read_outside(f, v, a, b)) add_value(f, &r.outputs.data, &r.outputs.len, &r.outputs.cap, v);
        }
    }
    return r;
}

/* ---- Cost ---------------------------------------------------------------------------------------------------------- */
static double ceil_div(double a, double b) {
    double q = a / b;
    return q <= 1 ? 1 : q;
}

/* Bytes that contraction n's operand i is read again for grid variables that it does not vary along, discounted by where
 * it then comes from: the part that neighbouring tasks share stays in a core's cache, or in the one behind it. */
static double reread(fuser *f, region *r, const nest *n, int i, bool chain) {
    sym_t at[IR_MAX_RANK], red[IR_MAX_RANK], coords[IR_MAX_RANK];
    for (int d = 0; d < n->rank; d++) coords[d] = n->dim[d].expr;
    for (int k = 0; k < n->n_red; k++) red[k] = n->red[k].expr;
    access_reduced(&r->x, n->v->op, i, coords, red, at);
    ir_type t = ir_operand(n->v->op, i)->type;
    double again = 1, shared = (double)bytes_of(f, t), rows = (double)(chain ? f->sizes.chain_rows : i ? f->sizes.rows : f->sizes.cols);
    for (int g = r->n_grid - 1; g >= 0; g--) { /* a task covers `rows` of the innermost, like the schedule's cuts */
        bool used = false;
        for (int d = 0; d < t.rank; d++) used |= sym_uses(at[d], r->grid[g]);
        if (!used) {
            double extent = (double)sym_hint(r->grid_extent[g]);
            again *= ceil_div(extent, rows);
            rows = extent < rows ? rows / extent : 1;
        } else shared /= (double)sym_hint(r->grid_extent[g]);
    }
    double price = shared <= (double)f->o->limits->l2_bytes / 2 ? 0.05 : 0.5;
    return price * (again - 1) * (double)bytes_of(f, t);
}

/* Memory for the values that pass between the nests of a task, which takes on a few of the grid's points. */
static double task_bytes(fuser *f, region *r) {
    const stream *of = stream_find(r, f->sizes.chunk);
    double bytes = 0;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        if (n->output || n->n_readers <= (n->into >= 0)) continue;
        double rows = 1;
        for (int g = 0; g < r->n_grid; g++)
            for (int d = 0; d < n->rank; d++)
                if (sym_uses(n->dim[d].expr, r->grid[g])) {
                    rows *= (double)sym_hint(r->grid_extent[g]);
                    break;
                }
        double elements = rows < (double)f->sizes.chain_rows ? rows : (double)f->sizes.chain_rows;
        for (int d = 0; d < n->rank; d++)
            for (int k = 0; k < n->dim[d].n_vars; k++) {
                bool streamed = of && stream_var(of, n->dim[d].vars[k]) >= 0;
                elements *= (double)(streamed ? f->sizes.chunk : sym_hint(n->dim[d].extents[k]));
            }
        bytes += elements * frit_dtype_bits((frit_dtype)n->v->type.dtype) / 8;
    }
    return bytes;
}

/* Bytes that a task may keep: of a core, what the caches hold in all. Beyond, memory holds it, and kernels apart do as well. */
static double most_kept(const frit_target_limits *l) {
    return l->threads ? (double)l->shared_bytes : 20 * (double)l->l2_bytes;
}

static double weigh(fuser *f, io *k, arena *trial, const char **why) {
    VEC(ir_value *) roots = {0};
    double cost = LAUNCH_BYTES;
    for (int i = 0; i < k->inputs.len; i++) cost += (double)bytes_of(f, k->inputs.data[i]->type);
    for (int i = 0; i < k->outputs.len; i++) {
        ir_value *v = k->outputs.data[i];
        if (v->op->code == IR_insert) v = ir_operand(v->op, 1);
        cost += (double)bytes_of(f, v->type);
        if (v->op && sched_is_special(v->op)) return cost;
        if (v->op && v->op->code == IR_concat)
            for (int j = 0; j < v->op->n_operands; j++) vec_push(trial, &roots, ir_operand(v->op, j));
        else vec_push(trial, &roots, v);
    }
    int n = 0;
    for (int i = 0; i < roots.len; i++) { /* stored inputs of the kernel need no loops of their own */
        bool inside = false;
        for (int j = 0; j < k->ops.len; j++) inside |= roots.data[i]->op == k->ops.data[j];
        if (inside) roots.data[n++] = roots.data[i];
    }
    if (n == 0) return cost;
    region *r = region_analyse(f->m, trial, k->ops.len, k->ops.data, n, roots.data, why);
    if (!r) return -1;
    bool chain = false;
    double flops = 0, tasks = 1;
    int contracts = 0;
    for (int i = 0; i < r->nests.len; i++)
        for (int d = 0; d < r->nests.data[i].rank; d++) chain |= r->nests.data[i].dim[d].n_vars > 0;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *c = &r->nests.data[i];
        if (c->kind != NEST_CONTRACT) continue;
        contracts++;
        cost += reread(f, r, c, 0, chain) + reread(f, r, c, 1, chain);
        double depth = 1;
        for (int j = 0; j < c->n_red; j++)
            for (int v = 0; v < c->red[j].n_vars; v++) depth *= (double)sym_hint(c->red[j].extents[v]);
        flops += 2 * depth * (double)sym_hint(ir_type_elements(f->m, c->v->type));
    }
    for (int g = 0; g < r->n_grid; g++) tasks *= (double)sym_hint(r->grid_extent[g]);
    if (contracts) tasks = tasks / (chain ? (double)f->sizes.chain_rows : 1);
    if (contracts && chain && tasks < (double)f->sizes.least_tasks && flops > 2e6) {
        cost = -1;
        *why = "one kernel would have too few independent tasks";
    } else if (contracts && chain && task_bytes(f, r) > most_kept(f->o->limits)) {
        cost = -1;
        *why = f->o->limits->threads ? "what one task keeps would not fit a block's shared memory"
                                     : "what one task keeps would go to memory all the same";
    }
    region_release(r);
    return cost;
}

/* A key in memory that stays. */
static isomorph_key kept_key(fuser *f, const isomorph_key *k) {
    isomorph_key copy = *k;
    copy.words = arena_copy(f->scratch, k->words, (size_t)k->n_words * sizeof *k->words);
    return copy;
}

/* Traffic in bytes of one kernel with these ops, and its start; < 0 when they do not fit one. Sets *why. Layers of a
 * network are alike: each set of ops is weighed once, and nothing of the attempt stays. */
static double cost_of(fuser *f, io *k, const char **why) {
    arena *trial = arena_new();
    isomorph_set s = {k->inputs.len, k->ops.len, k->outputs.len, k->inputs.data, k->ops.data, k->outputs.data};
    isomorph_key key = isomorph_key_of(&f->names, trial, &s);
    int known = isomorph_find(&f->costs, &key);
    if (known < 0) {
        verdict v = {0};
        sym_place here = sym_here(f->m->syms);
        v.cost = weigh(f, k, trial, &v.why);
        sym_back(f->m->syms, here);
        known = f->verdicts.len;
        vec_push(f->scratch, &f->verdicts, v);
        isomorph_key kept = kept_key(f, &key);
        isomorph_enter(f->scratch, &f->costs, &kept, known);
    }
    arena_free(trial);
    if (f->verdicts.data[known].why) *why = f->verdicts.data[known].why;
    return f->verdicts.data[known].cost;
}

static double group_cost(fuser *f, int g) {
    group *p = &f->groups.data[g];
    if (p->cost < 0) {
        const char *why = NULL;
        arena_place here = arena_here(f->trial);
        io k = collect(f, g, -1);
        double c = cost_of(f, &k, &why);
        f->groups.data[g].cost = c < 0 ? 1e300 : c;
        arena_back(f->trial, here);
    }
    return f->groups.data[g].cost;
}

/* ---- Order --------------------------------------------------------------------------------------------------------- */
static int first_node(const fuser *f, int g) { return f->groups.data[g].ops.data[0]; }
static int last_node(const fuser *f, int g) {
    const group *p = &f->groups.data[g];
    return p->ops.data[p->ops.len - 1];
}

/* Whether a walk meets inline node n for the first time. */
static bool first_visit(fuser *f, int n) {
    if (f->seen_node[n] == f->node_stamp) return false;
    f->seen_node[n] = f->node_stamp;
    return true;
}

/* Calls visit(f, u, group) for each group that reads a value of op, through inline ops. Inline ops that this walk has
 * passed are not entered again: whoever starts a walk advances node_stamp. */
static bool each_reader(fuser *f, const ir_op *op, bool (*visit)(fuser *, void *, int), void *u) {
    for (int k = 0; k < op->n_results; k++)
        for (ir_use *use = op->results[k].uses; use; use = use->next) {
            int n = node_of_user(f, use->user);
            if (n < 0 || n > f->classified) continue;
            int g = f->nodes[n].group;
            if (g >= 0 ? !visit(f, u, g) : first_visit(f, n) && !each_reader(f, f->nodes[n].op, visit, u)) return false;
        }
    return true;
}

typedef struct path_search {
    int from, to, limit;
    bool found;
} path_search;

static void search(fuser *f, path_search *s, int g);
static bool path_step(fuser *f, void *u, int g) {
    path_search *s = u;
    if (g == s->from || f->seen[g] == f->stamp) return true;
    if (g == s->to) {
        s->found = true;
        return false;
    }
    f->seen[g] = f->stamp;
    if (first_node(f, g) <= s->limit) search(f, s, g);
    return !s->found;
}
static void search(fuser *f, path_search *s, int g) {
    for (int i = 0; i < f->groups.data[g].ops.len && !s->found; i++)
        each_reader(f, f->nodes[f->groups.data[g].ops.data[i]].op, path_step, s);
}

/* Whether `to` depends on `from` through a third group. Direct edges do not count. */
static bool indirect_path(fuser *f, int from, int to) {
    path_search s = {from, to, last_node(f, to), false};
    f->stamp++;
    f->node_stamp++;
    f->seen[from] = f->stamp;
    VEC(int) direct = {0};
    /* start behind the direct readers of `from`, without stepping onto `to` itself */
    group *p = &f->groups.data[from];
    for (int i = 0; i < p->ops.len; i++) {
        const ir_op *op = f->nodes[p->ops.data[i]].op;
        for (int k = 0; k < op->n_results; k++)
            for (ir_use *use = op->results[k].uses; use; use = use->next) {
                int n = node_of_user(f, use->user);
                if (n >= 0) vec_push(f->scratch, &direct, n);
            }
    }
    for (int i = 0; i < direct.len && !s.found; i++) { /* grows */
        int n = direct.data[i], g = f->nodes[n].group;
        if (g == from || g == to) continue;
        if (g < 0) { /* inline: its readers are direct readers too */
            if (!first_visit(f, n)) continue;
            for (ir_use *use = ir_result(f->nodes[n].op, 0)->uses; use; use = use->next)
                if (node_of_user(f, use->user) >= 0) vec_push(f->scratch, &direct, node_of_user(f, use->user));
            continue;
        }
        if (f->seen[g] == f->stamp) continue;
        f->seen[g] = f->stamp;
        if (first_node(f, g) <= s.limit) search(f, &s, g);
    }
    return s.found;
}

static void merge(fuser *f, int from, int into, double cost, const char *reason) {
    group *a = &f->groups.data[from], *b = &f->groups.data[into];
    VEC(int) ops = {0};
    int i = 0, j = 0;
    while (i < a->ops.len || j < b->ops.len) {
        bool left = j == b->ops.len || (i < a->ops.len && a->ops.data[i] < b->ops.data[j]);
        vec_push(f->scratch, &ops, left ? a->ops.data[i++] : b->ops.data[j++]);
    }
    for (int k = 0; k < a->ops.len; k++) f->nodes[a->ops.data[k]].group = into;
    a->dead = true;
    b->grown = true;
    b->special |= a->special;
    b->kept |= a->kept;
    memcpy(&b->ops, &ops, sizeof b->ops);
    b->cost = cost;
    b->reason = reason;
}

/* ---- Sweep 1: epilogues -------------------------------------------------------------------------------------------- */
/* The latest group among op's producers whose value has op's elements; -1 when there is none to join. */
static int producer_to_join(fuser *f, const ir_op *op) {
    int best = -1;
    if (!access_is_pointwise(op) && op->code != IR_insert) return -1; /* loops join in the second sweep, if at all */
    if (op->code == IR_gather || op->code == IR_concat || op->code == IR_pad) return -1;
    for (int i = 0; i < op->n_operands; i++) {
        if (needs_memory_base(op, i)) continue;
        ir_value *v = ir_operand(op, i);
        int n = node_index(f, v);
        while (n >= 0 && f->nodes[n].group < 0 && f->nodes[n].op->n_operands > 0 && ir_op_flags(f->nodes[n].op) & IR_F_VIEW &&
               f->nodes[n].op->code != IR_broadcast)
            n = node_index(f, ir_operand(f->nodes[n].op, 0));
        if (n < 0 || f->nodes[n].group < 0) continue;
        int g = f->nodes[n].group;
        group *p = &f->groups.data[g];
        if (p->fixed || p->special || p->kept || p->ops.len >= MAX_GROUP || g <= best) continue;
        ir_type want = op->code == IR_insert ? ir_operand(op, 1)->type : ir_result(op, 0)->type;
        if (ir_type_elements(f->m, want) != ir_type_elements(f->m, ir_result(f->nodes[n].op, 0)->type)) continue;
        best = g;
    }
    return best;
}

/* Some operand of op that is not in g needs g. */
static bool needs_group(fuser *f, const ir_op *op, int g, int walk) {
    for (int i = 0; i < op->n_operands; i++) {
        int n = node_index(f, ir_operand(op, i));
        if (n < 0) continue;
        int h = f->nodes[n].group;
        if (h == g) continue;
        if (h < 0) {
            if (f->walked[n] != walk) {
                f->walked[n] = walk;
                if (needs_group(f, f->nodes[n].op, g, walk)) return true;
            }
            continue;
        }
        path_search s = {g, h, last_node(f, h), false};
        f->stamp++;
        f->node_stamp++;
        f->seen[g] = f->stamp;
        search(f, &s, g);
        if (s.found) return true;
    }
    return false;
}

/* Some op of the two groups updates a value that they compute themselves. The base of an update must be in memory. */
static bool updates_own_value(const fuser *f, int a, int b) {
    for (int k = 0; k < 2; k++) {
        const group *p = &f->groups.data[k ? b : a];
        for (int i = 0; i < p->ops.len; i++) {
            const ir_op *op = f->nodes[p->ops.data[i]].op;
            if (!needs_memory_base(op, 0)) continue;
            int n = node_index(f, ir_operand(op, 0));
            if (n >= 0 && in_either(f, n, a, b)) return true;
        }
    }
    return false;
}

static bool has_compact(const fuser *f, int g) {
    for (int i = 0; i < f->groups.data[g].ops.len; i++)
        if (f->nodes[f->groups.data[g].ops.data[i]].op->code == IR_compact) return true;
    return false;
}

static void join_epilogue(fuser *f, int at) {
    const ir_op *op = f->nodes[at].op;
    int g = producer_to_join(f, op);
    int own = new_group(f, at, false);
    if (g < 0 || f->o->mode == FUSE_OP || f->groups.data[own].special || needs_group(f, op, g, ++f->walk)) return;
    if (updates_own_value(f, own, g)) return;
    const char *why = NULL;
    arena_place here = arena_here(f->trial);
    io k = collect(f, own, g);
    double c = k.outputs.len > MAX_OUTPUTS ? -1 : cost_of(f, &k, &why);
    arena_back(f->trial, here);
    if (c >= 0) merge(f, own, g, -1, "computed where its producer stores");
}

/* ---- Sweep 2: producers into consumers ------------------------------------------------------------------------------ */
typedef struct readers {
    int n, g[64];
} readers;
static bool add_reader(fuser *f, void *u, int g) {
    readers *r = u;
    for (int i = 0; i < r->n; i++)
        if (r->g[i] == g) return true;
    if (r->n < 64) r->g[r->n++] = g;
    return true;
}

static bool merge_if_better(fuser *f, int a, int b) {
    group *p = &f->groups.data[a], *q = &f->groups.data[b];
    if (p->kept) return false;
    if (a == b || p->fixed || q->fixed || p->dead || q->dead || p->special || p->ops.len + q->ops.len > MAX_GROUP)
        return false;
    if (updates_own_value(f, a, b) || indirect_path(f, a, b)) return false;
    const char *why = NULL;
    io k = collect(f, a, b);
    if (k.outputs.len > MAX_OUTPUTS) return false;
    if (q->special) { /* its schedule evaluates pointwise producers only */
        for (int i = 0; i < p->ops.len; i++)
            if (!access_is_pointwise(f->nodes[p->ops.data[i]].op)) return false;
        io alone = collect(f, b, -1);
        if (k.outputs.len != alone.outputs.len) return false;
        merge(f, a, b, -1, "computed where its only reader loads");
        return true;
    }
    double merged = cost_of(f, &k, &why);
    if (merged < 0 || merged > group_cost(f, a) + group_cost(f, b)) return false;
    merge(f, a, b, merged, "one kernel moves fewer bytes");
    return true;
}

static bool try_merge(fuser *f, int a, int b) {
    arena_place here = arena_here(f->trial);
    bool merged = merge_if_better(f, a, b);
    arena_back(f->trial, here);
    return merged;
}

/* Tries each group with its readers, from the back. Later sweeps try those again that have grown since. */
static bool sweep_backward(fuser *f, bool first) {
    bool any = false;
    for (int a = f->groups.len - 1; a >= 0; a--) {
        group *p = &f->groups.data[a];
        if (p->fixed || p->dead || (!first && !p->grown)) continue;
        p->grown = false;
        readers r = {0};
        f->node_stamp++;
        for (int i = 0; i < p->ops.len; i++) each_reader(f, f->nodes[p->ops.data[i]].op, add_reader, &r);
        for (int i = 0; i < r.n; i++)
            if (try_merge(f, a, r.g[i])) {
                any = true;
                break;
            }
    }
    return any;
}

static void merge_backward(fuser *f) {
    enum { SWEEPS = 4 };
    for (int i = 0; i < SWEEPS && sweep_backward(f, i == 0); i++) continue;
}

/* ---- Sweep 3: siblings ---------------------------------------------------------------------------------------------- */
static bool has_contract(const fuser *f, int g) {
    for (int i = 0; i < f->groups.data[g].ops.len; i++)
        if (f->nodes[f->groups.data[g].ops.data[i]].op->code == IR_contract) return true;
    return false;
}

static bool connected(fuser *f, int a, int b) {
    path_search s = {a, b, last_node(f, b), false};
    f->stamp++;
    f->node_stamp++;
    f->seen[a] = f->stamp;
    search(f, &s, a);
    return s.found;
}

static void merge_siblings(fuser *f) {
    for (int b = 0; b < f->groups.len; b++) {
        group *q = &f->groups.data[b];
        if (q->fixed || q->dead) continue;
        arena_place here = arena_here(f->trial);
        io kb = collect(f, b, -1);
        for (int i = 0; i < kb.inputs.len; i++) {
            ir_value *v = kb.inputs.data[i];
            if (v->op && (v->op->code == IR_param || v->op->code == IR_constant)) continue;
            readers r = {0};
            f->node_stamp++;
            for (ir_use *u = v->uses; u && r.n < 60; u = u->next) {
                int n = node_of_user(f, u->user);
                if (n < 0) continue;
                if (f->nodes[n].group >= 0) add_reader(f, &r, f->nodes[n].group);
                else each_reader(f, f->nodes[n].op, add_reader, &r);
            }
            for (int j = 0; j < r.n; j++) {
                int a = r.g[j];
                group *p = &f->groups.data[a];
                if (a == b || p->fixed || p->dead || p->kept != q->kept || p->ops.len + q->ops.len > MAX_GROUP) continue;
                if (has_contract(f, a) != has_contract(f, b) || first_node(f, b) - last_node(f, a) > NEAR ||
                    first_node(f, a) - last_node(f, b) > NEAR)
                    continue;
                if (has_compact(f, a) || has_compact(f, b)) continue; /* later dims wait for its count */
                if (connected(f, a, b) || connected(f, b, a)) continue;
                io k = collect(f, a, b);
                if (k.outputs.len > MAX_OUTPUTS) continue;
                merge(f, a, b, -1, "independent and reading the same values: one dispatch");
                q = &f->groups.data[b];
            }
        }
        arena_back(f->trial, here);
    }
}

/* ---- Rewriting ------------------------------------------------------------------------------------------------------ */
static const char *kernel_name(fuser *f, const io *k) {
    const ir_op *main_op = k->ops.data[k->ops.len - 1];
    const char *value = NULL;
    for (int i = 0; i < k->ops.len; i++)
        if (k->ops.data[i]->code == IR_contract || k->ops.data[i]->code == IR_reduce) main_op = k->ops.data[i];
    for (int i = 0; i < k->outputs.len && !value; i++) value = k->outputs.data[i]->name;
    const char *what = ir_op_table[main_op->code].name;
    return value ? arena_printf(f->m->arena, "%s_%s_%d", value, what, f->next_name++)
                 : arena_printf(f->m->arena, "%s_%d", what, f->next_name++);
}

/* Kernels that are alike are tried once. */
static bool schedulable(fuser *f, const ir_op *kernel) {
    ir_module trial = {.arena = arena_new(), .syms = f->m->syms, .seed = f->m->seed};
    isomorph_key key = isomorph_key_of_kernel(&f->names, trial.arena, kernel);
    int known = isomorph_find(&f->scheduled, &key);
    if (known < 0) {
        trial.last_func = &trial.funcs;
        sym_place here = sym_here(f->m->syms);
        known = schedule_kernel(&trial, kernel, "trial", f->o->limits, NULL) != NULL;
        sym_back(f->m->syms, here);
        isomorph_key kept = kept_key(f, &key);
        isomorph_enter(f->scratch, &f->scheduled, &kept, known);
    }
    arena_free(trial.arena);
    return known;
}

/* False (and nothing made) when the group has several ops and no schedule. */
static bool kernel_of(fuser *f, int g, const io *k, ir_map *outer) {
    ir_module *m = f->m;
    int n_in = k->inputs.len, n_out = k->outputs.len;
    ir_value **ins = arena_array(f->trial, ir_value *, n_in + 1);
    ir_type *types = arena_array(f->trial, ir_type, n_out + 1);
    for (int i = 0; i < n_in; i++) ins[i] = ir_map_get(outer, k->inputs.data[i]);
    for (int i = 0; i < n_out; i++) types[i] = k->outputs.data[i]->type;
    ir_builder b = ir_builder_at_end(m, f->block);
    b.span = n_out ? k->outputs.data[0]->op->span : k->ops.data[0]->span;
    ir_op *kernel = ir_build(&b, IR_kernel, n_in, ins, n_out, types);
    ir_set_string(m, kernel, IR_ATTR_name, kernel_name(f, k));
    if (f->groups.data[g].reason) ir_set_string(m, kernel, IR_ATTR_reason, f->groups.data[g].reason);
    ir_map map = {0};
    for (int i = 0; i < n_in; i++)
        ir_map_set(m, &map, k->inputs.data[i],
                   ir_block_add_arg(m, kernel->blocks[0], k->inputs.data[i]->type, k->inputs.data[i]->name));
    ir_builder inner = ir_builder_at_end(m, kernel->blocks[0]);
    for (int i = 0; i < k->ops.len; i++) {
        inner.span = k->ops.data[i]->span;
        ir_clone(&inner, k->ops.data[i], &map);
    }
    ir_value **outs = arena_array(f->trial, ir_value *, n_out + 1);
    for (int i = 0; i < n_out; i++) {
        outs[i] = ir_map_get(&map, k->outputs.data[i]);
        ir_result(kernel, i)->name = k->outputs.data[i]->name;
    }
    ir_build(&inner, IR_yield, n_out, outs, 0, NULL);
    if (f->groups.data[g].ops.len > 1 && !schedulable(f, kernel)) {
        ir_op_remove(kernel);
        return false;
    }
    for (int i = 0; i < n_out; i++) ir_map_set(m, outer, k->outputs.data[i], ir_result(kernel, i));
    return true;
}

static bool make_kernel(fuser *f, int g, ir_map *outer) {
    arena_place here = arena_here(f->trial);
    io k = collect(f, g, -1);
    bool made = kernel_of(f, g, &k, outer);
    arena_back(f->trial, here);
    return made;
}

static void emit_group(fuser *f, int g, ir_map *outer, int depth);

/* Every op of g becomes a group of its own. */
static void split_group(fuser *f, int g, ir_map *outer, int depth) {
    int n = f->groups.data[g].ops.len, *ops = arena_array(f->scratch, int, n), *own = arena_array(f->scratch, int, n);
    memcpy(ops, f->groups.data[g].ops.data, sizeof *ops * (size_t)n);
    f->groups.data[g].dead = true;
    for (int i = 0; i < n; i++) {
        own[i] = new_group(f, ops[i], false);
        f->groups.data[own[i]].reason = "no kernel fits the group that it was in";
    }
    for (int i = 0; i < n; i++) emit_group(f, own[i], outer, depth + 1);
}

/* The groups that bind the dims which op's types use. */
static void emit_counters(fuser *f, const ir_op *op, int g, ir_map *outer, int depth) {
    for (int i = 0; i < f->n_nodes; i++) {
        const sym_t *counter;
        const ir_op *c = f->nodes[i].op;
        if (c->code != IR_compact || f->nodes[i].group == g || !ir_get_syms(c, IR_ATTR_counter, &counter)) continue;
        for (int k = 0; k < op->n_results; k++)
            for (int d = 0; d < ir_result(op, k)->type.rank; d++)
                if (sym_uses(ir_result(op, k)->type.dims[d], counter[0])) emit_group(f, f->nodes[i].group, outer, depth + 1);
    }
}

/* Values of this block that a nested block reads are inputs of the op that holds it. */
static void emit_captures(fuser *f, const ir_block *b, int g, ir_map *outer, int depth) {
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_operands; i++) {
            int n = node_index(f, ir_operand(op, i));
            if (n >= 0 && f->nodes[n].group >= 0 && f->nodes[n].group != g) emit_group(f, f->nodes[n].group, outer, depth + 1);
        }
        for (int k = 0; k < op->n_blocks; k++) emit_captures(f, op->blocks[k], g, outer, depth);
    }
}

/* What g needs comes first. Effects keep their order through the `order` chain of the caller. */
static void emit_group(fuser *f, int g, ir_map *outer, int depth) {
    group *p = &f->groups.data[g];
    if (p->emitted || p->dead) return;
    p->emitted = 1;
    arena_place here = arena_here(f->trial);
    io k = collect(f, g, -1);
    for (int i = 0; i < k.inputs.len; i++) {
        int n = node_index(f, k.inputs.data[i]);
        if (n >= 0 && f->nodes[n].group != g) emit_group(f, f->nodes[n].group, outer, depth + 1);
    }
    if (f->counts)
        for (int i = 0; i < k.ops.len; i++) emit_counters(f, k.ops.data[i], g, outer, depth);
    arena_back(f->trial, here);
    const ir_op *first = f->nodes[f->groups.data[g].ops.data[0]].op; /* splits make groups */
    for (int i = 0; i < first->n_blocks; i++) emit_captures(f, first->blocks[i], g, outer, depth);
    p = &f->groups.data[g];
    if (p->fixed) {
        ir_op *op = f->nodes[p->ops.data[0]].op;
        ir_builder b = ir_builder_at_end(f->m, f->block);
        b.span = op->span;
        ir_clone(&b, op, outer);
    } else if (!make_kernel(f, g, outer)) split_group(f, g, outer, depth);
}

static void rewrite(fuser *f) {
    ir_op *old_first = f->block->first;
    VEC(ir_op *) old = {0};
    for (ir_op *op = old_first; op; op = op->next) vec_push(f->scratch, &old, op);
    ir_map outer = {0};
    for (int i = 0; i < f->n_nodes; i++) { /* fixed ops in program order, each after what it needs */
        int g = f->nodes[i].group;
        if (g < 0 || !f->groups.data[g].fixed) continue;
        emit_group(f, g, &outer, 0);
    }
    for (int i = old.len - 1; i >= 0; i--) {
        for (int k = 0; k < old.data[i]->n_results; k++) {
            ir_value *v = ir_result(old.data[i], k), *w = ir_map_get(&outer, v);
            if (w != v) ir_replace_uses(v, w);
        }
        ir_op_remove(old.data[i]);
    }
}

static bool fuse_block(ir_module *m, ir_block *block, const fuse_options *o, arena *scratch, int *next_name) {
    fuser f = {.m = m, .block = block, .o = o, .sizes = schedule_sizes_of(o->limits), .scratch = scratch, .next_name = *next_name};
    f.trial = arena_child(scratch);
    f.names.m = m;
    for (ir_op *op = block->first; op; op = op->next) {
        for (int k = 0; k < op->n_blocks; k++)
            if (op->code != IR_kernel) fuse_block(m, op->blocks[k], o, scratch, next_name);
        f.n_nodes++;
    }
    f.next_name = *next_name;
    f.nodes = arena_array(scratch, node, f.n_nodes + 1);
    f.n_ids = m->n_values;
    f.node_of = arena_array(scratch, int, f.n_ids + 1);
    memset(f.node_of, -1, sizeof(int) * (size_t)(f.n_ids + 1));
    int i = 0;
    for (ir_op *op = block->first; op; op = op->next, i++) {
        f.counts |= op->code == IR_compact;
        f.nodes[i] = (node){op, -1};
        for (int k = 0; k < op->n_results; k++) f.node_of[ir_result(op, k)->id] = i;
        op->mark = 0;
    }
    f.seen = arena_array(scratch, int, f.n_nodes + 1);
    f.seen_node = arena_array(scratch, int, f.n_nodes + 1);
    f.walked = arena_array(scratch, int, f.n_nodes + 1);
    for (i = 0; i < f.n_nodes; i++) {
        const ir_op *op = f.nodes[i].op;
        f.classified = i;
        if (is_fixed(op)) new_group(&f, i, true);
        else if (!is_inline(&f, op)) join_epilogue(&f, i);
    }
    if (o->mode == FUSE_FULL) {
        merge_backward(&f);
        merge_siblings(&f);
    }
    rewrite(&f);
    *next_name = f.next_name;
    return true;
}

bool fuse(ir_module *m, ir_func *f, const fuse_options *o) {
    arena *scratch = arena_new();
    int next_name = 0;
    fuse_block(m, f->body, o, scratch, &next_name);
    arena_free(scratch);
    return true;
}
