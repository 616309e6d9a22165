/* Few long rows: a row is shared by the blocks of a cluster. Of the axis that all long stages run over, block number r has the
 * positions r * part .. r * part + part - 1, in every stage; what the task keeps of a row is then one part a block, and what is
 * reduced over the axis is combined by the blocks (the stage's `across`). Stages without the axis are done by all of them, but for
 * what they write to the kernel's outputs, which one does.
 *
 * Of what several stages read of an input, the first keeps its part in shared memory for the others, so that it is read once. */
#include "schedule_internal.h"
#include "schedule_tiles.h"
#include <string.h>

enum {
    LONG_PART = 16384, /* elements: beyond, another block is worth what it costs to meet */
    LINE = 64, SHORT_LINE = 4, /* elements: parts are multiples */
    UNKNOWN_MULTIPROCESSORS = 128
};

typedef struct clustering {
    sched *s;
    ir_op *grid;
    int64_t n, tasks; /* elements of the long axis */
    int64_t part;
    int cluster;
    sym_t rank, base, extent; /* extent: of a block's part */
} clustering;

/* ---- What the stages do ------------------------------------------------------------------------------------------ */
static int axis_of(const clustering *c, const ir_op *stage) {
    const sym_t *extent;
    int64_t e;
    int n = ir_get_syms(stage, IR_ATTR_extent, &extent);
    for (int i = 0; i < n; i++)
        if (sym_is_const(extent[i], &e) && e == c->n) return i;
    return -1;
}

static sym_t var_of(const clustering *c, const ir_op *stage) {
    const sym_t *vars;
    int axis = axis_of(c, stage);
    ir_get_syms(stage, IR_ATTR_vars, &vars);
    return axis < 0 ? NULL : vars[axis];
}

static int parallel_of(const ir_op *stage) { return (int)ir_get_int(stage, IR_ATTR_parallel, 0); }

/* The dim of a buffer of the task that is the long axis; -1: none, -2: several. */
static int long_dim(const clustering *c, const ir_value *buffer) {
    int dim = -1;
    int64_t e;
    for (int d = 0; d < buffer->type.rank; d++)
        if (sym_is_const(buffer->type.dims[d], &e) && e == c->n) dim = dim == -1 ? d : -2;
    return dim;
}

static bool is_alloc(const ir_value *v) { return v->op && v->op->code == IR_alloc; }

static bool same_map(const ir_op *a, const ir_op *b, sym_ctx *s, sym_t va, sym_t vb) {
    const sym_t *x, *y;
    int n = ir_get_syms(a, IR_ATTR_map, &x);
    if (ir_get_syms(b, IR_ATTR_map, &y) != n) return false;
    for (int d = 0; d < n; d++)
        if (x[d] != sym_subst(s, y[d], 1, &vb, &va)) return false;
    return true;
}

static bool map_uses(const ir_op *op, sym_t v) {
    const sym_t *map;
    int n = ir_get_syms(op, IR_ATTR_map, &map);
    for (int d = 0; d < n; d++)
        if (sym_uses(map[d], v)) return true;
    return false;
}

/* A block finds there what it wrote itself. */
static bool access_fits(const clustering *c, const ir_op *stage, const ir_op *op) {
    const ir_value *buffer = ir_operand(op, 0);
    const sym_t *map;
    sym_t v = var_of(c, stage);
    bool row_point = v && op->parent == stage->blocks[0];
    bool reduced = v && axis_of(c, stage) >= parallel_of(stage);
    ir_get_syms(op, IR_ATTR_map, &map);
    if (op->code == IR_write && (!sched_is_plain(op) || frit_dtype_bits((frit_dtype)buffer->type.dtype) < 8)) return false;
    if (!is_alloc(buffer)) {
        if (op->code == IR_write && v && !reduced) return map_uses(op, v);
        if (op->code == IR_write) return !reduced || op->parent == stage->blocks[1];
        return !ir_is_written(buffer);
    }
    int dim = long_dim(c, buffer);
    if (dim == -2 || !sched_is_plain(op)) return false;
    if (dim == -1) return !v || !map_uses(op, v) ? op->code == IR_read || !v || reduced : false;
    if (!row_point && !(v && !reduced)) return false;
    for (int d = 0; d < buffer->type.rank; d++)
        if (d == dim ? map[d] != v : sym_uses(map[d], v)) return false;
    return true;
}

