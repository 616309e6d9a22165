/* NAME.c: the host side, put together from the plans, the schedules and the functions of the interface. */
#include "export_internal.h"
#include "runtime/cpu.h"
#include <string.h>

/* ---- Helpers of generated code ----------------------------------------------------------------------------------- */
static const char *const help_text[HELP_COUNT] = {
    [HELP_ADD] =
        "static int64_t add_(int64_t a, int64_t b, int *bad) {\n"
        "    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) {\n        *bad = 1;\n        return 0;\n    }\n"
        "    return a + b;\n}\n",
    [HELP_SUB] =
        "static int64_t sub_(int64_t a, int64_t b, int *bad) {\n"
        "    if (b < 0 ? a > INT64_MAX + b : a < INT64_MIN + b) {\n        *bad = 1;\n        return 0;\n    }\n"
        "    return a - b;\n}\n",
    [HELP_MUL] = "static int64_t mul_(int64_t a, int64_t b, int *bad) {\n"
                 "    const int over = b == -1 ? a == INT64_MIN\n"
                 "                     : b > 0 ? a > INT64_MAX / b || a < INT64_MIN / b\n"
                 "                     : b < 0 && (a > INT64_MIN / b || a < INT64_MAX / b);\n"
                 "    if (over) {\n        *bad = 1;\n        return 0;\n    }\n    return a * b;\n}\n",
    [HELP_FLOORDIV] = "/* Toward minus infinity; by 0 it is 0. */\n"
                      "static int64_t floordiv_(int64_t a, int64_t b, int *bad) {\n"
                      "    if (b == 0) return 0;\n"
                      "    if (a == INT64_MIN && b == -1) {\n        *bad = 1;\n        return 0;\n    }\n"
                      "    return a / b - (a % b != 0 && (a < 0) != (b < 0));\n}\n",
    [HELP_CEILDIV] = "static int64_t ceildiv_(int64_t a, int64_t b, int *bad) {\n"
                     "    if (b == 0) return 0;\n"
                     "    if (a == INT64_MIN && b == -1) {\n        *bad = 1;\n        return 0;\n    }\n"
                     "    return a / b + (a % b != 0 && (a < 0) == (b < 0));\n}\n",
    [HELP_FLOORMOD] = "static int64_t floormod_(int64_t a, int64_t b) {\n"
                      "    int64_t r;\n    if (b == 0 || b == -1) return 0;\n    r = a % b;\n"
                      "    return r != 0 && (r < 0) != (b < 0) ? r + b : r;\n}\n",
    [HELP_MIN] = "static int64_t min_(int64_t a, int64_t b) { return a < b ? a : b; }\n",
    [HELP_MAX] = "static int64_t max_(int64_t a, int64_t b) { return a > b ? a : b; }\n",
    [HELP_END] = "/* Where `bytes` bytes from `at` end, rounded up to 64. */\n"
                 "static int64_t end_(int64_t at, int64_t bytes, int *bad) {\n"
                 "    if (bytes < 0 || at > INT64_MAX - 64 || bytes > INT64_MAX - 64 - at) {\n"
                 "        *bad = 1;\n        return 0;\n    }\n"
                 "    return (at + bytes + 63) / 64 * 64;\n}\n",
    [HELP_FILL] = "static void fill_(void *to, int64_t bytes, int width, uint64_t pattern) {\n"
                  "    char *p = (char *)to;\n    int64_t i = 0;\n"
                  "    for (; i + width <= bytes; i += width) memcpy(p + i, &pattern, (size_t)width);\n"
                  "    memcpy(p + i, &pattern, (size_t)(bytes - i));\n}\n",
};

/* Those that any of the models uses. */
static void put_helpers(const export_set *s, text *t) {
    bool any = false;
    for (int i = 0; i < HELP_COUNT; i++) {
        bool used = false;
        for (int k = 0; k < s->n; k++) used |= s->models[k].helps[i];
        if (!used || !help_text[i] || (s->models[0].gpu && i == HELP_FILL)) continue; /* devices have their own */
        if (!any) put(t, "/* ---- Arithmetic: sizes that would overflow set `bad` ---- */\n");
        any = true;
        put(t, "%s", help_text[i]);
    }
    if (any) put(t, "\n");
}

