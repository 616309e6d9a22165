/* Sources: CUDA C++ Programming Guide, "Technical specifications per compute capability" (shared memory of a block);
 * PTX ISA, release history (which version brought a processor); data sheets for
 * multiprocessors and bandwidth: T4, A100 (80 GB), GeForce 3090, Orin, GeForce 4090, H100 SXM, B200, GeForce 5090, GB10. */
#include "cuda_internal.h"
#include <string.h>

enum { SM80 = FRIT_ATOM_COPY_ASYNC | FRIT_ATOM_MMA_16816, SM90 = SM80 | FRIT_ATOM_CLUSTER, SM90A = SM90 | FRIT_ATOM_WGMMA | FRIT_ATOM_TMA };

static const cuda_arch archs[] = {
    {"sm_75", "sm_75", NULL, 63, 64, 0, 40, 320},
    {"sm_80", "sm_80", NULL, 70, 163, SM80, 108, 1935},
    {"sm_86", "sm_86", NULL, 71, 99, SM80, 82, 936},
    {"sm_87", "sm_87", NULL, 74, 163, SM80, 16, 204},
    {"sm_89", "sm_89", NULL, 78, 99, SM80, 128, 1008},
    {"sm_90", "sm_90", NULL, 78, 227, SM90, 132, 3350},
    {"sm_90a", "sm_90a", NULL, 80, 227, SM90A, 132, 3350},
    {"sm_100", "sm_100", "sm_90", 86, 227, SM90, 148, 8000},
    {"sm_100a", "sm_100a", "sm_90", 86, 227, SM90, 148, 8000},
    {"sm_103", "sm_103", "sm_90", 88, 227, SM90, 148, 8000},
    {"sm_103a", "sm_103a", "sm_90", 88, 227, SM90, 148, 8000},
    {"sm_120", "sm_120", "sm_90", 87, 99, SM90, 170, 1792},
    {"sm_120a", "sm_120a", "sm_90", 87, 99, SM90, 170, 1792},
    {"sm_121", "sm_121", "sm_90", 88, 99, SM90, 48, 273},
    {"sm_121a", "sm_121a", "sm_90", 88, 99, SM90, 48, 273},
};
enum { N_ARCHS = sizeof archs / sizeof *archs };

const cuda_arch *cuda_arch_at(int i) { return i >= 0 && i < N_ARCHS ? &archs[i] : NULL; }

const cuda_arch *cuda_arch_find(const char *name, size_t len) {
    for (int i = 0; i < N_ARCHS; i++)
        if (strlen(archs[i].name) == len && !strncmp(archs[i].name, name, len)) return &archs[i];
    return NULL;
}
