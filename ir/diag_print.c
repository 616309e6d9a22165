/* Printing diagnostics: text for people, JSON lines for tools. */
#include "diag.h"
#include "diag_internal.h"
#include <string.h>

enum { EXCERPT = 100 }; /* characters of a long source line that are shown around the caret */

static bool continuation_byte(char c) {
    return ((unsigned char)c & 0xc0) == 0x80;
}

static int count_characters(const char *text, uint32_t begin, uint32_t end) {
    int n = 0;
    for (uint32_t i = begin; i < end; i++)
        n += !continuation_byte(text[i]);
    return n;
}

static uint32_t line_start(const char *text, uint32_t offset) {
    while (offset && text[offset - 1] != '\n')
        offset--;
    return offset;
}

static uint32_t line_end(const diag_source *s, uint32_t offset) {
    const char *nl = memchr(s->text + offset, '\n', s->size - offset);
    uint32_t end = nl ? (uint32_t)(nl - s->text) : (uint32_t)s->size;
    return end > offset && s->text[end - 1] == '\r' ? end - 1 : end;
}

void diag_locate(const diag *d, uint32_t source, uint32_t offset, int *line, int *column) {
    const diag_source *s = &d->sources.data[source - 1];
    if (offset > s->size)
        offset = (uint32_t)s->size;
    *line = 1;
    for (const char *p = s->text; (p = memchr(p, '\n', offset - (size_t)(p - s->text))); p++)
        ++*line;
    *column = 1 + count_characters(s->text, line_start(s->text, offset), offset);
}

typedef struct {
    FILE *out;
    const char *bold, *error, *warning, *note, *help, *plain;
} palette;

static palette make_palette(FILE *out, bool colour) {
    if (!colour)
        return (palette){out, "", "", "", "", "", ""};
    return (palette){out, "\033[1m", "\033[1;31m", "\033[1;35m", "\033[1;36m", "\033[1;32m", "\033[0m"};
}

static const char *severity_word(diag_severity s) {
    return s == DIAG_ERROR ? "error" : s == DIAG_WARNING ? "warning" : "note";
}

static const char *severity_colour(const palette *p, diag_severity s) {
    return s == DIAG_ERROR ? p->error : s == DIAG_WARNING ? p->warning : p->note;
}

/* The shown part [from, to) of the line around [begin, end), cut at characters. */
static void choose_excerpt(const char *text, uint32_t begin, uint32_t *from, uint32_t *to) {
    if (*to - *from <= EXCERPT + 20)
        return;
    uint32_t lo = begin > *from + EXCERPT / 2 ? begin - EXCERPT / 2 : *from;
    uint32_t hi = *to - lo > EXCERPT ? lo + EXCERPT : *to;
    while (lo > *from && continuation_byte(text[lo]))
        lo--;
    while (hi < *to && continuation_byte(text[hi]))
        hi++;
    *from = lo;
    *to = hi;
}

/* Control characters are shown as spaces (they would move the caret or the terminal); bytes that are not ASCII pass
 * only in a file that is valid UTF-8. */
static void print_excerpt(FILE *out, const char *text, uint32_t from, uint32_t to, bool ascii) {
    for (uint32_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 && ascii)
            fputc('?', out);
        else
            fputc(c < 0x20 || c == 0x7f ? ' ' : c, out);
    }
}

static void print_source(const diag *d, const palette *p, ir_span span, int line, bool ascii, const char *colour) {
    const diag_source *s = &d->sources.data[span.file - 1];
    uint32_t begin = span.begin <= s->size ? span.begin : (uint32_t)s->size;
    uint32_t start = line_start(s->text, begin), end = line_end(s, begin);
    if (end < begin)
        end = begin;
    uint32_t from = start, to = end;
    choose_excerpt(s->text, begin, &from, &to);
    fprintf(p->out, " %5d | %s", line, from > start ? "..." : "");
    print_excerpt(p->out, s->text, from, to, ascii);
    fprintf(p->out, "%s\n       | %s%*s%s^", to < end ? "..." : "", from > start ? "   " : "",
            ascii ? (int)(begin - from) : count_characters(s->text, from, begin), "", colour);
    uint32_t last = span.end < to ? span.end : to;
    int width = last > begin ? ascii ? (int)(last - begin) : count_characters(s->text, begin, last) : 1;
    for (int i = 1; i < width; i++)
        fputc('~', p->out);
    fprintf(p->out, "%s\n", p->plain);
}

static void print_place(const diag *d, const palette *p, ir_span span, int *line) {
    int column;
    if (!span.file)
        return;
    diag_locate(d, span.file, span.begin, line, &column);
    fprintf(p->out, "%s%s:%d:%d:%s ", p->bold, diag_source_name(d, span.file), *line, column, p->plain);
}

static void print_record(const diag *d, const palette *p, int index) {
    diag_view v = diag_get(d, index);
    const char *colour = severity_colour(p, v.severity);
    bool ascii = v.message == MSG_BAD_UTF8;
    int line = 0;
    print_place(d, p, v.span, &line);
    fprintf(p->out, "%s%s[%s]:%s %s%s%s\n", colour, severity_word(v.severity), v.code, p->plain, p->bold, v.text,
            p->plain);
    if (v.span.file)
        print_source(d, p, v.span, line, ascii, colour);
    for (int n = 0; n < v.notes; n++) {
        ir_span span;
        const char *text = diag_get_note(d, index, n, &span);
        print_place(d, p, span, &line);
        fprintf(p->out, "%s%snote:%s %s\n", span.file ? "" : "       = ", p->note, p->plain, text);
        if (span.file)
            print_source(d, p, span, line, ascii, p->note);
    }
    if (v.suggestion)
        fprintf(p->out, "       = %shelp:%s %s\n", p->help, p->plain, v.suggestion);
}

void diag_print_text(const diag *d, FILE *out, bool colour) {
    palette p = make_palette(out, colour);
    for (int i = 0; i < d->records.len; i++)
        print_record(d, &p, i);
    if (d->dropped)
        fprintf(out, "%snote:%s %d more diagnostics are not shown\n", p.note, p.plain, d->dropped);
}

static void print_json_string(FILE *out, const char *s) {
    fputc('"', out);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

/* ,"file":...,"line":...,"column":...,"begin":...,"end":... */
static void print_json_place(const diag *d, FILE *out, ir_span span) {
    if (!span.file)
        return;
    int line, column;
    diag_locate(d, span.file, span.begin, &line, &column);
    fputs(",\"file\":", out);
    print_json_string(out, diag_source_name(d, span.file));
    fprintf(out, ",\"line\":%d,\"column\":%d,\"begin\":%u,\"end\":%u", line, column, span.begin, span.end);
}

static void print_json_record(const diag *d, FILE *out, int index) {
    diag_view v = diag_get(d, index);
    fprintf(out, "{\"severity\":\"%s\",\"code\":\"%s\",\"message\":", severity_word(v.severity), v.code);
    print_json_string(out, v.text);
    print_json_place(d, out, v.span);
    fputs(",\"notes\":[", out);
    for (int n = 0; n < v.notes; n++) {
        ir_span span;
        fprintf(out, "%s{\"message\":", n ? "," : "");
        print_json_string(out, diag_get_note(d, index, n, &span));
        print_json_place(d, out, span);
        fputc('}', out);
    }
    fputc(']', out);
    if (v.suggestion) {
        fputs(",\"help\":", out);
        print_json_string(out, v.suggestion);
    }
    fputs("}\n", out);
}

void diag_print_json(const diag *d, FILE *out) {
    for (int i = 0; i < d->records.len; i++)
        print_json_record(d, out, i);
}
