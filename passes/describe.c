#include "describe_internal.h"
#include <string.h>

/* ---- Parameters ---- */
static const char *type_text(describer *d, ir_type t) {
    text s = {.a = d->a};
    text_printf(&s, "%s[", frit_dtype_name((frit_dtype)t.dtype));
    for (int i = 0; i < t.rank; i++) text_printf(&s, "%s%s", i ? ", " : "", describe_sym(d, t.dims[i]));
    text_put(&s, "]");
    return s.s;
}

static void put_buffer(describer *d, const ir_value *v, const ir_value *parameter) {
    const char *used = parameter->uses ? ir_is_written(v) ? "out" : "in" : "not used here";
    text_printf(&d->out, "%s: %s, %s\n", describe_buffer(d, v), type_text(d, v->type), used);
}

/* Memory that the launches of a contraction in parts share. */
static void put_pieces(describer *d) {
    const describe_launch *l = d->launch;
    const lower_piece *k = l->info->pieces;
    long long bytes = k->sums * (int64_t)frit_dtype_bits(k->dtype) / 8;
    text_printf(&d->out, "parts: pieces of %lld sums in %s, %lld bytes", (long long)k->sums, frit_dtype_name(k->dtype), bytes);
    for (int i = 1; i < l->info->n_pieces; i++)
        text_printf(&d->out, "; then of %lld, %lld bytes", (long long)k[i].sums, (long long)(k[i].sums * (int64_t)frit_dtype_bits(k[i].dtype) / 8));
    text_put(&d->out, l->phase == LOWER_PARTS ? "; out\n" : "; in\n");
}

static void put_size(describer *d, sym_t s) {
    const char *name = describe_sym(d, s);
    sym_t formula = sym_definition(s);
    const char *what = sym_var_role(s) == SYM_DIM ? "a size" : "an integer of the model's";
    text_printf(&d->out, "%s: i64, %s\n", name, formula ? arena_printf(d->a, "= %s", describe_sym(d, formula)) : what);
}

/* The names of all parameters come first: what they are is told in them. */
static void put_parameters(describer *d) {
    const ir_func *t = d->launch->thread;
    const ir_block *b = t->body, *own = d->f->body;
    int n = b->n_args, tail = t->threads ? 2 : 3, at = 0;
    bool pieces = d->launch->phase != LOWER_WHOLE;
    const ir_value **of = arena_array(d->a, const ir_value *, n + 1);
    for (int i = 0; i < n - tail; i++) {
        const ir_value *v = b->args[i];
        const char *base = v->name ? v->name : v->type.kind == IR_PTR ? "buffer" : "size", *name = base;
        for (int k = 0, count = 2; k < i; k++)
            if (!strcmp(d->parameters[k], name)) name = arena_printf(d->a, "%s_%d", base, count++), k = -1;
        d->parameters[i] = name;
        bool of_pieces = pieces && v->type.kind == IR_PTR && v->type.dtype == FRIT_u8 && v->name && !strcmp(v->name, "parts") && i == d->launch->info->n_inputs;
        if (v->type.kind == IR_PTR && !of_pieces) {
            of[i] = own->args[at++];
            d->names[of[i]->id] = name;
        } else if (v->type.kind != IR_PTR) {
            describe_enter(d, t->arg_syms[i], name);
        }
    }
    for (int i = 0; i < n - tail; i++) {
        if (of[i]) put_buffer(d, of[i], b->args[i]);
        else if (b->args[i]->type.kind == IR_PTR) put_pieces(d);
        else put_size(d, t->arg_syms[i]);
    }
    if (!t->threads) return;
    text_printf(&d->out, "scratch: %s\n", b->args[n - 2]->uses ? "memory of the blocks, each its own" : "not used");
    text_put(&d->out, "tasks: i64, how many there are\n");
}

/* ---- Grids ---- */
static void put_block(describer *d, const ir_block *b, const char *indent) {
    const sym_t *vars, *extent;
    int outside = d->n_scope;
    d->range = "";
    for (const ir_op *op = b->first; op; op = op->next, d->n_scope = outside) {
        int n = op->code == IR_for || op->code == IR_stage ? ir_get_syms(op, IR_ATTR_vars, &vars) : 0;
        if (n > 0) describe_variables(d, n, vars);
        if (op->code == IR_for && n == 1 && ir_get_syms(op, IR_ATTR_extent, &extent) == 1) {
            text_printf(&d->out, "%sfor %s < %s, in order:\n", indent, describe_sym(d, vars[0]), describe_sym(d, extent[0]));
            put_block(d, op->blocks[0], arena_printf(d->a, "%s  ", indent));
            d->range = "";
        }
        if (op->code == IR_stage) describe_stage(d, op, indent);
    }
}

