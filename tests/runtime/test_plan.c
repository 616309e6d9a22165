/* The memory planner: placements of random lifetimes, and random schedules whose results must not depend on sharing. */
#include "model.h"
#include "runtime/rt.h"
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 1;
static uint32_t rnd(uint32_t n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % n);
}

/* ---- Placement --------------------------------------------------------------------------------------------------- */
enum { LIVES = 60 };

static int64_t rounded(int64_t n) { return (n + 63) / 64 * 64; }

/* No two that live at the same time overlap, and nothing reaches beyond the total. The least any plan needs. */
static int64_t check_placement(const rt_life *l, uint32_t n, const int64_t *at, int64_t total) {
    int64_t floor = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t now = 0;
        assert_true(at[i] >= 0 && at[i] % 64 == 0 && at[i] + l[i].size <= total);
        for (uint32_t j = 0; j < n; j++) {
            bool together = l[i].first <= l[j].last && l[j].first <= l[i].last;
            if (l[j].first <= l[i].first && l[i].first <= l[j].last) now += rounded(l[j].size);
            if (i == j || !together || !l[i].size || !l[j].size) continue;
            assert_true(at[i] + l[i].size <= at[j] || at[j] + l[j].size <= at[i]);
        }
        if (now > floor) floor = now;
    }
    return floor;
}

static void test_placement(void **state) {
    (void)state;
    int64_t used = 0, least = 0;
    for (int round = 0; round < 400; round++) {
        rt_life l[LIVES] = {0};
        uint32_t n = 1 + rnd(LIVES), order[2 * LIVES];
        int64_t at[LIVES];
        for (uint32_t i = 0; i < n; i++) {
            l[i].size = rnd(8) ? 1 + rnd(5000) : 0;
            l[i].first = rnd(100), l[i].last = l[i].first + rnd(rnd(4) ? 10 : 60);
        }
        int64_t total = rt_plan_offsets(l, n, order, at);
        least += check_placement(l, n, at, total);
        used += total;
    }
    /* The paper's greedy plans stay close to the lower bound on real networks; random ones are harder. */
    assert_true((double)used < 1.15 * (double)least);
}

static void test_overflow(void **state) {
    (void)state;
    rt_life l[2] = {{.size = INT64_MAX - 1, .last = 9}, {.size = INT64_MAX / 2, .last = 9}};
    uint32_t order[4];
    int64_t at[2];
    assert_int_equal(rt_plan_offsets(l, 2, order, at), -1);
    l[0].size = INT64_MAX / 2 - 100;
    assert_int_equal(rt_plan_offsets(l, 1, order, at), l[0].size / 64 * 64 + 64);
    assert_int_equal(rt_plan_offsets(l, 0, order, at), 0);
}

/* ---- Random schedules -------------------------------------------------------------------------------------------- */
/* A schedule of mixes over `TEMPS` buffers, with loops, branches and swaps. It is built twice: with temps, which share
 * memory, and with states, which never do. Both give the same results when lifetimes are right. Only values that were
 * written are read. */
enum { TEMPS = 24, ELEMENTS = 16 };

typedef struct builder {
    model m;
    int buffers[TEMPS];
    bool written[TEMPS];
    bool temps;
    int mix, depth, budget;
    sym_t n;
} builder;

static int pick_written(const builder *b) {
    int i = (int)rnd(TEMPS);
    while (!b->written[i]) i = (i + 1) % TEMPS;
    return i;
}

static void statements(builder *b, int count);

static void add_loop(builder *b) {
    sym_t i = sym_var(b->m.c, "i", SYM_INT, NULL, NULL);
    package_loop(b->m.p, i, sym_const(b->m.c, 1 + rnd(3)));
    b->depth++;
    statements(b, 1 + (int)rnd(5)); /* trips >= 1: what it writes is written afterwards */
    b->depth--;
    package_end(b->m.p);
}

