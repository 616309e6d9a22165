/* Runs dialects cuda and hip on the host. The text of a module is compiled as C++ with this header (hip: emulate_hip.h)
 * before it; a block's threads are fibers that emulate.cc switches at barriers, shuffles and products of warps.
 *
 * Environment: EMULATE_ORDER 0 (threads in order), 1 (backwards) or a larger number (shuffled anew at every turn);
 * EMULATE_COPIES early (asynchronous copies and products of four warps are done when they start) or late (when they are
 * waited for; until then their destination holds NaN).
 *
 * The blocks of a cluster run together; each has memory of its own.
 *
 * What ends the process with a message: a barrier that not all threads reach, or that they reach at different lines;
 * a shuffle that not all threads of a warp reach; a copy that nothing waits for. Compiled with -fsanitize=thread, two threads that touch one
 * byte of which one writes it, with no barrier between; with -fsanitize=address, an access beyond the block's memory. */
#ifndef FRIT_TESTS_EMULATE_H
#define FRIT_TESTS_EMULATE_H
#define FRIT_EMULATE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef EMULATE_HIP
#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline, unused))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __shared__
#define __align__(n) __attribute__((aligned(n)))
#endif

enum { EMULATE_MOST_SHARED = 232448, EMULATE_SLOT = 64 };
struct emulate_id {
    unsigned x;
};
extern emulate_id threadIdx, blockIdx, gridDim;
#ifdef EMULATE_HIP
extern "C" unsigned char shared[EMULATE_MOST_SHARED]; /* as kernels declare it */
#else
/* Kernels declare an array: here it is that of the running thread's block. */
extern "C" unsigned char (*emulate_shared)[];
#define shared (*emulate_shared)
#endif

/* Runs body() by `threads` threads in warps of `warp`, as block number `block` of as many as make tasks of one each go on
 * alone, with `bytes` of shared memory. With a cluster, as so many blocks from `block` on, which are all there are. */
struct emulate_block {
    const char *kernel;
    int threads, warp;
    long long bytes, block;
    int cluster;
    bool alone; /* one of so many blocks that each has one task at most */
};
void emulate_launch(const emulate_block *b, void (*body)(void *), void *arg);
template <class F> void emulate(const emulate_block &b, F f) {
    emulate_launch(&b, [](void *u) { (*(F *)u)(); }, &f);
}

/* Scratch for blocks of any numbers, of which each touches its own. A block's is gone when it has ended. */
void *emulate_scratch();

/* Any pointer, as the parameter wants it. */
struct as_pointer {
    void *p;
    explicit as_pointer(void *of) : p(of) {}
    template <class T> operator T *() const { return (T *)p; }
};

/* `place` tells barriers apart; 0 where it is not known. */
void emulate_barrier(long long place);
int emulate_threads();
unsigned emulate_shuffle(unsigned x, long long lane);

/* Puts n bytes in this thread's slot, waits for the warp, and gives the warp's slots, EMULATE_SLOT bytes apart; they stay until the next
 * exchange but one. */
const unsigned char *emulate_exchange(const void *x, int n);
int emulate_lane();
/* D = A B + C by the row of that name in ir/products.def; a and b are `n` bytes of this thread, c and d `bytes`. */
void emulate_wave_product(const char *name, const void *a, const void *b, int n, const void *c, int bytes, void *d);

void emulate_copy(void *to, const void *from, int bytes, bool inside);
static inline void copy_async_4(void *to, const void *from, bool inside) { emulate_copy(to, from, 4, inside); }
static inline void copy_async_8(void *to, const void *from, bool inside) { emulate_copy(to, from, 8, inside); }
static inline void copy_async_16(void *to, const void *from, bool inside) { emulate_copy(to, from, 16, inside); }
void copy_commit();
void emulate_wait(int pending);
template <int pending> void copy_wait() { emulate_wait(pending); }