/* Writes to buffers of the task, or to others. */
static bool writes(const ir_op *stage, bool own) {
    for (int b = 0; b < 2; b++)
        for (const ir_op *op = stage->blocks[b]->first; op; op = op->next)
            if (op->code == IR_write && is_alloc(ir_operand(op, 0)) == own) return true;
    return false;
}

static bool stage_fits(const clustering *c, const ir_op *stage) {
    const sym_t *extent;
    const int64_t *combines;
    int64_t e;
    int n = ir_get_syms(stage, IR_ATTR_extent, &extent), found = 0, k = ir_get_ints(stage, IR_ATTR_combines, &combines);
    for (int i = 0; i < n; i++) {
        if (!sym_is_const(extent[i], &e)) return false;
        found += e == c->n;
    }
    for (int i = 0; i < k; i++)
        if (combines[i] > IR_ALL) return false;
    if (found > 1 || (!found && writes(stage, true) && writes(stage, false))) return false;
    for (int b = 0; b < 2; b++)
        for (const ir_op *op = stage->blocks[b]->first; op; op = op->next) {
            if (op->n_blocks) return false;
            if ((op->code == IR_read || op->code == IR_write) && !access_fits(c, stage, op)) return false;
            if (op->code == IR_write && found && b == 0 && axis_of(c, stage) >= parallel_of(stage)) return false;
        }
    return true;
}

/* The longest axis of any stage, a constant. */
static int64_t longest(const ir_op *grid) {
    int64_t most = 0, e;
    for (const ir_op *op = grid->blocks[0]->first; op; op = op->next) {
        const sym_t *extent;
        int n = op->code == IR_stage ? ir_get_syms(op, IR_ATTR_extent, &extent) : 0;
        for (int i = 0; i < n; i++)
            if (sym_is_const(extent[i], &e) && e > most) most = e;
    }
    return most;
}

static bool grid_fits(clustering *c) {
    const sym_t *extent;
    int64_t e;
    int n = ir_get_syms(c->grid, IR_ATTR_extent, &extent);
    bool reduces = false;
    if (ir_has(c->grid, IR_ATTR_guard)) return false;
    c->tasks = 1;
    for (int i = 0; i < n; i++) {
        if (!sym_is_const(extent[i], &e) || e < 1 || e > INT32_MAX / c->tasks) return false;
        c->tasks *= e;
    }
    c->n = longest(c->grid);
    if (c->n < 2 * c->s->lim->cluster_part || n == IR_MAX_RANK) return false;
    for (const ir_op *op = c->grid->blocks[0]->first; op; op = op->next) {
        if (op->code == IR_alloc && long_dim(c, ir_result(op, 0)) == -2) return false;
        if (op->code == IR_alloc || op->code == IR_yield) continue;
        if (op->code != IR_stage || !stage_fits(c, op)) return false;
        reduces |= axis_of(c, op) >= parallel_of(op);
    }
    return reduces;
}

/* ---- How many blocks --------------------------------------------------------------------------------------------- */
static int64_t part_of(const clustering *c, int cluster) {
    int64_t part = (c->n + cluster - 1) / cluster;
    int64_t line = c->s->lim->cluster_part < LINE ? SHORT_LINE : LINE;
    return (part + line - 1) / line * line;
}

