/* What kernels take, read from a code object: an ELF note of name "AMDGPU" and type 32 holds a MessagePack map, whose
 * "amdhsa.kernels" is a list of maps, one per kernel (LLVM's "User Guide for AMDGPU Backend", code object metadata). */
#include "hip_internal.h"
#include <elf.h>
#include <string.h>

enum { NT_METADATA = 32, MAX_DEPTH = 16 };

/* ------------ MessagePack (its specification, "Formats"): nothing is believed */
typedef struct reader {
    const uint8_t *at, *end;
    bool bad;
} reader;

typedef struct item {
    enum { OTHER, NUMBER, TEXT, LIST, MAP } kind;
    uint64_t n;       /* number, length or count */
    const char *text; /* not terminated */
} item;

static uint64_t big_endian(reader *r, int bytes) {
    uint64_t v = 0;
    if (r->end - r->at < bytes) {
        r->bad = true;
        return 0;
    }
    for (int i = 0; i < bytes; i++) v = v << 8 | *r->at++;
    return v;
}

static item text_of(reader *r, uint64_t n) {
    item v = {TEXT, n, (const char *)r->at};
    if (n > (uint64_t)(r->end - r->at)) r->bad = true;
    else r->at += n;
    return v;
}

static item skip(reader *r, uint64_t n) {
    item v = text_of(r, n);
    v.kind = OTHER;
    return v;
}

/* The next item; the members of a list or map follow it. */
static item next(reader *r) {
    unsigned c = (unsigned)big_endian(r, 1);
    if (r->bad) return (item){0};
    if (c < 0x80) return (item){NUMBER, c, NULL};
    if (c < 0x90) return (item){MAP, c & 15, NULL};
    if (c < 0xa0) return (item){LIST, c & 15, NULL};
    if (c < 0xc0) return text_of(r, c & 31);
    if (c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3) return (item){OTHER, 0, NULL};
    if (c >= 0xc4 && c <= 0xc6) return skip(r, big_endian(r, 1 << (c - 0xc4)));
    if (c == 0xca || c == 0xcb) return skip(r, c == 0xca ? 4 : 8);
    if (c >= 0xcc && c <= 0xd3) return (item){NUMBER, big_endian(r, 1 << (c - 0xcc) % 4), NULL};
    if (c >= 0xd9 && c <= 0xdb) return text_of(r, big_endian(r, 1 << (c - 0xd9)));
    if (c == 0xdc || c == 0xdd) return (item){LIST, big_endian(r, c == 0xdc ? 2 : 4), NULL};
    if (c == 0xde || c == 0xdf) return (item){MAP, big_endian(r, c == 0xde ? 2 : 4), NULL};
    r->bad = true;
    return (item){0};
}

static void pass_over(reader *r, int depth) {
    item v = next(r);
    uint64_t members = v.kind == LIST ? v.n : v.kind == MAP ? 2 * v.n : 0;
    if (depth > MAX_DEPTH) r->bad = true;
    for (uint64_t i = 0; i < members && !r->bad; i++) pass_over(r, depth + 1);
}

static bool is(const item *v, const char *text) {
    return v->kind == TEXT && v->n == strlen(text) && !memcmp(v->text, text, v->n);
}

/* ------------ kernels */
static void read_kernel(reader *r, int n, code_kernel *k) {
    item map = next(r), name = {0};
    code_kernel found = {0};
    for (uint64_t i = 0; i < (map.kind == MAP ? map.n : 0) && !r->bad; i++) {
        item key = next(r);
        reader at = *r;
        item v = next(&at);
        if (is(&key, ".name")) name = v;
        if (is(&key, ".vgpr_count")) found.registers = (int)v.n;
        if (is(&key, ".vgpr_spill_count")) found.spills += 4 * (int)v.n;
        if (is(&key, ".private_segment_fixed_size")) found.stack = (int)v.n;
        pass_over(r, 0);
    }
    for (int i = 0; i < n; i++)
        if (is(&name, k[i].name)) {
            found.name = k[i].name;
            k[i] = found;
        }
}

static void read_metadata(reader *r, int n, code_kernel *k) {
    item map = next(r);
    for (uint64_t i = 0; i < (map.kind == MAP ? map.n : 0) && !r->bad; i++) {
        item key = next(r);
        if (!is(&key, "amdhsa.kernels")) {
            pass_over(r, 0);
            continue;
        }
        item list = next(r);
        for (uint64_t j = 0; j < (list.kind == LIST ? list.n : 0) && !r->bad; j++) read_kernel(r, n, k);
    }
}

static void read_note_section(const uint8_t *at, uint64_t size, int n, code_kernel *k) {
    Elf64_Nhdr h;
    while (size >= sizeof h) {
        memcpy(&h, at, sizeof h);
        uint64_t name = ((uint64_t)h.n_namesz + 3) & ~UINT64_C(3), data = ((uint64_t)h.n_descsz + 3) & ~UINT64_C(3);
        if (name + data > size - sizeof h) return;
        const uint8_t *start = at + sizeof h + name;
        if (h.n_type == NT_METADATA && h.n_namesz == 7 && !memcmp(at + sizeof h, "AMDGPU", 7)) {
            reader r = {start, start + h.n_descsz, false};
            read_metadata(&r, n, k);
        }
        at = start + data;
        size -= sizeof h + name + data;
    }
}

bool hip_read_notes(arena *a, const void *object, int64_t size, int n, code_kernel *k, const char **error) {
    const uint8_t *bytes = object;
    Elf64_Ehdr h = {0};
    if ((uint64_t)size >= sizeof h) memcpy(&h, bytes, sizeof h);
    for (int i = 0; i < n; i++) k[i].registers = -1; /* a kernel that does nothing takes none */
    for (int i = 0; !memcmp(h.e_ident, ELFMAG, SELFMAG) && i < h.e_shnum; i++) {
        Elf64_Shdr s;
        uint64_t at = h.e_shoff + (uint64_t)i * sizeof s;
        if (at > (uint64_t)size || sizeof s > (uint64_t)size - at) break;
        memcpy(&s, bytes + at, sizeof s);
        if (s.sh_type == SHT_NOTE && s.sh_offset <= (uint64_t)size && s.sh_size <= (uint64_t)size - s.sh_offset)
            read_note_section(bytes + s.sh_offset, s.sh_size, n, k);
    }
    for (int i = 0; i < n; i++)
        if (k[i].registers < 0) {
            *error = arena_printf(a, "internal error: the code object has no kernel '%s'", k[i].name);
            return false;
        }
    return true;
}
