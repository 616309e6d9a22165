#include "compiler.h"
#include "codegen/llvm/load.h"
#include "passes/extents.h"
#include "passes/fuse.h"
#include "passes/pack.h"
#include "passes/pass.h"
#include <string.h>

/* Not one of the passes that make programs better: without it they would mean something else. */
static void tell_absent(ir_module *m) {
    pass_options options = {.unverified = true};
    pass_ctx ctx = pass_ctx_new(m, &options);
    for (ir_func *f = m->funcs; f; f = f->next)
        if (f->level == IR_LEVEL_TENSOR && pass_run(&ctx, PASS_absent, f)) pass_run(&ctx, PASS_dce, f);
}

/* A product of these extents may be no expression for its length alone, whatever its value (the limits of ir/sym_poly.c). */
static bool long_product(int rank, const sym_t *dims) {
    enum { TERMS = 128, ATOMS = 16 };
    int terms = 1, atoms = 0;
    for (int i = 0; i < rank && terms <= TERMS; i++) {
        terms *= sym_n_terms(dims[i]) + 1;
        atoms += sym_leaves(dims[i], ATOMS);
    }
    return terms > TERMS || atoms > ATOMS;
}

/* The bytes of every tensor, those that are never stored too, are counted in 62 bits: index maps go a little beyond. Of long
 * formulas it is not known here; shorten_extents gives them variables. */
static bool too_large(sym_ctx *c, ir_type t) {
    int64_t n;
    if (t.kind != IR_TENSOR || long_product(t.rank, t.dims)) return false;
    sym_t bytes = sym_muli(c, sym_prod(c, t.dims, t.rank), (frit_dtype_bits((frit_dtype)t.dtype) + 7) / 8);
    return sym_kind_of(bytes) == SYM_INVALID || (sym_is_const(bytes, &n) && n >> 62);
}

static const ir_value *find_too_large(sym_ctx *c, const ir_block *b) {
    const ir_value *found = NULL;
    for (int i = 0; i < b->n_args && !found; i++)
        if (too_large(c, b->args[i]->type)) found = b->args[i];
    for (const ir_op *op = b->first; op && !found; op = op->next) {
        for (int i = 0; i < op->n_results && !found; i++)
            if (too_large(c, op->results[i].type)) found = &op->results[i];
        for (int k = 0; k < op->n_blocks && !found; k++) found = find_too_large(c, op->blocks[k]);
    }
    return found;
}

static const char *refuse_too_large(const ir_module *m) {
    for (const ir_func *f = m->funcs; f; f = f->next) {
        const ir_value *v = find_too_large(m->syms, f->body);
        if (v)
            return arena_printf(m->arena, PROGRAM_LIMIT "%s would have more than 2^62 bytes", ir_type_print(m->arena, v->type));
    }
    return NULL;
}

const char *compile_fuse(ir_module *m, ir_func *model, const compile_options *o) {
    const char *refused = refuse_too_large(m);
    if (refused) return refused;
    fuse_options f = {.mode = o->fusion == COMPILE_FULL ? FUSE_FULL : FUSE_OP, .limits = &o->target->limits};
    if (o->fusion != COMPILE_NONE) {
        pass_options options = {.unverified = true};
        if (o->passes) options = *o->passes;
        options.limits = &o->target->limits;
        pass_ctx ctx = pass_ctx_new(m, &options);
        bool sound = passes_tensor(&ctx, m);
        if (o->timers)
            memcpy(o->timers, ctx.timers, sizeof ctx.timers);
        if (!sound)
            return ctx.bug;
    }
    tell_absent(m);
    shorten_extents(m);
    if (o->fusion == COMPILE_FULL && !o->target->limits.threads) pack_weights(m, model); /* blocks of threads take their own copies */
    fuse(m, model, &f);
    for (int i = 0; i < m->globals.len; i++)
        if (m->globals.data[i]->init) fuse(m, m->globals.data[i]->init, &f);
    return NULL;
}

static const char *locate(void *u, ir_span span, uint32_t *line) {
    const compile_options *o = u;
    if (!o->diag || !span.file) return NULL;
    int l, column;
    diag_locate(o->diag, span.file, span.begin, &l, &column);
    *line = (uint32_t)l;
    return diag_source_name(o->diag, span.file);
}

const program *compile_program(arena *a, ir_func *fused, const compile_options *o, const char **error) {
    program_options p = {.target = o->target,
                         .stop = o->stop,
                         .workers = o->workers,
                         .locate = locate,
                         .locate_ctx = (void *)o,
                         .weight = o->weight,
                         .beside = o->beside,
                         .weight_ctx = o->weight_ctx};
    return program_build(a, fused, &p, error);
}

bool compile_error_is_limit(const char *error) { return strstr(error, PROGRAM_LIMIT) != NULL; }

bool compile_error_is_missing(const char *error) {
    return strstr(error, LLVM_MISSING) || strstr(error, TARGET_MISSING) || strstr(error, TARGET_BROKEN);
}
