/* Matrix products as functions named after the atoms: inline assembly for NVIDIA, builtins of clang for AMD. */
#include "printer_internal.h"
#include <string.h>

/* ------------ NVIDIA: fragments are passed as registers of 32 bits */
typedef struct ptx_product {
    const char *name, *shape; /* the instruction after "mma.sync.aligned." */
    int a, b;                 /* registers */
    char c;                   /* constraint of the accumulators */
} ptx_product;
static const ptx_product ptx_products[] = {
    {"mma_m16n8k16_f16", "m16n8k16.row.col.f32.f16.f16.f32", 4, 2, 'f'},
    {"mma_m16n8k16_bf16", "m16n8k16.row.col.f32.bf16.bf16.f32", 4, 2, 'f'},
    {"mma_m16n8k8_tf32", "m16n8k8.row.col.f32.tf32.tf32.f32", 4, 2, 'f'},
    {"mma_m16n8k32_i8", "m16n8k32.row.col.s32.s8.s8.s32", 4, 2, 'r'},
};

static const char *registers(cprinter *p, int first, int n) {
    const char *s = "{";
    for (int i = 0; i < n; i++) s = arena_printf(p->a, "%s%s%%%d", s, i ? ", " : "", first + i);
    return arena_printf(p->a, "%s}", s);
}

static const char *inputs(cprinter *p, const char *of, char constraint, int n) {
    const char *s = "";
    for (int i = 0; i < n; i++) s = arena_printf(p->a, "%s%s\"%c\"(%s[%d])", s, i ? ", " : "", constraint, of, i);
    return s;
}

static const char *operand_type(cprinter *p, const ir_op *op, int i) { return c_type_of(p, ir_operand(op, i)->type); }

static void define_ptx_product(cprinter *p, const ir_op *op, const ptx_product *m) {
    const char *c = operand_type(p, op, 2);
    int at_a = 4, at_b = at_a + m->a, at_c = at_b + m->b;
    c_define_instruction(p,
                         "%s %s %s(%s a, %s b, %s c) {\n"
                         "    const u32 *x = (const u32 *)&a, *y = (const u32 *)&b;\n    %s d;\n"
                         "    asm volatile(\"mma.sync.aligned.%s %s, %s, %s, %s;\" :\n"
                         "                 \"=%c\"(d.v[0]), \"=%c\"(d.v[1]), \"=%c\"(d.v[2]), \"=%c\"(d.v[3]) :\n"
                         "                 %s, %s, %s);\n    return d;\n}\n",
                         p->d->inline_, c, m->name, operand_type(p, op, 0), operand_type(p, op, 1), c, c, m->shape,
                         registers(p, 0, 4), registers(p, at_a, m->a), registers(p, at_b, m->b), registers(p, at_c, 4), m->c,
                         m->c, m->c, m->c, inputs(p, "x", 'r', m->a), inputs(p, "y", 'r', m->b), inputs(p, "c.v", m->c, 4));
}

static void define_matrix_load(cprinter *p, const ir_op *op, const char *name) {
    const char *type = c_type_of(p, ir_result(op, 0)->type);
    c_define_instruction(p,
                         "%s %s %s(const %s *row) {\n    %s r;\n    u32 *x = (u32 *)&r;\n"
                         "    asm volatile(\"ldmatrix.sync.aligned.m8n8.x4%s.shared.b16 {%%0, %%1, %%2, %%3}, [%%4];\" :\n"
                         "                 \"=r\"(x[0]), \"=r\"(x[1]), \"=r\"(x[2]), \"=r\"(x[3]) :\n"
                         "                 \"r\"((u32)__cvta_generic_to_shared(row)) : \"memory\");\n    return r;\n}\n",
                         p->d->inline_, type, name, c_memory_type(p, (frit_dtype)ir_operand(op, 0)->type.dtype), type,
                         strstr(name, "trans") ? ".trans" : "");
}

static bool ptx_atom(cprinter *p, const ir_op *op, const char *name) {
    bool define = c_helper_new(p, name);
    if (!strncmp(name, "ldmatrix_x4", 11)) {
        if (define) define_matrix_load(p, op, name);
        return true;
    }
    for (size_t i = 0; i < sizeof ptx_products / sizeof *ptx_products; i++) {
        if (strcmp(ptx_products[i].name, name)) continue;
        if (define) define_ptx_product(p, op, &ptx_products[i]);
        return true;
    }
    return false;
}

