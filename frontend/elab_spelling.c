/* Names that people bring from other libraries, and what to write in frit: for the help of messages. */
#include "elab_internal.h"
#include <string.h>

typedef struct spelling {
    const char *name, *text;
} spelling;

static const spelling names[] = {
#define SPELLING(name, text) {name, text},
#include "spellings.def"
#undef SPELLING
};

static const spelling keywords[] = {
#define SPELLING(name, text)
#define KEYWORD(name, text) {name, text},
#include "spellings.def"
#undef KEYWORD
#undef SPELLING
};

const char *el_spelling(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].name, name))
            return names[i].text;
    return NULL;
}

const char *el_keyword(const char *name, const char *const *params, int n) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        for (int k = 0; !strcmp(keywords[i].name, name) && k < n; k++)
            if (!strcmp(keywords[i].text, params[k]))
                return params[k];
    return diag_nearest(name, params, n);
}
