/* Contractions done by a block of threads: sums of products x(m, k) * y(n, k), where the parallel axes fall into those
 * that only x varies along (m), those that only y does (n), and the rest.
 *
 * The block does tiles of m by n. The reduced positions k go by in chunks: the elements of both operands that a chunk
 * needs are evaluated once, each by one thread, and put into shared memory, where all threads read them; the elements of
 * the next chunks are under way meanwhile, in registers or, where the target copies asynchronously and the operand is plain
 * memory, straight to shared memory (several buffers, one barrier a chunk). Positions beyond an extent hold zeros. The
 * sums then pass through shared memory to the epilogue, which runs as a stage of its own over the tile, so that its
 * accesses are shared out like any other stage's. Several axes on one side run as one, flattened. */
#include "lower_contract.h"
#include <string.h>

enum {
    LEAST = 16,
    MOST_SUMS = 64,
    SWIZZLE_BYTES = 1024,
    OTHER_REGISTERS = 48, /* of a thread: indices, addresses in shared memory, what an instruction is made of */
};

/* ---- Planning ---- */
static int64_t next_power(int64_t x) {
    int64_t p = 1;
    while (p < x) p *= 2;
    return p;
}

static void mark_cone(lower_contract *p, const ir_value *v, bool *wanted) {
    if (!v->op || v->op->parent != p->op->blocks[0] || wanted[v->id - p->first_id]) return;
    wanted[v->id - p->first_id] = true;
    for (int i = 0; i < v->op->n_operands; i++) mark_cone(p, ir_operand(v->op, i), wanted);
}

