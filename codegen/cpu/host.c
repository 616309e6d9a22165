/* This machine's processor, without asking LLVM, which a warm start does not load: what it can do from runtime/cpu.h,
 * its name from tables of the vendors' model numbers (Intel SDM volume 4, table 2-1; AMD's processor programming
 * references; Arm's MIDR_EL1 part numbers). */
#include "cpu_internal.h"
#include "runtime/cpu.h"
#include <stdio.h>
#include <string.h>

bool cpu_host_has(const char *name) {
    const char *text;
    for (int bit = 0; (text = rt_cpu_feature_name(rt_cpu_arch(), bit)); bit++)
        if (!strcmp(text, name)) return rt_cpu_features() >> bit & 1;
    return false;
}

#if defined(__x86_64__)
#include <cpuid.h>

typedef struct range {
    const char *vendor;      /* as CPUID leaf 0 spells it */
    int family, first, last; /* models, extended bits included */
    const char *name;
} range;

static const char intel[] = "GenuineIntel", amd[] = "AuthenticAMD";
static const range ranges[] = {
    {intel, 6, 0x3c, 0x3c, "haswell"},        {intel, 6, 0x3f, 0x3f, "haswell"},
    {intel, 6, 0x45, 0x46, "haswell"},        {intel, 6, 0x3d, 0x3d, "broadwell"},
    {intel, 6, 0x47, 0x47, "broadwell"},      {intel, 6, 0x4f, 0x4f, "broadwell"},
    {intel, 6, 0x56, 0x56, "broadwell"},      {intel, 6, 0x4e, 0x4e, "skylake"},
    {intel, 6, 0x5e, 0x5e, "skylake"},        {intel, 6, 0x8e, 0x8e, "skylake"},
    {intel, 6, 0x9e, 0x9e, "skylake"},        {intel, 6, 0xa5, 0xa6, "skylake"},
    {intel, 6, 0x97, 0x97, "alderlake"},      {intel, 6, 0x9a, 0x9a, "alderlake"},
    {intel, 6, 0xb7, 0xb7, "raptorlake"},     {intel, 6, 0xba, 0xba, "raptorlake"},
    {intel, 6, 0xbf, 0xbf, "raptorlake"},     {intel, 6, 0xaa, 0xaa, "meteorlake"},
    {intel, 6, 0xac, 0xac, "meteorlake"},     {intel, 6, 0xc5, 0xc5, "arrowlake"},
    {intel, 6, 0xaf, 0xaf, "sierraforest"},   {intel, 6, 0x7d, 0x7e, "icelake-client"},
    {intel, 6, 0x6a, 0x6a, "icelake-server"}, {intel, 6, 0x6c, 0x6c, "icelake-server"},
    {intel, 6, 0xa7, 0xa7, "rocketlake"},     {intel, 6, 0x8c, 0x8d, "tigerlake"},
    {intel, 6, 0x8f, 0x8f, "sapphirerapids"}, {intel, 6, 0xcf, 0xcf, "emeraldrapids"},
    {intel, 6, 0xad, 0xad, "graniterapids"},  {amd, 0x17, 0x00, 0x2f, "znver1"},
    {amd, 0x17, 0x30, 0xaf, "znver2"},        {amd, 0x19, 0x00, 0x0f, "znver3"},
    {amd, 0x19, 0x20, 0x5f, "znver3"},        {amd, 0x19, 0x10, 0x1f, "znver4"},
    {amd, 0x19, 0x60, 0x7f, "znver4"},        {amd, 0x19, 0xa0, 0xaf, "znver4"},
    {amd, 0x1a, 0x00, 0x77, "znver5"},
};

/* Model 0x55 is three processors, told apart by what they can do. */
static const char *skylake_server(void) {
    if (cpu_host_has("avx512bf16")) return "cooperlake";
    return cpu_host_has("avx512vnni") ? "cascadelake" : "skylake-avx512";
}

const char *cpu_host_name(void) {
    uint32_t a, b, c, d;
    char vendor[13] = "";
    if (!__get_cpuid(0, &a, &b, &c, &d)) return NULL;
    memcpy(vendor, &b, 4), memcpy(vendor + 4, &d, 4), memcpy(vendor + 8, &c, 4);
    if (!__get_cpuid(1, &a, &b, &c, &d)) return NULL;
    int family = (int)(a >> 8 & 15), model = (int)(a >> 4 & 15);
    if (family == 15) family += (int)(a >> 20 & 255);
    if (family >= 6) model |= (int)(a >> 16 & 15) << 4;
    if (family == 6 && model == 0x55 && !strcmp(vendor, intel)) return skylake_server();
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (family == ranges[i].family && model >= ranges[i].first && model <= ranges[i].last &&
            !strcmp(vendor, ranges[i].vendor))
            return ranges[i].name;
    return NULL;
}
#elif defined(__aarch64__)
static const struct {
    uint32_t implementer, part;
    const char *name;
} parts[] = {
    {0x41, 0xd08, "cortex-a72"},  {0x41, 0xd0b, "cortex-a76"},  {0x41, 0xd0c, "neoverse-n1"},
    {0x41, 0xd49, "neoverse-n2"}, {0x41, 0xd40, "neoverse-v1"}, {0x41, 0xd4f, "neoverse-v2"},
    {0x61, 0x022, "apple-m1"},    {0x61, 0x023, "apple-m1"},
};

const char *cpu_host_name(void) {
    unsigned long midr = 0;
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");
    if (!f) return NULL;
    int got = fscanf(f, "%lx", &midr);
    fclose(f);
    for (size_t i = 0; got == 1 && i < sizeof parts / sizeof *parts; i++)
        if ((midr >> 24 & 255) == parts[i].implementer && (midr >> 4 & 0xfff) == parts[i].part) return parts[i].name;
    return NULL;
}
#else
const char *cpu_host_name(void) { return NULL; }
#endif