/* What one branch alone writes counts as not written. */
static void add_branch(builder *b) {
    bool before[TEMPS], after[TEMPS];
    memcpy(before, b->written, sizeof before);
    package_if(b->m.p, package_at(package_input_buffer(b->m.p, 1)));
    b->depth++;
    statements(b, 1 + (int)rnd(4));
    memcpy(after, b->written, sizeof after);
    memcpy(b->written, before, sizeof before);
    if (rnd(2)) {
        package_else(b->m.p);
        statements(b, 1 + (int)rnd(4));
    }
    for (int i = 0; i < TEMPS; i++) b->written[i] &= after[i];
    b->depth--;
    package_end(b->m.p);
}

static void add_op(builder *b) {
    int x = pick_written(b), y = pick_written(b), z = (int)rnd(TEMPS);
    while (b->written[z] && rnd(4)) z = (int)rnd(TEMPS); /* mostly new ones, so that lives are short */
    package_ref refs[3] = {package_at(b->buffers[x]), package_at(b->buffers[y]), package_at(b->buffers[z])};
    package_launch(b->m.p, b->mix, refs);
    b->written[z] = true;
}

/* A copy between places stands for the swap where buffers are states. */
static void add_swap(builder *b, int spare) {
    int x = pick_written(b), y = pick_written(b);
    if (x == y) return;
    if (b->temps) {
        package_swap(b->m.p, b->buffers[x], b->buffers[y]);
        return;
    }
    sym_t bytes = sym_muli(b->m.c, b->n, 4);
    package_ref rx = package_at(b->buffers[x]), ry = package_at(b->buffers[y]), s = package_at(spare);
    package_copy(b->m.p, s, rx, bytes);
    package_copy(b->m.p, rx, ry, bytes);
    package_copy(b->m.p, ry, s, bytes);
}

static void statements(builder *b, int count) {
    for (int i = 0; i < count && b->budget > 0; i++, b->budget--) {
        uint32_t what = rnd(8);
        if (what == 0 && b->depth < 3)
            add_loop(b);
        else if (what == 1 && b->depth < 3)
            add_branch(b);
        else if (what == 2)
            add_swap(b, package_state_buffer(b->m.p, TEMPS));
        else
            add_op(b);
    }
}

/* x[n], flag -> a mix of some buffers that are written at the end. */
static model random_schedule(uint64_t from, bool temps) {
    seed = from;
    builder b = {.m = model_new(), .temps = temps, .budget = 40};
    b.n = sym_const(b.m.c, ELEMENTS);
    sym_t bytes = sym_muli(b.m.c, b.n, 4);
    package_input(b.m.p, "x", FRIT_u32, 1, &b.n, NULL);
    package_input(b.m.p, "flag", FRIT_bool, 0, NULL, NULL);
    package_output(b.m.p, "out", FRIT_u32, 1, &b.n);
    for (int i = 0; i <= TEMPS; i++) package_state(b.m.p, arena_printf(b.m.a, "s%d", i), FRIT_u32, 1, &b.n);
    model_target(&b.m);
    b.mix = model_kernel(&b.m, blob_mix, 2, 1, 1, &b.n, NULL, NULL);
    for (int i = 0; i < TEMPS; i++) b.buffers[i] = temps ? package_temp(b.m.p, bytes) : package_state_buffer(b.m.p, i);
    package_main(b.m.p);
    package_copy(b.m.p, package_at(b.buffers[0]), package_at(package_input_buffer(b.m.p, 0)), bytes);
    b.written[0] = true;
    statements(&b, 30);
    package_ref out = package_at(package_output_buffer(b.m.p, 0));
    package_copy(b.m.p, out, package_at(b.buffers[0]), bytes);
    for (int i = 1; i < TEMPS; i++)
        if (b.written[i] && rnd(4) == 0)
            package_launch(b.m.p, b.mix, (package_ref[]){package_at(b.buffers[i]), out, out});
    return b.m;
}

