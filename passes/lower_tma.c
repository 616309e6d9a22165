/* Operands of contractions that are boxes of tensors in memory, copied to shared memory by the target's copy engine
 * (ir/thread.def, tensor_map and tensor_load) in the layout of lower_wgmma.c. One thread of the block starts the copies of
 * a chunk and tells the buffer's mbarrier of their bytes; all threads wait for it. Every buffer has an mbarrier of its own,
 * which serves all contractions of the kernel; each thread remembers which phase of each is next, a bit an mbarrier.
 * Where the thread that starts copies is of a part of the block that does nothing else (lower_tile.h), a second mbarrier of
 * each buffer tells it that all warps are done with the buffer.
 *
 * A box lies along two axes of the tensor: the reduced one, and one along the operand's side. What lies outside of the
 * tensor becomes zeros; what lies outside of the contraction must be rows of the tile that the epilogue drops, or zeros. */
#include "lower_contract.h"

enum { BUFFERS = 4, BARRIERS = 2 * BUFFERS, ROW_BYTES = 128, MOST_BOX = 256, MOST_AXES = 5 };

int64_t lower_tma_bytes(const lower *l) {
    bool both = (l->lim->atoms & FRIT_ATOM_TMA) && (l->lim->atoms & FRIT_ATOM_WGMMA);
    return both ? BARRIERS * (int64_t)sizeof(uint64_t) : 0;
}

/* ---- Planning ---- */
/* The one coordinate of the read that moves along var, by one element a step; -1: none, or more. */
static int axis_of(lower *l, int rank, const sym_t *map, sym_t var) {
    sym_t coef, rest;
    int axis = -1;
    for (int d = 0; d < rank; d++) {
        if (!sym_uses(map[d], var)) continue;
        if (axis >= 0 || !sym_linear(l->syms, map[d], var, &coef, &rest) || !sym_is(coef, 1)) return -1;
        axis = d;
    }
    return axis;
}

static bool is_written(const ir_value *buffer) {
    for (const ir_use *u = buffer->uses; u; u = u->next)
        if (u->user->code == IR_write && ir_operand(u->user, 0) == buffer) return true;
    return false;
}

/* Beyond the last reduced position there are zeros: no chunk is ragged, or the tensor ends there too. */
static bool ends_in_zeros(lower *l, const lower_contract *p, const lower_operand *o, sym_t coordinate, sym_t dim) {
    sym_t k = p->k.var[0], extent = p->k.extent[0];
    return sym_prove_multiple(l->syms, extent, p->chunk) || (coordinate == k && extent == dim);
}

/* The tensor's axes, the contiguous one first; of those of one element only the two that are moved along. */
static void choose_axes(lower_operand *o, const ir_value *buffer) {
    o->n_box = 0;
    for (int d = buffer->type.rank - 1; d >= 0; d--) {
        if (d != o->k_axis && d != o->x_axis && sym_is(buffer->type.dims[d], 1)) continue;
        if (o->n_box < MOST_AXES) o->box_axis[o->n_box] = d;
        o->n_box++;
    }
}

/* Elements from one position to the next along each of the box's axes. */
static sym_t stride_of(lower *l, const ir_value *buffer, int axis) {
    sym_t e = sym_const(l->syms, 1);
    for (int d = axis + 1; d < buffer->type.rank; d++) e = sym_mul(l->syms, e, buffer->type.dims[d]);
    return e;
}

void lower_tma_plan(lower *l, const lower_contract *p, lower_operand *o) {
    const ir_op *op = o->v->op;
    const sym_t *map;
    int64_t size = (int64_t)frit_dtype_bits(o->t) / 8;
    if (!lower_tma_bytes(l) || !op || op->code != IR_read || op->n_operands > 1 || ir_has(op, IR_ATTR_checked)) return;
    const ir_value *buffer = ir_operand(op, 0);
    bool argument = l->ptrs[buffer->id] && !l->ptrs[buffer->id]->op;
    if (!argument || is_written(buffer) || o->axes.n != 1 || p->k.n != 1 || p->chunk * size != ROW_BYTES) return;
    int rank = ir_get_syms(op, IR_ATTR_map, &map);
    o->k_axis = axis_of(l, rank, map, p->k.var[0]), o->x_axis = axis_of(l, rank, map, o->axes.var[0]);
    if (o->k_axis < 0 || o->x_axis < 0 || o->k_axis == o->x_axis) return;
    choose_axes(o, buffer);
    if (o->n_box > MOST_AXES || o->box_axis[0] != (o->k_inner ? o->k_axis : o->x_axis)) return;
    for (int i = 1; i < o->n_box; i++)
        if (!sym_prove_multiple(l->syms, stride_of(l, buffer, o->box_axis[i]), 16 / size)) return;
    o->bulk = ends_in_zeros(l, p, o, map[o->k_axis], buffer->type.dims[o->k_axis]);
}

