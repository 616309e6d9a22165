/* Sources: LLVM's "User Guide for AMDGPU Backend", processors; AMD's instruction set manuals (CDNA 2, 3, 4; RDNA 3, 4) for
 * registers and local memory; data sheets for compute units and bandwidth: MI100, MI210, MI300X, MI355X, RX 7900 XTX, RX 9070 XT. */
#include "hip_internal.h"
#include <string.h>

enum { CDNA2 = FRIT_ATOM_MFMA | FRIT_ATOM_MFMA_I8_16, CDNA3 = FRIT_ATOM_MFMA | FRIT_ATOM_MFMA_I8_32 };

static const hip_arch archs[] = {
    {"gfx908", NULL, 0, 64, 64, 256, 64, 0, 120, 1230},
    {"gfx90a", NULL, 0, 64, 64, 256, 128, CDNA2, 104, 1638},
    {"gfx942", NULL, 0, 64, 64, 256, 128, CDNA3, 304, 5300},
    {"gfx950", "gfx942", 0x4f, 64, 160, 256, 128, CDNA3, 256, 8000},
    {"gfx1100", NULL, 0, 32, 64, 256, 96, FRIT_ATOM_WMMA, 96, 960},
    {"gfx1201", NULL, 0, 32, 64, 256, 96, FRIT_ATOM_WMMA_RDNA4, 64, 640},
};
enum { N_ARCHS = sizeof archs / sizeof *archs };

const hip_arch *hip_arch_at(int i) { return i >= 0 && i < N_ARCHS ? &archs[i] : NULL; }

const hip_arch *hip_arch_find(const char *name, size_t len) {
    for (int i = 0; i < N_ARCHS; i++)
        if (strlen(archs[i].name) == len && !strncmp(archs[i].name, name, len)) return &archs[i];
    return NULL;
}
