#include "support.h"

typedef struct fixture {
    ir_module *m;
    ir_func *f;
    ir_builder b;
    sym_t dims[2]; /* B, 64 */
    ir_value *x;   /* f32[B, 64] */
} fixture;

static fixture start(void) {
    fixture t = {.m = ir_module_new()};
    t.dims[0] = sym_var(t.m->syms, "B", SYM_DIM, NULL, NULL);
    t.dims[1] = sym_const(t.m->syms, 64);
    vec_push(t.m->arena, &t.m->symbols, t.dims[0]);
    t.f = ir_func_new(t.m, "f", IR_LEVEL_TENSOR);
    t.x = ir_block_add_arg(t.m, t.f->body, ir_tensor(t.m, FRIT_f32, 2, t.dims), "x");
    t.b = ir_builder_at_end(t.m, t.f->body);
    return t;
}

static void finish(fixture *t, ir_value *result) {
    ir_build(&t->b, IR_return, 1, &result, 0, NULL);
    t->f->n_results = 1;
    check_module(t->m);
    ir_module_free(t->m);
}

static bool has_dims(const ir_value *v, int rank, const sym_t *dims) {
    for (int i = 0; i < rank; i++)
        if (v->type.dims[i] != dims[i]) return false;
    return v->type.rank == rank;
}

static void test_views(void **state) {
    fixture t = start();
    sym_ctx *c = t.m->syms;
    sym_t B = t.dims[0], n64 = t.dims[1], n8 = sym_const(c, 8), zero = sym_const(c, 0), one = sym_const(c, 1);
    assert_ptr_equal(ir_reshape(&t.b, t.x, 2, t.dims), t.x);
    assert_ptr_equal(ir_transpose(&t.b, t.x, (int64_t[]){0, 1}), t.x);
    assert_ptr_equal(ir_broadcast(&t.b, t.x, 2, t.dims, (int64_t[]){0, 1}), t.x);
    assert_ptr_equal(ir_slice(&t.b, t.x, (sym_t[]){zero, zero}, t.dims, (int64_t[]){1, 1}), t.x);
    assert_ptr_equal(ir_concat(&t.b, 1, &t.x, 0), t.x);
    assert_null(t.f->body->first);

    ir_value *r = ir_reshape(&t.b, t.x, 3, (sym_t[]){B, n8, n8});
    ir_value *p = ir_transpose(&t.b, r, (int64_t[]){1, 2, 0});
    assert_true(has_dims(p, 3, (sym_t[]){n8, n8, B}));
    ir_value *w = ir_broadcast(&t.b, t.x, 3, (sym_t[]){n8, B, n64}, (int64_t[]){1, 2});
    ir_value *s = ir_slice(&t.b, w, (sym_t[]){zero, zero, sym_const(c, 63)}, (sym_t[]){n8, B, sym_const(c, 32)},
                           (int64_t[]){1, 1, -2});
    ir_value *fill = ir_splat(&t.b, ir_scalar(FRIT_f32), -1);
    ir_value *q = ir_pad(&t.b, s, fill, (sym_t[]){zero, one, zero}, (sym_t[]){one, one, zero});
    assert_true(has_dims(q, 3, (sym_t[]){sym_const(c, 9), sym_addi(c, B, 2), sym_const(c, 32)}));
    ir_value *k = ir_concat(&t.b, 2, (ir_value *[]){q, q}, 1);
    assert_true(has_dims(k, 3, (sym_t[]){sym_const(c, 9), sym_addi(c, sym_muli(c, B, 2), 4), sym_const(c, 32)}));
    finish(&t, k);
}

static void test_access(void **state) {
    fixture t = start();
    sym_ctx *c = t.m->syms;
    sym_t i = sym_index(c, "i", t.dims[0]), e = sym_var(c, "e", SYM_VALUE, NULL, NULL);
    ir_value *v = ir_view(&t.b, t.x, 1, t.dims, &i, (sym_t[]){i, sym_const(c, 3)}, 0);
    assert_true(has_dims(v, 1, t.dims));
    ir_value *at = ir_iota(&t.b, ir_tensor(t.m, FRIT_i32, 1, t.dims), 0);
    ir_value *g = ir_gather(&t.b, t.x, 1, &at, &e, 1, t.dims, (sym_t[]){sym_index(c, "j", t.dims[0])},
                            (sym_t[]){e, sym_const(c, 0)}, 0.5);
    assert_int_equal(g->op->code, IR_gather);
    assert_int_equal(g->op->n_operands, 2);
    assert_true(ir_get_float(g->op, IR_ATTR_fill, 0) == 0.5);
    ir_value *plain = ir_gather(&t.b, t.x, 0, NULL, NULL, 1, t.dims, &i, (sym_t[]){i, sym_const(c, 1)}, 0);
    assert_int_equal(plain->op->code, IR_view);
    finish(&t, ir_binary(&t.b, IR_add, g, ir_binary(&t.b, IR_mul, v, plain)));
}

