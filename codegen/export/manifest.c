/* manifest.json: what a host needs that launches the bare kernels by itself. Formulas are text over dims and integers:
 * + - *, floor(a / b), mod(a, b), min, max, ceil(a / b). */
#include "export_internal.h"
#include <string.h>

static void put_name(text *t, const char *s) {
    put(t, "\"");
    for (; *s; s++) put(t, *s == '"' || *s == '\\' ? "\\%c" : (unsigned char)*s < 32 ? " " : "%c", *s);
    put(t, "\"");
}

static const char *formula_text(exporter *x, uint32_t e) {
    static const char *const forms[FPK_STEP_OPS] = {
        [FPK_ADD] = "(%s + %s)",           [FPK_SUB] = "(%s - %s)",        [FPK_MUL] = "%s * %s",
        [FPK_FLOORDIV] = "floor(%s / %s)", [FPK_MOD] = "mod(%s, %s)",      [FPK_MIN] = "min(%s, %s)",
        [FPK_MAX] = "max(%s, %s)",         [FPK_CEILDIV] = "ceil(%s / %s)"};
    const char *stack[FPK_MAX_STACK] = {"0"};
    int n = 0;
    const fpk_expr *f = &x->p->exprs[e];
    for (uint32_t i = f->first; i < f->first + f->count; i++) {
        const fpk_step *s = &x->p->steps[i];
        if (s->op == FPK_CONST)
            stack[n++] = arena_printf(x->a, "%lld", (long long)s->value);
        else if (s->op == FPK_SYM)
            stack[n++] = rt_string(x->p, x->p->symbols[s->sym].name);
        else
            n--, stack[n - 1] = arena_printf(x->a, forms[s->op], stack[n - 1], stack[n]);
    }
    return stack[0];
}

/* A number where it is one, else a string. */
static void put_formula(exporter *x, text *t, uint32_t e) {
    int64_t v;
    if (formula_const(x, e, &v))
        put(t, "%lld", (long long)v);
    else
        put_name(t, formula_text(x, e));
}

/* ---- Tables ------------------------------------------------------------------------------------------------------ */
static void put_dims(exporter *x, text *t) {
    static const char *const roles[] = {"dim", "integer", "seed", "counter", "computed"};
    put(t, "  \"symbols\": [");
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        const fpk_symbol *s = &x->p->symbols[i];
        put(t, "%s\n    {\"name\": ", i ? "," : "");
        put_name(t, rt_string(x->p, s->name));
        put(t, ", \"role\": \"%s\"", roles[s->role]);
        if (s->lo > INT64_MIN) put(t, ", \"least\": %lld", (long long)s->lo);
        if (s->hi < INT64_MAX) put(t, ", \"most\": %lld", (long long)s->hi);
        if (s->multiple > 1) put(t, ", \"multiple\": %lld", (long long)s->multiple);
        put(t, "}");
    }
    put(t, "\n  ],\n");
}

static void put_tensor(exporter *x, text *t, int kind, uint32_t i) {
    const fpk_tensor *f = rt_tensor(x->p, kind, i);
    put(t, ", \"name\": ");
    put_name(t, rt_string(x->p, f->name));
    put(t, ", \"dtype\": \"%s\", \"shape\": [", frit_dtype_name((frit_dtype)f->dtype));
    for (uint32_t k = 0; k < f->rank; k++) {
        put(t, "%s", k ? ", " : "");
        put_formula(x, t, x->p->lists[f->dims + k]);
    }
    put(t, "]");
}

static void put_buffers(exporter *x, text *t) {
    static const char *const roles[FPK_BUF_KINDS] = {"input",     "output",   "param", "state",
                                                     "temporary", "constant", "packed"};
    put(t, "  \"buffers\": [");
    for (uint32_t b = 0; b < x->v->n_buffers; b++) {
        const fpk_buffer *f = &x->buffers[b];
        put(t, "%s\n    {\"buffer\": %u, \"role\": \"%s\"", b ? "," : "", b, roles[f->kind]);
        if (f->kind <= FPK_BUF_STATE) put_tensor(x, t, (int)f->kind, f->index);
        put(t, ", \"bytes\": ");
        put_formula(x, t, f->size);
        if (f->same_as != FPK_NONE) put(t, ", \"same_as\": %u", f->same_as);
        if (f->kind == FPK_BUF_CONST)
            put(t, ", \"file\": \"kernels/%s.constants\", \"offset\": %llu", x->name, (unsigned long long)f->offset);
        put(t, "}");
    }
    put(t, "\n  ],\n");
}

