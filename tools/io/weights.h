/* The weights given on a command line: several -w arguments seen as one table of named tensors.
 *
 * An argument is a .safetensors file, a directory (its *.index.json, else all its .safetensors files), an index file
 * (*.index.json: {"weight_map": {key: file}}), or PREFIX=FILE, whose keys are found as PREFIX.key. A key in two files is
 * an error. Arguments are opened at once; tensors are read when asked for. */
#ifndef FRIT_TOOLS_WEIGHTS_H
#define FRIT_TOOLS_WEIGHTS_H
#include "safetensors.h"

typedef struct weights weights;

weights *weights_new(void);
void weights_free(weights *w);
bool weights_add(weights *w, const char *argument, io_error *e);

int weights_count(const weights *w);
/* Index of `key`, or -1. */
int weights_find(const weights *w, const char *key);
const char *weights_key(const weights *w, int i);
const safetensor *weights_entry(const weights *w, int i);
/* The file that holds tensor i, as given. */
const char *weights_file(const weights *w, int i);
/* The files that were opened, in order. */
int weights_files(const weights *w);
const char *weights_file_at(const weights *w, int i);
/* The tensor's bytes (mapped). The caller frees *a. */
bool weights_read(weights *w, int i, io_array *a, io_error *e);
/* Up to `max` keys nearest to `key` by edit distance, best first; returns how many. */
int weights_nearest(const weights *w, const char *key, int max, const char **keys);
/* A digest of what was given (keys, dtypes, shapes, offsets, sizes, times): a cache key for what depends on weights. */
uint64_t weights_digest(const weights *w);
#endif
