#include "roundtrip.h"
#include "ir/diag.h"
#include "runtime/frit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t next_random(uint64_t *s) { /* xorshift64*, Vigna 2016 */
    *s ^= *s >> 12, *s ^= *s << 25, *s ^= *s >> 27;
    return *s * UINT64_C(2685821657736338717);
}

enum { MAX_IO = 128 };

/* Memory of one input or output. */
typedef struct area {
    void *data, *base;
    size_t total; /* of the mapping at base; 0: malloc's */
} area;

/* bytes of memory that ends (or begins: `front`) where an inaccessible page begins (or ends). */
static area area_new(size_t bytes, bool guard, bool front) {
    if (!guard) {
        void *p = calloc(bytes + 64, 1);
        return (area){p, p, 0};
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (bytes + page - 1) / page * page;
    area a = {.total = inside + 2 * page};
    a.base = mmap(NULL, a.total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a.base == MAP_FAILED || (inside && mprotect((char *)a.base + page, inside, PROT_READ | PROT_WRITE))) abort();
    a.data = (char *)a.base + page + (front ? 0 : inside - bytes);
    return a;
}

static void area_free(area a) {
    if (a.total) munmap(a.base, a.total);
    else free(a.base);
}

typedef struct run {
    const roundtrip_options *o;
    roundtrip_result *r;
    ir_module *m, *fused;
    ir_func *f;
    interp *it;
    uint64_t rng;
    int n_in, n_out, n_runs; /* n_runs: done so far */
    interp_tensor in[MAX_IO], want[MAX_IO];
    DLTensor dl_in[MAX_IO], dl_out[MAX_IO];
    int64_t shape[2 * MAX_IO][IR_MAX_RANK];
    area in_area[MAX_IO], out[MAX_IO];
    int n_areas;
    diag *d;
    arena *a; /* what is compiled */
    interp_tensor *params;
    area *param_areas;
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
} run;

static bool fail(run *x, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x->r->message, sizeof x->r->message, fmt, ap);
    va_end(ap);
    return false;
}

static bool dim_value(void *u, sym_t var, int64_t *v) {
    run *x = u;
    for (int i = 0; i < x->o->n_dims; i++)
        if (!strcmp(x->o->dim_names[i], sym_var_name(var))) {
            int rows = x->o->n_rows ? x->o->n_rows : 1;
            *v = x->o->dim_values[x->n_runs % rows * x->o->n_dims + i];
            return true;
        }
    *v = x->o->extent;
    int64_t lo, hi;
    sym_range(x->m->syms, var, &lo, &hi);
    if (*v < lo) *v = lo;
    if (*v > hi) *v = hi;
    return true;
}

static double special_float(uint64_t r) {
    static const double v[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, -3e4, 1e30, 2.5, -0x1p-140};
    return v[r % (sizeof v / sizeof *v)];
}

static int64_t special_int(frit_dtype t, uint64_t r) {
    int bits = (int)frit_dtype_bits(t);
    if (r % 4 == 0) return frit_dtype_kind_of(t) == FRIT_KIND_SINT ? INT64_MIN >> (64 - bits) : 0;
    if (r % 4 == 1) return frit_dtype_kind_of(t) == FRIT_KIND_SINT ? INT64_MAX >> (64 - bits) : (int64_t)(UINT64_MAX >> (64 - bits));
    return r % 4 == 2 ? bits : (int64_t)(r >> 8);
}

static void fill_element(run *x, interp_tensor *t, int64_t i) {
    uint64_t r = next_random(&x->rng);
    bool special = x->o->special && r % 4 == 0;
    if (frit_dtype_is_float(t->dtype))
        frit_store_float(t->dtype, t->data, i, special ? special_float(r >> 8) : (double)(r >> 11) * 0x1p-53 * 3 - 1.4);
    else if (t->dtype == FRIT_bool) frit_store_int(t->dtype, t->data, i, (int64_t)(r >> 40 & 1));
    else if (special) frit_store_int(t->dtype, t->data, i, special_int(t->dtype, r >> 8));
    else frit_store_int(t->dtype, t->data, i, (int64_t)(r >> 40) % 7 - (frit_dtype_kind_of(t->dtype) == FRIT_KIND_SINT ? 2 : 0));
}

