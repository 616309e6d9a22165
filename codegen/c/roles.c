/* What a value is called that the model has no name for: after the tensor that it is read from or finds elements of, or after what
 * computes it. Names tell a reader where to look; nothing depends on them. */
#include "printer_internal.h"
#include <string.h>

enum { DEPTH = 5, MOST_USES = 40 };

static const char *role(const cprinter *p, const ir_value *v, int depth);

static const char *with(const cprinter *p, const char *base, const char *end) {
    size_t n = strlen(base), m = strlen(end);
    return n >= m && !strcmp(base + n - m, end) ? base : arena_printf(p->a, "%s%s", base, end);
}

static const char *without(const cprinter *p, const char *base, const char *end) {
    size_t n = strlen(base), m = strlen(end);
    return n > m && !strcmp(base + n - m, end) ? arena_printf(p->a, "%.*s", (int)(n - m), base) : base;
}

/* ------------ pointers */
const char *c_base_name(const cprinter *p, const ir_value *ptr) {
    while (ptr && !ptr->name && ptr->op && (ptr->op->code == IR_ptradd || ptr->op->code == IR_ptrcast || ptr->op->code == IR_cluster_ptr))
        ptr = ir_operand(ptr->op, 0);
    if (!ptr || ptr->type.kind != IR_PTR) return NULL;
    bool scratch = ptr->block == p->f->body && ptr->index == p->f->body->n_args - (p->d->blocks ? 2 : 3);
    if (scratch) return NULL;
    if (ptr->name) return ptr->name;
    return ptr->op && ptr->op->code == IR_shared ? "tile" : NULL;
}

static const char *of_memory(const cprinter *p, const ir_value *ptr, const char *plain, const char *staged) {
    const char *base = c_base_name(p, ptr);
    if (!base) return plain + 1;
    const char *tensor = without(p, base, "_tile");
    return with(p, tensor, tensor == base ? plain : staged);
}

/* ------------ what an index is for */
typedef struct users {
    const char *base;
    bool several;
    int left;
} users;

static void count_base(const cprinter *p, users *u, const ir_value *ptr, bool scaled) {
    const char *base = c_base_name(p, ptr);
    if (!base) base = "";
    if (scaled) base = without(p, base, "_tile"); /* a tensor and what is staged of it have the same rows */
    u->several |= u->base && strcmp(u->base, base);
    u->base = base;
}

/* The tensors whose elements v helps to find; through products too, if `scaled`. */
static void find_users(const cprinter *p, const ir_value *v, users *u, int depth, bool scaled) {
    for (const ir_use *x = v->uses; x && u->left-- > 0; x = x->next) {
        const ir_op *op = x->user;
        switch (op->code) {
        case IR_load:
        case IR_store:
        case IR_load_lanes:
        case IR_store_lanes:
        case IR_ptradd:
        case IR_prefetch:
        case IR_copy_async:
        case IR_atom:
            for (int i = 1; i < op->n_operands; i += 2)
                if (ir_operand(op, i) == v && ir_operand(op, i - 1)->type.kind == IR_PTR) count_base(p, u, ir_operand(op, i - 1), scaled);
            break;
        case IR_add:
        case IR_sub:
        case IR_select:
            if (depth > 0) find_users(p, ir_result(op, 0), u, depth - 1, scaled);
            break;
        case IR_mul:
        case IR_shl:
        case IR_fma:
            if (depth > 0 && scaled) find_users(p, ir_result(op, 0), u, depth - 1, scaled);
            break;
        default: break;
        }
    }
}

static const char *offset_name(const cprinter *p, const ir_value *v) {
    users u = {NULL, false, MOST_USES};
    find_users(p, v, &u, DEPTH, false);
    if (!u.base) return NULL;
    return u.several || !*u.base ? "offset" : with(p, u.base, "_offset");
}

static bool is_worked_out(const char *name) {
    for (const char *x = name; (x = strstr(x, "_x")); x++)
        if (x[2] >= '0' && x[2] <= '9') return true;
    return strstr(name, "_plus_") || strstr(name, "_minus_") || strstr(name, "_mod_") || strstr(name, "_less_");
}

/* v, a number in terms of `of` and a constant, where it is no element's place: "tile_plus_1", "rest_x32". */
static const char *worked_out(const cprinter *p, const char *of, const char *how, int64_t k) {
    return is_worked_out(of) ? "index" : arena_printf(p->a, k < 0 ? "%s_%s_minus_%lld" : "%s_%s%lld", of, how, (long long)(k < 0 ? -k : k));
}

