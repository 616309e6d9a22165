/* The kernel function around the stages: arguments, task loops over the grids, buffers, sequential loops. */
#include "lower_tile.h"
#include "lower_parts.h"
#include "ranges.h"
#include <stdlib.h>

/* ---- Symbols that the kernel takes as arguments ---- */
typedef struct symbol_set {
    lower *l;
    VEC(sym_t) free, bound;
} symbol_set;

static bool has_symbol(const sym_t *v, int n, sym_t x) {
    for (int i = 0; i < n; i++)
        if (v[i] == x) return true;
    return false;
}

static void add_bound(symbol_set *s, const ir_op *op, ir_attr_key k) {
    const sym_t *v;
    int n = ir_get_syms(op, k, &v);
    for (int i = 0; i < n; i++) vec_push(s->l->scratch, &s->bound, v[i]);
}

static void add_free(void *u, sym_t var) {
    symbol_set *s = u;
    if (!has_symbol(s->bound.data, s->bound.len, var) && !has_symbol(s->free.data, s->free.len, var))
        vec_push(s->l->scratch, &s->free, var);
}

static void add_all(symbol_set *s, int n, const sym_t *v) {
    for (int i = 0; i < n; i++) sym_each_var(v[i], add_free, s);
}

static void collect_block(symbol_set *s, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        add_bound(s, op, IR_ATTR_vars);
        add_bound(s, op, IR_ATTR_idx);
        const sym_t *same;
        for (int i = 0, n = ir_get_syms(op, IR_ATTR_same, &same); i < n; i += 2) vec_push(s->l->scratch, &s->bound, same[i + 1]);
        const ir_attr_key keys[] = {IR_ATTR_extent, IR_ATTR_guard, IR_ATTR_map, IR_ATTR_size};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const sym_t *v;
            int n = ir_get_syms(op, keys[k], &v);
            add_all(s, n, v);
        }
        for (int i = 0; i < op->n_results; i++)
            if (op->results[i].type.kind == IR_BUFFER) add_all(s, op->results[i].type.rank, op->results[i].type.dims);
        for (int i = 0; i < op->n_blocks; i++) collect_block(s, op->blocks[i]);
    }
}

static int by_id(const void *a, const void *b) {
    return sym_var_id(*(const sym_t *)a) - sym_var_id(*(const sym_t *)b);
}

static void collect_symbols(symbol_set *s, const ir_func *k) {
    for (int i = 0; i < k->body->n_args; i++) add_all(s, k->body->args[i]->type.rank, k->body->args[i]->type.dims);
    collect_block(s, k->body);
    if (s->free.len) qsort(s->free.data, (size_t)s->free.len, sizeof *s->free.data, by_id);
}

/* ---- The function ---- */
typedef struct task_range {
    ir_value *begin, *end;
} task_range;

/* parts: buffers before the memory of parts, which is no buffer of the kernel's; -1: there is none. */
static task_range make_args(lower *l, ir_func *f, const ir_func *k, const symbol_set *s, int parts) {
    int n = k->body->n_args + s->free.len + 4;
    sym_t *arg_syms = arena_array(l->m->arena, sym_t, n);
    for (int i = 0; i <= k->body->n_args; i++) {
        if (i == parts) l->parts_arg = ir_block_add_arg(l->m, f->body, ir_ptr(FRIT_u8, IR_GLOBAL), "parts");
        if (i == k->body->n_args || (l->phase == LOWER_PARTS && i == parts)) break;
        const ir_value *b = k->body->args[i];
        if (lower_is_block(l)) vec_push(l->scratch, &l->places, &l->place[b->id]);
        l->ptrs[b->id] = ir_block_add_arg(l->m, f->body, ir_ptr((frit_dtype)b->type.dtype, IR_GLOBAL), b->name);
    }
    l->n_args = l->places.len;
    for (int i = 0; i < s->free.len; i++) {
        sym_t v = s->free.data[i];
        arg_syms[f->body->n_args] = v;
        lower_bind(l, v, ir_block_add_arg(l->m, f->body, ir_vector(FRIT_i64, 1), sym_var_name(v)), 0);
    }
    f->arg_syms = arg_syms;
    bool block = lower_is_block(l);
    l->scratch_arg = ir_block_add_arg(l->m, f->body, ir_ptr(FRIT_u8, block ? IR_GLOBAL : IR_CORE), "scratch");
    task_range r = {NULL, NULL};
    if (!block) r.begin = ir_block_add_arg(l->m, f->body, ir_vector(FRIT_i64, 1), "begin");
    r.end = ir_block_add_arg(l->m, f->body, ir_vector(FRIT_i64, 1), block ? "tasks" : "end");
    return r;
}

