#include "mutate_proof.h"
#include "mutate_walk.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_TERMS = 24, MAX_FACTS = 48, MOST_STEPS = 4000, MOST_DEPTH = 40 };

/* c + sum of t[i].k * t[i].v; bad: too large to be told. */
typedef struct linear {
    int64_t c;
    int n;
    struct {
        const ir_value *v;
        int64_t k;
    } t[MAX_TERMS];
    bool bad;
} linear;

typedef struct prover {
    const ir_func *f;
    int n_facts;
    linear facts[MAX_FACTS]; /* each at least 0 */
    int steps;
} prover;

/* ---- Sums -------------------------------------------------------------------------------------------------------- */
static linear number(int64_t c) { return (linear){.c = c}; }

static void add_term(linear *a, const ir_value *v, int64_t k) {
    for (int i = 0; i < a->n; i++) {
        if (a->t[i].v != v) continue;
        if (!(a->t[i].k += k)) a->t[i] = a->t[--a->n];
        return;
    }
    if (a->n == MAX_TERMS) a->bad = true;
    else if (k) a->t[a->n].v = v, a->t[a->n++].k = k;
}

/* a + k b */
static linear plus(linear a, int64_t k, const linear *b) {
    int64_t by;
    a.bad |= b->bad || __builtin_mul_overflow(k, b->c, &by) || __builtin_add_overflow(a.c, by, &a.c);
    for (int i = 0; i < b->n; i++) {
        if (__builtin_mul_overflow(k, b->t[i].k, &by) || by > INT64_C(1) << 40 || by < -(INT64_C(1) << 40)) a.bad = true;
        else add_term(&a, b->t[i].v, by);
    }
    return a;
}

static linear times(const linear *a, int64_t k) {
    linear zero = number(0);
    return plus(zero, k, a);
}

static bool is_power(int64_t n) { return n > 0 && !(n & (n - 1)); }

static linear sum_of(const ir_value *v) {
    linear alone = number(0), a, b;
    int64_t k;
    add_term(&alone, v, 1);
    if (mutate_constant(v, &k)) return number(k);
    if (!v->op) return alone;
    const ir_op *op = v->op;
    switch (op->code) {
    case IR_splat:
    case IR_extract: return sum_of(ir_operand(op, 0));
    case IR_cast: return frit_dtype_is_float((frit_dtype)ir_operand(op, 0)->type.dtype) ? alone : sum_of(ir_operand(op, 0));
    case IR_neg: return a = sum_of(ir_operand(op, 0)), times(&a, -1);
    case IR_add:
    case IR_sub: return a = sum_of(ir_operand(op, 0)), b = sum_of(ir_operand(op, 1)), plus(a, op->code == IR_add ? 1 : -1, &b);
    case IR_mul:
        for (int i = 0; i < 2; i++)
            if (mutate_constant(ir_operand(op, i), &k)) return a = sum_of(ir_operand(op, !i)), times(&a, k);
        return alone;
    case IR_shl:
        if (mutate_constant(ir_operand(op, 1), &k) && k >= 0 && k < 40) return a = sum_of(ir_operand(op, 0)), times(&a, INT64_C(1) << k);
        return alone;
    default: return alone;
    }
}

/* ---- Bounds ------------------------------------------------------------------------------------------------------ */
static bool at_least_0(prover *p, linear g, int depth);

/* What follows when m v (m > 0) is bounded by `bound`, from above where its coefficient in g is negative, else from below. */
static bool with_bound(prover *p, const linear *g, int term, int64_t m, const linear *bound, int depth) {
    int64_t k = g->t[term].k;
    linear rest = times(g, m), by = *bound;
    add_term(&rest, g->t[term].v, -k * m);
    return at_least_0(p, plus(rest, k, &by), depth);
}

static bool with_value(prover *p, const linear *g, int term, const ir_value *is, int depth) {
    linear v = sum_of(is);
    return with_bound(p, g, term, 1, &v, depth);
}

/* Facts that bound the value of the term. */
static bool with_facts(prover *p, const linear *g, int term, int depth) {
    const ir_value *v = g->t[term].v;
    bool up = g->t[term].k < 0;
    for (int f = 0; f < p->n_facts; f++)
        for (int i = 0; i < p->facts[f].n; i++) {
            int64_t k = p->facts[f].t[i].k;
            if (p->facts[f].t[i].v != v || (k < 0) != up) continue;
            linear rest = p->facts[f]; /* rest + k v >= 0 */
            add_term(&rest, v, -k);
            if (!up) rest = times(&rest, -1);
            if (with_bound(p, g, term, k < 0 ? -k : k, &rest, depth)) return true;
        }
    return false;
}

static bool between(prover *p, const linear *g, int term, int64_t m, linear lo, linear hi, int depth) {
    return with_bound(p, g, term, m, g->t[term].k < 0 ? &hi : &lo, depth);
}