/* Tensor map i: 128 bytes by value. Extents, then strides of all axes but the first, in elements; the contiguous axis first. */
static void put_map(exporter *x, text *t, const fpk_kernel *k, uint32_t i) {
    const uint32_t *w = x->p->lists + k->maps + i * FPK_MAP_WORDS, *shape = x->p->lists + k->ints + k->n_ints + i * FPK_MAP_VALUES;
    put(t, ", {\"tensor_map\": {\"buffer\": %u, \"dtype\": \"%s\", \"swizzle\": %u, \"box\": [", w[0], frit_dtype_name((frit_dtype)w[1]), w[3]);
    for (uint32_t a = 0; a < w[2]; a++) put(t, "%s%u", a ? ", " : "", fpk_map_box(w[FPK_MAP_BOX + a]));
    for (uint32_t a = 0; a < w[2]; a++) put(t, "%s%u", a ? ", " : "], \"steps\": [", fpk_map_step(w[FPK_MAP_BOX + a]));
    for (uint32_t a = 0; a < 2 * w[2] - 1; a++) {
        put(t, a == 0 ? "], \"extents\": [" : a == w[2] ? "], \"strides\": [" : ", ");
        put_formula(x, t, shape[a < w[2] ? a : FPK_MAP_RANK + a - w[2]]);
    }
    put(t, "]}}");
}

static void put_arguments(exporter *x, text *t, const fpk_kernel *k) {
    put(t, "     \"arguments\": [");
    for (uint32_t i = 0; i < k->n_inputs + k->n_outputs; i++)
        put(t, "%s{\"pointer\": \"%s\"}", i ? ", " : "", i < k->n_inputs ? "read" : "written");
    for (uint32_t i = 0; i < k->n_ints; i++) {
        put(t, ", {\"i64\": ");
        put_formula(x, t, x->p->lists[k->ints + i]);
        put(t, "}");
    }
    put(t, ", {\"pointer\": \"scratch\"}, {\"i64\": \"tasks\"}");
    for (uint32_t i = 0; i < k->n_maps; i++) put_map(x, t, k, i);
    put(t, "]}");
}

static void put_kernels(exporter *x, text *t) {
    put(t, "  \"kernels\": [");
    for (uint32_t i = 0; i < x->v->n_kernels; i++) {
        const fpk_kernel *k = &x->kernels[i];
        const char *file = rt_string(x->p, k->file), *slash = strrchr(file, '/');
        put(t, "%s\n    {\"kernel\": %u, \"name\": ", i ? "," : "", i);
        put_name(t, rt_string(x->p, k->name));
        put(t, ", \"entry\": \"%s\", \"file\": \"%s\", \"source\": ", rt_string(x->p, k->entry), gpu_module_file(x, i));
        put_name(t, arena_printf(x->a, "%s:%u", slash ? slash + 1 : file, k->line));
        put(t, ",\n     \"tasks\": ");
        put_formula(x, t, k->tasks);
        put(t, ", \"block\": [%u, 1, 1], \"shared\": %u, ", k->threads, k->shared);
        if (k->cluster) put(t, "\"cluster\": [%u, 1, 1], ", k->cluster);
        put(t, "\"scratch\": ");
        put_formula(x, t, k->scratch);
        put(t, ",\n");
        put_arguments(x, t, k);
    }
    put(t, "\n  ],\n");
}

/* ---- Programs ---------------------------------------------------------------------------------------------------- */
static void put_place(exporter *x, text *t, const char *key, const uint32_t *w) {
    put(t, "\"%s\": {\"buffer\": %u", key, w[0]);
    if (w[1] != FPK_NONE) {
        put(t, ", \"offset\": ");
        put_formula(x, t, w[1]);
    }
    put(t, "}");
}

static void put_launch(exporter *x, text *t, const uint32_t *w) {
    const fpk_kernel *k = &x->kernels[w[1]];
    put(t, "{\"launch\": %u, \"pointers\": [", w[1]);
    for (uint32_t i = 0; i < k->n_inputs + k->n_outputs; i++) {
        put(t, "%s{", i ? ", " : "");
        put_place(x, t, "at", w + 2 + 2 * i);
        put(t, "}");
    }
    put(t, "]}");
}

