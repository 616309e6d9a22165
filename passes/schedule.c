#include "schedule_flat.h"
#include "schedule_internal.h"
#include "schedule_tiles.h"
#include "variant.h"
#include <string.h>

ir_value *sched_output(const sched *s, int k) {
    return s->f->body->args[s->kernel->n_operands + (s->first != NULL) + k]; /* behind the memory between two launches */
}

void sched_add_var(stage_vars *sv, sym_t var, sym_t extent) {
    for (int i = 0; i < sv->n; i++)
        if (sv->var[i] == var) return; /* a nest and its epilogue may share axes */
    if (sv->n == SCHED_MAX_VARS) return;
    sv->var[sv->n] = var;
    sv->extent[sv->n++] = extent;
}

ir_op *sched_stage(sched *s, ir_block *in, const stage_vars *sv) {
    ir_builder b = ir_builder_at_end(s->m, in);
    b.span = s->span;
    ir_op *op = ir_build(&b, IR_stage, 0, NULL, 0, NULL);
    ir_set_syms(s->m, op, IR_ATTR_vars, sv->n, sv->var);
    ir_set_syms(s->m, op, IR_ATTR_extent, sv->n, sv->extent);
    ir_set_int(s->m, op, IR_ATTR_parallel, sv->n_par);
    emit_block(&s->e, op->blocks[0], s->span);
    return op;
}

ir_block *sched_grid(sched *s, int n, const sym_t *vars, const sym_t *extents) {
    const sym_t *none, *guard;
    for (const ir_op *op = s->f->body->first; op && s->one_task && n == 0; op = op->next)
        if (ir_get_syms(op, IR_ATTR_vars, &none) == 0 && (ir_get_syms(op, IR_ATTR_guard, &guard) ? *guard : NULL) == s->guard)
            return op->blocks[0];
    ir_builder b = ir_builder_at_end(s->m, s->f->body);
    b.span = s->span;
    ir_op *op = ir_build(&b, IR_grid, 0, NULL, 0, NULL);
    ir_set_syms(s->m, op, IR_ATTR_vars, n, vars);
    ir_set_syms(s->m, op, IR_ATTR_extent, n, extents);
    if (s->guard) ir_set_syms(s->m, op, IR_ATTR_guard, 1, &s->guard);
    if (s->n_same) ir_set_syms(s->m, op, IR_ATTR_same, s->n_same, s->same);
    return op->blocks[0];
}

static void note_index(void *u, sym_t var) {
    if (sym_var_role(var) == SYM_INDEX) *(sym_t *)u = var;
}

/* An upper bound of e that no loop or task moves, NULL when none is found. */
static sym_t most_of(sym_ctx *c, sym_t e, int depth) {
    sym_t var = NULL, coef, rest, a, b;
    int64_t k;
    sym_each_var(e, note_index, &var);
    if (!var) return e;
    if (depth > 16) return NULL;
    switch (sym_kind_of(e)) {
    case SYM_MIN:
        a = most_of(c, sym_arg(e, 0), depth + 1), b = most_of(c, sym_arg(e, 1), depth + 1);
        return a && b ? sym_min(c, a, b) : a ? a : b;
    case SYM_MAX:
        a = most_of(c, sym_arg(e, 0), depth + 1), b = most_of(c, sym_arg(e, 1), depth + 1);
        return a && b ? sym_max(c, a, b) : NULL;
    case SYM_FLOORDIV:
        if (!sym_is_const(sym_arg(e, 1), &k) || k <= 0) return NULL;
        a = most_of(c, sym_arg(e, 0), depth + 1);
        return a ? sym_floordiv(c, a, sym_arg(e, 1)) : NULL;
    default: break;
    }
    if (!sym_linear(c, e, var, &coef, &rest) || !sym_is_const(coef, &k)) return NULL;
    sym_t end = k > 0 ? sym_var_hi(var) : sym_var_lo(var);
    return end && !sym_uses(end, var) ? most_of(c, sym_add(c, rest, sym_muli(c, end, k)), depth + 1) : NULL;
}

