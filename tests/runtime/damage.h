/* For tests and fuzzers that damage packages. */
#ifndef FRIT_TESTS_RUNTIME_DAMAGE_H
#define FRIT_TESTS_RUNTIME_DAMAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes magic, version, size and all checksums right, where the section table allows it, so that damage reaches the
 * checks behind them. */
void damage_reseal(uint8_t *bytes, size_t n);
/* Opens the package; when it is accepted, binds small shapes and plans the memory of every schedule, without running
 * code. Whether it was accepted. */
bool damage_exercise(const uint8_t *bytes, size_t n);
#endif
