/* What holds of every program between passes. A violation is reported with its number.
 *
 * Structure, at every level
 *   1  The opcode is in the table and allowed at the level of its func.
 *   2  Operands, results and blocks are as many as the op's row says; no operand is missing.
 *   3  Links agree: prev and next, an op and its block, a block and its op or func, a value and its op or block and index.
 *   4  A value's list of uses holds exactly the operands that name it.
 *   5  A value is defined before its use, in the same block or one around it, and not outside an ISOLATED op.
 *   6  Ids of values are unique and below the module's n_values.
 *   7  A block ends in the terminator that its op asks for (return in a tensor func; yield in if, loop, while, kernel,
 *      tfor, tif, twhile and in block 0 of a stage that reduces) and holds no other. A tile or thread func may end in return.
 *   8  Attributes are ones of the op's row, in key order; none is missing (but for those with a natural default).
 *   9  Attribute values are in range: enums; vars, idx and counter hold distinct variables that no op around binds too.
 *  10  No symbolic integer is invalid, and each of its variables is one of the module's symbols, or bound by an op around
 *      or a compact before. In tile and thread funcs, dims and ints may come from the host.
 *  11  Types fit the level: tensors; buffers and scalars; vectors and pointers. Dtypes, spaces, ranks and lanes are in
 *      range, and no dim is provably negative.
 *  12  Funcs: names are unique; n_results and the result names agree with `return`; kernels return nothing; the arguments
 *      of a tile func are global buffers, those of a thread func follow thread.def; arg_syms name i64 arguments.
 *  13  Globals: paths are unique; a state has an init func with no arguments and one result of the state's type, a param
 *      has none.
 *  14  Checks compare with ==, !=, < or <= and have a text.
 * Elementwise ops
 *  20  Operands and results agree in dims or lanes. Tile level: rank 0.
 *  21  Dtypes: equal among operands; bool for a comparison's result and a select's condition; floats or integers where the
 *      op is defined on those only; bitcast keeps the width.
 *  22  A constant's value is one element or all of them.
 * Tensor level (verify_tensor.c)
 *  30  Sources: param and state ops name a global of their kind and type; size, iota and random have fitting types.
 *  31  Views: axes in range, lists as long as the rank, dims that follow from the operands.
 *  32  Reductions, scans, contractions and sorts: axes in range and distinct, dims and dtypes that follow.
 *  33  gather, scatter, insert, compact: index operands, maps and variables agree with the shapes.
 *  34  if, loop, while, kernel: block arguments, yields and results agree in type.
 * Tile level (verify_tile.c)
 *  40  grid, for, stage: one extent per variable, of a stage at most IR_MAX_RANK; parallel, tile, vector and combines fit them; one guard at most; same is made of pairs of variables; a func's body holds grids.
 *  41  read and write: a buffer, one coordinate per dim, integer indices, the buffer's dtype.
 *  42  index, inrange and alloc have fitting types.
 * Thread level (verify_thread.c)
 *  50  tfor, tif, twhile: i64 bounds, bool conditions, block arguments, yields and results agree in type.
 *  51  Memory: pointers, i64 indices, bool masks of as many lanes, the pointer's dtype.
 *  52  Lanes: scalars where scalars are wanted, offsets in range.
 *  53  Tensor core, bulk copies, mbarriers (verify_async.c): operands and layouts that there are; what belongs to the tensor
 *      core is used by nothing else.
 *  54  Clusters: ops of a func that has them, blocks that there are; the last axis of a tile func's grids is the rank. */
#include "verify_internal.h"
#include <string.h>

void verify_fail(verifier *v, int rule, const ir_op *op, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(v->a, fmt, ap);
    va_end(ap);
    const char *line = op ? arena_printf(v->a, "V%d: %s: %s", rule,
                                         (unsigned)op->code < IR_OPCODE_COUNT ? ir_op_table[op->code].name : "?", what)
                          : arena_printf(v->a, "V%d: %s", rule, what);
    text_printf(&v->out, "%s%s%s\n", v->f ? v->f->name : "", v->f ? ": " : "", line);
    if (op) vec_push(v->a, &v->notes, ((verify_note){op, line}));
    v->n++;
}