ir_value *sched_alloc(sched *s, ir_block *in, frit_dtype t, int rank, const sym_t *dims) {
    sym_t most[IR_MAX_RANK];
    for (int d = 0; d < rank; d++)
        if (!(most[d] = most_of(s->m->syms, dims[d], 0))) {
            s->why = "the size of a task's buffer is not known before it runs";
            return NULL;
        }
    ir_builder b = ir_builder_at_end(s->m, in);
    for (b.before = in->first; b.before && b.before->code == IR_alloc;) b.before = b.before->next;
    b.span = s->span;
    ir_type type = ir_buffer(s->m, t, IR_CORE, rank, most);
    return ir_result(ir_build(&b, IR_alloc, 0, NULL, 1, &type), 0);
}

/* ---- Components: outputs that share loops go into one grid ---------------------------------------------------------- */
static bool in_block(const ir_block *b, const ir_value *v) { return v->op && v->op->parent == b; }

/* Marks the loops (reductions, contractions) that v needs with the component's number; a loop that has another
 * component's number makes the two one. */
static void collect_loops(ir_block *b, ir_value *v, int comp, int *parent, bool *has_loops, int depth) {
    if (!in_block(b, v) || depth > 4000) return;
    ir_op *op = v->op;
    bool loops = op->code == IR_reduce || op->code == IR_contract;
    if (op->mark == comp + 1) return;
    if (loops) has_loops[comp] = true;
    if (loops && op->mark) {
        int r = op->mark - 1, c = comp;
        while (parent[r] != r) r = parent[r];
        while (parent[c] != c) c = parent[c];
        parent[r] = c;
    }
    op->mark = comp + 1;
    for (int i = 0; i < op->n_operands; i++) collect_loops(b, ir_operand(op, i), comp, parent, has_loops, depth + 1);
}

static bool same_dims(ir_type a, ir_type b) {
    return a.rank == b.rank && !memcmp(a.dims, b.dims, a.rank * sizeof *a.dims);
}

static int find_root(int *parent, int i) {
    while (parent[i] != i) i = parent[i];
    return i;
}

/* comp[i]: which grid stored value i belongs to. */
static void find_components(sched *s, const sched_out *out, int n, int *comp) {
    ir_block *b = s->block;
    bool *has_loops = arena_array(s->scratch, bool, n + 1);
    for (int i = 0; i < n; i++) comp[i] = i;
    for (ir_op *op = b->first; op; op = op->next) op->mark = 0;
    for (int i = 0; i < n; i++)
        if (in_block(b, out[i].v) && !sched_is_special(out[i].v->op)) collect_loops(b, out[i].v, i, comp, has_loops, 0);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            ir_value *x = out[i].v, *y = out[j].v;
            bool pointwise = in_block(b, x) && in_block(b, y) && !sched_is_special(x->op) && !sched_is_special(y->op);
            if (pointwise && same_dims(x->type, y->type) && !has_loops[i] && !has_loops[j])
                comp[find_root(comp, i)] = find_root(comp, j);
        }
    for (int i = 0; i < n; i++) comp[i] = find_root(comp, i);
    for (ir_op *op = b->first; op; op = op->next) op->mark = 0;
}

int schedule_in_place(const ir_op *kernel, int k) {
    const ir_block *b = kernel->blocks[0];
    const ir_value *v = ir_operand(b->last, k);
    if (!v->op || (v->op->code != IR_insert && v->op->code != IR_scatter)) return -1;
    const ir_value *base = ir_operand(v->op, 0);
    return base->block == b ? base->index : -1;
}

