#include "mutate_ops.h"
#include "exec.h"
#include <math.h>

const char *const mutant_kind_names[MUTANT_KINDS] = {
    [MUTANT_NONE] = "",
    [MUTANT_REMOVED] = "removed",
    [MUTANT_WAITED] = "one group less",
    [MUTANT_UNMASKED] = "without its predicate",
    [MUTANT_ALWAYS] = "taken always",
    [MUTANT_NEVER] = "taken never",
    [MUTANT_ONE_OFF] = "one off",
    [MUTANT_SHIFTED] = "shifted",
    [MUTANT_UNSWIZZLED] = "without the xor",
    [MUTANT_PHASE] = "the other phase",
    [MUTANT_PLAIN] = "without its swizzle",
    [MUTANT_ALONE] = "to its own block alone",
    [MUTANT_ELSEWHERE] = "in another block",
};

static bool points_to(const ir_value *v, ir_opcode root) {
    while (v->op && (v->op->code == IR_ptradd || v->op->code == IR_ptrcast)) v = ir_operand(v->op, 0);
    return v->op && v->op->code == root;
}

int mutant_mask(const ir_op *op) {
    switch (op->code) {
    case IR_load:
    case IR_load_lanes: return op->n_operands > 2 ? 2 : -1;
    case IR_store:
    case IR_store_lanes: return op->n_operands > 3 ? 3 : -1;
    case IR_copy_async: return op->n_operands > 4 ? 4 : -1;
    default: return -1;
    }
}

/* The operand that indexes shared memory. */
static int shared_index(const ir_op *op) {
    bool memory = op->code == IR_load || op->code == IR_store || op->code == IR_load_lanes || op->code == IR_store_lanes;
    bool mbarrier = op->code == IR_mbarrier_arrive || op->code == IR_mbarrier_wait;
    if (!memory && !mbarrier && op->code != IR_copy_async && op->code != IR_atom) return -1;
    return op->n_operands > 1 && ir_operand(op, 0)->type.kind == IR_PTR && points_to(ir_operand(op, 0), IR_shared) ? 1 : -1;
}

static bool compares_i64(const ir_op *op) {
    return (op->code == IR_lt || op->code == IR_le) && ir_operand(op, 0)->type.dtype == FRIT_i64;
}

/* An op that has an effect without being a value's: what threads do for each other. The list names what moves or makes values
 * all the same, hints and shares; whatever ops come to be are mutated until they are named here. */
static bool is_cooperation(const ir_op *op) {
    bool thread = ir_op_flags(op) & IR_F_THREAD, effect = ir_op_flags(op) & IR_F_EFFECT;
    switch (op->code) {
    case IR_store:
    case IR_store_lanes:
    case IR_copy_async: /* shifted, and without its predicate */
    case IR_atom:
    case IR_shuffle:
    case IR_wgmma:
    case IR_prefetch:
    case IR_registers: return false;
    default: return thread && effect && !op->n_blocks;
    }
}

/* What can be left out and leaves a kernel that has a meaning: what is given goes through, if there are results. */
static bool is_removable(const ir_op *op) { return is_cooperation(op) && (!op->n_results || op->n_results == op->n_operands); }

/* The widest swizzle of a tensor map, or of a product's operands; 0: none is spoken of. */
static int64_t swizzle_of(const ir_op *op) {
    const int64_t *v;
    int64_t n = ir_get_ints(op, IR_ATTR_swizzle, &v), most = 0;
    for (int64_t i = 0; i < n; i++) most = v[i] > most ? v[i] : most;
    return most;
}

static void drop_swizzle(ir_module *m, ir_op *op) {
    const int64_t *v;
    int64_t n = ir_get_ints(op, IR_ATTR_swizzle, &v), plain[2] = {0};
    for (int64_t i = 0; i < n && i < 2; i++) plain[i] = v[i] ? 16 : 0;
    ir_set_ints(m, op, IR_ATTR_swizzle, (int)n, plain);
}