/* Random elements in memory of a's. */
static bool fill(run *x, interp_tensor *t, ir_type type, area *a) {
    *t = (interp_tensor){.dtype = (frit_dtype)type.dtype, .rank = type.rank};
    for (int d = 0; d < type.rank; d++)
        if (!sym_eval(type.dims[d], dim_value, x, &t->shape[d])) return fail(x, "a dim has no value");
    int64_t n = interp_elements(t);
    *a = area_new((size_t)frit_dtype_bytes(t->dtype, n), x->o->guard, x->n_areas++ & 1);
    t->data = a->data;
    for (int64_t i = 0; i < n; i++) fill_element(x, t, i);
    return true;
}

static DLTensor as_dl(const interp_tensor *t, int64_t *shape) {
    memcpy(shape, t->shape, sizeof t->shape);
    return frit_dense(t->data, t->dtype, t->rank, shape);
}

static bool open_session(run *x, const program *p) {
    frit_error e;
    frit_device_options options = {.struct_size = sizeof options, .threads = x->o->threads, .index = x->o->device};
    if (frit_package_open_memory(p->bytes, p->n_bytes, NULL, NULL, NULL, &x->package, &e) ||
        frit_device_open(x->o->target ? x->o->target : "cpu", &options, &x->device, &e) ||
        frit_weights_create(x->package, x->device, NULL, &x->weights, &e))
        return fail(x, "%s", e.message);
    for (int i = 0; i < x->m->globals.len; i++) {
        if (x->m->globals.data[i]->is_state) continue;
        int64_t shape[IR_MAX_RANK];
        DLTensor t = as_dl(&x->params[i], shape);
        if (frit_weights_bind(x->weights, x->m->globals.data[i]->path, &t, FRIT_BORROW, &e)) return fail(x, "%s", e.message);
    }
    frit_session_options so = {.struct_size = sizeof so, .seed = 7};
    if (frit_session_create(x->weights, &so, &x->session, &e)) return fail(x, "%s", e.message);
    return true;
}

/* A factor that leaves a sum (passes/contract.c) no longer keeps its terms small: what is near the largest f32 may overflow
 * on the way. Such elements count as right. */
static void forgive_overflow(interp_tensor *got, const interp_tensor *want) {
    static const double near = 0x1p96;
    if (got->dtype != FRIT_f32 && got->dtype != FRIT_bf16) return;
    for (int64_t i = 0, n = interp_elements(want); i < n; i++) {
        double v = interp_get_float(want, i);
        if (isfinite(v) && fabs(v) > near && !isfinite(interp_get_float(got, i))) frit_store_float(got->dtype, got->data, i, v);
    }
}

/* Extents that a correct kernel may find otherwise: nothing to compare. */
static bool count_open(run *x) {
    for (int i = 0; i < x->n_out; i++) {
        x->r->elements += interp_elements(&x->want[i]);
        x->r->undecidable += interp_elements(&x->want[i]);
    }
    return true;
}

static bool compare_all(run *x) {
    for (int i = 0; i < x->n_out; i++) {
        if (memcmp(x->shape[MAX_IO + i], x->want[i].shape, (size_t)x->want[i].rank * sizeof(int64_t)))
            return fail(x, "output %d has other extents", i);
        interp_tensor got = x->want[i];
        got.data = x->out[i].data, got.wide = false, got.err = NULL;
        if (x->o->stored) forgive_overflow(&got, &x->want[i]);
        interp_comparison c = interp_compare(&got, &x->want[i], 0, 0);
        x->r->elements += c.n;
        x->r->undecidable += c.undecidable;
        if (c.ratio > x->r->worst) x->r->worst = c.ratio;
        if (!c.ok) x->r->output = i;
        if (!c.ok)
            return fail(x, "output %d, element %lld of %lld: %.9g, not %.9g (bound %.3g, %lld bad)", i, (long long)c.worst,
                        (long long)c.n, c.got, c.want, c.bound, (long long)c.bad);
    }
    return true;
}