static void check_unbound(void *u, sym_t var) {
    const ir_op *op = u;
    if (sym_var_role(var) != SYM_DIM && sym_var_role(var) != SYM_INT) lower_fail(op, "the size of a buffer is not known before the kernel runs");
}

static void lower_local(lower *l, const ir_op *op, sym_t elements) {
    ir_type t = ir_result(op, 0)->type;
    ir_value *p = lower_build(l, 0, IR_local, 0, NULL, ir_ptr((frit_dtype)t.dtype, IR_REGISTER));
    ir_set_syms(l->m, p->op, IR_ATTR_size, 1, &elements);
    ir_set_int(l->m, p->op, IR_ATTR_align, l->lim->vector_bytes);
    l->ptrs[ir_result(op, 0)->id] = p;
}

static void lower_alloc(lower *l, const ir_op *op) {
    sym_ctx *c = l->syms;
    const ir_value *buffer = ir_result(op, 0);
    if (lower_is_block(l)) {
        l->ptrs[buffer->id] = l->place[buffer->id].own ? lower_own_pointer(l, buffer) : lower_placed_pointer(l, buffer);
        return;
    }
    ir_type t = buffer->type;
    sym_t elements = sym_prod(c, t.dims, t.rank);
    int64_t n;
    if (t.space == IR_REGISTER && sym_is_const(elements, &n) && n <= 4096 && frit_dtype_bits((frit_dtype)t.dtype) >= 8) {
        lower_local(l, op, elements);
        return;
    }
    sym_each_var(elements, check_unbound, (void *)op);
    sym_t bits = sym_muli(c, elements, (int64_t)frit_dtype_bits((frit_dtype)t.dtype));
    sym_t at = lower_take_scratch(l, bits);
    ir_value *v[2] = {l->scratch_arg, lower_index(l, at)};
    int depth = lower_depth(l, at);
    ir_value *p = lower_build(l, depth, IR_ptradd, 2, v, l->scratch_arg->type);
    l->ptrs[buffer->id] = lower_build(l, depth, IR_ptrcast, 1, &p, ir_ptr((frit_dtype)t.dtype, IR_CORE));
}

static void lower_list(lower *l, const ir_block *b);

void lower_look_thread_up(lower *l) {
    l->floor = l->depth;
    l->coords.len = l->exchanges.len = l->opaque.len = 0;
    l->thread = sym_index(l->syms, "thread", sym_const(l->syms, l->lim->threads));
    ir_value *id = lower_build(l, l->depth, IR_thread_id, 0, NULL, ir_vector(FRIT_i64, 1));
    lower_bind(l, l->thread, id, l->depth);
}

static void lower_sequential(lower *l, const ir_op *op) {
    const sym_t *vars, *extent;
    if (lower_rows_loop(l, op)) {
        lower_look_thread_up(l);
        return;
    }
    ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    ir_value *to = lower_index(l, extent[0]);
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), to, lower_int(l, FRIT_i64, 1), 0, NULL);
    lower_bind(l, vars[0], loop->blocks[0]->args[0], l->depth);
    lower_touched before = lower_order_state(l);
    bool read = l->merge_read;
    lower_order_touch(l, op->blocks[0]); /* a turn follows another */
    l->merge_read = true;
    if (lower_is_block(l)) lower_look_thread_up(l);
    lower_list(l, op->blocks[0]);
    lower_order_maybe(l, before);
    l->merge_read |= read;
    lower_for_end(l, loop, 0, NULL);
    if (lower_is_block(l)) lower_look_thread_up(l);
}

