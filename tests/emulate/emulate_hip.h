/* Dialect hip on the host, by emulate.h: what the text takes from clang's AMDGPU back end, under its names. */
#ifndef FRIT_TESTS_EMULATE_HIP_H
#define FRIT_TESTS_EMULATE_HIP_H
#define EMULATE_HIP
#include "emulate.h"
#undef INFINITY /* the text defines it */
#define amdgpu_flat_work_group_size(...) unused
#define amdgpu_waves_per_eu(...) unused

static inline unsigned __builtin_amdgcn_workitem_id_x() { return threadIdx.x; }
static inline unsigned __builtin_amdgcn_workgroup_id_x() { return blockIdx.x; }
static inline unsigned __builtin_amdgcn_workgroup_size_x() { return (unsigned)emulate_threads(); }
static inline unsigned __builtin_amdgcn_grid_size_x() { return gridDim.x * __builtin_amdgcn_workgroup_size_x(); }

#define __builtin_amdgcn_fence(order, scope) (void)0
/* Which barrier it is can't be told: the text calls one function, and the compiler may print its body twice. */
#define __builtin_amdgcn_s_barrier() emulate_barrier(0)
/* The lane's number is counted in bytes. */
static inline int __builtin_amdgcn_ds_bpermute(int at, int x) { return (int)emulate_shuffle((unsigned)x, at >> 2); }

template <class V, class C> static inline C emulate_wave(const char *name, V a, V b, C c) {
    C d;
    static_assert(2 * sizeof a <= EMULATE_SLOT, "");
    emulate_wave_product(name, &a, &b, (int)sizeof a, &c, (int)sizeof c, &d);
    return d;
}
#define __builtin_amdgcn_mfma_f32_16x16x16f16(a, b, c, x, y, z) emulate_wave("mfma_16x16x16_f16", a, b, c)
#define __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(a, b, c, x, y, z) emulate_wave("mfma_16x16x16_bf16", a, b, c)
#define __builtin_amdgcn_mfma_f32_16x16x4f32(a, b, c, x, y, z) emulate_wave("mfma_16x16x4_f32", a, b, c)
#define __builtin_amdgcn_mfma_i32_16x16x16i8(a, b, c, x, y, z) emulate_wave("mfma_16x16x16_i8", a, b, c)
#define __builtin_amdgcn_mfma_i32_16x16x32_i8(a, b, c, x, y, z) emulate_wave("mfma_16x16x32_i8", a, b, c)
#define __builtin_amdgcn_wmma_f32_16x16x16_f16_w32(a, b, c) emulate_wave("wmma_16x16x16_f16", a, b, c)
#define __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32(a, b, c) emulate_wave("wmma_16x16x16_bf16", a, b, c)
#define __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32(s, a, t, b, c, clamp) emulate_wave("wmma_16x16x16_i8", a, b, c)
#define __builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12(a, b, c) emulate_wave("wmma4_16x16x16_f16", a, b, c)
#define __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32_gfx12(a, b, c) emulate_wave("wmma4_16x16x16_bf16", a, b, c)
#define __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32_gfx12(s, a, t, b, c, clamp) emulate_wave("wmma4_16x16x16_i8", a, b, c)
#endif
