/* Operands of a staged contraction on their way to shared memory: which thread copies which vectors of a chunk, straight
 * where the target copies asynchronously and the operand is plain memory, else by way of registers. */
#include "lower_contract.h"

/* All that the operand reads is inside of its tensors. */
static bool is_unchecked(const lower_contract *p, const lower_operand *o) {
    for (const ir_op *op = p->op->blocks[0]->first; op; op = op->next)
        if (op->code == IR_read && o->wanted[op->results[0].id - p->first_id] && ir_has(op, IR_ATTR_checked)) return false;
    return true;
}

int lower_copy_lanes(lower *l, lower_contract *p, const lower_operand *o) {
    int lanes = (int)(16 * 8 / frit_dtype_bits(o->t));
    if (o->bulk) return lanes;
    const lower_axes *inner = o->k_inner ? &p->k : &o->axes;
    while (lanes > 1 && !sym_prove_multiple(l->syms, lower_axes_total(l, inner), lanes)) lanes /= 2;
    if (o->turned) return lanes; /* gathered: neighbouring threads read neighbours in memory */
    if (inner->n != 1 && !(o->k_inner && is_unchecked(p, o))) return 1;
    while (lanes > 1 && !sym_prove_multiple(l->syms, inner->extent[inner->n - 1], lanes)) lanes /= 2;
    return lower_aligned_reads(l, p->op->blocks[0], o->wanted, p->first_id, inner->var[inner->n - 1], lanes);
}

