/* What sm_90a has for roles of warps, as functions named after the ops: inline assembly, one function for each form that a text
 * uses. codegen/cuda/nvvm_async.c says the same to LLVM and names the sources. */
#include "ir/atom.h"
#include "printer_internal.h"
#include <string.h>

static long long number_of(const ir_op *op, ir_attr_key k) { return (long long)ir_get_int(op, k, 0); }

static int64_t of_side(const ir_op *op, ir_attr_key k, int side) {
    const int64_t *v;
    return ir_get_ints(op, k, &v) == 2 ? v[side] : 0;
}

/* The address that operands i and i + 1 name. */
static const char *place(cprinter *p, const ir_op *op, int i) {
    return c_element_address(p, c_operand_of(p, op, i), c_operand_of(p, op, i + 1)).s;
}
static const char *plain(cprinter *p, const ir_op *op, int i) { return c_operand_of(p, op, i).s; }

/* An instruction without results whose operands are the function's parameters. */
static void define(cprinter *p, const char *name, const char *parameters, const char *words, const char *inputs) {
    if (!c_helper_new(p, name)) return;
    c_define_instruction(p, "%s void %s(%s) {\n    asm volatile(\"%s\" ::%s%s : \"memory\");\n}\n", p->d->inline_, name, parameters, words, *inputs ? " " : "",
                         inputs);
}
#define SHARED(x) "\"r\"((u32)__cvta_generic_to_shared(" #x "))"

/* ------------ barriers and registers */
static void print_part_barrier(cprinter *p, const ir_op *op) {
    define(p, "part_barrier", "int number, int threads", "barrier.sync %0, %1;", "\"r\"(number), \"r\"(threads)");
    c_line(p, "part_barrier(%lld, %lld);", number_of(op, IR_ATTR_barrier), number_of(op, IR_ATTR_count));
}

/* A block of so many threads starts with an equal share of the multiprocessor's registers. */
static void print_registers(cprinter *p, const ir_op *op) {
    enum { ALL = 65536, STEP = 8, MOST = 248 };
    long long n = number_of(op, IR_ATTR_count), start = ALL / p->f->threads / STEP * STEP;
    const char *name = n > (start > MOST ? MOST : start) ? "take_registers" : "give_registers";
    if (c_helper_new(p, name))
        c_define_instruction(p, "template <int n> %s void %s() {\n    asm volatile(\"setmaxnreg.%s.sync.aligned.u32 %%0;\" ::\"n\"(n));\n}\n", p->d->inline_,
                             name, *name == 't' ? "inc" : "dec");
    c_line(p, "%s<%lld>();", name, n);
}

/* ------------ mbarriers */
static void print_mbarrier(cprinter *p, const ir_op *op) {
    const char *at = place(p, op, 0);
    switch (op->code) {
    case IR_mbarrier_init:
        define(p, "mbarrier_init", "u64 *bar, u32 count", "mbarrier.init.shared::cta.b64 [%0], %1;\\n\\tfence.mbarrier_init.release.cluster;",
               SHARED(bar) ", \"r\"(count)");
        c_line(p, "mbarrier_init(%s, %lld);", at, number_of(op, IR_ATTR_count));
        return;
    case IR_mbarrier_wait: {
        const char *name = p->f->cluster ? "mbarrier_wait_cluster" : "mbarrier_wait"; /* other blocks may arrive there */
        define(p, name, "u64 *bar, i64 parity",
               arena_printf(p->a, "{\\n\\t.reg .pred done;\\n\\tagain:\\n\\tmbarrier.try_wait.parity%s.shared::cta.b64 done, [%%0], %%1;\\n\\t@!done bra again;\\n\\t}",
                            p->f->cluster ? ".acquire.cluster" : ""),
               SHARED(bar) ", \"r\"((u32)parity)");
        c_line(p, "%s(%s, %s);", name, at, plain(p, op, 2));
        return;
    }
    default: break;
    }
    if (op->n_operands > 2) {
        define(p, "mbarrier_expect", "u64 *bar, i64 bytes", "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;", SHARED(bar) ", \"r\"((u32)bytes)");
        c_line(p, "mbarrier_expect(%s, %s);", at, plain(p, op, 2));
        return;
    }
    if (ir_operand(op, 0)->type.space == IR_CLUSTER) {
        define(p, "mbarrier_arrive_there", "u64 *bar", "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];", SHARED(bar));
        c_line(p, "mbarrier_arrive_there(%s);", at);
        return;
    }
    define(p, "mbarrier_arrive", "u64 *bar", "mbarrier.arrive.shared::cta.b64 _, [%0];", SHARED(bar));
    c_line(p, "mbarrier_arrive(%s);", at);
}