void lower_tma_check(lower_operand *o) {
    if (o->bulk) o->bulk = o->tile <= MOST_BOX && (o->k_inner || o->tile % o->width == 0);
}

/* ---- The kernel's mbarriers ---- */
/* The thread that starts copies. */
static ir_value *is_first_thread(lower *l) {
    ir_value *v[2] = {lower_build(l, 0, IR_thread_id, 0, NULL, ir_vector(FRIT_i64, 1)), lower_int(l, FRIT_i64, l->roles ? l->lim->threads : 0)};
    return lower_build(l, 0, IR_eq, 2, v, ir_vector(FRIT_bool, 1));
}

void lower_tma_begin(lower *l) {
    if (l->barriers) return;
    ir_value *first = is_first_thread(l), *zero = lower_int(l, FRIT_i64, 0);
    l->barriers = lower_shared(l, FRIT_u64, l->barriers_at, BARRIERS * (int64_t)sizeof(uint64_t));
    sym_t one = sym_const(l->syms, 1);
    l->phases = lower_build(l, 0, IR_local, 0, NULL, ir_ptr(FRIT_i64, IR_REGISTER));
    ir_set_syms(l->m, l->phases->op, IR_ATTR_size, 1, &one);
    ir_build(lower_at(l, 0), IR_store, 3, (ir_value *[]){l->phases, zero, zero}, 0, NULL);
    ir_value *index[BARRIERS];
    for (int i = 0; i < BARRIERS; i++) index[i] = lower_int(l, FRIT_i64, i);
    ir_op *choice = ir_build(lower_at(l, 0), IR_tif, 1, &first, 0, NULL);
    ir_builder b[2] = {ir_builder_at_end(l->m, choice->blocks[0]), ir_builder_at_end(l->m, choice->blocks[1])};
    for (int i = 0; i < BARRIERS; i++) {
        ir_op *init = ir_build(&b[0], IR_mbarrier_init, 2, (ir_value *[]){l->barriers, index[i]}, 0, NULL);
        ir_set_int(l->m, init, IR_ATTR_count, i < BUFFERS ? 1 : l->lim->threads >> l->warp_bits);
    }
    ir_build(&b[0], IR_fence_async, 0, NULL, 0, NULL);
    for (int i = 0; i < 2; i++) ir_build(&b[i], IR_yield, 0, NULL, 0, NULL);
    ir_build(lower_at(l, 0), IR_barrier, 0, NULL, 0, NULL);
    l->is_first = first;
}

/* ---- Maps ---- */
static ir_value *make_map(lower *l, const lower_operand *o, const ir_value *buffer, const int64_t *box) {
    ir_value *v[2 * MOST_AXES] = {l->ptrs[buffer->id]};
    for (int i = 0; i < o->n_box; i++) {
        v[1 + i] = lower_index(l, buffer->type.dims[o->box_axis[i]]);
        if (i) v[o->n_box + i] = lower_index(l, stride_of(l, buffer, o->box_axis[i]));
    }
    ir_value *map = lower_build(l, 0, IR_tensor_map, 2 * o->n_box, v, ir_ptr(o->t, IR_MAP));
    int64_t swizzle = ROW_BYTES;
    ir_set_ints(l->m, map->op, IR_ATTR_box, o->n_box, box);
    ir_set_ints(l->m, map->op, IR_ATTR_swizzle, 1, &swizzle);
    return map;
}

/* Boxes are rows of 128 bytes, one for each position along the other axis. */
static void choose_box(const lower_contract *p, const lower_operand *o, int64_t *box) {
    for (int i = 0; i < o->n_box; i++) box[i] = 1;
    box[0] = o->width;
    for (int i = 1; i < o->n_box; i++)
        if (o->box_axis[i] == (o->k_inner ? o->x_axis : o->k_axis)) box[i] = o->k_inner ? o->tile : p->chunk;
}

void lower_tma_prepare(lower *l, const lower_contract *p, lower_operand *o) {
    const ir_value *buffer = ir_operand(o->v->op, 0);
    int64_t box[MOST_AXES];
    lower_tma_begin(l);
    choose_box(p, o, box);
    int64_t rows = o->k_inner ? o->tile : p->chunk;
    for (int i = 0; i < l->maps.len; i++) {
        const lower_map *m = &l->maps.data[i];
        if (m->buffer != buffer || m->rows != rows || m->axis != (o->k_inner ? o->x_axis : o->k_axis)) continue;
        o->map = m->map;
        return;
    }
    o->map = make_map(l, o, buffer, box);
    vec_push(l->scratch, &l->maps, ((lower_map){buffer, rows, o->k_inner ? o->x_axis : o->k_axis, o->map}));
}

