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

static bool is_sum_place(const ir_product *q, int row, int column) {
    int at[2];
    for (int e = 0; e < ir_product_elements(q, 2); e++) {
        ir_product_place(q, 2, 0, e, &at[0], &at[1]);
        if (at[0] == row && at[1] == column) return true;
    }
    return false;
}

bool ir_product_feeds(const ir_product *q, int o) {
    int sum[2], at[2];
    for (int lane = 1; lane < q->warp; lane *= 2) {
        ir_product_place(q, 2, lane, 0, &sum[0], &sum[1]);
        ir_product_place(q, o, lane, 0, &at[0], &at[1]);
        if (sum[0] != at[0] || sum[1] != at[1]) return false;
    }
    for (int e = 0; e < ir_product_elements(q, o); e++) {
        ir_product_place(q, o, 0, e, &at[0], &at[1]);
        at[!o] %= o ? q->m : q->n;
        if (!is_sum_place(q, at[0], at[1])) return false;
    }
    return true;
}
