/* What a kernel costs: the bytes that it moves, what it reads or computes again, and its start. */
#include "emit.h"
#include "fuse_internal.h"
#include "region.h"
#include "schedule_tiles.h"
#include "stream.h"

/* What starting a kernel costs, as the bytes that could move in that time: some microseconds. */
enum { LAUNCH_BYTES = 1 << 16 };
/* Floating-point operations from which it matters that all cores have a task. */
enum { MUCH_WORK = 2000000 };
/* Of the flops of a contraction by matrix instructions: how many more a block could do by those of 16 bits than by those of f32 in
 * the time of a byte (of the order of 60 from Ampere and CDNA 2 on). */
enum { WIDE_FLOPS_PER_BYTE = 60 };
/* Operations that are done in the time in which a byte passes to or from memory. */
enum { FLOPS_PER_BYTE = 8 };

typedef VEC(ir_value *) roots;

static int64_t bytes_of(fuser *f, ir_type t) {
    int64_t n = sym_hint(ir_type_elements(f->m, t));
    return n * frit_dtype_bits((frit_dtype)t.dtype) / 8;
}

static double ceil_div(double a, double b) {
    double q = a / b;
    return q <= 1 ? 1 : q;
}

/* How often tasks take contraction n's operand i in all, and how many of its elements a task has, grid variable by grid variable. */
typedef struct takes {
    double times, share; /* share: 1 / the extents of the grid variables that the operand varies along */
} takes;

static takes count_takes(fuser *f, region *r, const nest *n, int i, bool chain) {
    sym_t at[IR_MAX_RANK], red[IR_MAX_RANK], coords[IR_MAX_RANK];
    for (int d = 0; d < n->rank; d++) coords[d] = n->dim[d].expr;
    for (int k = 0; k < n->n_red; k++) red[k] = n->red[k].expr;
    access_reduced(&r->x, n->v->op, i, coords, red, at);
    double rows = (double)(chain ? f->sizes.chain_rows : i ? f->sizes.rows : f->sizes.cols);
    takes t = {1, 1};
    for (int g = r->n_grid - 1; g >= 0; g--) { /* a task covers `rows` of the innermost, like the schedule's cuts */
        bool used = false;
        for (int d = 0; d < ir_operand(n->v->op, i)->type.rank; d++) used |= sym_uses(at[d], r->grid[g]);
        double extent = (double)sym_hint(r->grid_extent[g]);
        if (!used) {
            t.times *= ceil_div(extent, rows);
            rows = extent < rows ? rows / extent : 1;
        } else t.share /= extent;
    }
    return t;
}

/* Bytes that contraction n's operand i is read again for grid variables that it does not vary along, discounted by where
 * it then comes from: the part that neighbouring tasks share stays in a core's cache, or in the one behind it. */
static double reread(fuser *f, region *r, const nest *n, int i, bool chain) {
    double bytes = (double)bytes_of(f, ir_operand(n->v->op, i)->type);
    takes t = count_takes(f, r, n, i, chain);
    double price = bytes * t.share <= (double)f->o->limits->l2_bytes / 2 ? 0.05 : 0.5;
    return price * (t.times - 1) * bytes;
}

/* v is computed from as many elements of fewer bits: weights that are packed, say, which memory should not hold unpacked. */
static bool unpacks(fuser *f, region *r, const ir_value *v, double elements, int depth) {
    enum { DEEPEST = 16 };
    if (!region_inside(r, v) || (depth && region_nest_of(r, v)) || depth == DEEPEST)
        return frit_dtype_bits((frit_dtype)v->type.dtype) < 16 && (double)sym_hint(ir_type_elements(f->m, v->type)) >= elements;
    for (int i = 0; i < v->op->n_operands; i++)
        if (unpacks(f, r, ir_operand(v->op, i), elements, depth + 1)) return true;
    return false;
}

/* Bytes that could move while tasks compute the elements of such an operand again that one kernel before would compute once. An
 * operand of 16 bits that is computed loses its bulk copies to the tiles of matrix instructions as well. */
static double remade(fuser *f, region *r, const nest *n, int i, bool chain) {
    enum { DEAR = 16, DEAR_BULK = 3 };
    ir_value *v = ir_operand(n->v->op, i);
    while (region_inside(r, v) && !region_nest_of(r, v) && ir_op_flags(v->op) & IR_F_VIEW && v->op->n_operands == 1) v = ir_operand(v->op, 0);
    if (!f->o->limits->threads) return 0;
    double elements = (double)sym_hint(ir_type_elements(f->m, v->type)), cost = region_element_cost(r, v);
    bool bulk = frit_dtype_bits((frit_dtype)v->type.dtype) == 16 && schedule_in_tiles(n->v->op) && !unpacks(f, r, v, elements, 0);
    if (cost < (bulk ? DEAR_BULK : DEAR)) return 0;
    return (count_takes(f, r, n, i, chain).times - 1) * elements * cost / FLOPS_PER_BYTE;
}