static void test_reductions(void **state) {
    fixture t = start();
    ir_value *sum = ir_reduce(&t.b, IR_SUM, t.x, 2, (int64_t[]){1, 0}, FRIT_f32);
    const int64_t *axes;
    assert_int_equal(ir_get_ints(sum->op, IR_ATTR_axes, &axes), 2);
    assert_true(axes[0] == 0 && axes[1] == 1);
    assert_int_equal(sum->type.rank, 0);
    ir_value *arg = ir_reduce(&t.b, IR_ARGMAX, t.x, 1, (int64_t[]){1}, FRIT_i64);
    assert_true(has_dims(arg, 1, t.dims) && arg->type.dtype == FRIT_i64);
    ir_value *y = ir_contract(&t.b, t.x, t.x, 0, NULL, NULL, 1, (int64_t[]){1}, (int64_t[]){1}, FRIT_f32);
    assert_true(has_dims(y, 2, (sym_t[]){t.dims[0], t.dims[0]}));
    ir_value *z = ir_contract(&t.b, t.x, t.x, 1, (int64_t[]){1}, (int64_t[]){1}, 1, (int64_t[]){0}, (int64_t[]){0},
                              FRIT_f32);
    assert_true(has_dims(z, 1, &t.dims[1]));
    finish(&t, y);
}

/* Every elementwise op on a tensor, on a tile stage's scalars and on vectors. */
static void test_elementwise(void **state) {
    fixture t = start();
    ir_value *v[2] = {t.x, ir_cast(&t.b, t.x, FRIT_i32)};
    assert_ptr_equal(ir_cast(&t.b, t.x, FRIT_f32), t.x);
    int seen = 0;
    for (int code = 1; code < IR_OPCODE_COUNT; code++) {
        const ir_op_info *info = &ir_op_table[code];
        if (!(info->flags & IR_F_ELEMENTWISE) || code == IR_cast || code == IR_bitcast || code == IR_select) continue;
        ir_value *x = v[info->flags & IR_F_INT ? 1 : 0], *r;
        if (info->n_operands == 1) r = ir_unary(&t.b, (ir_opcode)code, x);
        else if (info->n_operands == 2) r = ir_binary(&t.b, (ir_opcode)code, x, x);
        else r = ir_fma(&t.b, x, x, x);
        assert_int_equal(r->type.dtype, info->flags & IR_F_COMPARE ? FRIT_bool : x->type.dtype);
        seen++;
    }
    assert_true(seen > 40);
    ir_value *less = ir_binary(&t.b, IR_lt, t.x, t.x);
    ir_type bits = ir_with_dtype(t.x->type, FRIT_u32);
    ir_build(&t.b, IR_bitcast, 1, &t.x, 1, &bits);
    finish(&t, ir_select(&t.b, less, t.x, t.x));
}

static void test_constants(void **state) {
    fixture t = start();
    double d;
    for (int k = 0; k < FRIT_DTYPE_COUNT; k++) {
        ir_value *v = ir_splat(&t.b, ir_tensor(t.m, (frit_dtype)k, 2, t.dims), 1);
        assert_true(ir_splat_value(v, &d) && d == 1);
        assert_int_equal(ir_attr_get(v->op, IR_ATTR_value)->data.bytes, frit_dtype_bytes((frit_dtype)k, 1));
    }
    ir_value *third = ir_splat(&t.b, ir_scalar(FRIT_bf16), 1.0 / 3);
    assert_true(ir_splat_value(third, &d) && d == frit_bf16_to_double(frit_bf16_from_double(1.0 / 3)));
    ir_value *big = ir_splat_int(&t.b, ir_scalar(FRIT_i64), INT64_MIN + 1);
    int64_t stored;
    memcpy(&stored, ir_attr_get(big->op, IR_ATTR_value)->data.p, 8);
    assert_true(stored == INT64_MIN + 1);
    ir_value *all = ir_splat(&t.b, ir_scalar(FRIT_u64), 1.8446744073709550e19);
    assert_true(ir_splat_value(all, &d) && d > 1.8e19);

    sym_t two = sym_const(t.m->syms, 2), three = sym_const(t.m->syms, 3);
    ir_value *dense = ir_dense(&t.b, ir_tensor(t.m, FRIT_f32, 1, &three), (float[]){2, 2, 2}, 12);
    assert_true(ir_splat_value(dense, &d) && d == 2);
    ir_value *mixed = ir_dense(&t.b, ir_tensor(t.m, FRIT_f32, 1, &three), (float[]){2, 2, 3}, 12);
    assert_false(ir_splat_value(mixed, &d));
    ir_value *nibbles = ir_dense(&t.b, ir_tensor(t.m, FRIT_u4, 1, &two), (uint8_t[]){0x21}, 1);
    assert_int_equal(ir_attr_get(nibbles->op, IR_ATTR_value)->data.bytes, 2); /* not to be taken for a splat */
    assert_false(ir_splat_value(nibbles, &d));
    assert_false(ir_splat_value(t.x, &d));
    finish(&t, mixed);
}