static void run_schedule(uint64_t from, bool temps, bool flag, uint32_t *out) {
    model m = random_schedule(from, temps);
    rig r = rig_open(&m, 1);
    uint32_t x[ELEMENTS];
    int64_t n = ELEMENTS;
    for (int i = 0; i < ELEMENTS; i++) x[i] = (uint32_t)i;
    DLTensor in[2] = {frit_dense(x, FRIT_u32, 1, &n), frit_dense(&flag, FRIT_bool, 0, NULL)};
    DLTensor z = frit_dense(out, FRIT_u32, 1, &n);
    for (int turn = 0; turn < 2; turn++) { /* swaps of the first run must not show in the second */
        assert_ok(frit_session_reset(r.session, err));
        assert_ok(frit_session_run(r.session, in, 2, &z, 1, err));
    }
    rig_close(&r);
    model_free(&m);
}

static void test_schedules(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 600; round++) {
        uint32_t shared[ELEMENTS], apart[ELEMENTS];
        run_schedule(round, true, round % 2, shared);
        run_schedule(round, false, round % 2, apart);
        if (memcmp(shared, apart, sizeof shared)) fail_msg("schedule %d depends on sharing", (int)round);
    }
}

/* ---- Values carried from one iteration to the next --------------------------------------------------------------- */
enum { TURNS = 4 };
/* In each of TURNS iterations t is written in some turns only and read in others; u is written and read at once, and
 * would spoil t if the two shared memory. out = 5 * out + 3 * t + 7 whenever t is read. */
static model model_carry(int shape) {
    model m = model_new();
    sym_t one = sym_const(m.c, 1), n = sym_const(m.c, TURNS), four = sym_const(m.c, 4);
    sym_t i = sym_var(m.c, "i", SYM_INT, NULL, NULL);
    package_input(m.p, "x", FRIT_u32, 1, &n, NULL);
    package_input(m.p, "writes", FRIT_bool, 1, &n, NULL);
    package_output(m.p, "out", FRIT_u32, 1, &one);
    model_target(&m);
    int mix = model_kernel(&m, blob_mix, 2, 1, 1, &one, NULL, NULL);
    package_ref t = package_at(package_temp(m.p, four)), u = package_at(package_temp(m.p, four));
    package_ref x = {package_input_buffer(m.p, 0), sym_muli(m.c, i, 4)}, writes = {package_input_buffer(m.p, 1), i};
    package_ref out = package_at(package_output_buffer(m.p, 0));
    package_main(m.p);
    package_fill(m.p, out, four, 4, 0);
    package_loop(m.p, i, n);
    if (shape == 0) { /* t is written first, but not in every turn; u lives before it */
        package_launch(m.p, mix, (package_ref[]){x, x, u});
        package_copy(m.p, u, u, four);
        package_if(m.p, writes);
        package_copy(m.p, t, x, four);
        package_end(m.p);
        package_launch(m.p, mix, (package_ref[]){t, out, out});
    } else if (shape == 1) { /* t is read before it is written; what the first turn reads is thrown away */
        package_launch(m.p, mix, (package_ref[]){t, out, out});
        package_if(m.p, writes);
        package_fill(m.p, out, four, 4, 0);
        package_end(m.p);
        package_copy(m.p, t, x, four);
        package_launch(m.p, mix, (package_ref[]){x, x, u});
        package_copy(m.p, u, u, four);
    } else { /* one branch writes, the other reads */
        package_if(m.p, writes);
        package_copy(m.p, t, x, four);
        package_else(m.p);
        package_launch(m.p, mix, (package_ref[]){t, out, out});
        package_end(m.p);
        package_launch(m.p, mix, (package_ref[]){x, x, u});
        package_copy(m.p, u, u, four);
    }
    package_end(m.p);
    return m;
}

