/* Buffers and launches. Values of the fused function live in package buffers; nothing aliases except where a kernel
 * updates its base in place and no later op reads the base. */
#include "program.h"
#include "package.h"
#include "passes/ranges.h"
#include "passes/schedule.h"
#include "program_kernels.h"
#include <string.h>
#include <time.h>

_Static_assert((int)RANGES_MOST_TASKS == FPK_MAX_GPU_TASKS, "kernels rely on what launches check");

typedef struct placed_kernel {
    const ir_op *op;
    kernel_use use;
} placed_kernel;

typedef struct planner {
    arena *a;
    ir_module *m;
    ir_func *model;
    const program_options *o;
    kernel_set *kernels;
    package *p;
    int *buffer_of;       /* value id -> buffer, -1 */
    int n_ids;
    VEC(placed_kernel) uses; /* every kernel op, in the order of `collect` */
    uint64_t *code_at;    /* kernel of the set -> its blob's place in the variant's code */
    int next_use;
    int n_launches;
    bool seeded;          /* some kernel reads the session's seed */
    const char *error;
} planner;

static bool plan_block(planner *p, ir_block *b);

static sym_t bytes_of(planner *p, ir_type t) {
    sym_ctx *c = p->m->syms;
    sym_t n = ir_type_elements(p->m, t);
    unsigned bits = frit_dtype_bits((frit_dtype)t.dtype);
    return bits >= 8 ? sym_muli(c, n, bits / 8) : sym_ceildiv(c, n, sym_const(c, 8 / bits));
}

static int buffer_of(const planner *p, const ir_value *v) { return v->id < p->n_ids ? p->buffer_of[v->id] : -1; }
static void set_buffer(planner *p, const ir_value *v, int buffer) { p->buffer_of[v->id] = buffer; }
/* Blocks of threads access every buffer in whole vectors. */
static int aligned(planner *p, int buffer) {
    const frit_target_limits *l = &p->o->target->limits;
    if (l->threads) package_align(p->p, buffer, (uint32_t)l->vector_bytes);
    return buffer;
}
static int temp_for(planner *p, ir_type t) { return package_temp(p->p, bytes_of(p, t)); }
static void copy(planner *p, int dst, int src, ir_type t) {
    if (dst != src) package_copy(p->p, package_at(dst), package_at(src), bytes_of(p, t));
}

/* ---- Kernels ----------------------------------------------------------------------------------------------------------- */
static void note_seed(planner *p, const kernel_use *u) {
    for (int i = 0; i < u->n_ints; i++)
        if (u->ints[i] == p->m->seed) p->seeded = true;
}

static bool collect(planner *p, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_kernel) {
            placed_kernel k = {.op = op};
            if (!kernel_set_add(p->kernels, op, &k.use, &p->error)) return false;
            note_seed(p, &k.use);
            vec_push(p->a, &p->uses, k);
            continue;
        }
        for (int i = 0; i < op->n_blocks; i++)
            if (!collect(p, op->blocks[i])) return false;
    }
    return true;
}

static const placed_kernel *use_of(const planner *p, const ir_op *op) {
    for (int i = p->next_use; i < p->uses.len; i++)
        if (p->uses.data[i].op == op) return &p->uses.data[i];
    for (int i = 0; i < p->next_use && i < p->uses.len; i++)
        if (p->uses.data[i].op == op) return &p->uses.data[i];
    return NULL;
}

/* Multiply-adds and other arithmetic of a kernel, for reports. */
static sym_t flops_of(planner *p, const ir_op *kernel) {
    sym_ctx *c = p->m->syms;
    sym_t n = sym_const(c, 0);
    for (const ir_op *op = kernel->blocks[0]->first; op; op = op->next) {
        if (op->n_results != 1) continue;
        sym_t e = ir_type_elements(p->m, ir_result(op, 0)->type);
        const int64_t *axes;
        if (op->code == IR_contract) {
            int k = ir_get_ints(op, IR_ATTR_lhs_contract, &axes);
            for (int i = 0; i < k; i++) e = sym_mul(c, e, ir_operand(op, 0)->type.dims[axes[i]]);
            n = sym_add(c, n, sym_muli(c, e, 2));
        } else if (op->code == IR_reduce) n = sym_add(c, n, ir_type_elements(p->m, ir_operand(op, 0)->type));
        else if (ir_op_flags(op) & IR_F_ELEMENTWISE) n = sym_add(c, n, e);
    }
    return n;
}

