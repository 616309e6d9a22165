/* What this machine can do, measured: the limits that benchmarks are held against. */
#ifndef FRIT_TOOLS_MACHINE_H
#define FRIT_TOOLS_MACHINE_H

typedef struct {
    double copy_bytes; /* bytes read plus bytes written a second by a copy far larger than the caches */
    double fma_flops;  /* f32 multiplies and adds a second by fused multiply-adds in registers */
    int threads;
} machine_limits;

/* Measures these limits again and again between what is held against them: a machine that others use, or that changes its
 * clock, has no one speed. threads: how many run at once (0: one per CPU). NULL: out of memory. */
typedef struct machine_meter machine_meter;
machine_meter *machine_meter_open(int threads);
void machine_meter_close(machine_meter *m);
/* One more sample of both, about ten milliseconds. It leaves nothing in the caches. */
void machine_meter_sample(machine_meter *m);
int machine_meter_count(const machine_meter *m);
/* Medians of the samples from number `first` on. */
machine_limits machine_meter_read(const machine_meter *m, int first);
/* Seconds on a clock that only goes forward. */
double machine_seconds(void);
/* Overwrites enough memory that nothing of the program's data is left in the caches. */
void machine_evict(void);
#endif
