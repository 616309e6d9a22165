/* Reading and writing zip archives. */
#include "zip.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50,
    MAX_MEMBERS = 1 << 20, MAX_NAME = 4096
};

static uint64_t get(const uint8_t *p, int n) {
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* ---- the directory ---- */
typedef struct {
    uint64_t offset, size, count;
} directory;

/* The end record is the last thing in the file but for a comment of at most 65535 bytes. */
static const uint8_t *find_end(const uint8_t *p, size_t size) {
    if (size < 22)
        return NULL;
    size_t lowest = size > 22 + 65535 ? size - 22 - 65535 : 0;
    for (size_t at = size - 22 + 1; at-- > lowest;)
        if (get(p + at, 4) == END && at + 22 + get(p + at + 20, 2) <= size)
            return p + at;
    return NULL;
}

static bool find_directory(directory *d, const uint8_t *p, size_t size, io_error *e) {
    const uint8_t *end = find_end(p, size);
    if (!end)
        return io_fail(e, "not a zip archive, or truncated");
    *d = (directory){.offset = get(end + 16, 4), .size = get(end + 12, 4), .count = get(end + 10, 2)};
    size_t at = (size_t)(end - p);
    if (at >= 20 && get(end - 20, 4) == LOCATOR64) {
        uint64_t record = get(end - 20 + 8, 8);
        if (record > size || size - record < 56 || get(p + record, 4) != END64)
            return io_fail(e, "the zip64 directory is damaged");
        *d = (directory){.offset = get(p + record + 48, 8), .size = get(p + record + 40, 8),
                         .count = get(p + record + 32, 8)};
    }
    if (d->offset > size || d->size > size - d->offset || d->count > MAX_MEMBERS || d->count > d->size / 46)
        return io_fail(e, "the zip directory is damaged");
    return true;
}

/* Sizes and offsets of 0xffffffff are in the extra field 0x0001, in this order. */
static bool read_zip64(zip_member *m, const uint8_t *extra, size_t n) {
    while (n >= 4) {
        size_t id = get(extra, 2), len = get(extra + 2, 2);
        if (len > n - 4)
            return false;
        if (id == 1) {
            const uint8_t *p = extra + 4, *end = p + len;
            uint64_t *fields[] = {&m->size, &m->compressed, &m->offset};
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != 0xffffffff)
                    continue;
                if (end - p < 8)
                    return false;
                *fields[i] = get(p, 8);
                p += 8;
            }
            return true;
        }
        extra += 4 + len;
        n -= 4 + len;
    }
    return true;
}

static bool check_member(const zip_member *m, size_t file, io_error *e) {
    if (m->method != 0 && m->method != 8)
        return io_fail(e, "member '%.80s' is compressed by method %d, which is not supported", m->name, m->method);
    if (m->offset > file || m->compressed > file || (m->method == 0 && m->size != m->compressed))
        return io_fail(e, "the entry of member '%.80s' is damaged", m->name);
    if (m->method == 8 && m->size > m->compressed * 1040 + 1024) /* deflate gains at most 1032 to 1 */
        return io_fail(e, "member '%.80s' claims to be larger than its data allows", m->name);
    return true;
}

static bool read_entries(zip_file *z, const directory *d, io_error *e) {
    const uint8_t *base = io_file_data(z->file), *p = base + d->offset, *end = p + d->size;
    for (uint64_t i = 0; i < d->count; i++) {
        if (end - p < 46 || get(p, 4) != CENTRAL)
            return io_fail(e, "the zip directory is damaged");
        size_t name = get(p + 28, 2), extra = get(p + 30, 2), comment = get(p + 32, 2);
        if (name > MAX_NAME || (size_t)(end - p) < 46 + name + extra + comment)
            return io_fail(e, "the zip directory is damaged");
        zip_member *m = &z->members[z->n++];
        char *text = malloc(name + 1);
        if (!text)
            return io_fail(e, "out of memory");
        memcpy(text, p + 46, name);
        text[name] = 0;
        *m = (zip_member){.name = text, .compressed = get(p + 20, 4), .size = get(p + 24, 4), .offset = get(p + 42, 4),
                          .crc = (uint32_t)get(p + 16, 4), .method = (int)get(p + 10, 2)};
        if (get(p + 8, 2) & 1)
            return io_fail(e, "member '%.80s' is encrypted", m->name);
        if (!read_zip64(m, p + 46 + name, extra))
            return io_fail(e, "the entry of member '%.80s' is damaged", m->name);
        if (!check_member(m, io_file_size(z->file), e))
            return false;
        p += 46 + name + extra + comment;
    }
    return true;
}