static void remove_op(ir_op *op) {
    for (int i = 0; i < op->n_results; i++) ir_replace_uses(ir_result(op, i), ir_operand(op, i)); /* accumulators */
    ir_op_remove(op);
}

static int pointers_of(const ir_op *op) {
    int n = 0;
    for (int i = 0; i < op->n_operands; i++) n += ir_operand(op, i)->type.kind == IR_PTR;
    return n;
}

/* Copies go from one pointer to another. */
bool mutant_only_orders(const ir_op *op, mutant_kind k) {
    return (k == MUTANT_REMOVED || k == MUTANT_WAITED) && is_removable(op) && !op->n_results && pointers_of(op) < 2;
}

static bool applies(const ir_op *op, mutant_kind k) {
    switch (k) {
    case MUTANT_REMOVED: return is_removable(op);
    case MUTANT_WAITED: return ir_op_table[op->code].attrs >> IR_ATTR_pending & 1;
    case MUTANT_PHASE: return op->code == IR_mbarrier_wait;
    case MUTANT_PLAIN: return swizzle_of(op) > 16;
    case MUTANT_ALONE: return ir_has(op, IR_ATTR_ranks);
    case MUTANT_ELSEWHERE: return op->code == IR_cluster_ptr;
    case MUTANT_UNMASKED: return mutant_mask(op) >= 0;
    case MUTANT_ALWAYS:
    case MUTANT_NEVER: return op->code == IR_tif;
    case MUTANT_ONE_OFF: return compares_i64(op);
    case MUTANT_SHIFTED: return shared_index(op) >= 0;
    case MUTANT_UNSWIZZLED: return op->code == IR_xor && ir_operand(op, 0)->type.dtype == FRIT_i64;
    default: return false;
    }
}

static int lanes_moved(const ir_op *op) {
    if (op->code == IR_copy_async) return (int)ir_get_int(op, IR_ATTR_lanes, 1);
    if (op->code == IR_store || op->code == IR_store_lanes) return ir_operand(op, 2)->type.lanes;
    if (!op->n_results) return 1; /* an mbarrier */
    return op->code == IR_atom ? 8 : ir_result(op, 0)->type.lanes;
}

static void shift(ir_module *m, ir_op *op) {
    ir_builder b = ir_builder_before(m, op);
    int at = shared_index(op);
    ir_value *index = ir_operand(op, at);
    ir_set_operand(op, at, ir_binary(&b, IR_add, index, ir_splat_int(&b, index->type, lanes_moved(op))));
}

ir_value *mutant_replacement(ir_builder *b, const ir_op *op, mutant_kind k, int *at) {
    *at = -1;
    switch (k) {
    case MUTANT_UNMASKED: *at = mutant_mask(op); return ir_splat_int(b, ir_operand(op, *at)->type, 1);
    case MUTANT_ALWAYS:
    case MUTANT_NEVER: *at = 0; return ir_splat_int(b, ir_operand(op, 0)->type, k == MUTANT_ALWAYS);
    case MUTANT_ONE_OFF: return ir_binary(b, op->code == IR_lt ? IR_le : IR_lt, ir_operand(op, 0), ir_operand(op, 1));
    case MUTANT_UNSWIZZLED: return ir_operand(op, 0);
    default: return NULL;
    }
}

static void flip(ir_builder *b, ir_op *op, int operand) {
    ir_value *v = ir_operand(op, operand);
    ir_set_operand(op, operand, ir_binary(b, IR_xor, v, ir_splat_int(b, v->type, 1)));
}