/* f16 by its bits, as codegen/c/convert.c has it for C. */
static inline unsigned emulate_bits(float x) {
    unsigned u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static inline float emulate_float(unsigned u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
static inline float f32_from_f16(unsigned short x) {
    unsigned sign = (unsigned)(x & 0x8000) << 16, a = x & 0x7fff;
    unsigned v = a >= 0x7c00 ? 0x7f800000 | (a & 0x3ff) << 13 : emulate_bits(emulate_float(a << 13) * 0x1p112f);
    return emulate_float(v | sign);
}
static inline unsigned short f16_from_f32(float x) {
    unsigned u = emulate_bits(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000) return (unsigned short)(sign | 0x7e00 | (a >> 13 & 0x3ff));
    if (a >= 0x47800000) return (unsigned short)(sign | 0x7c00);
    if (a < 0x38800000) return (unsigned short)(sign | (emulate_bits(emulate_float(a) + 0.5f) - 0x3f000000));
    return (unsigned short)(sign | (((a + 0xfff + (a >> 13 & 1)) >> 13) - 0x1c000));
}

#ifndef EMULATE_HIP
#define __syncthreads() emulate_barrier(__LINE__)
static inline unsigned shuffle_u32(unsigned x, long long lane) { return emulate_shuffle(x, lane); }
static inline float __int_as_float(int i) {
    float f;
    memcpy(&f, &i, 4);
    return f;
}
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline double __dmul_rn(double x, double y) { return x * y; }

/* ------------ atoms: their twins, by the tables of the PTX ISA, "Warp-level matrix instructions" */
static inline float emulate_f16(unsigned short u) {
    _Float16 h;
    memcpy(&h, &u, 2);
    return (float)h;
}
static inline float emulate_bf16(unsigned short u) { return __int_as_float((int)u << 16); }
/* The instruction reads the upper 19 bits. */
static inline float emulate_tf32(float f) {
    unsigned u;
    memcpy(&u, &f, 4);
    return __int_as_float((int)(u & 0xffffe000u));
}
static inline int emulate_i8(signed char x) { return x; }

/* D = A B + C, 16 x 8 x K. Element (row, k) of A and (k, column) of B are held by lanes as these say: `per` consecutive
 * k to a thread of a group of four, in two halves of K. */
template <int K, int per, class D, class E, class A, class B, class C> C emulate_product(A a, B b, C c, D (*value)(E)) {
    struct {
        A a;
        B b;
    } mine = {a, b};
    static_assert(sizeof mine <= EMULATE_SLOT, "");
    const unsigned char *all = emulate_exchange(&mine, sizeof mine);
    int lane = emulate_lane(), g = lane / 4, t = lane % 4;
    C d = c;
    for (int i = 0; i < 4; i++) {
        int row = g + 8 * (i / 2), column = 2 * t + i % 2;
        D sum = c.v[i];
        for (int k = 0; k < K; k++) {
            int half = k / (4 * per), in = k % (4 * per), t_of = in / per, at = in % per;
            E x, y;
            memcpy(&x, all + (row % 8 * 4 + t_of) * EMULATE_SLOT + sizeof x * (at + per * (row / 8) + 2 * per * half), sizeof x);
            memcpy(&y, all + (column * 4 + t_of) * EMULATE_SLOT + sizeof(A) + sizeof y * (at + per * half), sizeof y);
            sum += value(x) * value(y);
        }
        d.v[i] = sum;
    }
    return d;
}
template <class A, class B, class C> C mma_m16n8k16_f16(A a, B b, C c) {
    return emulate_product<16, 2, float, unsigned short>(a, b, c, emulate_f16);
}
template <class A, class B, class C> C mma_m16n8k16_bf16(A a, B b, C c) {
    return emulate_product<16, 2, float, unsigned short>(a, b, c, emulate_bf16);
}
template <class A, class B, class C> C mma_m16n8k8_tf32(A a, B b, C c) {
    return emulate_product<8, 1, float, float>(a, b, c, emulate_tf32);
}
template <class A, class B, class C> C mma_m16n8k32_i8(A a, B b, C c) {
    return emulate_product<32, 4, int, signed char>(a, b, c, emulate_i8);
}

struct emulate_halves {
    unsigned short v[8];
};
/* Four matrices of 8 x 8; lane i gives row i % 8 of matrix i / 8. */
emulate_halves emulate_ldmatrix(const void *row, bool transposed);
struct emulate_row {
    emulate_halves h;
    template <class T> operator T() const {
        T r;
        memcpy(&r, &h, sizeof r);
        return r;
    }
};
static inline emulate_row ldmatrix_x4_f16(const void *row) { return {emulate_ldmatrix(row, false)}; }
static inline emulate_row ldmatrix_x4_bf16(const void *row) { return {emulate_ldmatrix(row, false)}; }
static inline emulate_row ldmatrix_x4_trans_f16(const void *row) { return {emulate_ldmatrix(row, true)}; }
static inline emulate_row ldmatrix_x4_trans_bf16(const void *row) { return {emulate_ldmatrix(row, true)}; }

/* ------------ sm_90a: mbarriers, copies by the asynchronous proxy (done when they start, or, late, when no thread can go on
 * without them), barriers of parts. A tensor map is what the stand-in of the driver makes (tests/runtime/fake_map.h). */
#define __grid_constant__
static inline unsigned long long __cvta_generic_to_shared(const void *p) { return (unsigned long long)((const unsigned char *)p - shared); }
static inline void __syncwarp() {
    char none = 0;
    emulate_exchange(&none, 1);
}
void part_barrier(int number, int threads);
static inline void fence_async() {}
template <int> void give_registers() {}
template <int> void take_registers() {}
void mbarrier_init(unsigned long long *bar, unsigned count);
void emulate_arrive(unsigned long long *bar, long long bytes);
static inline void mbarrier_arrive(unsigned long long *bar) { emulate_arrive(bar, 0); }
static inline void mbarrier_expect(unsigned long long *bar, long long bytes) { emulate_arrive(bar, bytes); }
void mbarrier_wait(unsigned long long *bar, long long parity);

void emulate_map(void *map, void *base, int bytes, int rank, int swizzle, const long long *extents, const long long *strides, const int *box, const int *steps);
void emulate_box(void *at, const void *map, unsigned long long *bar, const long long *c); /* bar NULL: to the tensor */
template <class M, class... I> void emulate_load_box(void *to, const M *map, unsigned long long *bar, I... c) {
    long long at[] = {c...};
    emulate_box(to, map, bar, at);
}
template <class M, class... I> void emulate_store_box(const M *map, const void *from, I... c) {
    long long at[] = {c...};
    emulate_box((void *)from, map, nullptr, at);
}
#define EMULATE_BOXES(rank)                                                                                            \
    template <class M, class... I> void tensor_load_##rank##d(void *to, const M *map, unsigned long long *bar, I... c) { \
        emulate_load_box(to, map, bar, (long long)c...);                                                               \
    }                                                                                                                  \
    template <class M, class... I> void tensor_store_##rank##d(const M *map, const void *from, I... c) {               \
        emulate_store_box(map, from, (long long)c...);                                                                 \
    }