/* ------------ copies */
void c_define_tensor_map(cprinter *p) {
    if (c_helper_new(p, "tensor_map"))
        c_type_define(p, "/* How copies of boxes see a tensor: what cuTensorMapEncodeTiled makes. */\nstruct __align__(64) tensor_map { u64 bytes[16]; };\n");
}

/* "name(a, b, c0, c1...);", "i64 c0, i64 c1...", "{%2, %3...}" and "\"r\"((int)c0), ..." for coordinates from operand c on. */
typedef struct coordinates {
    const char *values, *parameters, *places, *inputs;
} coordinates;

static coordinates coordinates_of(cprinter *p, const ir_op *op, int c, int first) {
    coordinates x = {"", "", "", ""};
    for (int i = 0; c + i < op->n_operands; i++) {
        const char *comma = i ? ", " : "";
        x.values = arena_printf(p->a, "%s, %s", x.values, plain(p, op, c + i));
        x.parameters = arena_printf(p->a, "%s, i64 c%d", x.parameters, i);
        x.places = arena_printf(p->a, "%s%s%%%d", x.places, comma, first + i);
        x.inputs = arena_printf(p->a, "%s, \"r\"((int)c%d)", x.inputs, i);
    }
    return x;
}

static void print_tensor_load(cprinter *p, const ir_op *op) {
    int rank = op->n_operands - 5;
    coordinates c = coordinates_of(p, op, 5, 3);
    bool many = ir_has(op, IR_ATTR_ranks);
    const char *name = arena_printf(p->a, "tensor_load_%dd%s", rank, many ? "_ranks" : "");
    const char *first = many ? arena_printf(p->a, "%lld, ", number_of(op, IR_ATTR_ranks)) : "";
    define(p, name, arena_printf(p->a, "%svoid *to, const tensor_map *map, u64 *bar%s", many ? "u16 ranks, " : "", c.parameters),
           arena_printf(p->a, "cp.async.bulk.tensor.%dd.shared::cluster.global.tile.mbarrier::complete_tx::bytes%s [%%0], [%%1, {%s}], [%%2]%s;", rank,
                        many ? ".multicast::cluster" : "", c.places, many ? arena_printf(p->a, ", %%%d", 3 + rank) : ""),
           arena_printf(p->a, SHARED(to) ", \"l\"(map), " SHARED(bar) "%s%s", c.inputs, many ? ", \"h\"(ranks)" : ""));
    c_line(p, "%s(%s%s, %s, %s%s);", name, first, place(p, op, 0), plain(p, op, 2), place(p, op, 3), c.values);
}

static void print_tensor_store(cprinter *p, const ir_op *op) {
    int rank = op->n_operands - 3;
    coordinates c = coordinates_of(p, op, 3, 2);
    const char *name = arena_printf(p->a, "tensor_store_%dd", rank);
    define(p, name, arena_printf(p->a, "const tensor_map *map, const void *from%s", c.parameters),
           arena_printf(p->a, "cp.async.bulk.tensor.%dd.global.shared::cta.tile.bulk_group [%%0, {%s}], [%%1];", rank, c.places),
           arena_printf(p->a, "\"l\"(map), " SHARED(from) "%s", c.inputs));
    c_line(p, "%s(%s, %s%s);", name, plain(p, op, 0), place(p, op, 1), c.values);
}

static void print_bulk(cprinter *p, const ir_op *op) {
    long long size = (long long)frit_dtype_bytes((frit_dtype)ir_operand(op, 0)->type.dtype, 1);
    const char *bytes = c_tight(p, c_operand_of(p, op, 4), PREC_MUL);
    if (op->code == IR_bulk_load) {
        define(p, "bulk_load", "void *to, const void *from, i64 bytes, u64 *bar", "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];",
               SHARED(to) ", \"l\"(from), \"r\"((u32)bytes), " SHARED(bar));
        c_line(p, "bulk_load(%s, %s, %s * %lld, %s);", place(p, op, 0), place(p, op, 2), bytes, size, place(p, op, 5));
        return;
    }
    define(p, "bulk_store", "void *to, const void *from, i64 bytes", "cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;",
           "\"l\"(to), " SHARED(from) ", \"r\"((u32)bytes)");
    c_line(p, "bulk_store(%s, %s, %s * %lld);", place(p, op, 0), place(p, op, 2), bytes, size);
}