static uint32_t carry_result(int shape, const uint32_t *x, const bool *writes) {
    uint32_t t = 0, out = 0;
    for (int i = 0; i < TURNS; i++) {
        if (writes[i] && shape != 1) t = x[i];
        if (!writes[i] || shape == 0) out = 3 * t + 5 * out + 7;
        if (shape == 1) out = writes[i] ? 0 : out, t = x[i];
    }
    return out;
}

static void test_carried(void **state) {
    (void)state;
    uint32_t x[TURNS] = {11, 22, 33, 44}, got;
    bool writes[TURNS] = {true, false, false, false};
    int64_t n = TURNS, one = 1;
    for (int shape = 0; shape < 3; shape++) {
        model m = model_carry(shape);
        rig r = rig_open(&m, 1);
        DLTensor in[2] = {frit_dense(x, FRIT_u32, 1, &n), frit_dense(writes, FRIT_bool, 1, &n)};
        DLTensor out = frit_dense(&got, FRIT_u32, 1, &one);
        assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
        assert_int_equal(got, carry_result(shape, x, writes));
        rig_close(&r);
        model_free(&m);
    }
}

/* ---- Sharing that is asked for, and sharing that must happen ----------------------------------------------------- */
static void test_chain_shares(void **state) {
    (void)state;
    model m = model_new();
    sym_t n = sym_const(m.c, 1024), bytes = sym_const(m.c, 4096);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    model_target(&m);
    int square = model_kernel(&m, blob_square, 1, 1, 2, (sym_t[]){n, n}, NULL, NULL);
    package_main(m.p);
    int before = package_input_buffer(m.p, 0);
    for (int i = 0; i < 10; i++) {
        int t = package_temp(m.p, bytes);
        package_launch(m.p, square, (package_ref[]){package_at(before), package_at(t)});
        before = t;
    }
    package_launch(m.p, square, (package_ref[]){package_at(before), package_at(package_output_buffer(m.p, 0))});
    rig r = rig_open(&m, 1);
    float x[1024] = {1, -1, 0}, z[1024];
    int64_t len = 1024;
    DLTensor in = frit_dense(x, FRIT_f32, 1, &len), out = frit_dense(z, FRIT_f32, 1, &len);
    assert_ok(frit_session_run(r.session, &in, 1, &out, 1, err));
    assert_true(z[0] == 1 && z[1] == 1 && z[2] == 0);
    assert_int_equal(frit_session_memory(r.session), 2 * 4096); /* two at a time */
    rig_close(&r);
    model_free(&m);
}

static void test_same_as(void **state) {
    (void)state;
    model m = model_new();
    sym_t n = sym_const(m.c, 16), bytes = sym_const(m.c, 64);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    model_target(&m);
    int square = model_kernel(&m, blob_square, 1, 1, 2, (sym_t[]){n, n}, NULL, NULL);
    int a = package_temp(m.p, bytes), b = package_temp(m.p, sym_const(m.c, 128)), c = package_temp(m.p, bytes);
    package_same_as(m.p, b, a);
    package_same_as(m.p, c, b);
    package_main(m.p);
    package_copy(m.p, package_at(a), package_at(package_input_buffer(m.p, 0)), bytes);
    package_launch(m.p, square, (package_ref[]){package_at(b), package_at(c)});
    package_copy(m.p, package_at(package_output_buffer(m.p, 0)), package_at(a), bytes);
    rig r = rig_open(&m, 1);
    float x[16] = {3, 5}, z[16];
    int64_t len = 16;
    DLTensor in = frit_dense(x, FRIT_f32, 1, &len), out = frit_dense(z, FRIT_f32, 1, &len);
    assert_ok(frit_session_run(r.session, &in, 1, &out, 1, err));
    assert_true(z[0] == 9 && z[1] == 25);
    assert_int_equal(frit_session_memory(r.session), 128);
    rig_close(&r);
    model_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_placement), cmocka_unit_test(test_overflow),     cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_carried),   cmocka_unit_test(test_chain_shares), cmocka_unit_test(test_same_as),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