void mutant_apply(ir_module *m, ir_op *op, mutant_kind k) {
    int at;
    ir_builder b = ir_builder_before(m, op);
    ir_value *v = mutant_replacement(&b, op, k, &at);
    if (v && at >= 0) ir_set_operand(op, at, v);
    else if (v) ir_replace_uses(ir_result(op, 0), v);
    else if (k == MUTANT_REMOVED) remove_op(op);
    else if (k == MUTANT_PHASE) flip(&b, op, 2);
    else if (k == MUTANT_ELSEWHERE) flip(&b, op, 1);
    else if (k == MUTANT_PLAIN) drop_swizzle(m, op);
    else if (k == MUTANT_ALONE) ir_remove_attr(op, IR_ATTR_ranks);
    else if (k == MUTANT_WAITED) ir_set_int(m, op, IR_ATTR_pending, ir_get_int(op, IR_ATTR_pending, 0) + 1);
    else shift(m, op);
}

/* Makes the kernel fail where a lane of `differs` holds: a load far outside, under a mask. */
static void trap(ir_builder *b, ir_module *m, ir_value *differs) {
    ir_value *ptr = m->funcs->body->args[0];
    ir_type any = ir_vector(FRIT_bool, 1), t = ir_vector((frit_dtype)ptr->type.dtype, 1);
    if (differs->type.lanes > 1) {
        ir_op *reduce = ir_build(b, IR_reduce_lanes, 1, &differs, 1, &any);
        ir_set_int(m, reduce, IR_ATTR_combine, IR_ANY);
        differs = ir_result(reduce, 0);
    }
    ir_value *operands[] = {ptr, ir_splat_int(b, ir_vector(FRIT_i64, 1), INT64_MIN / 64), differs, ir_splat(b, t, 0)};
    ir_build(b, IR_load, 4, operands, 1, &t);
}

int mutant_shows(mutant_kind k) {
    switch (k) {
    case MUTANT_UNMASKED:
    case MUTANT_ALWAYS: return EXEC_FALSE;
    case MUTANT_NEVER: return EXEC_TRUE;
    case MUTANT_ONE_OFF: return EXEC_EQUAL;
    case MUTANT_UNSWIZZLED: return EXEC_CHANGED;
    default: return EXEC_REACHED;
    }
}

/* ---- What shows that a mutant makes no difference ------------------------------------------------------------------ */
ir_value *mutant_nonsense(ir_builder *b, ir_type t) {
    return frit_dtype_is_float((frit_dtype)t.dtype) ? ir_splat(b, t, NAN) : ir_splat_int(b, t, 0x55);
}

ir_value *mutant_select(ir_builder *b, ir_value *c, ir_value *x, ir_value *y) {
    if (c->type.lanes < x->type.lanes) {
        ir_type t = ir_vector(FRIT_bool, x->type.lanes);
        c = ir_result(ir_build(b, IR_splat, 1, &c, 1, &t), 0);
    }
    return ir_result(ir_build(b, IR_select, 3, (ir_value *[]){c, x, y}, 1, &x->type), 0);
}

bool mutant_stores(const ir_op *op) { return op->code == IR_store || op->code == IR_store_lanes; }

/* What op stores is nonsense where c is false, or everywhere (NULL). */
static void spoil_store(ir_module *m, ir_op *op, ir_value *c) {
    ir_builder b = ir_builder_before(m, op);
    ir_value *v = ir_operand(op, 2), *bad = mutant_nonsense(&b, v->type);
    ir_set_operand(op, 2, c ? mutant_select(&b, c, v, bad) : bad);
}

static void spoil_stores(ir_module *m, const ir_block *block, ir_value *c) {
    for (ir_op *op = block->first; op; op = op->next) {
        if (mutant_stores(op)) spoil_store(m, op, c);
        for (int i = 0; i < op->n_blocks; i++) spoil_stores(m, op->blocks[i], c);
    }
}

static bool poison_unmasked(ir_module *m, ir_op *op, const ir_op **brings) {
    ir_builder b = ir_builder_before(m, op);
    if (op->code == IR_copy_async) return *brings = op, true;
    if (mutant_stores(op)) {
        spoil_store(m, op, ir_operand(op, 3));
        ir_set_operand(op, 3, ir_splat_int(&b, ir_operand(op, 3)->type, 1));
        return true;
    }
    if (op->n_operands < 4) return false;
    ir_set_operand(op, 3, mutant_nonsense(&b, ir_result(op, 0)->type));
    return true;
}