static void test_uses(void **state) {
    fixture t = start();
    ir_value *y = ir_unary(&t.b, IR_exp, t.x);
    ir_value *z = ir_binary(&t.b, IR_add, y, y);
    assert_int_equal(ir_use_count(t.x), 1);
    assert_int_equal(ir_use_count(y), 2);
    ir_set_operand(z->op, 1, t.x);
    assert_int_equal(ir_use_count(t.x), 2);
    ir_replace_uses(y, t.x);
    assert_int_equal(ir_use_count(y), 0);
    assert_int_equal(ir_use_count(t.x), 3);
    ir_op_remove(y->op);
    assert_int_equal(ir_use_count(t.x), 2);
    assert_ptr_equal(t.f->body->first, z->op);

    ir_value *w = ir_unary(&t.b, IR_neg, z);
    ir_builder before = ir_builder_before(t.m, w->op);
    ir_value *u = ir_unary(&before, IR_abs, z);
    assert_ptr_equal(w->op->prev, u->op);
    ir_builder after = ir_builder_after(t.m, z->op);
    ir_value *s = ir_unary(&after, IR_sqrt, t.x);
    assert_ptr_equal(z->op->next, s->op);
    ir_op_move_before(s->op, z->op);
    assert_ptr_equal(t.f->body->first, s->op);
    ir_set_operand(w->op, 0, u);
    finish(&t, w);
}

static void test_attrs(void **state) {
    fixture t = start();
    ir_op *op = ir_build(&t.b, IR_scan, 1, &t.x, 1, &t.x->type);
    ir_set_int(t.m, op, IR_ATTR_reverse, 1);
    ir_set_int(t.m, op, IR_ATTR_axis, 0);
    ir_set_int(t.m, op, IR_ATTR_combine, IR_SUM);
    ir_set_int(t.m, op, IR_ATTR_axis, 1);
    assert_int_equal(op->n_attrs, 3);
    assert_int_equal(ir_get_int(op, IR_ATTR_axis, -1), 1);
    for (int i = 1; i < op->n_attrs; i++) assert_true(op->attrs[i].key > op->attrs[i - 1].key);
    ir_remove_attr(op, IR_ATTR_reverse);
    assert_false(ir_has(op, IR_ATTR_reverse));
    assert_int_equal(ir_get_int(op, IR_ATTR_reverse, 7), 7);
    assert_null(ir_get_string(op, IR_ATTR_path));
    const sym_t *none;
    assert_int_equal(ir_get_syms(op, IR_ATTR_start, &none), 0);
    assert_null(none);
    finish(&t, ir_result(op, 0));
}

/* A loop cloned behind itself, carrying the first one's result: inner values are new ones, outer ones are shared. */
static void test_clone(void **state) {
    fixture t = start();
    sym_ctx *c = t.m->syms;
    ir_op *loop = ir_build(&t.b, IR_loop, 1, &t.x, 1, &t.x->type);
    ir_set_syms(t.m, loop, IR_ATTR_counter, 1,
                (sym_t[]){sym_var(c, "i", SYM_INT, sym_const(c, 0), sym_const(c, 9))});
    ir_set_syms(t.m, loop, IR_ATTR_extent, 1, (sym_t[]){sym_const(c, 10)});
    ir_value *h = ir_block_add_arg(t.m, loop->blocks[0], t.x->type, "h");
    ir_builder inner = ir_builder_at_end(t.m, loop->blocks[0]);
    ir_value *next = ir_binary(&inner, IR_add, h, t.x);
    ir_build(&inner, IR_yield, 1, &next, 0, NULL);

    ir_map map = {0};
    ir_map_set(t.m, &map, loop->operands[0].value, ir_result(loop, 0));
    ir_op *copy = ir_clone(&t.b, loop, &map);
    assert_ptr_equal(ir_operand(copy, 0), ir_result(loop, 0));
    assert_ptr_equal(ir_map_get(&map, h), copy->blocks[0]->args[0]);
    ir_op *add = copy->blocks[0]->first;
    assert_ptr_equal(ir_operand(add, 0), copy->blocks[0]->args[0]);
    assert_ptr_equal(ir_operand(add, 1), ir_result(loop, 0));
    assert_ptr_equal(ir_map_get(&map, next), ir_result(add, 0));
    assert_int_equal(ir_use_count(h), 1);
    finish(&t, ir_result(copy, 0));
}