/* An input of dims that each are large is more than a test should have. */
static bool inputs_fit(run *x) {
    for (int i = 0; i < x->n_in; i++) {
        ir_type t = x->f->body->args[i]->type;
        double n = 1;
        for (int d = 0; d < t.rank; d++) {
            int64_t e;
            if (sym_eval(t.dims[d], dim_value, x, &e)) n *= (double)e;
        }
        if (n > 1 << 24) return false;
    }
    return true;
}

static bool make_inputs(run *x) {
    for (int i = 0; i < x->n_in; i++) {
        if (!fill(x, &x->in[i], x->f->body->args[i]->type, &x->in_area[i])) return false;
        if (x->f->arg_syms && x->f->arg_syms[i]) {
            int64_t v;
            dim_value(x, x->f->arg_syms[i], &v);
            frit_store_int(FRIT_i64, x->in[i].data, 0, v);
        }
        x->dl_in[i] = as_dl(&x->in[i], x->shape[i]);
    }
    return true;
}

static void make_outputs(run *x, frit_session *s) {
    frit_error e;
    for (int i = 0; i < x->n_out; i++) {
        int64_t n = 1, *shape = x->shape[MAX_IO + i];
        frit_session_output_shape(s, i, shape, &e);
        for (int d = 0; d < x->want[i].rank; d++) n *= shape[d];
        size_t bytes = (size_t)frit_dtype_bytes(x->want[i].dtype, n);
        x->out[i] = area_new(bytes, x->o->guard, x->n_areas++ & 1);
        /* NaN, and an unlikely integer, where nothing is written */
        if (bytes) memset(x->out[i].data, frit_dtype_is_float(x->want[i].dtype) ? 0xff : 0x5a, bytes);
        x->dl_out[i] = frit_dense(x->out[i].data, x->want[i].dtype, x->want[i].rank, shape);
    }
}

static bool one_run(run *x, frit_session *s) {
    frit_error e;
    if (x->o->max_ops && !inputs_fit(x)) return x->r->skipped = true;
    if (!make_inputs(x)) return false;
    interp_status status = interp_run(x->it, x->f, x->n_in, x->in, x->n_out, x->want);
    if (x->o->max_ops && (status == INTERP_LIMIT || status == INTERP_MEMORY || status == INTERP_CHECK)) {
        for (int i = 0; i < x->n_in; i++) area_free(x->in_area[i]);
        return x->r->skipped = true;
    }
    if (status) return fail(x, "interpreter: %s", interp_message(x->it));
    if (frit_session_prepare(s, x->dl_in, x->n_in, &e)) return fail(x, "prepare: %s", e.message);
    make_outputs(x, s);
    bool ok = !frit_session_run(s, x->dl_in, x->n_in, x->dl_out, x->n_out, &e) || fail(x, "run: %s", e.message);
    ok = ok && (interp_extents_open(x->it) ? count_open(x) : compare_all(x));
    for (int i = 0; i < x->n_in; i++) area_free(x->in_area[i]);
    for (int i = 0; i < x->n_out; i++) {
        interp_tensor_free(&x->want[i]);
        area_free(x->out[i]);
    }
    x->n_runs++;
    return ok;
}

static void show(run *x, const program *p) {
    arena *a = arena_new();
    fprintf(x->o->show, "%s\n", ir_print(a, x->fused));
    if (p) fprintf(x->o->show, "%s\n%s\n", ir_print(a, p->tiles), ir_print(a, p->threads));
    arena_free(a);
}

