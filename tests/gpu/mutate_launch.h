/* A launch as mutants meet it: its memory as it was before each run, other data that the kernel may be given as well, and what
 * the kernel itself makes of each. */
#ifndef FRIT_TESTS_GPU_MUTATE_LAUNCH_H
#define FRIT_TESTS_GPU_MUTATE_LAUNCH_H
#include "driver.h"

/* Ways to run: briefly, in as many blocks as there may be, two of which run, with copies that end early, and in few that have
 * several tasks each, one of which runs, with late copies; then more blocks, four of that many with late copies and two of few
 * with early ones. */
enum { RUNS = 4 };
/* Data: that of the launch; random numbers where floats come in; the same with the largest and smallest among them, infinities
 * and NaN; random again with many -0.0, and few infinities and NaN, in buffers of open sizes alone: of one among weights all
 * rows of a batch become NaN; random with more of these among weights alone, where each row of weights makes a column; random
 * with one infinity, in one of the first five matrices of weights: a mean over columns is infinite, and not yet NaN; random where
 * the kernel itself reads, and NaN elsewhere; then one for each integer that comes in, which is very large. */
enum { DATA_OWN, DATA_RANDOM, DATA_WILD, DATA_FEW, DATA_WEIGHTS, DATA_POINT };
enum { DATA_UNREAD = DATA_POINT + 5, DATA_INTS, MAX_DATA = DATA_INTS + 12 };

typedef struct trial {
    int pass;  /* 1 or 2 */
    bool open; /* outputs are saved and there is scratch memory: from the first run on */
    const exec_tapped *t;
    int n_buffers, n_ints, n_data;
    exec_memory *buffers[MAX_DATA]; /* made by the first run on those data, NULL before */
    int64_t *ints[MAX_DATA];
    exec_memory scratch;   /* for as many blocks as there may be */
    int64_t scratch_bytes; /* of one */
    char *before; /* what the outputs held, and which of their bytes had a value */
    uint64_t after[MAX_DATA][RUNS];
    int64_t steps[MAX_DATA]; /* of all runs on these data */
    bool watch, tame; /* as in exec_launch */
} trial;

/* Costs next to nothing until something runs. */
void trial_open(trial *r, int pass, const exec_tapped *t);
/* The launch's memory is as it was; or its outputs hold numbers as if it had run (`filled`). */
void trial_close(trial *r, bool filled);
/* Whether `run` is made on these data: in the first pass the brief ones on the launch's own, in the second the others, and
 * one of the brief ones on other data, by turns. */
bool trial_has(const trial *r, int data, int run);
/* One run, the first on any data of the kernel itself; false: a check failed, message (of n bytes) says which. Seen by exec_seen
 * where r->watch. */
bool trial_run(trial *r, exec_kernel *k, int data, int run, int64_t max_steps, const ir_op *nonsense, char *message, size_t n);
/* Hash of what the outputs hold now. */
uint64_t trial_outcome(const trial *r);
#endif