/* Bytes of what a block keeps. Buffers that do not live at once are counted twice. */
static int64_t kept_bytes(const clustering *c, int cluster) {
    int64_t bytes = 0, e;
    for (const ir_op *op = c->grid->blocks[0]->first; op; op = op->next) {
        if (op->code != IR_alloc) continue;
        ir_type t = ir_result(op, 0)->type;
        int64_t n = frit_dtype_bits((frit_dtype)t.dtype) / 8;
        for (int d = 0; d < t.rank; d++) {
            if (!sym_is_const(t.dims[d], &e) || e > INT32_MAX) return INT64_MAX;
            n *= e == c->n ? part_of(c, cluster) : e;
            if (n > INT32_MAX) return INT64_MAX;
        }
        bytes += n;
    }
    return bytes;
}

static int64_t room(const clustering *c) { return schedule_cluster_room(c->s->lim); }

static int blocks_for(const clustering *c) {
    int64_t machine = c->s->lim->multiprocessors ? c->s->lim->multiprocessors : UNKNOWN_MULTIPROCESSORS;
    int n = 1;
    while (n < SCHEDULE_CLUSTER && part_of(c, 2 * n) >= c->s->lim->cluster_part && (2 * n - 1) * part_of(c, 2 * n) < c->n) {
        bool idle = 2 * n * c->tasks <= machine + machine / 2, too_long = part_of(c, n) > LONG_PART && c->tasks * n < 2 * machine;
        if (!idle && !too_long && kept_bytes(c, n) <= room(c)) break;
        n *= 2;
    }
    return kept_bytes(c, n) <= room(c) ? n : 1;
}

/* ---- Shares ------------------------------------------------------------------------------------------------------ */
static void set_map(const clustering *c, ir_op *op, int dim, sym_t at) {
    const sym_t *map;
    sym_t with[IR_MAX_RANK];
    int n = ir_get_syms(op, IR_ATTR_map, &map);
    memcpy(with, map, (size_t)n * sizeof *with);
    with[dim] = at;
    ir_set_syms(c->s->m, op, IR_ATTR_map, n, with);
}

static void share_stage(const clustering *c, ir_op *stage) {
    sym_ctx *sc = c->s->m->syms;
    int axis = axis_of(c, stage), n;
    const sym_t *list;
    sym_t vars[SCHED_MAX_VARS], extents[SCHED_MAX_VARS];
    if (axis < 0) return;
    n = ir_get_syms(stage, IR_ATTR_vars, &list);
    memcpy(vars, list, (size_t)n * sizeof *vars);
    ir_get_syms(stage, IR_ATTR_extent, &list);
    memcpy(extents, list, (size_t)n * sizeof *extents);
    sym_t own = sym_index(sc, sym_var_name(vars[axis]), c->extent), at = sym_add(sc, c->base, own), was = vars[axis];
    ir_substitute(c->s->m, stage, 1, &was, &at);
    vars[axis] = own, extents[axis] = c->extent;
    ir_set_syms(c->s->m, stage, IR_ATTR_vars, n, vars);
    ir_set_syms(c->s->m, stage, IR_ATTR_extent, n, extents);
    if (axis >= parallel_of(stage)) ir_set_int(c->s->m, stage, IR_ATTR_across, 1);
    for (int b = 0; b < 2; b++)
        for (ir_op *op = stage->blocks[b]->first; op; op = op->next) {
            if (op->code != IR_read && op->code != IR_write) continue;
            const ir_value *buffer = ir_operand(op, 0);
            int dim = is_alloc(buffer) ? long_dim(c, buffer) : -1;
            if (dim >= 0) set_map(c, op, dim, own);
        }
}

static void share_allocs(const clustering *c) {
    for (ir_op *op = c->grid->blocks[0]->first; op; op = op->next) {
        if (op->code != IR_alloc) continue;
        ir_type *t = &op->results[0].type;
        sym_t dims[IR_MAX_RANK];
        int dim = long_dim(c, ir_result(op, 0));
        if (dim < 0) continue;
        memcpy(dims, t->dims, t->rank * sizeof *dims);
        dims[dim] = sym_const(c->s->m->syms, c->part);
        *t = ir_buffer(c->s->m, (frit_dtype)t->dtype, (ir_space)t->space, t->rank, dims);
    }
}