static void put_preamble(const export_set *s, text *t) {
    const exporter *x = &s->models[0];
    put(t, "/* %s.c: the host side of the model%s", s->name, s->n > 1 ? "s" : "");
    for (int i = 0; i < s->n; i++)
        put(t, "%s %s", i ? "," : "", rt_string(s->models[i].p, s->models[i].p->info->entry));
    put(t, ", compiled by %s for %s. */\n", rt_string(x->p, x->p->info->compiler), rt_string(x->p, x->v->target));
    put(t, "#include \"%s.h\"\n#include <stdlib.h>\n#include <string.h>\n", s->name);
    if (x->gpu) put(t, "#include <dlfcn.h>\n");
    if (s->weights_file.name) put(t, "#include <stdio.h>\n");
    put(t,
        "\n#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
        "#error \"made for little-endian machines\"\n#endif\n"
        "#if defined(__GNUC__) || defined(__TINYC__)\n#define ALIGNED_ __attribute__((aligned(64)))\n"
        "#else\n#define ALIGNED_\n#endif\n"
        "/* Where memory comes from; a build may define its own. */\n"
        "#ifndef %s_MALLOC\n#define %s_MALLOC malloc\n#define %s_FREE free\n#endif\n\n",
        s->upper, s->upper, s->upper);
}

static void put_memory(const export_set *s, text *t) {
    put(t,
        "/* ---- Memory: aligned to 64 bytes ---- */\n"
        "static void *get_memory(int64_t bytes) {\n"
        "    char *got, *at;\n"
        "    if (bytes < 0 || (uint64_t)bytes > SIZE_MAX - 128) return NULL;\n"
        "    got = (char *)%s_MALLOC((size_t)bytes + 128);\n"
        "    if (!got) return NULL;\n"
        "    at = got + 128 - ((uintptr_t)got & 63);\n"
        "    memcpy(at - sizeof got, &got, sizeof got);\n"
        "    return at;\n}\n"
        "static void free_memory(void *p) {\n"
        "    char *got;\n"
        "    if (!p) return;\n"
        "    memcpy(&got, (char *)p - sizeof got, sizeof got);\n"
        "    %s_FREE(got);\n}\n\n",
        s->upper, s->upper);
}

/* ---- Machine ----------------------------------------------------------------------------------------------------- */
/* Features that compilers' __builtin_cpu_supports knows by the same name since long; those left out come with them. */
static bool tested(const char *feature) {
    static const char *const known[] = {"popcnt",   "avx2",     "bmi",      "bmi2",     "fma",        "avx512f",
                                        "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512vnni", "avx512vbmi"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], feature)) return true;
    return false;
}

static void put_machine(const exporter *x, text *t) {
    const char *test = NULL;
    for (int i = 0; i < 64; i++) {
        const char *f = !x->set->kernel_text && x->v->features >> i & 1 ? rt_cpu_feature_name(x->v->arch, i) : NULL;
        if (f && x->v->arch == FPK_ARCH_X86_64 && tested(f))
            test = test ? arena_printf(x->a, "%s &&\n           __builtin_cpu_supports(\"%s\")", test, f)
                        : arena_printf(x->a, "__builtin_cpu_supports(\"%s\")", f);
    }
    put(t, "/* ---- Machine ---- */\n/* Whether this processor has the instructions that the kernels use. */\n"
           "static int machine_fits(void) {\n");
    if (test)
        put(t,
            "#if defined(__x86_64__) && defined(__GNUC__) && !defined(__TINYC__)\n    __builtin_cpu_init();\n"
            "    return %s;\n#else\n    return 1;\n#endif\n}\n",
            test);
    else
        put(t, "    return 1;\n}\n");
    put(t, "/* The floating environment of the kernels: to nearest, denormals kept. leave_ gives back what was before. "
           "*/\n"
           "#if defined(__x86_64__) && defined(__GNUC__) && !defined(__TINYC__)\n"
           "static unsigned enter_(void) {\n    const unsigned saved = __builtin_ia32_stmxcsr();\n"
           "    if ((saved & 0xffc0u) != 0x1f80u) __builtin_ia32_ldmxcsr(0x1f80u);\n    return saved;\n}\n"
           "static void leave_(unsigned saved) {\n    if (__builtin_ia32_stmxcsr() != saved) "
           "__builtin_ia32_ldmxcsr(saved);\n}\n"
           "#elif defined(__aarch64__) && defined(__GNUC__)\n"
           "static unsigned enter_(void) {\n    uint64_t saved;\n    const uint64_t zero = 0;\n"
           "    __asm__ volatile(\"mrs %%0, fpcr\" : \"=r\"(saved));\n"
           "    if (saved) __asm__ volatile(\"msr fpcr, %%0\" : : \"r\"(zero));\n    return (unsigned)saved;\n}\n"
           "static void leave_(unsigned saved) {\n    const uint64_t v = saved;\n"
           "    if (v) __asm__ volatile(\"msr fpcr, %%0\" : : \"r\"(v));\n}\n"
           "#else\nstatic unsigned enter_(void) { return 0; }\nstatic void leave_(unsigned saved) { (void)saved; "
           "}\n#endif\n\n");
}

