#include "rt.h"

/* Toward minus infinity; by 0 it is 0. INT64_MIN / -1 overflows. */
static bool floordiv(int64_t a, int64_t b, int64_t *out) {
    if (b == 0) return *out = 0, true;
    if (a == INT64_MIN && b == -1) return false;
    *out = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return true;
}

static int64_t floormod(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool apply(uint32_t op, int64_t a, int64_t b, int64_t *out) {
    switch (op) {
    case FPK_ADD: return !__builtin_add_overflow(a, b, out);
    case FPK_SUB: return !__builtin_sub_overflow(a, b, out);
    case FPK_MUL: return !__builtin_mul_overflow(a, b, out);
    case FPK_FLOORDIV: return floordiv(a, b, out);
    case FPK_MOD: return *out = floormod(a, b), true;
    case FPK_MIN: return *out = a < b ? a : b, true;
    case FPK_MAX: return *out = a > b ? a : b, true;
    case FPK_CEILDIV: return floordiv(a, b, out) && (floormod(a, b) == 0 || !__builtin_add_overflow(*out, 1, out));
    default: return false;
    }
}

bool rt_eval(const frit_package *p, uint32_t e, const int64_t *syms, const uint8_t *known, int64_t *out) {
    int64_t stack[FPK_MAX_STACK];
    int n = 0;
    const fpk_step *s = p->steps + p->exprs[e].first, *end = s + p->exprs[e].count;
    for (; s < end; s++) {
        if (s->op == FPK_CONST) {
            stack[n++] = s->value;
        } else if (s->op == FPK_SYM) {
            if (known && !known[s->sym]) return false;
            stack[n++] = syms[s->sym];
        } else {
            n--;
            if (!apply(s->op, stack[n - 1], stack[n], &stack[n - 1])) return false;
        }
    }
    *out = stack[0];
    return true;
}

int rt_degree(const frit_package *p, uint32_t e, uint32_t sym) {
    int stack[FPK_MAX_STACK], n = 0;
    const fpk_step *s = p->steps + p->exprs[e].first, *end = s + p->exprs[e].count;
    for (; s < end; s++) {
        if (s->op == FPK_CONST || s->op == FPK_SYM) {
            stack[n++] = s->op == FPK_SYM && s->sym == sym;
            continue;
        }
        n--;
        int a = stack[n - 1], b = stack[n];
        if (s->op == FPK_ADD || s->op == FPK_SUB)
            stack[n - 1] = a > b ? a : b;
        else
            stack[n - 1] = a + b == 0 ? 0 : s->op == FPK_MUL && a + b == 1 ? 1 : 2;
    }
    return stack[0];
}
