#include "debug.h"
#include <stdlib.h>
#include <string.h>

const debug_info debug_table[DEBUG_COUNT] = {
#define DEBUG(id, form, help) {form, help},
#include "debug.def"
#undef DEBUG
};

static debug_word find(const char *text, size_t n) {
    int i = 0;
    for (; i < DEBUG_COUNT; i++) {
        size_t length = strlen(debug_table[i].form);
        bool value = debug_table[i].form[length - 1] == '=';
        if ((value ? n >= length : n == length) && !strncmp(text, debug_table[i].form, length))
            break;
    }
    return (debug_word)i;
}

bool debug_read(debug_settings *s, const char **wrong, int *n) {
    const char *text = getenv("FRIT_DEBUG"), *dump = getenv("FRIT_DUMP_DIR");
    *s = (debug_settings){.dump_dir = dump && *dump ? dump : NULL};
    while (text && *text) {
        size_t length = strcspn(text, ":");
        debug_word w = find(text, length);
        if (length && w == DEBUG_COUNT) {
            *wrong = text;
            *n = (int)length;
            return false;
        }
        if (length)
            s->words |= 1u << w;
        if (length && w == DEBUG_skip) {
            s->skip = text + strlen(debug_table[w].form);
            s->skip_length = (int)(length - strlen(debug_table[w].form));
        }
        text += length + (text[length] == ':');
    }
    return true;
}

bool debug_changes_compiler(const debug_settings *s) { return s->dump_dir || s->words & ~(1u << DEBUG_nocrash); }
