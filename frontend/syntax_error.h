/* What a syntax error says: from the token found, the one before it, and the set the grammar expected. */
#ifndef FRIT_FRONTEND_SYNTAX_ERROR_H
#define FRIT_FRONTEND_SYNTAX_ERROR_H
#include "parse.h"

enum { SYNTAX_MAX_TOKEN = 400 };

typedef struct {
    parser *p;
    token found, previous;
    bool expected[SYNTAX_MAX_TOKEN]; /* by token kind */
    const char *names[8];            /* of the first expected ones */
    int count;
} syntax_error;

void syntax_error_expect(syntax_error *e, int kind, const char *name);
void syntax_error_report(syntax_error *e);
#endif
