/* Ops of a block of threads. Instructions are functions named after them; where the text is emulated (FRIT_EMULATE), the
 * emulation brings its own. */
#include "printer_internal.h"
#include <string.h>

static void define_instruction(cprinter *p, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    c_helper_define(p, "#ifndef FRIT_EMULATE\n%s#endif\n", arena_vprintf(p->a, fmt, ap));
    va_end(ap);
}

/* ------------ ids and shared memory */
static void print_id(cprinter *p, const ir_op *op, const char *name, const char *what) {
    const ir_value *v = ir_result(op, 0);
    if (!v->uses) return;
    name = c_fresh_name(p, name);
    c_line(p, "const i64 %s = %s;", name, what);
    p->value[v->id] = c_primary(name);
}

static void print_shared(cprinter *p, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    int64_t offset = ir_get_int(op, IR_ATTR_offset, 0);
    if (!v->uses) return;
    const char *name = c_fresh_name(p, v->name ? v->name : "tile"), *type = c_memory_type(p, (frit_dtype)v->type.dtype);
    if (offset) c_line(p, "%s *%s = (%s *)(shared + %lld);", type, name, type, (long long)offset);
    else c_line(p, "%s *%s = (%s *)shared;", type, name, type);
    p->value[v->id] = c_primary(name);
    p->uses_shared = true;
}

/* ------------ shuffles: 32 bits at a time, by the dialect's shuffle_u32 */
static const char *shuffle_name(cprinter *p, frit_dtype t) {
    const char *name = arena_printf(p->a, "shuffle_%s", frit_dtype_name(t)), *type = c_scalar_type(p, t);
    if (t == FRIT_u32 || !c_helper_new(p, name)) return name;
    frit_dtype wide = t == FRIT_f64 ? FRIT_u64 : FRIT_u32;
    expr x = c_primary("x");
    if (frit_dtype_is_float(t) && !c_is_narrow_float(t)) x = c_bits_of(p, t, wide, x);
    if (frit_dtype_bits(t) == 64) {
        expr r = {"lo | (u64)hi << 32", PREC_OR};
        if (t == FRIT_f64) r = c_bits_of(p, FRIT_u64, t, r);
        c_helper_define(p,
                        "%s %s %s(%s x, i64 lane) {\n    u64 u = (u64)%s;\n    u32 lo = shuffle_u32((u32)u, lane), "
                        "hi = shuffle_u32((u32)(u >> 32), lane);\n    return (%s)(%s);\n}\n",
                        p->d->inline_, type, name, type, x.s, type, r.s);
        return name;
    }
    expr r = c_primary(arena_printf(p->a, "shuffle_u32((u32)%s, lane)", x.s));
    r = t == FRIT_f32 ? c_bits_of(p, FRIT_u32, t, r) : c_primary(arena_printf(p->a, "(%s)%s", type, r.s));
    c_helper_define(p, "%s %s %s(%s x, i64 lane) {\n    return %s;\n}\n", p->d->inline_, type, name, type, r.s);
    return name;
}

static const char *shuffle_lanes(cprinter *p, ir_type t) {
    frit_dtype d = (frit_dtype)t.dtype;
    const char *one = shuffle_name(p, d), *type = c_type_of(p, t);
    const char *name = arena_printf(p->a, "shuffle_%s", c_type_tag(p, d, t.lanes));
    expr x[2] = {c_lane_of(p, "x", t), c_primary("lane")};
    if (c_helper_new(p, name))
        c_helper_define(p, "%s %s %s(%s x, i64 lane) {\n    %s r;\n    LANES(%d) %s = %s;\n    return r;\n}\n", p->d->inline_,
                        type, name, type, type, t.lanes, c_lane_text(p, "r", "l", t.lanes), c_as_lane(p, c_call(p, one, 2, x), d));
    return name;
}