/* ---- What one block writes --------------------------------------------------------------------------------------- */
/* Puts an axis of one point, of the first block alone, before the stage's others. */
static void by_first(const clustering *c, ir_op *stage) {
    sym_ctx *sc = c->s->m->syms;
    sym_t one = sym_max(sc, sym_const(sc, 0), sym_sub(sc, sym_const(sc, 1), c->rank)), list[SCHED_MAX_VARS];
    const sym_t *v;
    const int64_t *tile;
    int64_t tiles[SCHED_MAX_VARS] = {1};
    int n = ir_get_syms(stage, IR_ATTR_vars, &v);
    list[0] = sym_index(sc, "on", one);
    memcpy(list + 1, v, (size_t)n * sizeof *list);
    ir_set_syms(c->s->m, stage, IR_ATTR_vars, n + 1, list);
    ir_get_syms(stage, IR_ATTR_extent, &v);
    list[0] = one;
    memcpy(list + 1, v, (size_t)n * sizeof *list);
    ir_set_syms(c->s->m, stage, IR_ATTR_extent, n + 1, list);
    int n_tile = ir_get_ints(stage, IR_ATTR_tile, &tile);
    for (int i = 0; i < n; i++) tiles[i + 1] = i < n_tile ? tile[i] : 1;
    ir_set_ints(c->s->m, stage, IR_ATTR_tile, n + 1, tiles);
    int64_t vector = ir_get_int(stage, IR_ATTR_vector, -1);
    ir_set_int(c->s->m, stage, IR_ATTR_vector, vector < 0 ? -1 : vector + 1);
    ir_set_int(c->s->m, stage, IR_ATTR_parallel, parallel_of(stage) + 1);
}

/* A buffer of the task with an element for each parallel point of the stage. */
static ir_value *results_of(const clustering *c, const ir_op *stage, frit_dtype t) {
    const sym_t *extent;
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    return sched_alloc(c->s, c->grid->blocks[0], t, parallel_of(stage), extent);
}

/* A write of a combined value to an output becomes one to memory of the task, and a stage behind makes the output of it. */
static bool write_apart(const clustering *c, ir_op *stage, ir_op *write) {
    const sym_t *vars, *extent, *map;
    sched *s = c->s;
    int n = parallel_of(stage);
    ir_value *output = ir_operand(write, 0), *buffer = results_of(c, stage, (frit_dtype)output->type.dtype);
    stage_vars sv = {.n = n, .n_par = n};
    sym_t with[IR_MAX_RANK];
    if (!buffer) return false;
    ir_get_syms(stage, IR_ATTR_vars, &vars);
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    int rank = ir_get_syms(write, IR_ATTR_map, &map);
    for (int i = 0; i < n; i++) sv.var[i] = sym_index(s->m->syms, sym_var_name(vars[i]), sv.extent[i] = extent[i]);
    for (int d = 0; d < rank; d++) with[d] = sym_subst(s->m->syms, map[d], n, vars, sv.var);
    ir_op *after = sched_stage(s, c->grid->blocks[0], &sv);
    ir_op_move_before(after, stage->next);
    ir_builder b = ir_builder_at_end(s->m, after->blocks[0]);
    ir_type scalar = ir_scalar((frit_dtype)buffer->type.dtype);
    ir_op *read = ir_build(&b, IR_read, 1, &buffer, 1, &scalar), *out;
    ir_set_syms(s->m, read, IR_ATTR_map, n, sv.var);
    out = ir_build(&b, IR_write, 2, (ir_value *[]){output, ir_result(read, 0)}, 0, NULL);
    ir_set_syms(s->m, out, IR_ATTR_map, rank, with);
    sched_choose_tile(s, after, NULL);
    by_first(c, after);
    ir_set_operand(write, 0, buffer);
    ir_set_syms(s->m, write, IR_ATTR_map, n, vars);
    return true;
}

