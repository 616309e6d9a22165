/* From a func to a plan: which values are the same for all threads, where pointers stem from, and where every value lives.
 *
 * Uniformity is found by assuming it everywhere and taking it back until nothing changes. Values get room when their op is
 * planned and give it back after their last use in the block that defines them, so that unrolled code stays in the cache. */
#include "exec_internal.h"
#include "ir/atom.h"
#include "ir/scalar.h"
#include <stdlib.h>
#include <string.h>

typedef struct room {
    char *p;
    int64_t bytes;
    struct room *next;
} room;

typedef struct planner {
    exec_kernel *k;
    room *free;
    bool changed;
    VEC(const exec_inst *) insts;
    VEC(exec_root) roots;
    const char *error;
} planner;

static exec_value *value_of(planner *p, const ir_value *v) { return &p->k->values[v->id]; }

static void refuse(planner *p, const ir_op *op, const char *why) {
    if (!p->error) p->error = arena_printf(p->k->a, "kernel %s: %s: %s", p->k->f->name, ir_print_op(p->k->a, op), why);
}

/* ---- Uniformity -------------------------------------------------------------------------------------------------- */
static void vary(planner *p, const ir_value *v) {
    exec_value *x = value_of(p, v);
    if (x->uniform) p->changed = true;
    x->uniform = false;
}
static bool varies(planner *p, const ir_value *v) { return !value_of(p, v)->uniform; }
static void follow(planner *p, const ir_value *v, const ir_value *from) {
    if (varies(p, from)) vary(p, v);
}

static void spread_block(planner *p, const ir_block *b);

static void spread_for(planner *p, const ir_op *op) {
    const ir_block *b = op->blocks[0];
    bool apart = varies(p, ir_operand(op, 0)) || varies(p, ir_operand(op, 1)) || varies(p, ir_operand(op, 2));
    for (int i = 0; i < b->n_args; i++)
        if (apart) vary(p, b->args[i]);
    for (int i = 0; i < op->n_results; i++) follow(p, b->args[1 + i], ir_operand(op, 3 + i));
    spread_block(p, b);
    for (int i = 0; i < op->n_results; i++) {
        follow(p, b->args[1 + i], ir_operand(b->last, i));
        follow(p, ir_result(op, i), b->args[1 + i]);
    }
}

static void spread_if(planner *p, const ir_op *op) {
    for (int arm = 0; arm < 2; arm++) {
        spread_block(p, op->blocks[arm]);
        for (int i = 0; i < op->n_results; i++) {
            if (varies(p, ir_operand(op, 0))) vary(p, ir_result(op, i));
            follow(p, ir_result(op, i), ir_operand(op->blocks[arm]->last, i));
        }
    }
}

static void spread_while(planner *p, const ir_op *op) {
    const ir_block *test = op->blocks[0], *body = op->blocks[1];
    for (int i = 0; i < op->n_results; i++) follow(p, test->args[i], ir_operand(op, i));
    spread_block(p, test);
    bool apart = varies(p, ir_operand(test->last, 0));
    for (int i = 0; i < op->n_results; i++) {
        if (apart) vary(p, test->args[i]), vary(p, body->args[i]), vary(p, ir_result(op, i));
        follow(p, body->args[i], ir_operand(test->last, 1 + i));
        follow(p, ir_result(op, i), ir_operand(test->last, 1 + i));
    }
    spread_block(p, body);
    for (int i = 0; i < op->n_results; i++) follow(p, test->args[i], ir_operand(body->last, i));
}

/* Each thread has its own there. */
static bool is_local(const ir_value *ptr) {
    while (ptr->op && (ptr->op->code == IR_ptradd || ptr->op->code == IR_ptrcast)) ptr = ir_operand(ptr->op, 0);
    return ptr->op && ptr->op->code == IR_local;
}

/* Threads may find different things there. */
static bool is_apart(const planner *p, const ir_value *ptr) {
    return is_local(ptr) || (p->k->cluster > 1 && ptr->type.space != IR_GLOBAL);
}