/* ---- Helpers of the rules ---- */

bool verify_same_shape(ir_type a, ir_type b) { return ir_type_equal(ir_with_dtype(a, (frit_dtype)b.dtype), b); }

int verify_syms(const ir_op *op, ir_attr_key k) {
    const sym_t *s;
    return ir_get_syms(op, k, &s);
}

int verify_ints(const ir_op *op, ir_attr_key k) {
    const int64_t *s;
    return ir_get_ints(op, k, &s);
}

ir_type *verify_operand_types(verifier *v, const ir_op *op, int first) {
    ir_type *t = arena_array(v->a, ir_type, op->n_operands + 1);
    for (int i = first; i < op->n_operands; i++) t[i - first] = verify_type(op, i);
    return t;
}

ir_type *verify_result_types(verifier *v, const ir_op *op) {
    ir_type *t = arena_array(v->a, ir_type, op->n_results + 1);
    for (int i = 0; i < op->n_results; i++) t[i] = verify_result(op, i);
    return t;
}

void verify_args(verifier *v, int rule, const ir_op *op, int block, int n, const ir_type *types) {
    const ir_block *b = op->blocks[block];
    if (b->n_args != n) {
        verify_fail(v, rule, op, "block %d has %d arguments instead of %d", block, b->n_args, n);
        return;
    }
    for (int i = 0; i < n; i++)
        if (!ir_type_equal(b->args[i]->type, types[i]))
            verify_fail(v, rule, op, "argument %d of block %d has the wrong type", i, block);
}

void verify_yield(verifier *v, int rule, const ir_op *op, int block, int skip, int n, const ir_type *types) {
    const ir_op *yield = op->blocks[block]->last;
    if (!yield || yield->code != IR_yield) return; /* reported by the rule about terminators */
    if (yield->n_operands != skip + n) {
        verify_fail(v, rule, op, "block %d yields %d values instead of %d", block, yield->n_operands, skip + n);
        return;
    }
    for (int i = 0; i < n; i++)
        if (yield->operands[skip + i].value && !ir_type_equal(verify_type(yield, skip + i), types[i]))
            verify_fail(v, rule, op, "value %d that block %d yields has the wrong type", skip + i, block);
}

void verify_extents(verifier *v, int rule, const ir_op *op, int n, const sym_t *extents) {
    const sym_t *vars;
    if (ir_get_syms(op, IR_ATTR_vars, &vars) != n) {
        verify_fail(v, rule, op, "wants %d vars", n);
        return;
    }
    sym_ctx *c = v->m->syms;
    for (int i = 0; i < n; i++) {
        if (!sym_is_var(vars[i])) continue;
        sym_t lo = sym_var_lo(vars[i]), hi = sym_var_hi(vars[i]);
        if ((lo && sym_prove_ge(c, lo, sym_const(c, 1))) ||
            (hi && sym_prove_ge(c, sym_addi(c, extents[i], -2), hi)))
            verify_fail(v, rule, op, "var %d is bounded more tightly than its extent", i);
    }
}

/* ---- Symbols and types ---- */

typedef struct free_check {
    verifier *v;
    const ir_op *op;
} free_check;

static void check_var(void *u, sym_t var) {
    free_check *c = u;
    verifier *v = c->v;
    if (sym_definition(var)) { /* known where what it is made of is known */
        sym_each_var(sym_definition(var), check_var, u);
        return;
    }
    for (int i = v->bound.len - 1; i >= 0; i--)
        if (v->bound.data[i] == var) return;
    for (int i = 0; i < v->m->symbols.len; i++)
        if (v->m->symbols.data[i] == var) return;
    bool from_host = sym_var_role(var) == SYM_DIM || sym_var_role(var) == SYM_INT;
    if (v->f && v->f->level != IR_LEVEL_TENSOR && from_host) return;
    verify_fail(v, 10, c->op, "variable '%s' is not bound here", sym_var_name(var));
}