/* The least m with k m + c >= 0 (k > 0), or the largest (k < 0). */
static int64_t limit_of(int64_t k, int64_t c) {
    int64_t by = k > 0 ? k : -k, from = k > 0 ? -c : c, q = from / by, r = from % by;
    return k > 0 ? q + (r > 0) : q - (r < 0);
}

/* v = x // n, and the rest of the sum but its constant is at least 0: whole steps of v decide. */
static bool whole_steps(prover *p, const linear *g, int term, const linear *x, int64_t n, int depth) {
    int64_t k = g->t[term].k, m;
    linear others = *g, to;
    others.c = 0;
    add_term(&others, g->t[term].v, -k);
    if (__builtin_mul_overflow(limit_of(k, g->c), n, &m) || m > INT64_C(1) << 40 || m < -(INT64_C(1) << 40)) return false;
    to = number(k > 0 ? m : m + n - 1);
    return at_least_0(p, others, depth) && at_least_0(p, k > 0 ? plus(*x, -1, &to) : plus(to, -1, x), depth);
}

/* v = x >> k or x // 2^k: n v lies in x - (n - 1) .. x. */
static bool quotient(prover *p, const linear *g, int term, const ir_value *x, int64_t n, int depth) {
    linear hi = sum_of(x), most = number(n - 1), lo = plus(hi, -1, &most);
    return between(p, g, term, n, lo, hi, depth) || whole_steps(p, g, term, &hi, n, depth);
}

static bool by_and(prover *p, const linear *g, int term, const ir_op *op, int depth) {
    int64_t k;
    for (int i = 0; i < 2; i++) {
        if (!mutate_constant(ir_operand(op, i), &k)) continue;
        linear x = sum_of(ir_operand(op, !i)), most = number(-k - 1);
        if (k >= 0) return between(p, g, term, 1, number(0), number(k), depth);
        if (is_power(-k)) return between(p, g, term, 1, plus(x, -1, &most), x, depth);
    }
    return false;
}

/* v is one of the operands; it is no more (min) or no less (max) than either. */
static bool by_choice(prover *p, const linear *g, int term, const ir_op *op, int depth) {
    bool up = g->t[term].k < 0, any = op->code == IR_min ? up : op->code == IR_max && !up;
    int first = op->code == IR_select;
    bool a = with_value(p, g, term, ir_operand(op, first), depth);
    if (any ? a : !a) return a;
    return with_value(p, g, term, ir_operand(op, first + 1), depth);
}

static bool by_op(prover *p, const linear *g, int term, const ir_op *op, int depth) {
    const ir_value *v = g->t[term].v;
    int64_t k, most = mutate_most(v);
    linear x, lanes;
    if (most >= 0) return between(p, g, term, 1, number(0), number(most), depth);
    switch (op->code) {
    case IR_min:
    case IR_max:
    case IR_select: return by_choice(p, g, term, op, depth);
    case IR_and: return by_and(p, g, term, op, depth);
    case IR_mod:
        x = sum_of(ir_operand(op, 1)), lanes = number(1);
        return between(p, g, term, 1, number(0), plus(x, -1, &lanes), depth);
    case IR_shr:
        return mutate_constant(ir_operand(op, 1), &k) && k >= 0 && k < 40 && quotient(p, g, term, ir_operand(op, 0), INT64_C(1) << k, depth);
    case IR_floordiv:
        if (mutate_constant(ir_operand(op, 1), &k)) return k > 0 && quotient(p, g, term, ir_operand(op, 0), k, depth);
        x = sum_of(ir_operand(op, 0)); /* of what is not negative: 0 .. x */
        return at_least_0(p, x, depth) && between(p, g, term, 1, number(0), x, depth);
    case IR_mul: /* of two that are not negative */
        for (int i = 0; i < 2; i++)
            if (!at_least_0(p, x = sum_of(ir_operand(op, i)), depth)) return false;
        return g->t[term].k > 0 && between(p, g, term, 1, number(0), number(0), depth);
    case IR_ramp:
        x = sum_of(ir_operand(op, 0)), lanes = number(ir_result(op, 0)->type.lanes - 1);
        return between(p, g, term, 1, x, plus(x, 1, &lanes), depth);
    case IR_block_id: return g->t[term].k > 0 && between(p, g, term, 1, number(0), number(0), depth);
    case IR_block_count: return g->t[term].k > 0 && between(p, g, term, 1, number(1), number(1), depth);
    case IR_tif:
        for (int arm = 0; arm < 2; arm++)
            if (!with_value(p, g, term, ir_operand(op->blocks[arm]->last, v->index), depth)) return false;
        return true;
    default: return false;
    }
}

