/* A linker for one object: its code and read-only data laid out as one blob, with the relocations between them applied.
 * Sources: System V ABI, ELF-64 object file format; x86-64 psABI, section 4.4.1; ELF for the Arm 64-bit architecture,
 * section 5.7. The object comes from LLVM, yet nothing in it is believed: every offset is checked against its size. */
#include "link.h"
#include <elf.h>
#include <string.h>

typedef struct linker {
    arena *a;
    const uint8_t *file;
    size_t size;
    const Elf64_Ehdr *header;
    const Elf64_Shdr *sections;
    const Elf64_Sym *symbols;
    size_t n_symbols;
    const char *strings; /* of the symbol table */
    size_t strings_size;
    int64_t *place; /* of each section in the blob, -1 when it is left out */
    uint8_t *blob;
    int64_t blob_size, align;
    const char *error;
} linker;

static bool fail(linker *l, const char *text) {
    if (!l->error) l->error = arena_printf(l->a, "internal error: linking: %s", text);
    return false;
}

/* Bytes [offset, offset + n) of the file, aligned for T's, or NULL. */
static const void *range(linker *l, uint64_t offset, uint64_t n) {
    if (offset > l->size || n > l->size - offset || (uintptr_t)(l->file + offset) % 8) {
        fail(l, "the object is malformed");
        return NULL;
    }
    return l->file + offset;
}

static const char *text_at(linker *l, const char *table, size_t size, uint64_t offset) {
    if (offset >= size || !memchr(table + offset, 0, size - offset)) return "?";
    return table + offset;
}

static bool open_header(linker *l) {
    l->header = range(l, 0, sizeof *l->header);
    if (!l->header) return false;
    const Elf64_Ehdr *h = l->header;
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_type != ET_REL ||
        h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_shentsize != sizeof *l->sections)
        return fail(l, "not a 64-bit little-endian ELF object");
    l->sections = range(l, h->e_shoff, (uint64_t)h->e_shnum * sizeof *l->sections);
    return l->sections != NULL;
}

static bool open_symbols(linker *l) {
    for (int i = 0; i < l->header->e_shnum; i++) {
        const Elf64_Shdr *s = &l->sections[i];
        if (s->sh_type != SHT_SYMTAB) continue;
        l->symbols = range(l, s->sh_offset, s->sh_size);
        l->n_symbols = s->sh_size / sizeof *l->symbols;
        if (!l->symbols || s->sh_link >= l->header->e_shnum) return fail(l, "the symbol table is malformed");
        const Elf64_Shdr *t = &l->sections[s->sh_link];
        if (t->sh_offset > l->size || t->sh_size > l->size - t->sh_offset)
            return fail(l, "the string table is malformed");
        l->strings = (const char *)l->file + t->sh_offset;
        l->strings_size = t->sh_size;
        return true;
    }
    return fail(l, "no symbol table");
}

static const char *symbol_name(linker *l, const Elf64_Sym *s) {
    return text_at(l, l->strings, l->strings_size, s->st_name);
}

/* Whatever is not defined here would have to be imported. */
static bool check_imports(linker *l) {
    for (size_t i = 1; i < l->n_symbols; i++)
        if (l->symbols[i].st_shndx == SHN_UNDEF || l->symbols[i].st_shndx == SHN_COMMON)
            return fail(l, arena_printf(l->a, "the code needs the symbol '%s', but kernels import nothing",
                                        symbol_name(l, &l->symbols[i])));
    return true;
}

/* ------------ layout */
static bool is_loaded(const Elf64_Shdr *s) {
    bool unwind = s->sh_type == SHT_X86_64_UNWIND;
    return (s->sh_flags & SHF_ALLOC) && s->sh_size && !unwind;
}

