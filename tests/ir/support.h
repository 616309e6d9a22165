/* What the tests of the IR core share. */
#ifndef FRIT_TESTS_IR_SUPPORT_H
#define FRIT_TESTS_IR_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "ir/diag.h"
#include "ir/ir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parses text; on failure returns NULL and, if error is not NULL, the text of the first diagnostic in static memory. */
ir_module *parse_text(const char *text, size_t size, const char **error);
/* The same for text that must parse. */
ir_module *must_parse(const char *text);
/* A file below tests/ir/fir; the caller frees it. */
char *read_fir(const char *name, size_t *size);
/* Fails the test unless m has no violation, and its text reads back to a module that prints the same. */
void check_module(const ir_module *m);
#endif