static void lower_list(lower *l, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        lower_here(l)->span = op->span;
        switch (op->code) {
        case IR_alloc: lower_alloc(l, op); break;
        case IR_for: lower_sequential(l, op); break;
        case IR_stage: lower_stage_op(l, op); break;
        case IR_yield: break;
        default: lower_fail(op, "not an op of a task's block");
        }
    }
}

/* ---- Tasks ---- */
/* A divisor of a block's task: no task has a number of more than 30 bits, so that a larger divisor divides alike. */
static ir_value *divisor(lower *l, sym_t extent, frit_dtype d) {
    int64_t k;
    if (d == FRIT_i64) return lower_index(l, extent);
    if (sym_is_const(extent, &k)) return lower_int(l, d, k < RANGES_MOST_TASKS ? k : RANGES_MOST_TASKS);
    int depth = lower_depth(l, extent);
    return lower_at_most(l, depth, lower_index(l, extent), RANGES_MOST_TASKS, d);
}

static sym_t grid_tasks(lower *l, const ir_op *grid) {
    const sym_t *extent, *guard;
    int n = ir_get_syms(grid, IR_ATTR_extent, &extent);
    sym_t count = ir_get_syms(grid, IR_ATTR_guard, &guard) ? *guard : sym_const(l->syms, 1);
    for (int i = 0; i < n; i++) count = sym_mul(l->syms, count, extent[i]);
    return count;
}

/* The coordinates of task `id` of the grid; carried through the task loop of a core and stepped like an odometer. */
static void first_coordinates(lower *l, ir_value *id, int n, const sym_t *extent, ir_value **v) {
    int64_t lo, most;
    if (n) sym_range(l->syms, extent[0], &lo, &most);
    if (n > 1 && most <= 1) {
        v[0] = lower_int(l, FRIT_i64, 0);
        first_coordinates(l, id, n - 1, extent + 1, v + 1);
        return;
    }
    frit_dtype d = lower_is_block(l) && n > 1 ? FRIT_u32 : FRIT_i64;
    ir_type t = ir_vector(d, 1), i64 = ir_vector(FRIT_i64, 1);
    if (d != FRIT_i64) id = lower_build(l, l->depth, IR_cast, 1, &id, t);
    for (int i = n - 1; i > 0; i--) {
        ir_value *x[2] = {id, divisor(l, extent[i], d)};
        v[i] = lower_build(l, l->depth, IR_mod, 2, x, t);
        id = lower_build(l, l->depth, IR_floordiv, 2, x, t);
    }
    if (n) v[0] = id;
    for (int i = 0; i < n && d != FRIT_i64; i++) v[i] = lower_build(l, l->depth, IR_cast, 1, &v[i], i64);
}

static void next_coordinates(lower *l, int n, const sym_t *extent, ir_value **v) {
    ir_type t = ir_vector(FRIT_i64, 1), b = ir_vector(FRIT_bool, 1);
    ir_value *carry = NULL, *one = lower_int(l, FRIT_i64, 1), *zero = lower_int(l, FRIT_i64, 0);
    for (int i = n - 1; i >= 0; i--) {
        ir_value *x[2] = {v[i], one};
        ir_value *next = lower_build(l, l->depth, IR_add, 2, x, t);
        if (carry) next = lower_build(l, l->depth, IR_select, 3, (ir_value *[]){carry, next, v[i]}, t);
        v[i] = next;
        if (i == 0) return;
        ir_value *y[2] = {next, lower_index(l, extent[i])};
        ir_value *wrap = lower_build(l, l->depth, IR_eq, 2, y, b);
        v[i] = lower_build(l, l->depth, IR_select, 3, (ir_value *[]){wrap, zero, next}, t);
        carry = wrap;
    }
}