static sym_t traffic_of(planner *p, const ir_op *kernel) {
    sym_t n = sym_const(p->m->syms, 0);
    for (int i = 0; i < kernel->n_operands; i++) {
        bool seen = false;
        for (int j = 0; j < kernel->n_results; j++) seen |= schedule_in_place(kernel, j) == i;
        if (!seen) n = sym_add(p->m->syms, n, bytes_of(p, ir_operand(kernel, i)->type));
    }
    for (int j = 0; j < kernel->n_results; j++) {
        ir_value *v = ir_operand(kernel->blocks[0]->last, j);
        if (v->op && v->op->code == IR_insert) v = ir_operand(v->op, 1);
        n = sym_add(p->m->syms, n, bytes_of(p, v->type));
    }
    return n;
}

/* One package kernel per use: the code is shared, the integer arguments and formulas are the use's own. */
static package_kernel package_kernel_of(planner *p, const ir_op *op, const kernel_use *u) {
    const code_kernel *code;
    const code_blob *b = kernel_set_code(p->kernels, u->index, &code);
    const ir_func *thread = kernel_set_at(p->kernels, u->index)->thread;
    package_kernel pk = {.name = ir_get_string(op, IR_ATTR_name),
                         .code_offset = p->code_at[u->index] + (uint64_t)code->offset,
                         .code_size = (uint64_t)(b->size - code->offset),
                         .n_inputs = op->n_operands,
                         .n_outputs = op->n_results,
                         .n_ints = u->n_ints,
                         .ints = u->ints,
                         .n_maps = u->n_maps,
                         .maps = u->maps,
                         .tasks = u->tasks,
                         .scratch = u->scratch,
                         .bytes = traffic_of(p, op),
                         .flops = flops_of(p, op)};
    if (thread->threads) pk.threads = thread->threads, pk.shared = thread->shared, pk.cluster = thread->cluster, pk.entry = code->name;
    if (p->o->locate) pk.file = p->o->locate(p->o->locate_ctx, op->span, &pk.line);
    return pk;
}

/* The launches of a kernel op, of these inputs and outputs. What a kernel in parts keeps between its two is an output of the
 * first and an input of the second; the arithmetic is counted once. */
static void launch_use(planner *p, const ir_op *op, const kernel_use *u, const package_ref *args) {
    int n_in = op->n_operands, n_out = op->n_results;
    package_kernel k = package_kernel_of(p, op, u);
    p->n_launches++;
    if (!u->parts) {
        package_launch(p->p, package_add_kernel(p->p, &k), args);
        return;
    }
    package_kernel first = package_kernel_of(p, op, u->parts);
    package_ref *all = arena_array(p->a, package_ref, n_in + n_out + 1);
    memcpy(all, args, (size_t)n_in * sizeof *all);
    all[n_in] = package_at(package_temp(p->p, u->parts_bytes));
    memcpy(all + n_in + 1, args + n_in, (size_t)n_out * sizeof *all);
    first.n_outputs = 1;
    first.bytes = u->parts_bytes;
    first.flops = sym_const(p->m->syms, 0);
    package_launch(p->p, package_add_kernel(p->p, &first), all);
    k.n_inputs++;
    package_launch(p->p, package_add_kernel(p->p, &k), all);
    p->n_launches++;
}

/* ---- In place ---------------------------------------------------------------------------------------------------------- */
static bool before(const ir_op *a, const ir_op *b) { /* same block */
    for (const ir_op *x = a->next; x; x = x->next)
        if (x == b) return true;
    return false;
}

/* The op of block b that `op` is or is nested in. */
static const ir_op *at_level(const ir_op *op, const ir_block *b) {
    while (op && op->parent != b) op = op->parent->op;
    return op;
}

static bool read_after(const ir_value *v, const ir_op *op) {
    for (const ir_use *u = v->uses; u; u = u->next) {
        const ir_op *user = at_level(u->user, op->parent);
        if (u->user != op && (!user || before(op, user))) return true;
    }
    return false;
}

/* The value, or what later kernels make of it in place, is written back to the state. */
static bool reaches_write(const ir_value *v, const char *path) {
    for (const ir_use *u = v->uses; u; u = u->next) {
        if (u->user->code == IR_state_write && !strcmp(ir_get_string(u->user, IR_ATTR_path), path)) return true;
        if (u->user->code != IR_kernel) continue;
        for (int k = 0; k < u->user->n_results; k++) {
            int base = schedule_in_place(u->user, k);
            if (base >= 0 && ir_operand(u->user, base) == v && reaches_write(ir_result(u->user, k), path)) return true;
        }
    }
    return false;
}