static void spread_block(planner *p, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) switch (op->code) {
        case IR_tfor: spread_for(p, op); break;
        case IR_tif: spread_if(p, op); break;
        case IR_twhile: spread_while(p, op); break;
        case IR_block_id:
        case IR_cluster_rank:
            if (p->k->cluster > 1) vary(p, ir_result(op, 0));
            break;
        case IR_thread_id:
        case IR_shuffle:
        case IR_atom:
        case IR_wgmma_fence:
        case IR_wgmma:
        case IR_wgmma_wait:
            for (int i = 0; i < op->n_results; i++) vary(p, ir_result(op, i));
            break;
        default:
            if ((op->code == IR_load || op->code == IR_load_lanes) && is_apart(p, ir_operand(op, 0))) vary(p, ir_result(op, 0));
            for (int i = 0; i < op->n_operands; i++)
                for (int j = 0; j < op->n_results; j++) follow(p, ir_result(op, j), ir_operand(op, i));
        }
}

/* ---- Where pointers stem from ------------------------------------------------------------------------------------ */
static void root_block(planner *p, const ir_block *b);

static void share_root(planner *p, const ir_op *op, const ir_value *v, const ir_value *from) {
    if (v->type.kind != IR_PTR) return;
    int *root = &value_of(p, v)->root, other = value_of(p, from)->root;
    if (*root >= 0 && other >= 0 && *root != other) refuse(p, op, "a pointer that may point to one of two buffers");
    if (other >= 0) *root = other;
}

static void root_carried(planner *p, const ir_op *op) {
    int skip = op->code == IR_tfor ? 3 : 0, first = op->code == IR_tfor;
    for (int i = 0; i < op->n_results; i++) {
        for (int b = 0; b < op->n_blocks; b++) share_root(p, op, op->blocks[b]->args[first + i], ir_operand(op, skip + i));
        share_root(p, op, ir_result(op, i), ir_operand(op, skip + i));
    }
    for (int b = 0; b < op->n_blocks; b++) {
        root_block(p, op->blocks[b]);
        int test = op->code == IR_twhile && b == 0;
        for (int i = 0; i < op->n_results; i++) share_root(p, op, ir_result(op, i), ir_operand(op->blocks[b]->last, test + i));
    }
}

static int add_root(planner *p, exec_root r) {
    r.granule = 16;
    vec_push(p->k->a, &p->roots, r);
    return p->roots.len - 1;
}

static int local_root(planner *p, const ir_op *op) {
    const sym_t *size;
    int64_t n = 0;
    if (ir_get_syms(op, IR_ATTR_size, &size) == 1) sym_is_const(size[0], &n);
    exec_root r = {.kind = ROOT_LOCAL, .may_write = true, .bytes = frit_dtype_bytes((frit_dtype)ir_result(op, 0)->type.dtype, n)};
    int64_t stride = (r.bytes + 15) / 16 * 16;
    r.base = arena_alloc(p->k->a, (size_t)(stride * p->k->threads + 16));
    r.written = arena_alloc(p->k->a, (size_t)(stride * p->k->threads / 8 + 16));
    return add_root(p, r);
}

/* A part of the block's shared memory; its cells are those of the whole. */
static int shared_root(planner *p, const ir_op *op) {
    exec_root r = {.kind = ROOT_SHARED, .may_write = true, .start = ir_get_int(op, IR_ATTR_offset, 0)};
    const sym_t *size;
    int64_t n, rest = p->k->f->shared - r.start;
    r.bytes = rest;
    if (ir_get_syms(op, IR_ATTR_size, &size) == 1 && sym_is_const(size[0], &n))
        r.bytes = frit_dtype_bytes((frit_dtype)ir_result(op, 0)->type.dtype, n);
    if (r.start % 16 || r.start < 0 || r.bytes > rest)
        refuse(p, op, "shared memory at an offset that is no multiple of 16, or outside of what the block has");
    return add_root(p, r);
}

static void narrow(planner *p, const ir_value *ptr, int bytes) {
    int root = value_of(p, ptr)->root;
    if (root >= 0 && p->roots.data[root].granule > bytes) p->roots.data[root].granule = bytes;
}

/* Its accesses are of 16 bytes at least, so aligned, but for those of mbarriers. */
static bool takes_chunks(ir_opcode c) {
    return c == IR_wgmma || c == IR_tensor_load || c == IR_tensor_store || c == IR_bulk_load || c == IR_bulk_store || c == IR_tensor_map;
}