/* One instruction; loops and branches hold lists. Returns whether the next one begins a list. */
static bool put_instruction(exporter *x, text *t, const uint32_t *w) {
    switch ((fpk_op)(w[0] & 0xff)) {
    case FPK_OP_LAUNCH: put_launch(x, t, w); return false;
    case FPK_OP_COPY:
        put(t, "{\"copy\": ");
        put_formula(x, t, w[5]);
        put(t, ", ");
        put_place(x, t, "to", w + 1);
        put(t, ", ");
        put_place(x, t, "from", w + 3);
        put(t, "}");
        return false;
    case FPK_OP_FILL:
        put(t, "{\"fill\": ");
        put_formula(x, t, w[3]);
        put(t, ", ");
        put_place(x, t, "to", w + 1);
        put(t, ", \"width\": %u, \"pattern\": %llu}", w[4], (unsigned long long)(w[5] | (uint64_t)w[6] << 32));
        return false;
    case FPK_OP_SWAP: put(t, "{\"swap\": [%u, %u]}", w[1], w[2]); return false;
    case FPK_OP_READ_SYM:
        put(t, "{\"read\": ");
        put_name(t, rt_string(x->p, x->p->symbols[w[1]].name));
        put(t, ", ");
        put_place(x, t, "from", w + 2);
        put(t, "}");
        return false;
    case FPK_OP_CHECK:
        put(t, "{\"check\": ");
        put_name(t, rt_string(x->p, x->p->checks[w[1]].text));
        put(t, "}");
        return false;
    case FPK_OP_LOOP:
        put(t, "{\"loop\": ");
        put_name(t, rt_string(x->p, x->p->symbols[w[1]].name));
        put(t, ", \"trips\": ");
        put_formula(x, t, w[2]);
        put(t, ", \"body\": [");
        return true;
    case FPK_OP_WHILE:
    case FPK_OP_IF:
        put(t, (w[0] & 0xff) == FPK_OP_IF ? "{" : "{");
        put_place(x, t, (w[0] & 0xff) == FPK_OP_IF ? "if" : "while", w + 1);
        put(t, ", \"body\": [");
        return true;
    case FPK_OP_ELSE: put(t, "], \"else\": ["); return true;
    case FPK_OP_NEXT:
    case FPK_OP_ENDIF: put(t, "]}"); return false;
    case FPK_OP_END:
    case FPK_OPS: break;
    }
    return false;
}

static void put_program(exporter *x, text *t, uint32_t schedule) {
    const fpk_schedule *f = &x->p->schedules[x->v->first_schedule + schedule];
    const uint32_t *code = x->p->words + f->first;
    bool first = true;
    put(t, "[");
    for (uint32_t pc = 0; pc < f->count; pc += code[pc] >> 8) {
        uint32_t op = code[pc] & 0xff;
        bool closes = op == FPK_OP_NEXT || op == FPK_OP_ENDIF || op == FPK_OP_ELSE || op == FPK_OP_END;
        if (op == FPK_OP_END) continue;
        put(t, "%s\n    ", first || closes ? "" : ",");
        first = put_instruction(x, t, code + pc);
    }
    put(t, "]");
}

static void put_model(exporter *x, text *t) {
    put(t, "{\n  \"model\": ");
    put_name(t, rt_string(x->p, x->p->info->entry));
    put(t, ",\n  \"compiler\": \"%s\",\n  \"target\": \"%s\",\n", rt_string(x->p, x->p->info->compiler),
        rt_string(x->p, x->v->target));
    put(t, "  \"grid\": \"as many blocks as there are tasks, or fewer; with scratch, each block has so many bytes at "
           "scratch + "
           "block * bytes\",\n");
    put_dims(x, t);
    put_buffers(x, t);
    put_kernels(x, t);
    put(t, "  \"load\": ");
    put_program(x, t, 1);
    put(t, ",\n  \"main\": ");
    put_program(x, t, 0);
    put(t, ",\n  \"states\": {");
    for (uint32_t i = 0; i < x->p->info->n_states; i++) {
        put(t, "%s\n  ", i ? "," : "");
        put_name(t, rt_string(x->p, rt_tensor(x->p, RT_STATE, i)->name));
        put(t, ": ");
        put_program(x, t, 2 + i);
    }
    put(t, "}\n}");
    if (x->p->sections[FPK_DATA].size)
        export_add(x->set, arena_printf(x->a, "kernels/%s.constants", x->name),
                   x->p->base + x->p->sections[FPK_DATA].offset, x->p->sections[FPK_DATA].size);
}

void put_manifest(export_set *s) {
    text t = {.a = s->a};
    if (s->n > 1) put(&t, "{\"models\": [\n");
    for (int i = 0; i < s->n; i++) {
        if (i) put(&t, ",\n");
        put_model(&s->models[i], &t);
    }
    put(&t, s->n > 1 ? "\n]}\n" : "\n");
    export_add(s, "manifest.json", text_of(&t), t.len);
}