static bool is_eh_frame(linker *l, const Elf64_Shdr *s) {
    if (l->header->e_shstrndx >= l->header->e_shnum) return false;
    const Elf64_Shdr *t = &l->sections[l->header->e_shstrndx];
    if (t->sh_offset > l->size || t->sh_size > l->size - t->sh_offset) return false;
    return !strcmp(text_at(l, (const char *)l->file + t->sh_offset, t->sh_size, s->sh_name), ".eh_frame");
}

static bool place_section(linker *l, int i) {
    const Elf64_Shdr *s = &l->sections[i];
    if ((s->sh_flags & (SHF_WRITE | SHF_TLS)) || s->sh_type != SHT_PROGBITS)
        return fail(l, "the code has writable data");
    int64_t align = s->sh_addralign ? (int64_t)s->sh_addralign : 1;
    if (align > 4096 || (align & (align - 1)) || s->sh_size > l->size) return fail(l, "a section is malformed");
    if (align > l->align) l->align = align;
    l->place[i] = (l->blob_size + align - 1) & -align;
    l->blob_size = l->place[i] + (int64_t)s->sh_size;
    return true;
}

/* Code first, then constants. */
static bool lay_out(linker *l) {
    int n = l->header->e_shnum;
    l->align = 16;
    l->place = arena_array(l->a, int64_t, n + 1);
    for (int i = 0; i < n; i++) l->place[i] = -1;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < n; i++) {
            const Elf64_Shdr *s = &l->sections[i];
            bool code = s->sh_flags & SHF_EXECINSTR;
            if (code == (pass == 0) && is_loaded(s) && !is_eh_frame(l, s) && !place_section(l, i)) return false;
        }
    l->blob = arena_alloc(l->a, (size_t)l->blob_size + 1);
    for (int i = 0; i < n; i++) {
        const Elf64_Shdr *s = &l->sections[i];
        if (l->place[i] < 0) continue;
        if (s->sh_offset > l->size || s->sh_size > l->size - s->sh_offset) return fail(l, "a section is malformed");
        memcpy(l->blob + l->place[i], l->file + s->sh_offset, s->sh_size);
    }
    return true;
}

static bool symbol_place(linker *l, const Elf64_Sym *s, int64_t *at) {
    if (s->st_shndx >= l->header->e_shnum || l->place[s->st_shndx] < 0 ||
        s->st_value > l->sections[s->st_shndx].sh_size)
        return fail(l, arena_printf(l->a, "the symbol '%s' is in no loaded section", symbol_name(l, s)));
    *at = l->place[s->st_shndx] + (int64_t)s->st_value;
    return true;
}

/* ------------ relocations: `distance` is symbol + addend - place */
static bool fits(int64_t v, int bits) { return v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << (bits - 1); }

static bool put32(linker *l, uint8_t *at, int64_t distance) {
    if (!fits(distance, 32)) return fail(l, "a distance is too large");
    int32_t v = (int32_t)distance;
    memcpy(at, &v, 4);
    return true;
}

/* Replaces `bits` bits from `shift` of the instruction with distance / 4. */
static bool put_words(linker *l, uint8_t *at, int64_t distance, int bits, int shift) {
    if (distance % 4 || !fits(distance / 4, bits)) return fail(l, "a distance is too large");
    uint32_t insn, mask = (uint32_t)((UINT64_C(1) << bits) - 1) << shift;
    memcpy(&insn, at, 4);
    insn = (insn & ~mask) | ((uint32_t)(distance / 4) << shift & mask);
    memcpy(at, &insn, 4);
    return true;
}

/* ADR: two low bits at 29, nineteen at 5. */
static bool put_adr(linker *l, uint8_t *at, int64_t distance) {
    if (!fits(distance, 21)) return fail(l, "a distance is too large");
    uint32_t insn, v = (uint32_t)distance;
    memcpy(&insn, at, 4);
    insn = (insn & ~(UINT32_C(3) << 29 | UINT32_C(0x7ffff) << 5)) | (v & 3) << 29 | (v >> 2 & 0x7ffff) << 5;
    memcpy(at, &insn, 4);
    return true;
}

