/* FRIT_DEBUG and FRIT_DUMP_DIR: how to look into the compiler. */
#ifndef FRIT_TOOLS_DEBUG_H
#define FRIT_TOOLS_DEBUG_H
#include <stdbool.h>
#include <stdint.h>

typedef enum {
#define DEBUG(id, form, help) DEBUG_##id,
#include "debug.def"
#undef DEBUG
    DEBUG_COUNT
} debug_word;

typedef struct {
    const char *form, *help;
} debug_info;
extern const debug_info debug_table[DEBUG_COUNT];

typedef struct {
    uint32_t words;       /* bit i: word i is given */
    const char *skip;     /* value of skip=, to the next ':' or the end */
    int skip_length;
    const char *dump_dir; /* or NULL */
} debug_settings;

static inline bool debug_on(const debug_settings *s, debug_word w) { return s->words >> w & 1; }
/* Reads both variables. False: *wrong (n characters) is no word of the table. */
bool debug_read(debug_settings *s, const char **wrong, int *n);
/* Compilation differs from the default: results must not come from the cache. */
bool debug_changes_compiler(const debug_settings *s);
#endif
