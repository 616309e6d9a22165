#include "text_target.h"
#include "text_slots.h"
#include "codegen/c/printer.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct text_target {
    target base;
    const target *inner;
    const char *cc;
} text_target;

enum { JUMP_BYTES = 16 };

/* movabs rax, to; jmp rax */
static void put_jump(uint8_t *at, const void *to) {
    at[0] = 0x48, at[1] = 0xb8;
    memcpy(at + 2, &to, sizeof to);
    at[10] = 0xff, at[11] = 0xe0;
}

/* movabs rax, slot; jmp [rax] */
static void put_slot_jump(uint8_t *at, int64_t slot) {
    uint64_t where = TEXT_SLOTS + 8 * (uint64_t)slot;
    at[0] = 0x48, at[1] = 0xb8;
    memcpy(at + 2, &where, sizeof where);
    at[10] = 0xff, at[11] = 0x20;
}

static cprint_dialect dialect_of(const target *t) {
    const char *name = t->cls->name;
    return !strcmp(name, "cuda") ? CPRINT_CUDA : !strcmp(name, "hip") ? CPRINT_HIP : CPRINT_C;
}

/* An i64 that thread IR computes of arguments, in C. */
static const char *value_text(arena *a, const ir_func *f, const ir_value *v) {
    if (!v->op) {
        int n = 0;
        for (int i = 0; i < v->index; i++) n += f->body->args[i]->type.kind != IR_PTR;
        return arena_printf(a, "ints[%d]", n);
    }
    if (v->op->code == IR_constant)
        return arena_printf(a, "%lld", (long long)frit_load_int((frit_dtype)v->type.dtype, ir_attr_get(v->op, IR_ATTR_value)->data.p, 0));
    const char *x = value_text(a, f, ir_operand(v->op, 0)), *y = v->op->n_operands > 1 ? value_text(a, f, ir_operand(v->op, 1)) : "";
    switch (v->op->code) {
    case IR_add: return arena_printf(a, "(%s + %s)", x, y);
    case IR_sub: return arena_printf(a, "(%s - %s)", x, y);
    case IR_mul: return arena_printf(a, "(%s * %s)", x, y);
    case IR_floordiv: return arena_printf(a, "(%s / %s)", x, y);
    default: return "unknown";
    }
}

/* Declarations of f's tensor maps, map0 and so on; *args: ", map0, map1". */
static const char *map_text(arena *a, const ir_func *f, const char **args) {
    const char *s = "";
    int n = 0;
    *args = "";
    for (const ir_op *op = f->body->first; op; op = op->next) {
        if (op->code != IR_tensor_map) continue;
        int rank = op->n_operands / 2;
        const int64_t *box, *swizzle, *steps;
        int n_steps = ir_get_ints(op, IR_ATTR_steps, &steps);
        const char *lists[4] = {"", "", "", ""};
        ir_get_ints(op, IR_ATTR_box, &box), ir_get_ints(op, IR_ATTR_swizzle, &swizzle);
        for (int i = 1; i < op->n_operands; i++) {
            const char **list = &lists[i > rank];
            *list = arena_printf(a, "%s%s, ", *list, value_text(a, f, ir_operand(op, i)));
        }
        for (int i = 0; i < rank; i++) lists[2] = arena_printf(a, "%s%lld, ", lists[2], (long long)box[i]);
        for (int i = 0; i < rank; i++) lists[3] = arena_printf(a, "%s%lld, ", lists[3], (long long)(n_steps ? steps[i] : 1));
        const char *held = arena_printf(a, "long long e%d[] = {%s}, s%d[] = {%s};\n    int b%d[] = {%s}, t%d[] = {%s}", n, lists[0], n, lists[1], n, lists[2], n, lists[3]);
        s = arena_printf(a, "%s    tensor_map map%d;\n    %s;\n    emulate_map(&map%d, buffers[%d], %d, %d, %d, e%d, s%d, b%d, t%d);\n", s, n, held, n,
                         ir_operand(op, 0)->index, (int)frit_dtype_bytes((frit_dtype)ir_result(op, 0)->type.dtype, 1), rank, (int)swizzle[0], n, n, n, n);
        *args = arena_printf(a, "%s, map%d", *args, n++);
    }
    return s;
}

/* The kernel behind the CPU's ABI: one block does the tasks begin .. end - 1, or each of them has one. The worker's scratch
 * has room for one block, which need not be number 0: the kernel is given more. */