static void print_shuffle(cprinter *p, const ir_op *op) {
    expr x[2] = {c_operand_of(p, op, 0), c_operand_of(p, op, 1)};
    const ir_value *v = ir_result(op, 0);
    const char *name = v->type.lanes > 1 ? shuffle_lanes(p, v->type) : shuffle_name(p, (frit_dtype)v->type.dtype);
    c_declare(p, v, c_call(p, name, 2, x).s);
}

/* ------------ asynchronous copies */
static expr at(cprinter *p, expr ptr, expr index) {
    return index.s[0] == '0' && !index.s[1] ? ptr : c_binary(p, "+", ptr, index);
}

static void print_copy(cprinter *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    long long bytes = (long long)frit_dtype_bytes(t, ir_get_int(op, IR_ATTR_lanes, 1));
    const char *inside = op->n_operands > 4 ? c_operand_of(p, op, 4).s : "true";
    c_line(p, "copy_async_%lld(%s, %s, %s);", bytes, at(p, c_operand_of(p, op, 0), c_operand_of(p, op, 1)).s,
           at(p, c_operand_of(p, op, 2), c_operand_of(p, op, 3)).s, inside);
    const char *name = arena_printf(p->a, "copy_async_%lld", bytes);
    if (!c_helper_new(p, name)) return;
    const char *chunk = c_type_of(p, ir_vector(FRIT_u32, (int)bytes / 4));
    const char *plain = arena_printf(p->a, "    *(%s *)to = inside ? *(const %s *)from : %s();\n", chunk, chunk, chunk);
    if (!p->d->nvidia) {
        define_instruction(p, "%s void %s(void *to, const void *from, bool inside) {\n%s}\n", p->d->inline_, name, plain);
        return;
    }
    define_instruction(p,
                       "%s void %s(void *to, const void *from, bool inside) {\n#if __CUDA_ARCH__ >= 800\n"
                       "    asm volatile(\"cp.async.%s.shared.global [%%0], [%%1], %lld, %%2;\" ::\n"
                       "                 \"r\"((u32)__cvta_generic_to_shared(to)), \"l\"(from), \"r\"(inside ? %lld : 0) : \"memory\");\n"
                       "#else\n%s#endif\n}\n",
                       p->d->inline_, name, bytes == 16 ? "cg" : "ca", bytes, bytes, plain);
}

static void print_commit(cprinter *p) {
    c_line(p, "copy_commit();");
    if (!c_helper_new(p, "copy_commit")) return;
    const char *body = p->d->nvidia ? "#if __CUDA_ARCH__ >= 800\n    asm volatile(\"cp.async.commit_group;\" ::: \"memory\");\n#endif\n" : "";
    define_instruction(p, "%s void copy_commit() {\n%s}\n", p->d->inline_, body);
}

static void print_wait(cprinter *p, const ir_op *op) {
    long long pending = (long long)ir_get_int(op, IR_ATTR_pending, 0);
    const char *name = "copy_wait";
    c_line(p, "%s<%lld>();", name, pending);
    if (!c_helper_new(p, name)) return;
    const char *body = p->d->nvidia ? "#if __CUDA_ARCH__ >= 800\n    asm volatile(\"cp.async.wait_group %0;\" ::\"n\"(pending) : \"memory\");\n#endif\n" : "";
    define_instruction(p, "template <int pending> %s void %s() {\n%s}\n", p->d->inline_, name, body);
}