/* A thread's row or column, after the one tensor that it is a row of. */
static const char *of_one_tensor(const cprinter *p, const ir_value *v, const char *end) {
    users u = {NULL, false, MOST_USES};
    find_users(p, v, &u, DEPTH, true);
    if (!u.base || !*u.base || u.several) return end;
    return arena_printf(p->a, "%s_%s", without(p, u.base, "_part"), end);
}

/* ------------ integers */
static bool is_task(const ir_value *v) {
    while (v->op && v->op->code == IR_cast) v = ir_operand(v->op, 0);
    const ir_op *loop = v->block && v->index == 0 ? v->block->op : NULL;
    return loop && loop->code == IR_tfor && ir_is(ir_operand(loop, 0), IR_block_id);
}

static bool is_thread(const ir_value *v) {
    while (v->op && v->op->code == IR_cast) v = ir_operand(v->op, 0);
    return ir_is(v, IR_thread_id);
}

bool c_counts_tasks(const ir_value *v) { return v->block && is_task(v); }

/* The size that the first term of a sum is. */
static const char *size_in(const ir_value *v, int depth) {
    if (v->block) return v->type.kind == IR_VECTOR ? v->name : NULL;
    if (depth == 0 || !v->op) return NULL;
    bool sum = v->op->code == IR_add || v->op->code == IR_sub || v->op->code == IR_cast;
    return sum ? size_in(ir_operand(v->op, 0), depth - 1) : NULL;
}

static bool is_difference(const ir_value *v) {
    int64_t k;
    return v->op && (v->op->code == IR_sub || (v->op->code == IR_add && c_constant_int(ir_operand(v->op, 1), &k) && k < 0));
}

static const char *name_of_least(const cprinter *p, const ir_op *op, int depth) {
    for (int i = 0; i < 2; i++) {
        const ir_value *x = ir_operand(op, i);
        while (x->op && x->op->code == IR_cast) x = ir_operand(x->op, 0);
        int64_t one;
        if (!is_difference(x)) continue;
        bool last = c_constant_int(ir_operand(x->op, 1), &one) && one == (x->op->code == IR_sub ? 1 : -1);
        const char *index = last ? role(p, ir_operand(op, 1 - i), depth - 1) : NULL;
        if (last) return index && strcmp(index, "next") ? with(p, index, "_clamped") : "at"; /* the last one instead of any beyond */
        const char *size = size_in(x, DEPTH);
        return size ? with(p, size, "_left") : "left";
    }
    const char *name = role(p, ir_operand(op, 0), depth - 1);
    name = name ? name : role(p, ir_operand(op, 1), depth - 1);
    name = name ? name : size_in(ir_operand(op, 0), DEPTH);
    return name ? name : "left";
}

/* max(0, 2 - n) */
static bool is_two_less(const ir_value *v, const ir_value *n) {
    int64_t two;
    for (int i = 0; ir_is(v, IR_max) && i < 2; i++) {
        const ir_value *x = ir_operand(v->op, i);
        bool sum = ir_is(x, IR_sub) || ir_is(x, IR_add);
        for (int k = 0; sum && k < 2; k++)
            if (c_constant_int(ir_operand(x->op, k), &two) && two == 2) return !c_constant_int(n, &two);
    }
    return false;
}

/* What is 1 or 0 by the size of n: min(1, n), whether there is any; min(n, max(0, 2 - n)), whether it is one. */
static const char *name_of_choice(const ir_op *op) {
    for (int i = 0; i < 2; i++) {
        int64_t one;
        if (is_two_less(ir_operand(op, i), ir_operand(op, 1 - i))) return "is_one";
        if (!c_constant_int(ir_operand(op, i), &one) || one != 1) continue;
        const ir_value *x = ir_operand(op, 1 - i);
        while (x->op && x->op->code == IR_cast) x = ir_operand(x->op, 0);
        if (ir_is(x, IR_and) || ir_is(x, IR_mod) || ir_is(x, IR_rem)) return "is_ragged";
        if (is_difference(x) && c_constant_int(ir_operand(x->op, 1), &one) && (one == 1 || one == -1)) return "are_several";
        if (ir_is(x, IR_shr) || ir_is(x, IR_floordiv) || ir_is(x, IR_truncdiv)) return "is_large";
    }
    return NULL;
}