static void narrow_access(planner *p, const ir_op *op) {
    for (int i = 0; i < op->n_operands; i++) {
        ir_type t = ir_operand(op, i)->type;
        if (t.kind != IR_PTR || op->code == IR_ptradd || op->code == IR_ptrcast || op->code == IR_cluster_ptr || (takes_chunks(op->code) && t.dtype != FRIT_u64)) continue;
        if (t.space == IR_MAP) continue;
        int bits = (int)frit_dtype_bits((frit_dtype)t.dtype), bytes = bits < 8 ? 1 : bits / 8;
        narrow(p, ir_operand(op, i), bytes);
    }
}

static exec_map *new_map(planner *p, const ir_op *op) {
    exec_map *m = arena_new_of(p->k->a, exec_map);
    const int64_t *box, *swizzle;
    m->rank = op->n_operands / 2;
    m->base = value_of(p, ir_operand(op, 0));
    m->size = m->bytes = (int)frit_dtype_bytes((frit_dtype)ir_result(op, 0)->type.dtype, 1);
    if (ir_get_ints(op, IR_ATTR_box, &box) != m->rank || m->rank > 5 || ir_get_ints(op, IR_ATTR_swizzle, &swizzle) != 1)
        return refuse(p, op, "is no map"), m;
    for (int i = 0; i < m->rank; i++) m->box[i] = box[i], m->bytes *= box[i];
    const int64_t *steps;
    int n = ir_get_ints(op, IR_ATTR_steps, &steps);
    for (int i = 0; i < m->rank; i++) m->step[i] = n == m->rank ? steps[i] : 1;
    m->row = (int)(m->size * box[0]);
    m->swizzle = swizzle[0];
    return m;
}

static void root_block(planner *p, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_tfor || op->code == IR_twhile) root_carried(p, op);
        if (op->code == IR_tif)
            for (int arm = 0; arm < 2; arm++) {
                root_block(p, op->blocks[arm]);
                for (int i = 0; i < op->n_results; i++) share_root(p, op, ir_result(op, i), ir_operand(op->blocks[arm]->last, i));
            }
        if (op->code == IR_local) value_of(p, ir_result(op, 0))->root = local_root(p, op);
        if (op->code == IR_shared) value_of(p, ir_result(op, 0))->root = shared_root(p, op);
        if (op->code == IR_tensor_map) value_of(p, ir_result(op, 0))->map = new_map(p, op);
        if (op->code == IR_ptradd || op->code == IR_ptrcast || op->code == IR_cluster_ptr) share_root(p, op, ir_result(op, 0), ir_operand(op, 0));
        narrow_access(p, op);
    }
}

/* ---- Rooms ------------------------------------------------------------------------------------------------------- */
static char *take_room(planner *p, int64_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    for (room **r = &p->free; *r; r = &(*r)->next)
        if ((*r)->bytes == bytes) {
            char *at = (*r)->p;
            *r = (*r)->next;
            return at;
        }
    char *at = arena_alloc(p->k->a, (size_t)bytes + 64);
    return at + (64 - (uintptr_t)at % 64) % 64;
}

static int64_t room_of(const planner *p, const exec_value *v) { return (int64_t)v->bytes * (v->uniform ? 1 : p->k->threads); }

static void give_room(planner *p, const exec_value *v) {
    room *r = arena_new_of(p->k->a, room);
    *r = (room){v->p, (room_of(p, v) + 63) / 64 * 64, p->free};
    p->free = r;
}

static void join_rooms(planner *p, room *more) {
    room **end = &p->free;
    while (*end) end = &(*end)->next;
    *end = more;
}

static void describe(planner *p, const ir_value *v) {
    exec_value *x = value_of(p, v);
    ir_type t = v->type;
    x->is_ptr = t.kind == IR_PTR;
    x->dtype = (frit_dtype)t.dtype;
    unsigned bits = frit_dtype_bits(x->dtype);
    x->lanes = x->is_ptr ? 1 : t.lanes;
    x->size = x->is_ptr ? 8 : bits < 8 ? 1 : (int)bits / 8;
    x->bytes = x->size * x->lanes;
    x->root = -1;
    x->uniform = true;
}

static void place(planner *p, const ir_value *v) {
    exec_value *x = value_of(p, v);
    x->p = take_room(p, room_of(p, x));
    x->placed = true;
}

