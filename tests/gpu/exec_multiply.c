/* Compiled once per instruction set; EXEC_MULTIPLY names the one table that it exports. */
#include "exec_multiply.h"
#include <math.h>
#include <string.h>

/* Four rows of C (or one) and eight columns at a time, so that the sums stay in registers. */
enum { ROWS = 4, COLUMNS = 8 };

#define MULTIPLY(name, T, STEP)                                                                                        \
    static inline __attribute__((always_inline)) void name##_tile(int rows, int n, int k, const T *const *a, \
                                                                  const T *b, T *c) {                                  \
        T sum[ROWS][COLUMNS];                                                                                          \
        for (int r = 0; r < rows; r++)                                                                                 \
            for (int j = 0; j < COLUMNS; j++) sum[r][j] = c[r * n + j];                                                \
        for (int i = 0; i < k; i++)                                                                                    \
            for (int r = 0; r < rows; r++)                                                                             \
                for (int j = 0; j < COLUMNS; j++) sum[r][j] = STEP(a[r][i], b[i * n + j], sum[r][j]);                   \
        for (int r = 0; r < rows; r++)                                                                                 \
            for (int j = 0; j < COLUMNS; j++) c[r * n + j] = sum[r][j];                                                \
    }                                                                                                                  \
    static void name(int m, int n, int k, const T *a, const int *rows, const T *b, T *c) {                             \
        for (int r = 0, step; r < m; r += step) {                                                                      \
            const T *at[ROWS];                                                                                         \
            step = m - r < ROWS ? 1 : ROWS;                                                                            \
            for (int s = 0; s < step; s++) at[s] = a + rows[r + s] * k;                                                \
            for (int j = 0; j < n; j += COLUMNS) {                                                                     \
                if (step == ROWS) name##_tile(ROWS, n, k, at, b + j, c + r * n + j);                                   \
                else name##_tile(1, n, k, at, b + j, c + r * n + j);                                                   \
            }                                                                                                          \
        }                                                                                                              \
    }
#define FUSED(x, y, z) fmaf(x, y, z)
#define WRAPPED(x, y, z) (int32_t)((uint32_t)(z) + (uint32_t)(x) * (uint32_t)(y))
MULTIPLY(multiply_f32, float, FUSED)
MULTIPLY(multiply_i32, int32_t, WRAPPED)

static void to_tf32(float *x, int n) {
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], 4);
        bits &= 0xffffe000;
        memcpy(&x[i], &bits, 4);
    }
}

const exec_multiply EXEC_MULTIPLY = {multiply_f32, multiply_i32, to_tf32};
