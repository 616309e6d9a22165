/* Plans of contractions done by a block of threads (lower_contract.c): which axes belong to which side, the tile, how the
 * operands are staged, and which instructions sum up. */
#include "lower_contract.h"

enum {
    LEAST = 16,
    MOST_SUMS = 64,
    SWIZZLE_BYTES = 1024,
    OTHER_REGISTERS = 48, /* of a thread: indices, addresses in shared memory, what an instruction is made of */
    OTHER_OF_SUMS = 24,   /* where there are no matrix instructions: one address in shared memory a side */
};

static void find_cones(lower *l, lower_contract *p) {
    for (int i = 0; i < 2; i++) p->side[i].wanted = lower_cone(l, p->op->blocks[0], p->side[i].v, &p->first_id);
}

/* x * y summed up, and nothing else. */
static bool is_product(lower_contract *p) {
    const ir_op *op = p->op, *yield = op->blocks[0]->last;
    const int64_t *combines;
    if (ir_get_ints(op, IR_ATTR_combines, &combines) != 1 || combines[0] != IR_SUM || yield->n_operands != 1) return false;
    const ir_value *term = ir_operand(yield, 0), *plain = lower_plain_product(term);
    p->term = term;
    p->guarded = plain != NULL;
    if (plain) term = plain;
    if (!ir_is(term, IR_mul) || ir_use_count(term) != 1 || frit_dtype_bits((frit_dtype)term->type.dtype) < 32) return false;
    p->sum = (frit_dtype)term->type.dtype;
    for (int i = 0; i < 2; i++) p->side[i].v = ir_operand(term->op, i);
    for (int i = 0; i < 2; i++)
        for (const ir_op *w = op->blocks[i]->first; w; w = w->next)
            if (w->code == IR_write && (i == 0 || ir_has(w, IR_ATTR_combine) || frit_dtype_bits((frit_dtype)ir_operand(w, 0)->type.dtype) < 8))
                return false;
    return true;
}

static void add_axis(lower_axes *a, const lower_stage *s, int i) {
    a->var[a->n] = s->vars[i];
    a->extent[a->n++] = s->extent[i];
}

/* Which side each axis belongs to. */
static void sort_axes(lower *l, lower_contract *p, const lower_stage *s) {
    uint32_t axes[2];
    lower_find_axes(l, s, p->op->blocks[0]);
    for (int i = 0; i < 2; i++) axes[i] = l->vals[p->side[i].v->id].axes;
    for (int i = 0; i < s->n; i++) {
        bool in0 = axes[0] >> i & 1, in1 = axes[1] >> i & 1;
        if (i >= s->parallel) add_axis(&p->k, s, i);
        else if (in0 == in1 || sym_is(s->extent[i], 1)) add_axis(&p->outer, s, i);
        else add_axis(&p->side[in1].axes, s, i);
    }
}

static int64_t greatest(lower *l, const lower_axes *a, int64_t most) {
    int64_t lo, hi, e = 1;
    for (int i = 0; i < a->n; i++) {
        sym_range(l->syms, a->extent[i], &lo, &hi);
        if (hi >= most || (e *= hi) >= most) return most;
    }
    return e;
}

static int64_t typical(const lower_axes *a) {
    int64_t e = 1;
    for (int i = 0; i < a->n; i++) e *= sym_hint(a->extent[i]);
    return e;
}

static int64_t tile_bytes(lower_contract *p) {
    int64_t bytes = 0, sums = (int64_t)(frit_dtype_bits(p->sum) / 8);
    for (int i = 0; i < 2; i++) {
        lower_operand *o = &p->side[i];
        int64_t size = (int64_t)(frit_dtype_bits(o->t) / 8), pad = 16 / size;
        o->at = bytes;
        if (p->wgmma) {
            o->elements = lower_wgmma_elements(p, o);
            bytes += p->buffers * o->elements * size;
            continue;
        }
        if (p->product && size == 4 && !o->k_inner) pad *= 2; /* rows of four banks apart meet no other */
        o->ld = (int)((o->k_inner ? p->chunk : o->tile) + pad);
        o->elements = (o->k_inner ? o->tile : p->chunk) * o->ld;
        bytes += (p->buffers * o->elements * size + 15) & ~INT64_C(15);
    }
    if (p->direct) return bytes;
    for (int i = 0; i < 2; i++) p->result_ld[i] = p->side[i].tile + (int)(16 / sums);
    int64_t result = sums * (p->n_inner ? p->side[0].tile * p->result_ld[1] : p->side[1].tile * p->result_ld[0]);
    p->result_at = p->roles ? bytes : 0; /* the next tile's operands are on their way during the epilogue */
    if (p->roles) return bytes + result;
    return bytes > result ? bytes : result;
}

/* Where the memory begins if nothing else needs any. */
static int64_t first_byte(const lower *l, const lower_contract *p) {
    int64_t at = l->reserved_bytes;
    return p->wgmma ? (at + SWIZZLE_BYTES - 1) / SWIZZLE_BYTES * SWIZZLE_BYTES : at;
}

