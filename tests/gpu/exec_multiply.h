/* Products of small dense row-major matrices, compiled for two instruction sets. */
#ifndef FRIT_TESTS_GPU_EXEC_MULTIPLY_H
#define FRIT_TESTS_GPU_EXEC_MULTIPLY_H
#include <stdint.h>

/* C (m x n) += A (m x k) B (k x n), element by element in order of k; floats by fused multiply-adds, integers modulo 2^32.
 * Row r of A is row rows[r] of a. n is a multiple of 8. */
typedef struct exec_multiply {
    void (*f32)(int m, int n, int k, const float *a, const int *rows, const float *b, float *c);
    void (*i32)(int m, int n, int k, const int32_t *a, const int *rows, const int32_t *b, int32_t *c);
    /* The upper 19 bits of every f32 of x: sign, 8 bits of exponent, 10 of fraction. */
    void (*to_tf32)(float *x, int n);
} exec_multiply;

/* The same for any x86-64 (or another processor) and for x86-64-v3. */
extern const exec_multiply exec_multiply_any, exec_multiply_v3;
#endif