/* ---- Instructions ------------------------------------------------------------------------------------------------ */
typedef void (*run_fn)(exec_context *, const exec_inst *);
static const run_fn runs[IR_OPCODE_COUNT] = {
    [IR_tfor] = exec_for, [IR_tif] = exec_if, [IR_twhile] = exec_while, [IR_load] = exec_load, [IR_store] = exec_store,
    [IR_load_lanes] = exec_load_lanes, [IR_store_lanes] = exec_store_lanes, [IR_ptradd] = exec_ptradd,
    [IR_ptrcast] = exec_ptrcast, [IR_splat] = exec_splat, [IR_ramp] = exec_ramp, [IR_extract] = exec_extract,
    [IR_reinterpret] = exec_reinterpret,
    [IR_reduce_lanes] = exec_reduce_lanes, [IR_thread_id] = exec_thread_id, [IR_block_id] = exec_block_id,
    [IR_block_count] = exec_block_count, [IR_barrier] = exec_barrier, [IR_shuffle] = exec_shuffle,
    [IR_copy_async] = exec_copy_async, [IR_copy_commit] = exec_copy_commit, [IR_copy_wait] = exec_copy_wait,
    [IR_atom] = exec_atom_run, [IR_warp_barrier] = exec_warp_barrier, [IR_part_barrier] = exec_part_barrier,
    [IR_fence_async] = exec_fence_async, [IR_mbarrier_init] = exec_mbarrier_init, [IR_mbarrier_arrive] = exec_mbarrier_arrive,
    [IR_mbarrier_wait] = exec_mbarrier_wait, [IR_tensor_map] = exec_tensor_map, [IR_tensor_load] = exec_tensor_load,
    [IR_tensor_store] = exec_tensor_store, [IR_bulk_load] = exec_bulk_load, [IR_bulk_store] = exec_bulk_store,
    [IR_bulk_commit] = exec_bulk_commit, [IR_bulk_wait] = exec_bulk_wait, [IR_wgmma_fence] = exec_wgmma_fence, [IR_wgmma] = exec_wgmma,
    [IR_wgmma_commit] = exec_wgmma_commit, [IR_wgmma_wait] = exec_wgmma_wait, [IR_registers] = exec_registers,
    [IR_cluster_rank] = exec_cluster_rank, [IR_cluster_ptr] = exec_cluster_ptr, [IR_cluster_barrier] = exec_cluster_barrier,
};

static exec_code *plan_block(planner *p, const ir_block *b);

/* Threads wait in b for others than those of their barrier. */
static bool waits(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_mbarrier_wait || op->code == IR_part_barrier || op->code == IR_registers) return true;
        for (int i = 0; i < op->n_blocks; i++)
            if (waits(op->blocks[i])) return true;
    }
    return false;
}

/* A constant is written once, now. */
static void plan_constant(planner *p, const ir_op *op) {
    exec_value *v = value_of(p, ir_result(op, 0));
    const ir_attr *a = ir_attr_get(op, IR_ATTR_value);
    v->p = arena_alloc(p->k->a, (size_t)v->bytes + 16);
    bool nibble = frit_dtype_bits(v->dtype) < 8;
    frit_dtype form = !nibble ? v->dtype : frit_dtype_kind_of(v->dtype) == FRIT_KIND_SINT ? FRIT_i8 : FRIT_u8;
    bool one = a->data.bytes == frit_dtype_bytes(v->dtype, 1);
    for (int i = 0; i < v->lanes; i++) {
        if (nibble) frit_store_int(form, v->p, i, frit_load_int(v->dtype, a->data.p, one ? 0 : i));
        else memcpy(v->p + i * v->size, (const char *)a->data.p + (one ? 0 : i * v->size), (size_t)v->size);
    }
    v->alike = one;
}

bool exec_has_v3(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
    return false;
#endif
}

exec_loop_fn *exec_loop_for(ir_opcode op, frit_dtype in, frit_dtype out) {
    return exec_has_v3() ? exec_loop_v3(op, in, out) : exec_loop_any(op, in, out);
}

static void plan_elementwise(planner *p, const ir_op *op, exec_inst *i) {
    i->fn = exec_elementwise;
    exec_loop *l = arena_new_of(p->k->a, exec_loop);
    frit_dtype in = (frit_dtype)ir_operand(op, op->code == IR_select)->type.dtype;
    l->fn = exec_loop_for(op->code, in, (frit_dtype)ir_result(op, 0)->type.dtype);
    i->loop = l;
    for (int k = 0; k < op->n_operands; k++) /* lanes that are the same for all threads are copied out */
        if (i->in[k]->uniform && !i->in[k]->alike && !i->out->uniform && i->in[k]->lanes > 1)
            i->temp[k] = take_room(p, (int64_t)i->in[k]->bytes * p->k->threads);
}