bool zip_parse(zip_file *z, io_file *f, io_error *e) {
    directory d = {0};
    *z = (zip_file){0};
    if (!find_directory(&d, io_file_data(f), io_file_size(f), e))
        return false;
    z->members = calloc(d.count ? d.count : 1, sizeof *z->members);
    if (!z->members)
        return io_fail(e, "out of memory");
    z->file = io_file_retain(f);
    if (read_entries(z, &d, e))
        return true;
    zip_close(z);
    return false;
}

bool zip_open(zip_file *z, const char *path, io_error *e) {
    io_error inner;
    io_file *f = io_file_open(path, e);
    if (!f)
        return false;
    bool ok = zip_parse(z, f, &inner);
    io_file_release(f);
    return ok || io_fail(e, "%.300s: %.300s", path, inner.text);
}

void zip_close(zip_file *z) {
    for (int i = 0; i < z->n; i++)
        free((char *)(uintptr_t)z->members[i].name);
    free(z->members);
    io_file_release(z->file);
    *z = (zip_file){0};
}

/* ---- members ---- */
static uint32_t crc_of(const uint8_t *p, size_t n) { return (uint32_t)crc32_z(0, p, n); }

static bool inflate_member(const uint8_t *from, size_t n, uint8_t *to, size_t size) {
    z_stream s = {0};
    if (inflateInit2(&s, -15) != Z_OK)
        return false;
    int status = Z_OK;
    size_t in = 0, out = 0;
    uint8_t spare; /* inflate wants room even for an empty member */
    while (status == Z_OK) {
        size_t ni = n - in > UINT32_MAX ? UINT32_MAX : n - in, no = size - out > UINT32_MAX ? UINT32_MAX : size - out;
        s.next_in = (uint8_t *)(uintptr_t)(from + in);
        s.avail_in = (uInt)ni;
        s.next_out = no ? to + out : &spare;
        s.avail_out = (uInt)(no ? no : 1);
        uInt room = s.avail_out;
        status = inflate(&s, Z_NO_FLUSH);
        in += ni - s.avail_in;
        if (!no && s.avail_out != room)
            break; /* more data than the entry says */
        out += no ? room - s.avail_out : 0;
    }
    inflateEnd(&s);
    return status == Z_STREAM_END && out == size;
}

bool zip_read(const zip_file *z, int i, io_file **bytes, size_t *offset, size_t *size, io_error *e) {
    const zip_member *m = &z->members[i];
    const uint8_t *base = io_file_data(z->file), *p = base + m->offset;
    size_t left = io_file_size(z->file) - (size_t)m->offset;
    if (left < 30 || get(p, 4) != LOCAL)
        return io_fail(e, "the header of member '%.80s' is damaged", m->name);
    size_t skip = 30 + get(p + 26, 2) + get(p + 28, 2);
    if (skip > left || m->compressed > left - skip)
        return io_fail(e, "the archive ends in the middle of member '%.80s'", m->name);
    *size = (size_t)m->size;
    if (m->method == 0) {
        *offset = (size_t)m->offset + skip;
        *bytes = io_file_retain(z->file);
    } else {
        uint8_t *data = malloc(*size ? *size : 1);
        if (!data)
            return io_fail(e, "out of memory for member '%.80s'", m->name);
        if (!inflate_member(p + skip, (size_t)m->compressed, data, *size)) {
            free(data);
            return io_fail(e, "the data of member '%.80s' is damaged", m->name);
        }
        *offset = 0;
        *bytes = io_file_from_memory(data, *size);
        if (!*bytes)
            return io_fail(e, "out of memory");
    }
    if (crc_of(io_file_data(*bytes) + *offset, *size) == m->crc)
        return true;
    io_file_release(*bytes);
    return io_fail(e, "the checksum of member '%.80s' is wrong", m->name);
}

/* ---- writing ---- */
static void put(uint8_t **p, uint64_t v, int n) {
    for (int i = 0; i < n; i++)
        *(*p)++ = (uint8_t)(v >> 8 * i);
}

static uint64_t clamp32(uint64_t v) { return v >= 0xffffffff ? 0xffffffff : v; }