static void print_bulk_wait(cprinter *p, const ir_op *op) {
    const char *name = number_of(op, IR_ATTR_reading) ? "bulk_wait_read" : "bulk_wait";
    if (c_helper_new(p, name))
        c_define_instruction(p, "template <int pending> %s void %s() {\n    asm volatile(\"cp.async.bulk.wait_group%s %%0;\" ::\"n\"(pending) : \"memory\");\n}\n",
                             p->d->inline_, name, number_of(op, IR_ATTR_reading) ? ".read" : "");
    c_line(p, "%s<%lld>();", name, number_of(op, IR_ATTR_pending));
}

/* ------------ the tensor core of four warps */
static int registers_of(ir_type t) { return (int)(frit_dtype_bits((frit_dtype)t.dtype) < 32 ? frit_dtype_bits((frit_dtype)t.dtype) * t.lanes / 32 : t.lanes); }
static char constraint_of(ir_type t) { return t.dtype == FRIT_f32 ? 'f' : 'r'; }

/* "+f"(x.v[0]), ... for all registers of x. */
static const char *in_out(cprinter *p, const char *x, ir_type t) {
    text s = {.a = p->a};
    for (int i = 0; i < registers_of(t); i++) text_printf(&s, "%s\"+%c\"(%s[%d])", i ? ", " : "", constraint_of(t), x, i);
    return s.s;
}

/* x: what is computed of it before comes before, what is computed of the result comes after. */
static const char *keeper(cprinter *p, ir_type t) {
    const char *name = arena_printf(p->a, "kept_%s", c_type_tag(p, (frit_dtype)t.dtype, t.lanes)), *type = c_type_of(p, t);
    const char *word = t.dtype == FRIT_f32 ? "float" : "u32";
    if (c_helper_new(p, name))
        c_helper_define(p, "%s %s %s(%s x) {\n#ifndef FRIT_EMULATE\n    %s *r = (%s *)&x;\n    asm volatile(\"\" : %s);\n#else\n    emulate_kept(&x);\n#endif\n    return x;\n}\n",
                        p->d->inline_, type, name, type, word, word, in_out(p, "r", t));
    return name;
}

static void keep_results(cprinter *p, const ir_op *op) {
    for (int i = 0; i < op->n_results; i++) {
        const char *kept = arena_printf(p->a, "%s(%s)", keeper(p, ir_result(op, i)->type), plain(p, op, i));
        if (ir_result(op, i)->uses) c_declare(p, ir_result(op, i), kept);
        else c_line(p, "%s;", kept);
    }
}

static void print_fence(cprinter *p, const ir_op *op) {
    keep_results(p, op);
    define(p, "wgmma_fence", "", "wgmma.fence.sync.aligned;", "");
    c_line(p, "wgmma_fence();");
}

static void print_wait(cprinter *p, const ir_op *op) {
    if (c_helper_new(p, "wgmma_wait"))
        c_define_instruction(p, "template <int pending> %s void wgmma_wait() {\n    asm volatile(\"wgmma.wait_group.sync.aligned %%0;\" ::\"n\"(pending) : \"memory\");\n}\n",
                             p->d->inline_);
    c_line(p, "wgmma_wait<%lld>();", number_of(op, IR_ATTR_pending));
    keep_results(p, op);
}

/* Everything of a matrix descriptor but the address. */
static const char *layout_of(cprinter *p, const ir_op *op, int side) {
    uint64_t leading = (uint64_t)of_side(op, IR_ATTR_leading, side) >> 4, stride = (uint64_t)of_side(op, IR_ATTR_stride, side) >> 4;
    int64_t s = of_side(op, IR_ATTR_swizzle, side);
    if (s == 16 && of_side(op, IR_ATTR_major, side)) { /* there the fields have changed places */
        uint64_t t = leading;
        leading = stride, stride = t;
    }
    uint64_t mode = s == 128 ? 1 : s == 64 ? 2 : s == 32 ? 3 : 0;
    return arena_printf(p->a, "0x%llxull", (unsigned long long)(mode << 62 | stride << 32 | leading << 16));
}

