/* Identifiers: the model's own names where they can be had. */
#include "printer_internal.h"
#include <ctype.h>
#include <string.h>

/* Words that a name of the model may not take: keywords of C, C++ and their dialects, and what the preambles use. */
static const char *const reserved[] = {
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "begin", "bitand", "bitor", "blockDim", "blockIdx", "bool",
    "break", "buffers", "case", "catch", "char", "class", "compl", "concept", "const", "const_cast", "constexpr",
    "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "end", "enum", "explicit",
    "export", "extern", "false", "float", "for", "friend", "goto", "gridDim", "half", "if", "inline", "int", "ints",
    "long", "memcpy", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq",
    "private", "protected", "public", "register", "reinterpret_cast", "requires", "restrict", "return", "short",
    "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "threadIdx", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unix", "linux",
    "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "scratch", "tasks",
    "shared", "memory", "asm", "template", "i", "j", "l", "r", "fmaf", "fma", "sqrt", "sqrtf", "floor", "floorf", "ceil", "ceilf", "trunc", "truncf", "rint",
    "rintf", "fabs", "fabsf", "warpSize", "uint", "uchar", "ushort", "ulong"};

/* Short tags such as f32 or i64x4 are types. */
static bool is_type_tag(const char *s) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        const char *name = frit_dtype_name((frit_dtype)t);
        size_t n = strlen(name);
        if (!strncmp(s, name, n) && (!s[n] || (s[n] == 'x' && isdigit((unsigned char)s[n + 1])))) return true;
    }
    return false;
}

/* Functions for instructions. */
static bool is_instruction_like(const char *s) {
    static const char *const begin[] = {"copy_", "block_barrier", "part_barrier", "cluster_", "of_rank", "fence_async", "mbarrier_", "bulk_", "tensor_", "wgmma",
                                        "mma_", "mfma_", "wmma", "ldmatrix_", "take_registers", "give_registers", "shared_matrix", "at_most", "emulate"};
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        if (!strncmp(s, begin[i], strlen(begin[i]))) return true;
    return false;
}

/* Helpers' names end in a tag. */
static bool is_helper_like(const char *s) {
    if (is_instruction_like(s)) return true;
    const char *last = strrchr(s, '_');
    return last && is_type_tag(last + 1);
}

/* t and digits are temporaries, i and digits count loops. */
static bool is_temporary(const char *s) { return (*s == 't' || *s == 'i') && s[1] && strspn(s + 1, "0123456789") == strlen(s + 1); }

static bool is_reserved(const char *s) {
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!strcmp(s, reserved[i])) return true;
    return is_type_tag(s) || is_helper_like(s) || is_temporary(s);
}

bool c_is_free_word(const char *s) { return *s && !is_reserved(s) && strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(s); }

/* Letters, digits and single underscores; capitals only are left to macros. */
static const char *c_safe_name(arena *a, const char *want) {
    char *s = arena_printf(a, "%s", want);
    size_t n = 0;
    for (const char *c = want; *c; c++) {
        bool word = isalnum((unsigned char)*c) && (unsigned char)*c < 128;
        if (!word && (n == 0 || s[n - 1] == '_')) continue;
        s[n++] = word ? *c : '_';
    }
    while (n && s[n - 1] == '_') n--;
    s[n] = 0;
    if (!n) return "v";
    if (isdigit((unsigned char)s[0])) s = arena_printf(a, "v%s", s);
    bool macro = n > 1 && !strpbrk(s, "abcdefghijklmnopqrstuvwxyz_");
    return is_reserved(s) || macro ? arena_printf(a, "%s_", s) : s;
}

/* A name that is in use. */
typedef struct declared {
    const char *name, *common, *type; /* common: what it stands for wherever it is seen, of this type; or NULL */
    struct declared *next;
} declared;

static const char *free_name(cprinter *p, const char *want) {
    const char *base = c_safe_name(p->a, want), *name = base;
    for (int i = 2; name_get(&p->names, name, strlen(name)); i++) name = arena_printf(p->a, "%s_%d", base, i);
    return name;
}

const char *c_lasting_name(cprinter *p, const char *want) {
    const char *name = free_name(p, want);
    name_set(&p->names, name, strlen(name), p);
    return name;
}

static declared *declare(cprinter *p, const char *want) {
    declared *d = arena_new_of(p->a, declared);
    *d = (declared){.name = c_lasting_name(p, want), .next = p->declared};
    p->declared = d;
    return d;
}

const char *c_fresh_name(cprinter *p, const char *want) {
    return want && *want ? declare(p, want)->name : arena_printf(p->a, "t%d", p->next_temp++);
}

const char *c_common_name(cprinter *p, const char *want, const char *type, bool *is_new) {
    *is_new = false;
    for (const declared *d = p->declared; d; d = d->next)
        if (d->common && !strcmp(d->common, want) && !strcmp(d->type, type)) return d->name;
    declared *d = declare(p, want);
    d->common = want, d->type = type;
    *is_new = true;
    return d->name;
}

declared *c_open_scope(cprinter *p) { return p->declared; }

void c_close_scope(cprinter *p, declared *outside) {
    for (; p->declared != outside; p->declared = p->declared->next)
        name_set(&p->names, p->declared->name, strlen(p->declared->name), NULL);
}

const char *cprint_kernel_name(arena *a, const ir_func *f) { return arena_printf(a, "%s_kernel", c_safe_name(a, f->name)); }
