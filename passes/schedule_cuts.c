/* What one task takes on: how each grid variable is cut, and which chunks of a streamed axis a task runs over. */
#include "schedule_plan.h"
#include "schedule_tiles.h"
#include <math.h>

static void make_cut(plan *p, int g, sym_t tile) {
    sym_ctx *c = p->s->m->syms;
    cut *k = &p->cuts[g];
    sym_t var = p->r->grid[g], extent = p->r->grid_extent[g];
    int64_t e, t;
    if (tile && sym_is_const(tile, &t) && sym_is_const(extent, &e) && t >= e) tile = extent;
    *k = (cut){.tile = tile, .expr = var};
    if (!tile) {
        k->task = var;
        k->task_extent = extent;
    } else if (tile == extent) {
        k->inner = var;
        k->inner_extent = k->inner_max = extent;
    } else {
        k->task_extent = sym_ceildiv(c, extent, tile);
        k->task = sym_index(c, "t", k->task_extent);
        sym_t base = sym_mul(c, k->task, tile);
        bool even = sym_mul(c, sym_floordiv(c, extent, tile), tile) == extent;
        k->inner_max = tile;
        k->inner_extent = even ? tile : sym_min(c, tile, sym_sub(c, extent, base));
        k->inner = sym_index(c, sym_var_name(var), k->inner_extent);
        k->expr = sym_add(c, base, k->inner);
    }
}

/* ---- Tile sizes -------------------------------------------------------------------------------------------------- */
/* Operand coordinates of contraction n, in grid and own variables. */
static void contract_coords(plan *p, const nest *n, int i, sym_t *out) {
    sym_t at[IR_MAX_RANK], red[IR_MAX_RANK];
    for (int d = 0; d < n->rank; d++) at[d] = n->dim[d].expr;
    for (int k = 0; k < n->n_red; k++) red[k] = n->red[k].expr;
    access_reduced(&p->r->x, n->v->op, i, at, red, out);
}

/* Which side of contraction n varies along var: 1 left only, 2 right only, 3 both, 0 neither. */
static int contract_side(plan *p, const nest *n, sym_t var) {
    sym_t a[IR_MAX_RANK], b[IR_MAX_RANK];
    contract_coords(p, n, 0, a);
    contract_coords(p, n, 1, b);
    return plan_any_uses(a, ir_operand(n->v->op, 0)->type.rank, var) | plan_any_uses(b, ir_operand(n->v->op, 1)->type.rank, var) << 1;
}

static bool has_local_axes(const region *r) {
    for (int i = 0; i < r->nests.len; i++)
        for (int d = 0; d < r->nests.data[i].rank; d++)
            if (r->nests.data[i].dim[d].n_vars) return true;
    return false;
}

static const nest *last_contract(const region *r) {
    for (int i = r->nests.len - 1; i >= 0; i--)
        if (r->nests.data[i].kind == NEST_CONTRACT) return &r->nests.data[i];
    return NULL;
}

/* It does not vary along the innermost grid variable, of which a task takes many values. */
static bool is_once_a_task(const region *r, const nest *n) {
    for (int d = 0; d < n->rank && r->n_grid; d++)
        if (sym_uses(n->dim[d].expr, r->grid[r->n_grid - 1])) return false;
    return r->n_grid > 1;
}

/* Elements that one value of all grid variables stands for: the longest local or reduced extent of a nest. */
static int64_t row_length(const region *r) {
    int64_t longest = 1;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        if (n->kind == NEST_REDUCE && is_once_a_task(r, n)) continue;
        double len = region_points(n->rank, n->dim) * region_points(n->n_red, n->red);
        if (len > (double)longest) longest = len < 1e18 ? (int64_t)len : (int64_t)1e18;
    }
    return longest;
}