/* The extra field carries the sizes of every member (and, in the directory, its offset): zip64 without cases. */
static bool write_entry(FILE *out, const zip_member *m, bool central) {
    uint8_t head[46 + 28], *p = head;
    size_t name = strlen(m->name);
    bool large = m->size >= 0xffffffff || m->offset >= 0xffffffff;
    int extra = large ? central ? 28 : 20 : 0;
    put(&p, central ? CENTRAL : LOCAL, 4);
    if (central)
        put(&p, 45, 2);
    put(&p, large ? 45 : 20, 2);
    put(&p, 0x800, 2); /* names are UTF-8 */
    put(&p, 0, 2);
    put(&p, 0, 2);
    put(&p, 0x21, 2); /* 1 January 1980: equal arrays give equal bytes */
    put(&p, m->crc, 4);
    put(&p, large ? 0xffffffff : m->size, 4);
    put(&p, large ? 0xffffffff : m->size, 4);
    put(&p, name, 2);
    put(&p, (uint64_t)extra, 2);
    if (central) {
        put(&p, 0, 2);
        put(&p, 0, 2);
        put(&p, 0, 2);
        put(&p, 0, 4);
        put(&p, large ? 0xffffffff : m->offset, 4);
    }
    size_t fixed = (size_t)(p - head);
    uint8_t tail[28], *q = tail;
    if (large) {
        put(&q, 1, 2);
        put(&q, (uint64_t)extra - 4, 2);
        put(&q, m->size, 8);
        put(&q, m->size, 8);
        if (central)
            put(&q, m->offset, 8);
    }
    return fwrite(head, 1, fixed, out) == fixed && fwrite(m->name, 1, name, out) == name &&
           fwrite(tail, 1, (size_t)extra, out) == (size_t)extra;
}

static uint64_t entry_size(const zip_member *m, bool central) {
    bool large = m->size >= 0xffffffff || m->offset >= 0xffffffff;
    return (central ? 46u : 30u) + strlen(m->name) + (large ? central ? 28u : 20u : 0u);
}

bool zip_add(zip_writer *z, const char *name, uint64_t size, uint32_t crc, bool (*write)(const void *u, FILE *out),
             const void *u) {
    if (z->n == z->cap) {
        int cap = z->cap ? z->cap * 2 : 16;
        zip_member *grown = realloc(z->members, sizeof *grown * (size_t)cap);
        if (!grown)
            return false;
        z->members = grown;
        z->cap = cap;
    }
    zip_member m = {.name = strdup(name), .compressed = size, .size = size, .offset = z->at, .crc = crc};
    if (!m.name)
        return false;
    z->members[z->n++] = m;
    if (!write_entry(z->out, &m, false) || !write(u, z->out))
        return false;
    z->at += entry_size(&m, false) + size;
    return true;
}

static bool write_end(zip_writer *z, uint64_t start, uint64_t size) {
    uint8_t buffer[56 + 20 + 22], *p = buffer;
    if (start >= 0xffffffff || size >= 0xffffffff || z->n >= 0xffff) {
        put(&p, END64, 4);
        put(&p, 44, 8);
        put(&p, 45, 2);
        put(&p, 45, 2);
        put(&p, 0, 4);
        put(&p, 0, 4);
        put(&p, (uint64_t)z->n, 8);
        put(&p, (uint64_t)z->n, 8);
        put(&p, size, 8);
        put(&p, start, 8);
        put(&p, LOCATOR64, 4);
        put(&p, 0, 4);
        put(&p, start + size, 8);
        put(&p, 1, 4);
    }
    uint64_t count = z->n >= 0xffff ? 0xffff : (uint64_t)z->n;
    put(&p, END, 4);
    put(&p, 0, 4);
    put(&p, count, 2);
    put(&p, count, 2);
    put(&p, clamp32(size), 4);
    put(&p, clamp32(start), 4);
    put(&p, 0, 2);
    size_t n = (size_t)(p - buffer);
    return fwrite(buffer, 1, n, z->out) == n;
}

bool zip_finish(zip_writer *z) {
    bool ok = true;
    uint64_t size = 0;
    for (int i = 0; i < z->n; i++) {
        ok = ok && write_entry(z->out, &z->members[i], true);
        size += entry_size(&z->members[i], true);
    }
    ok = ok && write_end(z, z->at, size);
    for (int i = 0; i < z->n; i++)
        free((char *)(uintptr_t)z->members[i].name);
    free(z->members);
    return ok;
}