/* Of several axes that are one side, each of open extent has its extent and where the task's part begins. */
static int axes_registers(const lower_contract *p) {
    enum { EACH = 4 };
    int64_t e;
    int n = 0;
    for (int i = 0; i < 2; i++) {
        const lower_axes *a = &p->side[i].axes;
        for (int k = 0; k < a->n && a->n > 1; k++) n += sym_is_const(a->extent[k], &e) ? 0 : EACH;
    }
    return n;
}

int lower_contract_registers(lower *l, lower_contract *p) {
    int n = axes_registers(p) + lower_copy_registers(l, p, &p->side[0]) + lower_copy_registers(l, p, &p->side[1]);
    if (p->wgmma) return n + lower_wgmma_registers(l, p) + OTHER_REGISTERS;
    return p->product ? n + lower_mma_registers(l, p) + OTHER_REGISTERS : n + lower_sums_registers(l, p) + OTHER_OF_SUMS;
}

/* Sums of instructions of four warps keep registers of their own throughout a kernel: ptxas lets no two of a task's contractions share
 * them, and waits for each instruction where there are not enough. */
static int others_sums(lower *l, const lower_contract *p) {
    int n = 0;
    for (int i = 0; i < l->contracts.len && p->wgmma; i++)
        if (l->contracts.data[i]->wgmma) n += lower_wgmma_sums(l, l->contracts.data[i]);
    return n;
}

static bool fits(lower *l, lower_contract *p) {
    if (tile_bytes(p) > l->lim->shared_bytes - first_byte(l, p)) return false;
    return lower_contract_registers(l, p) + others_sums(l, p) <= l->lim->registers;
}

/* Sums of a thread at most: with narrow operands of instructions of four warps there are registers for twice as many. */
static int64_t most_sums(const lower_contract *p) {
    return p->wgmma && frit_dtype_bits(p->side[0].t) <= 16 ? 2 * MOST_SUMS : MOST_SUMS;
}

/* Buffers for chunks, as many as are of use and there is room for. */
static void choose_buffers(lower *l, lower_contract *p) {
    p->buffers = p->roles ? 4 : l->lim->atoms & FRIT_ATOM_COPY_ASYNC || p->wgmma ? 3 : 2;
    while (p->wgmma && p->buffers > 2 && tile_bytes(p) > l->lim->shared_bytes - first_byte(l, p)) p->buffers--;
    p->in_flight = p->wgmma && p->buffers > 2 && (p->roles || p->side[0].t == FRIT_f32);
}

/* The side to halve where a tile does not fit: the longer one; of equal ones that whose copies take more registers. */
static int side_to_halve(lower *l, lower_contract *p) {
    if (p->side[0].tile != p->side[1].tile) return p->side[1].tile > p->side[0].tile;
    return lower_copy_registers(l, p, &p->side[1]) >= lower_copy_registers(l, p, &p->side[0]);
}

/* The tile's sides: as much as the threads can sum up in registers. */
static bool choose_tile(lower *l, lower_contract *p) {
    int64_t threads = l->lim->threads, most = (threads >= 256 ? 128 : 64) * most_sums(p) / MOST_SUMS;
    for (int i = 0; i < 2; i++) {
        p->side[i].tile = (int)lower_next_power(greatest(l, &p->side[i].axes, most));
        if (p->side[i].tile < LEAST) return false;
    }
    while ((int64_t)p->side[0].tile * p->side[1].tile > most_sums(p) * threads)
        p->side[p->side[1].tile >= p->side[0].tile].tile /= 2;
    choose_buffers(l, p);
    while (!fits(l, p)) {
        p->side[side_to_halve(l, p)].tile /= 2;
        if (p->side[0].tile < LEAST || p->side[1].tile < LEAST) return false;
        choose_buffers(l, p);
    }
    return (int64_t)p->side[0].tile * p->side[1].tile >= threads;
}

/* Elements of the chunk are copied along k, or along the side's axes, whichever touches less memory; where each element is apart
 * both ways, along the side, of which a thread then has one position to find. */
static void choose_layout(lower *l, lower_contract *p, lower_operand *o) {
    const ir_block *b = p->op->blocks[0];
    double along_k = lower_sectors(l, b, o->wanted, p->first_id, p->k.n, p->k.var, p->k.extent);
    double along_side = lower_sectors(l, b, o->wanted, p->first_id, o->axes.n, o->axes.var, o->axes.extent);
    o->t = (frit_dtype)o->v->type.dtype;
    o->k_inner = along_k < along_side || (along_k == along_side && along_k < 1);
}

/* Fragments of matrix instructions lie along the reduced axis. Where no instruction turns elements as it loads them, those
 * of less than 32 bits are staged so whatever way they lie in memory: once, not by every warp that reads them. */
static void turn_layout(lower *l, lower_contract *p, lower_operand *o) {
    if (o->k_inner || frit_dtype_bits(o->t) > 16 || lower_mma_has_matrix_loads(p)) return;
    o->turned = o->k_inner = true;
    if (lower_copy_lanes(l, p, o) * (int)frit_dtype_bits(o->t) < 64) o->turned = o->k_inner = false;
}