/* What is stored: the kernel's results, with inserts and concats taken apart. */
static int stored_values(sched *s, sched_out **list) {
    ir_op *yield = s->block->last;
    VEC(sched_out) out = {0};
    for (int i = 0; i < yield->n_operands; i++) {
        ir_value *v = ir_operand(yield, i);
        sched_out o = {.v = v, .buffer = sched_output(s, i)};
        if (v->op && v->op->code == IR_concat && in_block(s->block, v)) {
            for (int k = 0; k < v->op->n_operands; k++) {
                o.v = ir_operand(v->op, k), o.via = v->op, o.piece = k;
                vec_push(s->scratch, &out, o);
            }
            continue;
        }
        if (v->op && v->op->code == IR_insert && in_block(s->block, v)) o.v = ir_operand(v->op, 1), o.via = v->op;
        vec_push(s->scratch, &out, o);
    }
    *list = out.data;
    return out.len;
}

/* No stored value before number i is a result of op. */
static bool first_of_op(const sched_out *out, int i, const ir_op *op) {
    while (i-- > 0)
        if (out[i].v->op == op) return false;
    return true;
}

/* Pieces of four bits that meet in a byte are stored by one task. */
static bool shares_bytes(const sched_out *out, int n) {
    for (int i = 0; i < n; i++)
        if (out[i].via && frit_dtype_bits((frit_dtype)out[i].v->type.dtype) < 8) return true;
    return false;
}

static bool schedule_outputs(sched *s) {
    sched_out *out;
    int n = stored_values(s, &out);
    s->one_task = shares_bytes(out, n);
    int *comp = arena_array(s->scratch, int, n + 1);
    find_components(s, out, n, comp);
    for (int root = 0; root < n; root++) {
        if (comp[root] != root) continue;
        sched_out *members = arena_array(s->scratch, sched_out, n);
        int k = 0;
        for (int i = 0; i < n; i++)
            if (comp[i] == root) members[k++] = out[i];
        ir_value *v = members[0].v;
        bool ok;
        if (!in_block(s->block, v)) ok = sched_copy(s, &members[0]);
        else if (sched_is_special(v->op)) ok = !first_of_op(out, root, v->op) || sched_special(s, v->op);
        else ok = sched_nests(s, k, members);
        if (!ok) return false;
    }
    return true;
}

static ir_type as_buffer(ir_module *m, ir_type t) { return ir_buffer(m, (frit_dtype)t.dtype, IR_GLOBAL, t.rank, t.dims); }

/* Grids for one form of the kernel, behind those that are there. */
static bool schedule_form(sched *s, const ir_op *kernel) {
    s->kernel = kernel;
    s->block = kernel->blocks[0];
    s->n_ops = 0;
    for (ir_op *op = s->block->first; op; op = op->next) s->n_ops++;
    s->ops = arena_array(s->scratch, ir_op *, s->n_ops);
    s->n_ops = 0;
    for (ir_op *op = s->block->first; op; op = op->next)
        if (op->code != IR_yield) s->ops[s->n_ops++] = op;
    emit_init(&s->e, s->m, s->scratch);
    for (int i = 0; i < kernel->n_operands; i++) emit_place_identity(&s->e, s->block->args[i], s->f->body->args[i]);
    return schedule_outputs(s);
}

/* A copy of the kernel that may be changed; drop_copy takes it away. */
static ir_op *copy_of(sched *s, const ir_op *kernel) {
    ir_func *f = ir_func_new(s->m, "variant", IR_LEVEL_TENSOR);
    ir_builder b = ir_builder_at_end(s->m, f->body);
    ir_map map = {0};
    return ir_clone(&b, kernel, &map);
}

static void drop_copy(ir_op *copy) {
    ir_func *f = copy->parent->func;
    ir_op_remove(copy);
    ir_func_remove(f);
}

static bool schedule_flat(sched *s, const ir_op *kernel) {
    ir_op *copy = copy_of(s, kernel);
    flat_make(s->m, copy);
    bool ok = schedule_form(s, copy);
    drop_copy(copy);
    return ok;
}

bool sched_with(sched *s, const ir_op *kernel, int n, const sym_t *dims, const sym_t *with) {
    ir_op *copy = copy_of(s, kernel);
    ir_substitute(s->m, copy, n, dims, with);
    bool ok = schedule_form(s, copy);
    drop_copy(copy);
    return ok;
}

