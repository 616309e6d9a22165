/* A target for tests whose machine code is text of the C family: printed by codegen/c, compiled by a C compiler into a
 * shared library, loaded into this process. Its blob holds jumps there, so that packages made for it run in this
 * process through the whole runtime as any CPU package does.
 *
 * Programs that link text_target.c with `-Wl,--wrap=target_open` get it from every target_open when the environment has
 * TEXT_CC, a compiler with its options ("gcc -O2"). TEXT_TARGET is the target whose limits and dialect are used: `c`
 * (default) or one of cuda or hip, whose text is then run by emulate.h, a block after the other. TEXT_MODULES is the most
 * libraries that a package becomes. With TEXT_KEEP, a folder, libraries stay there, and a package runs in any process that
 * text_slots.c is preloaded to. */
#ifndef FRIT_TESTS_TEXT_TARGET_H
#define FRIT_TESTS_TEXT_TARGET_H
#include "codegen/target.h"

/* inner: a target string; cc: a compiler with options. NULL with *error. */
const target *text_target_open(arena *a, const char *inner, const char *cc, const char **error);
#endif