/* How both operands are staged; how many of them as boxes of tensors. */
static int choose_layouts(lower *l, lower_contract *p) {
    for (int i = 0; i < 2; i++) {
        choose_layout(l, p, &p->side[i]);
        if (p->product) turn_layout(l, p, &p->side[i]);
        if (!p->wgmma) continue;
        lower_wgmma_layout(&p->side[i]);
        lower_boxes_plan(l, p, &p->side[i]);
    }
    return p->side[0].bulk + p->side[1].bulk;
}

void lower_contract_operands(lower *l, lower_contract *p) {
    find_cones(l, p);
    choose_layouts(l, p);
}

/* The reduced axis that chunks lie along goes last: the one that lets most operands be boxes, if any does; sums may be made in
 * any order. */
static void choose_chunk_axis(lower *l, lower_contract *p) {
    const lower_axes given = p->k;
    lower_axes best = given;
    int most = choose_layouts(l, p);
    for (int j = given.n - 2; j >= 0 && p->wgmma && most < 2; j--) {
        p->k.n = 0;
        for (int i = 0; i <= given.n; i++) {
            int from = i < given.n ? i : j;
            if (i == j) continue;
            p->k.var[p->k.n] = given.var[from];
            p->k.extent[p->k.n++] = given.extent[from];
        }
        int n = choose_layouts(l, p);
        if (n > most) best = p->k, most = n;
    }
    p->k = best;
    choose_layouts(l, p);
}

static bool plan_tile(lower *l, lower_contract *p, const lower_stage *s) {
    const ir_block *epilogue = p->op->blocks[1];
    find_cones(l, p);
    choose_chunk_axis(l, p);
    p->roles = l->roles && p->side[0].bulk && p->side[1].bulk && p->side[0].t != FRIT_f32;
    sym_t m = p->side[0].axes.var[p->side[0].axes.n - 1], n = p->side[1].axes.var[p->side[1].axes.n - 1];
    p->n_inner = lower_unit_steps(l, epilogue, NULL, 0, n) >= lower_unit_steps(l, epilogue, NULL, 0, m);
    p->direct = lower_epilogue_may_be_direct(l, p, s);
    return choose_tile(l, p);
}

static bool is_worthwhile(const lower_contract *p) {
    return p->k.n && p->side[0].axes.n && p->side[1].axes.n && typical(&p->side[0].axes) >= LEAST &&
           typical(&p->side[1].axes) >= LEAST && typical(&p->k) >= LEAST;
}

static lower_contract *contract_of(lower *l, const ir_op *op, lower_stage *s) {
    lower_contract *p = arena_new_of(l->scratch, lower_contract);
    p->op = op;
    if (!is_product(p)) return NULL;
    s->op = op;
    s->n = ir_get_syms(op, IR_ATTR_vars, &s->vars);
    ir_get_syms(op, IR_ATTR_extent, &s->extent);
    s->parallel = (int)ir_get_int(op, IR_ATTR_parallel, s->n);
    sort_axes(l, p, s);
    return p;
}

lower_contract *lower_contract_of(lower *l, const ir_op *op) { return contract_of(l, op, arena_new_of(l->scratch, lower_stage)); }

void lower_contract_plan(lower *l, const ir_op *op, int clock) {
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    lower_contract *p = contract_of(l, op, s);
    if (!p || !is_worthwhile(p)) return;
    const lower_contract plain = *p;
    if (!(lower_wgmma_plan(l, p) && plan_tile(l, p, s) && lower_wgmma_share(l, p))) {
        *p = plain;
        bool mma = lower_mma_plan(l, p);
        if (!(mma && plan_tile(l, p, s) && lower_mma_share(l, p))) {
            *p = plain;
            p->chunk = 16;
            if (!plan_tile(l, p, s)) return;
        }
    }
    p->guarded |= lower_mma_is_split(p);
    if (p->wgmma) p->place.align = SWIZZLE_BYTES;
    for (int i = 0; i < 2; i++) lower_boxes_check(l, p, &p->side[i]);
    p->roles &= p->side[0].bulk && p->side[1].bulk;
    p->place.apart = p->roles && p->direct;
    p->place.first = p->place.last = clock;
    vec_push(l->scratch, &l->contracts, p);
    vec_push(l->scratch, &l->places, &p->place);
}

bool lower_contract_has_roles(const lower *l) { return l->contracts.len == 1 && l->contracts.data[0]->roles; }

void lower_contract_maps(lower *l) {
    for (int i = 0; i < 2 * l->contracts.len; i++) {
        lower_contract *p = l->contracts.data[i / 2];
        if (!p->side[i % 2].bulk) continue;
        lower_tma_prepare(l, &p->side[i % 2]);
        lower_tma_clear(l, p, &p->side[i % 2]);
    }
}

/* A plan whose memory is not to be had is dropped. */
void lower_contract_places(lower *l) {
    int n = 0;
    for (int i = 0; i < l->contracts.len; i++) {
        lower_contract *p = l->contracts.data[i];
        if (lower_place_shared(l, &p->place, tile_bytes(p))) l->contracts.data[n++] = p;
    }
    l->contracts.len = n;
}
