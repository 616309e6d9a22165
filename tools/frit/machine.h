/* What this machine can do, measured: the limits that benchmarks are held against. */
#ifndef FRIT_TOOLS_MACHINE_H
#define FRIT_TOOLS_MACHINE_H

typedef struct {
    double copy_bytes; /* bytes read plus bytes written a second by a copy far larger than the caches */
    double fma_flops;  /* f32 multiplies and adds a second by fused multiply-adds in registers */
    int threads;
} machine_limits;

/* Takes about a quarter of a second. threads: how many run at once (0: one per CPU). */
machine_limits machine_measure(int threads);
/* Seconds on a clock that only goes forward. */
double machine_seconds(void);
/* Overwrites enough memory that nothing of the program's data is left in the caches. */
void machine_evict(void);
#endif
