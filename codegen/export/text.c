/* Growing text, C names, C literals. */
#include "export_internal.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- Text -------------------------------------------------------------------------------------------------------- */
static void reserve(text *t, size_t n) {
    if (t->len + n + 1 <= t->cap) return;
    size_t cap = 2 * t->cap > t->len + n + 1 ? 2 * t->cap : t->len + n + 1024;
    char *grown = arena_alloc(t->a, cap);
    if (t->len) memcpy(grown, t->data, t->len);
    t->data = grown, t->cap = cap;
}

void put_bytes(text *t, const void *bytes, size_t n) {
    reserve(t, n);
    if (n) memcpy(t->data + t->len, bytes, n);
    t->len += n;
}

void put(text *t, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    if (!fmt) fmt = ""; /* never; without it the sanitizers' builds warn of a null format */
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        reserve(t, (size_t)n);
        vsnprintf(t->data + t->len, (size_t)n + 1, fmt, again);
        t->len += (size_t)n;
    }
    va_end(again);
}

const char *text_of(text *t) {
    reserve(t, 0);
    t->data[t->len] = 0;
    return t->data;
}

void put_template(text *t, const exporter *x, const char *template) {
    for (const char *s = template; *s;) {
        size_t n = strcspn(s, "@$");
        put_bytes(t, s, n);
        s += n;
        if (*s == '$' && s[1] != '_')
            put(t, "%c", *s++);
        else if (*s)
            put(t, "%s", *s++ == '@' ? x->name : x->upper);
    }
}

void put_doc(text *t, const char *doc, const char *prefix) {
    for (const char *s = doc; *s;) {
        size_t n = strcspn(s, "\n");
        put(t, "%s", prefix);
        for (size_t i = 0; i < n; i++) {
            bool ends = s[i] == '/' && i && s[i - 1] == '*', begins = s[i] == '*' && i && s[i - 1] == '/';
            put(t, ends || begins ? " %c" : "%c", s[i] == '\\' && i + 1 == n ? ' ' : s[i]);
        }
        put(t, "\n");
        s += n + (s[n] == '\n');
    }
}

void put_string(text *t, const char *s) {
    put(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\' || c == '?')
            put(t, "\\%c", c);
        else if (c < 32 || c > 126)
            put(t, "\\%03o", c);
        else
            put(t, "%c", c);
    }
    put(t, "\"");
}

const char *literal(arena *a, int64_t v) {
    if (v == INT64_MIN) return "INT64_MIN";
    if (v == INT64_MAX) return "INT64_MAX";
    if (v > INT32_MAX || v < -INT32_MAX) return arena_printf(a, "INT64_C(%lld)", (long long)v);
    return arena_printf(a, "%lld", (long long)v);
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */
/* Keywords of C and C++, what <stdint.h>, <stdlib.h> and <string.h> bring, and what generated functions call theirs. */
static const char *const reserved[] = {"alignas",
                                       "alignof",
                                       "and",
                                       "and_eq",
                                       "asm",
                                       "auto",
                                       "bitand",
                                       "bitor",
                                       "bool",
                                       "break",
                                       "case",
                                       "catch",
                                       "char",
                                       "class",
                                       "compl",
                                       "concept",
                                       "const",
                                       "consteval",
                                       "constexpr",
                                       "constinit",
                                       "const_cast",
                                       "continue",
                                       "co_await",
                                       "co_return",
                                       "co_yield",
                                       "decltype",
                                       "default",
                                       "delete",
                                       "do",
                                       "double",
                                       "dynamic_cast",
                                       "else",
                                       "enum",
                                       "explicit",
                                       "export",
                                       "extern",
                                       "false",
                                       "float",
                                       "for",
                                       "friend",
                                       "goto",
                                       "if",
                                       "inline",
                                       "int",
                                       "long",
                                       "mutable",
                                       "namespace",
                                       "new",
                                       "noexcept",
                                       "not",
                                       "not_eq",
                                       "nullptr",
                                       "operator",
                                       "or",
                                       "or_eq",
                                       "private",
                                       "protected",
                                       "public",
                                       "register",
                                       "reinterpret_cast",
                                       "requires",
                                       "restrict",
                                       "return",
                                       "short",
                                       "signed",
                                       "sizeof",
                                       "static",
                                       "static_assert",
                                       "static_cast",
                                       "struct",
                                       "switch",
                                       "template",
                                       "this",
                                       "thread_local",
                                       "throw",
                                       "true",
                                       "try",
                                       "typedef",
                                       "typeid",
                                       "typename",
                                       "typeof",
                                       "union",
                                       "unsigned",
                                       "using",
                                       "virtual",
                                       "void",
                                       "volatile",
                                       "wchar_t",
                                       "while",
                                       "xor",
                                       "xor_eq",
                                       "linux",
                                       "unix",
                                       "main",
                                       "NULL",
                                       "INT64_MIN",
                                       "INT64_MAX",
                                       "INT64_C",
                                       "SIZE_MAX",
                                       "int8_t",
                                       "int16_t",
                                       "int32_t",
                                       "int64_t",
                                       "uint8_t",
                                       "uint16_t",
                                       "uint32_t",
                                       "uint64_t",
                                       "size_t",
                                       "uintptr_t",
                                       "malloc",
                                       "free",
                                       "memcpy",
                                       "memmove",
                                       "memset",
                                       "memcmp",
                                       "fopen",
                                       "fclose",
                                       "fread",
                                       "FILE",
                                       "abs",
                                       "div",
                                       "exit",
                                       "abort",
                                       "context",
                                       "weights",
                                       "plan",
                                       "memory",
                                       "bad",
                                       "status",
                                       "buffers",
                                       "ints",
                                       "out",
                                       "saved",
                                       "seed",
                                       "tasks",
                                       "launch",
                                       "errno",
                                       "stdin",
                                       "stdout",
                                       "stderr",
                                       "I"};

static bool taken(const names *n, const char *s) {
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!strcmp(reserved[i], s)) return true;
    for (int i = 0; i < n->taken.len; i++)
        if (!strcmp(n->taken.data[i], s)) return true;
    return false;
}