static const char *matrix(cprinter *p, const ir_op *op, int side, int operand) {
    if (c_helper_new(p, "shared_matrix"))
        c_helper_define(p, "/* A matrix in shared memory, as the tensor core is told of it. */\n%s u64 shared_matrix(const void *at, u64 layout) {\n"
                           "    return layout | (__cvta_generic_to_shared(at) & 0x3ffff) >> 4;\n}\n", p->d->inline_);
    return arena_printf(p->a, "shared_matrix(%s, %s)", place(p, op, operand), layout_of(p, op, side));
}

static const char *numbered(cprinter *p, int from, int n) {
    text s = {.a = p->a};
    for (int i = 0; i < n; i++) text_printf(&s, "%s%%%d", i ? ", " : "", from + i);
    return s.s;
}

static void define_wgmma(cprinter *p, const ir_op *op, const char *name, const char *instruction, const char *tail) {
    ir_type acc = ir_operand(op, 0)->type, a = ir_operand(op, 1)->type;
    bool in_registers = op->n_operands == 4;
    int n = registers_of(acc);
    const char *type = c_type_of(p, acc), *a_type = in_registers ? c_type_of(p, a) : "u64", *inputs = "\"l\"(a)", *word = acc.dtype == FRIT_f32 ? "float" : "i32";
    const char *a_place = arena_printf(p->a, "%%%d", n);
    if (in_registers) {
        inputs = "\"r\"(x[0]), \"r\"(x[1]), \"r\"(x[2]), \"r\"(x[3])";
        a_place = arena_printf(p->a, "{%s}", numbered(p, n, 4));
    }
    bool halves = frit_dtype_bits((frit_dtype)a.dtype) == 16;
    c_helper_define(p,
                    "#ifndef FRIT_EMULATE\n%s %s %s(%s c, %s a, u64 b) {\n    %s *r = (%s *)&c;\n%s"
                    "    asm volatile(\"%s {%s}, %s, %%%d, %s;\" : %s : %s, \"l\"(b) : \"memory\");\n    return c;\n}\n"
                    "#else\n%s %s %s(%s c, %s a, u64 b) {\n    return emulate_wgmma<emulate_%s, %d, %d, %d>(c, a, b);\n}\n#endif\n",
                    p->d->inline_, type, name, type, a_type, word, word, in_registers ? "    const u32 *x = (const u32 *)&a;\n" : "", instruction,
                    numbered(p, 0, n), a_place, n + (in_registers ? 4 : 1), tail, in_out(p, "r", acc), inputs, p->d->inline_, type, name, type, a_type,
                    a.dtype == FRIT_f32 ? "tf32" : frit_dtype_name((frit_dtype)a.dtype), acc.lanes * 2,
                    halves && !in_registers ? (int)of_side(op, IR_ATTR_major, 0) : 0, halves ? (int)of_side(op, IR_ATTR_major, 1) : 0);
}

static void print_wgmma(cprinter *p, const ir_op *op) {
    int b = op->n_operands - 2;
    bool in_registers = op->n_operands == 4;
    frit_dtype t = (frit_dtype)ir_operand(op, b)->type.dtype;
    const char *in = t == FRIT_f32 ? "tf32" : t == FRIT_i8 ? "s8" : frit_dtype_name(t), *tail = t == FRIT_i8 ? "1" : "1, 1, 1", *majors = "";
    int ma = (int)of_side(op, IR_ATTR_major, 0), mb = (int)of_side(op, IR_ATTR_major, 1), n = ir_operand(op, 0)->type.lanes * 2, k = ir_wgmma_product(t)->k;
    if (t == FRIT_f16 || t == FRIT_bf16) {
        tail = in_registers ? arena_printf(p->a, "1, 1, 1, %d", mb) : arena_printf(p->a, "1, 1, 1, %d, %d", ma, mb);
        majors = in_registers ? (mb ? "_n" : "") : arena_printf(p->a, "%s%s", ma || mb ? "_" : "", ma ? (mb ? "mn" : "m") : mb ? "n" : "");
    }
    const char *name = arena_printf(p->a, "wgmma_m64n%dk%d_%s%s%s", n, k, in, majors, in_registers ? "_registers" : "");
    const char *what = arena_printf(p->a, "wgmma.mma_async.sync.aligned.m64n%dk%d.%s.%s.%s", n, k, t == FRIT_i8 ? "s32" : "f32", in, in);
    if (c_helper_new(p, name)) define_wgmma(p, op, name, what, tail);
    const char *a = in_registers ? plain(p, op, 1) : matrix(p, op, 0, 1);
    c_declare(p, ir_result(op, 0), arena_printf(p->a, "%s(%s, %s, %s)", name, plain(p, op, 0), a, matrix(p, op, 1, b)));
}