static const char *entry_text(arena *a, const ir_func *f, int warp) {
    const char *name = cprint_kernel_name(a, f), *args = "";
    int n_ptr = 0, n_int = 0, n = f->body->n_args - 2;
    for (int i = 0; i < n; i++) {
        bool ptr = f->body->args[i]->type.kind == IR_PTR;
        args = ptr ? arena_printf(a, "%sas_pointer(buffers[%d]), ", args, n_ptr++) : arena_printf(a, "%sints[%d], ", args, n_int++);
    }
    const char *map_args, *maps = map_text(a, f, &map_args);
    if (f->cluster) /* clusters whose first task is one of these */
        return arena_printf(a,
                            "extern \"C\" void %s_entry(void *const *buffers, const i64 *ints, void *scratch, i64 begin, i64 end) {\n"
                            "    (void)ints, (void)scratch;\n%s    begin = (begin + %d) / %d * %d, end = (end + %d) / %d * %d;\n"
                            "    if (begin < end) emulate({\"%s\", %d, %d, %lld, begin, %d}, [=] { %s(%sas_pointer(emulate_scratch()), end%s); });\n}\n",
                            name, maps, f->cluster - 1, f->cluster, f->cluster, f->cluster - 1, f->cluster, f->cluster, f->name, f->threads, warp,
                            (long long)f->shared, f->cluster, name, args, map_args);
    return arena_printf(a,
                        "extern \"C\" void %s_entry(void *const *buffers, const i64 *ints, void *scratch, i64 begin, i64 end) {\n"
                        "    (void)ints, (void)scratch;\n%s"
                        "    bool alone = begin > 0; /* the tasks of later grids begin anew for each block */\n"
                        "    for (i64 stop = alone ? end : begin + 1; begin < stop; begin++)\n"
                        "        emulate({\"%s\", %d, %d, %lld, begin, 0, alone}, [=] { %s(%sas_pointer(emulate_scratch()), end%s); });\n}\n",
                        name, maps, f->name, f->threads, warp, (long long)f->shared, name, args, map_args);
}

/* The text without its nth statement that begins so, for tests that want to see it missed. */
static const char *without(arena *a, const char *s, const char *call, int n, const char **error) {
    const char *at = s, *line = arena_printf(a, "    %s", call); /* no helper's definition */
    for (int i = 0; i < n; i++) {
        at = strstr(i ? at + 1 : at, line);
        if (!at) {
            *error = arena_printf(a, "the text has only %d of %s", i, call);
            return NULL;
        }
    }
    return arena_printf(a, "%.*s;%s", (int)(at - s), s, strchr(at, ';') + 1);
}

static const char *source_text(const text_target *t, arena *a, int n, ir_func *const *kernels, const char **error) {
    cprint_dialect d = dialect_of(t->inner);
    const char *s = cprint_module(a, d, NULL, n, kernels, error);
    if (!s) return NULL;
    if (d == CPRINT_C)
        return arena_printf(a, "#ifdef __cplusplus\n#define FRIT_KERNEL extern \"C\"\n#endif\n%s", s);
    const char *all = arena_printf(a, "#include \"%s.h\"\n%s", d == CPRINT_HIP ? "emulate_hip" : "emulate", s);
    for (int i = 0; i < n; i++) all = arena_printf(a, "%s%s", all, entry_text(a, kernels[i], t->inner->limits.warp));
    const char *drop = getenv("TEXT_DROP"), *which = getenv("TEXT_DROP_NUMBER");
    return drop && which ? without(a, all, drop, atoi(which), error) : all;
}

static bool write_file(const char *path, const char *s) {
    FILE *f = fopen(path, "wb");
    return f && fwrite(s, 1, strlen(s), f) == strlen(s) && !fclose(f);
}

/* Compiles `source` to a library in folder dir. The system's linker makes it: tcc's own asks for a stack that is executable,
 * which newer C libraries refuse to load. */
static const char *build_library(const text_target *t, arena *a, const char *dir, const char *name, const char *source, bool cpp,
                                 const char **error) {
    const char *in = arena_printf(a, "%s/%s.%s", dir, name, cpp ? "cc" : "c"), *out = arena_printf(a, "%s/%s.so", dir, name);
    const char *more = cpp && getenv("TEXT_MORE") ? getenv("TEXT_MORE") : ""; /* what emulates: options and objects */
    bool own_linker = strncmp(t->cc, "tcc", 3) != 0;
    const char *command =
        own_linker ? arena_printf(a, "%s -Wall -Werror -fPIC -shared -o %s %s %s -lm > %s/%s.log 2>&1", t->cc, out, in, more, dir, name)
                   : arena_printf(a, "{ %s -Wall -Werror -fPIC -c -o %s.o %s && cc -shared -z noexecstack -o %s %s.o"
                            " $(tcc -print-search-dirs | grep libtcc1.a) -lm; } > %s/%s.log 2>&1",
                                  t->cc, out, in, out, out, dir, name);
    if (!write_file(in, source)) *error = "the source can't be written";
    else if (system(command)) *error = arena_printf(a, "failed (see %s): %s", dir, command);
    else return out;
    return NULL;
}

/* The library stays loaded until the process ends. */
static void *load_library(const text_target *t, arena *a, const char *source, bool cpp, const char **error) {
    char dir[] = "/tmp/frit-text-XXXXXX";
    if (!mkdtemp(dir)) {
        *error = "no temporary folder";
        return NULL;
    }
    const char *path = build_library(t, a, dir, "k", source, cpp, error);
    void *lib = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (path && !lib) *error = arena_strdup(a, dlerror());
    if (lib) (void)!system(arena_printf(a, "rm -rf %s", dir));
    return lib;
}