/* The kernel with dims known to be 1. */
static bool schedule_variant(sched *s, const ir_op *kernel, int n, const sym_t *dims) {
    sym_t ones[VARIANT_MAX_DIMS];
    for (int i = 0; i < n; i++) ones[i] = sym_const(s->m->syms, 1);
    return sched_with(s, kernel, n, dims, ones);
}

static bool schedule_guarded(sched *s, const ir_op *kernel, sym_t guard, int64_t tasks) {
    s->guard = guard;
    s->sizes.tasks = tasks;
    return schedule_form(s, kernel);
}

/* What attends with a single query is worth a form of its own where its keys are shared out among tasks (schedule_parts.c): those
 * of more queries are made for many rows. False, and nothing made, where they are not. */
static bool schedule_decoding(sched *s, const ir_op *kernel, sym_t *guard) {
    sym_ctx *c = s->m->syms;
    sym_t dims[VARIANT_MAX_DIMS];
    ir_op *before = s->f->body->last;
    int n = s->may_split && s->lim->multiprocessors && !variant_contraction(kernel) ? variant_dims(kernel, c, dims) : 0;
    if (!n) return false;
    s->guard = *guard = variant_guard(c, n, dims);
    bool ok = schedule_variant(s, kernel, n, dims) && s->first;
    while (!ok && s->f->body->last != before) ir_op_remove(s->f->body->last);
    s->guard = NULL;
    s->why = NULL;
    return ok;
}

/* Rows that are whole vectors, and other rows. */
static bool schedule_whole_rows(sched *s, const ir_op *kernel, int n, const sym_t *dims, int64_t lanes) {
    sym_ctx *c = s->m->syms;
    sym_t whole[VARIANT_MAX_DIMS], guard = variant_whole_guard(c, n, dims, lanes);
    variant_whole(c, n, dims, lanes, whole);
    for (int i = 0; i < n; i++) s->same[2 * i] = dims[i], s->same[2 * i + 1] = whole[i];
    s->n_same = 2 * n;
    s->guard = guard;
    bool ok = sched_with(s, kernel, n, dims, whole);
    s->n_same = 0;
    s->guard = sym_sub(c, sym_const(c, 1), guard);
    return ok && schedule_form(s, kernel);
}

/* Tiles as large as they may be, and as small. One row needs no form of its own: a block's matrix instructions take a tile
 * of rows at once, and one row is bound by memory in any form; but see above. */
static bool schedule_block_forms(sched *s, const ir_op *kernel) {
    sym_ctx *c = s->m->syms;
    const ir_op *one = variant_contraction(kernel);
    const schedule_sizes *z = &s->sizes;
    sym_t large = NULL, single = NULL, dims[VARIANT_MAX_DIMS];
    int64_t lanes;
    bool made, ok = sched_rows(s, kernel, &made);
    if (made) return ok;
    int n = variant_rows(kernel, c, false, s->lim->vector_bytes, dims, &lanes);
    if (n) return schedule_whole_rows(s, kernel, n, dims, lanes);
    if (one) {
        int64_t wanted = schedule_wanted_tasks(z, one);
        large = variant_large(one, c, z->packing_rows, schedule_most_cols(z, one), wanted < z->tasks ? wanted : z->tasks / 2);
    }
    if (!large && schedule_decoding(s, kernel, &single)) return schedule_guarded(s, kernel, sym_sub(c, sym_const(c, 1), single), s->sizes.tasks);
    if (!large) return schedule_form(s, kernel);
    return schedule_guarded(s, kernel, large, 0) &&
           schedule_guarded(s, kernel, sym_sub(c, sym_const(c, 1), large), INT64_MAX);
}

