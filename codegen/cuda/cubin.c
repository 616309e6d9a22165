/* What kernels take, read from a cubin: an ELF file whose section .nv.info holds records of a format byte, an
 * attribute byte and a length or value of two bytes, then `length` bytes if the format is 4. Attributes 0x2f (registers)
 * and 0x11 (frame) hold the number of a symbol and a value. */
#include "cuda_internal.h"
#include <elf.h>
#include <string.h>

enum { FORMAT_SIZED = 4, ATTR_FRAME = 0x11, ATTR_REGISTERS = 0x2f };

typedef struct cubin {
    arena *a;
    const uint8_t *bytes;
    uint64_t size;
    Elf64_Ehdr header;
    Elf64_Shdr symbols, strings;
    int n;
    code_kernel *k;
} cubin;

static bool inside(const cubin *c, uint64_t offset, uint64_t size) {
    return offset <= c->size && size <= c->size - offset;
}

static bool section(const cubin *c, int i, Elf64_Shdr *s) {
    uint64_t at = c->header.e_shoff + (uint64_t)i * sizeof *s;
    if (i >= c->header.e_shnum || !inside(c, at, sizeof *s)) return false;
    memcpy(s, c->bytes + at, sizeof *s);
    return s->sh_type == SHT_NOBITS || inside(c, s->sh_offset, s->sh_size);
}

static const char *text(const cubin *c, const Elf64_Shdr *strings, uint64_t at) {
    if (at >= strings->sh_size || !memchr(c->bytes + strings->sh_offset + at, 0, strings->sh_size - at)) return "";
    return (const char *)c->bytes + strings->sh_offset + at;
}

static code_kernel *kernel_of_symbol(const cubin *c, uint32_t symbol) {
    Elf64_Sym s;
    if (c->symbols.sh_size / sizeof s <= symbol) return NULL;
    memcpy(&s, c->bytes + c->symbols.sh_offset + symbol * sizeof s, sizeof s);
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->k[i].name, text(c, &c->strings, s.st_name))) return &c->k[i];
    return NULL;
}

static void read_record(const cubin *c, uint8_t attribute, const uint8_t *at) {
    uint32_t v[2];
    memcpy(v, at, sizeof v);
    code_kernel *k = kernel_of_symbol(c, v[0]);
    if (!k) return;
    if (attribute == ATTR_REGISTERS) k->registers = (int)v[1];
    if (attribute == ATTR_FRAME) k->stack = (int)v[1];
}

static void read_info(const cubin *c, const Elf64_Shdr *s) {
    const uint8_t *at = c->bytes + s->sh_offset, *end = at + s->sh_size;
    while (end - at >= 4) {
        uint16_t length;
        memcpy(&length, at + 2, 2);
        if (at[0] != FORMAT_SIZED) length = 0;
        if (end - at - 4 < length) return;
        if (length >= 8) read_record(c, at[1], at + 4);
        at += 4 + length;
    }
}

static bool open_cubin(cubin *c) {
    Elf64_Shdr s;
    if (c->size < sizeof c->header || memcmp(c->bytes, ELFMAG, SELFMAG)) return false;
    memcpy(&c->header, c->bytes, sizeof c->header);
    for (int i = 0; i < c->header.e_shnum; i++)
        if (section(c, i, &s) && s.sh_type == SHT_SYMTAB && section(c, (int)s.sh_link, &c->strings)) {
            c->symbols = s;
            return true;
        }
    return false;
}

bool cuda_read_cubin(arena *a, const void *bytes, int64_t size, int n, code_kernel *k, const char **error) {
    cubin c = {.a = a, .bytes = bytes, .size = (uint64_t)size, .n = n, .k = k};
    Elf64_Shdr s, names;
    if (open_cubin(&c) && section(&c, c.header.e_shstrndx, &names))
        for (int i = 0; i < c.header.e_shnum; i++)
            if (section(&c, i, &s) && !strcmp(text(&c, &names, s.sh_name), ".nv.info")) read_info(&c, &s);
    for (int i = 0; i < n; i++)
        if (!k[i].registers) {
            *error = arena_printf(a, "internal error: the cubin has no kernel '%s'", k[i].name);
            return false;
        }
    return true;
}