/* The grid's tasks are first .. first + count - 1 of the kernel's. */
static void lower_grid(lower *l, const ir_op *op, task_range r, sym_t first, sym_t count, bool alone) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    ir_type t = ir_vector(FRIT_i64, 1);
    ir_value *lo = r.begin, *hi = r.end, **v = arena_array(l->scratch, ir_value *, n + 1);
    if (!alone) {
        ir_value *start = lower_index(l, first), *stop = lower_index(l, sym_add(l->syms, first, count));
        lo = lower_build(l, 0, IR_max, 2, (ir_value *[]){lo, start}, t);
        hi = lower_build(l, 0, IR_min, 2, (ir_value *[]){hi, stop}, t);
        first_coordinates(l, lower_build(l, 0, IR_sub, 2, (ir_value *[]){lo, start}, t), n, extent, v);
    } else {
        first_coordinates(l, lo, n, extent, v);
    }
    ir_op *loop = lower_for(l, lo, hi, lower_int(l, FRIT_i64, 1), n, v);
    for (int i = 0; i < n; i++) lower_bind(l, vars[i], v[i], l->depth);
    lower_list(l, op->blocks[0]);
    next_coordinates(l, n, extent, v);
    lower_for_end(l, loop, n, v);
}

/* ---- Symbols that grids have names of their own for ---- */
/* A grid that has tasks for small sizes alone may as well count in 32 bits. */
static ir_value *value_of_same(lower *l, sym_t var, sym_t own) {
    int64_t most, lo, hi;
    bool bounded = sym_var_hi(own) && sym_is_const(sym_var_hi(own), &most) && most < INT32_MAX;
    sym_range(l->syms, var, &lo, &hi);
    return bounded && hi > most && lower_is_block(l) ? lower_at_most(l, 0, lower_index(l, var), most, FRIT_i64) : lower_index(l, var);
}

static void bind_same(lower *l, const ir_func *k) {
    const sym_t *same;
    for (const ir_op *op = k->body->first; op; op = op->next)
        for (int i = 0, n = ir_get_syms(op, IR_ATTR_same, &same); i < n; i += 2)
            lower_bind(l, same[i + 1], value_of_same(l, same[i], same[i + 1]), 0);
}

/* A grid's formula, for those who launch the kernel. */
static sym_t outside(lower *l, const ir_op *grid, sym_t e) {
    const sym_t *same;
    int n = ir_get_syms(grid, IR_ATTR_same, &same);
    for (int i = 0; i < n; i += 2) e = sym_subst(l->syms, e, 1, &same[i + 1], &same[i]);
    return e;
}

sym_t lower_dim(lower *l, const ir_value *buffer, int d) {
    sym_t e = buffer->type.dims[d];
    for (int i = 0; i < l->n_same; i += 2) e = sym_subst(l->syms, e, 1, &l->same[i], &l->same[i + 1]);
    return e;
}

/* The kernel has two grids, and their guards leave the tasks of one of them (variant.h). */
static bool is_alternative(lower *l, const ir_op *grid, sym_t *guard, bool *holds) {
    const ir_op *one = grid->parent->first, *two = one->next;
    const sym_t *a, *b;
    if (l->phase != LOWER_WHOLE || !two || two->code != IR_grid || (two->next && two->next->code == IR_grid)) return false;
    if (!ir_get_syms(one, IR_ATTR_guard, &a) || !ir_get_syms(two, IR_ATTR_guard, &b)) return false;
    bool second = sym_kind_of(*b) == SYM_MIN; /* has the simpler formula */
    *guard = second ? *b : *a;
    *holds = second == (grid == two);
    return sym_is(sym_add(l->syms, *a, *b), 1);
}