/* What stages without the long axis, or behind its reduction, write to outputs. */
static bool settle_writes(const clustering *c, ir_op *stage) {
    int axis = axis_of(c, stage);
    if (axis >= 0 && axis < parallel_of(stage)) return true;
    if (axis < 0) {
        if (writes(stage, false)) by_first(c, stage);
        return true;
    }
    for (ir_op *op = stage->blocks[1]->first, *next; op; op = next) {
        next = op->next;
        if (op->code == IR_write && !is_alloc(ir_operand(op, 0)) && !write_apart(c, stage, op)) return false;
    }
    return true;
}

/* ---- Rows that are read once ------------------------------------------------------------------------------------- */
/* The read is at a point of the long axis and of the task alone. */
static bool is_row_read(const clustering *c, const ir_op *stage, const ir_op *op) {
    const sym_t *vars;
    int n = ir_get_syms(stage, IR_ATTR_vars, &vars);
    sym_t v = var_of(c, stage);
    if (op->code != IR_read || is_alloc(ir_operand(op, 0)) || !sched_is_plain(op) || ir_has(op, IR_ATTR_ahead) || !v || !map_uses(op, v)) return false;
    for (int i = 0; i < n; i++)
        if (vars[i] != v && map_uses(op, vars[i])) return false;
    return op->parent == stage->blocks[0] && !ir_is_written(ir_operand(op, 0));
}

static ir_op *again(const clustering *c, const ir_op *stage, const ir_op *read, ir_op **where) {
    for (ir_op *s = stage->next; s; s = s->next)
        for (ir_op *op = s->code == IR_stage ? s->blocks[0]->first : NULL; op; op = op->next)
            if (is_row_read(c, s, op) && ir_operand(op, 0) == ir_operand(read, 0) && same_map(read, op, c->s->m->syms, var_of(c, stage), var_of(c, s)))
                return *where = s, op;
    return NULL;
}

static bool has_one_axis(const ir_op *stage) {
    const sym_t *vars;
    return ir_get_syms(stage, IR_ATTR_vars, &vars) == 1;
}

static bool is_after(const ir_op *a, const ir_op *b) {
    for (const ir_op *x = b->next; x; x = x->next)
        if (x == a) return true;
    return false;
}

/* A row that the task keeps, of the dtype, whose first stage is `stage`, one point from the same point: it may hold what the stage
 * reads until then. */
static ir_value *lent_row(const clustering *c, const ir_op *stage, frit_dtype t) {
    for (ir_op *op = c->grid->blocks[0]->first; op; op = op->next) {
        ir_value *v = op->code == IR_alloc ? ir_result(op, 0) : NULL;
        if (!v || v->type.rank != 1 || long_dim(c, v) != 0 || v->type.dtype != t) continue;
        bool fits = has_one_axis(stage) && parallel_of(stage) == 1;
        int here = 0;
        for (const ir_use *u = v->uses; u; u = u->next) {
            const ir_op *s = u->user->parent->op;
            here += s == stage && u->user->code == IR_write;
            fits = fits && (s == stage ? u->user->code == IR_write : is_after(s, stage));
        }
        if (fits && here == 1) return v;
    }
    return NULL;
}

static void access_row(const clustering *c, ir_op *op, const ir_op *stage, ir_value *row) {
    sym_t v = var_of(c, stage);
    ir_set_operand(op, 0, row);
    ir_set_syms(c->s->m, op, IR_ATTR_map, 1, &v);
}

