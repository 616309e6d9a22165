/* What a caller keeps between runs: the context's struct, the functions that make and free it, its states and settings. */
#include "export_internal.h"

void put_context_struct(exporter *x, text *t) {
    put_template(t, x, "struct @_context {\n");
    if (x->has_load)
        put_template(t, x, x->has_params ? "    const @_weights *weights;\n" : "    @_weights *weights;\n");
    put(t, "    run_plan plan;\n    int planned; /* `plan` holds */\n    char *memory;\n    int64_t size; /* of memory "
           "*/\n");
    if (x->gpu) {
        put_template(t, x, "    @_device *device;\n    void *stream, *own; /* where runs are queued; made here */\n");
        if (gpu_has_maps(x)) put(t, "    tensor_map *maps; /* MAP_WAYS for each place in the schedule */\n");
    } else
        put_template(t, x, "    int threads;\n    @_parallel parallel;\n    void *user;\n");
    if (uses_seed(x)) put(t, "    uint64_t seed;\n");
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_CONTEXT) put(t, "    int64_t %s;\n", x->symbol[i]);
    for (uint32_t i = 0; i < x->p->info->n_states; i++) {
        const char *name = x->tensor[tensor_at(x, RT_STATE, i)];
        put(t, "    %s *%s;\n    int64_t %s_bytes;\n", tensor_type(x, RT_STATE, i), name, name);
    }
    put(t, "};\n\n");
}

static void put_need_memory(const exporter *x, text *t) {
    if (x->gpu) {
        put_template(
            t, x,
            "/* Makes context->memory at least `total` bytes and `scratch` for each block that may have it. */\n"
            "static @_status need_memory(@_context *context, int64_t total, int64_t scratch) {\n"
            "    int64_t need;\n    char *memory;\n"
            "    if (scratch > (INT64_MAX - total) / context->device->workers) return $_E_TOO_LARGE;\n"
            "    need = total + scratch * context->device->workers;\n"
            "    if (context->memory && need <= context->size) return $_OK;\n"
            "    memory = (char *)get_device(context->device, need);\n"
            "    if (!memory) return $_E_NO_MEMORY;\n"
            "    if (context->memory && @_wait(context) != $_OK) {\n        free_device(context->device, memory);\n"
            "        return $_E_DEVICE;\n    }\n"
            "    free_device(context->device, context->memory);\n"
            "    context->memory = memory;\n    context->size = need;\n    return $_OK;\n}\n\n");
        return;
    }
    put_template(t, x,
                 "/* Makes context->memory at least `total` bytes and `scratch` for each thread. */\n"
                 "static @_status need_memory(@_context *context, int64_t total, int64_t scratch) {\n"
                 "    int64_t need;\n    char *memory;\n"
                 "    if (scratch > (INT64_MAX - total) / context->threads) return $_E_TOO_LARGE;\n"
                 "    need = total + scratch * context->threads;\n"
                 "    if (context->memory && need <= context->size) return $_OK;\n"
                 "    memory = (char *)get_memory(need);\n"
                 "    if (!memory) return $_E_NO_MEMORY;\n"
                 "    free_memory(context->memory);\n"
                 "    context->memory = memory;\n    context->size = need;\n    return $_OK;\n}\n\n");
}

const char *state_name(const exporter *x, uint32_t i) { return x->tensor[tensor_at(x, RT_STATE, i)]; }

static void put_init_call(exporter *x, text *t, uint32_t i) {
    const char *suffix = arena_printf(x->a, "init_%s", state_name(x, i));
    put(t, "    {\n        %s_plan plan;\n        %s_status status = plan_%s(context, &plan);\n        %s saved;\n",
        suffix, x->name, suffix, x->gpu ? "int" : "unsigned");
    put(t, "        if (status == %s_OK) status = need_memory(context, plan.total, plan.scratch);\n", x->upper);
    put(t, "        if (status != %s_OK) return status;\n        saved = enter_(%s);\n", x->upper,
        x->gpu ? "context->device" : "");
    put(t, "        status = %s_schedule(%scontext, &plan, context->memory);\n        leave_(%ssaved);\n", suffix,
        x->gpu ? "&q, " : "", x->gpu ? "context->device, " : "");
    put(t, "        if (status != %s_OK) return status;\n    }\n", x->upper);
}