static const char *name_of_part(const cprinter *p, const ir_op *op, bool quotient, int depth) {
    const ir_value *x = ir_operand(op, 0);
    int64_t k = 0;
    bool constant = c_constant_int(ir_operand(op, 1), &k);
    if (is_task(x)) return quotient ? "task_row" : "task_column";
    if (is_thread(x)) {
        bool warp = quotient && constant && k == 32 && p->d->nvidia;
        return warp ? "warp" : of_one_tensor(p, ir_result(op, 0), quotient ? "row" : "column");
    }
    const char *size = quotient && constant ? size_in(x, DEPTH) : NULL;
    if (size) return with(p, size, "_tiles");
    const char *name = role(p, x, depth - 1);
    if (name && !strcmp(name, "tiles")) return quotient ? "waves" : "tiles_left";
    return name && strcmp(name, "quotient") && strcmp(name, "offset") && !is_worked_out(name) ? name : quotient ? "quotient" : "remainder";
}

static const char *name_of_bits(const cprinter *p, const ir_op *op, int depth) {
    int64_t m;
    if (!c_constant_int(ir_operand(op, 1), &m)) return NULL;
    if (!is_thread(ir_operand(op, 0))) {
        const char *of = m == 1 ? "parity" : role(p, ir_operand(op, 0), depth - 1);
        return of && m > 1 && m < INT32_MAX && !(m & (m + 1)) ? worked_out(p, of, "mod_", m + 1) : of;
    }
    if (m == 31 && p->d->nvidia) return "lane";
    return m & (m + 1) ? "group" : of_one_tensor(p, ir_result(op, 0), "column");
}

static const char *name_of_product(const cprinter *p, const ir_op *op, int depth) {
    const char *of = role(p, ir_operand(op, 0), depth - 1);
    if (!of) of = role(p, ir_operand(op, 1), depth - 1);
    for (int i = 0; !of && i < 2; i++) of = size_in(ir_operand(op, i), 1);
    if (!of || !strcmp(of, "offset")) return "offset";
    users u = {NULL, false, MOST_USES};
    find_users(p, ir_result(op, 0), &u, DEPTH, false);
    size_t n = strlen(of);
    if (!u.base && (!strcmp(of, "tiles") || !strcmp(of, "is_large") || (n > 6 && !strcmp(of + n - 6, "_tiles")))) return "tiles";
    int64_t k;
    bool constant = !u.base && c_constant_int(ir_operand(op, 1), &k);
    if (constant && op->code == IR_shl && k >= 0 && k < 31) k = INT64_C(1) << k;
    return constant ? worked_out(p, of, "x", k) : with(p, of, "_offset");
}

static bool is_counter(const ir_value *v) { return v->block && v->index == 0 && v->block->op && v->block->op->code == IR_tfor && !is_task(v); }

/* x + y and x - y of two values that have names. */
static const char *name_of_sum(const cprinter *p, const ir_op *op, int depth) {
    int64_t k;
    if ((op->code != IR_add && op->code != IR_sub) || c_constant_int(ir_operand(op, 1), &k)) return NULL;
    const char *x = role(p, ir_operand(op, 0), depth - 1), *y = role(p, ir_operand(op, 1), depth - 1);
    if (op->code == IR_add)
        for (int i = 0; i < 2; i++) { /* a loop that threads share out */
            const char *of = i ? y : x;
            if (!of || !is_counter(ir_operand(op, 1 - i))) continue;
            if (!strcmp(of, "warp") || !strcmp(of, "group") || !strcmp(of, "row")) return "row";
            if (!strcmp(of, "lane") || !strcmp(of, "column")) return "column";
        }
    if (!x || !y || strlen(x) + strlen(y) > 20) return NULL;
    if (!strcmp(x, "offset") || !strcmp(y, "offset")) return NULL;
    if (op->code == IR_sub) return is_worked_out(x) || is_worked_out(y) ? NULL : arena_printf(p->a, "%s_less_%s", x, y);
    if (!strcmp(y, with(p, x, "_offset")) || !strcmp(x, with(p, y, "_offset"))) return arena_printf(p->a, "%s_end", strlen(x) < strlen(y) ? x : y);
    return NULL;
}