EMULATE_BOXES(2) EMULATE_BOXES(3) EMULATE_BOXES(4) EMULATE_BOXES(5)
void bulk_load(void *to, const void *from, long long bytes, unsigned long long *bar);
void bulk_store(void *to, const void *from, long long bytes);
void bulk_commit();
void emulate_bulk_wait(int pending);
template <int pending> void bulk_wait() { emulate_bulk_wait(pending); }
template <int pending> void bulk_wait_read() { emulate_bulk_wait(pending); }

/* Clusters. */
unsigned cluster_rank();
void emulate_cluster_barrier(long long place);
#define cluster_barrier() emulate_cluster_barrier(__LINE__)
void *of_rank(void *at, unsigned rank);
static inline void mbarrier_arrive_there(unsigned long long *bar) { emulate_arrive(bar, 0); }
static inline void mbarrier_wait_cluster(unsigned long long *bar, long long parity) { mbarrier_wait(bar, parity); }
#define EMULATE_RANKS(rank)                                                                                            \
    template <class M, class... I> void tensor_load_##rank##d_ranks(unsigned ranks, void *to, const M *map, unsigned long long *bar, I... c) { \
        for (unsigned r = 0; ranks >> r; r++)                                                                          \
            if (ranks >> r & 1) emulate_load_box(of_rank(to, r), map, (unsigned long long *)of_rank(bar, r), (long long)c...); \
    }
EMULATE_RANKS(2) EMULATE_RANKS(3) EMULATE_RANKS(4) EMULATE_RANKS(5)

/* The tensor core of four warps: each thread makes its elements of D when the product starts, or, late, when a wait covers its
 * group; until then the accumulator is nonsense that says which it is. */
