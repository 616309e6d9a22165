/* What the stand-in of a GPU's driver makes of a tensor map: its 128 bytes, for kernels that run on the host. */
#ifndef FRIT_TESTS_RUNTIME_FAKE_MAP_H
#define FRIT_TESTS_RUNTIME_FAKE_MAP_H

enum { FAKE_MAP_MAGIC = 0x70616d66 };
typedef struct fake_map {
    unsigned magic, rank, bytes, swizzle; /* bytes of an element; swizzle 16, 32, 64, 128 */
    char *base;
    unsigned long long extents[5], strides[4]; /* strides in bytes, of all axes but the first */
    unsigned char box[5], step[5];             /* elements - 1; positions from one to the next */
} fake_map;
#endif