/* Where the elements of `base` come from, through updates in place. */
static const ir_value *root_of(const ir_value *v) {
    while (v->op && v->op->code == IR_kernel) {
        int base = schedule_in_place(v->op, v->index);
        if (base < 0) return v;
        v = ir_operand(v->op, base);
    }
    return v;
}

static bool update_in_place(planner *p, const ir_op *kernel, int k, int operand) {
    const ir_value *base = ir_operand(kernel, operand);
    if (read_after(base, kernel)) return false;
    const ir_block *body = kernel->blocks[0];
    const ir_value *arg = body->args[operand];
    for (const ir_use *u = arg->uses; u; u = u->next) /* other reads inside the same kernel would race */
        if (u->user != ir_operand(body->last, k)->op || u != &u->user->operands[0]) return false;
    for (int i = 0; i < kernel->n_operands; i++)
        if (i != operand && buffer_of(p, ir_operand(kernel, i)) == buffer_of(p, base)) return false;
    const ir_value *root = root_of(base);
    if (root->op) {
        if (root->op->code == IR_state_read)
            return base->op->parent == kernel->parent && reaches_write(ir_result(kernel, k), ir_get_string(root->op, IR_ATTR_path));
        if (program_at_load(p->m, base->op)) return false; /* later runs read it again */
        return base->op->code == IR_kernel && base->op->parent == kernel->parent && buffer_of(p, base) >= 0;
    }
    return base->block == kernel->parent && base->block->op; /* a value that the enclosing loop carries */
}

/* ---- Ops --------------------------------------------------------------------------------------------------------------- */
/* The output buffer that a value goes to directly, or -1: it is returned once, and made at the top level. */
static int wanted_output(planner *p, const ir_value *v) {
    const ir_op *ret = p->model->body->last;
    if (v->op->parent != p->model->body) return -1;
    for (int i = 0; i < ret->n_operands; i++)
        if (ir_operand(ret, i) == v) return aligned(p, package_output_buffer(p->p, i));
    return -1;
}

static bool launch(planner *p, const ir_op *op, int packed_results) {
    const placed_kernel *u = use_of(p, op);
    int n_in = op->n_operands, n_out = op->n_results;
    package_ref *args = arena_array(p->a, package_ref, n_in + n_out);
    for (int i = 0; i < n_in; i++) {
        int b = buffer_of(p, ir_operand(op, i));
        if (b < 0) return p->error = "a kernel reads a value that nothing made", false;
        args[i] = package_at(b);
    }
    for (int k = 0; k < n_out; k++) {
        ir_value *v = ir_result(op, k);
        int operand = schedule_in_place(op, k), b;
        if (operand >= 0 && update_in_place(p, op, k, operand)) b = buffer_of(p, ir_operand(op, operand));
        else {
            b = packed_results ? package_packed(p->p, bytes_of(p, v->type)) : wanted_output(p, v);
            if (b < 0) b = temp_for(p, v->type);
            if (operand >= 0) copy(p, b, buffer_of(p, ir_operand(op, operand)), v->type);
        }
        set_buffer(p, v, b);
        args[n_in + k] = package_at(b);
    }
    launch_use(p, op, &u->use, args);
    /* a data-dependent length is known now */
    const ir_op *yield = op->blocks[0]->last;
    for (int k = 0; k < n_out; k++) {
        const ir_value *v = ir_operand(yield, k);
        const sym_t *counter;
        if (v->op && v->op->code == IR_compact && v->index == 1 && ir_get_syms(v->op, IR_ATTR_counter, &counter) == 1)
            package_read(p->p, counter[0], package_at(buffer_of(p, ir_result(op, k))));
    }
    return true;
}

static int global_index(const planner *p, const ir_op *op) {
    return ir_global_find(p->m, ir_get_string(op, IR_ATTR_path))->number;
}

static int state_buffer(planner *p, const ir_op *op) {
    return aligned(p, package_state_buffer(p->p, global_index(p, op)));
}

static bool writes_state(const ir_op *op, const char *path) {
    if (op->code == IR_state_write) return !strcmp(ir_get_string(op, IR_ATTR_path), path);
    for (int i = 0; i < op->n_blocks; i++)
        for (const ir_op *x = op->blocks[i]->first; x; x = x->next)
            if (writes_state(x, path)) return true;
    return false;
}

