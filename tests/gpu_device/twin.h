/* Kernels of thread IR with data of their own, run by the executor: what others that run them must write too. */
#ifndef FRIT_TESTS_GPU_DEVICE_TWIN_H
#define FRIT_TESTS_GPU_DEVICE_TWIN_H
#include "ir/diag.h"
#include "ir/ir.h"

enum { TWIN_BYTES = 1 << 17, TWIN_BUFFERS = 8, TWIN_EXTENT = 96 }; /* of a buffer; the value of the symbol */

#define TWIN_TASKS(f) ((f)->cluster ? (f)->cluster : 1) /* and blocks */

typedef struct twin {
    const char *path;
    diag *d;
    ir_module *m;
    ir_func *f;
    int n; /* buffers of TWIN_BYTES; the last is written */
    char *host[TWIN_BUFFERS], *want; /* want: what is written to the last, which holds 0xff before */
} twin;

/* Ends the process with these words unless ok. */
void twin_need(bool ok, const char *what, const char *more);
/* The kernel of a file, run by the executor in several orders. */
twin twin_open(const char *path);
void twin_close(twin *t);
/* Paths of the *.fir of a folder, sorted; how many. */
int twin_list(const char *folder, char **paths, int most);
#endif
