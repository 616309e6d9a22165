/* Dialects cuda and hip: C++ with nothing included. */
#include "printer_internal.h"

#define TYPES                                                                                                          \
    "typedef signed char i8;\n"                                                                                        \
    "typedef short i16;\n"                                                                                             \
    "typedef int i32;\n"                                                                                               \
    "typedef long long i64;\n"                                                                                         \
    "typedef unsigned char u8, f8e4m3, f8e5m2; /* the bits of a float of 8 bits */\n"                                  \
    "typedef unsigned short u16, f16, bf16;\n"                                                                         \
    "typedef unsigned int u32;\n"                                                                                      \
    "typedef unsigned long long u64;\n"                                                                                \
    "\n"                                                                                                               \
    "#define PRAGMA(x) _Pragma(#x)\n"                                                                                  \
    "#define UNROLL(n) PRAGMA(unroll n)\n"                                                                             \
    "#define LANES(n) UNROLL(n) for (int l = 0; l < n; l++)\n"

static const char *const types[FRIT_DTYPE_COUNT] = {
    [FRIT_f64] = "double", [FRIT_f32] = "float",       [FRIT_f16] = "f16", [FRIT_bf16] = "bf16", [FRIT_f8e4m3] = "f8e4m3",
    [FRIT_f8e5m2] = "f8e5m2", [FRIT_i64] = "i64", [FRIT_i32] = "i32", [FRIT_i16] = "i16",   [FRIT_i8] = "i8",
    [FRIT_u64] = "u64",    [FRIT_u32] = "u32",         [FRIT_u16] = "u16", [FRIT_u8] = "u8",     [FRIT_i4] = "i8",
    [FRIT_u4] = "u8",      [FRIT_bool] = "bool"};

static const char cuda_preamble[] =
    TYPES
    "#define DEVICE __device__ __forceinline__\n"
    "#define HELPER static DEVICE\n"
    "\n"
    "#ifndef FRIT_EMULATE\n"
    "#ifndef INFINITY\n"
    "#define INFINITY __int_as_float(0x7f800000)\n"
    "#endif\n"
    "/* x of the warp's thread number `lane` */\n"
    "HELPER u32 shuffle_u32(u32 x, i64 lane) {\n"
    "    return __shfl_sync(0xffffffff, x, (int)lane);\n"
    "}\n"
    "#endif\n"
    "\n";

static const char cuda_about[] =
    " * CUDA C for %s; nothing is included. To compile: nvcc -arch=%s -std=c++17 -fmad=false -cubin FILE.cu,\n"
    " * or NVRTC with --gpu-architecture=%s --std=c++17 --fmad=false.\n"
    " * To launch: one dimension of blocks, with the threads and the bytes of dynamic shared memory that each kernel's header names;\n"
    " * above 48 KiB, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES is set before.\n";

const dialect dialect_cuda = {.preamble = cuda_preamble,
                              .about = cuda_about,
                              .restrict_ = "__restrict__",
                              .inline_ = "HELPER",
                              .types = types,
                              .blocks = true,
                              .nvidia = true,
                              .rounds_products = true,
                              .thread = "threadIdx.x",
                              .block = "blockIdx.x",
                              .block_count = "gridDim.x",
                              .barrier = "__syncthreads()",
                              .bounds = "__global__ void __launch_bounds__(%d, 1)",
                              .shared = "extern __shared__ __align__(1024) u8 shared[];"};

static const char hip_preamble[] =
    "#pragma clang fp contract(off)\n"
    "\n" TYPES
    "#define DEVICE inline __attribute__((device, always_inline, unused))\n"
    "#define HELPER static DEVICE\n"
    "#define INFINITY __builtin_inff()\n"
    "#define fma __builtin_fma\n"
    "#define fmaf __builtin_fmaf\n"
    "#define sqrt __builtin_sqrt\n"
    "#define sqrtf __builtin_sqrtf\n"
    "#define fabs __builtin_fabs\n"
    "#define fabsf __builtin_fabsf\n"
    "#define floor __builtin_floor\n"
    "#define floorf __builtin_floorf\n"
    "#define ceil __builtin_ceil\n"
    "#define ceilf __builtin_ceilf\n"
    "#define trunc __builtin_trunc\n"
    "#define truncf __builtin_truncf\n"
    "#define rint __builtin_rint\n"
    "#define rintf __builtin_rintf\n"
    "\n"
    "/* All threads of the block come, and see what each has written. */\n"
    "HELPER void block_barrier() {\n"
    "    __builtin_amdgcn_fence(__ATOMIC_RELEASE, \"workgroup\");\n"
    "    __builtin_amdgcn_s_barrier();\n"
    "    __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, \"workgroup\");\n"
    "}\n"
    "/* x of the wave's thread number `lane` */\n"
    "HELPER u32 shuffle_u32(u32 x, i64 lane) {\n"
    "    return (u32)__builtin_amdgcn_ds_bpermute((int)lane << 2, (int)x);\n"
    "}\n"
    "\n";

static const char hip_about[] =
    " * HIP for %s; nothing is included. To compile: hipcc --offload-arch=%s --genco -O3 FILE.hip,\n"
    " * or hiprtc with --offload-arch=%s.\n"
    " * To launch: one dimension of blocks, with the threads and the bytes of dynamic shared memory that each kernel's header names.\n";

const dialect dialect_hip = {.preamble = hip_preamble,
                             .about = hip_about,
                             .restrict_ = "__restrict__",
                             .inline_ = "HELPER",
                             .types = types,
                             .blocks = true,
                             .thread = "__builtin_amdgcn_workitem_id_x()",
                             .block = "__builtin_amdgcn_workgroup_id_x()",
                             .block_count = "__builtin_amdgcn_grid_size_x() / __builtin_amdgcn_workgroup_size_x()",
                             .barrier = "block_barrier()",
                             .bounds = "__attribute__((global, amdgpu_flat_work_group_size(1, %d), amdgpu_waves_per_eu(2))) void",
                             .shared = "extern __attribute__((shared, aligned(128))) u8 shared[];"};
