/* Host twins of the instructions in ir/atoms.def. ldmatrix: PTX ISA, "ldmatrix". A warp's operands are gathered into plain
 * matrices, multiplied, and the result is spread. */
#include "exec_internal.h"
#include "ir/atom.h"
#include <math.h>
#include <string.h>

enum { LANES = 32 }; /* of the warps that ldmatrix is for */

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

/* ---- Matrix products: places of elements are those of ir/products.def ---------------------------------------------------- */
enum { SIDE = 32, MAX_LANES = 64, MAX_ELEMENTS = 16 };

/* The upper 19 bits of an f32: sign, 8 bits of exponent, 10 of fraction. */
static float as_tf32(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    bits &= 0xffffe000;
    memcpy(&f, &bits, 4);
    return f;
}

/* Places of operand o: those of a lane and of an element add up. */
typedef struct places {
    int row[MAX_LANES + MAX_ELEMENTS], column[MAX_LANES + MAX_ELEMENTS];
    int lanes, elements;
} places;

static places places_of(const ir_product *p, int o) {
    places v = {.lanes = p->warp, .elements = ir_product_elements(p, o)};
    for (int l = 0; l < v.lanes; l++) ir_product_place(p, o, l, 0, &v.row[l], &v.column[l]);
    for (int e = 0; e < v.elements; e++)
        ir_product_place(p, o, 0, e, &v.row[MAX_LANES + e], &v.column[MAX_LANES + e]);
    return v;
}

typedef union number {
    float f;
    int32_t i;
} number;

/* Operand o of the warp's threads as a matrix. Threads that hold the same element must agree. */
static void gather(exec_context *x, const exec_inst *inst, int first, const ir_product *p, int o, number m[SIDE][SIDE]) {
    places at = places_of(p, o);
    bool is_float = frit_dtype_is_float(inst->in[o]->dtype), tf32 = strstr(p->name, "_tf32") && o < 2;
    bool seen[SIDE][SIDE] = {{false}};
    for (int l = 0; l < at.lanes; l++)
        for (int e = 0; e < at.elements; e++) {
            int row = at.row[l] + at.row[MAX_LANES + e], column = at.column[l] + at.column[MAX_LANES + e];
            number v = {0};
            if (is_float) v.f = float_at(inst, o, first + l, e);
            else v.i = int_at(inst, o, first + l, e);
            if (tf32) v.f = as_tf32(v.f);
            if (seen[row][column] && memcmp(&v, &m[row][column], sizeof v))
                exec_fail(x, inst, first + l, "holds another element than the thread that holds the same");
            m[row][column] = v;
            seen[row][column] = true;
        }
}

static void product(exec_context *x, const exec_inst *i, int first) {
    const ir_product *p = ir_product_find(i->atom->name);
    number a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];
    bool is_float = frit_dtype_is_float(i->in[0]->dtype);
    gather(x, i, first, p, 0, a);
    gather(x, i, first, p, 1, b);
    gather(x, i, first, p, 2, c);
    for (int row = 0; row < p->m; row++)
        for (int column = 0; column < p->n; column++) {
            number *sum = &c[row][column];
            for (int k = 0; k < p->k; k++) { /* products of f16, bf16, tf32 are exact; f32's are fused */
                if (is_float) sum->f = fmaf(a[row][k].f, b[k][column].f, sum->f);
                else sum->i = (int32_t)((uint32_t)sum->i + (uint32_t)(a[row][k].i * b[k][column].i));
            }
        }
    places at = places_of(p, 2);
    for (int l = 0; l < at.lanes; l++)
        for (int e = 0; e < at.elements; e++)
            memcpy(i->out->p + (first + l) * i->out->bytes + 4 * e,
                   &c[at.row[l] + at.row[MAX_LANES + e]][at.column[l] + at.column[MAX_LANES + e]], 4);
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
#define PRODUCT(name, family, warp, ...) {#name, warp, product},
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
