/* Rows of open length, reduced and read again: softmax, norms, log-sum-exp, however they are spelt. A kernel of which all reductions
 * run along such rows gets sets of grids by the row's length, each with a typical length and bounds of its own:
 *
 * - short rows, a warp or so each, several a task;
 * - rows that a block's shared memory holds, one a task: where several passes go over a row, the first keeps it there
 *   (schedule_keep.c);
 * - long rows, one a task, reduced in one pass over chunks that are kept as such rows are, where the reductions allow it (stream.h), else
 *   read by each.
 *
 * Short and long rows come in two forms each, of whole vectors and of any length (variant.h); what is longer than short and no
 * multiple of a vector goes the way of long rows. */
#include "schedule_internal.h"

enum { CHUNKS = 4 }; /* that shared memory holds, in a typical long row */

/* What is known of a form's rows. */
typedef struct row_form {
    int64_t least, most; /* length; most 0: open */
    int64_t typical, rows; /* rows: a task has, of typical ones */
    bool whole, ragged;  /* multiples of a vector alone; all others alone; neither: any length */
    bool keeps;
} row_form;

typedef struct row_forms {
    sched *s;
    const ir_op *kernel;
    sym_t row;
    int n;           /* dims that are multiples of `lanes` in whole forms; 0: there are no such forms */
    sym_t dims[VARIANT_MAX_DIMS];
    int64_t lanes;
} row_forms;

/* ---- The rows --------------------------------------------------------------------------------------------------------- */
static sym_t last_dim(ir_type t) { return t.kind == IR_TENSOR && t.rank > 0 ? t.dims[t.rank - 1] : NULL; }

static bool is_bytes(const ir_value *v) { return v->type.kind != IR_TENSOR || frit_dtype_bits((frit_dtype)v->type.dtype) >= 8; }

/* The open dim along which the kernel reduces contiguous rows, alone; NULL: there is none, or there are others. */
static sym_t row_of(const ir_op *kernel) {
    enum { LEAST_REDUCTIONS = 2 }; /* what is reduced once and read once more finds most of a short row in caches */
    const ir_block *b = kernel->blocks[0];
    sym_t row = NULL;
    int n = 0;
    for (const ir_op *op = b->first; op; op = op->next) {
        const int64_t *axes;
        if (op->code != IR_reduce) continue;
        ir_type t = ir_operand(op, 0)->type;
        if (ir_get_ints(op, IR_ATTR_axes, &axes) != 1 || axes[0] != t.rank - 1 || (row && last_dim(t) != row)) return NULL;
        row = last_dim(t);
        n++;
    }
    if (n < LEAST_REDUCTIONS || !sym_is_var(row) || sym_var_role(row) != SYM_DIM || sym_definition(row)) return NULL;
    for (int i = 0; i < b->n_args; i++)
        if (!is_bytes(b->args[i])) return NULL;
    for (int i = 0; i < kernel->n_results; i++)
        if (!is_bytes(ir_result(kernel, i))) return NULL;
    return row;
}

/* Of an element of a row, in all inputs that have such rows; vectors that all rows share are read from caches. */
static int64_t bytes_of(const ir_op *kernel, sym_t row) {
    const ir_block *b = kernel->blocks[0];
    int64_t bytes = 0;
    for (int i = 0; i < b->n_args; i++) {
        ir_type t = b->args[i]->type;
        if (t.rank > 1 && last_dim(t) == row) bytes += frit_dtype_bits((frit_dtype)t.dtype) / 8;
    }
    return bytes ? bytes : 4;
}

/* ---- Forms ------------------------------------------------------------------------------------------------------------ */
/* Conditions are 1 or 0; all of them hold where the least is 1. */
static sym_t both(sym_ctx *c, sym_t a, sym_t b) { return !a ? b : !b ? a : sym_min(c, a, b); }

static sym_t at_most(sym_ctx *c, sym_t row, int64_t most) {
    sym_t room = sym_max(c, sym_const(c, 0), sym_sub(c, sym_const(c, most + 1), row));
    return sym_min(c, sym_const(c, 1), room);
}

static sym_t negation(sym_ctx *c, sym_t condition) { return sym_sub(c, sym_const(c, 1), condition); }

static sym_t guard_of(const row_forms *f, const row_form *form) {
    sym_ctx *c = f->s->m->syms;
    sym_t guard = NULL, whole = f->n ? variant_whole_guard(c, f->n, f->dims, f->lanes) : NULL;
    if (form->whole) guard = whole;
    if (form->ragged) guard = negation(c, whole);
    if (form->least > 1) guard = both(c, guard, negation(c, at_most(c, f->row, form->least - 1)));
    if (form->most) guard = both(c, guard, at_most(c, f->row, form->most));
    return guard;
}