/* "if A > 0, ", where the grid has a guard. */
static const char *guard_text(describer *d, const ir_op *grid) {
    const sym_t *guard;
    if (!ir_get_syms(grid, IR_ATTR_guard, &guard)) return "";
    const char *s = describe_condition(d, *guard);
    return arena_printf(d->a, "if %s, ", s ? s : arena_printf(d->a, "%s == 1", describe_sym(d, *guard)));
}

static const char *points_text(describer *d, int n, const sym_t *vars, const sym_t *extent) {
    text t = {.a = d->a};
    text_put(&t, "");
    for (int i = 0; i < n; i++) text_printf(&t, "%s%s < %s", i ? ", " : "", describe_sym(d, vars[i]), describe_sym(d, extent[i]));
    return t.s;
}

static const lower_piece *piece_of(const describer *d, const ir_op *grid) {
    const lower_info *info = d->launch->info;
    for (int i = 0; d->launch->phase != LOWER_WHOLE && i < info->n_pieces; i++)
        if (info->pieces[i].grid == grid) return &info->pieces[i];
    return NULL;
}

/* How the tiles of a grid are done in parts (lower_parts.h). */
static void put_shares(describer *d, const lower_piece *k, const char *tiles) {
    const char *chunks = describe_sym(d, k->chunks);
    long long w = k->workers;
    text_printf(&d->out, "  tiles = %s\n", tiles);
    text_printf(&d->out, "  rest = tiles %% %lld, the last ones; or 0 where %s * (%lld - rest) <= %lld\n", w, chunks, w, (long long)(k->least * w));
}

/* What a task of the first launch does: the chunks of its run. */
static void put_runs(describer *d, const lower_piece *k) {
    const char *chunks = describe_sym(d, k->chunks);
    long long w = k->workers, bytes = k->sums * (int64_t)frit_dtype_bits(k->dtype) / 8;
    text_printf(&d->out, "  a tile has %s chunks of %d reduced positions; laid end to end, those of the tiles in parts are shared out\n", chunks, k->chunk);
    text_printf(&d->out, "  in runs of max(%lld, (%s * rest + %lld) // %lld) chunks, a run a task\n", (long long)k->least_run, chunks, w - 1, w);
    text_put(&d->out, "  for tile of those that the run has chunks of, in order:\n");
    text_printf(&d->out, "    these sums go to piece run + tile%s, %lld bytes each:\n", sym_is(k->at, 0) ? "" : " behind those of the case above", bytes);
}

/* ---- Numbers that stand in a grid's formulas again and again ---- */
enum { MOST_NUMBERS = 4, OFTEN = 3, MOST_FOUND = 64 };
typedef struct numbers {
    int n;
    sym_t found[MOST_FOUND];
} numbers;

static void note_index(void *u, sym_t var) {
    sym_role role = sym_var_role(var);
    if (role == SYM_INDEX || role == SYM_VALUE) *(bool *)u = true;
}

/* Quotients of quotients, of what the whole launch knows. */
static void find_numbers(numbers *f, sym_ctx *c, sym_t s) {
    bool changes = false, again = false;
    switch (sym_kind_of(s)) {
    case SYM_FLOORDIV:
        sym_each_var(s, note_index, &changes);
        for (int i = 0; i < f->n; i++) again |= f->found[i] == s;
        if (!changes && !again && f->n < MOST_FOUND) f->found[f->n++] = s;
        /* fall through */
    case SYM_MOD:
    case SYM_MIN:
    case SYM_MAX:
        find_numbers(f, c, sym_arg(s, 0));
        find_numbers(f, c, sym_arg(s, 1));
        return;
    case SYM_SUM:
    case SYM_PRODUCT:
        for (int i = 0; i < sym_n_terms(s); i++) {
            sym_t product;
            sym_term(c, s, i, &product);
            for (int k = 0; k < sym_n_atoms(product); k++)
                if (sym_atom(product, k) != s) find_numbers(f, c, sym_atom(product, k));
        }
        return;
    default: return;
    }
}

static void find_in_block(numbers *f, sym_ctx *c, const ir_block *b) {
    static const ir_attr_key keys[] = {IR_ATTR_extent, IR_ATTR_map, IR_ATTR_size};
    for (const ir_op *op = b->first; op; op = op->next) {
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const sym_t *v;
            int n = ir_get_syms(op, keys[k], &v);
            for (int i = 0; i < n; i++) find_numbers(f, c, v[i]);
        }
        for (int i = 0; i < op->n_blocks; i++) find_in_block(f, c, op->blocks[i]);
    }
}

static int count_text(const char *s, const char *what) {
    int n = 0;
    for (size_t m = strlen(what); (s = strstr(s, what)); s += m) n++;
    return n;
}