/* A loop's counter, or an argument of the kernel. */
static bool by_argument(prover *p, const linear *g, int term, int depth) {
    const ir_value *v = g->t[term].v;
    const ir_op *loop = v->block->op;
    if (!loop) return g->t[term].k > 0 && between(p, g, term, 1, number(0), number(0), depth);
    if (loop->code != IR_tfor || v->index) return false;
    linear from = sum_of(ir_operand(loop, 0)), to = sum_of(ir_operand(loop, 1)), one = number(1);
    return between(p, g, term, 1, from, plus(to, -1, &one), depth);
}

/* The value of g that is made last. */
static int latest(const linear *g) {
    int at = 0;
    for (int i = 1; i < g->n; i++)
        if (g->t[i].v->id > g->t[at].v->id) at = i;
    return at;
}

static bool at_least_0(prover *p, linear g, int depth) {
    if (g.bad || depth > MOST_DEPTH || ++p->steps > MOST_STEPS) return false;
    if (!g.n) return g.c >= 0;
    int term = latest(&g);
    const ir_value *v = g.t[term].v;
    if (v->op ? by_op(p, &g, term, v->op, depth + 1) : by_argument(p, &g, term, depth + 1)) return true;
    return with_facts(p, &g, term, depth + 1);
}

static bool less(prover *p, const ir_value *a, const ir_value *b, int64_t by) { /* a + by <= b */
    linear x = sum_of(a), y = sum_of(b), k = number(by);
    p->steps = 0;
    x = plus(y, -1, &x);
    return at_least_0(p, plus(x, -1, &k), 0);
}

/* ---- Divisors ---------------------------------------------------------------------------------------------------- */
static int64_t gcd(int64_t a, int64_t b) {
    a = a < 0 ? -a : a, b = b < 0 ? -b : b;
    while (b) {
        int64_t r = a % b;
        a = b, b = r;
    }
    return a;
}

static int64_t divisor_of_sum(linear *s, int depth);

/* A number that divides v, less what it adds to the constant of *s: a counter is where it starts and whole steps on. */
static int64_t divisor(const ir_value *v, int64_t k, linear *s, int depth) {
    int64_t c;
    const ir_op *loop = v->op ? NULL : v->block->op;
    if (v->op && v->op->code == IR_and && mutate_constant(ir_operand(v->op, 1), &c) && is_power(-c)) return -c;
    if (!loop || loop->code != IR_tfor || v->index || depth > 6) return 1;
    linear from = sum_of(ir_operand(loop, 0)), step = sum_of(ir_operand(loop, 2));
    int64_t g = gcd(divisor_of_sum(&from, depth + 1), divisor_of_sum(&step, depth + 1));
    if (step.c) g = gcd(g, step.c);
    s->c += k * from.c;
    return g;
}

/* What divides the sum less its constant; 0: it is constant. */
static int64_t divisor_of_sum(linear *s, int depth) {
    int64_t g = 0;
    for (int i = 0, n = s->n; i < n; i++) g = gcd(g, s->t[i].k * divisor(s->t[i].v, s->t[i].k, s, depth));
    return g;
}

static bool never_equal(prover *p, const ir_value *a, const ir_value *b) {
    if (less(p, a, b, 1) || less(p, b, a, 1)) return true;
    linear x = sum_of(a), y = sum_of(b);
    x = plus(x, -1, &y);
    int64_t g = x.bad ? 1 : divisor_of_sum(&x, 0);
    return (g > 1 && x.c % g) || mutate_differ(a, b);
}

/* ---- Conditions -------------------------------------------------------------------------------------------------- */
static bool integers(const ir_op *op) { return ir_operand(op, 0)->type.dtype == FRIT_i64; }

/* c (each lane) is always `truth`. */
static bool always(prover *p, const ir_value *c, bool truth) {
    int64_t k;
    if (mutate_constant(c, &k)) return (k != 0) == truth;
    if (!c->op) return false;
    const ir_op *op = c->op;
    const ir_value *a = op->n_operands > 0 ? ir_operand(op, 0) : NULL, *b = op->n_operands > 1 ? ir_operand(op, 1) : NULL;
    switch (op->code) {
    case IR_splat:
    case IR_extract: return always(p, a, truth);
    case IR_not: return always(p, a, !truth);
    case IR_and: return truth ? always(p, a, true) && always(p, b, true) : always(p, a, false) || always(p, b, false);
    case IR_or: return truth ? always(p, a, true) || always(p, b, true) : always(p, a, false) && always(p, b, false);
    case IR_lt: return integers(op) && (truth ? less(p, a, b, 1) || mutate_less(a, b) : less(p, b, a, 0));
    case IR_le: return integers(op) && (truth ? less(p, a, b, 0) : less(p, b, a, 1));
    case IR_eq:
    case IR_ne:
        if (!integers(op)) return false;
        return (op->code == IR_eq) == truth ? less(p, a, b, 0) && less(p, b, a, 0) : never_equal(p, a, b);
    default: return false;
    }
}