/* Taken always: what the branch stores where it should not be taken, or what it yields there, is nonsense. */
static bool poison_branch(ir_module *m, ir_op *op) {
    ir_value *c = ir_operand(op, 0);
    if (!op->n_results) {
        ir_builder b = ir_builder_before(m, op);
        spoil_stores(m, op->blocks[0], c);
        ir_set_operand(op, 0, ir_splat_int(&b, c->type, 1));
        return true;
    }
    ir_op *yield = op->blocks[1]->last;
    ir_builder b = ir_builder_before(m, yield);
    for (int i = 0; i < yield->n_operands; i++) {
        if (ir_operand(yield, i)->type.kind != IR_VECTOR) return false;
        ir_set_operand(yield, i, mutant_nonsense(&b, ir_operand(yield, i)->type));
    }
    return true;
}

static bool is_one_of(const ir_op *op, int n, ir_op *const *ops) {
    for (int i = 0; i < n; i++)
        if (ops[i] == op) return true;
    return false;
}

enum { MOST_USERS = 64 };

/* What reads v, through logic on truth values, is put in users. False when it does more than choose what is got, stored or
 * done, or there are too many. */
static bool choosers(const ir_value *v, int *n, ir_op **users) {
    for (const ir_use *u = v->uses; u; u = u->next) {
        ir_op *op = u->user;
        bool logic = op->code == IR_and || op->code == IR_or || op->code == IR_xor || op->code == IR_not;
        if ((logic || op->code == IR_splat) && ir_result(op, 0)->type.dtype == FRIT_bool) {
            if (!choosers(ir_result(op, 0), n, users)) return false;
            continue;
        }
        bool loads = (op->code == IR_load || op->code == IR_load_lanes) && op->n_operands > 2 && ir_operand(op, 2) == v;
        bool selects = op->code == IR_select && ir_operand(op, 0) == v;
        bool branches = op->code == IR_tif && !op->n_results && u->user->n_operands == 1;
        if (!loads && !selects && !branches) return false;
        if (is_one_of(op, *n, users)) continue;
        if (*n == MOST_USERS) return false;
        users[(*n)++] = op;
    }
    return true;
}

/* Where a comparison is another in the mutant, what it has selected or loaded is nonsense, and so is what is stored in the
 * mutant alone. False when it does more than that. */
static bool poison_choice(ir_module *m, ir_op *op) {
    ir_op *users[MOST_USERS];
    int n = 0;
    ir_value *was = ir_result(op, 0);
    if (!choosers(was, &n, users)) return false;
    ir_builder b = ir_builder_after(m, op);
    ir_value *is = ir_binary(&b, op->code == IR_lt ? IR_le : IR_lt, ir_operand(op, 0), ir_operand(op, 1));
    ir_value *same = ir_binary(&b, IR_eq, was, is);
    for (int i = 0; i < n; i++) {
        bool branch = users[i]->code == IR_tif;
        if (branch && ir_operand(users[i], 0) != was) return false;
        if (!branch && same->type.lanes > 1 && same->type.lanes != ir_result(users[i], 0)->type.lanes) return false;
    }
    for (int i = 0; i < n; i++) {
        if (users[i]->code == IR_tif) {
            spoil_stores(m, users[i]->blocks[0], same);
            if (op->code == IR_lt) ir_set_operand(users[i], 0, is);
            continue;
        }
        ir_value *r = ir_result(users[i], 0);
        b = ir_builder_after(m, users[i]);
        ir_value *with = mutant_select(&b, same, r, mutant_nonsense(&b, r->type));
        ir_replace_uses(r, with);
        ir_set_operand(with->op, 1, r);
    }
    return true;
}