/* ---- Launching --------------------------------------------------------------------------------------------------- */
static void put_jobs(text *t) {
    put(t,
        "/* ---- Launching ---- */\n"
        "/* Runs tasks begin .. end-1. ints: values of the symbols that the kernel uses. scratch: its private memory. "
        "*/\n"
        "typedef void (*kernel_fn)(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t "
        "end);\n"
        "typedef struct job {\n    kernel_fn kernel;\n    void *const *buffers;\n    const int64_t *ints;\n    char "
        "*scratch;\n"
        "    int64_t stride, tasks;\n    int parts;\n} job;\n\n"
        "/* Part i of the tasks: contiguous, sizes equal up to one. */\n"
        "static int64_t part_begin(const job *j, int i) {\n"
        "    const int64_t each = j->tasks / j->parts, rest = j->tasks %% j->parts;\n"
        "    return each * i + (i < rest ? i : rest);\n}\n"
        "static void run_part(void *arg, int i) {\n"
        "    const job *j = (const job *)arg;\n"
        "    const unsigned saved = enter_();\n"
        "    j->kernel(j->buffers, j->ints, j->scratch + j->stride * i, part_begin(j, i), part_begin(j, i + 1));\n"
        "    leave_(saved);\n}\n\n");
}

static void put_launch(const exporter *x, text *t) {
    put_template(
        t, x,
        "static void launch(const @_context *context, kernel_fn kernel, void *const *buffers, const int64_t *ints,\n"
        "                   char *scratch, int64_t stride, int64_t tasks) {\n"
        "    if (tasks <= 0) return;\n"
        "    if (context && context->threads > 1 && tasks > 1) {\n"
        "        job j;\n"
        "        j.kernel = kernel;\n        j.buffers = buffers;\n        j.ints = ints;\n        j.scratch = "
        "scratch;\n"
        "        j.stride = stride;\n        j.tasks = tasks;\n"
        "        j.parts = tasks < context->threads ? (int)tasks : context->threads;\n"
        "        context->parallel(context->user, j.parts, run_part, &j);\n"
        "        return;\n    }\n"
        "    kernel(buffers, ints, scratch, 0, tasks);\n}\n\n");
}

/* ---- Run --------------------------------------------------------------------------------------------------------- */
static void put_span_check(text *t) {
    put(t, "/* ---- What the caller passes ---- */\n"
           "typedef struct span {\n    const void *at;\n    int64_t bytes;\n} span;\n"
           "static int apart(const span *a, const span *b) {\n"
           "    const uintptr_t x = (uintptr_t)a->at, y = (uintptr_t)b->at;\n"
           "    return a->bytes == 0 || b->bytes == 0 || x + (uintptr_t)a->bytes <= y || y + (uintptr_t)b->bytes <= "
           "x;\n}\n"
           "/* Spans 0 .. n-1; those from `first` are written and must share memory with no other. */\n"
           "static int spans_fit(const span *s, int n, int first) {\n"
           "    int i, k;\n"
           "    for (i = 0; i < n; i++)\n        if (s[i].bytes < 0 || (s[i].bytes > 0 && !s[i].at)) return 0;\n"
           "    for (i = first; i < n; i++)\n        for (k = 0; k < i; k++)\n            if (!apart(&s[i], &s[k])) "
           "return 0;\n"
           "    return 1;\n}\n\n");
}