static inline void wgmma_fence() {}
void wgmma_commit();
void emulate_products_wait(int pending);
template <int pending> void wgmma_wait() { emulate_products_wait(pending); }
bool emulate_is_late();
/* `product` (from malloc) is to be run on the accumulator of n bytes at c. */
void emulate_later(void *c, int n, void (*run)(void *product, void *c), void *product);
/* The accumulator at c, where its products are done: else it stays nonsense. */
void emulate_take(void *c, int n);
template <class C> void emulate_kept(C *c) { emulate_take(c, sizeof *c); }
/* f(c), now or later. */
template <class C, class F> C emulate_product_of(C c, F f) {
    if (!emulate_is_late()) {
        f(c);
        return c;
    }
    F *kept = (F *)malloc(sizeof f);
    memcpy((void *)kept, (const void *)&f, sizeof f);
    emulate_later(&c, sizeof c, [](void *product, void *at) {
        C d; /* `at` need not be aligned as a vector is */
        memcpy((void *)&d, at, sizeof d);
        (*(F *)product)(d);
        memcpy(at, (const void *)&d, sizeof d);
    }, kept);
    return c;
}

/* Byte of the block's memory where the descriptor has element `row` of A (column of B), reduced position k: PTX ISA, "Matrix
 * descriptor format" and "Shared Memory Matrix Layout". */
static inline unsigned emulate_place(unsigned long long d, int row, int k, int size, bool major) {
    static const unsigned spans[4] = {16, 128, 64, 32};
    unsigned span = spans[d >> 62], start = (unsigned)(d & 0x3fff) << 4, leading = (unsigned)(d >> 16 & 0x3fff) << 4, stride = (unsigned)(d >> 32 & 0x3fff) << 4;
    if (major && span == 16) { /* the fields have changed places */
        unsigned t = leading;
        leading = stride, stride = t;
    }
    unsigned along = (unsigned)((major ? row : k) * size), other = (unsigned)(major ? k : row);
    unsigned at = start + other / 8 * stride + other % 8 * span + along / span * leading + along % span;
    return at ^ (at >> 3 & (span - 16));
}
template <class E> struct emulate_element;
template <class R, class E> struct emulate_element<R (*)(E)> {
    typedef E in;
    typedef R out;
};
template <auto value, int N, int MA, int MB, class A, class C> C emulate_products(A element_of_a, C c, unsigned long long b) {
    typedef typename emulate_element<decltype(value)>::in E;
    typedef typename emulate_element<decltype(value)>::out R;
    enum { DEPTH = 32 / sizeof(E) };
    int t = (int)threadIdx.x % 128;
    for (int i = 0; i < N / 2; i++) {
        int row = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8, column = t % 4 * 2 + i % 2 + i / 4 * 8;
        R sum = c.v[i];
        for (int k = 0; k < DEPTH; k++) {
            E x = element_of_a(row, k), y;
            memcpy(&y, shared + emulate_place(b, column, k, sizeof(E), MB), sizeof y);
            if constexpr (sizeof(R) == 4 && R(0.5f) != R(0)) sum = (R)__builtin_fmaf((float)value(x), (float)value(y), (float)sum);
            else sum = (R)((unsigned)sum + (unsigned)(value(x) * value(y)));
        }
        c.v[i] = sum;
    }
    return c;
}
template <auto value, int N, int MA, int MB, class C> C emulate_wgmma(C c, unsigned long long a, unsigned long long b) {
    typedef typename emulate_element<decltype(value)>::in E;
    auto of_a = [a](int row, int k) {
        E x;
        memcpy(&x, shared + emulate_place(a, row, k, sizeof(E), MA), sizeof x);
        return x;
    };
    return emulate_product_of(c, [=](C &d) { d = emulate_products<value, N, MA, MB>(of_a, d, b); });
}
/* A in registers: the threads of a row's group of four hold it, 4 bytes side by side, then 8 rows on, then the other half of k. */
template <auto value, int N, int MA, int MB, class C, class A> C emulate_wgmma(C c, A a, unsigned long long b) {
    typedef typename emulate_element<decltype(value)>::in E;
    enum { PER = 4 / sizeof(E), HALF = 16 / sizeof(E) };
    static_assert(sizeof a == 16, "");
    struct {
        unsigned char of[32][16];
    } all;
    const unsigned char *slots = emulate_exchange(&a, sizeof a);
    for (int l = 0; l < 32; l++) memcpy(all.of[l], slots + l * EMULATE_SLOT, 16);
    auto of_a = [all](int row, int k) {
        E x;
        int thread = row % 8 * 4 + k % HALF / PER, at = k % PER + PER * (row / 8 % 2) + 2 * PER * (k / HALF);
        memcpy(&x, all.of[thread] + at * (int)sizeof(E), sizeof x);
        return x;
    };
    return emulate_product_of(c, [=](C &d) { d = emulate_products<value, N, MA, MB>(of_a, d, b); });
}
#endif
#endif
