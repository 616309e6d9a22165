/* Host twins of the instructions in ir/atoms.def; matrix products are in exec_products.c. ldmatrix: PTX ISA, "ldmatrix". */
#include "exec_internal.h"
#include <string.h>

enum { LANES = 32 }; /* of the warps that ldmatrix is for */

struct exec_atom {
    const char *name;
    int threads; /* that take part together */
    void (*run)(exec_context *x, const exec_inst *i, int first); /* first: thread 0 of the group */
};

/* ---- ldmatrix: four 8 x 8 matrices of 16-bit elements --------------------------------------------------------------------- */
static void load_matrices(exec_context *x, const exec_inst *i, int first, bool transposed) {
    uint16_t m[4][8][8];
    const exec_root *r = &x->k->roots[i->in[0]->root];
    for (int lane = 0; lane < LANES; lane++) {
        int t = first + lane;
        int64_t at = exec_i64(i->in[0], t) + 2 * exec_i64(i->in[1], t);
        if (r->kind != ROOT_SHARED) exec_fail(x, i, t, "reads matrices from elsewhere than shared memory");
        if (x->failed || !exec_aligned(x, i, r, t, at, 16)) return;
        const char *row = exec_read(x, i, r, t, at, 16, true);
        if (!row) return;
        memcpy(m[lane / 8][lane % 8], row, 16);
    }
    for (int lane = 0; lane < LANES; lane++)
        for (int e = 0; e < 8; e++) {
            int g = lane / 4, c = 2 * (lane % 4) + e % 2;
            uint16_t v = transposed ? m[e / 2][c][g] : m[e / 2][g][c];
            memcpy(i->out->p + (first + lane) * i->out->bytes + 2 * e, &v, 2);
        }
}

static void ldmatrix(exec_context *x, const exec_inst *i, int first) { load_matrices(x, i, first, false); }
static void ldmatrix_trans(exec_context *x, const exec_inst *i, int first) { load_matrices(x, i, first, true); }

/* ---- The table --------------------------------------------------------------------------------------------------- */
static const exec_atom atoms[] = {
#define PRODUCT(name, family, warp, ...) {#name, warp, exec_product_run},
#include "ir/products.def"
#undef PRODUCT
    {"ldmatrix_x4_f16", 32, ldmatrix},
    {"ldmatrix_x4_bf16", 32, ldmatrix},
    {"ldmatrix_x4_trans_f16", 32, ldmatrix_trans},
    {"ldmatrix_x4_trans_bf16", 32, ldmatrix_trans},
};

const exec_atom *exec_atom_find(const char *name) {
    for (size_t i = 0; i < sizeof atoms / sizeof *atoms; i++)
        if (!strcmp(atoms[i].name, name)) return &atoms[i];
    return NULL;
}

void exec_atom_run(exec_context *x, const exec_inst *i) {
    int n = i->atom->threads;
    if (x->k->warp != n) exec_fail(x, i, -1, "is for warps of %d threads", n);
    if (x->failed || !exec_whole_groups(x, i, n, "warp")) return;
    for (int first = 0; first + n <= x->threads && !x->failed; first += n)
        if (first >= x->mask.lo && first < x->mask.hi && x->mask.on[first]) i->atom->run(x, i, first);
}
