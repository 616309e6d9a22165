/* The schedules of a package: what runs in which order. */
#include "package_internal.h"

/* ---- Begin and end ----------------------------------------------------------------------------------------------- */
static void word(package *p, uint32_t w) { vec_push(p->a, &p->body, w); }

/* First word of an instruction; its place. */
static uint32_t op(package *p, fpk_op o, uint32_t length) {
    if (p->schedule < 0) package_wrong(p, "an instruction comes before package_main, package_load or package_init");
    uint32_t at = (uint32_t)p->body.len;
    word(p, (uint32_t)o | length << 8);
    return at;
}

void package_close_schedule(package *p) {
    if (p->schedule < 0) return;
    if (p->depth) package_wrong(p, "a schedule ends inside a loop or branch");
    op(p, FPK_OP_END, 1);
    fpk_schedule *s = &p->schedules.data[p->schedule];
    *s = (fpk_schedule){(uint32_t)p->words.len, (uint32_t)p->body.len};
    for (int i = 0; i < p->body.len; i++) vec_push(p->a, &p->words, p->body.data[i]);
    p->schedule = -1, p->body.len = 0, p->depth = 0;
}

static void begin(package *p, int index) {
    package_close_schedule(p);
    fpk_variant *v = package_variant(p);
    if (!v) return;
    if (index < 0 || index >= 2 + p->tensors[PACKAGE_STATE].len) {
        package_wrong(p, "there is no state %d", index - 2);
        return;
    }
    p->schedule = (int)v->first_schedule + index;
    if (p->schedules.data[p->schedule].count) package_wrong(p, "a schedule is written twice");
}
void package_main(package *p) { begin(p, 0); }
void package_load(package *p) { begin(p, 1); }
void package_init(package *p, int state) { begin(p, 2 + state); }

/* ---- Instructions ------------------------------------------------------------------------------------------------ */
static void ref(package *p, package_ref r) {
    fpk_variant *v = package_variant(p);
    if (!v || r.buffer < 0 || (uint32_t)r.buffer >= v->n_buffers) package_wrong(p, "there is no buffer %d", r.buffer);
    word(p, (uint32_t)r.buffer);
    word(p, !r.offset || sym_is(r.offset, 0) ? FPK_NONE : package_expr(p, r.offset, 0));
}

void package_launch(package *p, int kernel, const package_ref *args) {
    fpk_variant *v = package_variant(p);
    if (!v || kernel < 0 || (uint32_t)kernel >= v->n_kernels) {
        package_wrong(p, "there is no kernel %d", kernel);
        return;
    }
    const fpk_kernel *k = &p->kernels.data[v->first_kernel + (uint32_t)kernel];
    uint32_t n = k->n_inputs + k->n_outputs;
    op(p, FPK_OP_LAUNCH, 2 + 2 * n);
    word(p, (uint32_t)kernel);
    for (uint32_t i = 0; i < n; i++) ref(p, args[i]);
}

void package_copy(package *p, package_ref dst, package_ref src, sym_t bytes) {
    op(p, FPK_OP_COPY, 6);
    ref(p, dst);
    ref(p, src);
    word(p, package_expr(p, bytes, 0));
}

void package_fill(package *p, package_ref dst, sym_t bytes, int width, uint64_t pattern) {
    op(p, FPK_OP_FILL, 7);
    ref(p, dst);
    word(p, package_expr(p, bytes, 0));
    word(p, (uint32_t)width);
    word(p, (uint32_t)pattern);
    word(p, (uint32_t)(pattern >> 32));
}

void package_swap(package *p, int a, int b) {
    op(p, FPK_OP_SWAP, 3);
    word(p, (uint32_t)a);
    word(p, (uint32_t)b);
}

/* ---- Control ----------------------------------------------------------------------------------------------------- */
static void open_scope(package *p, uint32_t at) {
    if (p->depth == FPK_MAX_NESTING)
        package_wrong(p, "loops and branches are nested more than %d deep", FPK_MAX_NESTING);
    else
        p->open[p->depth++] = at;
}

void package_loop(package *p, sym_t counter, sym_t trips) {
    package_set_role(p, counter, ROLE_LOOP);
    open_scope(p, op(p, FPK_OP_LOOP, 4));
    word(p, package_symbol_of(p, counter));
    word(p, package_expr(p, trips, 0));
    word(p, 0);
}

static void open_test(package *p, fpk_op o, package_ref cond) {
    open_scope(p, op(p, o, 4));
    ref(p, cond);
    word(p, 0);
}
void package_while(package *p, package_ref cond) { open_test(p, FPK_OP_WHILE, cond); }
void package_if(package *p, package_ref cond) { open_test(p, FPK_OP_IF, cond); }

static fpk_op op_at(const package *p, uint32_t at) { return (fpk_op)(p->body.data[at] & 0xff); }

void package_else(package *p) {
    if (!p->depth || op_at(p, p->open[p->depth - 1]) != FPK_OP_IF) {
        package_wrong(p, "an else without an if");
        return;
    }
    uint32_t at = op(p, FPK_OP_ELSE, 2);
    word(p, 0);
    p->body.data[p->open[p->depth - 1] + 3] = at;
    p->open[p->depth - 1] = at;
}

void package_end(package *p) {
    if (!p->depth) {
        package_wrong(p, "an end without a loop or branch");
        return;
    }
    uint32_t top = p->open[--p->depth];
    fpk_op o = op_at(p, top);
    bool loop = o == FPK_OP_LOOP || o == FPK_OP_WHILE;
    uint32_t at = op(p, loop ? FPK_OP_NEXT : FPK_OP_ENDIF, loop ? 2 : 1);
    if (loop) word(p, top);
    p->body.data[top + (o == FPK_OP_ELSE ? 1 : 3)] = at;
}

void package_read(package *p, sym_t var, package_ref from) {
    package_set_role(p, var, ROLE_DEVICE);
    op(p, FPK_OP_READ_SYM, 4);
    word(p, package_symbol_of(p, var));
    ref(p, from);
}