/* The loop that combines two arrays of lanes. */
static void plan_reduce(planner *p, const ir_op *op, exec_inst *i) {
    static const ir_opcode by[IR_COMBINE_COUNT] = {[IR_SUM] = IR_add, [IR_PROD] = IR_mul, [IR_MAX] = IR_max, [IR_MIN] = IR_min,
                                                   [IR_ANY] = IR_or,  [IR_ALL] = IR_and};
    exec_loop *l = arena_new_of(p->k->a, exec_loop);
    i->number = by[ir_get_int(op, IR_ATTR_combine, IR_SUM)];
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    if (!i->number) refuse(p, op, "combines in a way that lanes can't");
    l->fn = exec_loop_for((ir_opcode)i->number, t, t);
    i->loop = l;
    i->temp[0] = take_room(p, (int64_t)i->in[0]->bytes * p->k->threads);
    i->temp[1] = take_room(p, (int64_t)i->in[0]->bytes * p->k->threads);
}

static int64_t staging(const planner *p, const exec_inst *i) {
    int64_t n = 0;
    for (int r = 0; r < i->op->n_results; r++) n += (room_of(p, i->results[r]) + 63) / 64 * 64;
    return n;
}

static void plan_control(planner *p, const ir_op *op, exec_inst *i) {
    for (int b = 0; b < op->n_blocks; b++) {
        for (int k = 0; k < op->blocks[b]->n_args; k++) place(p, op->blocks[b]->args[k]);
        i->masks[b] = arena_alloc(p->k->a, (size_t)p->k->threads);
    }
    if (!i->masks[1]) i->masks[1] = arena_alloc(p->k->a, (size_t)p->k->threads);
    i->temp[3] = arena_alloc(p->k->a, (size_t)staging(p, i) + 64);
    i->parts = op->code == IR_tif && (waits(op->blocks[0]) || waits(op->blocks[1]));
    room *shared = NULL;
    for (int b = 0; b < op->n_blocks; b++) {
        i->blocks[b] = plan_block(p, op->blocks[b]);
        if (!i->parts) continue; /* blocks that run side by side share no room */
        room *free = p->free;
        p->free = shared;
        shared = free;
    }
    if (i->parts) join_rooms(p, shared);
    for (int b = 0; b < op->n_blocks; b++)
        for (int k = 0; k < op->blocks[b]->n_args; k++) give_room(p, value_of(p, op->blocks[b]->args[k]));
}

static void plan_detail(planner *p, const ir_op *op, exec_inst *i) {
    const char *name = op->code == IR_atom ? ir_get_string(op, IR_ATTR_name) : NULL;
    i->fn = runs[op->code];
    i->align = (int)ir_get_int(op, IR_ATTR_align, 0);
    if (op->code == IR_extract) i->number = ir_get_int(op, IR_ATTR_offset, 0);
    if (op->code == IR_copy_wait) i->number = ir_get_int(op, IR_ATTR_pending, 0);
    if (op->code == IR_copy_async) i->number = ir_get_int(op, IR_ATTR_lanes, 0);
    if (op->code == IR_wgmma_wait || op->code == IR_bulk_wait) i->number = ir_get_int(op, IR_ATTR_pending, 0);
    if (op->code == IR_mbarrier_init || op->code == IR_part_barrier || op->code == IR_registers) i->number = ir_get_int(op, IR_ATTR_count, 0);
    for (int k = 0; k < i->n_in; k++)
        if (i->in[k]->map) i->map = i->in[k]->map;
    if (op->code == IR_tensor_map) i->map = i->out->map;
    if (op->code == IR_atom && !(i->atom = name ? exec_atom_find(name) : NULL)) refuse(p, op, "there is no such atom");
    if (i->atom && ir_product_find(name)) i->product = exec_product_plan(p->k, name);
    if (op->code == IR_splat) i->out->alike = i->out->uniform;
    if (op->n_blocks) plan_control(p, op, i);
    else if (op->code == IR_reduce_lanes) plan_reduce(p, op, i);
    else if (ir_op_flags(op) & IR_F_ELEMENTWISE) plan_elementwise(p, op, i);
    else if (!i->fn) refuse(p, op, "has no meaning in thread code");
}

