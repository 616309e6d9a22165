/* Any bytes as a package: refused, or accepted and then bound, planned and described without harm. Checksums are made
 * right first, so that the bytes reach the checks behind them; code is never run. */
#include "tests/runtime/damage.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    if (!copy) abort();
    memcpy(copy, data, size);
    damage_exercise(copy, size);
    damage_reseal(copy, size);
    damage_exercise(copy, size);
    free(copy);
    return 0;
}