static void find_cones(lower *l, lower_contract *p) {
    int lo = INT32_MAX, hi = -1;
    for (const ir_op *op = p->op->blocks[0]->first; op; op = op->next)
        for (int i = 0; i < op->n_results; i++) {
            int id = op->results[i].id;
            if (id < lo) lo = id;
            if (id > hi) hi = id;
        }
    p->first_id = lo;
    for (int i = 0; i < 2; i++) {
        p->side[i].wanted = arena_array(l->scratch, bool, hi - lo + 1);
        mark_cone(p, p->side[i].v, p->side[i].wanted);
    }
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

/* ---- What a thread copies: vectors this wide, so many of them */
static int copy_lanes(lower *l, lower_contract *p, const lower_operand *o) {
    int lanes = (int)(16 * 8 / frit_dtype_bits(o->t));
    if (o->bulk) return lanes;
    const lower_axes *inner = o->k_inner ? &p->k : &o->axes;
    if (inner->n != 1) return 1;
    while (lanes > 1 && !sym_prove_multiple(l->syms, inner->extent[0], lanes)) lanes /= 2;
    if (o->turned && !p->wgmma) return lanes; /* gathered: neighbouring threads read neighbours in memory */
    return lower_aligned_reads(l, p->op->blocks[0], o->wanted, p->first_id, inner->var[0], lanes);
}

/* The read that is all there is to the operand, if it can be copied as it is; or NULL. */
static const ir_op *plain_read(lower *l, lower_contract *p, const lower_operand *o, int lanes) {
    const ir_op *op = o->v->op;
    int bytes = lanes * (int)frit_dtype_bits(o->t) / 8;
    const lower_axes *inner = o->k_inner ? &p->k : &o->axes;
    if (!(l->lim->atoms & FRIT_ATOM_COPY_ASYNC) || op->code != IR_read || op->n_operands > 1 || bytes < 4) return NULL;
    if (o->bulk || (p->wgmma && o->t == FRIT_f32)) return NULL; /* copied otherwise; or to be split */
    const ir_value *ptr = l->ptrs[ir_operand(op, 0)->id]; /* of buffers of the task only where they have been placed */
    if (ir_has(op, IR_ATTR_checked) || !ptr || ptr->type.space != IR_GLOBAL) return NULL;
    bool steps = lower_unit_steps(l, p->op->blocks[0], o->wanted, p->first_id, inner->var[inner->n - 1]) == 1;
    return lanes == 1 || steps ? op : NULL;
}

/* Each vector has an address of two registers; those that pass through registers are there while a chunk is summed up. */
static int copy_registers(lower *l, lower_contract *p, const lower_operand *o) {
    if (o->bulk) return 0;
    int lanes = copy_lanes(l, p, o), n = o->tile * p->chunk / lanes / l->lim->threads;
    int held = plain_read(l, p, o, lanes) ? 0 : (lanes * (int)frit_dtype_bits(o->t) + 31) / 32;
    return (n ? n : 1) * (2 + held);
}

/* Where the memory begins if nothing else needs any. */
static int64_t first_byte(const lower *l, const lower_contract *p) {
    int64_t at = l->reserved_bytes;
    return p->wgmma ? (at + SWIZZLE_BYTES - 1) / SWIZZLE_BYTES * SWIZZLE_BYTES : at;
}

int lower_contract_registers(lower *l, lower_contract *p) {
    int n = p->wgmma ? lower_wgmma_registers(l, p) : lower_mma_registers(l, p);
    return n + copy_registers(l, p, &p->side[0]) + copy_registers(l, p, &p->side[1]) + OTHER_REGISTERS;
}

static bool fits(lower *l, lower_contract *p) {
    if (tile_bytes(p) > l->lim->shared_bytes - first_byte(l, p)) return false;
    return (!p->product && !p->wgmma) || lower_contract_registers(l, p) <= l->lim->registers;
}

/* The tile's sides: as much as the threads can sum up in registers. */
static bool choose_tile(lower *l, lower_contract *p) {
    int64_t most = l->lim->threads >= 256 ? 128 : 64, threads = l->lim->threads;
    for (int i = 0; i < 2; i++) {
        p->side[i].tile = (int)next_power(greatest(l, &p->side[i].axes, most));
        if (p->side[i].tile < LEAST) return false;
    }
    while ((int64_t)p->side[0].tile * p->side[1].tile > MOST_SUMS * threads)
        p->side[p->side[1].tile >= p->side[0].tile].tile /= 2;
    p->buffers = p->roles ? 4 : l->lim->atoms & FRIT_ATOM_COPY_ASYNC || p->wgmma ? 3 : 2;
    while (p->wgmma && p->buffers > 2 && tile_bytes(p) > l->lim->shared_bytes - first_byte(l, p)) p->buffers--;
    p->in_flight = p->wgmma && p->buffers > 2 && (p->roles || p->side[0].t == FRIT_f32);
    while (!fits(l, p)) {
        p->side[p->side[1].tile >= p->side[0].tile].tile /= 2;
        if (p->side[0].tile < LEAST || p->side[1].tile < LEAST) return false;
    }
    return (int64_t)p->side[0].tile * p->side[1].tile >= threads;
}

/* Elements of the chunk lie in memory along k, or along the side's last axis. */
static void choose_layout(lower *l, lower_contract *p, lower_operand *o) {
    sym_t k = p->k.var[p->k.n - 1], x = o->axes.var[o->axes.n - 1];
    o->t = (frit_dtype)o->v->type.dtype;
    o->k_inner = !(lower_unit_steps(l, p->op->blocks[0], o->wanted, p->first_id, x) > lower_unit_steps(l, p->op->blocks[0], o->wanted, p->first_id, k));
}

/* Fragments of matrix instructions lie along the reduced axis. Where no instruction turns elements as it loads them, those
 * of less than 32 bits are staged so whatever way they lie in memory: once, not by every warp that reads them. */
static void turn_layout(lower *l, lower_contract *p, lower_operand *o) {
    if (o->k_inner || frit_dtype_bits(o->t) > 16 || lower_mma_has_matrix_loads(p)) return;
    o->turned = o->k_inner = true;
    if (copy_lanes(l, p, o) * (int)frit_dtype_bits(o->t) < 64) o->turned = o->k_inner = false;
}

static bool plan_tile(lower *l, lower_contract *p, const lower_stage *s) {
    const ir_block *epilogue = p->op->blocks[1];
    find_cones(l, p);
    for (int i = 0; i < 2; i++) {
        choose_layout(l, p, &p->side[i]);
        if (p->product) turn_layout(l, p, &p->side[i]);
        if (!p->wgmma) continue;
        lower_wgmma_layout(&p->side[i]);
        lower_tma_plan(l, p, &p->side[i]);
    }
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

void lower_contract_plan(lower *l, const ir_op *op, int clock) {
    lower_contract *p = arena_new_of(l->scratch, lower_contract);
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    p->op = op;
    if (!is_product(p)) return;
    s->op = op;
    s->n = ir_get_syms(op, IR_ATTR_vars, &s->vars);
    ir_get_syms(op, IR_ATTR_extent, &s->extent);
    s->parallel = (int)ir_get_int(op, IR_ATTR_parallel, s->n);
    sort_axes(l, p, s);
    if (!is_worthwhile(p)) return;
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
    for (int i = 0; i < 2; i++) lower_tma_check(&p->side[i]);
    p->roles &= p->side[0].bulk && p->side[1].bulk;
    p->place.apart = p->roles && p->direct;
    p->place.first = p->place.last = clock;
    vec_push(l->scratch, &l->contracts, p);
    vec_push(l->scratch, &l->places, &p->place);
}

bool lower_contract_has_roles(const lower *l) { return l->contracts.len == 1 && l->contracts.data[0]->roles; }

void lower_contract_maps(lower *l) {
    for (int i = 0; i < l->contracts.len; i++)
        for (int k = 0; k < 2; k++)
            if (l->contracts.data[i]->side[k].bulk) lower_tma_prepare(l, l->contracts.data[i], &l->contracts.data[i]->side[k]);
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

/* ---- Axes ---- */
sym_t lower_axes_total(lower *l, const lower_axes *a) { return sym_prod(l->syms, a->extent, a->n); }

void lower_unflatten(lower *l, lower_stage *s, sym_t *outer, const lower_axes *a, sym_t at) {
    sym_ctx *c = l->syms;
    for (int i = a->n - 1; i >= 0; i--) {
        outer[s->n_outer] = a->var[i];
        s->outer_as[s->n_outer++] = i ? sym_mod(c, at, a->extent[i]) : at;
        if (i) at = sym_floordiv(c, at, a->extent[i]);
    }
}

/* ---- Copies ---- */
/* This thread's part of a chunk of one operand. */
typedef struct copy {
    const lower_operand *o;
    lower_stage *s;       /* over (position along the side, position in the chunk) */
    sym_t k0, side0;      /* of the chunk, of the tile */
    int lanes, n;         /* vectors this wide, so many of them a thread */
    sym_t row[64], col[64]; /* of each */
    bool some;            /* more threads than vectors */
    const ir_op *plain;   /* plain_read */
} copy;

static int log2_of(int64_t n) { return 63 - __builtin_clzll((uint64_t)n); }

/* Memory is contiguous along the outer axis of the layout: neighbours have neighbouring rows. */
static void share_turned(lower *l, copy *c, int rows) {
    sym_ctx *sc = l->syms;
    int threads = l->lim->threads, bits = log2_of(rows), turns = rows / threads;
    for (int i = 0; i < c->n; i++) {
        if (turns) {
            c->row[i] = sym_addi(sc, l->thread, (int64_t)(i % turns) * threads);
            c->col[i] = sym_const(sc, (int64_t)(i / turns) * c->lanes);
        } else {
            sym_t high = lower_coordinate(l, bits, log2_of(threads) - bits);
            c->row[i] = lower_coordinate(l, 0, bits);
            c->col[i] = sym_muli(sc, sym_addi(sc, high, (int64_t)i * (threads / rows)), c->lanes);
        }
    }
}

/* Vectors go to threads in the order of memory, a row of the layout after another. */
static void share_vectors(lower *l, lower_contract *p, copy *c) {
    sym_ctx *sc = l->syms;
    int inner = c->o->k_inner ? p->chunk : c->o->tile, outer = c->o->k_inner ? c->o->tile : p->chunk;
    int per_row = inner / c->lanes, threads = l->lim->threads, vectors = per_row * outer, bits = log2_of(per_row);
    c->n = vectors > threads ? vectors / threads : 1;
    c->some = vectors < threads;
    if (c->o->turned) return share_turned(l, c, outer);
    for (int i = 0; i < c->n; i++) {
        if (per_row <= threads) {
            sym_t high = lower_coordinate(l, bits, log2_of(threads) - bits);
            c->row[i] = sym_addi(sc, high, (int64_t)i * (threads / per_row));
            c->col[i] = sym_muli(sc, lower_coordinate(l, 0, bits), c->lanes);
        } else {
            int turns = per_row / threads;
            c->row[i] = sym_const(sc, i / turns);
            c->col[i] = sym_muli(sc, sym_addi(sc, l->thread, (int64_t)(i % turns) * threads), c->lanes);
        }
    }
}

static copy make_copy(lower *l, lower_contract *p, const lower_operand *o, sym_t side0) {
    copy c = {.o = o, .side0 = side0, .lanes = copy_lanes(l, p, o)};
    share_vectors(l, p, &c);
    lower_stage *s = c.s = arena_new_of(l->scratch, lower_stage);
    sym_t *vars = arena_array(l->scratch, sym_t, 2), *extent = arena_array(l->scratch, sym_t, 2);
    extent[0] = sym_const(l->syms, o->tile), extent[1] = sym_const(l->syms, p->chunk);
    vars[0] = sym_index(l->syms, "x", extent[0]), vars[1] = sym_index(l->syms, "k", extent[1]);
    s->op = p->op, s->n = s->parallel = 2, s->vars = vars, s->extent = extent;
    s->wanted = o->wanted, s->first_id = p->first_id;
    s->border_axis = -1;
    s->vector = c.lanes > 1 ? o->k_inner : -1;
    for (int i = 0; i < 2; i++) s->tile[i] = s->threads[i] = s->count[i] = s->full[i] = 1;
    c.plain = plain_read(l, p, o, c.lanes);
    return c;
}

/* bool, where there are more threads than vectors: this thread has an i-th one; NULL: it has. */
static ir_value *has_vector(lower *l, const lower_contract *p, const copy *c, int i, int *depth) {
    int inner = c->o->k_inner ? p->chunk : c->o->tile, outer = c->o->k_inner ? c->o->tile : p->chunk;
    return c->o->turned ? lower_inside(l, c->col[i], sym_const(l->syms, inner), depth)
                        : lower_inside(l, c->row[i], sym_const(l->syms, outer), depth);
}

/* bool: the i-th vector, at x along the side and k along the chunk, holds elements of the operand; NULL: always. */
static ir_value *is_element(lower *l, lower_contract *p, const copy *c, sym_t x, sym_t k, int i) {
    int d, e, f;
    ir_value *v = lower_inside(l, sym_add(l->syms, c->side0, x), lower_axes_total(l, &c->o->axes), &d);
    ir_value *w = lower_inside(l, sym_add(l->syms, c->k0, k), lower_axes_total(l, &p->k), &e);
    ir_value *in = lower_and(l, v, d, w, e, &f);
    if (!c->some) return in;
    w = has_vector(l, p, c, i, &d);
    return lower_and(l, in, f, w, d, &e);
}

static ir_value *evaluate(lower *l, copy *c, sym_t x, sym_t k) {
    lower_stage *s = c->s;
    int zero[IR_MAX_RANK] = {0};
    s->base[0] = x, s->base[1] = k;
    s->depth = s->at_depth[0] = s->at_depth[1] = l->depth;
    l->lanes = c->lanes;
    lower_body(l, s, s->op->blocks[0]);
    return lower_get(l, s, c->o->v, zero, c->lanes > 1);
}

static ir_value *load_vector(lower *l, lower_contract *p, copy *c, int i) {
    sym_t x = c->o->k_inner ? c->row[i] : c->col[i], k = c->o->k_inner ? c->col[i] : c->row[i];
    ir_value *in = is_element(l, p, c, x, k, i);
    if (!in) return evaluate(l, c, x, k);
    ir_type t = ir_vector(c->o->t, c->lanes);
    ir_op *choice = ir_build(lower_here(l), IR_tif, 1, &in, 1, &t);
    lower_push(l, choice, choice->blocks[0]);
    ir_value *v = evaluate(l, c, x, k);
    ir_build(lower_here(l), IR_yield, 1, &v, 0, NULL);
    lower_pop(l);
    ir_value *zero = frit_dtype_is_float(c->o->t) ? lower_float(l, c->o->t, 0) : lower_int(l, c->o->t, 0);
    zero = lower_splat(l, zero, c->lanes, 0);
    ir_builder other = ir_builder_at_end(l->m, choice->blocks[1]);
    ir_build(&other, IR_yield, 1, &zero, 0, NULL);
    return ir_result(choice, 0);
}

static sym_t staged_at(lower *l, const lower_contract *p, const copy *c, sym_t buffer, int i) {
    sym_ctx *sc = l->syms;
    if (c->o->width) return lower_wgmma_staged_at(l, p, c->o, buffer, c->row[i], c->col[i]);
    sym_t at = sym_add(sc, sym_muli(sc, c->row[i], c->o->ld), c->col[i]);
    return sym_add(sc, sym_muli(sc, buffer, c->o->elements), at);
}

static void copy_vector(lower *l, lower_contract *p, copy *c, sym_t buffer, int i) {
    sym_t x = c->o->k_inner ? c->row[i] : c->col[i], k = c->o->k_inner ? c->col[i] : c->row[i];
    ir_op *spare = NULL;
    int d;
    if (c->some) {
        ir_value *own = has_vector(l, p, c, i, &d);
        if (own) spare = lower_if(l, own);
    }
    c->s->base[0] = x, c->s->base[1] = k;
    l->lanes = c->lanes;
    ir_value *to[2] = {c->o->ptr, lower_index(l, staged_at(l, p, c, buffer, i))};
    lower_copy_async(l, c->s, c->plain, to, is_element(l, p, c, x, k, i), c->lanes);
    if (spare) lower_if_end(l, spare);
}

/* The op's variables in those of the chunk at k0. */
static void aim(lower *l, lower_contract *p, copy *c, sym_t k0) {
    sym_t *outer = arena_array(l->scratch, sym_t, IR_MAX_RANK);
    c->k0 = k0;
    c->s->n_outer = 0;
    c->s->outer = outer;
    lower_unflatten(l, c->s, outer, &c->o->axes, sym_add(l->syms, c->side0, c->s->vars[0]));
    lower_unflatten(l, c->s, outer, &p->k, sym_add(l->syms, k0, c->s->vars[1]));
}

/* The elements of the chunk at k0: on their way to the buffer, or into v. */
static void load_chunk(lower *l, lower_contract *p, copy *c, sym_t k0, sym_t buffer, ir_value **v) {
    aim(l, p, c, k0);
    lower_find_axes(l, c->s, p->op->blocks[0]);
    if (c->lanes > 1) l->lane = sym_index(l->syms, "lane", sym_const(l->syms, c->lanes));
    for (int i = 0; i < c->n; i++) {
        if (c->plain) copy_vector(l, p, c, buffer, i);
        else v[i] = load_vector(l, p, c, i);
    }
}

static void store_chunk(lower *l, lower_contract *p, copy *c, sym_t buffer, ir_value *const *v) {
    ir_value *some = NULL;
    int d, bytes = c->lanes * (int)frit_dtype_bits(c->o->t) / 8;
    for (int i = 0; i < c->n && !c->plain && !c->o->bulk; i++) {
        if (c->some) some = has_vector(l, p, c, i, &d);
        if (p->wgmma) {
            lower_wgmma_store(l, p, c->o, staged_at(l, p, c, buffer, i), v[i], some);
            continue;
        }
        ir_op *op = lower_store(l, c->o->ptr, lower_index(l, staged_at(l, p, c, buffer, i)), v[i], some);
        if (c->lanes > 1) ir_set_int(l->m, op, IR_ATTR_align, bytes);
    }
}

/* Elements that were copied whole are split where they lie, each by one thread, whichever it is: pieces are taken as they
 * come. */
static void split_chunk(lower *l, lower_contract *p, copy *c, sym_t buffer) {
    ir_type t = ir_vector(c->o->t, c->lanes);
    for (int i = 0; i < c->n && c->o->bulk && c->o->t == FRIT_f32; i++) {
        int d;
        ir_value *own = c->some ? has_vector(l, p, c, i, &d) : NULL;
        ir_op *spare = own ? lower_if(l, own) : NULL;
        sym_t at = sym_add(l->syms, sym_muli(l->syms, c->row[i], c->o->width), c->col[i]);
        at = sym_add(l->syms, sym_muli(l->syms, buffer, c->o->elements), at);
        ir_value *x = lower_load(l, l->depth, c->o->ptr, lower_index(l, at), t, NULL, NULL);
        ir_set_int(l->m, x->op, IR_ATTR_align, c->lanes * (int)frit_dtype_bits(c->o->t) / 8);
        lower_wgmma_store(l, p, c->o, at, x, NULL);
        if (spare) lower_if_end(l, spare);
    }
}

/* ---- The tile ---- */
static void add_zeros(lower *l, lower_contract *p) {
    ir_value *zero = frit_dtype_is_float(p->sum) ? lower_float(l, p->sum, 0) : lower_int(l, p->sum, 0);
    if (p->wgmma) lower_wgmma_begin(l, p);
    else if (p->product) lower_mma_zero(l, p);
    else
        for (int i = 0; i < p->n_sums; i++) p->sums[i] = zero;
}

/* The copies of both operands. */
typedef struct copies {
    copy side[2];
    bool any_plain, any_bulk;
    bool all_bulk; /* and the elements stay as they are copied */
} copies;

static int held(const copy *c) { return c->plain || c->o->bulk ? 0 : c->n; }

/* Chunks this thread has started to copy are groups: one a chunk, be it empty. */
static void close_group(lower *l, const copies *c) {
    if (c->any_plain) ir_build(lower_here(l), IR_copy_commit, 0, NULL, 0, NULL);
}

static void wait_groups(lower *l, const copies *c, int pending) {
    if (!c->any_plain) return;
    ir_op *op = ir_build(lower_here(l), IR_copy_wait, 0, NULL, 0, NULL);
    ir_set_int(l->m, op, IR_ATTR_pending, pending);
}

/* turn + by, modulo the number of buffers: by a comparison. */
static ir_value *turned(lower *l, const lower_contract *p, int64_t by) {
    ir_type t = ir_vector(FRIT_i64, 1);
    ir_value *n = lower_int(l, FRIT_i64, p->buffers), *v = lower_index(l, sym_addi(l->syms, p->turn, by));
    ir_value *wraps = lower_build(l, l->depth, IR_le, 2, (ir_value *[]){n, v}, ir_vector(FRIT_bool, 1));
    ir_value *less = lower_build(l, l->depth, IR_sub, 2, (ir_value *[]){v, n}, t);
    return lower_build(l, l->depth, IR_select, 3, (ir_value *[]){wraps, less, v}, t);
}

/* Chunks take the buffers in turn. Within the loop over chunks that is counted along, since no division is cheap there. */
static sym_t buffer_of(lower *l, const lower_contract *p, sym_t k) {
    int64_t d;
    if (p->turn && sym_is_const(sym_sub(l->syms, k, p->k0), &d)) {
        d = (d / p->chunk % p->buffers + p->buffers) % p->buffers;
        if (d == 0) return p->turn;
        sym_t v = sym_index(l->syms, "turn", sym_const(l->syms, p->buffers));
        lower_bind(l, v, turned(l, p, d), l->depth);
        return v;
    }
    return sym_mod(l->syms, sym_floordiv(l->syms, k, sym_const(l->syms, p->chunk)), sym_const(l->syms, p->buffers));
}

/* What passes through registers is loaded one chunk ahead, what is copied as far ahead as there are buffers that no
 * product in flight reads. */
static void load_ahead(lower *l, lower_contract *p, copies *c, sym_t k, bool plain, ir_value **v) {
    sym_t buffer = buffer_of(l, p, k);
    for (int i = 0; i < 2; i++) {
        copy *side = &c->side[i];
        if (side->o->bulk) side->k0 = k;
        else if ((side->plain != NULL) == plain) load_chunk(l, p, side, k, buffer, v);
        v += held(side);
    }
    if (!plain) return;
    close_group(l, c);
    if (c->any_bulk) lower_tma_load(l, p, (sym_t[]){c->side[0].side0, c->side[1].side0}, k, buffer);
}

static void start_tile(lower *l, lower_contract *p, copies *c, ir_value **ahead) {
    sym_t zero = sym_const(l->syms, 0);
    if (p->roles) return;
    load_ahead(l, p, c, zero, false, ahead);
    for (int i = 0; i < p->buffers - 1 - p->in_flight; i++) load_ahead(l, p, c, sym_addi(l->syms, zero, (int64_t)i * p->chunk), true, ahead);
}

/* The chunk at k, if there is one, has been used up. */
static void release_chunk(lower *l, const lower_contract *p, sym_t k) {
    int d;
    ir_value *is = lower_nonnegative(l, k, &d);
    ir_op *choice = is ? lower_if(l, is) : NULL;
    lower_tma_release(l, buffer_of(l, p, k));
    if (choice) lower_if_end(l, choice);
}

/* Where another part of the block copies. */
static void take_chunk(lower *l, lower_contract *p, sym_t k0) {
    lower_wgmma_wait(l, p);
    release_chunk(l, p, sym_addi(l->syms, k0, -(int64_t)(p->in_flight + 1) * p->chunk));
    lower_tma_wait(l, buffer_of(l, p, k0));
    lower_wgmma_sum_chunk(l, p, buffer_of(l, p, k0));
}

static void release_rest(lower *l, const lower_contract *p) {
    sym_ctx *c = l->syms;
    sym_t chunks = sym_ceildiv(c, lower_axes_total(l, &p->k), sym_const(c, p->chunk));
    for (int i = p->in_flight; i >= 0; i--) release_chunk(l, p, sym_muli(c, sym_addi(c, chunks, -1 - i), p->chunk));
}

static void do_chunk(lower *l, lower_contract *p, copies *c, sym_t k0, ir_value **ahead) {
    sym_ctx *sc = l->syms;
    sym_t buffer = buffer_of(l, p, k0);
    if (p->wgmma) lower_wgmma_wait(l, p);
    store_chunk(l, p, &c->side[0], buffer, ahead);
    store_chunk(l, p, &c->side[1], buffer, ahead + held(&c->side[0]));
    wait_groups(l, c, p->buffers - 2 - p->in_flight);
    if (c->any_bulk) lower_tma_wait(l, buffer);
    for (int i = 0; i < 2; i++) split_chunk(l, p, &c->side[i], buffer);
    if (p->wgmma && !c->all_bulk) ir_build(lower_here(l), IR_fence_async, 0, NULL, 0, NULL);
    lower_barrier(l);
    load_ahead(l, p, c, sym_addi(sc, k0, p->chunk), false, ahead);
    load_ahead(l, p, c, sym_addi(sc, k0, (int64_t)(p->buffers - 1 - p->in_flight) * p->chunk), true, ahead);
    if (p->wgmma) lower_wgmma_sum_chunk(l, p, buffer);
    else if (p->product) lower_mma_sum_chunk(l, p, buffer);
    else lower_sum_chunk(l, p, buffer);
}

/* One tile of the result. carried: the sums, then the elements on their way. */
static void run_tile(lower *l, lower_contract *p, sym_t m0, sym_t n0) {
    sym_ctx *c = l->syms;
    copies both = {.side = {make_copy(l, p, &p->side[0], m0), make_copy(l, p, &p->side[1], n0)}};
    both.any_bulk = p->side[0].bulk || p->side[1].bulk;
    both.all_bulk = p->side[0].bulk && p->side[1].bulk && p->side[0].t != FRIT_f32;
    both.any_plain = both.side[0].plain || both.side[1].plain;
    sym_t depth = lower_axes_total(l, &p->k);
    int n = p->n_sums + held(&both.side[0]) + held(&both.side[1]);
    bool turns = (p->buffers & (p->buffers - 1)) != 0;
    ir_value **carried = arena_array(l->scratch, ir_value *, n + 1), **ahead = carried + p->n_sums;
    p->sums = carried;
    add_zeros(l, p);
    start_tile(l, p, &both, ahead);
    carried[n] = lower_int(l, FRIT_i64, 0);
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, depth), lower_int(l, FRIT_i64, p->chunk), n + turns, carried);
    sym_t k0 = sym_var(c, "k", SYM_INDEX, sym_const(c, 0), sym_addi(c, depth, -1));
    sym_var_bound(c, k0, NULL, NULL, p->chunk);
    lower_bind(l, k0, loop->blocks[0]->args[0], l->depth);
    if (turns) {
        p->k0 = k0;
        p->turn = sym_index(c, "turn", sym_const(c, p->buffers));
        lower_bind(l, p->turn, carried[n], l->depth);
    }
    if (p->roles) take_chunk(l, p, k0);
    else do_chunk(l, p, &both, k0, ahead);
    if (turns) carried[n] = turned(l, p, 1);
    lower_for_end(l, loop, n + turns, carried);
    p->turn = NULL;
    if (p->wgmma) lower_wgmma_end(l, p);
    if (p->roles) release_rest(l, p);
    wait_groups(l, &both, 0);
    sym_t first[2] = {m0, n0};
    if (p->direct) {
        lower_epilogue_direct(l, p, first);
        return;
    }
    lower_barrier(l);
    if (p->wgmma) lower_wgmma_store_sums(l, p);
    else if (p->product) lower_mma_store(l, p);
    else lower_store_sums(l, p);
    lower_barrier(l);
    lower_epilogue_shared(l, p, first);
}

/* ---- Loops around the tile ---- */
static ir_op *tile_loop(lower *l, const lower_operand *o, const char *name, sym_t *at) {
    sym_ctx *c = l->syms;
    sym_t all = lower_axes_total(l, &o->axes);
    int64_t lo, hi;
    sym_range(c, all, &lo, &hi);
    *at = sym_const(c, 0);
    if (hi <= o->tile) return NULL;
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, all), lower_int(l, FRIT_i64, o->tile), 0, NULL);
    *at = sym_var(c, name, SYM_INDEX, *at, sym_addi(c, all, -1));
    sym_var_bound(c, *at, NULL, NULL, o->tile);
    lower_bind(l, *at, loop->blocks[0]->args[0], l->depth);
    return loop;
}

