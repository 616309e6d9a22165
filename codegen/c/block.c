/* Ops of a block of threads. Instructions are functions named after them; where the text is emulated (FRIT_EMULATE), the
 * emulation brings its own. */
#include "printer_internal.h"
#include <string.h>

/* ------------ ids and shared memory */
static void print_id(cprinter *p, const ir_op *op, const char *name, const char *what) {
    const ir_value *v = ir_result(op, 0);
    if (!v->uses) return;
    const char *type = c_value_type(p, v);
    bool is_new;
    name = c_common_name(p, name, type, &is_new);
    if (is_new) c_line(p, "const %s %s = %s;", type, name, what);
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
    c_bind(p, v, c_call(p, name, 2, x));
}

/* ------------ asynchronous copies */
static void print_copy(cprinter *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    long long bytes = (long long)frit_dtype_bytes(t, ir_get_int(op, IR_ATTR_lanes, 1));
    const char *inside = op->n_operands > 4 ? c_operand_of(p, op, 4).s : "true";
    c_line(p, "copy_async_%lld(%s, %s, %s);", bytes, c_element_address(p, c_operand_of(p, op, 0), c_operand_of(p, op, 1)).s,
           c_element_address(p, c_operand_of(p, op, 2), c_operand_of(p, op, 3)).s, inside);
    const char *name = arena_printf(p->a, "copy_async_%lld", bytes);
    if (!c_helper_new(p, name)) return;
    const char *chunk = c_type_of(p, ir_vector(FRIT_u32, (int)bytes / 4));
    const char *plain = arena_printf(p->a, "    *(%s *)to = inside ? *(const %s *)from : %s();\n", chunk, chunk, chunk);
    if (!p->d->nvidia) {
        c_define_instruction(p, "%s void %s(void *to, const void *from, bool inside) {\n%s}\n", p->d->inline_, name, plain);
        return;
    }
    c_define_instruction(p,
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
    c_define_instruction(p, "%s void copy_commit() {\n%s}\n", p->d->inline_, body);
}

static void print_wait(cprinter *p, const ir_op *op) {
    long long pending = (long long)ir_get_int(op, IR_ATTR_pending, 0);
    const char *name = "copy_wait";
    c_line(p, "%s<%lld>();", name, pending);
    if (!c_helper_new(p, name)) return;
    const char *body = p->d->nvidia ? "#if __CUDA_ARCH__ >= 800\n    asm volatile(\"cp.async.wait_group %0;\" ::\"n\"(pending) : \"memory\");\n#endif\n" : "";
    c_define_instruction(p, "template <int pending> %s void %s() {\n%s}\n", p->d->inline_, name, body);
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
    case IR_atom: c_atom(p, op); return true;
    default: return c_async_op(p, op);
    }
}