/* Some use of the state's value comes after a write to the same state, or among the ops of a nested block that writes. */
static bool outlives_write(const ir_op *read) {
    const char *path = ir_get_string(read, IR_ATTR_path);
    const ir_value *v = ir_result(read, 0);
    for (const ir_op *op = read->next; op; op = op->next) {
        if (!writes_state(op, path)) continue;
        if (read_after(v, op)) return true;
        for (const ir_use *u = v->uses; u && op->n_blocks; u = u->next)
            if (at_level(u->user, op->parent) == op) return true;
    }
    return false;
}

static void state_read(planner *p, const ir_op *op) {
    ir_value *v = ir_result(op, 0);
    int b = state_buffer(p, op);
    if (outlives_write(op)) {
        int t = temp_for(p, v->type);
        copy(p, t, b, v->type);
        b = t;
    }
    set_buffer(p, v, b);
}

/* Block results that a loop or if carries go to the buffers `to`; values that another carried buffer still needs are
 * set aside first. */
static void store_yield(planner *p, const ir_op *yield, int first, int n, const int *to) {
    int *from = arena_array(p->a, int, n + 1);
    for (int i = 0; i < n; i++) {
        from[i] = buffer_of(p, ir_operand(yield, first + i));
        for (int j = 0; j < i; j++)
            if (from[i] == to[j] && from[i] != to[i]) { /* overwritten before it is read */
                int t = temp_for(p, ir_operand(yield, first + i)->type);
                from[i] = -1 - t;
            }
    }
    for (int i = 0; i < n; i++)
        if (from[i] < 0) {
            int t = -1 - from[i];
            copy(p, t, buffer_of(p, ir_operand(yield, first + i)), ir_operand(yield, first + i)->type);
            from[i] = t;
        }
    for (int i = 0; i < n; i++) copy(p, to[i], from[i], ir_operand(yield, first + i)->type);
}

static int *carried(planner *p, const ir_op *op, int first, ir_block *b) {
    int n = op->n_operands - first, *to = arena_array(p->a, int, n + 1);
    for (int i = 0; i < n; i++) {
        ir_value *v = ir_operand(op, first + i);
        to[i] = temp_for(p, v->type);
        package_keep(p->p, to[i]);
        copy(p, to[i], buffer_of(p, v), v->type);
        set_buffer(p, b->args[i], to[i]);
    }
    return to;
}

static bool plan_loop(planner *p, ir_op *op) {
    const sym_t *counter, *extent;
    ir_get_syms(op, IR_ATTR_counter, &counter);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    int *to = carried(p, op, 0, op->blocks[0]);
    package_loop(p->p, counter[0], extent[0]);
    if (!plan_block(p, op->blocks[0])) return false;
    store_yield(p, op->blocks[0]->last, 0, op->n_operands, to);
    package_end(p->p);
    for (int i = 0; i < op->n_results; i++) set_buffer(p, ir_result(op, i), to[i]);
    return true;
}

/* Evaluates the condition block into `flag`. */
static bool plan_condition(planner *p, ir_block *b, int flag) {
    if (!plan_block(p, b)) return false;
    copy(p, flag, buffer_of(p, ir_operand(b->last, 0)), ir_operand(b->last, 0)->type);
    return true;
}

static bool plan_while(planner *p, ir_op *op) {
    int *to = carried(p, op, 0, op->blocks[1]);
    for (int i = 0; i < op->n_operands; i++) set_buffer(p, op->blocks[0]->args[i], to[i]);
    int flag = package_temp(p->p, sym_const(p->m->syms, 1));
    package_keep(p->p, flag);
    if (!plan_condition(p, op->blocks[0], flag)) return false;
    package_while(p->p, package_at(flag));
    if (!plan_block(p, op->blocks[1])) return false;
    store_yield(p, op->blocks[1]->last, 0, op->n_operands, to);
    if (!plan_condition(p, op->blocks[0], flag)) return false;
    package_end(p->p);
    for (int i = 0; i < op->n_results; i++) set_buffer(p, ir_result(op, i), to[i]);
    return true;
}

