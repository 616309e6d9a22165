/* Operands of contractions that are boxes of tensors in memory, copied to shared memory by the target's copy engine
 * (ir/thread.def, tensor_map and tensor_load) in the layout of lower_wgmma.c. One thread of the block starts the copies of
 * a chunk and tells the buffer's mbarrier of their bytes; all threads wait for it. Every buffer has an mbarrier of its own,
 * which serves all contractions of the kernel; each thread remembers which phase of each is next, a bit an mbarrier.
 * Where the thread that starts copies is of a part of the block that does nothing else (lower_tile.h), a second mbarrier of
 * each buffer tells it that all warps are done with the buffer.
 *
 * Which boxes, lower_boxes.c plans. */
#include "lower_contract.h"
#include <string.h>

enum { BUFFERS = 4, BARRIERS = 2 * BUFFERS, ROW_BYTES = 128, PIECE_BYTES = 16 };

int64_t lower_tma_bytes(const lower *l) {
    bool both = (l->lim->atoms & FRIT_ATOM_TMA) && (l->lim->atoms & FRIT_ATOM_WGMMA);
    return both ? BARRIERS * (int64_t)sizeof(uint64_t) : 0;
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
    l->barriers->name = "barriers";
    sym_t one = sym_const(l->syms, 1);
    l->phases = lower_build(l, 0, IR_local, 0, NULL, ir_ptr(FRIT_i64, IR_REGISTER));
    l->phases->hint = "phases";
    ir_set_syms(l->m, l->phases->op, IR_ATTR_size, 1, &one);
    ir_build(lower_at(l, 0), IR_store, 3, (ir_value *[]){l->phases, zero, zero}, 0, NULL);
    int n = l->roles ? BARRIERS : BUFFERS - 1; /* without roles: buffers to be filled, of which there are fewer */
    ir_value *index[BARRIERS];
    for (int i = 0; i < n; i++) index[i] = lower_int(l, FRIT_i64, i);
    ir_op *choice = ir_build(lower_at(l, 0), IR_tif, 1, &first, 0, NULL);
    ir_builder b[2] = {ir_builder_at_end(l->m, choice->blocks[0]), ir_builder_at_end(l->m, choice->blocks[1])};
    for (int i = 0; i < n; i++) {
        ir_op *init = ir_build(&b[0], IR_mbarrier_init, 2, (ir_value *[]){l->barriers, index[i]}, 0, NULL);
        ir_set_int(l->m, init, IR_ATTR_count, i < BUFFERS ? 1 : l->lim->threads >> l->warp_bits);
    }
    ir_build(&b[0], IR_fence_async, 0, NULL, 0, NULL);
    for (int i = 0; i < 2; i++) ir_build(&b[i], IR_yield, 0, NULL, 0, NULL);
    ir_build(lower_at(l, 0), IR_barrier, 0, NULL, 0, NULL);
    l->is_first = first;
}

/* ---- Maps ---- */
static ir_value *make_map(lower *l, const lower_operand *o, const ir_value *buffer) {
    ir_value *v[2 * LOWER_MAP_AXES] = {l->ptrs[buffer->id]};
    for (int i = 0; i < o->n_box; i++) {
        v[1 + i] = lower_index(l, buffer->type.dims[o->box_axis[i]]);
        if (i) v[o->n_box + i] = lower_index(l, lower_boxes_stride(l, buffer, o->box_axis[i]));
    }
    ir_value *map = lower_build(l, 0, IR_tensor_map, 2 * o->n_box, v, ir_ptr(o->t, IR_MAP));
    int64_t swizzle = ROW_BYTES;
    ir_set_ints(l->m, map->op, IR_ATTR_box, o->n_box, o->box);
    ir_set_ints(l->m, map->op, IR_ATTR_swizzle, 1, &swizzle);
    for (int i = 0; i < o->n_box; i++)
        if (o->step[i] > 1) ir_set_ints(l->m, map->op, IR_ATTR_steps, o->n_box, o->step);
    return map;
}

static bool is_map_of(const lower_map *m, const lower_operand *o, const ir_value *buffer) {
    if (m->buffer != buffer || m->n != o->n_box) return false;
    for (int i = 0; i < m->n; i++)
        if (m->axis[i] != o->box_axis[i] || m->box[i] != o->box[i] || m->step[i] != o->step[i]) return false;
    return true;
}

void lower_tma_prepare(lower *l, lower_operand *o) {
    const ir_value *buffer = ir_operand(o->boxed, 0);
    lower_tma_begin(l);
    for (int i = 0; i < l->maps.len; i++)
        if (is_map_of(&l->maps.data[i], o, buffer)) {
            o->map = l->maps.data[i].map;
            return;
        }
    o->map = make_map(l, o, buffer);
    lower_map m = {.buffer = buffer, .n = o->n_box, .map = o->map};
    memcpy(m.axis, o->box_axis, sizeof m.axis);
    memcpy(m.box, o->box, sizeof m.box);
    memcpy(m.step, o->step, sizeof m.step);
    vec_push(l->scratch, &l->maps, m);
}

