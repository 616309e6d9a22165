/* The numbers of frit bench, and how they are shown, stored and compared. */
#ifndef FRIT_TOOLS_BENCH_H
#define FRIT_TOOLS_BENCH_H
#include "cli.h"
#include "machine.h"

typedef struct {
    const char *name, *file;
    uint32_t line;
    double launches, seconds, bytes, flops; /* a run */
    double share;                           /* of the machine's limit, 0 .. 1; 0 when nothing is known */
} bench_kernel;

/* One size of a sweep. */
typedef struct {
    const char *sizes; /* "S=32", "" without a sweep */
    int runs, n_kernels;
    double median, fastest; /* seconds a run */
    double launches, bytes, flops, share;
    size_t memory; /* arena and states */
    bench_kernel *kernels;
} bench_point;

typedef struct {
    const char *model, *target, *fusion;
    double compile; /* seconds; negative for a package */
    machine_limits machine;
    bench_point *points;
    int n;
} bench_report;

/* Time that bytes and flops need at the machine's limits over the time taken. */
double bench_share(const machine_limits *m, double bytes, double flops, double seconds);
void bench_print(FILE *out, const bench_report *r);
bool bench_write_json(const char *path, const bench_report *r, io_error *e);
bool bench_write_html(const char *path, const bench_report *r, io_error *e);
/* Compares with the JSON of an earlier run, point by point; prints each change. *regressed: a median grew by more than
 * `allowed` (0.05 is 5%). */
bool bench_compare(FILE *out, const bench_report *r, const char *path, double allowed, bool *regressed, io_error *e);
#endif