static void check_sym(verifier *v, const ir_op *op, sym_t s) {
    if (!s || sym_is_invalid(s)) verify_fail(v, 10, op, "an invalid symbolic integer");
    else sym_each_var(s, check_var, &(free_check){v, op});
}

static bool kind_fits(const verifier *v, ir_type t) {
    if (!v->f || v->f->level == IR_LEVEL_TENSOR) return t.kind == IR_TENSOR;
    if (v->f->level == IR_LEVEL_TILE) return t.kind == IR_BUFFER || (t.kind == IR_TENSOR && t.rank == 0);
    return t.kind == IR_VECTOR || t.kind == IR_PTR;
}

static void check_type(verifier *v, const ir_op *op, ir_type t) {
    if (!kind_fits(v, t)) verify_fail(v, 11, op, "the type %s does not belong here", ir_type_print(v->a, t));
    if (t.dtype >= FRIT_DTYPE_COUNT || t.space >= IR_SPACE_COUNT || t.rank > IR_MAX_RANK ||
        (t.kind == IR_VECTOR && t.lanes < 1)) {
        verify_fail(v, 11, op, "a type with a dtype, space, rank or number of lanes out of range");
        return;
    }
    for (int i = 0; i < t.rank; i++) {
        check_sym(v, op, t.dims[i]);
        int64_t dim;
        if (sym_is_const(t.dims[i], &dim) && dim < 0) verify_fail(v, 11, op, "a dim of %lld", (long long)dim);
    }
}

/* ---- Attributes ---- */

#define KEY(k) (UINT64_C(1) << IR_ATTR_##k)
/* Absent means: 0 for the value outside, unchecked, no index operands, inclusive, forward, ascending, no preference, nothing
 * excluded, nothing fetched early, tasks at all times, no names of its own, no runs in order, steps of one. */
static uint64_t optional_attrs(ir_opcode code) {
    uint64_t set = KEY(fill) | KEY(checked) | KEY(exclusive) | KEY(reverse) | KEY(descending) | KEY(runs) | KEY(tile) | KEY(vector) |
                   KEY(reading) | KEY(combines) | KEY(align) | KEY(unroll) | KEY(name) | KEY(reason) | KEY(seed) |
                   KEY(absent) | KEY(ahead) | KEY(to_write) | KEY(across) | KEY(guard) | KEY(same) | KEY(lone) | KEY(ranks) | KEY(steps);
    if (code == IR_read || code == IR_write || code == IR_inrange) set |= KEY(idx);
    if (code == IR_write) set |= KEY(combine) | KEY(within);
    if (code == IR_shared) set |= KEY(size);
    return set;
}

static void check_attr_keys(verifier *v, const ir_op *op) {
    uint64_t allowed = ir_op_table[op->code].attrs, present = 0;
    for (int i = 0; i < op->n_attrs; i++) {
        int key = op->attrs[i].key;
        if (key >= IR_ATTR_COUNT || !(allowed >> key & 1))
            verify_fail(v, 8, op, "attribute %s does not belong to it", key < IR_ATTR_COUNT ? ir_attr_table[key].name : "?");
        else present |= UINT64_C(1) << key;
        if (i && key <= op->attrs[i - 1].key) verify_fail(v, 8, op, "attributes are not in order");
    }
    uint64_t missing = allowed & ~present & ~optional_attrs(op->code);
    for (int k = 0; k < IR_ATTR_COUNT; k++)
        if (missing >> k & 1) verify_fail(v, 8, op, "attribute %s is missing", ir_attr_table[k].name);
}

