/* Where the code of kept packages finds its functions, in every process: a table at a fixed address. Line i of the folder's
 * file `index` names slot i: the library, the symbol. */
#ifndef FRIT_TESTS_TEXT_SLOTS_H
#define FRIT_TESTS_TEXT_SLOTS_H
#include <stdint.h>

#define TEXT_SLOTS UINT64_C(0x7e0000000000)
enum { TEXT_MAX_SLOTS = 1 << 16 };
#endif