/* The pointer of `local` and `shared`: the start of their root. */
static void plan_pointer(planner *p, const ir_op *op) {
    exec_value *v = value_of(p, ir_result(op, 0));
    v->p = arena_alloc(p->k->a, 16); /* 0 */
}

static exec_value **values_of(planner *p, const ir_op *op, int skip, int *n) {
    *n = op->n_operands - skip;
    exec_value **v = arena_array(p->k->a, exec_value *, *n + 1);
    for (int i = 0; i < *n; i++) v[i] = value_of(p, ir_operand(op, skip + i));
    return v;
}

static void plan_op(planner *p, const ir_op *op, exec_inst *i) {
    i->op = op;
    i->in = values_of(p, op, 0, &i->n_in);
    i->results = arena_array(p->k->a, exec_value *, op->n_results + 1);
    for (int r = 0; r < op->n_results; r++) {
        place(p, ir_result(op, r));
        i->results[r] = value_of(p, ir_result(op, r));
    }
    i->out = op->n_results ? i->results[0] : NULL;
    plan_detail(p, op, i);
    i->range = exec_range_of(p->k, op);
    for (int k = 0; k < 3; k++)
        if (i->temp[k]) { /* only during the op */
            room *r = arena_new_of(p->k->a, room);
            *r = (room){i->temp[k], (int64_t)i->in[op->code == IR_reduce_lanes ? 0 : k]->bytes * p->k->threads, p->free};
            r->bytes = (r->bytes + 63) / 64 * 64;
            p->free = r;
        }
}

/* The op of block b that holds op. */
static const ir_op *at_level(const ir_op *op, const ir_block *b) {
    while (op && op->parent != b) op = op->parent->op;
    return op;
}

/* Values of b by the op after which nothing reads them: op->mark numbers the block's ops. */
static const ir_op *last_use(const ir_value *v, const ir_op *def) {
    const ir_op *last = def;
    for (const ir_use *u = v->uses; u; u = u->next) {
        const ir_op *at = at_level(u->user, def->parent);
        if (at && at->mark > last->mark) last = at;
    }
    return last;
}

typedef struct leaving {
    const ir_value *v;
    struct leaving *next;
} leaving;

static exec_code *plan_block(planner *p, const ir_block *b) {
    exec_code *c = arena_new_of(p->k->a, exec_code);
    int n = 0;
    for (ir_op *op = b->first; op; op = op->next) op->mark = n++;
    leaving **at = arena_array(p->k->a, leaving *, n + 1);
    c->v = arena_array(p->k->a, exec_inst, n + 1);
    c->n_args = b->n_args;
    c->args = arena_array(p->k->a, exec_value *, b->n_args + 1);
    for (int i = 0; i < b->n_args; i++) c->args[i] = value_of(p, b->args[i]);
    n = 0;
    for (const ir_op *op = b->first; op && !p->error; op = op->next, n++) {
        for (int r = 0; r < op->n_results; r++) {
            const ir_op *last = last_use(ir_result(op, r), op);
            leaving *l = arena_new_of(p->k->a, leaving);
            *l = (leaving){ir_result(op, r), at[last->mark]};
            at[last->mark] = l;
        }
        if (ir_op_flags(op) & IR_F_TERMINATOR) c->yield = values_of(p, op, 0, &c->n_yield);
        else if (op->code == IR_constant) plan_constant(p, op);
        else if (op->code == IR_local || op->code == IR_shared) plan_pointer(p, op);
        else {
            exec_inst *i = &c->v[c->n++];
            i->id = p->insts.len;
            vec_push(p->k->a, &p->insts, i);
            plan_op(p, op, i);
        }
        for (leaving *l = at[n]; l; l = l->next)
            if (value_of(p, l->v)->placed) give_room(p, value_of(p, l->v));
    }
    return c;
}

/* ---- The kernel -------------------------------------------------------------------------------------------------- */
static void describe_block(planner *p, const ir_block *b) {
    for (int i = 0; i < b->n_args; i++) describe(p, b->args[i]);
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_results; i++) describe(p, ir_result(op, i));
        for (int i = 0; i < op->n_blocks; i++) describe_block(p, op->blocks[i]);
    }
}