/* Keeps what `read` of `stage` reads for the stages that read it again. */
static void keep_row(const clustering *c, ir_op *stage, ir_op *read) {
    sched *s = c->s;
    ir_op *where, *last = NULL;
    frit_dtype t = (frit_dtype)ir_operand(read, 0)->type.dtype;
    for (ir_op *at = stage, *op = read; (op = again(c, at, read, &where)); at = where) last = where;
    if (!last || !has_one_axis(stage)) return;
    ir_value *row = lent_row(c, last, t);
    sym_t dim = sym_const(s->m->syms, c->n), v = var_of(c, stage);
    int64_t bytes = part_of(c, c->cluster) * frit_dtype_bits(t) / 8;
    if (!row && kept_bytes(c, c->cluster) + bytes > room(c)) return;
    if (!row) row = sched_alloc(s, c->grid->blocks[0], t, 1, &dim);
    if (!row) return;
    for (ir_op *op; (op = again(c, stage, read, &where));) access_row(c, op, where, row);
    ir_builder b = ir_builder_after(s->m, read);
    ir_op *write = ir_build(&b, IR_write, 2, (ir_value *[]){row, ir_result(read, 0)}, 0, NULL);
    ir_set_syms(s->m, write, IR_ATTR_map, 1, &v);
}

static void keep_rows(const clustering *c) {
    for (ir_op *stage = c->grid->blocks[0]->first; stage; stage = stage->next)
        for (ir_op *op = stage->code == IR_stage ? stage->blocks[0]->first : NULL; op; op = op->next)
            if (is_row_read(c, stage, op)) keep_row(c, stage, op);
}

/* ---- The kernel -------------------------------------------------------------------------------------------------- */
static void add_rank(const clustering *c) {
    const sym_t *list;
    sym_t with[IR_MAX_RANK + 1];
    int n = ir_get_syms(c->grid, IR_ATTR_vars, &list);
    memcpy(with, list, (size_t)n * sizeof *with);
    with[n] = c->rank;
    ir_set_syms(c->s->m, c->grid, IR_ATTR_vars, n + 1, with);
    ir_get_syms(c->grid, IR_ATTR_extent, &list);
    memcpy(with, list, (size_t)n * sizeof *with);
    with[n] = sym_const(c->s->m->syms, c->cluster);
    ir_set_syms(c->s->m, c->grid, IR_ATTR_extent, n + 1, with);
}

/* A tile of a contraction is done in parts by as many blocks as the machine has (lower_parts.h), a cluster's or not. */
static bool is_tile(const sched *s, const ir_op *grid) {
    const ir_op *one = s->lim->multiprocessors && grid->blocks[0]->first == grid->blocks[0]->last ? variant_contraction(s->kernel) : NULL;
    return one && schedule_in_tiles(one);
}

bool sched_cluster(sched *s) {
    sym_ctx *sc = s->m->syms;
    clustering c = {.s = s, .grid = s->f->body->first};
    if (!(s->lim->atoms & FRIT_ATOM_CLUSTER) || !s->lim->threads || !c.grid || c.grid != s->f->body->last || c.grid->code != IR_grid || is_tile(s, c.grid) || !grid_fits(&c)) return true;
    c.cluster = blocks_for(&c);
    if (c.cluster == 1) return true;
    c.part = part_of(&c, c.cluster);
    c.rank = sym_index(sc, "rank", sym_const(sc, c.cluster));
    c.base = sym_muli(sc, c.rank, c.part);
    sym_t part = sym_const(sc, c.part);
    c.extent = c.part * c.cluster == c.n ? part : sym_min(sc, part, sym_sub(sc, sym_const(sc, c.n), c.base));
    keep_rows(&c);
    for (ir_op *op = c.grid->blocks[0]->first, *next; op; op = next) {
        next = op->next;
        if (op->code == IR_stage && !settle_writes(&c, op)) return false;
    }
    for (ir_op *op = c.grid->blocks[0]->first; op; op = op->next)
        if (op->code == IR_stage) share_stage(&c, op);
    share_allocs(&c);
    add_rank(&c);
    s->f->cluster = c.cluster;
    return true;
}