/* A matrix times a few vectors: it is read once, and all of the machine is to read; of each row at least a sector of memory. */
static void shrink_strip(plan *p, const nest *n, const double *extent, int64_t *rows, int64_t *cols) {
    enum { SECTOR = 32, BLOCKS = 2 };
    int side = extent[2] > extent[1] ? 2 : 1;
    int64_t *most = side == 2 ? cols : rows, bits = schedule_stored_bits(n->v->op, side - 1);
    while (*most * bits > 8 * SECTOR && *most > 1) {
        if (ceil(extent[side] / (double)*most) * extent[0] * extent[3] >= (double)(BLOCKS * p->s->lim->multiprocessors)) return;
        *most /= 2;
    }
}

/* Halves the longer side of a contraction's tile while there would be fewer tasks than there is room for. */
static void shrink_tile(plan *p, const nest *n, int64_t *rows, int64_t *cols) {
    double extent[4] = {1, 1, 1, 1};
    for (int g = 0; g < p->r->n_grid; g++) extent[contract_side(p, n, p->r->grid[g])] *= (double)sym_hint(p->r->grid_extent[g]);
    if (p->s->lim->multiprocessors && !has_local_axes(p->r) && !schedule_in_tiles(n->v->op)) {
        shrink_strip(p, n, extent, rows, cols);
        return;
    }
    double others = extent[0] * extent[3];
    while (*rows * *cols > p->s->sizes.least_points) {
        double tasks = ceil(extent[1] / (double)*rows) * ceil(extent[2] / (double)*cols) * others;
        if (tasks >= (double)schedule_wanted_tasks(&p->s->sizes, n->v->op)) return;
        *(*rows >= *cols ? rows : cols) /= 2;
    }
}

/* Two contractions of a task share its registers. */
static bool is_only_contraction(const region *r) {
    int n = 0;
    for (int i = 0; i < r->nests.len; i++) n += r->nests.data[i].kind == NEST_CONTRACT;
    return n == 1;
}

static void cut_contract(plan *p, const nest *n) {
    region *r = p->r;
    sym_ctx *c = p->s->m->syms;
    bool chain = has_local_axes(r);
    const ir_value *rhs = ir_operand(n->v->op, 1);
    bool in_panels = rhs->op && rhs->op->code == IR_view; /* weights that were packed ahead (pack.c) */
    const schedule_sizes *z = &p->s->sizes;
    int64_t m_left = p->of_products ? p->of_products->rows : chain ? z->chain_rows : in_panels ? z->rows : z->packing_rows;
    int64_t n_left = chain || !is_only_contraction(r) ? z->cols : schedule_most_cols(z, n->v->op);
    if (!p->of_products) shrink_tile(p, n, &m_left, &n_left);
    for (int g = r->n_grid - 1; g >= 0; g--) {
        int side = contract_side(p, n, r->grid[g]);
        int64_t *left = side == 1 ? &m_left : side == 2 ? &n_left : NULL, h = sym_hint(r->grid_extent[g]), e;
        if (!left || *left <= 1) {
            make_cut(p, g, NULL);
        } else if (sym_is_const(r->grid_extent[g], &e) && e <= *left) {
            make_cut(p, g, r->grid_extent[g]);
            *left = e ? *left / e : 1;
        } else {
            make_cut(p, g, sym_const(c, *left));
            *left = h > 0 ? *left / h : 1;
        }
    }
}

static int64_t round_up(int64_t x, int64_t m) { return (x + m - 1) / m * m; }

/* The innermost of the first n grid variables, up to about `elements` points a task. */
static void cut_inner(plan *p, int64_t elements, int n) {
    region *r = p->r;
    int64_t left = elements;
    for (int g = n - 1; g >= 0; g--) {
        int64_t h = sym_hint(r->grid_extent[g]);
        if (left <= 1) make_cut(p, g, NULL);
        else if (h <= left && sym_is_const(r->grid_extent[g], NULL)) {
            make_cut(p, g, r->grid_extent[g]);
            left = h > 0 ? left / h : left;
        } else if (p->s->lim->threads && g > 0) { /* blocks are to be many, whatever the extent turns out to be */
            int64_t tile = h > 0 && 2 * h < left ? round_up(2 * h, SCHEDULE_PANEL) : left;
            make_cut(p, g, sym_const(p->s->m->syms, tile));
            left /= tile;
        } else { /* an extent that is not known may be far from typical: the tile bounds the task */
            make_cut(p, g, sym_const(p->s->m->syms, left < SCHEDULE_PANEL ? left : left / SCHEDULE_PANEL * SCHEDULE_PANEL));
            left = h > 0 && h < left ? left / h : 1;
        }
    }
}

