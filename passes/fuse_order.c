/* Who reads whom: the dependences between groups, through the inline ops that no group holds. */
#include "fuse_internal.h"

int fuse_first_node(const fuser *f, int g) { return f->groups.data[g].ops.data[0]; }
int fuse_last_node(const fuser *f, int g) {
    const fuse_group *p = &f->groups.data[g];
    return p->ops.data[p->ops.len - 1];
}

void fuse_note_span(fuser *f, int g) {
    int last = fuse_last_node(f, g);
    for (int i = fuse_first_node(f, g); i < last; i++)
        if (f->far[i] < last) f->far[i] = last;
}

/* What starts behind this node can't lead to g: readers stand behind what they read, and no group reaches back across it. */
static int last_to_lead_to(const fuser *f, int g) {
    int limit = fuse_last_node(f, g);
    while (f->far[limit] > limit) limit = f->far[limit];
    return limit;
}

/* A walk meets inline node n for the first time. */
static bool first_visit(fuser *f, int n) {
    if (f->seen_node[n] == f->node_stamp) return false;
    f->seen_node[n] = f->node_stamp;
    return true;
}

bool fuse_each_reader(fuser *f, const ir_op *op, bool (*visit)(fuser *, void *, int), void *u) {
    for (int k = 0; k < op->n_results; k++)
        for (ir_use *use = op->results[k].uses; use; use = use->next) {
            int n = fuse_node_of_user(f, use->user);
            if (n < 0 || n > f->classified) continue;
            int g = f->nodes[n].group;
            if (g >= 0 ? !visit(f, u, g) : first_visit(f, n) && !fuse_each_reader(f, f->nodes[n].op, visit, u)) return false;
        }
    return true;
}

typedef struct path_search {
    int from, to, limit; /* what starts behind the limit cannot lead there */
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
    if (fuse_first_node(f, g) <= s->limit) search(f, s, g);
    return !s->found;
}
/* From a compact to the groups that have dims made of its counter. */
static void each_sized(fuser *f, int node, path_search *s) {
    for (int i = 0; i < f->nodes[node].sized.len && !s->found; i++) {
        int n = f->nodes[node].sized.data[i], g = f->nodes[n].group;
        if (n > f->classified) continue;
        if (g >= 0) path_step(f, s, g);
        else if (first_visit(f, n)) fuse_each_reader(f, f->nodes[n].op, path_step, s);
    }
}

static void search(fuser *f, path_search *s, int g) {
    for (int i = 0; i < f->groups.data[g].ops.len && !s->found; i++) {
        int n = f->groups.data[g].ops.data[i];
        fuse_each_reader(f, f->nodes[n].op, path_step, s);
        each_sized(f, n, s);
    }
}

bool fuse_depends(fuser *f, int from, int to) {
    path_search s = {from, to, last_to_lead_to(f, to), false};
    f->stamp++;
    f->node_stamp++;
    f->seen[from] = f->stamp;
    search(f, &s, from);
    return s.found;
}

bool fuse_indirect_path(fuser *f, int from, int to) {
    path_search s = {from, to, last_to_lead_to(f, to), false};
    f->stamp++;
    f->node_stamp++;
    f->seen[from] = f->stamp;
    VEC(int) direct = {0};
    /* start behind the direct readers of `from`, without stepping onto `to` itself */
    fuse_group *p = &f->groups.data[from];
    for (int i = 0; i < p->ops.len; i++) {
        const ir_op *op = f->nodes[p->ops.data[i]].op;
        each_sized(f, p->ops.data[i], &s); /* a size must be known when a launch starts: no kernel joins the two */
        for (int k = 0; k < op->n_results; k++)
            for (ir_use *use = op->results[k].uses; use; use = use->next) {
                int n = fuse_node_of_user(f, use->user);
                if (n >= 0) vec_push(f->scratch, &direct, n);
            }
    }
    for (int i = 0; i < direct.len && !s.found; i++) { /* grows */
        int n = direct.data[i], g = f->nodes[n].group;
        if (g == from || g == to) continue;
        if (g < 0) { /* inline: its readers are direct readers too */
            if (!first_visit(f, n)) continue;
            for (ir_use *use = ir_result(f->nodes[n].op, 0)->uses; use; use = use->next)
                if (fuse_node_of_user(f, use->user) >= 0) vec_push(f->scratch, &direct, fuse_node_of_user(f, use->user));
            continue;
        }
        if (f->seen[g] == f->stamp) continue;
        f->seen[g] = f->stamp;
        if (fuse_first_node(f, g) <= s.limit) search(f, &s, g);
    }
    return s.found;
}

static bool needs_group(fuser *f, const ir_op *op, int g) {
    int at = op->n_results ? fuse_node_of(f, ir_result(op, 0)) : -1;
    for (int i = 0; at >= 0 && i < f->nodes[at].counters.len; i++) {
        int h = f->nodes[f->nodes[at].counters.data[i]].group;
        if (h == g || (h >= 0 && fuse_depends(f, g, h))) return true;
    }
    for (int i = 0; i < op->n_operands; i++) {
        int n = fuse_node_of(f, ir_operand(op, i));
        if (n < 0) continue;
        int h = f->nodes[n].group;
        if (h == g) continue;
        if (h < 0) {
            if (f->walked[n] != f->walk) {
                f->walked[n] = f->walk;
                if (needs_group(f, f->nodes[n].op, g)) return true;
            }
        } else if (fuse_depends(f, g, h)) return true;
    }
    return false;
}

bool fuse_needs_group(fuser *f, const ir_op *op, int g) {
    f->walk++;
    return needs_group(f, op, g);
}