static const char *integer_role(const cprinter *p, const ir_value *v, int depth) {
    const ir_op *op = v->op;
    const char *name = NULL;
    int64_t k;
    switch (op->code) {
    case IR_thread_id: return "thread";
    case IR_and: return name_of_bits(p, op, depth);
    case IR_floordiv:
    case IR_truncdiv: return name_of_part(p, op, true, depth);
    case IR_shr:
        if (is_thread(ir_operand(op, 0)) && c_constant_int(ir_operand(op, 1), &k))
            return k == 5 && p->d->nvidia ? "warp" : of_one_tensor(p, v, "row");
        return name_of_part(p, op, true, depth);
    case IR_mod:
    case IR_rem: return name_of_part(p, op, false, depth);
    case IR_min: return name_of_choice(op) ? name_of_choice(op) : name_of_least(p, op, depth);
    case IR_mul:
    case IR_shl: return name_of_product(p, op, depth);
    case IR_add:
    case IR_sub:
    case IR_fma: name = offset_name(p, v); break;
    case IR_select:
        name = role(p, ir_operand(op, 2), depth - 1);
        if (name && !strncmp(name, "stage_plus_", 11)) return strcmp(name, "stage_plus_1") ? "stage_to_fill" : "next_stage";
        return name ? name : role(p, ir_operand(op, 1), depth - 1);
    default: break;
    }
    bool step = !name && (op->code == IR_add || op->code == IR_sub) && c_constant_int(ir_operand(op, 1), &k);
    if (!name && depth > 0) name = name_of_sum(p, op, depth);
    for (int i = 0; !name && i < op->n_operands; i++) name = role(p, ir_operand(op, i), depth - 1);
    if (name && step && k) {
        if (op->code == IR_sub) k = -k;
        size_t n = strlen(name);
        if (k == -1 && n > 5 && !strcmp(name + n - 5, "_left")) return with(p, without(p, name, "_left"), "_last");
        return worked_out(p, name, k < 0 ? "minus_" : "plus_", k < 0 ? -k : k);
    }
    if (name) return op->n_operands > 1 && is_worked_out(name) ? "index" : name;
    return op->code == IR_max ? "largest" : op->code == IR_add && c_constant_int(ir_operand(op, 1), &k) && k == 1 ? "next" : NULL;
}

/* ------------ floats and truth values */
const char *c_combined_name(ir_combine c) {
    switch (c) {
    case IR_SUM: return "sum";
    case IR_PROD: return "product";
    case IR_MAX: return "largest";
    case IR_MIN: return "smallest";
    case IR_ANY: return "any";
    default: return "all";
    }
}

/* Of all lanes. */
static const char *name_of_all(ir_combine c) {
    switch (c) {
    case IR_SUM: return "total";
    case IR_MAX: return "maximum";
    case IR_MIN: return "minimum";
    default: return c_combined_name(c);
    }
}

/* x < size: of what there is an element. */
static const char *inside_name(const cprinter *p, const ir_op *op, int depth) {
    const ir_value *x = ir_operand(op, ir_is(ir_operand(op, 0), IR_constant));
    const char *of = x->type.lanes <= 1 ? role(p, x, depth - 1) : NULL;
    return of && strlen(of) < 24 && !strstr(of, "offset") ? with(p, of, "_inside") : "inside";
}

static const char *bool_role(const cprinter *p, const ir_value *v, int depth) {
    switch (v->op->code) {
    case IR_lt:
    case IR_le: return frit_dtype_is_float((frit_dtype)ir_operand(v->op, 0)->type.dtype) ? "less" : inside_name(p, v->op, depth);
    case IR_eq:
    case IR_ne: {
        int64_t k;
        bool equal = v->op->code == IR_eq, constant = v->type.lanes <= 1 && c_constant_int(ir_operand(v->op, 1), &k) && k >= 0;
        const char *of = constant ? role(p, ir_operand(v->op, 0), depth - 1) : NULL;
        if (of) return arena_printf(p->a, equal ? "%s_is_%lld" : "%s_is_not_%lld", of, (long long)k);
        return equal ? "equal" : "different";
    }
    case IR_and:
    case IR_or:
    case IR_select: {
        const char *name = role(p, ir_operand(v->op, v->op->code == IR_select), depth - 1);
        return name ? name : role(p, ir_operand(v->op, 1), depth - 1);
    }
    default: return "holds";
    }
}

static const char *float_role(const cprinter *p, const ir_value *v, int depth) {
    switch (v->op->code) {
    case IR_add: return "sum";
    case IR_sub: return "difference";
    case IR_mul: return "product";
    case IR_div: return "quotient";
    case IR_max: return "largest";
    case IR_min: return "smallest";
    case IR_sqrt:
    case IR_rsqrt: return "root";
    case IR_abs: return "magnitude";
    case IR_neg: return role(p, ir_operand(v->op, 0), depth - 1);
    default: return "value";
    }
}

/* ------------ loops and branches */
static bool has_operand(const ir_op *op, const ir_value *v) {
    for (int i = 0; i < op->n_operands; i++)
        if (ir_operand(op, i) == v) return true;
    return false;
}