/* ------------ AMD: fragments are passed as vectors of clang's */
typedef struct amd_product {
    const char *name, *builtin;
    const char *ab; /* element of the builtin's A and B */
    int n;          /* of them; 0: a scalar */
    const char *arguments; /* A, B and C are x, y, z */
} amd_product;
#define MFMA "(x, y, z, 0, 0, 0)"
#define WMMA "(x, y, z)"
#define WMMA_SIGNED "(true, x, true, y, z, false)"
static const amd_product amd_products[] = {
    {"mfma_16x16x16_f16", "__builtin_amdgcn_mfma_f32_16x16x16f16", "_Float16", 4, MFMA},
    {"mfma_16x16x16_bf16", "__builtin_amdgcn_mfma_f32_16x16x16bf16_1k", "short", 4, MFMA},
    {"mfma_16x16x4_f32", "__builtin_amdgcn_mfma_f32_16x16x4f32", "float", 0, MFMA},
    {"mfma_16x16x16_i8", "__builtin_amdgcn_mfma_i32_16x16x16i8", "int", 0, MFMA},
    {"mfma_16x16x32_i8", "__builtin_amdgcn_mfma_i32_16x16x32_i8", "long", 0, MFMA},
    {"wmma_16x16x16_f16", "__builtin_amdgcn_wmma_f32_16x16x16_f16_w32", "_Float16", 16, WMMA},
    {"wmma_16x16x16_bf16", "__builtin_amdgcn_wmma_f32_16x16x16_bf16_w32", "short", 16, WMMA},
    {"wmma_16x16x16_i8", "__builtin_amdgcn_wmma_i32_16x16x16_iu8_w32", "int", 4, WMMA_SIGNED},
    {"wmma4_16x16x16_f16", "__builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12", "_Float16", 8, WMMA},
    {"wmma4_16x16x16_bf16", "__builtin_amdgcn_wmma_f32_16x16x16_bf16_w32_gfx12", "short", 8, WMMA},
    {"wmma4_16x16x16_i8", "__builtin_amdgcn_wmma_i32_16x16x16_iu8_w32_gfx12", "int", 2, WMMA_SIGNED},
};

static const char *clang_vector(cprinter *p, const char *element, int n) {
    return n ? arena_printf(p->a, "%s __attribute__((ext_vector_type(%d)))", element, n) : element;
}

static void define_amd_product(cprinter *p, const ir_op *op, const amd_product *m) {
    ir_type c = ir_operand(op, 2)->type;
    const char *type = c_type_of(p, c);
    c_helper_define(p,
                    "%s %s %s(%s a, %s b, %s c) {\n    typedef %s ab;\n    typedef %s cd;\n"
                    "    ab x = __builtin_bit_cast(ab, a), y = __builtin_bit_cast(ab, b);\n"
                    "    cd z = __builtin_bit_cast(cd, c);\n    return __builtin_bit_cast(%s, %s%s);\n}\n",
                    p->d->inline_, type, m->name, operand_type(p, op, 0), operand_type(p, op, 1), type,
                    clang_vector(p, m->ab, m->n), clang_vector(p, c.dtype == FRIT_f32 ? "float" : "int", c.lanes), type,
                    m->builtin, m->arguments);
}

static bool amd_atom(cprinter *p, const ir_op *op, const char *name) {
    for (size_t i = 0; i < sizeof amd_products / sizeof *amd_products; i++) {
        if (strcmp(amd_products[i].name, name)) continue;
        if (c_helper_new(p, name)) define_amd_product(p, op, &amd_products[i]);
        return true;
    }
    return false;
}

void c_atom(cprinter *p, const ir_op *op) {
    const char *name = ir_get_string(op, IR_ATTR_name);
    expr x[3];
    if (!(p->d->nvidia ? ptx_atom : amd_atom)(p, op, name) || op->n_results != 1 || op->n_operands > 3) {
        c_fail(p, op, arena_printf(p->a, "the dialect has no atom '%s'", name));
        return;
    }
    for (int i = 0; i < op->n_operands; i++) x[i] = c_operand_of(p, op, i);
    bool address = ir_operand(op, 0)->type.kind == IR_PTR; /* and an index */
    if (address) x[0] = c_element_address(p, x[0], x[1]);
    c_declare(p, ir_result(op, 0), c_call(p, name, address ? 1 : op->n_operands, x).s);
}