static bool parse(run *x, const char *text, size_t size) {
    uint32_t file = diag_add_source(x->d, "test.fir", text, size);
    x->m = ir_parse(x->d, file);
    x->fused = ir_parse(x->d, file);
    if (!x->m || !x->fused) {
        diag_print_text(x->d, stderr, false);
        return fail(x, "the text does not parse");
    }
    x->f = x->m->funcs;
    x->n_in = x->f->body->n_args;
    x->n_out = x->f->body->last->n_operands;
    if (x->n_in > MAX_IO || x->n_out > MAX_IO) return fail(x, "too many inputs or outputs");
    x->it = interp_new(x->m, &(interp_options){.wide = true, .stored = x->o->stored, .seed = 7, .max_ops = x->o->max_ops});
    return true;
}

static bool fill_params(run *x) {
    x->params = calloc((size_t)x->m->globals.len + 1, sizeof *x->params);
    x->param_areas = calloc((size_t)x->m->globals.len + 1, sizeof *x->param_areas);
    for (int i = 0; i < x->m->globals.len; i++) {
        if (x->m->globals.data[i]->is_state) continue;
        if (!fill(x, &x->params[i], x->m->globals.data[i]->type, &x->param_areas[i])) return false;
        interp_set_param(x->it, x->m->globals.data[i]->path, &x->params[i]);
    }
    return true;
}

/* NULL: it fails. */
static const program *compile(run *x) {
    const roundtrip_options *o = x->o;
    const char *error = NULL, *bad = NULL;
    const target *t = target_open(x->a, o->target ? o->target : "cpu", &error);
    if (!t) return fail(x, "%s", error), NULL;
    compile_options co = {.target = t, .fusion = o->fusion, .stop = PROGRAM_PACKAGE, .workers = o->threads, .diag = x->d};
    compile_fuse(x->fused, x->fused->funcs, &co);
    if (ir_verify(x->a, x->fused, &bad)) return fail(x, "after fusion: %.900s", bad), NULL;
    const program *p = compile_program(x->a, x->fused->funcs, &co, &error);
    if (o->show) show(x, p);
    if (!p) return fail(x, "compile: %s", error), NULL;
    if (ir_verify(x->a, p->tiles, &bad) || ir_verify(x->a, p->threads, &bad)) return fail(x, "after lowering: %.900s", bad), NULL;
    if (o->inspect) o->inspect(o->inspect_ctx, x->m, x->fused, p);
    x->r->n_kernels = p->n_kernels;
    x->r->n_launches = p->n_launches;
    return p;
}

static bool run_all(run *x, const program *p) {
    const roundtrip_options *o = x->o;
    int n_runs = o->runs > o->n_rows ? o->runs : o->n_rows;
    bool ok = open_session(x, p);
    for (int i = 0; i < (n_runs ? n_runs : 1) && ok && !x->r->skipped; i++) ok = one_run(x, x->session);
    return ok;
}

static void release(run *x) {
    frit_session_release(x->session);
    frit_weights_release(x->weights);
    frit_device_release(x->device);
    frit_package_release(x->package);
    if (x->it) interp_free(x->it);
    for (int i = 0; x->params && i < x->m->globals.len; i++) area_free(x->param_areas[i]);
    free(x->param_areas);
    free(x->params);
    if (x->m) ir_module_free(x->m);
    if (x->fused) ir_module_free(x->fused);
    arena_free(x->a);
    diag_free(x->d);
}

roundtrip_result roundtrip_text(const char *text, size_t size, const roundtrip_options *o) {
    roundtrip_result r = {.output = -1, .message = ""};
    run x = {.o = o, .r = &r, .rng = o->seed * 2 + 0x9E3779B97F4A7C15u, .d = diag_new(), .a = arena_new()};
    const program *p = parse(&x, text, size) && fill_params(&x) ? compile(&x) : NULL;
    r.ok = p && (o->compile_only || run_all(&x, p));
    release(&x);
    return r;
}
