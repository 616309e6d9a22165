/* A relocatable ELF object: the variant's code as one section, a hidden function symbol for each kernel. The code is
 * position-independent and imports nothing (codegen/cpu/link.h), so that there are no relocations. Layout by the System
 * V ABI, chapter 4. */
#include "export_internal.h"
#include <elf.h>
#include <string.h>

enum { S_NULL, S_TEXT, S_SYMTAB, S_STRTAB, S_SHSTRTAB, S_STACK, S_COUNT };
static const char section_names[] = "\0.text\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack";
static const Elf64_Word name_at[S_COUNT] = {0, 1, 7, 15, 23, 33};

static void align(text *t, size_t to) {
    while (t->len % to) put_bytes(t, "", 1);
}

/* Bytes from a kernel's begin to the next one's, or the end of the code. */
static uint64_t code_size(const exporter *x, uint64_t from) {
    uint64_t end = x->v->code_size;
    for (uint32_t i = 0; i < x->v->n_kernels; i++)
        if (x->kernels[i].code_offset > from && x->kernels[i].code_offset < end) end = x->kernels[i].code_offset;
    return end - from;
}

static bool first_use(const exporter *x, uint32_t k) {
    for (uint32_t i = 0; i < k; i++)
        if (x->code[i] == x->code[k]) return false;
    return true;
}

static void put_symbols(exporter *x, text *symbols, text *strings) {
    Elf64_Sym none = {0};
    put_bytes(symbols, &none, sizeof none);
    put_bytes(strings, "", 1);
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        if (!first_use(x, k)) continue;
        Elf64_Sym s = {.st_name = (Elf64_Word)strings->len,
                       .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                       .st_other = STV_HIDDEN,
                       .st_shndx = S_TEXT,
                       .st_value = x->kernels[k].code_offset,
                       .st_size = code_size(x, x->kernels[k].code_offset)};
        put_bytes(symbols, &s, sizeof s);
        put_bytes(strings, x->kernel[k], strlen(x->kernel[k]) + 1);
    }
}

static void section(text *t, Elf64_Shdr *h, uint32_t type, const void *bytes, size_t n, size_t to) {
    align(t, to);
    h->sh_type = type, h->sh_offset = t->len, h->sh_size = n, h->sh_addralign = to;
    put_bytes(t, bytes, n);
}

void object_write(exporter *x, const char *file) {
    text t = {.a = x->a}, symbols = {.a = x->a}, strings = {.a = x->a};
    Elf64_Shdr h[S_COUNT] = {0};
    bool arm = x->v->arch == FPK_ARCH_AARCH64;
    Elf64_Ehdr e = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_REL,
                    .e_machine = arm ? EM_AARCH64 : EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_ehsize = sizeof e,
                    .e_shentsize = sizeof *h,
                    .e_shnum = S_COUNT,
                    .e_shstrndx = S_SHSTRTAB};
    put_symbols(x, &symbols, &strings);
    put_bytes(&t, &e, sizeof e);
    section(&t, &h[S_TEXT], SHT_PROGBITS, x->p->base + x->p->sections[FPK_CODE].offset + x->v->code_offset,
            x->v->code_size, 4096);
    h[S_TEXT].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
    section(&t, &h[S_SYMTAB], SHT_SYMTAB, text_of(&symbols), symbols.len, 8);
    h[S_SYMTAB].sh_link = S_STRTAB, h[S_SYMTAB].sh_info = 1, h[S_SYMTAB].sh_entsize = sizeof(Elf64_Sym);
    section(&t, &h[S_STRTAB], SHT_STRTAB, text_of(&strings), strings.len, 1);
    section(&t, &h[S_SHSTRTAB], SHT_STRTAB, section_names, sizeof section_names, 1);
    section(&t, &h[S_STACK], SHT_PROGBITS, "", 0, 1);
    for (int i = 0; i < S_COUNT; i++) h[i].sh_name = name_at[i];
    align(&t, 8);
    e.e_shoff = t.len;
    put_bytes(&t, h, sizeof h);
    memcpy(t.data, &e, sizeof e);
    export_add(x->set, file, t.data, t.len);
}
