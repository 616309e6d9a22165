/* Programs for the compiled-against-interpreter matrix. A program is written output by output; matrix_end compiles it in
 * every fusion mode, runs it at every row of dims with its buffers between guard pages, and on failure finds the outputs
 * that fail alone. Each compilation runs in a process of its own: a crash is a failure like any other. */
#ifndef FRIT_TESTS_MATRIX_H
#define FRIT_TESTS_MATRIX_H
#include "roundtrip.h"

typedef struct matrix_text {
    char *s;
    size_t n, cap;
} matrix_text;

enum { MATRIX_MAX_OUTPUTS = 512, MATRIX_MAX_DIMS = 8, MATRIX_MAX_ROWS = 8 };

typedef enum matrix_flags {
    MATRIX_SPECIAL = 1, /* NaN, infinities and limits among the inputs */
    MATRIX_FULL = 2,    /* mode full only */
    MATRIX_TOGETHER = 4 /* all outputs in one program however many; not taken apart on failure */
} matrix_flags;

typedef struct matrix {
    const char *filter;   /* runs only groups whose name contains it; NULL: all */
    const char *keep;     /* folder for the texts of failures, or NULL */
    const char *target;   /* roundtrip_options.target */
    int device;           /* of the first program; the next ones count on */
    bool verbose;
    bool compile_only;    /* in mode full; runs nothing */
    int every, from;      /* only programs from, from + every, ...; 0: all */
    int seen;             /* programs so far, those left out included */
    int runs;             /* runs in a row of the current group; 0: one a row */
    int failures, programs;
    /* the current group */
    bool active;
    char group[64];
    const char *decls, *args, *after; /* after: text behind the function, or NULL */
    int flags;
    int n_dims, n_rows;
    char names[MATRIX_MAX_DIMS][16];
    int64_t values[MATRIX_MAX_ROWS * MATRIX_MAX_DIMS];
    int n_outputs, next; /* next: number of the next output, for names */
    matrix_text body[MATRIX_MAX_OUTPUTS];
    int number[MATRIX_MAX_OUTPUTS];
} matrix;

/* dims: "M 0 1 5; N 3 8 37": values by row for dims and host ints. decls: .fir lines (dims, params, states).
 * args: the function's arguments. decls and args must live until matrix_end. */
void matrix_begin(matrix *m, const char *group, int flags, const char *dims, const char *decls, const char *args);
/* Lines that compute one output. `$` is this output's value; `$x` a value that belongs to it, `@x` a
 * symbol. */
void matrix_out(matrix *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void matrix_end(matrix *m);
/* A whole program: .fir text. */
void matrix_program(matrix *m, const char *text);

void matrix_elementwise(matrix *m);
void matrix_casts(matrix *m);
void matrix_views(matrix *m);
void matrix_reductions(matrix *m);
void matrix_indexed(matrix *m);
void matrix_control(matrix *m);
#endif