static void bind_var(verifier *v, const ir_op *op, sym_t var) {
    if (!sym_is_var(var)) {
        verify_fail(v, 9, op, "binds an expression instead of a variable");
        return;
    }
    for (int i = 0; i < v->bound.len; i++)
        if (v->bound.data[i] == var) verify_fail(v, 9, op, "variable '%s' is bound twice", sym_var_name(var));
    vec_push(v->a, &v->bound, var);
}

/* Entries are checked in key order, which puts vars and idx before the maps that use them. */
static void check_attr_values(verifier *v, const ir_op *op) {
    for (int i = 0; i < op->n_attrs; i++) {
        const ir_attr *a = &op->attrs[i];
        if (a->key >= IR_ATTR_COUNT) continue;
        ir_attr_kind kind = ir_attr_table[a->key].kind;
        if (kind == IR_ATTR_ENUM && (a->i < 0 || a->i >= IR_COMBINE_COUNT))
            verify_fail(v, 9, op, "no combination has number %lld", (long long)a->i);
        if (a->key == IR_ATTR_combines)
            for (int k = 0; k < a->ints.n; k++)
                if (a->ints.v[k] < 0 || a->ints.v[k] >= IR_SET) verify_fail(v, 9, op, "combines holds no combination");
        if (kind != IR_ATTR_SYMS) continue;
        bool binds = ir_declared_role(op->code, (ir_attr_key)a->key) >= 0;
        for (int k = 0; k < a->syms.n; k++) {
            if (binds) bind_var(v, op, a->syms.v[k]);
            else check_sym(v, op, a->syms.v[k]);
        }
    }
}

/* ---- Values ---- */

static void define(verifier *v, const ir_op *op, const ir_value *value) {
    if (value->id < 0 || value->id >= v->m->n_values) {
        verify_fail(v, 6, op, "a value has the id %d", value->id);
        return;
    }
    if (v->visible[value->id]) verify_fail(v, 6, op, "two values have the id %d", value->id);
    v->visible[value->id] = v->isolation;
    for (const ir_use *u = value->uses; u; u = u->next) {
        const ir_op *user = u->user;
        bool is_operand = user && u >= user->operands && u < user->operands + user->n_operands;
        if (u->value != value || !is_operand || !user->parent || *u->link != u) {
            verify_fail(v, 4, op, "a use of its value is not an operand of a placed op");
            return;
        }
    }
}

static bool in_use_list(const ir_use *u) { return u->link && *u->link == u; }

static bool check_operands(verifier *v, const ir_op *op) {
    bool whole = true;
    for (int i = 0; i < op->n_operands; i++) {
        const ir_use *u = &op->operands[i];
        if (!u->value) {
            verify_fail(v, 2, op, "operand %d is missing", i);
            whole = false;
            continue;
        }
        int id = u->value->id;
        if (u->user != op || !in_use_list(u)) verify_fail(v, 4, op, "operand %d is not in the uses of its value", i);
        if (id < 0 || id >= v->m->n_values || v->visible[id] != v->isolation)
            verify_fail(v, 5, op, "operand %d is not defined before it, or not visible", i);
    }
    return whole;
}

/* ---- Blocks ---- */

static bool reduces(const ir_op *stage) {
    return ir_get_int(stage, IR_ATTR_parallel, 0) < verify_syms(stage, IR_ATTR_vars);
}

/* The terminator that block `which` of op must end in: IR_yield, or IR_OP_INVALID for none. */
static ir_opcode wanted_terminator(const ir_op *op, int which) {
    if (op->code == IR_grid || op->code == IR_for) return IR_OP_INVALID;
    if (op->code == IR_stage) return which == 0 && reduces(op) ? IR_yield : IR_OP_INVALID;
    return IR_yield;
}

