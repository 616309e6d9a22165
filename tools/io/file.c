/* Files in and out: mapped reading, atomic writing. */
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16 };
static const size_t MAX_FILE = (size_t)1 << 40;

struct io_file {
    uint8_t *data;
    size_t size;
    bool mapped;
    int refs;
};

bool io_fail(io_error *e, const char *format, ...) {
    if (!e)
        return false;
    va_list ap;
    va_start(ap, format);
    vsnprintf(e->text, sizeof e->text, format, ap);
    va_end(ap);
    return false;
}

/* Pipes and terminals have no size to map. */
static bool read_all(int fd, io_file *f) {
    size_t cap = 0;
    for (;;) {
        if (f->size + CHUNK > cap) {
            cap = cap ? cap * 2 : 4 * CHUNK;
            uint8_t *grown = cap <= MAX_FILE ? realloc(f->data, cap) : NULL;
            if (!grown) {
                errno = ENOMEM;
                return false;
            }
            f->data = grown;
        }
        ssize_t n = read(fd, f->data + f->size, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        f->size += (size_t)n;
    }
}

static bool map_or_read(int fd, io_file *f) {
    struct stat s;
    if (fstat(fd, &s))
        return false;
    if (S_ISDIR(s.st_mode)) {
        errno = EISDIR;
        return false;
    }
    if (!S_ISREG(s.st_mode) || s.st_size == 0)
        return read_all(fd, f);
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return read_all(fd, f);
    f->data = p;
    f->size = (size_t)s.st_size;
    f->mapped = true;
    return true;
}

io_file *io_file_open(const char *path, io_error *e) {
    io_file *f = calloc(1, sizeof *f);
    bool standard = !strcmp(path, "-");
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (!f || fd < 0) {
        io_fail(e, "%s: %s", path, strerror(f ? errno : ENOMEM));
        free(f);
        return NULL;
    }
    f->refs = 1;
    bool ok = map_or_read(fd, f);
    int error = errno;
    if (!standard)
        close(fd);
    if (ok)
        return f;
    io_fail(e, "%s: %s", path, strerror(error));
    free(f->data);
    free(f);
    return NULL;
}

io_file *io_file_retain(io_file *f) {
    f->refs++;
    return f;
}

void io_file_release(io_file *f) {
    if (!f || --f->refs)
        return;
    if (f->mapped)
        munmap(f->data, f->size);
    else
        free(f->data);
    free(f);
}

const uint8_t *io_file_data(const io_file *f) { return f->data; }
size_t io_file_size(const io_file *f) { return f->size; }

/* mkstemp makes the file private; give it the mode that creating it would have. */
static bool open_temporary(io_writer *w) {
    int fd = mkstemp(w->temporary);
    if (fd < 0)
        return false;
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    w->stream = fdopen(fd, "wb");
    if (!w->stream) {
        close(fd);
        unlink(w->temporary);
    }
    return w->stream;
}

bool io_writer_open(io_writer *w, const char *path, bool binary, io_error *e) {
    *w = (io_writer){0};
    if (!strcmp(path, "-")) {
        if (binary && isatty(STDOUT_FILENO))
            return io_fail(e, "not writing binary data to a terminal: give a file name or redirect the output");
        w->stream = stdout;
        return true;
    }
    struct stat s;
    if (!stat(path, &s) && !S_ISREG(s.st_mode)) { /* /dev/null, a pipe: nothing to rename */
        w->stream = S_ISDIR(s.st_mode) ? NULL : fopen(path, "wb");
        return w->stream || io_fail(e, "%s: %s", path, S_ISDIR(s.st_mode) ? "is a directory" : strerror(errno));
    }
    w->path = strdup(path);
    size_t n = strlen(path) + 12;
    w->temporary = malloc(n);
    if (w->path && w->temporary) {
        snprintf(w->temporary, n, "%s.XXXXXX", path);
        if (open_temporary(w))
            return true;
    }
    io_fail(e, "%s: %s", path, strerror(errno));
    free(w->path);
    free(w->temporary);
    *w = (io_writer){0};
    return false;
}

static void writer_clear(io_writer *w) {
    free(w->path);
    free(w->temporary);
    *w = (io_writer){0};
}

bool io_writer_commit(io_writer *w, io_error *e) {
    if (w->stream == stdout) {
        bool ok = !fflush(stdout) && !ferror(stdout);
        *w = (io_writer){0};
        return ok || io_fail(e, "standard output: %s", strerror(errno));
    }
    bool bad = ferror(w->stream);
    if (fclose(w->stream))
        bad = true;
    if (!bad && w->path)
        bad = rename(w->temporary, w->path) != 0;
    if (bad) {
        io_fail(e, "%s: %s", w->path ? w->path : "output", strerror(errno));
        if (w->temporary)
            unlink(w->temporary);
    }
    writer_clear(w);
    return !bad;
}

void io_writer_abort(io_writer *w) {
    if (!w->stream)
        return;
    if (w->stream != stdout)
        fclose(w->stream);
    if (w->temporary)
        unlink(w->temporary);
    writer_clear(w);
}

bool io_write_file(const char *path, const void *data, size_t size, bool binary, io_error *e) {
    io_writer w;
    if (!io_writer_open(&w, path, binary, e))
        return false;
    if (size && fwrite(data, 1, size, w.stream) != size) {
        io_fail(e, "%s: %s", path, strerror(errno));
        io_writer_abort(&w);
        return false;
    }
    return io_writer_commit(&w, e);
}

io_file *io_file_from_memory(void *data, size_t size) {
    io_file *f = calloc(1, sizeof *f);
    if (!f) {
        free(data);
        return NULL;
    }
    *f = (io_file){.data = data, .size = size, .refs = 1};
    return f;
}