/* Reductions over an axis that is not the fastest want many neighbouring results a task, for unit-stride reads: neighbours along the
 * innermost grid variable, where the fastest axis is no loop of the task's. */
static bool reduces_slow_axis(const region *r) {
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        const int64_t *axes;
        if (n->kind != NEST_REDUCE || !n->rank || !r->n_grid) continue;
        if (!sym_uses(n->dim[n->rank - 1].expr, r->grid[r->n_grid - 1])) continue;
        int k = ir_get_ints(n->v->op, IR_ATTR_axes, &axes);
        if (k && axes[k - 1] != ir_operand(n->v->op, 0)->type.rank - 1) return true;
    }
    return false;
}

/* Neighbouring four-bit elements share a byte, which two tasks must not both write. */
static bool stores_nibbles(const plan *p) {
    for (int i = 0; i < p->n_outputs; i++)
        if (frit_dtype_bits((frit_dtype)p->outputs[i].v->type.dtype) < 8) return true;
    return false;
}

/* A transpose: a task takes few enough of the axis that is read across memory for the lines it touches to stay in the
 * nearest cache while the other axis uses them up. */
static bool cut_transpose(plan *p) {
    region *r = p->r;
    int64_t across = p->s->sizes.across;
    int last = r->n_grid - 1;
    if (last < 1 || row_length(r) > 1 || sym_hint(r->grid_extent[last]) <= across || !region_strided(r, r->grid[last]))
        return false;
    if (plan_find_across(p)) {
        int64_t unit = p->s->sizes.points / 2 / across;
        for (int g = 0; g < last; g++) make_cut(p, g, g == p->unit ? sym_const(p->s->m->syms, unit) : NULL);
    } else {
        cut_inner(p, p->s->sizes.points / across, last);
    }
    make_cut(p, last, sym_const(p->s->m->syms, across));
    return true;
}

void plan_choose_stream(plan *p) {
    sym_ctx *c = p->s->m->syms;
    const schedule_sizes *z = &p->s->sizes;
    if (p->s->streamed_row) {
        p->stream = stream_rows(p->r, p->s->streamed_row);
        return;
    }
    stream *of = stream_choose(p->r, z);
    const schedule_rows *products = of ? stream_of_products(p->r, z) : NULL;
    if (products && !stream_is_narrow(p->r, of, products->columns)) products = NULL;
    if (of && sym_min(c, of->extent, sym_const(c, products ? z->stream_least : z->chunk)) == of->extent) return; /* one chunk is all of it */
    p->stream = of;
    p->of_products = products;
}

void plan_choose_cuts(plan *p) {
    if (stores_nibbles(p)) {
        for (int g = 0; g < p->r->n_grid; g++) make_cut(p, g, p->r->grid_extent[g]);
        return;
    }
    const nest *n = last_contract(p->r);
    if (n) {
        cut_contract(p, n);
        return;
    }
    if (cut_transpose(p)) return;
    const schedule_sizes *z = &p->s->sizes;
    int64_t row = row_length(p->r), points = row > 1 ? z->row_points / row : z->points;
    if (reduces_slow_axis(p->r) && points < z->slow_points) points = z->slow_points;
    cut_inner(p, points < 1 ? 1 : points, p->r->n_grid);
}

/* ---- Streams ----------------------------------------------------------------------------------------------------- */
/* The greatest (or least) value of e within a task: over the points of the grid variables that it covers. NULL: e is not
 * affine in them. */