static const char *replace_text(describer *d, const char *s, const char *from, const char *to) {
    text t = {.a = d->a};
    text_put(&t, "");
    for (const char *at; (at = strstr(s, from)); s = at + strlen(from)) text_printf(&t, "%.*s%s", (int)(at - s), s, to);
    text_put(&t, s);
    return t.s;
}

/* A grid's lines, with lines before them for such numbers. */
static const char *with_numbers(describer *d, const ir_op *grid, const char *lines) {
    numbers f = {0};
    text t = {.a = d->a};
    find_in_block(&f, d->f->module->syms, grid->blocks[0]);
    text_put(&t, "");
    for (int i = 0, n = 0; i < f.n && n < MOST_NUMBERS; i++) {
        const char *what = describe_sym(d, f.found[i]), *within = arena_printf(d->a, "(%s)", what);
        if (count_text(what, "//") < 2 || count_text(lines, within) < OFTEN) continue;
        const char *name = describe_fresh(d, "each");
        text_printf(&t, "  %s = %s\n", name, what);
        lines = replace_text(d, lines, within, name);
        n++;
    }
    return arena_printf(d->a, "%s%s", t.s, lines);
}

static void put_grid(describer *d, const ir_op *grid) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(grid, IR_ATTR_vars, &vars), outside = d->n_scope;
    const lower_piece *k = piece_of(d, grid);
    if (d->launch->phase == LOWER_PARTS && !k) return;
    ir_get_syms(grid, IR_ATTR_extent, &extent);
    describe_variables(d, n, vars);
    const char *when = guard_text(d, grid), *points = points_text(d, n, vars, extent);
    text before = d->out;
    d->out = (text){.a = d->a};
    text_put(&d->out, "");
    d->sums_alone = d->launch->phase == LOWER_PARTS;
    put_block(d, grid->blocks[0], d->sums_alone ? "    " : "  ");
    const char *lines = with_numbers(d, grid, d->out.s);
    d->out = before;
    const char *tiles = describe_sym(d, sym_prod(d->f->module->syms, extent, n));
    if (d->launch->phase == LOWER_PARTS) {
        text_printf(&d->out, "\n%stasks run, for tiles %s:\n", when, points);
        put_shares(d, k, tiles);
        put_runs(d, k);
    } else {
        text_printf(&d->out, n ? "\n%stasks %s:\n" : "\n%sone task:%s\n", when, points);
        if (k) put_shares(d, k, tiles);
        if (k) text_put(&d->out, "  the sums of a tile in parts are those of its pieces, added up in the order of the runs\n");
    }
    text_put(&d->out, lines);
    d->n_scope = outside;
}

static void put_launches(describer *d) {
    const describe_launch *l = d->launch;
    if (l->after) text_printf(&d->out, "\nThe first of two launches: %s follows.\n", l->after);
    if (l->before) text_printf(&d->out, "\nThe second of two launches: %s comes before.\n", l->before);
}

/* ---- */
static describer make(arena *a, const ir_func *f, const describe_launch *launch) {
    int n = f->module->n_values + 1;
    describer d = {.a = a, .f = f, .launch = launch, .names = arena_array(a, const char *, n), .uses = arena_array(a, int, n),
                   .sizes = arena_array(a, int, n), .parameters = arena_array(a, const char *, (launch ? launch->thread->body->n_args : 0) + 1),
                   .range = "", .out = {.a = a}};
    text_put(&d.out, "");
    return d;
}

/* In the order in which stages come to them. */
static void name_touched(describer *d, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        bool access = op->code == IR_read || op->code == IR_write;
        if (access && !ir_operand(op, 0)->block) describe_buffer(d, ir_operand(op, 0));
        for (int i = 0; i < op->n_blocks; i++) name_touched(d, op->blocks[i]);
    }
}

static void name_allocs(describer *d, ir_block *b) {
    for (ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_alloc) ir_result(op, 0)->name = d->names[ir_result(op, 0)->id];
        for (int i = 0; i < op->n_blocks; i++) name_allocs(d, op->blocks[i]);
    }
}

void describe_name_buffers(arena *a, ir_func *f) {
    describer d = make(a, f, NULL);
    name_touched(&d, f->body);
    name_allocs(&d, f->body);
}

static void take_names(describer *d, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_alloc) d->names[ir_result(op, 0)->id] = ir_result(op, 0)->name;
        for (int i = 0; i < op->n_blocks; i++) take_names(d, op->blocks[i]);
    }
}

const char *describe_kernel(arena *a, const ir_func *f, const describe_launch *launch) {
    describer d = make(a, f, launch);
    put_parameters(&d);
    take_names(&d, f->body);
    put_launches(&d);
    for (const ir_op *op = f->body->first; op; op = op->next)
        if (op->code == IR_grid) put_grid(&d, op);
    return d.out.s;
}
