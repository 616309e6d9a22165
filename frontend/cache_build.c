/* Which build of the compiler this is: the GNU build ids of the loaded objects that hold it. */
#include "cache.h"
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    arena *a;
    cache_key *k;
    uintptr_t here; /* an address within the compiler */
    bool found;     /* a build id of the object that holds it */
} search;

static bool holds(const struct dl_phdr_info *o, uintptr_t at) {
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &o->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && at - (o->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

/* The build id among the notes of a segment. */
static bool add_id(search *s, const char *notes, size_t size) {
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
        const ElfW(Nhdr) *n = (const void *)(notes + at);
        size_t name = (n->n_namesz + 3u) & ~3u, text = (n->n_descsz + 3u) & ~3u;
        at += sizeof *n;
        if (name > size - at || text > size - at - name)
            return false;
        if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && !memcmp(notes + at, "GNU", 4)) {
            cache_key_bytes(s->a, s->k, notes + at + name, n->n_descsz);
            return true;
        }
        at += name + text;
    }
    return false;
}

static int visit(struct dl_phdr_info *o, size_t size, void *u) {
    search *s = u;
    bool ours = holds(o, s->here);
    if (!ours && !strstr(o->dlpi_name, "LLVM"))
        return 0;
    for (int i = 0; i < o->dlpi_phnum; i++)
        if (o->dlpi_phdr[i].p_type == PT_NOTE) {
            bool added = add_id(s, (const char *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr), o->dlpi_phdr[i].p_memsz);
            s->found |= ours && added;
        }
    return 0;
}

void cache_key_compiler(arena *a, cache_key *k) {
    search s = {.a = a, .k = k, .here = (uintptr_t)&cache_key_compiler};
    struct stat self;
    cache_key_text(a, k, FRIT_VERSION);
    dl_iterate_phdr(visit, &s);
    if (s.found || stat("/proc/self/exe", &self))
        return;
    /* Linked without a build id: the program's size and time stand for it. */
    cache_key_number(a, k, (uint64_t)self.st_size);
    cache_key_number(a, k, (uint64_t)self.st_mtim.tv_sec);
    cache_key_number(a, k, (uint64_t)self.st_mtim.tv_nsec);
}
