/* Checks the structure of schedules at open, so that running them needs no checks but those of values. */
#include "rt.h"

typedef struct checker {
    const frit_package *p;
    const fpk_variant *v;
    const uint32_t *code;
    uint32_t n;
    uint32_t open[FPK_MAX_NESTING]; /* positions of the enclosing LOOP, WHILE, IF and ELSE */
    int depth;
} checker;

static bool is_buffer(const checker *c, uint32_t b) { return b < c->v->n_buffers; }
static bool is_temp(const checker *c, uint32_t b) {
    return is_buffer(c, b) && c->p->buffers[c->v->first_buffer + b].kind == FPK_BUF_TEMP;
}
static bool is_expr(const checker *c, uint32_t e) { return e < c->p->n_exprs; }
static bool is_offset(const checker *c, uint32_t e) { return e == FPK_NONE || is_expr(c, e); }
static bool is_ref(const checker *c, const uint32_t *w) { return is_buffer(c, w[0]) && is_offset(c, w[1]); }
static bool is_symbol(const checker *c, uint32_t s, uint32_t role) {
    return s < c->p->n_symbols && c->p->symbols[s].role == role;
}

static bool check_launch(const checker *c, const uint32_t *w, uint32_t len) {
    if (len < 2 || w[1] >= c->v->n_kernels) return false;
    const fpk_kernel *k = &c->p->kernels[c->v->first_kernel + w[1]];
    if (len != 2 + 2 * (k->n_inputs + k->n_outputs)) return false;
    for (uint32_t i = 2; i < len; i += 2)
        if (!is_ref(c, w + i)) return false;
    return true;
}

static bool check_swap(const checker *c, const uint32_t *w) {
    if (!is_temp(c, w[1]) || !is_temp(c, w[2]) || w[1] == w[2]) return false;
    const fpk_buffer *a = &c->p->buffers[c->v->first_buffer + w[1]], *b = &c->p->buffers[c->v->first_buffer + w[2]];
    if (a->size != b->size || a->same_as != FPK_NONE || b->same_as != FPK_NONE) return false;
    for (uint32_t i = 0; i < c->v->n_buffers; i++) {
        uint32_t same = c->p->buffers[c->v->first_buffer + i].same_as;
        if (same == w[1] || same == w[2]) return false; /* its address would not follow the swap */
    }
    return true;
}

/* Every LOOP and WHILE points at its NEXT and back; IF at its ELSE or ENDIF, ELSE at its ENDIF. */
static bool push(checker *c, uint32_t pc) {
    if (c->depth == FPK_MAX_NESTING) return false;
    c->open[c->depth++] = pc;
    return true;
}
static uint32_t op_at(const checker *c, uint32_t pc) { return c->code[pc] & 0xff; }
static bool check_next(checker *c, uint32_t pc) {
    if (!c->depth) return false;
    uint32_t top = c->open[--c->depth], op = op_at(c, top);
    return (op == FPK_OP_LOOP || op == FPK_OP_WHILE) && c->code[top + 3] == pc && c->code[pc + 1] == top;
}
static bool check_else(checker *c, uint32_t pc) {
    if (!c->depth || op_at(c, c->open[c->depth - 1]) != FPK_OP_IF) return false;
    if (c->code[c->open[c->depth - 1] + 3] != pc) return false;
    c->open[c->depth - 1] = pc;
    return true;
}
static bool check_endif(checker *c, uint32_t pc) {
    if (!c->depth) return false;
    uint32_t top = c->open[--c->depth], op = op_at(c, top);
    return (op == FPK_OP_IF && c->code[top + 3] == pc) || (op == FPK_OP_ELSE && c->code[top + 1] == pc);
}

/* A counter belongs to one loop at a time. */
static bool check_loop(checker *c, const uint32_t *w, uint32_t pc) {
    if (!is_symbol(c, w[1], FRIT_DIM_LOOP) || !is_expr(c, w[2])) return false;
    for (int i = 0; i < c->depth; i++)
        if (op_at(c, c->open[i]) == FPK_OP_LOOP && c->code[c->open[i] + 1] == w[1]) return false;
    return push(c, pc);
}

static bool check_fill(const checker *c, const uint32_t *w) {
    return is_ref(c, w + 1) && is_expr(c, w[3]) && (w[4] == 1 || w[4] == 2 || w[4] == 4 || w[4] == 8);
}

static bool check_instruction(checker *c, uint32_t pc, uint32_t op, uint32_t len) {
    static const uint8_t lengths[FPK_OPS] = {
        [FPK_OP_END] = 1,  [FPK_OP_COPY] = 6,  [FPK_OP_FILL] = 7,     [FPK_OP_SWAP] = 3,
        [FPK_OP_LOOP] = 4, [FPK_OP_WHILE] = 4, [FPK_OP_NEXT] = 2,     [FPK_OP_IF] = 4,
        [FPK_OP_ELSE] = 2, [FPK_OP_ENDIF] = 1, [FPK_OP_READ_SYM] = 4, [FPK_OP_CHECK] = 2};
    const uint32_t *w = c->code + pc;
    if (lengths[op] && len != lengths[op]) return false;
    switch ((fpk_op)op) {
    case FPK_OP_END: return c->depth == 0 && pc + 1 == c->n;
    case FPK_OP_LAUNCH: return check_launch(c, w, len);
    case FPK_OP_COPY: return is_ref(c, w + 1) && is_ref(c, w + 3) && is_expr(c, w[5]);
    case FPK_OP_FILL: return check_fill(c, w);
    case FPK_OP_SWAP: return check_swap(c, w);
    case FPK_OP_LOOP: return check_loop(c, w, pc);
    case FPK_OP_WHILE:
    case FPK_OP_IF: return is_ref(c, w + 1) && push(c, pc);
    case FPK_OP_NEXT: return check_next(c, pc);
    case FPK_OP_ELSE: return check_else(c, pc);
    case FPK_OP_ENDIF: return check_endif(c, pc);
    case FPK_OP_READ_SYM: return is_symbol(c, w[1], FRIT_DIM_DEVICE) && is_ref(c, w + 2);
    case FPK_OP_CHECK: return w[1] < c->p->n_checks;
    case FPK_OPS: break;
    }
    return false;
}

/* An empty schedule is one that does nothing. */
static bool check_schedule(checker *c) {
    uint32_t pc = 0, op = FPK_OP_END;
    while (pc < c->n) {
        uint32_t len = c->code[pc] >> 8;
        op = c->code[pc] & 0xff;
        if (op >= FPK_OPS || len == 0 || len > c->n - pc || !check_instruction(c, pc, op, len)) return false;
        pc += len;
    }
    return op == FPK_OP_END;
}

frit_status rt_check_variant(const frit_package *p, const fpk_variant *v, frit_error *err) {
    for (uint32_t i = 0; i < 2 + p->info->n_states; i++) {
        const fpk_schedule *s = &p->schedules[v->first_schedule + i];
        checker c = {.p = p, .v = v, .code = p->words + s->first, .n = s->count};
        if (!check_schedule(&c))
            return rt_fail(err, FRIT_BAD_PACKAGE, "damaged package: schedule %u of target %s", i,
                           rt_string(p, v->target));
    }
    return FRIT_OK;
}