/* Memory for the values that pass between the nests of a task, which takes on a few of the grid's points. */
static double task_bytes(fuser *f, region *r) {
    const stream *of = stream_choose(r, &f->sizes);
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

/* The values that the kernel's loop nests are made for; also the bytes that it loads and stores, added to *bytes. Empty where
 * it has no nests of its own: all it stores was stored before, or an op with a schedule of its own computes it. */
static roots roots_of(fuser *f, const fuse_io *k, arena *trial, double *bytes) {
    roots r = {0}, inside = {0};
    for (int i = 0; i < k->inputs.len; i++) *bytes += (double)bytes_of(f, k->inputs.data[i]->type);
    for (int i = 0; i < k->outputs.len; i++) {
        ir_value *v = k->outputs.data[i];
        if (v->op->code == IR_insert) v = ir_operand(v->op, 1);
        *bytes += (double)bytes_of(f, v->type);
        if (v->op && sched_is_special(v->op)) return (roots){0};
        if (v->op && v->op->code == IR_concat)
            for (int j = 0; j < v->op->n_operands; j++) vec_push(trial, &r, ir_operand(v->op, j));
        else vec_push(trial, &r, v);
    }
    for (int i = 0; i < r.len; i++)
        for (int j = 0; j < k->ops.len; j++)
            if (r.data[i]->op == k->ops.data[j]) {
                vec_push(trial, &inside, r.data[i]);
                break;
            }
    return inside;
}

/* Operand i of 16 bits is computed in the kernel and rounded by nothing there: it is a factor of 32 bits. */
static bool is_widened(region *r, const ir_value *c, int i) {
    const ir_value *v = ir_operand(c->op, i);
    frit_dtype t = (frit_dtype)v->type.dtype;
    return frit_dtype_is_float(t) && frit_dtype_bits(t) == 16 && region_inside(r, v) && !emit_is_rounded(v);
}

/* Bytes that could move in the time by which products of f32 take longer than those of the 16 bits that the program has. */
static double widening(fuser *f, region *r, const nest *n, double flops) {
    if (!f->o->limits->threads || !(is_widened(r, n->v, 0) || is_widened(r, n->v, 1))) return 0;
    return schedule_in_tiles(n->v->op) ? flops / WIDE_FLOPS_PER_BYTE : 0;
}

/* It is done chunk by chunk, and what passes between its contractions stays with the threads (lower_rows.c). */
static bool stays_in_registers(fuser *f, region *r) {
    const schedule_rows *rows = stream_of_products(r, &f->sizes);
    const stream *s = rows ? stream_choose(r, &f->sizes) : NULL;
    return s && stream_is_narrow(r, s, rows->columns);
}

/* It is done chunk by chunk, for so few rows that tasks share its axis out (schedule_parts.c): there are enough of them. */
static bool is_shared_out(fuser *f, region *r) {
    const stream *s = f->o->limits->threads && f->o->limits->multiprocessors ? stream_choose(r, &f->sizes) : NULL;
    int64_t e;
    if (!s || (sym_is_const(s->extent, &e) && e < SCHEDULE_LEAST_SHARED)) return false;
    for (int i = 0; i < r->nests.len; i++)
        if (r->nests.data[i].kind == NEST_CONTRACT && !schedule_has_few_rows(r->nests.data[i].v->op)) return false;
    return true;
}

/* What a contraction takes longer, in bytes that could move meanwhile, where its result is reduced by rows in the same kernel and so
 * few blocks have rows that most multiprocessors idle; less what starting a second kernel takes there. */
static double idle_beside(fuser *f, region *r, const nest *c, double flops) {
    enum { START = 1 << 24, FLOPS_PER_BYTE_OF_32 = 50, FLOPS_PER_BYTE_OF_16 = 300 };
    const frit_target_limits *l = f->o->limits;
    if (!l->threads || !l->multiprocessors) return 0;
    const ir_value *x = ir_operand(c->v->op, 0);
    if (x->op && x->op->code == IR_cast) x = ir_operand(x->op, 0);
    bool wide = frit_dtype_bits((frit_dtype)x->type.dtype) > 16;
    int64_t rows = f->sizes.stream[wide].rows > 0 ? f->sizes.stream[wide].rows : f->sizes.chain_rows;
    double blocks = ceil_div(region_tasks(r), (double)rows);
    if (blocks >= l->multiprocessors) return 0;
    double lost = flops / (wide ? FLOPS_PER_BYTE_OF_32 : FLOPS_PER_BYTE_OF_16) * (l->multiprocessors / blocks - 1) - START;
    return lost > 0 ? lost : 0;
}

/* What loads and stores do not show of a kernel with contractions: what they read again. < 0 where it should not be one
 * kernel: too few tasks for the work, or more memory a task than there is near it. */
static double contraction_cost(fuser *f, region *r) {
    enum { LEAST_ROWS = 16 }; /* that a kernel by rows of warps has, whatever it is made of */
    bool chain = false; /* some nest has loops within a task: one contraction follows another */
    double cost = 0, flops = 0, tasks = region_tasks(r);
    int contracts = 0;
    const nest *last = NULL;
    for (int i = 0; i < r->nests.len; i++)
        for (int d = 0; d < r->nests.data[i].rank; d++) chain |= r->nests.data[i].dim[d].n_vars > 0;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *c = &r->nests.data[i];
        if (c->kind != NEST_CONTRACT) continue;
        contracts++;
        last = c;
        for (int k = 0; k < 2; k++) cost += reread(f, r, c, k, chain) + remade(f, r, c, k, chain);
        double own = 2 * region_points(c->n_red, c->red) * (double)sym_hint(ir_type_elements(f->m, c->v->type));
        cost += widening(f, r, c, own);
        flops += own;
    }
    if (contracts == 0 || !chain) return cost;
    if (contracts == 1) cost += idle_beside(f, r, last, flops);
    if ((tasks >= LEAST_ROWS && stays_in_registers(f, r)) || is_shared_out(f, r)) return cost;
    if (tasks / (double)f->sizes.chain_rows < (double)f->sizes.least_tasks && flops > MUCH_WORK) return -1;
    return task_bytes(f, r) > most_kept(f->o->limits) ? -1 : cost;
}