/* Rows of the staged tiles that no box holds become zeros, once: products read them, for sums that are dropped. */
void lower_tma_clear(lower *l, const lower_contract *p, const lower_operand *o) {
    int size = (int)frit_dtype_bits(o->t) / 8, lanes = PIECE_BYTES / size, pieces = (o->tile - o->filled) * ROW_BYTES / PIECE_BYTES;
    if (!o->k_inner || pieces == 0) return;
    sym_ctx *c = l->syms;
    int64_t threads = l->lim->threads, n = (int64_t)pieces * p->buffers;
    ir_value *ptr = lower_shared(l, o->t, p->place.at + o->at, p->buffers * o->elements * size);
    ir_value *zero = frit_dtype_is_float(o->t) ? lower_float(l, o->t, 0) : lower_int(l, o->t, 0);
    zero = lower_splat(l, zero, lanes, 0);
    ir_value *id = lower_build(l, 0, IR_thread_id, 0, NULL, ir_vector(FRIT_i64, 1));
    ir_op *loop = lower_for(l, id, lower_int(l, FRIT_i64, n), lower_int(l, FRIT_i64, threads), 0, NULL);
    sym_t i = sym_index(c, "piece", sym_const(c, n)), per = sym_const(c, pieces);
    lower_bind(l, i, loop->blocks[0]->args[0], l->depth);
    sym_t at = sym_addi(c, sym_muli(c, sym_floordiv(c, i, per), o->elements), (int64_t)o->filled * o->width);
    at = sym_add(c, at, sym_muli(c, sym_mod(c, i, per), lanes));
    ir_set_int(l->m, lower_store(l, ptr, lower_index(l, at), zero, NULL), IR_ATTR_align, PIECE_BYTES);
    lower_for_end(l, loop, 0, NULL);
    ir_build(lower_here(l), IR_fence_async, 0, NULL, 0, NULL);
    ir_build(lower_here(l), IR_barrier, 0, NULL, 0, NULL);
}

/* ---- Copies ---- */
/* The axes' variables at position `at` of all of them: adds to vars and values. */
static int split_position(lower *l, const lower_axes *a, sym_t at, sym_t *vars, sym_t *values) {
    sym_ctx *c = l->syms;
    for (int i = a->n - 1; i >= 0; i--) {
        vars[i] = a->var[i];
        values[i] = i ? sym_mod(c, at, a->extent[i]) : at;
        if (i) at = sym_floordiv(c, at, a->extent[i]);
    }
    return a->n;
}

/* Rows of boxes of 128 bytes that a chunk takes. */
static int64_t rows_of(const lower_contract *p, const lower_operand *o) {
    return (int64_t)o->filled * (o->k_inner ? p->chunk / o->width : 1);
}

/* var: a variable of a loop around, NULL: none; it is `as` here. */
static void load_boxes(lower *l, const lower_contract *p, const lower_operand *o, sym_t side0, sym_t k0, sym_t buffer, sym_t var, sym_t as) {
    enum { BEFORE = 5 };
    sym_ctx *c = l->syms;
    const sym_t *map;
    sym_t vars[2 * IR_MAX_RANK + 1], at[2 * IR_MAX_RANK + 1];
    ir_value *v[BEFORE + LOWER_MAP_AXES] = {o->ptr, NULL, o->map, l->barriers, lower_index(l, buffer)};
    ir_get_syms(o->boxed, IR_ATTR_map, &map);
    int boxes = o->k_inner ? p->chunk / o->width : o->filled / p->chunk;
    int64_t each = o->k_inner ? o->tile : p->chunk;
    for (int b = 0; b < boxes; b++) {
        sym_t next = sym_const(c, (int64_t)b * o->width);
        int n = split_position(l, &p->k, o->k_inner ? sym_add(c, k0, next) : k0, vars, at);
        v[1] = lower_index(l, sym_addi(c, sym_muli(c, buffer, o->elements), b * each * o->width));
        int all = n + split_position(l, &o->axes, o->k_inner ? side0 : sym_add(c, side0, next), vars + n, at + n);
        if (var) vars[all] = var, at[all++] = as;
        for (int i = 0; i < o->n_box; i++) v[BEFORE + i] = lower_index(l, sym_subst(c, map[o->box_axis[i]], all, vars, at));
        ir_build(lower_here(l), IR_tensor_load, BEFORE + o->n_box, v, 0, NULL);
    }
}

void lower_tma_load(lower *l, const lower_contract *p, const sym_t *side0, sym_t k0, sym_t buffer) {
    int64_t bytes = 0;
    int d, e;
    for (int i = 0; i < 2; i++) bytes += p->side[i].bulk ? (int64_t)p->side[i].filled * ROW_BYTES : 0;
    ir_value *in = lower_inside(l, k0, lower_contract_to(l, p), &d);
    ir_value *cond = l->role == LOWER_PRODUCER ? in : lower_and(l, l->is_first, 0, in, d, &e);
    ir_op *choice = cond ? lower_if(l, cond) : NULL;
    ir_value *v[3] = {l->barriers, lower_index(l, buffer), lower_int(l, FRIT_i64, bytes)};
    ir_build(lower_here(l), IR_mbarrier_arrive, 3, v, 0, NULL);
    for (int i = 0; i < 2; i++)
        if (p->side[i].bulk) load_boxes(l, p, &p->side[i], side0[i], k0, buffer, NULL, NULL);
    if (choice) lower_if_end(l, choice);
}

void lower_tma_load_rows(lower *l, const lower_rows *r, sym_t var, sym_t turn, sym_t buffer) {
    sym_t zero = sym_const(l->syms, 0);
    int64_t bytes = 0;
    for (int i = 0; i < 2 * r->n; i++)
        if (r->contract[i / 2]->side[i % 2].bulk) bytes += rows_of(r->contract[i / 2], &r->contract[i / 2]->side[i % 2]) * ROW_BYTES;
    ir_op *choice = lower_if(l, l->is_first);
    ir_build(lower_here(l), IR_mbarrier_arrive, 3, (ir_value *[]){l->barriers, lower_index(l, buffer), lower_int(l, FRIT_i64, bytes)}, 0, NULL);
    for (int i = 0; i < 2 * r->n; i++) {
        const lower_contract *p = r->contract[i / 2];
        if (p->side[i % 2].bulk) load_boxes(l, p, &p->side[i % 2], zero, zero, buffer, var, turn);
    }
    lower_if_end(l, choice);
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