static bool plan_if(planner *p, ir_op *op) {
    int *to = arena_array(p->a, int, op->n_results + 1);
    for (int i = 0; i < op->n_results; i++) to[i] = temp_for(p, ir_result(op, i)->type);
    package_if(p->p, package_at(buffer_of(p, ir_operand(op, 0))));
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < op->blocks[k]->n_args; i++)
            set_buffer(p, op->blocks[k]->args[i], buffer_of(p, ir_operand(op, i + 1)));
        if (!plan_block(p, op->blocks[k])) return false;
        store_yield(p, op->blocks[k]->last, 0, op->n_results, to);
        if (k == 0) package_else(p->p);
    }
    package_end(p->p);
    for (int i = 0; i < op->n_results; i++) set_buffer(p, ir_result(op, i), to[i]);
    return true;
}

static bool plan_op(planner *p, ir_op *op) {
    switch (op->code) {
    case IR_param:
        set_buffer(p, ir_result(op, 0), aligned(p, package_param_buffer(p->p, global_index(p, op))));
        return true;
    case IR_constant: {
        const ir_attr *a = ir_attr_get(op, IR_ATTR_value);
        set_buffer(p, ir_result(op, 0), package_constant(p->p, a->data.p, (uint64_t)a->data.bytes));
        return true;
    }
    case IR_state_read: state_read(p, op); return true;
    case IR_state_write: copy(p, state_buffer(p, op), buffer_of(p, ir_operand(op, 0)), ir_operand(op, 0)->type); return true;
    case IR_kernel:
        if (buffer_of(p, ir_result(op, 0)) >= 0 && op->parent == p->model->body) return true; /* made by the load program */
        return launch(p, op, 0);
    case IR_loop: return plan_loop(p, op);
    case IR_while: return plan_while(p, op);
    case IR_if: return plan_if(p, op);
    case IR_yield:
    case IR_return: return true;
    default:
        p->error = arena_printf(p->a, "no kernel computes %s", ir_op_table[op->code].name);
        return false;
    }
}

static bool plan_block(planner *p, ir_block *b) {
    for (ir_op *op = b->first; op; op = op->next)
        if (!plan_op(p, op)) return false;
    return true;
}

/* ---- The load program ------------------------------------------------------------------------------------------------- */
static bool plan_load(planner *p) {
    bool begun = false;
    for (ir_op *op = p->model->body->first; op; op = op->next) {
        if (op->code == IR_param || op->code == IR_constant) {
            if (!plan_op(p, op)) return false;
            continue;
        }
        if (!program_at_load(p->m, op)) continue;
        if (!begun) package_load(p->p);
        begun = true;
        int launches = p->n_launches;
        if (!launch(p, op, 1)) return false;
        p->n_launches = launches;
    }
    return true;
}

/* ---- The package ------------------------------------------------------------------------------------------------------- */
static const char *result_name(const planner *p, int i) {
    const ir_func *f = p->model;
    const ir_value *v = ir_operand(f->body->last, i);
    if (f->result_names && f->result_names[i]) return f->result_names[i];
    if (f->body->last->n_operands == 1) return "output";
    return v->name ? arena_printf(p->a, "%s_%d", v->name, i) : arena_printf(p->a, "output_%d", i);
}

static void describe(planner *p) {
    ir_func *f = p->model;
    for (int i = 0; i < f->body->n_args; i++) {
        const ir_value *v = f->body->args[i];
        package_input(p->p, v->name ? v->name : arena_printf(p->a, "input_%d", i), (frit_dtype)v->type.dtype, v->type.rank,
                      v->type.dims, f->arg_syms ? f->arg_syms[i] : NULL);
    }
    const ir_op *ret = f->body->last;
    for (int i = 0; i < ret->n_operands; i++) {
        ir_type t = ir_operand(ret, i)->type;
        package_output(p->p, result_name(p, i), (frit_dtype)t.dtype, t.rank, t.dims);
    }
    for (int i = 0; i < p->m->globals.len; i++) {
        const ir_global *g = p->m->globals.data[i];
        if (g->is_state) {
            package_state(p->p, g->path, (frit_dtype)g->type.dtype, g->type.rank, g->type.dims);
            continue;
        }
        int n = package_param(p->p, g->path, (frit_dtype)g->type.dtype, g->type.rank, g->type.dims);
        const void *data;
        const char *file;
        uint64_t bytes, offset;
        if (!p->o->weight || !p->o->weight(p->o->weight_ctx, g->path, &data, &bytes)) continue;
        if (p->o->beside && p->o->beside(p->o->weight_ctx, g->path, &file, &offset))
            package_param_beside(p->p, n, file, offset, data, bytes);
        else
            package_param_inside(p->p, n, data, bytes);
    }
    for (int i = 0; i < p->m->checks.len; i++) {
        const ir_check *c = &p->m->checks.data[i];
        uint32_t line = 0;
        const char *file = p->o->locate ? p->o->locate(p->o->locate_ctx, c->span, &line) : NULL;
        package_check(p->p, c->op, c->lhs, c->rhs, c->text, file, line);
    }
}