static bool relocate_aarch64(linker *l, uint32_t type, uint8_t *at, int64_t distance) {
    switch (type) {
    case R_AARCH64_PREL32: return put32(l, at, distance);
    case R_AARCH64_ADR_PREL_LO21: return put_adr(l, at, distance);
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26: return put_words(l, at, distance, 26, 0);
    case R_AARCH64_CONDBR19:
    case R_AARCH64_LD_PREL_LO19: return put_words(l, at, distance, 19, 5);
    case R_AARCH64_TSTBR14: return put_words(l, at, distance, 14, 5);
    default: return fail(l, arena_printf(l->a, "relocation type %u is not position-independent", type));
    }
}

static bool relocate_x86_64(linker *l, uint32_t type, uint8_t *at, int64_t distance) {
    if (type == R_X86_64_PC32 || type == R_X86_64_PLT32) return put32(l, at, distance);
    return fail(l, arena_printf(l->a, "relocation type %u is not position-independent", type));
}

static bool apply(linker *l, int64_t base, uint64_t section_size, const Elf64_Rela *r) {
    uint64_t symbol = ELF64_R_SYM(r->r_info);
    int64_t to;
    if (r->r_offset > section_size || section_size - r->r_offset < 4 || symbol >= l->n_symbols)
        return fail(l, "a relocation is malformed");
    if (!symbol_place(l, &l->symbols[symbol], &to)) return false;
    int64_t place = base + (int64_t)r->r_offset;
    if (!fits(r->r_addend, 40)) return fail(l, "a relocation is malformed");
    int64_t distance = to + r->r_addend - place;
    bool x86 = l->header->e_machine == EM_X86_64;
    return (x86 ? relocate_x86_64 : relocate_aarch64)(l, (uint32_t)ELF64_R_TYPE(r->r_info), l->blob + place, distance);
}

static bool relocate(linker *l) {
    for (int i = 0; i < l->header->e_shnum; i++) {
        const Elf64_Shdr *s = &l->sections[i];
        if ((s->sh_type != SHT_RELA && s->sh_type != SHT_REL) || s->sh_info >= l->header->e_shnum) continue;
        int64_t base = l->place[s->sh_info];
        if (base < 0) continue;
        if (s->sh_type == SHT_REL) return fail(l, "relocations without addends");
        const Elf64_Rela *r = range(l, s->sh_offset, s->sh_size);
        if (!r) return false;
        for (size_t k = 0; k < s->sh_size / sizeof *r; k++)
            if (!apply(l, base, l->sections[s->sh_info].sh_size, &r[k])) return false;
    }
    return true;
}

static bool find_kernels(linker *l, int n, const char *const *symbols, code_kernel *k) {
    for (int i = 0; i < n; i++) {
        size_t j = 0;
        while (j < l->n_symbols && strcmp(symbol_name(l, &l->symbols[j]), symbols[i])) j++;
        if (j == l->n_symbols) return fail(l, arena_printf(l->a, "the kernel '%s' is missing", symbols[i]));
        k[i].name = symbols[i];
        if (!symbol_place(l, &l->symbols[j], &k[i].offset)) return false;
    }
    return true;
}

const code_blob *cpu_link(arena *a, const void *object, size_t size, int n, const char *const *symbols,
                          const char **error) {
    linker l = {.a = a, .file = arena_copy(a, object, size), .size = size};
    code_kernel *k = arena_array(a, code_kernel, n + 1);
    if (!open_header(&l) || !open_symbols(&l) || !check_imports(&l) || !lay_out(&l) || !relocate(&l) ||
        !find_kernels(&l, n, symbols, k)) {
        *error = l.error;
        return NULL;
    }
    code_blob *b = arena_new_of(a, code_blob);
    *b = (code_blob){l.blob, l.blob_size, l.align, n, k};
    return b;
}