/* The general form and, where one is worth having, a variant: see variant.h. */
static bool schedule_forms(sched *s, const ir_op *kernel) {
    sym_ctx *c = s->m->syms;
    sym_t dims[VARIANT_MAX_DIMS];
    if (s->lim->threads) return schedule_block_forms(s, kernel);
    int n = variant_dims(kernel, c, dims);
    if (!n) return schedule_form(s, kernel);
    sym_t guard = variant_guard(c, n, dims);
    s->guard = guard;
    if (!schedule_variant(s, kernel, n, dims)) return false;
    s->guard = sym_sub(c, sym_const(c, 1), guard);
    return schedule_form(s, kernel);
}

/* All index maps, extents and sizes are numbers that 64 bits hold, as far as it can be told. */
static bool is_indexable(sym_ctx *c, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_attrs; i++) {
            const sym_t *v;
            int n = ir_attr_table[op->attrs[i].key].kind == IR_ATTR_SYMS ? ir_get_syms(op, (ir_attr_key)op->attrs[i].key, &v) : 0;
            for (int k = 0; k < n; k++)
                if (sym_kind_of(v[k]) == SYM_INVALID) return false;
        }
        for (int i = 0; i < op->n_results; i++)
            if (op->results[i].type.kind == IR_BUFFER &&
                sym_kind_of(sym_prod(c, op->results[i].type.dims, op->results[i].type.rank)) == SYM_INVALID)
                return false;
        for (int k = 0; k < op->n_blocks; k++)
            if (!is_indexable(c, op->blocks[k])) return false;
    }
    return true;
}

/* Stages have as many loops as lowering knows of. */
static bool has_few_loops(const ir_block *b) {
    const sym_t *vars;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_stage && ir_get_syms(op, IR_ATTR_vars, &vars) > IR_MAX_RANK) return false;
        for (int k = 0; k < op->n_blocks; k++)
            if (!has_few_loops(op->blocks[k])) return false;
    }
    return true;
}

static bool can_be_lowered(sched *s, const ir_func *f) {
    if (!has_few_loops(f->body)) s->why = "it has too many loops";
    else if (!is_indexable(s->m->syms, f->body)) s->why = "its sizes and index maps are too long to compute";
    else return true;
    return false;
}

ir_func *schedule_kernel(ir_module *m, const ir_op *kernel, const char *name, const frit_target_limits *lim,
                         ir_func **first, const char **why) {
    sched s = {.m = m, .scratch = arena_new(), .lim = lim, .span = kernel->span};
    s.sizes = schedule_sizes_of(lim);
    s.may_split = first != NULL;
    s.parts_elements = sym_const(m->syms, 0);
    s.f = ir_func_new(m, name, IR_LEVEL_TILE);
    s.f->span = kernel->span;
    bool flat = flat_is_wanted(kernel, m->syms, lim);
    for (int i = 0; i < kernel->n_operands; i++) {
        const ir_value *arg = kernel->blocks[0]->args[i];
        ir_block_add_arg(m, s.f->body, as_buffer(m, flat ? flat_type(m, arg->type) : arg->type), arg->name);
    }
    for (int i = 0; i < kernel->n_results; i++) {
        const ir_value *r = ir_result(kernel, i);
        ir_block_add_arg(m, s.f->body, as_buffer(m, flat ? flat_type(m, r->type) : r->type), r->name ? r->name : "out");
    }
    bool ok = flat ? schedule_flat(&s, kernel) : schedule_forms(&s, kernel);
    s.kernel = kernel;
    ok = ok && sched_cluster(&s);
    sched_end_launches(&s);
    ok = ok && can_be_lowered(&s, s.f) && (!s.first || can_be_lowered(&s, s.first));
    if (ok) {
        ir_builder b = ir_builder_at_end(m, s.f->body);
        ir_build(&b, IR_return, 0, NULL, 0, NULL);
    } else {
        ir_func_remove(s.f);
        if (s.first) ir_func_remove(s.first);
        if (why) *why = arena_strdup(m->arena, s.why ? s.why : s.e.error ? s.e.error : "no schedule");
    }
    if (first) *first = ok ? s.first : NULL;
    arena_free(s.scratch);
    return ok ? s.f : NULL;
}