static ir_op *outer_loop(lower *l, const lower_axes *a, int i) {
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, a->extent[i]), lower_int(l, FRIT_i64, 1), 0, NULL);
    lower_bind(l, a->var[i], loop->blocks[0]->args[0], l->depth);
    return loop;
}

/* The part of the block that copies: chunk after chunk, as buffers become free. */
static void copy_tile(lower *l, lower_contract *p, const sym_t *at) {
    sym_ctx *c = l->syms;
    sym_t depth = p->k.extent[0];
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, depth), lower_int(l, FRIT_i64, p->chunk), 0, NULL);
    sym_t k0 = sym_var(c, "k", SYM_INDEX, sym_const(c, 0), sym_addi(c, depth, -1));
    sym_var_bound(c, k0, NULL, NULL, p->chunk);
    lower_bind(l, k0, loop->blocks[0]->args[0], l->depth);
    lower_tma_wait_empty(l, buffer_of(l, p, k0));
    lower_tma_load(l, p, at, k0, buffer_of(l, p, k0));
    lower_for_end(l, loop, 0, NULL);
}

static lower_contract *plan_of(const lower *l, const ir_op *op) {
    for (int i = 0; i < l->contracts.len; i++)
        if (l->contracts.data[i]->op == op) return l->contracts.data[i];
    return NULL;
}