/* Removing an op drops the uses inside its blocks as well. */
static void test_remove_nested(void **state) {
    fixture t = start();
    ir_op *kernel = ir_build(&t.b, IR_kernel, 1, &t.x, 1, &t.x->type);
    ir_value *a = ir_block_add_arg(t.m, kernel->blocks[0], t.x->type, NULL);
    ir_builder inner = ir_builder_at_end(t.m, kernel->blocks[0]);
    ir_build(&inner, IR_yield, 1, &a, 0, NULL);
    assert_int_equal(ir_use_count(a), 1);
    ir_op_remove(kernel);
    assert_int_equal(ir_use_count(a), 0);
    assert_int_equal(ir_use_count(t.x), 0);
    finish(&t, t.x);
}

static void test_module(void **state) {
    ir_module *m = ir_module_new();
    ir_func *a = ir_func_new(m, "a", IR_LEVEL_TILE), *b = ir_func_new(m, "b", IR_LEVEL_TILE);
    ir_func *c = ir_func_new(m, "c", IR_LEVEL_TILE);
    assert_ptr_equal(ir_func_find(m, "b"), b);
    ir_func_remove(b);
    assert_null(ir_func_find(m, "b"));
    ir_func_remove(c);
    ir_func *d = ir_func_new(m, "d", IR_LEVEL_TILE);
    assert_ptr_equal(m->funcs, a);
    assert_ptr_equal(a->next, d);
    assert_ptr_equal(ir_block_func(d->body), d);
    assert_null(ir_global_find(m, "w"));
    ir_global *g = ir_global_add(m, "w", ir_scalar(FRIT_f32), false, (ir_span){0});
    assert_ptr_equal(ir_global_find(m, "w"), g);
    for (int i = 0; i < 9; i++) ir_block_add_arg(m, d->body, ir_buffer(m, FRIT_f32, IR_GLOBAL, 0, NULL), NULL);
    for (int i = 0; i < 9; i++) assert_int_equal(d->body->args[i]->index, i);
    assert_null(d->arg_syms[8]);
    check_module(m);
    ir_module_free(m);
}

static void test_tables(void **state) {
    for (int c = 1; c < IR_OPCODE_COUNT; c++)
        assert_int_equal(ir_opcode_from_name(ir_op_table[c].name, strlen(ir_op_table[c].name)), c);
    assert_int_equal(ir_opcode_from_name("ad", 2), IR_OP_INVALID);
    assert_int_equal(ir_opcode_from_name("addd", 4), IR_OP_INVALID);
    assert_int_equal(ir_opcode_from_name("invalid", 7), IR_OP_INVALID);
    assert_string_equal(ir_combine_name(IR_ARGMIN), "argmin");
    assert_true(ir_op_table[IR_stage].attrs >> IR_ATTR_vector & 1);
    assert_false(ir_op_table[IR_add].attrs);
}

static void test_types(void **state) {
    fixture t = start();
    arena *a = t.m->arena;
    assert_string_equal(ir_type_print(a, t.x->type), "f32[B, 64]");
    assert_string_equal(ir_type_print(a, ir_scalar(FRIT_bool)), "bool[]");
    assert_string_equal(ir_type_print(a, ir_buffer(t.m, FRIT_f32, IR_CORE, 1, &t.dims[1])), "buffer core f32[64]");
    assert_string_equal(ir_type_print(a, ir_vector(FRIT_f8e4m3, 16)), "f8e4m3x16");
    assert_string_equal(ir_type_print(a, ir_ptr(FRIT_i4, IR_GLOBAL)), "ptr i4");
    assert_true(ir_type_equal(t.x->type, ir_tensor(t.m, FRIT_f32, 2, t.dims)));
    assert_false(ir_type_equal(t.x->type, ir_with_dtype(t.x->type, FRIT_f16)));
    assert_false(ir_type_equal(ir_vector(FRIT_f32, 4), ir_vector(FRIT_f32, 8)));
    assert_ptr_equal(ir_type_elements(t.m, t.x->type), sym_muli(t.m->syms, t.dims[0], 64));
    ir_module_free(t.m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),     cmocka_unit_test(test_access),  cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_constants), cmocka_unit_test(test_uses),    cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_attrs),     cmocka_unit_test(test_clone),   cmocka_unit_test(test_remove_nested),
        cmocka_unit_test(test_module),    cmocka_unit_test(test_tables),  cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests_name("ir build", tests, NULL, NULL);
}