static void check_terminators(verifier *v, const ir_block *b, const ir_op *owner, ir_opcode wanted, bool required) {
    ir_opcode last = b->last ? b->last->code : IR_OP_INVALID;
    bool ends = (unsigned)last < IR_OPCODE_COUNT && ir_op_table[last].flags & IR_F_TERMINATOR;
    if (ends ? last != wanted : required && wanted != IR_OP_INVALID)
        verify_fail(v, 7, owner, "a block should end in %s", wanted == IR_OP_INVALID ? "no terminator" : ir_op_table[wanted].name);
    for (const ir_op *op = b->first; op; op = op->next)
        if (op->next && (unsigned)op->code < IR_OPCODE_COUNT && ir_op_table[op->code].flags & IR_F_TERMINATOR)
            verify_fail(v, 7, op, "is not the last op of its block");
}

static void check_op(verifier *v, const ir_op *op);

static bool check_links(verifier *v, const ir_block *b, const ir_op *owner) {
    bool good = true;
    const ir_op *prev = NULL;
    for (const ir_op *op = b->first; op; prev = op, op = op->next)
        if (op->parent != b || op->prev != prev) good = false;
    if (b->last != prev) good = false;
    for (int i = 0; i < b->n_args; i++)
        if (b->args[i]->block != b || b->args[i]->op || b->args[i]->index != i) good = false;
    if (b->op != owner) good = false;
    if (!good) verify_fail(v, 3, owner, "links of a block do not agree");
    return good;
}

static void hide(verifier *v, const ir_value *value) {
    if (value->id >= 0 && value->id < v->m->n_values) v->visible[value->id] = 0;
}

static void check_block(verifier *v, const ir_block *b, const ir_op *owner) {
    int mark = v->bound.len;
    if (!check_links(v, b, owner)) return;
    for (int i = 0; i < b->n_args; i++) {
        check_type(v, owner, b->args[i]->type);
        define(v, owner, b->args[i]);
    }
    for (const ir_op *op = b->first; op; op = op->next) check_op(v, op);
    for (const ir_op *op = b->first; op; op = op->next)
        for (int i = 0; i < op->n_results; i++) hide(v, &op->results[i]);
    for (int i = 0; i < b->n_args; i++) hide(v, b->args[i]);
    v->bound.len = mark;
}

/* ---- Ops ---- */

static bool check_counts(verifier *v, const ir_op *op) {
    const ir_op_info *info = &ir_op_table[op->code];
    if ((info->n_operands < 0 || info->n_operands == op->n_operands) &&
        (info->n_results < 0 || info->n_results == op->n_results) && info->n_blocks == op->n_blocks)
        return true;
    verify_fail(v, 2, op, "%d operands, %d results and %d blocks", op->n_operands, op->n_results, op->n_blocks);
    return false;
}

static void check_rules(verifier *v, const ir_op *op) {
    uint32_t flags = ir_op_table[op->code].flags;
    if (flags & IR_F_ELEMENTWISE || op->code == IR_constant) verify_elementwise(v, op);
    else if (flags & IR_F_TENSOR) verify_tensor_op(v, op);
    else if (flags & IR_F_TILE) verify_tile_op(v, op);
    else verify_thread_op(v, op);
    if (v->f && v->f->level == IR_LEVEL_THREAD) verify_held(v, op);
}

static void check_nested(verifier *v, const ir_op *op) {
    int outer = v->isolation;
    if (ir_op_table[op->code].flags & IR_F_ISOLATED) v->isolation = ++v->isolations;
    for (int i = 0; i < op->n_blocks; i++) {
        check_terminators(v, op->blocks[i], op, wanted_terminator(op, i), true);
        check_block(v, op->blocks[i], op);
    }
    v->isolation = outer;
}

/* The dims that the compacts of a kernel count are known from the kernel on. */
static void bind_counters(verifier *v, const ir_op *kernel) {
    for (int i = 0; i < kernel->n_blocks; i++)
        for (const ir_op *op = kernel->blocks[i]->first; op; op = op->next) {
            const sym_t *counter;
            if (op->code == IR_compact && ir_get_syms(op, IR_ATTR_counter, &counter) == 1) vec_push(v->a, &v->bound, counter[0]);
        }
}