static int put_spans(exporter *x, scope *s, text *t, int kind, uint32_t n) {
    int count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (kind == RT_INPUT && rt_tensor(x->p, kind, i)->symbol != FPK_NONE) continue;
        const char *name = x->tensor[tensor_at(x, kind, i)];
        put(t, "    spans[%s].at = %s;\n    spans[%s].bytes = %s;\n", "@", name, "@", tensor_bytes(s, kind, i));
        count++;
    }
    return count;
}

/* Replaces the marks of put_spans by numbers. */
static const char *number_spans(exporter *x, text *t) {
    text out = {.a = x->a};
    int n = 0;
    for (const char *s = text_of(t); *s; s++) {
        if (*s == '@')
            put(&out, "%d", n++ / 2);
        else
            put_bytes(&out, s, 1);
    }
    return text_of(&out);
}

/* Whether the pointers that the caller passes are there and apart. */
static bool put_pointer_check(exporter *x, text *t) {
    scope s;
    text spans = {.a = x->a}, device = {.a = x->a};
    scope_init(&s, x, NULL);
    int in = put_spans(x, &s, &spans, RT_INPUT, x->p->info->n_inputs);
    int out = put_spans(x, &s, &spans, RT_OUTPUT, x->p->info->n_outputs);
    if (!(in + out)) return false;
    x->has_spans = true;
    put_device_bounds(&device, &s, true);
    put_template(t, x, "static @_status check_pointers(const @_context *context");
    put_run_params(x, t, false, ", ");
    put(t, ") {\n");
    put_locals(t, &s, NULL);
    put(t, "%s    span spans[%d];\n", text_of(&device), in + out);
    if (!s.context) put(t, "    (void)context;\n");
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        if (x->level[i] == LEVEL_RUN && !s.uses[i]) put(t, "    (void)%s;\n", x->symbol[i]);
        if (x->level[i] == LEVEL_DEVICE && in_outputs(x, i)) put(t, "    (void)%s;\n", output_extent(x, i));
    }
    put(t, "%s", number_spans(x, &spans));
    if (s.checked) put(t, "    if (bad) return %s_E_TOO_LARGE;\n", x->upper);
    put(t, "    return spans_fit(spans, %d, %d) ? %s_OK : %s_E_ARGUMENT;\n}\n\n", in + out, in, x->upper, x->upper);
    return true;
}

static void put_run(exporter *x, text *t) {
    bool pointers = put_pointer_check(x, t);
    put_template(t, x, "@_status @_run(@_context *context");
    put_run_params(x, t, false, ", ");
    put_template(t, x,
                 x->gpu ? ") {\n    queue q;\n    @_status status;\n    int saved;\n"
                        : ") {\n    @_status status;\n    unsigned saved;\n");
    put_template(t, x, "    if (!context) return $_E_ARGUMENT;\n    status = @_prepare(context");
    put_level_params(x, t, LEVEL_RUN, true, ", ");
    put_template(t, x, ");\n");
    if (pointers) {
        put_template(t, x, "    if (status == $_OK) status = check_pointers(context");
        put_run_params(x, t, true, ", ");
        put(t, ");\n");
    }
    put_template(t, x, "    if (status != $_OK) return status;\n");
    if (x->gpu)
        put(t, "    q = queue_of(context);\n    saved = enter_(q.device);\n");
    else
        put(t, "    saved = enter_();\n");
    put_template(t, x, x->gpu ? "    status = run_schedule(&q, context," : "    status = run_schedule(context,");
    put_template(t, x, " &context->plan, context->memory");
    put_run_params(x, t, true, ", ");
    put(t, ");\n    leave_(%ssaved);\n    return status;\n}\n", x->gpu ? "q.device, " : "");
}

static void put_one_call(exporter *x, text *t) {
    if (x->has_params || has_states(x) || x->gpu) return;
    put_template(t, x, "\n@_status @(");
    put_run_params(x, t, false, uses_seed(x) ? (put(t, "uint64_t seed"), ", ") : "");
    put_template(t, x, ") {\n    @_context *context;\n    @_status status = @_create(");
    if (uses_seed(x)) put(t, "seed, ");
    put_template(t, x, "&context);\n    if (status != $_OK) return status;\n    status = @_run(context");
    put_run_params(x, t, true, ", ");
    put_template(t, x, ");\n    @_destroy(context);\n    return status;\n}\n");
}