static void put_states(exporter *x, text *t) {
    if (!has_states(x)) return;
    put_template(t, x,
                 x->gpu ? "@_status @_reset(@_context *context) {\n    queue q;\n    int was, error;\n"
                          "    if (!context) return $_E_ARGUMENT;\n    q = queue_of(context);\n"
                        : "@_status @_reset(@_context *context) {\n    if (!context) return $_E_ARGUMENT;\n");
    for (uint32_t i = 0; i < x->p->info->n_states; i++) {
        x->helps[HELP_DEVICE_FILL8] |= x->gpu != NULL;
        if (x->gpu)
            put(t,
                "    was = enter_(q.device);\n    error = fill8_(&q, context->%s, 0, context->%s_bytes);\n"
                "    leave_(q.device, was);\n    if (error) return %s_E_DEVICE;\n",
                state_name(x, i), state_name(x, i), x->upper);
        else
            put(t, "    memset(context->%s, 0, (size_t)context->%s_bytes);\n", state_name(x, i), state_name(x, i));
        if (!schedule_empty(x, 2 + i)) put_init_call(x, t, i);
    }
    put_template(t, x, "    return $_OK;\n}\n\n");
    for (uint32_t i = 0; i < x->p->info->n_states; i++) {
        put(t, "%s *%s_state_%s(%s_context *context) { return context ? context->%s : NULL; }\n",
            tensor_type(x, RT_STATE, i), x->name, state_name(x, i), x->name, state_name(x, i));
    }
    put(t, "\n");
}

/* Fills in a context whose fields are zero but for what the caller gave. */
static void put_make_context(exporter *x, text *t) {
    scope s;
    scope_init(&s, x, NULL);
    put_checks(&s, LEVEL_CONTEXT);
    for (uint32_t i = 0; i < x->p->info->n_states; i++) {
        const char *name = state_name(x, i);
        bool was = s.checked;
        s.checked = false;
        line(&s, "context->%s_bytes = %s;", name, tensor_bytes(&s, RT_STATE, i));
        if (s.checked) line(&s, "if (bad) return %s_E_TOO_LARGE;", x->upper);
        s.checked |= was;
        line(&s,
             x->gpu ? "context->%s = (%s *)get_device(context->device, context->%s_bytes);"
                    : "context->%s = (%s *)get_memory(context->%s_bytes);",
             name, tensor_type(x, RT_STATE, i), name);
        line(&s, "if (!context->%s) return %s_E_NO_MEMORY;", name, x->upper);
    }
    text body = {.a = x->a};
    put_locals(&body, &s, NULL);
    put_template(t, x, "static @_status make_context(@_context *context) {\n");
    if (x->has_load && !x->has_params) {
        put_template(t, x, "    @_params params;\n    @_status status;\n");
    }
    if (!(x->has_load && !x->has_params)) put(t, "%s", text_of(&body));
    if (!x->has_load && !x->gpu) put_template(t, x, "    if (!machine_fits()) return $_E_MACHINE;\n");
    if (x->has_load && !x->has_params) {
        put_template(t, x, "    inside_params(&params);\n    status = make_weights(");
        put_template(t, x, x->gpu ? "context->device, " : "");
        put_template(t, x,
                     "&params, NULL, &context->weights);\n"
                     "    if (status != $_OK) return status;\n    {\n");
        put(t, "%s", text_of(&body));
    }
    if (x->gpu)
        put_template(t, x,
                     "    {\n        const int was = enter_(context->device);\n"
                     "        const int error = context->device->api.stream_create(&context->own, 1);\n"
                     "        leave_(context->device, was);\n"
                     "        if (failed(context->device, error)) return $_E_DEVICE;\n"
                     "        context->stream = context->own;\n    }\n");
    if (gpu_has_maps(x))
        put_template(t, x,
                     "    context->maps = (tensor_map *)get_memory((int64_t)sizeof(tensor_map) * MAP_WAYS * MAP_PLACES);\n"
                     "    if (!context->maps) return $_E_NO_MEMORY;\n"
                     "    memset(context->maps, 0, sizeof(tensor_map) * MAP_WAYS * MAP_PLACES);\n");
    put(t, "%s%s", x->gpu ? "" : "    context->threads = 1;\n", text_of(&s.body));
    if (has_states(x))
        put_template(t, x, "    return @_reset(context);\n");
    else
        put_template(t, x, "    return $_OK;\n");
    put(t, x->has_load && !x->has_params ? "    }\n}\n\n" : "}\n\n");
}