/* ---- Copies ---- */
static void load_boxes(lower *l, const lower_contract *p, const lower_operand *o, sym_t side0, sym_t k0, sym_t buffer) {
    enum { BEFORE = 5 };
    sym_ctx *c = l->syms;
    const sym_t *map;
    sym_t vars[2] = {o->axes.var[0], p->k.var[0]}, first[2] = {side0, k0};
    ir_value *v[BEFORE + MOST_AXES] = {o->ptr, NULL, o->map, l->barriers, lower_index(l, buffer)};
    ir_get_syms(o->v->op, IR_ATTR_map, &map);
    int boxes = o->k_inner ? 1 : o->tile / o->width;
    for (int b = 0; b < boxes; b++) {
        sym_t at = sym_addi(c, sym_muli(c, buffer, o->elements), (int64_t)b * p->chunk * o->width);
        v[1] = lower_index(l, at);
        for (int i = 0; i < o->n_box; i++) {
            sym_t e = sym_subst(c, map[o->box_axis[i]], 2, vars, first);
            v[BEFORE + i] = lower_index(l, i ? e : sym_addi(c, e, (int64_t)b * o->width));
        }
        ir_build(lower_here(l), IR_tensor_load, BEFORE + o->n_box, v, 0, NULL);
    }
}

void lower_tma_load(lower *l, const lower_contract *p, const sym_t *side0, sym_t k0, sym_t buffer) {
    int64_t bytes = 0;
    int d, e;
    for (int i = 0; i < 2; i++) bytes += p->side[i].bulk ? (int64_t)p->side[i].tile * p->chunk * (int64_t)frit_dtype_bits(p->side[i].t) / 8 : 0;
    ir_value *in = lower_inside(l, k0, p->k.extent[0], &d);
    ir_value *cond = l->role == LOWER_PRODUCER ? in : lower_and(l, l->is_first, 0, in, d, &e);
    ir_op *choice = cond ? lower_if(l, cond) : NULL;
    ir_value *v[3] = {l->barriers, lower_index(l, buffer), lower_int(l, FRIT_i64, bytes)};
    ir_build(lower_here(l), IR_mbarrier_arrive, 3, v, 0, NULL);
    for (int i = 0; i < 2; i++)
        if (p->side[i].bulk) load_boxes(l, p, &p->side[i], side0[i], k0, buffer);
    if (choice) lower_if_end(l, choice);
}

/* ---- Waiting ---- */
/* Waits for the end of the barrier's next phase (passed: of the one before), and remembers that it has ended. */
static void wait_phase(lower *l, ir_value *barrier, bool passed) {
    ir_type t = ir_vector(FRIT_i64, 1);
    ir_value *zero = lower_int(l, FRIT_i64, 0), *one = lower_int(l, FRIT_i64, 1);
    ir_value *phases = lower_build(l, l->depth, IR_load, 2, (ir_value *[]){l->phases, zero}, t);
    ir_value *phase = lower_build(l, l->depth, IR_shr, 2, (ir_value *[]){phases, barrier}, t);
    phase = lower_build(l, l->depth, IR_and, 2, (ir_value *[]){phase, one}, t);
    if (passed) phase = lower_build(l, l->depth, IR_xor, 2, (ir_value *[]){phase, one}, t);
    ir_build(lower_here(l), IR_mbarrier_wait, 3, (ir_value *[]){l->barriers, barrier, phase}, 0, NULL);
    ir_value *bit = lower_build(l, l->depth, IR_shl, 2, (ir_value *[]){one, barrier}, t);
    phases = lower_build(l, l->depth, IR_xor, 2, (ir_value *[]){phases, bit}, t);
    ir_build(lower_here(l), IR_store, 3, (ir_value *[]){l->phases, zero, phases}, 0, NULL);
}

static ir_value *empty_barrier(lower *l, sym_t buffer) { return lower_index(l, sym_addi(l->syms, buffer, BUFFERS)); }

void lower_tma_wait(lower *l, sym_t buffer) { wait_phase(l, lower_index(l, buffer), false); }
void lower_tma_wait_empty(lower *l, sym_t buffer) { wait_phase(l, empty_barrier(l, buffer), true); }

void lower_tma_release(lower *l, sym_t buffer) {
    ir_value *v[2] = {lower_thread_bits(l, (1 << l->warp_bits) - 1, 0), lower_int(l, FRIT_i64, 0)};
    ir_op *choice = lower_if(l, lower_build(l, l->depth, IR_eq, 2, v, ir_vector(FRIT_bool, 1)));
    ir_build(lower_here(l), IR_mbarrier_arrive, 2, (ir_value *[]){l->barriers, empty_barrier(l, buffer)}, 0, NULL);
    lower_if_end(l, choice);
}