/* The form's own names for the dims, of which more is known. */
static int own_dims(const row_forms *f, const row_form *form, sym_t *was, sym_t *own) {
    sym_ctx *c = f->s->m->syms;
    int n = form->whole ? f->n : 0, at = 0;
    for (int i = 0; i < n; i++) was[i] = f->dims[i];
    while (at < n && was[at] != f->row) at++;
    if (at == n) was[n++] = f->row;
    if (form->whole) variant_whole(c, f->n, f->dims, f->lanes, own);
    sym_t lo = sym_var_lo(f->row), hi = sym_var_hi(f->row);
    int64_t multiple = at < f->n && form->whole ? sym_var_multiple(own[at]) : sym_var_multiple(f->row);
    if (form->least > 1) lo = sym_const(c, form->least);
    if (form->most) hi = hi ? sym_min(c, hi, sym_const(c, form->most)) : sym_const(c, form->most);
    own[at] = sym_var(c, sym_var_name(f->row), SYM_DIM, lo, hi);
    sym_var_bound(c, own[at], NULL, NULL, multiple);
    sym_var_hint(own[at], form->typical);
    return n;
}

static bool schedule_row_form(const row_forms *f, const row_form *form, bool guarded) {
    sched *s = f->s;
    int64_t row_points = s->sizes.row_points;
    sym_t was[VARIANT_MAX_DIMS + 1], own[VARIANT_MAX_DIMS + 1]; /* the row may be none of the dims */
    int n = own_dims(f, form, was, own);
    for (int i = 0; i < n; i++) s->same[2 * i] = was[i], s->same[2 * i + 1] = own[i];
    s->n_same = 2 * n;
    s->guard = guarded ? guard_of(f, form) : NULL;
    s->sizes.row_points = form->rows * form->typical;
    for (int i = 0; i < n; i++)
        if (was[i] == f->row) *(form->keeps ? &s->kept_row : &s->streamed_row) = own[i];
    s->row_chunk = form->typical / CHUNKS;
    bool ok = sched_with(s, f->kernel, n, was, own);
    s->n_same = 0;
    s->sizes.row_points = row_points;
    s->guard = s->kept_row = s->streamed_row = NULL;
    return ok;
}

/* A length that rows may have lies in least .. most (0: open). */
static bool may_be(sym_ctx *c, sym_t row, const row_form *form) {
    int64_t lo, hi;
    sym_range(c, row, &lo, &hi);
    return hi >= form->least && (!form->most || lo <= form->most);
}

static int64_t power_below(int64_t x) {
    int64_t p = 1;
    while (2 * p <= x) p *= 2;
    return p;
}

/* Bytes of shared memory that a block may keep rows in, so that a multiprocessor has several blocks. */
static int64_t room_for_rows(const frit_target_limits *lim) {
    enum { BLOCKS = 4, MOST = 32 << 10 };
    int64_t room = power_below(lim->multiprocessor_shared / BLOCKS);
    return room > MOST ? MOST : room;
}

static int choose_forms(const row_forms *f, row_form *forms) {
    const frit_target_limits *lim = f->s->lim;
    int64_t held = room_for_rows(lim) / bytes_of(f->kernel, f->row), warps = lim->threads / lim->warp;
    int64_t is_short = held / warps, n = 0;
    row_form all[] = {
        {.most = is_short, .typical = lim->warp, .rows = warps, .keeps = true, .whole = f->n},
        {.most = is_short, .typical = lim->warp, .rows = warps, .keeps = true, .ragged = true},
        {.least = is_short + 1, .most = held, .typical = held, .rows = 1, .keeps = true, .whole = f->n},
        {.least = held + 1, .typical = CHUNKS * held, .rows = 1, .whole = f->n},
        {.least = is_short + 1, .typical = CHUNKS * held, .rows = 1, .ragged = true},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if ((all[i].ragged && !f->n) || !may_be(f->s->m->syms, f->row, &all[i])) continue;
        forms[n++] = all[i];
    }
    return (int)n;
}

/* Where each form is one grid, all of the kernel's tasks are those of one. */
static void set_lone(sched *s, int n_forms) {
    int n = 0;
    for (const ir_op *op = s->f->body->first; op; op = op->next) n += op->code == IR_grid;
    for (ir_op *op = s->f->body->first; op && n == n_forms && n > 1; op = op->next) ir_set_int(s->m, op, IR_ATTR_lone, 1);
}

bool sched_rows(sched *s, const ir_op *kernel, bool *made) {
    enum { MOST_FORMS = 5 };
    row_forms f = {.s = s, .kernel = kernel, .row = variant_is_loops(kernel, true) ? row_of(kernel) : NULL};
    row_form forms[MOST_FORMS];
    *made = f.row != NULL;
    if (!*made) return true;
    f.n = variant_rows(kernel, s->m->syms, true, s->lim->vector_bytes, f.dims, &f.lanes);
    int count = choose_forms(&f, forms);
    for (int i = 0; i < count; i++)
        if (!schedule_row_form(&f, &forms[i], count > 1)) return false;
    set_lone(s, count);
    return true;
}