static void prepare(lower *l, lower_contract *p) {
    for (int i = 0; i < 2; i++) {
        int64_t at = p->side[i].at, end = i ? p->place.bytes : p->side[1].at;
        p->side[i].ptr = lower_shared(l, p->side[i].t, p->place.at + at, end - at);
    }
    if (!p->direct) p->result = lower_shared(l, p->sum, p->place.at + p->result_at, p->place.bytes - p->result_at);
    for (int i = 0; i < 2; i++)
        if (p->side[i].bulk) lower_tma_prepare(l, p, &p->side[i]);
    if (!p->product && !p->wgmma) lower_share_sums(l, p);
}

/* The memory is free; for copies that are not the threads' own too, if a fence comes before the barrier. */
static void begin_copies(lower *l, bool bulk) {
    lower_barrier(l);
    if (!bulk) return;
    ir_builder b = *lower_here(l);
    b.before = b.block->last;
    ir_build(&b, IR_fence_async, 0, NULL, 0, NULL);
}

bool lower_contract_op(lower *l, const ir_op *op) {
    enum { TOUCHED = 3 };
    lower_contract *p = lower_is_block(l) ? plan_of(l, op) : NULL;
    ir_op *outer[IR_MAX_RANK], *tiles[2];
    sym_t at[2];
    if (!p) return false;
    prepare(l, p);
    lower_touched before = lower_order_state(l);
    for (int i = 0; i < p->outer.n; i++) outer[i] = outer_loop(l, &p->outer, i);
    for (int i = 0; i < 2; i++) tiles[i] = tile_loop(l, &p->side[i], i ? "n" : "m", &at[i]);
    if (l->role == LOWER_PRODUCER) {
        copy_tile(l, p, at);
    } else {
        if (!p->roles) begin_copies(l, p->side[0].bulk || p->side[1].bulk);
        run_tile(l, p, at[0], at[1]);
    }
    for (int i = 1; i >= 0; i--)
        if (tiles[i]) lower_for_end(l, tiles[i], 0, NULL);
    for (int i = p->outer.n - 1; i >= 0; i--) lower_for_end(l, outer[i], 0, NULL);
    lower_order_maybe(l, before);
    lower_order_touch(l, op->blocks[0]);
    lower_order_touch(l, op->blocks[1]);
    p->place.touched = TOUCHED;
    return true;
}
