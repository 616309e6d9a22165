/* Dialect c: C99 and C++, any compiler; GCC's vectors where they are. */
#include "printer_internal.h"

static const char preamble[] =
    "#include <math.h>\n"
    "#include <stdbool.h>\n"
    "#include <stdint.h>\n"
    "#include <string.h>\n"
    "\n"
    "/* Results depend on no product being fused with a sum. */\n"
    "#if defined(__FAST_MATH__)\n"
    "#error \"compile without -ffast-math and -Ofast\"\n"
    "#elif defined(__clang__)\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#elif defined(__GNUC__)\n"
    "#pragma GCC optimize(\"fp-contract=off\")\n"
    "#endif\n"
    "#ifdef __GNUC__\n"
    "#pragma GCC diagnostic ignored \"-Wpsabi\" /* vectors are passed between static functions only */\n"
    "#define FRIT_VECTORS\n"
    "#define LANE(x, l) x[l]\n"
    "#define HELPER static inline __attribute__((always_inline, unused))\n"
    "#else\n"
    "#define LANE(x, l) x.v[l]\n"
    "#define HELPER static inline\n"
    "#endif\n"
    "/* Loops over lanes are not copied to every use, unless the processor multiplies and adds in one instruction. */\n"
    "#if defined(__GNUC__) && !defined(__FMA__) && !defined(__aarch64__)\n"
    "#define LANEWISE static __attribute__((noinline, unused))\n"
    "#else\n"
    "#define LANEWISE HELPER\n"
    "#endif\n"
    "#define LANES(n) for (int l = 0; l < n; l++)\n"
    "#define UNROLL(n)\n"
    "#ifndef FRIT_KERNEL\n"
    "#define FRIT_KERNEL\n"
    "#endif\n"
    "#if defined(__cplusplus) || defined(__TINYC__)\n"
    "#define restrict\n"
    "#endif\n"
    "\n"
    "typedef int8_t i8;\n"
    "typedef int16_t i16;\n"
    "typedef int32_t i32;\n"
    "typedef int64_t i64;\n"
    "typedef uint8_t u8, f8e4m3, f8e5m2; /* the bits of a float of 8 bits */\n"
    "typedef uint16_t u16, f16, bf16;\n"
    "typedef uint32_t u32;\n"
    "typedef uint64_t u64;\n"
    "\n";

static const char *const types[FRIT_DTYPE_COUNT] = {
    [FRIT_f64] = "double", [FRIT_f32] = "float",       [FRIT_f16] = "f16", [FRIT_bf16] = "bf16", [FRIT_f8e4m3] = "f8e4m3",
    [FRIT_f8e5m2] = "f8e5m2", [FRIT_i64] = "i64", [FRIT_i32] = "i32", [FRIT_i16] = "i16",   [FRIT_i8] = "i8",
    [FRIT_u64] = "u64",    [FRIT_u32] = "u32",         [FRIT_u16] = "u16", [FRIT_u8] = "u8",     [FRIT_i4] = "i8",
    [FRIT_u4] = "u8",      [FRIT_bool] = "bool"};

const dialect dialect_c = {.preamble = preamble, .restrict_ = "restrict", .inline_ = "HELPER", .types = types, .gnu_vectors = true};