/* ---- What both arms do ------------------------------------------------------------------------------------------- */
bool mutant_is_plain(const ir_block *block, bool may_store) {
    for (const ir_op *op = block->first; op; op = op->next) {
        bool reads = op->code == IR_load || op->code == IR_load_lanes || op->code == IR_local;
        bool own = mutant_stores(op) && points_to(ir_operand(op, 0), IR_local);
        if (ir_op_flags(op) & IR_F_EFFECT && !reads && !own && !op->n_blocks && !(may_store && mutant_stores(op))) return false;
        for (int i = 0; i < op->n_blocks; i++)
            if (!mutant_is_plain(op->blocks[i], may_store)) return false;
    }
    return true;
}

static bool is_operand(const ir_op *op, const ir_value *v) {
    for (int i = 0; i < op->n_operands; i++)
        if (ir_operand(op, i) == v) return true;
    return false;
}

/* What the block stores is infinite, but for what `kept` reads. */
static bool make_infinite(ir_module *m, const ir_block *block, const ir_op *kept) {
    for (ir_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++)
            if (!make_infinite(m, op->blocks[i], kept)) return false;
        if (!mutant_stores(op) || is_operand(kept, ir_operand(op, 2))) continue;
        ir_value *v = ir_operand(op, 2);
        if (!frit_dtype_is_float((frit_dtype)v->type.dtype)) return false;
        ir_builder b = ir_builder_before(m, op);
        ir_set_operand(op, 2, ir_splat(&b, v->type, INFINITY));
    }
    return true;
}

/* Taken never: the branch puts something in place of what the other arm yields, or of what was there, in memory; that may as
 * well be infinite. */
static bool poison_left_out(ir_module *m, ir_op *op) {
    return mutant_is_plain(op->blocks[0], true) && make_infinite(m, op->blocks[0], op->blocks[1]->last);
}

bool mutant_poison(ir_module *m, ir_op *op, mutant_kind k, const ir_op **brings) {
    *brings = NULL;
    ir_builder b = ir_builder_after(m, op);
    switch (k) {
    case MUTANT_UNMASKED: return poison_unmasked(m, op, brings);
    case MUTANT_ALWAYS: return poison_branch(m, op);
    case MUTANT_NEVER: return poison_left_out(m, op);
    case MUTANT_ONE_OFF: return poison_choice(m, op);
    case MUTANT_SHIFTED:
        if (mutant_stores(op)) return spoil_store(m, op, NULL), true;
        if (op->n_results) return ir_replace_uses(ir_result(op, 0), mutant_nonsense(&b, ir_result(op, 0)->type)), true;
        return *brings = op, op->code == IR_copy_async && op->n_operands > 4; /* a copy under a predicate */
    default: return false;
    }
}

static ir_value *bits_of(ir_builder *b, ir_value *v) {
    static const frit_dtype words[] = {[1] = FRIT_u8, [2] = FRIT_u16, [4] = FRIT_u32, [8] = FRIT_u64};
    frit_dtype t = (frit_dtype)v->type.dtype;
    if (!frit_dtype_is_float(t)) return v;
    ir_type to = ir_vector(words[frit_dtype_bits(t) / 8], v->type.lanes);
    return ir_result(ir_build(b, IR_bitcast, 1, &v, 1, &to), 0);
}

/* Whether x and y are others, lane by lane; all NaN are one. */
static ir_value *are_others(ir_builder *b, ir_value *x, ir_value *y) {
    ir_value *others = ir_binary(b, IR_ne, bits_of(b, x), bits_of(b, y));
    if (!frit_dtype_is_float((frit_dtype)x->type.dtype)) return others;
    ir_value *nan = ir_binary(b, IR_and, ir_binary(b, IR_ne, x, x), ir_binary(b, IR_ne, y, y));
    return ir_binary(b, IR_and, others, ir_unary(b, IR_not, nan));
}

/* Fails where the store would change what memory holds. */
static void trap_change(ir_module *m, ir_op *op) {
    ir_builder b = ir_builder_before(m, op);
    ir_value *v = ir_operand(op, 2), *mask = op->n_operands > 3 ? ir_operand(op, 3) : NULL;
    ir_value *in[] = {ir_operand(op, 0), ir_operand(op, 1), mask, v};
    ir_op *old = ir_build(&b, op->code == IR_store ? IR_load : IR_load_lanes, mask ? 4 : 2, in, 1, &v->type);
    trap(&b, m, are_others(&b, ir_result(old, 0), v));
}