static void return_values(planner *p) {
    const ir_op *ret = p->model->body->last;
    for (int i = 0; i < ret->n_operands; i++) {
        const ir_value *v = ir_operand(ret, i);
        copy(p, package_output_buffer(p->p, i), buffer_of(p, v), v->type);
    }
}

static bool plan_states(planner *p) {
    int n = 0;
    for (int i = 0; i < p->m->globals.len; i++) {
        ir_global *g = p->m->globals.data[i];
        if (!g->is_state) continue;
        package_init(p->p, n);
        if (!plan_block(p, g->init->body)) return false;
        const ir_value *v = ir_operand(g->init->body->last, 0);
        copy(p, package_state_buffer(p->p, n), buffer_of(p, v), v->type);
        n++;
    }
    return true;
}

static bool build(planner *p, program *out) {
    if (!collect(p, p->model->body)) return false;
    for (int i = 0; i < p->m->globals.len; i++)
        if (p->m->globals.data[i]->is_state && !collect(p, p->m->globals.data[i]->init->body)) return false;
    kernel_set_times(p->kernels, &out->schedule_ms, &out->lower_ms);
    if (p->o->stop < PROGRAM_CODE) return true;
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    if (!kernel_set_compile(p->kernels, p->o->workers, &p->error)) return false;
    clock_gettime(CLOCK_MONOTONIC, &t1);
    out->compile_ms = (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6;
    if (p->o->stop < PROGRAM_PACKAGE) return true;

    p->n_ids = p->m->n_values;
    p->buffer_of = arena_array(p->a, int, p->n_ids);
    memset(p->buffer_of, -1, sizeof(int) * (size_t)p->n_ids);
    p->p = package_new(p->a, p->m->syms, p->model->name, p->model->doc);
    describe(p);
    if (p->seeded) package_seed(p->p, p->m->seed);
    uint32_t arch;
    uint64_t features;
    p->o->target->cls->needs(p->o->target, &arch, &features);
    package_target(p->p, p->o->target->string, (fpk_arch)arch, features);
    int n = kernel_set_count(p->kernels);
    p->code_at = arena_array(p->a, uint64_t, n + 1);
    for (int i = 0; i < n; i++) { /* kernels of one blob share its place */
        const code_kernel *code;
        const code_blob *b = kernel_set_code(p->kernels, i, &code);
        int same = 0;
        while (same < i && kernel_set_code(p->kernels, same, &code) != b) same++;
        p->code_at[i] = same < i ? p->code_at[same]
                                 : package_code(p->p, b->bytes, (uint64_t)b->size, (uint64_t)b->align);
    }
    for (int i = 0; i < p->model->body->n_args; i++) set_buffer(p, p->model->body->args[i], aligned(p, package_input_buffer(p->p, i)));
    if (!plan_load(p)) return false;
    package_main(p->p);
    p->n_launches = 0;
    if (!plan_block(p, p->model->body)) return false;
    return_values(p);
    if (!plan_states(p)) return false;
    const char *why = NULL;
    if (!package_finish(p->p, &out->bytes, &out->n_bytes, &why)) return p->error = why, false;
    out->n_launches = p->n_launches;
    return true;
}

const program *program_build(arena *a, ir_func *model, const program_options *o, const char **error) {
    planner p = {.a = a, .m = model->module, .model = model, .o = o};
    program *out = arena_new_of(a, program);
    p.kernels = kernel_set_new(a, p.m, o->target);
    if (!build(&p, out)) {
        *error = p.error ? p.error : "no program";
        return NULL;
    }
    out->tiles = kernel_set_tiles(p.kernels);
    out->threads = kernel_set_threads(p.kernels);
    out->n_kernels = kernel_set_count(p.kernels);
    program_kernel *list = arena_array(a, program_kernel, out->n_kernels + 1);
    for (int i = 0; i < out->n_kernels; i++) {
        const code_kernel *code;
        list[i] = *kernel_set_at(p.kernels, i);
        if (!p.code_at) continue;
        kernel_set_code(p.kernels, i, &code);
        list[i].code_offset = p.code_at[i] + (uint64_t)code->offset;
    }
    out->kernels = list;
    return out;
}