/* This block's tasks of the grid, `count` of the kernel's from `first` on: *from, the first of them counted from there, to *to. */
static void block_range(lower *l, const ir_op *op, sym_t first, sym_t count, bool alone, ir_value **from, ir_value **to) {
    ir_type t = ir_vector(FRIT_i64, 1);
    ir_value *tasks = *to;
    const sym_t *own;
    sym_t guard;
    bool holds;
    *from = l->block;
    bool lone = l->phase == LOWER_WHOLE && ir_get_int(op, IR_ATTR_lone, 0) && ir_get_syms(op, IR_ATTR_guard, &own);
    if (lone || is_alternative(l, op, &guard, &holds)) { /* all tasks, or none */
        ir_value *zero = lower_int(l, FRIT_i64, 0), *some[2];
        if (lone) {
            some[0] = lower_guard(l, *own);
        } else {
            some[0] = lower_index(l, guard), some[1] = zero;
            some[0] = lower_build(l, l->floor, holds ? IR_ne : IR_eq, 2, some, ir_vector(FRIT_bool, 1));
        }
        *to = lower_build(l, l->floor, IR_select, 3, (ir_value *[]){some[0], tasks, zero}, t);
        return;
    }
    if (!alone) {
        ir_value *stop = lower_index(l, sym_add(l->syms, first, count));
        *to = lower_build(l, l->floor, IR_min, 2, (ir_value *[]){tasks, stop}, t);
    }
    if (sym_is(first, 0)) return;
    ir_value *start = lower_index(l, first);
    *from = lower_build(l, l->floor, IR_sub, 2, (ir_value *[]){l->block, start}, t);
    *from = lower_build(l, l->floor, IR_mod, 2, (ir_value *[]){*from, l->block_count}, t);
    *to = lower_build(l, l->floor, IR_sub, 2, (ir_value *[]){*to, start}, t);
}

/* The grid's tasks, those of this block, counted from the grid's `first`: `count` of them, or runs of its parts. */
static void lower_block_grid(lower *l, const ir_op *op, ir_value *tasks, sym_t first, sym_t count, bool alone) {
    lower_parts *parts = lower_parts_of(l, op);
    const sym_t *vars, *extent;
    int n = ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    int floor = l->floor;
    ir_value *from, *to = tasks, **v = arena_array(l->scratch, ir_value *, n + 1);
    block_range(l, op, first, count, alone, &from, &to);
    ir_op *loop = lower_for(l, from, to, l->block_count, 0, NULL), *tiles = NULL;
    ir_value *task = loop->blocks[0]->args[0];
    lower_look_thread_up(l);
    if (l->phase == LOWER_PARTS) {
        tiles = lower_parts_tiles(l, parts, grid_tasks(l, op), &task);
        lower_look_thread_up(l);
    } else if (parts) {
        lower_parts_tile(l, parts, count, task);
    }
    bool raster = lower_raster(l, op, &task, v);
    first_coordinates(l, task, raster ? n - 2 : n, extent, v);
    for (int i = 0; i < n; i++) lower_bind(l, vars[i], v[i], l->depth);
    lower_order_task(l);
    lower_list(l, op->blocks[0]);
    if (l->cluster) lower_cluster_barrier(l); /* before others' memory is used again, or a block leaves */
    if (tiles) lower_for_end(l, tiles, 0, NULL);
    l->floor = floor;
    lower_for_end(l, loop, 0, NULL);
}

/* ---- Blocks ---- */
static ir_value *block_value(lower *l, ir_opcode code) { return lower_build(l, 0, code, 0, NULL, ir_vector(FRIT_i64, 1)); }

static bool has_single_stages(const ir_func *k) {
    for (const ir_op *op = k->body->first; op; op = op->next)
        if (op->code == IR_grid && (op->blocks[0]->first != op->blocks[0]->last || op->blocks[0]->first->code != IR_stage)) return false;
    return true;
}

/* Scratch memory of one block: what the grid that needs most of it needs. Whether a part of the block can copy for the
 * rest is seen on the way. */
static sym_t largest_scratch(lower *l, const ir_func *k) {
    sym_t most = sym_const(l->syms, 0);
    for (const ir_op *op = k->body->first; op; op = op->next) {
        if (op->code != IR_grid) continue;
        l->scratch_used = sym_const(l->syms, 0);
        lower_place_allocs(l, op->blocks[0]);
        l->roles &= lower_contract_has_roles(l);
        most = sym_max(l->syms, most, l->scratch_used);
    }
    return most;
}