static const char *carried_role(const cprinter *p, const ir_op *loop, int i, int depth) {
    const ir_block *body = loop->blocks[0];
    const ir_value *arg = body->args[1 + i], *next = body->last ? ir_operand(body->last, i) : arg;
    if (arg->name) return arg->name;
    bool integer = arg->type.kind == IR_VECTOR && !frit_dtype_is_float((frit_dtype)arg->type.dtype);
    if (integer && arg->type.lanes == 1 && next->op && next->op->code == IR_select) return "stage"; /* counts around */
    if (integer && next->op && next->op->code == IR_add && has_operand(next->op, arg)) return arg->type.lanes == 1 ? "count" : "sum";
    if (next->op && next->op->code == IR_fma && has_operand(next->op, arg)) return "sum";
    const char *name = next->op && depth > 0 ? role(p, next, depth - 1) : NULL;
    return name ? name : role(p, ir_operand(loop, 3 + i), depth - 1);
}

static const char *branch_role(const cprinter *p, const ir_value *v, int depth) {
    const ir_op *op = v->op;
    for (int i = 0; i < op->n_blocks; i++) {
        const ir_op *yield = op->blocks[i]->last;
        const char *name = yield && v->index < yield->n_operands ? role(p, ir_operand(yield, v->index), depth - 1) : NULL;
        if (name) return name;
    }
    return NULL;
}

/* The float whose upper bits, rounded, v is (the larger part of a split f32); NULL: it is something else. */
static const ir_value *high_part_of(const ir_value *v) {
    const ir_value *bits = ir_operand(v->op, 0), *sum = ir_is(bits, IR_and) ? ir_operand(bits->op, 0) : NULL;
    if (!frit_dtype_is_float((frit_dtype)v->type.dtype) || !sum || !ir_is(sum, IR_add) || !ir_is(ir_operand(bits->op, 1), IR_constant)) return NULL;
    const ir_value *of = ir_operand(sum->op, 0);
    return ir_is(of, IR_bitcast) ? ir_operand(of->op, 0) : NULL;
}

static const char *of_operation(const cprinter *p, const ir_value *v, int depth) {
    const ir_op *op = v->op;
    switch (op->code) {
    case IR_constant: return NULL;
    case IR_load:
    case IR_load_lanes: return of_memory(p, ir_operand(op, 0), "_value", "_fragment");
    case IR_atom:
        if (ir_operand(op, 0)->type.kind == IR_PTR) return of_memory(p, ir_operand(op, 0), "_fragment", "_fragment");
        return "sum";
    case IR_wgmma: return "sum";
    case IR_wgmma_fence:
    case IR_wgmma_wait: {
        const char *name = role(p, ir_operand(op, v->index), depth - 1);
        return name ? name : "sum";
    }
    case IR_reduce_lanes: return name_of_all((ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM));
    case IR_tfor: return carried_role(p, op, v->index, depth - 1);
    case IR_tif: return branch_role(p, v, depth);
    case IR_bitcast:
        if (high_part_of(v)) {
            const char *of = role(p, high_part_of(v), depth - 1);
            return with(p, of ? of : "value", "_high");
        }
        return role(p, ir_operand(op, 0), depth - 1);
    case IR_cast:
    case IR_reinterpret:
    case IR_extract:
    case IR_splat:
    case IR_shuffle: return role(p, ir_operand(op, 0), depth - 1);
    case IR_ramp: return "lanes";
    default: break;
    }
    if (v->type.kind != IR_VECTOR) return NULL;
    frit_dtype t = (frit_dtype)v->type.dtype;
    if (frit_dtype_is_float(t)) return float_role(p, v, depth);
    if (t == FRIT_bool) return bool_role(p, v, depth);
    return v->type.lanes > 1 ? "value" : integer_role(p, v, depth);
}

static const char *role(const cprinter *p, const ir_value *v, int depth) {
    if (p->math && (v == p->math->x || v == p->math->y)) return NULL;
    bool size = v->block == p->f->body && v->type.kind == IR_VECTOR; /* says little of what is computed of it */
    if (v->name) return size ? NULL : v->name;
    if (v->hint && c_is_free_word(v->hint) && strcmp(v->hint, "turn")) return v->hint; /* a ring's place is its stage */
    const ir_expansion *call = c_math_result(p, v);
    if (call && call != p->math) return with(p, ir_op_table[call->code].name, "_value");
    if (depth <= 0) return NULL;
    if (v->op) return of_operation(p, v, depth);
    const ir_op *loop = v->block ? v->block->op : NULL;
    if (is_task(v)) return "task";
    return loop && loop->code == IR_tfor && v->index > 0 ? carried_role(p, loop, v->index - 1, depth - 1) : NULL;
}

const char *c_role(const cprinter *p, const ir_value *v) { return role(p, v, DEPTH); }
