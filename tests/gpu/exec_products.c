/* Host twins of the matrix products of a warp (ir/products.def). The operands that a warp's threads hold lie side by side:
 * they are widened as one array, spread to plain matrices by places that are worked out once, multiplied, and collected. */
#include "exec_internal.h"
#include "exec_multiply.h"
#include "ir/atom.h"
#include <string.h>

enum { SIDE = 32, MAX_HELD = 64 * 16 }; /* elements of a warp's operand */

/* Where what the threads hold of one operand lies in its matrix. */
typedef struct places {
    int n, elements;        /* held by the warp; by a thread */
    uint16_t at[MAX_HELD];  /* thread by thread */
    uint16_t first[MAX_HELD]; /* who holds the same, the lowest */
    bool repeated;
} places;

struct exec_product {
    const ir_product *p;
    places o[3];
    exec_loop_fn *widen; /* from `in` to f32 or i32; NULL: it is that */
    const exec_multiply *multiply;
    bool tf32;
    struct exec_product *next;
};

static void find_places(const ir_product *p, int o, places *v) {
    int columns = o == 0 ? p->k : p->n, holder[SIDE * SIDE];
    memset(holder, -1, sizeof holder);
    v->elements = ir_product_elements(p, o);
    for (int lane = 0; lane < p->warp; lane++)
        for (int e = 0; e < v->elements; e++) {
            int row, column, i = v->n++;
            ir_product_place(p, o, lane, e, &row, &column);
            int at = row * columns + column;
            v->repeated |= holder[at] >= 0;
            if (holder[at] < 0) holder[at] = i;
            v->at[i] = (uint16_t)at, v->first[i] = (uint16_t)holder[at];
        }
}

const exec_product *exec_product_plan(exec_kernel *k, const char *name) {
    const ir_product *p = ir_product_find(name);
    for (exec_product *q = k->products; q; q = q->next)
        if (q->p == p) return q;
    exec_product *q = arena_new_of(k->a, exec_product);
    *q = (exec_product){.p = p, .next = k->products, .tf32 = strstr(name, "_tf32") != NULL, .multiply = exec_has_v3() ? &exec_multiply_v3 : &exec_multiply_any};
    for (int o = 0; o < 3; o++) find_places(p, o, &q->o[o]);
    if (p->in != p->acc) q->widen = exec_loop_for(IR_cast, p->in, p->acc);
    return k->products = q;
}

/* Operand o of the threads from `first` on as f32 or i32, in room of MAX_HELD words. */
static const char *widened(const exec_inst *i, const exec_product *q, int o, int first, char *room) {
    const exec_value *v = i->in[o];
    const places *at = &q->o[o];
    const char *held = exec_of(v, first);
    exec_loop_fn *widen = o < 2 ? q->widen : NULL;
    int n = v->uniform ? at->elements : at->n;
    if (widen) widen(room, held, NULL, NULL, n, 1, 0, 0);
    else if (v->uniform || q->tf32) memcpy(room, held, 4 * (size_t)n);
    else return held;
    for (int l = 1; v->uniform && l < q->p->warp; l++)
        memcpy(room + 4 * l * at->elements, room, 4 * (size_t)at->elements);
    if (q->tf32 && o < 2) q->multiply->to_tf32((float *)(void *)room, at->n);
    return room;
}

/* Operand o as a matrix. Threads that hold the same element must agree. */
static void spread(exec_context *x, const exec_inst *i, const exec_product *q, int o, int first, uint32_t *restrict m) {
    char room[4 * MAX_HELD] __attribute__((aligned(32)));
    const uint32_t *held = (const uint32_t *)(const void *)widened(i, q, o, first, room);
    const places *at = &q->o[o];
    for (int e = 0, n = at->n; e < n; e++) m[at->at[e]] = held[e];
    for (int e = 0; at->repeated && e < at->n; e++)
        if (held[e] != held[at->first[e]])
            exec_fail(x, i, first + e / at->elements, "holds another element than the thread that holds the same");
}

typedef union matrix {
    float f[SIDE * SIDE];
    int32_t i[SIDE * SIDE];
    uint32_t u[SIDE * SIDE];
} matrix __attribute__((aligned(32)));

static void move_row(matrix *m, int columns, int to, int from) {
    if (to != from) memcpy(&m->u[to * columns], &m->u[from * columns], 4 * (size_t)columns);
}
static bool same_rows(const matrix *m, int columns, int r, int s) {
    return !memcmp(&m->u[r * columns], &m->u[s * columns], 4 * (size_t)columns);
}

/* C += A B. Neighbouring rows that are alike, as those that pad a ragged tile are, are done once. */
static void multiply(const exec_product *q, matrix *a, matrix *b, matrix *c) {
    const ir_product *p = q->p;
    int source[SIDE], n = 0;
    for (int r = 0; r < p->m; r++) {
        bool same = r && same_rows(a, p->k, r, n - 1) && same_rows(c, p->n, r, n - 1);
        source[r] = same ? n - 1 : n++;
        if (!same) move_row(a, p->k, n - 1, r), move_row(c, p->n, n - 1, r);
    }
    if (frit_dtype_is_float(p->acc)) q->multiply->f32(n, p->n, p->k, a->f, b->f, c->f);
    else q->multiply->i32(n, p->n, p->k, a->i, b->i, c->i);
    for (int r = p->m - 1; r >= 0; r--) move_row(c, p->n, r, source[r]);
}

void exec_product_run(exec_context *x, const exec_inst *i, int first) {
    matrix m[3];
    const exec_product *q = i->product;
    for (int o = 0; o < 3; o++) spread(x, i, q, o, first, m[o].u);
    multiply(q, &m[0], &m[1], &m[2]);
    uint32_t *out = (uint32_t *)(void *)(i->out->p + first * i->out->bytes);
    const uint16_t *at = q->o[2].at;
    for (int e = 0, n = q->o[2].n; e < n; e++) out[e] = m[2].u[at[e]];
}
