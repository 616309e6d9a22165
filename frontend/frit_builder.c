/* The C API: models built by calls. A builder writes the text of a model; elaboration checks it, so that everything that
 * the language has can be called, and means the same. */
#include "frit_compiler_internal.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct named {
    const char *name, *type;
    frit_value value;
} named;

struct frit_builder {
    frit_compiler *compiler;
    arena *arena;
    const char *model;
    VEC(named) inputs;
    VEC(named) outputs;
    VEC(const char *) values; /* names in the text */
    VEC(const char *) conditions; /* behind `where` */
    VEC(const char *) lines;
    const char *wrong; /* the first mistake */
};

/* ---- Text -------------------------------------------------------------------------------------------------------- */
static frit_value mistake(frit_builder *b, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    if (!b->wrong)
        b->wrong = arena_vprintf(b->arena, format, ap);
    va_end(ap);
    return -1;
}

static bool is_name(const char *s, bool dots) {
    if (!s || !(isalpha((unsigned char)*s) || *s == '_'))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && !(dots && *s == '.'))
            return false;
    return true;
}

/* Texts become parts of lines: nothing in them may end one. */
static bool is_piece(const char *s) { return s && !strpbrk(s, "\n\r{}"); }

static bool known(frit_builder *b, frit_value v) {
    if (v >= 0 && v < b->values.len)
        return true;
    mistake(b, "value %d is none of the builder's", v);
    return false;
}

/* Named so that no dim, param or function of the model is meant. */
/* Text in which $0, $1, ... are replaced by names of values; NULL after a mistake. */
static const char *substitute(frit_builder *b, const char *text, const frit_value *args, int n_args) {
    const char *made = "";
    while (*text) {
        size_t n = strcspn(text, "$");
        made = arena_printf(b->arena, "%s%.*s", made, (int)n, text);
        text += n;
        if (!*text)
            break;
        char *end;
        long k = strtol(text + 1, &end, 10);
        if (!isdigit((unsigned char)text[1]) || k < 0 || k >= n_args || !args) {
            mistake(b, "'%s': $ wants the number of an argument", text);
            return NULL;
        }
        if (!known(b, args[k]))
            return NULL;
        made = arena_printf(b->arena, "%s%s", made, b->values.data[args[k]]);
        text = end;
    }
    return made;
}

static frit_value new_value(frit_builder *b, const char *prefix) {
    const char *name = arena_printf(b->arena, "%s%d", prefix, b->values.len);
    vec_push(b->arena, &b->values, name);
    return b->values.len - 1;
}

static frit_value define(frit_builder *b, const char *text) {
    frit_value v = new_value(b, "_v");
    vec_push(b->arena, &b->lines, arena_printf(b->arena, "%s = %s", b->values.data[v], text));
    return v;
}

/* ---- Building ---------------------------------------------------------------------------------------------------- */
frit_status frit_builder_create(frit_compiler *c, const char *model, frit_builder **out, frit_error *err) {
    if (!c || !out || !is_name(model, false))
        return api_fail(err, FRIT_USAGE, "frit_builder_create: a compiler, a model's name and out are wanted");
    *out = NULL;
    frit_builder *b = calloc(1, sizeof *b);
    if (!b)
        return api_fail(err, FRIT_NO_MEMORY, "out of memory");
    b->compiler = frit_compiler_retain(c);
    b->arena = arena_new();
    b->model = arena_strdup(b->arena, model);
    *out = b;
    return FRIT_OK;
}

void frit_builder_release(frit_builder *b) {
    if (!b)
        return;
    frit_compiler_release(b->compiler);
    arena_free(b->arena);
    free(b);
}

frit_value frit_builder_input(frit_builder *b, const char *name, const char *type) {
    if (!is_name(name, false) || !is_piece(type))
        return mistake(b, "an input wants a name and a type");
    named n = {arena_strdup(b->arena, name), arena_strdup(b->arena, type), b->values.len};
    vec_push(b->arena, &b->inputs, n);
    vec_push(b->arena, &b->values, n.name);
    return n.value;
}

frit_value frit_builder_param(frit_builder *b, const char *name, const char *type) {
    if (!is_name(name, true) || !is_piece(type))
        return mistake(b, "a param wants a name and a type");
    frit_value v = new_value(b, "_p");
    vec_push(b->arena, &b->lines,
             arena_printf(b->arena, "param %s: %s from \"%s\"", b->values.data[v], type, name));
    return v;
}

frit_value frit_builder_state(frit_builder *b, const char *name, const char *type, const char *init) {
    if (!is_name(name, false) || !is_piece(type) || !is_piece(init))
        return mistake(b, "a state wants a name, a type and a first value");
    frit_value v = b->values.len;
    vec_push(b->arena, &b->values, arena_strdup(b->arena, name));
    vec_push(b->arena, &b->lines, arena_printf(b->arena, "state %s: %s = %s", name, type, init));
    return v;
}

void frit_builder_update(frit_builder *b, frit_value state, const char *subscript, const frit_value *args, int n_args,
                         frit_value v) {
    if (b->wrong || !known(b, state) || !known(b, v))
        return;
    if (subscript && !is_piece(subscript)) {
        mistake(b, "a subscript is one line of text without braces");
        return;
    }
    const char *part = subscript ? substitute(b, subscript, args, n_args) : NULL;
    if (!b->wrong)
        vec_push(b->arena, &b->lines, arena_printf(b->arena, part ? "%s[%s] = %s" : "%s%s = %s", b->values.data[state],
                                                   part ? part : "", b->values.data[v]));
}

