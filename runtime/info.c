/* What frit_package_get_info shows, made once at open. */
#include "rt.h"
#include <string.h>

static void fill_tensor(const frit_package *p, const fpk_tensor *t, frit_tensor_info *out, const char **text) {
    *out = (frit_tensor_info){.name = rt_string(p, t->name),
                              .dtype = (frit_dtype)t->dtype,
                              .rank = t->rank,
                              .dims = text,
                              .type = rt_string(p, t->type),
                              .host_int = t->symbol != FPK_NONE,
                              .place = (frit_param_place)t->place};
    for (uint32_t k = 0; k < t->rank; k++) text[k] = rt_string(p, p->lists[t->dims + t->rank + k]);
}

static void fill_symbol(const frit_package *p, const fpk_symbol *s, frit_dim_info *out) {
    *out = (frit_dim_info){rt_string(p, s->name), (frit_dim_role)s->role, s->lo, s->hi,
                           s->multiple > 1 ? s->multiple : 1};
}

frit_status rt_make_info(frit_package *p, frit_error *err) {
    uint64_t n = p->n_variants;
    for (uint32_t i = 0; i < p->n_tensors; i++) n += p->tensors[i].rank;
    p->n_text = n;
    p->text = rt_new(&rt_malloc, n, sizeof *p->text);
    p->tensor_info = rt_new(&rt_malloc, p->n_tensors, sizeof *p->tensor_info);
    p->dim_info = rt_new(&rt_malloc, p->n_symbols, sizeof *p->dim_info);
    if (!p->text || !p->tensor_info || !p->dim_info) return rt_no_memory(err);
    const char **text = p->text;
    for (uint32_t i = 0; i < p->n_variants; i++) *text++ = rt_string(p, p->variants[i].target);
    for (uint32_t i = 0; i < p->n_tensors; text += p->tensors[i++].rank)
        fill_tensor(p, &p->tensors[i], &p->tensor_info[i], text);
    for (uint32_t i = 0; i < p->n_symbols; i++) fill_symbol(p, &p->symbols[i], &p->dim_info[i]);
    const fpk_info *f = p->info;
    const frit_tensor_info *t = p->tensor_info;
    p->public = (frit_package_info){.entry = rt_string(p, f->entry),
                                    .doc = rt_string(p, f->doc),
                                    .compiler = rt_string(p, f->compiler),
                                    .n_inputs = (int)f->n_inputs,
                                    .n_outputs = (int)f->n_outputs,
                                    .n_params = (int)f->n_params,
                                    .n_states = (int)f->n_states,
                                    .n_dims = (int)p->n_symbols,
                                    .n_targets = (int)p->n_variants,
                                    .inputs = t,
                                    .outputs = t + f->n_inputs,
                                    .params = t + f->n_inputs + f->n_outputs,
                                    .states = t + f->n_inputs + f->n_outputs + f->n_params,
                                    .dims = p->dim_info,
                                    .targets = p->text,
                                    .digest = ((const fpk_header *)p->base)->checksum};
    return FRIT_OK;
}

void rt_free_info(frit_package *p) {
    rt_free(&rt_malloc, p->text, p->n_text, sizeof *p->text);
    rt_free(&rt_malloc, p->tensor_info, p->n_tensors, sizeof *p->tensor_info);
    rt_free(&rt_malloc, p->dim_info, p->n_symbols, sizeof *p->dim_info);
}

frit_status frit_package_target(const frit_package *p, int i, frit_target_info *out, frit_error *err) {
    if (!p || !out || i < 0 || (uint32_t)i >= p->n_variants)
        return rt_fail(err, FRIT_USAGE, "frit_package_target: there is no target %d", i);
    const fpk_variant *v = &p->variants[i];
    frit_target_info have = {.target = rt_string(p, v->target),
                             .n_kernels = (int)v->n_kernels,
                             .code_bytes = (size_t)v->code_size};
    size_t size = out->struct_size < sizeof have ? out->struct_size : sizeof have;
    if (size < sizeof size) return rt_fail(err, FRIT_USAGE, "frit_package_target: set struct_size");
    have.struct_size = out->struct_size;
    memcpy(out, &have, size);
    return FRIT_OK;
}

const frit_package_info *frit_package_get_info(const frit_package *p) { return p ? &p->public : NULL; }