/* Elements that the longest row of a task has. */
static double longest_row(const region *r) {
    double longest = 1;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        double row = region_points(n->rank, n->dim) * region_points(n->n_red, n->red);
        if (row > longest) longest = row;
    }
    return longest;
}

/* How many times longer it takes than a machine at work would: a few rows, so long that blocks apart would do them sooner, launches
 * and all. */
static double idle(fuser *f, const region *r) {
    enum { LONG_ROW = 1 << 17 };
    const frit_target_limits *l = f->o->limits;
    double tasks = region_tasks(r), row = longest_row(r);
    if (!l->threads || !l->multiprocessors || row < LONG_ROW || schedule_cluster_holds(l, (int64_t)row)) return 1;
    for (int i = 0; i < r->nests.len; i++)
        if (r->nests.data[i].kind == NEST_CONTRACT) return 1;
    return tasks < l->multiprocessors ? l->multiprocessors / (tasks < 1 ? 1 : tasks) : 1;
}

/* A nest goes along a row, and is no reduction for each of many positions of a task: blocks of a cluster can share its row. */
static bool is_one_row(const nest *n) {
    return n->kind != NEST_CONTRACT && (region_points(n->rank, n->dim) <= 1 || region_points(n->n_red, n->red) <= 1);
}

typedef struct read_nests {
    arena *a;
    VEC(const nest *) list;
} read_nests;

static void mark_read(void *u, nest *n, const sym_t *coords) {
    read_nests *s = u;
    vec_push(s->a, &s->list, n);
}

static bool is_read(const read_nests *s, const nest *n) {
    for (int i = 0; i < s->list.len; i++)
        if (s->list.data[i] == n) return true;
    return false;
}

/* Each task would compute some value whole that it reads a few elements of: at neighbours that its own indices do not tell apart, such
 * as the windows of a dilation. Operands of contractions are made by each task, which reads all of them. */
static bool makes_all_again(fuser *f, region *r) {
    enum { MANY = 1024 }; /* operations an element */
    double elements = 0, tasks = region_tasks(r);
    read_nests packed = {.a = r->x.scratch};
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        elements += (double)sym_hint(ir_type_elements(f->m, n->v->type)) * region_points(n->n_red, n->red);
        if (n->kind == NEST_CONTRACT) region_each_read(r, i, mark_read, &packed);
    }
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        if (n->kind != NEST_MAP || n->output || is_read(&packed, n)) continue;
        if (region_points(n->rank, n->dim) * tasks * (1 + region_element_cost(r, n->v)) > MANY * elements) return true;
    }
    return false;
}