static void check_op(verifier *v, const ir_op *op) {
    static const uint32_t levels[] = {IR_F_TENSOR, IR_F_TILE, IR_F_THREAD};
    if (op->code <= IR_OP_INVALID || op->code >= IR_OPCODE_COUNT) {
        verify_fail(v, 1, op, "opcode %d is not in the table", (int)op->code);
        return;
    }
    if (!(ir_op_table[op->code].flags & levels[v->f->level]))
        verify_fail(v, 1, op, "does not belong to the %s level", ir_level_names[v->f->level]);
    int before = v->n, mark = v->bound.len;
    bool counts = check_counts(v, op), operands = check_operands(v, op);
    check_attr_keys(v, op);
    check_attr_values(v, op);
    for (int i = 0; i < op->n_results; i++) {
        if (op->results[i].op != op || op->results[i].index != i) verify_fail(v, 3, op, "result %d does not know its op", i);
        if (op->code != IR_kernel) check_type(v, op, op->results[i].type);
    }
    if (counts) check_nested(v, op);
    if (op->code == IR_kernel) {
        bind_counters(v, op);
        for (int i = 0; i < op->n_results; i++) check_type(v, op, op->results[i].type);
    }
    /* The rules of an op rely on what was checked above. */
    if (counts && operands && v->n == before) check_rules(v, op);
    for (int i = 0; i < op->n_results; i++) define(v, op, &op->results[i]);
    if (op->code != IR_compact && op->code != IR_kernel) v->bound.len = mark;
}

/* ---- Funcs, globals, checks ---- */

static bool is_symbol_arg(const ir_func *f, int i) { return f->arg_syms && i < f->body->n_args && f->arg_syms[i]; }

static void check_thread_args(verifier *v, const ir_func *f) {
    const ir_block *b = f->body;
    int i = 0, n = b->n_args, tail = f->threads ? 2 : 3; /* scratch and tasks, or scratch, begin and end */
    while (i < n - tail && b->args[i]->type.kind == IR_PTR) i++;
    while (i < n - tail && is_symbol_arg(f, i) && verify_is_lane(b->args[i]->type, FRIT_i64)) i++;
    bool ok = n >= tail && i == n - tail && b->args[i]->type.kind == IR_PTR && b->args[i]->type.dtype == FRIT_u8;
    for (int k = i + 1; ok && k < n; k++) ok = verify_is_lane(b->args[k]->type, FRIT_i64);
    if (!ok)
        verify_fail(v, 12, NULL, "arguments are not pointers, one i64 per symbol, scratch, and %s",
                    f->threads ? "tasks" : "begin and end");
}

static void check_args(verifier *v, const ir_func *f) {
    const ir_block *b = f->body;
    for (int i = 0; i < b->n_args; i++) {
        ir_type t = b->args[i]->type;
        if (f->level == IR_LEVEL_TILE && (t.kind != IR_BUFFER || t.space != IR_GLOBAL))
            verify_fail(v, 12, NULL, "argument %d is no global buffer", i);
        if (!is_symbol_arg(f, i)) continue;
        if (f->level == IR_LEVEL_TENSOR && !verify_is_scalar(t, FRIT_i64))
            verify_fail(v, 12, NULL, "argument %d stands for a symbol but is no i64[]", i);
        if (!sym_is_var(f->arg_syms[i])) verify_fail(v, 12, NULL, "argument %d stands for no symbol", i);
        else check_sym(v, NULL, f->arg_syms[i]);
    }
    if (f->level == IR_LEVEL_THREAD) check_thread_args(v, f);
}

static void check_cluster(verifier *v, const ir_func *f) {
    const sym_t *extent;
    int64_t n;
    if (f->cluster == 1 || f->cluster > 8 || (f->level == IR_LEVEL_THREAD && !f->threads)) verify_fail(v, 54, NULL, "there are no such clusters");
    for (const ir_op *op = f->body->first; f->level == IR_LEVEL_TILE && op; op = op->next) {
        int rank = op->code == IR_grid ? ir_get_syms(op, IR_ATTR_extent, &extent) : -1;
        if (rank == 0 || (rank > 0 && !(sym_is_const(extent[rank - 1], &n) && n == f->cluster)))
            verify_fail(v, 54, op, "the last axis is not the rank within a cluster of %d blocks", f->cluster);
    }
}