void put_create_head(exporter *x, text *t) {
    put_template(t, x, "@_status @_create(");
    if (x->gpu) put_template(t, x, "@_device *device, ");
    if (x->has_params) put_template(t, x, "const @_weights *weights, ");
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_CONTEXT) put(t, "int64_t %s, ", x->symbol[i]);
    if (uses_seed(x)) put(t, "uint64_t seed, ");
}

static void put_create(exporter *x, text *t) {
    put_create_head(x, t);
    put_template(t, x, "@_context **out) {\n    @_context *context;\n    @_status status;\n");
    put_template(t, x,
                 x->has_params ? "    if (!weights || !out) return $_E_ARGUMENT;\n"
                               : "    if (!out) return $_E_ARGUMENT;\n");
    if (x->gpu) put_template(t, x, "    if (!device) return $_E_ARGUMENT;\n");
    put_template(t, x,
                 "    *out = NULL;\n"
                 "    context = (@_context *)get_memory((int64_t)sizeof *context);\n"
                 "    if (!context) return $_E_NO_MEMORY;\n"
                 "    memset(context, 0, sizeof *context);\n");
    if (x->gpu) put(t, "    context->device = device;\n");
    if (x->has_params) put(t, "    context->weights = weights;\n");
    if (uses_seed(x)) put(t, "    context->seed = seed;\n");
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_CONTEXT) put(t, "    context->%s = %s;\n", x->symbol[i], x->symbol[i]);
    put_template(t, x,
                 "    status = make_context(context);\n"
                 "    if (status == $_OK) *out = context;\n    else @_destroy(context);\n    return status;\n}\n\n");
}

static void put_destroy(exporter *x, text *t) {
    put_template(t, x, "void @_destroy(@_context *context) {\n    if (!context) return;\n");
    if (x->gpu)
        put(t, "    if (context->own) {\n        const int was = enter_(context->device);\n"
               "        context->device->api.stream_wait(context->stream);\n"
               "        context->device->api.stream_destroy(context->own);\n        leave_(context->device, was);\n    "
               "}\n");
    for (uint32_t i = 0; i < x->p->info->n_states; i++)
        put(t, x->gpu ? "    free_device(context->device, context->%s);\n" : "    free_memory(context->%s);\n",
            state_name(x, i));
    if (x->has_load && !x->has_params) put(t, "    weights_free(context->weights);\n");
    put(t, x->gpu ? "    free_device(context->device, context->memory);\n" : "    free_memory(context->memory);\n");
    if (gpu_has_maps(x)) put(t, "    free_memory(context->maps);\n");
    put(t, "    free_memory(context);\n}\n\n");
}

static void put_settings(exporter *x, text *t) {
    if (uses_seed(x))
        put_template(t, x,
                     "void @_set_seed(@_context *context, uint64_t seed) {\n    if (!context) return;\n"
                     "    context->seed = seed;\n    context->planned = 0;\n}\n\n");
    if (x->gpu) return;
    put_template(
        t, x,
        "@_status @_set_threads(@_context *context, int threads, @_parallel parallel, void *user) {\n"
        "    if (!context || threads < 1 || threads > 4096 || (threads > 1 && !parallel)) return $_E_ARGUMENT;\n"
        "    context->threads = threads;\n    context->parallel = parallel;\n    context->user = user;\n"
        "    return $_OK;\n}\n\n");
}

static void put_prepare(exporter *x, text *t) {
    put_template(t, x, "@_status @_prepare(@_context *context");
    put_level_params(x, t, LEVEL_RUN, false, ", ");
    put_template(t, x, ") {\n    if (!context) return $_E_ARGUMENT;\n    if (!context->planned");
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_RUN) put(t, " || context->plan.%s != %s", x->symbol[i], x->symbol[i]);
    put_template(t, x,
                 ") {\n        @_status status;\n        context->planned = 0;\n        status = plan_run(context, "
                 "&context->plan");
    put_level_params(x, t, LEVEL_RUN, true, ", ");
    put_template(t, x,
                 ");\n        if (status != $_OK) return status;\n        context->planned = 1;\n    }\n"
                 "    return need_memory(context, context->plan.total, context->plan.scratch);\n}\n\n");
}

void put_context_functions(exporter *x, text *t) {
    put_need_memory(x, t);
    put_states(x, t);
    put_make_context(x, t);
    put_destroy(x, t);
    put_create(x, t);
    put_settings(x, t);
    put_prepare(x, t);
}