void frit_builder_where(frit_builder *b, const char *condition) {
    if (!is_piece(condition))
        mistake(b, "a condition is one line of text without braces");
    else
        vec_push(b->arena, &b->conditions, arena_strdup(b->arena, condition));
}

static const char *list(frit_builder *b, const frit_value *args, int n, const char *named_args) {
    const char *text = "";
    if (n && !args)
        mistake(b, "%d arguments were named, none given", n);
    for (int i = 0; args && i < n && known(b, args[i]); i++)
        text = arena_printf(b->arena, "%s%s%s", text, i ? ", " : "", b->values.data[args[i]]);
    if (named_args && *named_args)
        text = arena_printf(b->arena, "%s%s%s", text, n ? ", " : "", named_args);
    return text;
}

static const char *call_text(frit_builder *b, const char *fn, const frit_value *args, int n, const char *named_args) {
    if (is_name(fn, true) && (!named_args || is_piece(named_args)))
        return arena_printf(b->arena, "%s(%s)", fn, list(b, args, n, named_args));
    bool operator = fn && *fn && strspn(fn, "+-*/@<>=!&|^%") == strlen(fn);
    if (operator && n == 2 && !named_args && known(b, args[0]) && known(b, args[1]))
        return arena_printf(b->arena, "%s %s %s", b->values.data[args[0]], fn, b->values.data[args[1]]);
    mistake(b, "'%s' is neither a function's name nor an operator with two arguments", fn ? fn : "");
    return NULL;
}

frit_value frit_builder_call(frit_builder *b, const char *fn, const frit_value *args, int n_args, const char *named_args) {
    const char *text = b->wrong ? NULL : call_text(b, fn, args, n_args, named_args);
    return text && !b->wrong ? define(b, text) : -1;
}

void frit_builder_calls(frit_builder *b, const char *fn, const frit_value *args, int n_args, const char *named_args,
                        frit_value *results, int n_results) {
    const char *text = b->wrong ? NULL : call_text(b, fn, args, n_args, named_args), *left = "";
    for (int i = 0; i < n_results; i++) {
        results[i] = text && !b->wrong ? new_value(b, "_v") : -1;
        if (results[i] >= 0)
            left = arena_printf(b->arena, "%s%s%s", left, i ? ", " : "", b->values.data[results[i]]);
    }
    if (text && !b->wrong)
        vec_push(b->arena, &b->lines, arena_printf(b->arena, "%s = %s", left, text));
}

frit_value frit_builder_expression(frit_builder *b, const char *text, const frit_value *args, int n_args) {
    if (b->wrong || !is_piece(text))
        return mistake(b, "an expression is one line of text without braces");
    const char *made = substitute(b, text, args, n_args);
    return made ? define(b, made) : -1;
}

void frit_builder_output(frit_builder *b, frit_value v, const char *name, const char *type) {
    if (!known(b, v))
        return;
    if (!name != !type || (name && (!is_name(name, false) || !is_piece(type))) ||
        (b->outputs.len && !b->outputs.data[0].name != !name)) {
        mistake(b, "all outputs have a name and a type, or none has");
        return;
    }
    named n = {name ? arena_strdup(b->arena, name) : NULL, type ? arena_strdup(b->arena, type) : NULL, v};
    vec_push(b->arena, &b->outputs, n);
}

/* ---- The model --------------------------------------------------------------------------------------------------- */
static void write_fields(FILE *out, const named *list_of, int n) {
    for (int i = 0; i < n; i++)
        fprintf(out, "%s%s: %s", i ? ", " : "", list_of[i].name, list_of[i].type);
}

const char *frit_builder_text(frit_builder *b) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return "";
    fprintf(out, "model %s(", b->model);
    write_fields(out, b->inputs.data, b->inputs.len);
    fputs(")", out);
    if (b->outputs.len && b->outputs.data[0].name) {
        fputs(" -> (", out);
        write_fields(out, b->outputs.data, b->outputs.len);
        fputs(")", out);
    }
    for (int i = 0; i < b->conditions.len; i++)
        fprintf(out, "%s%s", i ? ", " : " where ", b->conditions.data[i]);
    fputs(" {\n", out);
    for (int i = 0; i < b->lines.len; i++)
        fprintf(out, "    %s\n", b->lines.data[i]);
    for (int i = 0; i < b->outputs.len; i++)
        fprintf(out, "%s%s", i ? ", " : "    return ", b->values.data[b->outputs.data[i].value]);
    fputs("\n}\n", out);
    fclose(out);
    const char *kept = arena_strndup(b->arena, text, size);
    free(text);
    return kept;
}

/* Adds the call that an error points at: the lines stand behind the model's head. */
static void name_call(const frit_builder *b, frit_error *e) {
    int line = (int)e->line - 2;
    size_t n = strlen(e->message);
    if (line >= 0 && line < b->lines.len)
        snprintf(e->message + n, sizeof e->message - n, ", in `%s`", b->lines.data[line]);
}

frit_status frit_builder_finish(frit_builder *b, frit_module **out, frit_error *err) {
    if (!b || !out)
        return api_fail(err, FRIT_USAGE, "frit_builder_finish: a builder and out are wanted");
    *out = NULL;
    if (!b->outputs.len)
        mistake(b, "model %s has no output", b->model);
    if (b->wrong)
        return api_fail(err, FRIT_USAGE, "frit_builder: %s", b->wrong);
    const char *text = frit_builder_text(b), *name = arena_printf(b->arena, "%s (built)", b->model);
    frit_error own = {0};
    frit_status s = frit_module_parse(b->compiler, FRIT_SOURCE_FRIT, name, text, strlen(text), NULL, out, &own);
    if (s != FRIT_OK)
        name_call(b, &own);
    if (s != FRIT_OK && err)
        *err = own;
    return s;
}