/* ------------ clusters */
static void print_rank(cprinter *p, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    if (!v->uses) return;
    if (c_helper_new(p, "cluster_rank"))
        c_define_instruction(p, "%s u32 cluster_rank() {\n    u32 r;\n    asm volatile(\"mov.u32 %%0, %%%%cluster_ctarank;\" : \"=r\"(r));\n    return r;\n}\n",
                             p->d->inline_);
    const char *name = c_fresh_name(p, "rank");
    c_line(p, "const i64 %s = cluster_rank();", name);
    p->value[v->id] = c_primary(name);
}

static void print_reach(cprinter *p, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    const char *type = c_memory_type(p, (frit_dtype)v->type.dtype), *name = c_fresh_name(p, v->name ? v->name : "there");
    if (c_helper_new(p, "of_rank"))
        c_define_instruction(p, "%s void *of_rank(void *at, u32 rank) {\n    u64 there;\n    asm volatile(\"mapa.u64 %%0, %%1, %%2;\" : \"=l\"(there) : \"l\"(at), \"r\"(rank));\n"
                                "    return (void *)there;\n}\n", p->d->inline_);
    if (!v->uses) return;
    c_line(p, "%s *%s = (%s *)of_rank(%s, (u32)%s);", type, name, type, plain(p, op, 0), c_tight(p, c_operand_of(p, op, 1), PREC_UNARY));
    p->value[v->id] = c_primary(name);
}

bool c_async_op(cprinter *p, const ir_op *op) {
    switch (op->code) {
    case IR_warp_barrier: c_line(p, "__syncwarp();"); break;
    case IR_cluster_rank: print_rank(p, op); break;
    case IR_cluster_ptr: print_reach(p, op); break;
    case IR_cluster_barrier:
        define(p, "cluster_barrier", "", "barrier.cluster.arrive.aligned;\\n\\tbarrier.cluster.wait.aligned;", "");
        c_line(p, "cluster_barrier();");
        break;
    case IR_part_barrier: print_part_barrier(p, op); break;
    case IR_fence_async:
        define(p, "fence_async", "", "fence.proxy.async.shared::cta;", "");
        c_line(p, "fence_async();");
        break;
    case IR_mbarrier_init:
    case IR_mbarrier_arrive:
    case IR_mbarrier_wait: print_mbarrier(p, op); break;
    case IR_tensor_map: break; /* a parameter */
    case IR_tensor_load: print_tensor_load(p, op); break;
    case IR_tensor_store: print_tensor_store(p, op); break;
    case IR_bulk_load:
    case IR_bulk_store: print_bulk(p, op); break;
    case IR_bulk_commit:
        define(p, "bulk_commit", "", "cp.async.bulk.commit_group;", "");
        c_line(p, "bulk_commit();");
        break;
    case IR_bulk_wait: print_bulk_wait(p, op); break;
    case IR_wgmma_fence: print_fence(p, op); break;
    case IR_wgmma: print_wgmma(p, op); break;
    case IR_wgmma_commit:
        define(p, "wgmma_commit", "", "wgmma.commit_group.sync.aligned;", "");
        c_line(p, "wgmma_commit();");
        break;
    case IR_wgmma_wait: print_wait(p, op); break;
    case IR_registers: print_registers(p, op); break;
    default: return false;
    }
    if (!p->d->nvidia) c_fail(p, op, arena_printf(p->a, "the dialect has no '%s'", ir_op_table[op->code].name));
    return true;
}