/* Bytes of a partial result that threads merge, at most; 0: nothing is reduced. */
static int64_t partial_bytes(const lower *l, const ir_block *b) {
    const sym_t *vars;
    int64_t most = 0, bytes;
    for (const ir_op *op = b->first; op; op = op->next) {
        bool reduces = op->code == IR_stage && ir_get_int(op, IR_ATTR_parallel, 0) < ir_get_syms(op, IR_ATTR_vars, &vars);
        if (reduces && (bytes = lower_sum_bytes(l, op)) > most) most = bytes;
        for (int i = 0; i < op->n_blocks && op->code != IR_stage; i++)
            if ((bytes = partial_bytes(l, op->blocks[i])) > most) most = bytes;
    }
    return most;
}

static void begin_block(lower *l, const ir_func *k) {
    int64_t threads = l->lim->threads, merge = threads * partial_bytes(l, k->body);
    l->warp_bits = 0;
    while (INT64_C(2) << l->warp_bits <= l->lim->warp && INT64_C(2) << l->warp_bits <= threads) l->warp_bits++;
    if (threads > l->lim->warp && merge <= l->lim->shared_bytes / 2) l->merge_bytes = merge;
    l->barriers_at = l->merge_bytes;
    l->cluster_at = l->merge_bytes + lower_tma_bytes(l);
    l->reserved_bytes = l->cluster_at + lower_cluster_bytes(l);
    l->block = block_value(l, IR_block_id);
    l->block_count = block_value(l, IR_block_count);
    l->roles = !l->cluster && lower_tma_bytes(l) > 0 && has_single_stages(k);
    sym_t bytes = largest_scratch(l, k);
    if (!l->roles && lower_tma_bytes(l)) l->shared_bytes = 0, bytes = largest_scratch(l, k);
    for (const ir_op *op = k->body->first; op && lower_tma_bytes(l); op = op->next) {
        if (op->code != IR_grid) continue;
        lower_place_allocs(l, op->blocks[0]);
        lower_contract_maps(l);
        lower_rows_maps(l);
    }
    for (const ir_op *op = k->body->first; op && l->parts_arg; op = op->next) {
        if (op->code != IR_grid) continue;
        lower_place_allocs(l, op->blocks[0]);
        lower_parts_plan(l, op, grid_tasks(l, op));
    }
    if (sym_is(bytes, 0)) return;
    ir_value *x[2] = {l->block, lower_index(l, bytes)};
    x[1] = lower_build(l, 0, IR_mul, 2, x, ir_vector(FRIT_i64, 1));
    x[0] = l->scratch_arg;
    l->block_scratch = lower_build(l, 0, IR_ptradd, 2, x, l->scratch_arg->type);
}

static void lower_all_grids(lower *l, const ir_func *k, task_range r, lower_info *info) {
    sym_ctx *c = l->syms;
    int n_grids = 0;
    for (const ir_op *op = k->body->first; op; op = op->next)
        n_grids += op->code == IR_grid && (l->phase != LOWER_PARTS || lower_parts_of(l, op));
    info->tasks = info->scratch_bytes = sym_const(c, 0);
    for (const ir_op *op = k->body->first; op; op = op->next) {
        if (op->code == IR_return) continue;
        if (op->code != IR_grid) lower_fail(op, "not an op of a kernel's body");
        sym_t count = outside(l, op, grid_tasks(l, op));
        l->n_same = ir_get_syms(op, IR_ATTR_same, &l->same);
        if (l->phase == LOWER_PARTS && !lower_parts_of(l, op)) continue;
        if (l->phase == LOWER_PARTS) count = lower_parts_of(l, op)->runs;
        l->scratch_used = sym_const(c, 0);
        if (lower_is_block(l)) {
            lower_place_allocs(l, op->blocks[0]);
            lower_block_grid(l, op, r.end, info->tasks, count, n_grids == 1);
        } else {
            lower_grid(l, op, r, info->tasks, count, n_grids == 1);
        }
        info->tasks = sym_add(c, info->tasks, count);
        info->scratch_bytes = sym_max(c, info->scratch_bytes, outside(l, op, l->scratch_used));
    }
}

