/* The hook of NAME_set_threads on OpenMP: parallel_for(NULL, n, fn, arg) calls fn(arg, i) for each i below n. */
#ifndef THREADS_H
#define THREADS_H
static void parallel_for(void *user, int n, void (*fn)(void *arg, int i), void *arg) {
    (void)user;
#pragma omp parallel for schedule(static, 1)
    for (int i = 0; i < n; i++) fn(arg, i);
}
#endif