static void trap_changes(ir_module *m, const ir_block *block) {
    for (ir_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++) trap_changes(m, op->blocks[i]);
        if (mutant_stores(op)) trap_change(m, op);
    }
}

/* What is loaded from elsewhere is the same; where it is not, it may as well be nonsense. */
static bool spoil_others(ir_module *m, ir_op *op) {
    if (op->code != IR_load && op->code != IR_load_lanes) return false;
    ir_map none = {0}, none_too = {0};
    ir_builder b = ir_builder_after(m, op);
    ir_op *same = ir_clone(&b, op, &none), *other = ir_clone(&b, op, &none_too);
    shift(m, other);
    ir_value *x = ir_result(same, 0), *others = are_others(&b, x, ir_result(other, 0));
    ir_replace_uses(ir_result(op, 0), mutant_select(&b, others, mutant_nonsense(&b, x->type), x));
    return true;
}

bool mutant_compare(ir_module *m, ir_op *op, mutant_kind k) {
    if (k == MUTANT_SHIFTED) return mutant_stores(op) ? (trap_change(m, op), true) : spoil_others(m, op);
    if (k != MUTANT_ALWAYS && k != MUTANT_NEVER) return false;
    if (!op->n_results) {
        if (k != MUTANT_NEVER || op->blocks[1]->first != op->blocks[1]->last || !mutant_is_plain(op->blocks[0], true)) return false;
        return trap_changes(m, op->blocks[0]), true;
    }
    if (!mutant_is_plain(op->blocks[0], false) || !mutant_is_plain(op->blocks[1], false)) return false;
    ir_builder b = ir_builder_after(m, op);
    ir_map map = {0};
    ir_op *other = ir_clone(&b, op, &map);
    ir_builder before = ir_builder_before(m, other);
    ir_set_operand(other, 0, ir_splat_int(&before, ir_operand(op, 0)->type, k == MUTANT_ALWAYS));
    b = ir_builder_after(m, other);
    for (int i = 0; i < op->n_results; i++) {
        if (ir_result(op, i)->type.kind != IR_VECTOR) return false;
        trap(&b, m, are_others(&b, ir_result(op, i), ir_result(other, i)));
    }
    return true;
}

/* ---- Numbering --------------------------------------------------------------------------------------------------- */
ir_op *mutant_find(const ir_block *b, int *left, mutant_kind *k) {
    for (ir_op *op = b->first; op; op = op->next) {
        for (*k = MUTANT_NONE; *k < MUTANT_KINDS; ++*k)
            if (applies(op, *k) && (*left)-- == 0) return op;
        for (int i = 0; i < op->n_blocks; i++) {
            ir_op *found = mutant_find(op->blocks[i], left, k);
            if (found) return found;
        }
    }
    return NULL;
}

static int each_from(const ir_block *b, int number, void (*fn)(void *, int, ir_op *, mutant_kind), void *ctx) {
    for (ir_op *op = b->first; op; op = op->next) {
        for (mutant_kind k = MUTANT_NONE; k < MUTANT_KINDS; k++)
            if (applies(op, k)) fn(ctx, number++, op, k);
        for (int i = 0; i < op->n_blocks; i++) number = each_from(op->blocks[i], number, fn, ctx);
    }
    return number;
}

void mutant_each(const ir_block *b, void (*fn)(void *ctx, int number, ir_op *op, mutant_kind k), void *ctx) {
    each_from(b, 0, fn, ctx);
}

static void ignore(void *ctx, int number, ir_op *op, mutant_kind k) { (void)ctx, (void)number, (void)op, (void)k; }

int mutant_count(const ir_block *b) { return each_from(b, 0, ignore, NULL); }