/* ------------ atoms */
/* Products of warps: fragments are passed as registers of 32 bits. */
typedef struct product {
    const char *name, *shape; /* the instruction after "mma.sync.aligned." */
    int a, b;                 /* registers */
    char c;                   /* constraint of the accumulators */
} product;
static const product products[] = {
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

static void define_product(cprinter *p, const ir_op *op, const product *m) {
    const char *a = c_type_of(p, ir_operand(op, 0)->type), *b = c_type_of(p, ir_operand(op, 1)->type),
               *c = c_type_of(p, ir_operand(op, 2)->type);
    int at_a = 4, at_b = at_a + m->a, at_c = at_b + m->b;
    define_instruction(p,
                       "%s %s %s(%s a, %s b, %s c) {\n"
                       "    const u32 *x = (const u32 *)&a, *y = (const u32 *)&b;\n    %s d;\n"
                       "    asm volatile(\"mma.sync.aligned.%s %s, %s, %s, %s;\" :\n"
                       "                 \"=%c\"(d.v[0]), \"=%c\"(d.v[1]), \"=%c\"(d.v[2]), \"=%c\"(d.v[3]) :\n"
                       "                 %s, %s, %s);\n    return d;\n}\n",
                       p->d->inline_, c, m->name, a, b, c, c, m->shape, registers(p, 0, 4), registers(p, at_a, m->a),
                       registers(p, at_b, m->b), registers(p, at_c, 4), m->c, m->c, m->c, m->c, inputs(p, "x", 'r', m->a),
                       inputs(p, "y", 'r', m->b), inputs(p, "c.v", m->c, 4));
}

static void define_matrix_load(cprinter *p, const ir_op *op, const char *name) {
    const char *type = c_type_of(p, ir_result(op, 0)->type);
    const char *element = c_memory_type(p, (frit_dtype)ir_operand(op, 0)->type.dtype);
    define_instruction(p,
                       "%s %s %s(const %s *row) {\n    %s r;\n    u32 *x = (u32 *)&r;\n"
                       "    asm volatile(\"ldmatrix.sync.aligned.m8n8.x4%s.shared.b16 {%%0, %%1, %%2, %%3}, [%%4];\" :\n"
                       "                 \"=r\"(x[0]), \"=r\"(x[1]), \"=r\"(x[2]), \"=r\"(x[3]) :\n"
                       "                 \"r\"((u32)__cvta_generic_to_shared(row)) : \"memory\");\n    return r;\n}\n",
                       p->d->inline_, type, name, element, type, strstr(name, "trans") ? ".trans" : "");
}

static bool print_product(cprinter *p, const ir_op *op, const char *name) {
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        if (strcmp(products[i].name, name)) continue;
        expr x[3] = {c_operand_of(p, op, 0), c_operand_of(p, op, 1), c_operand_of(p, op, 2)};
        if (c_helper_new(p, name)) define_product(p, op, &products[i]);
        c_declare(p, ir_result(op, 0), c_call(p, name, 3, x).s);
        return true;
    }
    return false;
}

static void print_atom(cprinter *p, const ir_op *op) {
    const char *name = ir_get_string(op, IR_ATTR_name);
    if (p->d->nvidia && print_product(p, op, name)) return;
    if (p->d->nvidia && !strncmp(name, "ldmatrix_x4", 11)) {
        expr row = at(p, c_operand_of(p, op, 0), c_operand_of(p, op, 1));
        if (c_helper_new(p, name)) define_matrix_load(p, op, name);
        c_declare(p, ir_result(op, 0), c_call(p, name, 1, &row).s);
        return;
    }
    c_fail(p, op, arena_printf(p->a, "the dialect has no atom '%s'", name));
}

bool c_block_op(cprinter *p, const ir_op *op) {
    switch (op->code) {
    case IR_thread_id: print_id(p, op, "thread", p->d->thread); return true;
    case IR_block_id: print_id(p, op, "block", p->d->block); return true;
    case IR_block_count: print_id(p, op, "n_blocks", p->d->block_count); return true;
    case IR_shared: print_shared(p, op); return true;
    case IR_barrier: c_line(p, "%s;", p->d->barrier); return true;
    case IR_shuffle: print_shuffle(p, op); return true;
    case IR_copy_async: print_copy(p, op); return true;
    case IR_copy_commit: print_commit(p); return true;
    case IR_copy_wait: print_wait(p, op); return true;
    case IR_atom: print_atom(p, op); return true;
    default: return false;
    }
}