/* The read that is all there is to the operand, if it can be copied as it is; or NULL. */
const ir_op *lower_copy_plain(lower *l, lower_contract *p, const lower_operand *o, int lanes) {
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

static int words_of(ir_type t, int lanes) { return (lanes * (int)frit_dtype_bits((frit_dtype)t.dtype) + 31) / 32; }

enum { ARITHMETIC = 12 }; /* registers of what is computed for one vector: a quotient takes about as many */

/* What a vector that is computed takes while what it is made of is on its way; where it may be outside, whether it is. */
static int computed_registers(lower_contract *p, const lower_operand *o, int lanes) {
    int n = 0, reads = 0, checked = 0;
    for (const ir_op *op = p->op->blocks[0]->first; op; op = op->next)
        if (op->code == IR_read && o->wanted[op->results[0].id - p->first_id]) {
            n += 2 + words_of(op->results[0].type, lanes);
            reads++;
            checked |= ir_has(op, IR_ATTR_checked);
        }
    return checked + (reads > 1 ? ARITHMETIC + n + words_of(o->v->type, lanes) : 2 + words_of(o->v->type, lanes));
}

/* Where a vector may go from one position of the outer reduced axes to the next, each of its elements is told where it is, one vector
 * after another. */
static int unflattening_registers(lower *l, lower_contract *p, int lanes) {
    bool whole = p->k.n < 2 || lanes == 1 || sym_prove_multiple(l->syms, p->k.extent[p->k.n - 1], lanes);
    return whole ? 0 : ARITHMETIC + 2 * lanes;
}

/* Bytes that are copied one by one are many, as chunks are 128 deep; where there may be no such row, whether there is one takes a register of each. */
static int guard_registers(lower *l, const lower_operand *o, int lanes) {
    return lanes == 1 && frit_dtype_bits(o->t) <= 8 && !sym_prove_multiple(l->syms, lower_axes_total(l, &o->axes), o->tile);
}

/* Each vector has an address of two registers; those that pass through registers are there while a chunk is summed up. */
int lower_copy_registers(lower *l, lower_contract *p, const lower_operand *o) {
    if (o->bulk) return 0;
    int lanes = lower_copy_lanes(l, p, o), n = o->tile * p->chunk / lanes / l->lim->threads;
    bool plain = lower_copy_plain(l, p, o, lanes) != NULL;
    return (n ? n : 1) * (plain ? 2 : computed_registers(p, o, lanes) + guard_registers(l, o, lanes)) + (plain ? 0 : unflattening_registers(l, p, lanes));
}

int lower_copy_held_registers(lower *l, lower_contract *p, const lower_operand *o) {
    int lanes = lower_copy_lanes(l, p, o), n = o->tile * p->chunk / lanes / l->lim->threads;
    if (o->bulk || lower_copy_plain(l, p, o, lanes)) return 0;
    return (n ? n : 1) * words_of(o->v->type, lanes);
}

/* Memory is contiguous along the outer axis of the layout: neighbours have neighbouring rows, or `wide` of them each. */
static void share_turned(lower *l, lower_copy *c, int rows) {
    sym_ctx *sc = l->syms;
    int threads = l->lim->threads, groups = rows / c->wide, bits = lower_log2(groups), turns = groups / threads;
    for (int i = 0; i < c->n; i++) {
        int g = i / c->wide;
        sym_t row, col;
        if (turns) {
            row = sym_addi(sc, l->thread, (int64_t)(g % turns) * threads);
            col = sym_const(sc, (int64_t)(g / turns) * c->lanes);
        } else {
            sym_t high = lower_coordinate(l, bits, lower_log2(threads) - bits);
            row = lower_coordinate(l, 0, bits);
            col = sym_muli(sc, sym_addi(sc, high, (int64_t)g * (threads / groups)), c->lanes);
        }
        c->row[i] = sym_addi(sc, sym_muli(sc, row, c->wide), i % c->wide);
        c->col[i] = col;
    }
}

/* Vectors go to threads in the order of memory, a row of the layout after another. */
static void share_vectors(lower *l, lower_contract *p, lower_copy *c) {
    sym_ctx *sc = l->syms;
    int inner = c->o->k_inner ? p->chunk : c->o->tile, outer = c->o->k_inner ? c->o->tile : p->chunk;
    int per_row = inner / c->lanes, threads = l->lim->threads, vectors = per_row * outer, bits = lower_log2(per_row);
    c->n = vectors > threads ? vectors / threads : 1;
    c->some = vectors < threads;
    c->row = arena_array(l->scratch, sym_t, c->n);
    c->col = arena_array(l->scratch, sym_t, c->n);
    if (c->o->turned) return share_turned(l, c, outer);
    for (int i = 0; i < c->n; i++) {
        if (per_row <= threads) {
            sym_t high = lower_coordinate(l, bits, lower_log2(threads) - bits);
            c->row[i] = sym_addi(sc, high, (int64_t)i * (threads / per_row));
            c->col[i] = sym_muli(sc, lower_coordinate(l, 0, bits), c->lanes);
        } else {
            int turns = per_row / threads;
            c->row[i] = sym_const(sc, i / turns);
            c->col[i] = sym_muli(sc, sym_addi(sc, l->thread, (int64_t)(i % turns) * threads), c->lanes);
        }
    }
}

/* Elements of an operand that is turned are loaded a word of neighbours at a time where memory and the chunk allow it. */
static void choose_width(lower *l, lower_contract *p, lower_copy *c) {
    const lower_operand *o = c->o;
    int each = o->tile * p->chunk / l->lim->threads, words = 32 / (int)frit_dtype_bits(o->t);
    sym_t along = o->axes.var[o->axes.n - 1];
    c->wide = 1;
    if (!o->turned || p->wgmma || words < 2 || each < words * words || c->lanes < words) return;
    if (!sym_prove_multiple(l->syms, o->axes.extent[o->axes.n - 1], words)) return;
    if (lower_aligned_reads(l, p->op->blocks[0], o->wanted, p->first_id, along, words) < words) return;
    c->wide = words;
    while (c->lanes > each / words) c->lanes /= 2;
}

int lower_copy_held(const lower_copy *c) {
    return c->plain || c->o->bulk ? 0 : c->wide > 1 ? c->n / c->wide * c->lanes : c->n;
}

lower_copy lower_copy_make(lower *l, lower_contract *p, const lower_operand *o, sym_t side0) {
    lower_copy c = {.o = o, .side0 = side0, .lanes = lower_copy_lanes(l, p, o)};
    choose_width(l, p, &c);
    share_vectors(l, p, &c);
    lower_stage *s = c.s = arena_new_of(l->scratch, lower_stage);
    sym_t *vars = arena_array(l->scratch, sym_t, 2), *extent = arena_array(l->scratch, sym_t, 2);
    extent[0] = sym_const(l->syms, o->tile), extent[1] = sym_const(l->syms, p->chunk);
    vars[0] = sym_index(l->syms, "x", extent[0]), vars[1] = sym_index(l->syms, "k", extent[1]);
    s->op = p->op, s->n = s->parallel = 2, s->vars = vars, s->extent = extent;
    s->wanted = o->wanted, s->first_id = p->first_id;
    s->border_axis = -1;
    s->vector = c.wide > 1 ? 0 : c.lanes > 1 ? o->k_inner : -1;
    for (int i = 0; i < 2; i++) s->tile[i] = s->threads[i] = s->count[i] = s->full[i] = 1;
    c.plain = lower_copy_plain(l, p, o, c.lanes);
    return c;
}

/* bool, where there are more threads than vectors: this thread has an i-th one; NULL: it has. */
static ir_value *has_vector(lower *l, const lower_contract *p, const lower_copy *c, int i, int *depth) {
    int inner = c->o->k_inner ? p->chunk : c->o->tile, outer = c->o->k_inner ? c->o->tile : p->chunk;
    return c->o->turned ? lower_inside(l, c->col[i], sym_const(l->syms, inner), depth)
                        : lower_inside(l, c->row[i], sym_const(l->syms, outer), depth);
}

static sym_t at_turn(lower *l, const lower_copy *c, sym_t e) { return c->var ? sym_subst(l->syms, e, 1, &c->var, &c->as) : e; }

/* bool: the i-th vector, at x along the side and k along the chunk, holds elements of the operand; NULL: always. */
static ir_value *is_element(lower *l, lower_contract *p, const lower_copy *c, sym_t x, sym_t k, int i) {
    int d, e, f;
    sym_t to = at_turn(l, c, lower_contract_to(l, p));
    /* All of a chunk or none: the same for all threads. */
    if (sym_prove_multiple(l->syms, to, p->chunk) && sym_prove_multiple(l->syms, c->k0, p->chunk)) k = sym_const(l->syms, 0);
    ir_value *v = lower_inside(l, sym_add(l->syms, c->side0, x), at_turn(l, c, lower_axes_total(l, &c->o->axes)), &d);
    ir_value *w = lower_inside(l, sym_add(l->syms, c->k0, k), to, &e);
    ir_value *in = lower_and(l, v, d, w, e, &f);
    if (!c->some) return in;
    w = has_vector(l, p, c, i, &d);
    return lower_and(l, in, f, w, d, &e);
}

/* Vectors lie along the last of several reduced axes, whose extent is a multiple of them: it is told apart from the others once
 * for a vector. */
static bool in_rows(lower *l, const lower_contract *p, const lower_copy *c) {
    if (p->k.n < 2 || !c->o->k_inner || c->lanes == 1 || c->wide > 1) return false;
    return sym_prove_multiple(l->syms, p->k.extent[p->k.n - 1], c->lanes);
}

static ir_value *evaluate(lower *l, lower_contract *p, lower_copy *c, sym_t x, sym_t k) {
    lower_stage *s = c->s;
    int zero[IR_MAX_RANK] = {0}, lanes = c->wide > 1 ? c->wide : c->lanes;
    s->base[0] = x, s->base[1] = in_rows(l, p, c) ? sym_const(l->syms, 0) : k;
    s->depth = s->at_depth[0] = s->at_depth[1] = l->depth;
    l->lanes = lanes;
    lower_body(l, s, s->op->blocks[0]);
    return lower_get(l, s, c->o->v, zero, lanes > 1);
}

static ir_value *load_vector(lower *l, lower_contract *p, lower_copy *c, int i) {
    sym_t x = c->o->k_inner ? c->row[i] : c->col[i], k = c->o->k_inner ? c->col[i] : c->row[i];
    ir_value *in = is_element(l, p, c, x, k, i);
    if (!in) return evaluate(l, p, c, x, k);
    ir_type t = ir_vector(c->o->t, c->lanes);
    ir_op *choice = ir_build(lower_here(l), IR_tif, 1, &in, 1, &t);
    lower_push(l, choice, choice->blocks[0]);
    ir_value *v = evaluate(l, p, c, x, k);
    ir_build(lower_here(l), IR_yield, 1, &v, 0, NULL);
    lower_pop(l);
    ir_value *zero = frit_dtype_is_float(c->o->t) ? lower_float(l, c->o->t, 0) : lower_int(l, c->o->t, 0);
    zero = lower_splat(l, zero, c->lanes, 0);
    ir_builder other = ir_builder_at_end(l->m, choice->blocks[1]);
    ir_build(&other, IR_yield, 1, &zero, 0, NULL);
    return ir_result(choice, 0);
}

/* ---- Words of neighbours along the side ---- */
static ir_value *word_of(lower *l, ir_value *v) { return lower_build(l, l->depth, IR_reinterpret, 1, &v, ir_vector(FRIT_u32, 1)); }

/* The words of vector i and its neighbours, one a position along k, as they lie in memory. */
static void load_words(lower *l, lower_contract *p, lower_copy *c, int i, ir_value **v) {
    ir_type *types = arena_array(l->scratch, ir_type, c->lanes);
    ir_value *in = is_element(l, p, c, c->row[i], c->col[i], i), *zero = lower_int(l, FRIT_u32, 0);
    ir_op *choice = NULL;
    for (int k = 0; k < c->lanes; k++) types[k] = ir_vector(FRIT_u32, 1);
    if (in) {
        choice = ir_build(lower_here(l), IR_tif, 1, &in, c->lanes, types);
        lower_push(l, choice, choice->blocks[0]);
    }
    for (int k = 0; k < c->lanes; k++) v[k] = word_of(l, evaluate(l, p, c, c->row[i], sym_addi(l->syms, c->col[i], k)));
    if (!in) return;
    ir_build(lower_here(l), IR_yield, c->lanes, v, 0, NULL);
    lower_pop(l);
    for (int k = 0; k < c->lanes; k++) v[k] = zero;
    ir_builder other = ir_builder_at_end(l->m, choice->blocks[1]);
    ir_build(&other, IR_yield, c->lanes, v, 0, NULL);
    for (int k = 0; k < c->lanes; k++) v[k] = &choice->results[k];
}

static ir_value *word_op(lower *l, ir_opcode code, ir_value *x, int64_t y) {
    ir_value *v[] = {x, lower_int(l, FRIT_u32, y)};
    return lower_build(l, l->depth, code, 2, v, ir_vector(FRIT_u32, 1));
}

/* Neighbour j of each of the `wide` words from v on, as one word. */
static ir_value *turned_word(lower *l, const lower_copy *c, ir_value *const *v, int j) {
    int bits = 32 / c->wide;
    ir_value *word = NULL;
    for (int i = 0; i < c->wide; i++) {
        ir_value *x = v[i];
        if (j > i) x = word_op(l, IR_shr, x, (int64_t)(j - i) * bits);
        else if (j < i) x = word_op(l, IR_shl, x, (int64_t)(i - j) * bits);
        x = word_op(l, IR_and, x, ((INT64_C(1) << bits) - 1) << i * bits);
        ir_value *both[] = {word, x};
        word = word ? lower_build(l, l->depth, IR_or, 2, both, ir_vector(FRIT_u32, 1)) : x;
    }
    return word;
}

/* Vector number j of those that the words from v on are, along k. */
static ir_value *turned_vector(lower *l, const lower_copy *c, ir_value *const *v, int j) {
    int n = c->lanes / c->wide;
    ir_type t = ir_vector(FRIT_u32, n);
    ir_value *all = NULL, *number = n > 1 ? lower_int(l, FRIT_u32, 0) : NULL;
    if (number) number = lower_build(l, l->depth, IR_ramp, 1, &number, t);
    for (int i = 0; i < n; i++) {
        ir_value *word = turned_word(l, c, v + i * c->wide, j), *x = n > 1 ? lower_splat(l, word, n, l->depth) : word;
        ir_value *here[] = {number, n > 1 ? lower_splat(l, lower_int(l, FRIT_u32, i), n, l->depth) : NULL};
        ir_value *choice[] = {all ? lower_build(l, l->depth, IR_eq, 2, here, ir_vector(FRIT_bool, n)) : NULL, x, all};
        all = all ? lower_build(l, l->depth, IR_select, 3, choice, t) : x;
    }
    return lower_build(l, l->depth, IR_reinterpret, 1, &all, ir_vector(c->o->t, c->lanes));
}

static sym_t staged_at(lower *l, const lower_contract *p, const lower_copy *c, sym_t buffer, int i) {
    sym_ctx *sc = l->syms;
    if (c->o->width) return lower_wgmma_staged_at(l, p, c->o, buffer, c->row[i], c->col[i]);
    sym_t at = sym_add(sc, sym_muli(sc, c->row[i], c->o->ld), c->col[i]);
    return sym_add(sc, sym_muli(sc, buffer, c->o->elements), at);
}

static void copy_vector(lower *l, lower_contract *p, lower_copy *c, sym_t buffer, int i) {
    sym_t x = c->o->k_inner ? c->row[i] : c->col[i], k = c->o->k_inner ? c->col[i] : c->row[i];
    ir_op *spare = NULL;
    int d;
    if (c->some) {
        ir_value *own = has_vector(l, p, c, i, &d);
        if (own) spare = lower_if(l, own);
    }
    c->s->base[0] = x, c->s->base[1] = in_rows(l, p, c) ? sym_const(l->syms, 0) : k;
    l->lanes = c->lanes;
    ir_value *to[2] = {c->o->ptr, lower_index(l, staged_at(l, p, c, buffer, i))};
    lower_copy_async(l, c->s, c->plain, to, is_element(l, p, c, x, k, i), c->lanes);
    if (spare) lower_if_end(l, spare);
}

/* The op's variables in those of the chunk at k0, or (in_rows) of its i-th vector. */
static void aim(lower *l, lower_contract *p, lower_copy *c, sym_t k0, int i) {
    sym_ctx *sc = l->syms;
    sym_t *outer = arena_array(l->scratch, sym_t, IR_MAX_RANK);
    c->k0 = k0;
    c->s->n_outer = 0;
    c->s->outer = outer;
    lower_unflatten(l, c->s, outer, &c->o->axes, sym_add(l->syms, c->side0, c->s->vars[0]));
    if (in_rows(l, p, c)) {
        int last = p->k.n - 1;
        lower_axes rest = p->k;
        rest.n = last;
        sym_t at = sym_add(sc, k0, c->col[i]);
        outer[c->s->n_outer] = p->k.var[last];
        c->s->outer_as[c->s->n_outer++] = sym_add(sc, sym_mod(sc, at, p->k.extent[last]), c->s->vars[1]);
        lower_unflatten(l, c->s, outer, &rest, sym_floordiv(sc, at, p->k.extent[last]));
    } else {
        lower_unflatten(l, c->s, outer, &p->k, sym_add(sc, k0, c->s->vars[1]));
    }
    if (!c->var) return;
    outer[c->s->n_outer] = c->var;
    c->s->outer_as[c->s->n_outer++] = c->as;
}

/* The elements of the chunk at k0: on their way to the buffer, or into v. */
void lower_copy_load(lower *l, lower_contract *p, lower_copy *c, sym_t k0, sym_t buffer, ir_value **v) {
    aim(l, p, c, k0, 0);
    lower_find_axes(l, c->s, p->op->blocks[0]);
    int lanes = c->wide > 1 ? c->wide : c->lanes;
    if (lanes > 1) l->lane = sym_index(l->syms, "lane", sym_const(l->syms, lanes));
    for (int i = 0; i < c->n; i++) {
        if (i && in_rows(l, p, c)) aim(l, p, c, k0, i);
        if (c->wide > 1) {
            if (i % c->wide == 0) load_words(l, p, c, i, v + i / c->wide * c->lanes);
        } else if (c->plain) copy_vector(l, p, c, buffer, i);
        else v[i] = load_vector(l, p, c, i);
    }
}

void lower_copy_store(lower *l, lower_contract *p, lower_copy *c, sym_t buffer, ir_value *const *v) {
    ir_value *some = NULL;
    int d, bytes = c->lanes * (int)frit_dtype_bits(c->o->t) / 8;
    for (int i = 0; i < c->n && !c->plain && !c->o->bulk; i++) {
        ir_value *x = c->wide > 1 ? turned_vector(l, c, v + i / c->wide * c->lanes, i % c->wide) : v[i];
        if (c->some) some = has_vector(l, p, c, i, &d);
        if (p->wgmma) {
            lower_wgmma_store(l, p, c->o, staged_at(l, p, c, buffer, i), x, some);
            continue;
        }
        ir_op *op = lower_store(l, c->o->ptr, lower_index(l, staged_at(l, p, c, buffer, i)), x, some);
        if (c->lanes > 1) ir_set_int(l->m, op, IR_ATTR_align, bytes);
    }
}

/* Elements that were copied whole are split where they lie, each by one thread, whichever it is: pieces are taken as they
 * come. */
void lower_copy_split(lower *l, lower_contract *p, lower_copy *c, sym_t buffer) {
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