/* Words with a digit or letter at either end: an underscore first or last, or two in a row, belong to others. */
static const char *plain(arena *a, const char *wanted) {
    char *s = arena_alloc(a, strlen(wanted) + 4), *to = s;
    for (; *wanted; wanted++) {
        bool word = isalnum((unsigned char)*wanted);
        if (to == s && !isalpha((unsigned char)*wanted)) *to++ = 'x';
        if (word)
            *to++ = *wanted;
        else if (to > s && to[-1] != '_')
            *to++ = '_';
    }
    while (to > s && to[-1] == '_') to--;
    if (to == s) *to++ = 'x';
    *to = 0;
    return s;
}

const char *name_new(names *n, const char *wanted) {
    const char *base = plain(n->a, wanted), *s = base;
    /* t3, v3, end3... belong to generated code */
    size_t word = strcspn(base, "0123456789");
    bool ours = base[word] && strspn(base + word, "0123456789") == strlen(base + word) &&
                ((word == 1 && (*base == 't' || *base == 'v')) || (word == 3 && !strncmp(base, "end", 3)));
    if (ours) s = base = arena_printf(n->a, "%s_", base);
    for (int i = 1; taken(n, s); i++)
        s = i == 1 ? arena_printf(n->a, "%s_", base) : arena_printf(n->a, "%s_%d", base, i);
    vec_push(n->a, &n->taken, s);
    return s;
}

/* Functions of a model are called NAME and NAME_...: not like those of C's and the system's libraries, which they would
 * replace, nor so that they meet the file's own (make_context, open_device). */
static const char not_models[] =
    "acos acosh alarm asin asinh atan atan2 atanh atof atoi atol accept access bind bsearch calloc cbrt ceil chdir chmod clock "
    "clone close connect copysign cos cosh crypt ctime daemon dup encrypt environ erf erfc err error exp exp2 expm1 fabs fdim "
    "feof ferror fflush floor fma fmax fmin fmod fork frexp fseek fsync ftell fwrite gamma getc getenv gets hypot ilogb index "
    "ioctl isinf isnan j0 j1 jn kill ldexp lgamma link listen log log10 log1p log2 logb lrint lround lseek mmap modf mount nan "
    "nextafter nice pause pipe poll pow printf putc puts qsort raise rand random read realloc recv remainder remove remquo "
    "rename rewind rint rmdir round scalbn scanf select send shutdown signal signbit sin sinh sleep socket splice sqrt stat "
    "strlen sync system tan tanh tee tgamma time trunc truncate unlink wait warn write y0 y1 yn "
    "apart check copy driver elements enter failed file fill find finish get inside job kernels leave load machine make modules "
    "need open part put queue run span ";

const char *name_model(names *n, const char *wanted) {
    names own = {.a = n->a};
    for (const char *s = not_models; *s; s += strcspn(s, " ") + 1) vec_push(n->a, &own.taken, arena_strndup(n->a, s, strcspn(s, " ")));
    const char *s = plain(n->a, wanted);
    s = name_new(&own, taken(&own, s) ? arena_printf(n->a, "%s_model", s) : s);
    vec_push(n->a, &n->taken, s);
    return s;
}

const char *upper(arena *a, const char *s) {
    char *u = arena_strdup(a, s);
    for (char *c = u; *c; c++) *c = (char)toupper((unsigned char)*c);
    return u;
}

const char *c_type(frit_dtype t) {
    switch (t) {
    case FRIT_f64: return "double";
    case FRIT_f32: return "float";
    case FRIT_f16:
    case FRIT_bf16:
    case FRIT_u16: return "uint16_t";
    case FRIT_i64: return "int64_t";
    case FRIT_i32: return "int32_t";
    case FRIT_i16: return "int16_t";
    case FRIT_i8: return "int8_t";
    case FRIT_u64: return "uint64_t";
    case FRIT_u32: return "uint32_t";
    default: return "uint8_t"; /* u8, bool, f8, and pairs of 4-bit integers */
    }
}