/* Two parts of a block run through the same tasks: warps that multiply, and behind them a warpgroup of which one thread
 * starts the copies. The registers that it can spare go to the others. */
enum { PRODUCERS = 128, PRODUCER_REGISTERS = 56, CONSUMER_REGISTERS = 224 };

static void set_registers(lower *l, int64_t count) {
    ir_set_int(l->m, ir_build(lower_here(l), IR_registers, 0, NULL, 0, NULL), IR_ATTR_count, count);
}

static void lower_roles(lower *l, const ir_func *k, task_range r, lower_info *info) {
    lower_tma_begin(l);
    ir_value *v[2] = {block_value(l, IR_thread_id), lower_int(l, FRIT_i64, l->lim->threads)};
    ir_value *multiplies = lower_build(l, 0, IR_lt, 2, v, ir_vector(FRIT_bool, 1));
    ir_op *parts = ir_build(lower_here(l), IR_tif, 1, &multiplies, 0, NULL);
    for (int i = 0; i < 2; i++) {
        lower_push(l, parts, parts->blocks[i]);
        l->role = i ? LOWER_PRODUCER : LOWER_CONSUMERS;
        set_registers(l, i ? PRODUCER_REGISTERS : CONSUMER_REGISTERS);
        l->floor = l->depth; /* what both used from outside would be in registers of both throughout */
        ir_op *one = i ? lower_if(l, l->is_first) : NULL;
        lower_all_grids(l, k, r, info);
        if (one) lower_if_end(l, one);
        ir_build(lower_here(l), IR_yield, 0, NULL, 0, NULL);
        lower_pop(l);
        l->floor = 0;
    }
    l->role = LOWER_ALL;
}

/* False: nothing of it is done in parts, though it was to be. */
static bool lower_grids(lower *l, const ir_func *k, task_range r, lower_info *info) {
    if (lower_is_block(l)) begin_block(l, k);
    info->parts_bytes = l->parts_bytes;
    info->pieces = lower_parts_pieces(l);
    info->n_pieces = l->parts.len;
    if (l->parts_arg && !l->parts.len) return false;
    if (l->roles) lower_roles(l, k, r, info);
    else lower_all_grids(l, k, r, info);
    return true;
}

ir_func *lower_tile_parts(ir_module *dest, const ir_func *k, const char *name, int n_inputs, lower_phase phase,
                          const frit_target_limits *lim, lower_info *info) {
    arena *scratch = arena_new();
    lower *l = arena_new_of(scratch, lower);
    l->m = dest, l->scratch = scratch, l->syms = k->module->syms, l->lim = lim, l->phase = phase;
    l->parts_bytes = sym_const(l->syms, 0);
    l->cluster = k->cluster;
    l->vals = arena_array(scratch, lower_val, k->module->n_values);
    l->ptrs = arena_array(scratch, ir_value *, k->module->n_values);
    if (lim->threads) l->place = arena_array(scratch, lower_place, k->module->n_values);
    ir_func *f = ir_func_new(dest, name, IR_LEVEL_THREAD);
    *info = (lower_info){.n_inputs = n_inputs};
    f->span = k->span;
    l->scope[0].b = ir_builder_at_end(dest, f->body);
    l->scope[0].serial = l->next_serial++;
    symbol_set s = {.l = l};
    collect_symbols(&s, k);
    task_range r = make_args(l, f, k, &s, phase == LOWER_WHOLE ? -1 : n_inputs);
    bind_same(l, k);
    bool done = lower_grids(l, k, r, info);
    f->threads = lim->threads + (l->roles ? PRODUCERS : 0);
    f->shared = l->shared_bytes;
    f->cluster = l->cluster;
    ir_build(lower_here(l), IR_return, 0, NULL, 0, NULL);
    arena_free(scratch);
    if (!done) ir_func_remove(f);
    return done ? f : NULL;
}

ir_func *lower_tile(ir_module *dest, const ir_func *k, const frit_target_limits *lim, lower_info *info) {
    return lower_tile_parts(dest, k, k->name, -1, LOWER_WHOLE, lim, info);
}
