/* Host twins of the matrix products of a warp (ir/products.def). The operands that a warp's threads hold lie side by side:
 * they are widened as one array, spread to plain matrices by places that are worked out once, multiplied, and collected.
 * Values are operands of several products, one after another: the matrices last made of them are kept. */
#include "exec_internal.h"
#include "exec_multiply.h"
#include "ir/atom.h"
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, MAX_HELD = 64 * 16, MAX_ELEMENTS = 512 }; /* of a warp's operand; of a matrix */

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
    int columns = o == 0 ? p->k : p->n, holder[MAX_ELEMENTS];
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

/* ---- Matrices ------------------------------------------------------------------------------------------------------ */
/* What a warp holds of a value, as a matrix. */
struct exec_matrix {
    const exec_value *of;
    const exec_product *as;
    uint64_t run;   /* of a block of code, in which `of` does not change */
    uint32_t alike; /* bit r: row r is like row r - 1 */
    union {
        float f[MAX_ELEMENTS];
        int32_t i[MAX_ELEMENTS];
        uint32_t u[MAX_ELEMENTS];
    } e;
};

/* The place for the matrix of a value that is operand o (or the result: 2), which may hold it already. */
static exec_matrix *place_for(exec_context *x, const exec_value *v, int o, int first) {
    enum { KEPT = 32 };
    if (!x->matrices) x->matrices = calloc((size_t)(x->threads / x->k->warp + 1) * 3 * KEPT, sizeof *x->matrices);
    if (!x->matrices) abort();
    return &x->matrices[(first / x->k->warp * 3 + o) * KEPT + (v - x->k->values) % KEPT];
}

static uint32_t rows_alike(const uint32_t *m, int rows, int columns) {
    uint32_t alike = 0;
    for (int r = 1; r < rows; r++)
        if (!memcmp(m + r * columns, m + (r - 1) * columns, 4 * (size_t)columns)) alike |= UINT32_C(1) << r;
    return alike;
}

/* Operand o as a matrix. Threads that hold the same element must agree. */
static const exec_matrix *operand(exec_context *x, const exec_inst *i, const exec_product *q, int o, int first) {
    char room[4 * MAX_HELD] __attribute__((aligned(32)));
    const exec_value *v = i->in[o];
    const places *at = &q->o[o];
    exec_matrix *m = place_for(x, v, o, first);
    if (m->of == v && m->as == q && m->run == x->run) return m;
    const uint32_t *held = (const uint32_t *)(const void *)widened(i, q, o, first, room);
    for (int e = 0, n = at->n; e < n; e++) m->e.u[at->at[e]] = held[e];
    for (int e = 0; at->repeated && e < at->n; e++)
        if (held[e] != held[at->first[e]])
            exec_fail(x, i, first + e / at->elements, "holds another element than the thread that holds the same");
    m->of = v, m->as = q, m->run = x->run;
    m->alike = o == 1 ? 0 : rows_alike(m->e.u, q->p->m, o == 0 ? q->p->k : q->p->n);
    return m;
}

static void move_row(uint32_t *m, int columns, int to, int from) {
    if (to != from) memcpy(m + to * columns, m + from * columns, 4 * (size_t)columns);
}

/* D = A B + C; D may take the place of C. Neighbouring rows that are alike, as those that pad a ragged tile are, are done once. */
static void multiply(const exec_product *q, const exec_matrix *a, const exec_matrix *b, const exec_matrix *c, exec_matrix *d) {
    const ir_product *p = q->p;
    int rows[SIDE], n = 0;
    d->alike = a->alike & c->alike;
    for (int r = 0; r < p->m; r++)
        if (!(d->alike >> r & 1)) {
            memmove(&d->e.u[n * p->n], &c->e.u[r * p->n], 4 * (size_t)p->n);
            rows[n++] = r;
        }
    if (frit_dtype_is_float(p->acc)) q->multiply->f32(n, p->n, p->k, a->e.f, rows, b->e.f, d->e.f);
    else q->multiply->i32(n, p->n, p->k, a->e.i, rows, b->e.i, d->e.i);
    for (int r = p->m - 1; r >= 0; r--) {
        move_row(d->e.u, p->n, r, n - 1);
        n -= !(d->alike >> r & 1);
    }
}

void exec_product_run(exec_context *x, const exec_inst *i, int first) {
    const exec_product *q = i->product;
    const exec_matrix *in[3];
    for (int o = 0; o < 3; o++) in[o] = operand(x, i, q, o, first);
    exec_matrix *d = place_for(x, i->out, 2, first);
    multiply(q, in[0], in[1], in[2], d);
    d->of = i->out, d->as = q, d->run = x->run;
    uint32_t *out = (uint32_t *)(void *)(i->out->p + first * i->out->bytes);
    const uint16_t *at = q->o[2].at;
    for (int e = 0, n = q->o[2].n; e < n; e++) out[e] = d->e.u[at[e]];
}
