/* Which build of the compiler this is: the GNU build ids of the object that holds it and of LLVM's library, which is read
 * as a file, since finding a package in the cache must not load it. */
#include "cache.h"
#include "codegen/llvm/load.h"
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    arena *a;
    cache_key *k;
    uintptr_t here; /* an address within the compiler */
    bool found;     /* a build id of the object that holds it */
} search;

/* The build id among notes. */
static bool add_id(arena *a, cache_key *k, const char *notes, size_t size) {
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
        const ElfW(Nhdr) *n = (const void *)(notes + at);
        size_t name = (n->n_namesz + 3u) & ~3u, text = (n->n_descsz + 3u) & ~3u;
        at += sizeof *n;
        if (name > size - at || text > size - at - name)
            return false;
        if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && !memcmp(notes + at, "GNU", 4)) {
            cache_key_bytes(a, k, notes + at + name, n->n_descsz);
            return true;
        }
        at += name + text;
    }
    return false;
}

/* ---- A loaded object --------------------------------------------------------------------------------------------- */
static bool holds(const struct dl_phdr_info *o, uintptr_t at) {
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &o->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && at - (o->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

static int visit(struct dl_phdr_info *o, size_t size, void *u) {
    search *s = u;
    if (!holds(o, s->here))
        return 0;
    for (int i = 0; i < o->dlpi_phnum && !s->found; i++)
        if (o->dlpi_phdr[i].p_type == PT_NOTE)
            s->found = add_id(s->a, s->k, (const char *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr), o->dlpi_phdr[i].p_memsz);
    return 1;
}

/* ---- A file ------------------------------------------------------------------------------------------------------ */
enum { MOST_HEADERS = 32, MOST_NOTES = 4096 };

static bool add_file_id(arena *a, cache_key *k, int f) {
    ElfW(Ehdr) h;
    ElfW(Phdr) p[MOST_HEADERS];
    _Alignas(8) char notes[MOST_NOTES];
    if (pread(f, &h, sizeof h, 0) != sizeof h || memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_phentsize != sizeof *p)
        return false;
    int n = h.e_phnum < MOST_HEADERS ? h.e_phnum : MOST_HEADERS;
    if (pread(f, p, sizeof *p * (size_t)n, (off_t)h.e_phoff) != (ssize_t)(sizeof *p * (size_t)n))
        return false;
    for (int i = 0; i < n; i++)
        if (p[i].p_type == PT_NOTE && p[i].p_filesz <= sizeof notes &&
            pread(f, notes, p[i].p_filesz, (off_t)p[i].p_offset) == (ssize_t)p[i].p_filesz &&
            add_id(a, k, notes, p[i].p_filesz))
            return true;
    return false;
}

/* Without a build id the size and time of a file stand for it. */
static void add_file(arena *a, cache_key *k, const char *path) {
    struct stat s = {0};
    int f = open(path, O_RDONLY | O_CLOEXEC);
    bool found = f >= 0 && add_file_id(a, k, f);
    if (f >= 0)
        close(f);
    if (found || stat(path, &s))
        return;
    cache_key_number(a, k, (uint64_t)s.st_size);
    cache_key_number(a, k, (uint64_t)s.st_mtim.tv_sec);
    cache_key_number(a, k, (uint64_t)s.st_mtim.tv_nsec);
}

void cache_key_compiler(arena *a, cache_key *k) {
    search s = {.a = a, .k = k, .here = (uintptr_t)&cache_key_compiler};
    const char *llvm = llvm_file();
    cache_key_text(a, k, FRIT_VERSION);
    dl_iterate_phdr(visit, &s);
    if (!s.found)
        add_file(a, k, "/proc/self/exe");
    cache_key_text(a, k, llvm);
    if (llvm && *llvm)
        add_file(a, k, llvm);
}