static sym_t extreme(plan *p, sym_t e, bool greatest) {
    sym_ctx *c = p->s->m->syms;
    for (int g = 0; e && g < p->r->n_grid; g++) {
        sym_t var = p->cuts[g].inner, coef, rest;
        int64_t k;
        if (!var || !sym_uses(e, var)) continue;
        if (sym_kind_of(e) == SYM_MIN || sym_kind_of(e) == SYM_MAX) {
            sym_t a = extreme(p, sym_arg(e, 0), greatest), b = extreme(p, sym_arg(e, 1), greatest);
            return !a || !b ? NULL : sym_kind_of(e) == SYM_MIN ? sym_min(c, a, b) : sym_max(c, a, b);
        }
        if (!sym_linear(c, e, var, &coef, &rest) || !sym_is_const(coef, &k)) return NULL;
        e = (k > 0) == greatest ? sym_add(c, rest, sym_muli(c, sym_addi(c, p->cuts[g].inner_extent, -1), k)) : rest;
    }
    return e;
}

static void note_loop(void *u, sym_t var) {
    const plan *p = ((void **)u)[0];
    if (sym_var_role(var) != SYM_INDEX) return;
    for (int g = 0; g < p->r->n_grid; g++)
        if (p->cuts[g].task == var) return;
    *(bool *)((void **)u)[1] = true;
}

/* The bound for all of a task's points, in what is known before its loops; NULL: none. */
static sym_t task_bound(plan *p, sym_t e, bool greatest) {
    bool loops = false;
    if (e) e = extreme(p, plan_on_cuts(p, e), greatest);
    if (e) sym_each_var(e, note_loop, (void *[]){p, &loops});
    return loops ? NULL : e;
}

/* Which chunks have an effect: the first one, and how many. */
static void choose_chunk_range(plan *p) {
    sym_ctx *c = p->s->m->syms;
    chunking *k = &p->chunks;
    sym_t size = sym_const(c, k->size), zero = sym_const(c, 0);
    sym_t first = task_bound(p, k->of->first, false), last = task_bound(p, k->of->last, true);
    k->chunks = sym_ceildiv(c, k->of->extent, size);
    if (last) k->chunks = sym_min(c, k->chunks, sym_max(c, zero, sym_addi(c, sym_floordiv(c, last, size), 1)));
    k->first = first ? sym_max(c, zero, sym_floordiv(c, first, size)) : zero;
    if (first) k->chunks = sym_max(c, zero, sym_sub(c, k->chunks, k->first));
}

void plan_choose_chunks(plan *p) {
    chunking *k = &p->chunks;
    stream *of = p->stream;
    if (!of) return;
    stream_bound(p->r, of);
    p->few_rows = !p->s->streamed_row && plan_has_few_rows(p);
    *k = (chunking){.size = p->s->streamed_row ? p->s->row_chunk : p->few_rows ? p->s->sizes.few_rows_chunk : p->s->sizes.chunk};
    k->of = of;
    for (int i = 0; i < of->n_vars; i++) k->expr[i] = of->vars[i]; /* for now */
    choose_chunk_range(p);
    plan_place_chunks(p);
}

void plan_place_chunks(plan *p) {
    sym_ctx *c = p->s->m->syms;
    chunking *k = &p->chunks;
    const stream *of = k->of;
    sym_t size = sym_const(c, k->size);
    k->chunk = sym_index(c, "c", k->chunks);
    k->base = sym_muli(c, sym_add(c, k->first, k->chunk), k->size);
    k->inner_extent = sym_prove_multiple(c, of->extent, k->size) ? size : sym_min(c, size, sym_sub(c, of->extent, k->base));
    for (int i = 0; i < of->n_vars; i++) {
        k->inner[i] = sym_index(c, sym_var_name(of->vars[i]), k->inner_extent);
        k->expr[i] = sym_add(c, k->base, k->inner[i]);
    }
}