static void put_status_text(exporter *x, text *t) {
    put_template(
        t, x, "const char *@_status_text(@_status status) {\n    switch (status) {\n    case $_OK: return \"done\";\n");
    for (int i = 0; i < x->statuses.len; i++) {
        put(t, "    case %s_E_%s: return ", x->upper, x->statuses.data[i].name);
        put_string(t, x->statuses.data[i].meaning);
        put(t, ";\n");
    }
    put(t, "    }\n    return \"no status of this model\";\n}\n\n");
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */
typedef struct program_text {
    layout run, load, *init;
    text functions;
} program_text;

static void put_program(exporter *x, text *t, layout *l, uint32_t schedule, const char *suffix) {
    text body = {.a = x->a};
    layout_init(l, x, schedule, suffix);
    put_schedule(&body, l);
    put_layout_function(t, l);
    put(t, "%s", text_of(&body));
}

static void put_programs(exporter *x, program_text *p) {
    p->functions.a = x->a;
    p->init = arena_array(x->a, layout, x->p->info->n_states + 1);
    if (x->has_load && !schedule_empty(x, 1)) put_program(x, &p->functions, &p->load, 1, "load");
    for (uint32_t i = 0; i < x->p->info->n_states; i++)
        if (!schedule_empty(x, 2 + i))
            put_program(x, &p->functions, &p->init[i], 2 + i, arena_printf(x->a, "init_%s", state_name(x, i)));
    put_program(x, &p->functions, &p->run, 0, "run");
}

static void put_kernel_declarations(exporter *x, text *t) {
    put(t, "/* ---- Kernels: in %s_kernels.o ---- */\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n", x->name);
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        bool seen = false;
        for (uint32_t i = 0; i < k; i++) seen |= x->code[i] == x->code[k];
        if (!seen)
            put(t, "void %s(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t end);\n",
                x->kernel[k]);
    }
    put(t, "#ifdef __cplusplus\n}\n#endif\n\n");
}

/* What belongs to one model. Functions come first, since they decide what is needed before them. */
static void put_model(exporter *x, text *t) {
    program_text p = {0};
    text interface = {.a = x->a};
    put_programs(x, &p);
    if (x->gpu) put_gpu_device(x, &interface), put_gpu_transfers(x, &interface);
    put_weights_functions(x, &interface, &p.load);
    put_context_functions(x, &interface);
    put_run(x, &interface);
    put_one_call(x, &interface);

    if (x->set->n > 1) put(t, "/* ==== The model %s ==== */\n\n", rt_string(x->p, x->p->info->entry));
    put_status_text(x, t);
    put_constants(x, t);
    if (x->gpu) put_gpu_support(x, t);
    put_weights_struct(x, t);
    if (x->has_load && !schedule_empty(x, 1)) put_layout_struct(t, &p.load);
    for (uint32_t i = 0; i < x->p->info->n_states; i++)
        if (!schedule_empty(x, 2 + i)) put_layout_struct(t, &p.init[i]);
    put_layout_struct(t, &p.run);
    put_context_struct(x, t);
    if (!x->gpu) put_launch(x, t);
    put(t, "/* ---- Programs: plans and schedules ---- */\n%s", text_of(&p.functions));
    put(t, "/* ---- Interface ---- */\n%s", text_of(&interface));
}

/* What the models share, for a processor: kernels, and how they are launched. */
static void put_host(export_set *s, text *t) {
    if (s->kernel_text)
        put(t, "/* ---- Kernels ---- */\n#define FRIT_KERNEL static\n%s\n", s->kernel_text);
    for (int i = 0; i < s->n && !s->kernel_text; i++) put_kernel_declarations(&s->models[i], t);
    put_machine(&s->models[0], t);
    put_jobs(t);
}

void put_source(export_set *s, text *t) {
    text models = {.a = s->a};
    bool spans = false;
    for (int i = 0; i < s->n; i++) {
        text one = {.a = s->a};
        put_model(&s->models[i], &one);
        put_section(&models, &s->models[i], text_of(&one), s->n > 1);
        spans |= s->models[i].has_spans;
    }
    put_preamble(s, t);
    if (!s->models[0].gpu) put_host(s, t);
    put_memory(s, t);
    put_helpers(s, t);
    if (spans) put_span_check(t);
    put(t, "%s", text_of(&models));
}