static void check_func(verifier *v, const ir_func *f) {
    v->f = f;
    v->isolation = ++v->isolations;
    v->bound.len = 0;
    if (!f->name || !*f->name || ir_func_find(v->m, f->name) != f)
        verify_fail(v, 12, NULL, "the name of a func is empty or not unique");
    if (f->module != v->m || f->body->func != f) verify_fail(v, 3, NULL, "the func does not know its module or body");
    check_args(v, f);
    if (f->cluster) check_cluster(v, f);
    const ir_op *last = f->body->last;
    int returned = last && last->code == IR_return ? last->n_operands : 0;
    if (f->level != IR_LEVEL_TENSOR && (f->n_results || returned)) verify_fail(v, 12, NULL, "a kernel returns values");
    if (f->level == IR_LEVEL_TENSOR && returned != f->n_results)
        verify_fail(v, 12, NULL, "returns %d values instead of %d", returned, f->n_results);
    check_terminators(v, f->body, NULL, IR_return, f->level == IR_LEVEL_TENSOR);
    if (f->level == IR_LEVEL_TILE)
        for (const ir_op *op = f->body->first; op; op = op->next)
            if (op->code != IR_grid && op->code != IR_return) verify_fail(v, 40, op, "stands outside a grid");
    check_block(v, f->body, NULL);
    v->f = NULL;
}

static void check_global(verifier *v, const ir_global *g) {
    if (ir_global_find(v->m, g->path) != g) verify_fail(v, 13, NULL, "\"%s\" is not unique", g->path);
    check_type(v, NULL, g->type);
    if (!g->is_state) {
        if (g->init) verify_fail(v, 13, NULL, "param \"%s\" has an init func", g->path);
        return;
    }
    const ir_op *last = g->init ? g->init->body->last : NULL;
    if (!last || last->code != IR_return || g->init->body->n_args || last->n_operands != 1 || !last->operands[0].value ||
        !ir_type_equal(verify_type(last, 0), g->type))
        verify_fail(v, 13, NULL, "state \"%s\" has no init func that gives its type", g->path);
}

static void check_check(verifier *v, const ir_check *c) {
    static const char *const ops[] = {"==", "!=", "<", "<="};
    bool known = false;
    for (int i = 0; c->op && i < 4; i++) known = known || !strcmp(c->op, ops[i]);
    if (!known || !c->text) verify_fail(v, 14, NULL, "a check without a comparison or a text");
    check_sym(v, NULL, c->lhs);
    check_sym(v, NULL, c->rhs);
}

static const char *note_of(void *u, const ir_op *op) {
    verifier *v = u;
    for (int i = 0; i < v->notes.len; i++)
        if (v->notes.data[i].op == op) return v->notes.data[i].text;
    return NULL;
}

int ir_verify(arena *a, const ir_module *m, const char **out) {
    verifier v = {.a = a, .m = m, .out = {.a = a}};
    v.visible = arena_array(a, int, m->n_values + 1);
    for (int i = 0; i < m->symbols.len; i++)
        if (!sym_is_var(m->symbols.data[i])) verify_fail(&v, 10, NULL, "a symbol of the module is no variable");
    for (int i = 0; i < m->globals.len; i++) check_global(&v, m->globals.data[i]);
    for (int i = 0; i < m->checks.len; i++) check_check(&v, &m->checks.data[i]);
    for (const ir_func *f = m->funcs; f; f = f->next) check_func(&v, f);
    if (out) *out = v.n ? arena_printf(a, "%s\n%s", v.out.s, ir_print_noted(a, m, note_of, &v)) : "";
    return v.n;
}
