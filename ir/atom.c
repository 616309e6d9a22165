#include "atom.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const ir_product products[] = {
#define PRODUCT(name, family, warp, m, n, k, in, acc, a, b, c)                                                         \
    {#name, FRIT_ATOM_##family, FRIT_##in, FRIT_##acc, warp, m, n, k, {a, b, c}},
#include "products.def"
#undef PRODUCT
};
static const ir_product wgmmas[] = {
#define PRODUCT(...)
#define WGMMA(name, family, warp, m, n, k, in, acc, a, b, c)                                                           \
    {#name, FRIT_ATOM_##family, FRIT_##in, FRIT_##acc, warp, m, n, k, {a, b, c}},
#include "products.def"
#undef PRODUCT
};
enum { N_PRODUCTS = sizeof products / sizeof *products };

const ir_product *ir_product_at(int i) { return i >= 0 && i < N_PRODUCTS ? &products[i] : NULL; }

const ir_product *ir_wgmma_product(frit_dtype in) {
    for (size_t i = 0; i < sizeof wgmmas / sizeof *wgmmas; i++)
        if (wgmmas[i].in == in) return &wgmmas[i];
    return NULL;
}

const ir_product *ir_product_find(const char *name) {
    for (int i = 0; i < N_PRODUCTS; i++)
        if (!strcmp(products[i].name, name)) return &products[i];
    return NULL;
}

bool ir_product_is_tf32(const ir_product *p) {
    const char *end = strrchr(p->name, '_');
    return end && !strcmp(end, "_tf32");
}

int ir_product_elements(const ir_product *p, int o) {
    int n = 1;
    for (const char *s = strchr(p->layout[o], '|') + 1; *s; s++)
        if (*s == 'r' || *s == 'c') n *= 2;
    return n;
}

void ir_product_place(const ir_product *p, int o, int lane, int i, int *row, int *column) {
    int bits = lane;
    *row = *column = 0;
    for (const char *s = p->layout[o]; *s; s++) {
        if (*s == '|') bits = i;
        if (*s != 'r' && *s != 'c' && *s != '.') continue;
        if (bits & 1 && *s != '.') *(*s == 'r' ? row : column) += atoi(s + 1);
        bits >>= 1;
    }
}

/* Bits of a thread's elements along `axis`, of instructions side by side up to `size` positions; along the other axis: *others. */
static int element_bits(const ir_product *q, int o, int axis, int unit, int size, int *others) {
    int bits = 0, at[2];
    *others = 0;
    for (int e = 1; e < ir_product_elements(q, o); e *= 2) {
        ir_product_place(q, o, 0, e, &at[0], &at[1]);
        bits |= at[axis];
        *others |= at[!axis];
    }
    for (int b = unit; b < size; b *= 2) bits |= b;
    return bits;
}

static void set_weight(ir_product_order *r, int from, int to) { r->weight[__builtin_ctz((unsigned)from)] = to; }

/* Bits of the thread's number count the same row of both, and a position each along k. */
static bool order_threads(const ir_product *q, int o, ir_product_order *r) {
    int sum[2], at[2];
    for (int lane = 1; lane < q->warp; lane *= 2) {
        ir_product_place(q, 2, lane, 0, &sum[0], &sum[1]);
        ir_product_place(q, o, lane, 0, &at[0], &at[1]);
        if (sum[o] != at[o] || (at[!o] && !sum[!o]) || (!at[!o] && sum[!o] && r->twin)) return false;
        if (at[!o]) set_weight(r, at[!o], sum[!o]);
        else if (sum[!o]) r->twin = lane;
    }
    return true;
}

bool ir_product_feeds(const ir_product *q, int o, ir_product_order *order) {
    ir_product_order own, *r = order ? order : &own;
    int unit = o ? q->m : q->n, other[2];
    *r = (ir_product_order){.size = unit > q->k ? unit : q->k};
    int from = element_bits(q, o, !o, q->k, r->size, &other[0]), to = element_bits(q, 2, !o, unit, r->size, &other[1]);
    if (other[0] != other[1] || !order_threads(q, o, r)) return false;
    if (r->twin) {
        int place[2];
        ir_product_place(q, 2, r->twin, 0, &place[0], &place[1]);
        if (place[!o] != 1) return false;
        to |= 1;
    }
    if (__builtin_popcount((unsigned)from) != __builtin_popcount((unsigned)to)) return false;
    for (int both = from & to; both; both &= both - 1) set_weight(r, both & -both, both & -both);
    int same = from & to;
    for (from &= ~same, to &= ~same; from; from &= from - 1, to &= to - 1) set_weight(r, from & -from, to & -to);
    return true;
}

int ir_product_ordered(const ir_product_order *order, int k) {
    if (!order || !order->size) return k;
    int at = k / order->size * order->size;
    for (int b = 0; 1 << b < order->size; b++)
        if (k >> b & 1) at += order->weight[b];
    return at;
}