/* Notes n symbols of a library in the folder's index: the slot of the first, or -1. */
static int64_t note_slots(arena *a, const char *folder, const char *library, int n, const char *const *symbols) {
    FILE *f = fopen(arena_printf(a, "%s/index", folder), "a+");
    int64_t first = 0;
    if (!f || flock(fileno(f), LOCK_EX)) return -1;
    rewind(f);
    for (int c; (c = getc(f)) != EOF;) first += c == '\n';
    for (int i = 0; i < n; i++) fprintf(f, "%s.so %s\n", library, symbols[i]);
    return fclose(f) ? -1 : first;
}

static const char *symbol_of(arena *a, const ir_func *f, bool c) {
    return arena_printf(a, "%s%s", cprint_kernel_name(a, f), c ? "" : "_entry");
}

/* Code that finds the kernels by their slots (text_slots.h). */
static bool keep(const text_target *t, arena *a, const char *folder, const char *source, int n, ir_func *const *kernels, uint8_t *bytes,
                 const char **error) {
    bool c = dialect_of(t->inner) == CPRINT_C;
    char file[] = "kXXXXXX";
    char *path = (char *)arena_printf(a, "%s/%s", folder, file);
    const char **symbols = arena_array(a, const char *, n + 1);
    int fd = mkstemp(path);
    if (fd < 0) return *error = "no file in the folder of libraries", false;
    close(fd);
    const char *name = strrchr(path, '/') + 1;
    if (!build_library(t, a, folder, name, source, !c || !strncmp(t->cc, "g++", 3), error)) return false;
    for (int i = 0; i < n; i++) symbols[i] = symbol_of(a, kernels[i], c);
    int64_t first = note_slots(a, folder, name, n, symbols);
    for (int i = 0; i < n; i++) put_slot_jump(bytes + i * JUMP_BYTES, first + i);
    if (first < 0) *error = "the index of libraries can't be written";
    return first >= 0;
}

/* Code that jumps to the kernels in a library of this process. */
static bool load(const text_target *t, arena *a, const char *source, int n, ir_func *const *kernels, uint8_t *bytes, const char **error) {
    bool c = dialect_of(t->inner) == CPRINT_C;
    void *lib = load_library(t, a, source, !c || !strncmp(t->cc, "g++", 3), error);
    for (int i = 0; lib && i < n; i++) {
        const char *name = symbol_of(a, kernels[i], c);
        void *to = dlsym(lib, name);
        if (!to) return *error = arena_printf(a, "no '%s' in the library", name), false;
        put_jump(bytes + i * JUMP_BYTES, to);
    }
    return lib != NULL;
}

static const code_blob *text_compile(const target *base, arena *a, int n, ir_func *const *kernels, const char **error) {
    const text_target *t = (const text_target *)base;
    const char *folder = getenv("TEXT_KEEP"), *source = source_text(t, a, n, kernels, error);
    uint8_t *bytes = arena_alloc(a, (size_t)n * JUMP_BYTES);
    code_kernel *k = arena_array(a, code_kernel, n);
    if (!source) return NULL;
    if (!(folder ? keep(t, a, folder, source, n, kernels, bytes, error) : load(t, a, source, n, kernels, bytes, error))) return NULL;
    for (int i = 0; i < n; i++) k[i] = (code_kernel){.name = kernels[i]->name, .offset = (int64_t)i * JUMP_BYTES};
    code_blob *b = arena_new_of(a, code_blob);
    *b = (code_blob){bytes, (int64_t)n * JUMP_BYTES, JUMP_BYTES, n, k};
    return b;
}

static const char *text_emit(const target *t, arena *a, target_form form, int n, ir_func *const *kernels, int64_t *size,
                             const char **error) {
    return target_emit(((const text_target *)t)->inner, a, form, n, kernels, size, error);
}

static void text_needs(const target *t, uint32_t *arch, uint64_t *features) { *arch = 0, *features = 0; }

static const target_class text_class = {"cpu", "text, compiled by a C compiler", NULL, text_compile, text_emit, text_needs};

const target *text_target_open(arena *a, const char *inner, const char *cc, const char **error) {
    text_target *t = arena_new_of(a, text_target);
    t->inner = target_open(a, inner, error);
    if (!t->inner) return NULL;
    t->cc = cc;
    t->base = (target){&text_class, "cpu:text", t->inner->limits, getenv("TEXT_MODULES") ? atoi(getenv("TEXT_MODULES")) : 0};
    return &t->base;
}

/* ------------ in the place of target_open */
const target *__real_target_open(arena *a, const char *string, const char **error);
const target *__wrap_target_open(arena *a, const char *string, const char **error);

const target *__wrap_target_open(arena *a, const char *string, const char **error) {
    const char *cc = getenv("TEXT_CC"), *inner = getenv("TEXT_TARGET");
    if (!cc || strncmp(string, "cpu", 3)) return __real_target_open(a, string, error);
    return text_target_open(a, inner ? inner : "c", cc, error);
}
