/* Weights in a file beside the package. */
#include "rt.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static frit_status map_range(const char *path, const fpk_tensor *t, void **map, size_t *map_size, const char **data,
                             frit_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) return rt_fail(err, FRIT_IO, "cannot open the weights '%s': %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size < t->offset + t->size) {
        close(fd);
        return rt_fail(err, FRIT_IO, "the weights '%s' are shorter than when the package was made", path);
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), from = t->offset / page * page;
    *map_size = t->size ? (size_t)(t->offset - from + t->size) : 0;
    void *m = *map_size ? mmap(NULL, *map_size, PROT_READ, MAP_PRIVATE, fd, (off_t)from) : NULL;
    int why = errno;
    close(fd);
    if (m == MAP_FAILED) return rt_fail(err, FRIT_IO, "cannot map the weights '%s': %s", path, strerror(why));
    *map = m;
    *data = m ? (const char *)m + (t->offset - from) : "";
    return FRIT_OK;
}

frit_status rt_map_beside(const frit_package *p, const fpk_tensor *t, bool check, void **map, size_t *map_size,
                          const char **data, frit_error *err) {
    char path[4096];
    const char *file = rt_string(p, t->file);
    if (snprintf(path, sizeof path, "%s%s", file[0] == '/' ? "" : p->dir, file) >= (int)sizeof path)
        return rt_fail(err, FRIT_IO, "the path of the weights is too long");
    TRY(map_range(path, t, map, map_size, data, err));
    if (!check || fpk_hash(*data, t->size) == t->digest) return FRIT_OK;
    if (*map) munmap(*map, *map_size);
    *map = NULL;
    return rt_fail(err, FRIT_BAD_PACKAGE, "param '%s' in '%s' is not what the package was made with",
                   rt_string(p, t->name), path);
}
