/* Host twins of the instructions in ir/atoms.def. Fragment layouts: PTX ISA, "Matrix fragments for mma.m16n8k16" and its
 * neighbours, "ldmatrix". A warp's operands are gathered into plain matrices, multiplied, and the result is spread. */
#include "exec_internal.h"
#include <math.h>
#include <string.h>

enum { LANES = 32 }; /* of the warps that these instructions are for */

struct exec_atom {
    const char *name;
    int threads; /* that take part together */
    void (*run)(exec_context *x, const exec_inst *i, int first); /* first: thread 0 of the group */
};

/* Element l of operand k of thread t. */
static float float_at(const exec_inst *i, int k, int t, int l) {
    return (float)frit_load_float(i->in[k]->dtype, exec_of(i->in[k], t), l);
}
static int32_t int_at(const exec_inst *i, int k, int t, int l) {
    return (int32_t)frit_load_int(i->in[k]->dtype, exec_of(i->in[k], t), l);
}

/* ---- Matrix products: D (16 x 8) = A (16 x depth) B (depth x 8) + C ------------------------------------------------------ */
/* Row and column that element i of a fragment has in lane g * 4 + t. */
typedef struct place {
    int row, column;
} place;
static place c_place(int g, int t, int i) { return (place){g + 8 * (i / 2), 2 * t + i % 2}; }

/* 16-bit elements, depth 16. */
static place a16_place(int g, int t, int i) { return (place){g + 8 * (i / 2 % 2), 2 * t + i % 2 + 8 * (i / 4)}; }
static place b16_place(int g, int t, int i) { return (place){2 * t + i % 2 + 8 * (i / 2), g}; }
/* tf32, depth 8. */
static place a32_place(int g, int t, int i) { return (place){g + 8 * (i % 2), t + 4 * (i / 2)}; }
static place b32_place(int g, int t, int i) { return (place){t + 4 * i, g}; }
/* 8-bit elements, depth 32. */
static place a8_place(int g, int t, int i) { return (place){g + 8 * (i / 4 % 2), 4 * t + i % 4 + 16 * (i / 8)}; }
static place b8_place(int g, int t, int i) { return (place){4 * t + i % 4 + 16 * (i / 4), g}; }

typedef place (*layout)(int g, int t, int i);

/* The upper 19 bits of an f32: sign, 8 bits of exponent, 10 of fraction. */
static float as_tf32(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    bits &= 0xffffe000;
    memcpy(&f, &bits, 4);
    return f;
}

static void float_product(exec_context *x, const exec_inst *i, int first, int depth, layout a_at, layout b_at) {
    float a[16][16], b[16][8];
    bool tf32 = i->in[0]->dtype == FRIT_f32;
    for (int lane = 0; lane < LANES; lane++) {
        int g = lane / 4, t = lane % 4;
        for (int e = 0; e < i->in[0]->lanes; e++) {
            float v = float_at(i, 0, first + lane, e);
            place p = a_at(g, t, e);
            a[p.row][p.column] = tf32 ? as_tf32(v) : v;
        }
        for (int e = 0; e < i->in[1]->lanes; e++) {
            float v = float_at(i, 1, first + lane, e);
            place p = b_at(g, t, e);
            b[p.row][p.column] = tf32 ? as_tf32(v) : v;
        }
    }
    for (int lane = 0; lane < LANES; lane++)
        for (int e = 0; e < 4; e++) {
            place p = c_place(lane / 4, lane % 4, e);
            float sum = float_at(i, 2, first + lane, e);
            for (int k = 0; k < depth; k++) sum += a[p.row][k] * b[k][p.column]; /* f16, bf16, tf32: exact products */
            memcpy(i->out->p + (first + lane) * i->out->bytes + 4 * e, &sum, 4);
        }
}

static void mma_16(exec_context *x, const exec_inst *i, int first) { float_product(x, i, first, 16, a16_place, b16_place); }
static void mma_tf32(exec_context *x, const exec_inst *i, int first) { float_product(x, i, first, 8, a32_place, b32_place); }

static void mma_i8(exec_context *x, const exec_inst *i, int first) {
    int32_t a[16][32], b[32][8];
    for (int lane = 0; lane < LANES; lane++) {
        int g = lane / 4, t = lane % 4;
        for (int e = 0; e < 16; e++) a[a8_place(g, t, e).row][a8_place(g, t, e).column] = int_at(i, 0, first + lane, e);
        for (int e = 0; e < 8; e++) b[b8_place(g, t, e).row][b8_place(g, t, e).column] = int_at(i, 1, first + lane, e);
    }
    for (int lane = 0; lane < LANES; lane++)
        for (int e = 0; e < 4; e++) {
            place p = c_place(lane / 4, lane % 4, e);
            uint32_t sum = (uint32_t)int_at(i, 2, first + lane, e);
            for (int k = 0; k < 32; k++) sum += (uint32_t)(a[p.row][k] * b[k][p.column]);
            memcpy(i->out->p + (first + lane) * i->out->bytes + 4 * e, &sum, 4);
        }
}

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
    {"mma_m16n8k16_f16", 32, mma_16},
    {"mma_m16n8k16_bf16", 32, mma_16},
    {"mma_m16n8k8_tf32", 32, mma_tf32},
    {"mma_m16n8k32_i8", 32, mma_i8},
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
    if (x->k->warp != LANES) exec_fail(x, i, -1, "is for warps of %d threads", LANES);
    if (x->failed || !exec_whole_groups(x, i, n, n == LANES ? "warp" : "warpgroup")) return;
    for (int first = 0; first + n <= x->threads && !x->failed; first += n)
        if (first >= x->mask.lo && first < x->mask.hi && x->mask.on[first]) i->atom->run(x, i, first);
}