static void add_fact(prover *p, const ir_value *lo, const ir_value *hi, int64_t by) { /* lo + by <= hi */
    if (p->n_facts == MAX_FACTS) return;
    linear x = sum_of(lo), y = sum_of(hi), k = number(by);
    x = plus(y, -1, &x);
    p->facts[p->n_facts] = plus(x, -1, &k);
    p->n_facts += !p->facts[p->n_facts].bad;
}

static void assume(prover *p, const ir_value *c, bool truth) {
    if (!c->op) return;
    const ir_op *op = c->op;
    const ir_value *a = op->n_operands > 0 ? ir_operand(op, 0) : NULL, *b = op->n_operands > 1 ? ir_operand(op, 1) : NULL;
    if (op->code == IR_not) assume(p, a, !truth);
    else if (op->code == (truth ? IR_and : IR_or)) assume(p, a, truth), assume(p, b, truth);
    else if ((op->code == IR_lt || op->code == IR_le) && integers(op)) {
        bool strict = op->code == IR_lt;
        if (truth) add_fact(p, a, b, strict);
        else add_fact(p, b, a, !strict);
    } else if (op->code == (truth ? IR_eq : IR_ne) && integers(op)) add_fact(p, a, b, 0), add_fact(p, b, a, 0);
}

/* Divisors are at least 1, so what one is a quotient of is at least what it is divided by. */
static void assume_divisors(prover *p, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++) assume_divisors(p, op->blocks[i]);
        if (op->code != IR_mod && op->code != IR_floordiv) continue;
        const ir_value *by = ir_operand(op, 1);
        int64_t k;
        while (by->op && (by->op->code == IR_cast || (by->op->code == IR_min && mutate_constant(ir_operand(by->op, 1), &k)))) by = ir_operand(by->op, 0);
        if (!by->op || by->op->code != IR_shr || !mutate_constant(ir_operand(by->op, 1), &k) || k < 0 || k >= 40) continue;
        linear x = sum_of(ir_operand(by->op, 0)), least = number(INT64_C(1) << k);
        x = plus(x, -1, &least);
        p->steps = 0;
        if (p->n_facts < MAX_FACTS && !x.bad && !at_least_0(p, x, 0)) p->facts[p->n_facts++] = x;
    }
}

/* What holds where op stands. True: nothing ever comes there. */
static bool enter(prover *p, const ir_op *op) {
    const ir_op *outer = op->parent->op;
    if (!outer) return false;
    if (enter(p, outer)) return true;
    if (outer->code == IR_tif) {
        bool arm = outer->blocks[0] == op->parent;
        if (always(p, ir_operand(outer, 0), !arm)) return true;
        assume(p, ir_operand(outer, 0), arm);
    }
    if (outer->code == IR_tfor) {
        const ir_value *from = ir_operand(outer, 0), *to = ir_operand(outer, 1);
        if (less(p, to, from, 0) || mutate_no_more(to, from)) return true;
        add_fact(p, from, to, 1); /* there is an iteration */
    }
    return false;
}

/* Nothing that has an effect, or chooses what is done, is made of what op computes. */
static bool unread(const ir_op *op, int depth) {
    bool end = ir_op_flags(op) & IR_F_TERMINATOR, access = op->code == IR_load || op->code == IR_load_lanes;
    if (end || access || op->n_blocks || ir_op_flags(op) & IR_F_EFFECT || depth > MOST_DEPTH) return false;
    for (int i = 0; i < op->n_results; i++)
        for (const ir_use *u = ir_result(op, i)->uses; u; u = u->next)
            if (!unread(u->user, depth + 1)) return false;
    return true;
}

bool mutate_proven(const ir_func *f, const ir_op *op, mutant_kind k) {
    prover *p = calloc(1, sizeof *p);
    if (!p) abort();
    p->f = f;
    assume_divisors(p, f->body);
    bool shown = enter(p, op);
    int64_t zero;
    if (unread(op, 0)) shown = true;
    if (!shown) switch (k) {
        case MUTANT_UNMASKED: shown = always(p, ir_operand(op, mutant_mask(op)), true); break;
        case MUTANT_ALWAYS: shown = always(p, ir_operand(op, 0), true); break;
        case MUTANT_NEVER: shown = always(p, ir_operand(op, 0), false); break;
        case MUTANT_ONE_OFF: shown = never_equal(p, ir_operand(op, 0), ir_operand(op, 1)); break;
        case MUTANT_UNSWIZZLED: shown = mutate_constant(ir_operand(op, 1), &zero) && !zero; break;
        default: break;
        }
    free(p);
    return shown;
}