static void plan_arguments(planner *p) {
    const ir_block *b = p->k->f->body;
    for (int i = 0; i < b->n_args; i++) {
        exec_value *v = value_of(p, b->args[i]);
        v->p = arena_alloc(p->k->a, 16);
        if (v->is_ptr) v->root = add_root(p, (exec_root){.kind = ROOT_GLOBAL, .arg = i});
    }
    if (p->k->f->shared > 0) { /* aligned as little as the rules promise: to 16 bytes */
        p->k->stride = (p->k->f->shared + 15) / 16 * 16;
        char *at = arena_alloc(p->k->a, (size_t)(p->k->stride * p->k->cluster) + 512);
        p->k->shared = at + (256 - (uintptr_t)at % 256) + 16;
    }
}

static bool is_async(ir_opcode c) {
    return c >= IR_warp_barrier && c <= IR_registers; /* the rows of thread.def from one to the other */
}

static bool uses_async(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (is_async(op->code)) return true;
        for (int i = 0; i < op->n_blocks; i++)
            if (uses_async(op->blocks[i])) return true;
    }
    return false;
}

/* Cells of shared memory are the kernel's, of the finest granule that any part needs; those of arguments are lent for a
 * launch. */
static void finish_roots(planner *p) {
    exec_kernel *k = p->k;
    int granule = 16;
    k->n_roots = p->roots.len;
    k->roots = p->roots.data;
    for (int i = 0; i < k->n_roots; i++)
        if (k->roots[i].kind == ROOT_SHARED && k->roots[i].granule < granule) granule = k->roots[i].granule;
    int64_t n_cells = k->stride * k->cluster / granule + 1;
    exec_cell *cells = k->shared_cells = arena_array(k->a, exec_cell, n_cells);
    if (uses_async(k->f->body)) k->clock = exec_clock_new(k, n_cells);
    for (int i = 0; i < k->n_roots; i++) {
        exec_root *r = &k->roots[i];
        exec_set_granule(r, r->kind == ROOT_SHARED ? granule : r->granule);
        if (r->kind != ROOT_SHARED) continue;
        r->base = k->shared + r->start;
        r->cells = cells + r->start / granule;
    }
}

static const char *arguments_wrong(const ir_func *f, int warp) {
    int n = f->body->n_args;
    if (f->level != IR_LEVEL_THREAD || f->threads < 1 || f->threads > 1024) return "is not made for a block of threads";
    if (n < 2 || f->body->args[n - 2]->type.kind != IR_PTR || f->body->args[n - 1]->type.kind == IR_PTR)
        return "does not end in scratch memory and the number of tasks";
    if (f->cluster && (f->threads % warp || f->threads * f->cluster > CELL_THREAD / 2)) return "has clusters of more threads than are followed, or of warps in part";
    return NULL;
}

exec_kernel *exec_kernel_new(ir_func *f, int warp, const diag *d, const char **error) {
    const char *wrong = arguments_wrong(f, warp);
    if (wrong) return *error = arena_printf(f->module->arena, "kernel %s %s", f->name, wrong), NULL;
    arena *a = arena_new();
    exec_kernel *k = arena_new_of(a, exec_kernel);
    *k = (exec_kernel){.a = a, .f = f, .d = d, .block = f->threads, .cluster = f->cluster ? f->cluster : 1, .warp = warp, .epoch = 1};
    k->threads = k->block * k->cluster;
    k->values = arena_array(a, exec_value, f->module->n_values + 1);
    planner p = {.k = k, .changed = true};
    describe_block(&p, f->body);
    plan_arguments(&p);
    while (p.changed) {
        p.changed = false;
        spread_block(&p, f->body);
    }
    root_block(&p, f->body);
    k->ranges = ranges_of(a, f);
    k->body = plan_block(&p, f->body);
    k->n_inst = p.insts.len;
    k->insts = p.insts.data;
    k->seen = arena_alloc(a, (size_t)k->n_inst + 1);
    finish_roots(&p);
    if (!p.error) return k;
    *error = arena_strdup(f->module->arena, p.error);
    arena_free(a);
    return NULL;
}

void exec_kernel_free(exec_kernel *k) {
    if (!k) return;
    free(k->pool);
    arena_free(k->a);
}

int exec_seen(const exec_kernel *k, const ir_op *op) {
    for (int i = 0; i < k->n_inst; i++)
        if (k->insts[i]->op == op) return k->seen[i];
    return EXEC_REACHED;
}

int64_t exec_steps(const exec_kernel *k) { return k->steps; }