static bool is_open(int n, const nest_axis *axes) {
    for (int d = 0; d < n; d++)
        for (int k = 0; k < axes[d].n_vars; k++)
            if (!sym_is_const(axes[d].extents[k], NULL)) return true;
    return false;
}

static void count_points(fuser *f, const region *r, fuse_weight *w) {
    bool contracts = false, reduces = false;
    double row = longest_row(r);
    w->clusters = schedule_cluster_holds(f->o->limits, (int64_t)row);
    w->grid = region_tasks(r);
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        w->points += (double)sym_hint(ir_type_elements(f->m, n->v->type)) * region_points(n->n_red, n->red);
        w->clusters &= is_one_row(n);
        reduces |= region_points(n->n_red, n->red) >= row;
        w->open |= n->kind == NEST_REDUCE && !is_one_row(n) && (is_open(n->rank, n->dim) || is_open(n->n_red, n->red));
        contracts |= n->kind == NEST_CONTRACT;
    }
    w->open &= !contracts;
    w->clusters &= reduces; /* blocks of a cluster meet for a long reduction; for a short one each can do it on its own */
}

static fuse_weight weigh(fuser *f, const fuse_io *k, arena *trial) {
    fuse_weight w = {.cost = LAUNCH_BYTES, .grid = 1};
    roots wanted = roots_of(f, k, trial, &w.cost);
    if (wanted.len == 0) return w;
    const char *why;
    region *r = region_analyse(f->m, trial, f->o->limits->threads > 0, k->ops.len, k->ops.data, wanted.len, wanted.data, &why);
    if (!r) return (fuse_weight){.cost = -1, .grid = 1};
    double again = contraction_cost(f, r), times = idle(f, r);
    if (again >= 0) again = makes_all_again(f, r) ? -1 : again + region_again(r) / FLOPS_PER_BYTE;
    count_points(f, r, &w);
    region_release(r);
    w.cost = again < 0 ? -1 : w.cost * times + again;
    return w;
}

isomorph_key fuse_kept_key(fuser *f, const isomorph_key *k) {
    isomorph_key copy = *k;
    copy.words = arena_copy(f->scratch, k->words, (size_t)k->n_words * sizeof *k->words);
    return copy;
}

static fuse_weight weight_of(fuser *f, const fuse_io *k) {
    arena *trial = arena_new();
    isomorph_set s = {k->inputs.len, k->ops.len, k->outputs.len, k->inputs.data, k->ops.data, k->outputs.data};
    isomorph_key key = isomorph_key_of(&f->names, trial, &s);
    int known = isomorph_find(&f->costs, &key);
    if (known < 0) {
        sym_place here = sym_here(f->m->syms);
        fuse_weight w = weigh(f, k, trial);
        sym_back(f->m->syms, here);
        known = f->weights.len;
        vec_push(f->scratch, &f->weights, w);
        isomorph_key kept = fuse_kept_key(f, &key);
        isomorph_enter(f->scratch, &f->costs, &kept, known);
    }
    arena_free(trial);
    return f->weights.data[known];
}

double fuse_cost(fuser *f, const fuse_io *k) { return weight_of(f, k).cost; }

bool fuse_loses_tasks(fuser *f, const fuse_io *merged, int a, int b) {
    /* A block does some 2^17 points in the time that several launches take. */
    enum { MANY_POINTS = 1 << 17, FEWER = 4 };
    if (!f->o->limits->threads) return false;
    fuse_weight all = weight_of(f, merged);
    int64_t few = f->o->limits->multiprocessors > f->sizes.least_tasks ? f->o->limits->multiprocessors : f->sizes.least_tasks;
    bool many = all.grid >= (double)few || all.points < MANY_POINTS * all.grid;
    if (all.clusters || (many && !all.open)) return false;
    fuse_io k[2] = {fuse_collect(f, a, -1), fuse_collect(f, b, -1)};
    fuse_weight w[2] = {weight_of(f, &k[0]), weight_of(f, &k[1])};
    return w[w[0].points < w[1].points].grid >= FEWER * all.grid;
}

double fuse_group_cost(fuser *f, int g) {
    if (f->groups.data[g].cost < 0) {
        arena_place here = arena_here(f->trial);
        fuse_io k = fuse_collect(f, g, -1);
        double c = fuse_cost(f, &k);
        f->groups.data[g].cost = c < 0 ? 1e300 : c;
        arena_back(f->trial, here);
    }
    return f->groups.data[g].cost;
}
