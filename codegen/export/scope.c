/* C functions under construction. */
#include "export_internal.h"
#include <stdio.h>
#include <string.h>

void scope_init(scope *s, exporter *x, layout *l) {
    *s = (scope){.x = x, .layout = l, .body = {.a = x->a}, .indent = 1};
    s->uses = arena_array(x->a, bool, n_symbols(x) + 1);
    s->tensors = arena_array(x->a, bool, x->p->n_tensors + 1);
    s->temps = arena_array(x->a, bool, x->v->n_buffers + 1);
}

void line(scope *s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *t = arena_vprintf(s->x->a, fmt, ap);
    va_end(ap);
    put(&s->body, "%*s%s\n", 4 * s->indent, "", t);
}

void put_locals(text *t, scope *s, const char *weights) {
    exporter *x = s->x;
    for (uint32_t i = 0; i < n_symbols(x); i++) s->weights |= s->uses[i] && x->level[i] == LEVEL_WEIGHTS;
    if (s->weights && !weights)
        put(t, "    const %s_weights *const weights = context->weights;\n", x->name), s->context = true;
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        const char *name = x->symbol[i];
        if (!s->uses[i]) continue;
        if (x->level[i] == LEVEL_WEIGHTS) put(t, "    const int64_t %s = weights->params.%s;\n", name, name);
        if (x->level[i] == LEVEL_CONTEXT)
            put(t, "    const int64_t %s = context->%s;\n", name, name), s->context = true;
        if (x->level[i] == LEVEL_SEED)
            put(t, "    const int64_t %s = (int64_t)context->seed;\n", name), s->context = true;
    }
    if (s->checked) put(t, "    int bad = 0;\n");
}
