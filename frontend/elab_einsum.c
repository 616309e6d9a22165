/* einsum: letters name axes; what is not in the result is summed. */
#include "elab_builtins.h"
#include <string.h>

enum { REST = 1, MAX_LETTERS = 2 * IR_MAX_RANK }; /* REST stands for one leading dim under '...': its code is REST + k */

/* Axis codes of an operand or the result. Codes below 'A' are the dims of '...', counted from the right. */
typedef struct letters {
    int n;
    unsigned char c[MAX_LETTERS];
} letters;

typedef struct spec {
    int n_in;
    letters in[3], out;
    int rest[3]; /* position of '...' in each operand, -1 */
} spec;

static const char *read_term(const char *s, letters *l, int *rest) {
    l->n = 0;
    *rest = -1;
    for (; *s && *s != ',' && *s != '-'; s++) {
        if (*s == ' ')
            continue;
        if (!strncmp(s, "...", 3) && *rest < 0) {
            *rest = l->n;
            s += 2;
            continue;
        }
        bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
        if (!letter || l->n >= IR_MAX_RANK || memchr(l->c, *s, (size_t)l->n))
            return NULL;
        l->c[l->n++] = (unsigned char)*s;
    }
    return s;
}

static void open_rest(letters *l, int at, int n) {
    if (at < 0)
        return;
    memmove(l->c + at + n, l->c + at, (size_t)(l->n - at));
    for (int i = 0; i < n; i++)
        l->c[at + i] = (unsigned char)(REST + n - 1 - i);
    l->n += n;
}

/* The letters of all operands with '...' spelled out for the ranks at hand. */
static bool read_spec(const char *s, const val *x, spec *p) {
    int rest, most = 0;
    for (p->n_in = 0; p->n_in < 3; p->n_in++) {
        int k = p->n_in;
        if (x[k].kind != V_TENSOR || !(s = read_term(s, &p->in[k], &p->rest[k])))
            return false;
        int open = el_rank(x[k]) - p->in[k].n;
        if (open < 0 || (open > 0 && p->rest[k] < 0) || el_rank(x[k]) > IR_MAX_RANK)
            return false;
        open_rest(&p->in[k], p->rest[k], open);
        most = open > most ? open : most;
        if (*s != ',') {
            p->n_in++;
            break;
        }
        s++;
    }
    if (strncmp(s, "->", 2) || !(s = read_term(s + 2, &p->out, &rest)) || *s)
        return false;
    for (int k = p->n_in; k < 3; k++)
        if (x[k].kind != V_NONE)
            return false;
    if (p->out.n + most > IR_MAX_RANK)
        return false;
    open_rest(&p->out, rest, most);
    return true;
}

static int find(const letters *l, unsigned char c) {
    const unsigned char *at = memchr(l->c, c, (size_t)l->n);
    return at ? (int)(at - l->c) : -1;
}

/* Sums the axes of x that nothing later needs. */
static val drop_axes(elab *e, const call_site *c, val x, letters *l, const letters *keep, int n_keep) {
    int axes[IR_MAX_RANK], n = 0;
    letters left = {0};
    for (int i = 0; i < l->n; i++) {
        bool needed = false;
        for (int k = 0; k < n_keep; k++)
            needed |= find(&keep[k], l->c[i]) >= 0;
        if (needed)
            left.c[left.n++] = l->c[i];
        else
            axes[n++] = i;
    }
    *l = left;
    return n ? el_reduce(e, IR_SUM, x, n, axes, false, el_dtype(x), c->span) : x;
}

static bool same_dim(elab *e, const call_site *c, sym_t a, sym_t b, unsigned char letter) {
    if (el_dims_equal(e, a, b, c->span, "einsum: the dims of a letter agree"))
        return true;
    const char *name = letter < 'A' ? "..." : arena_printf(e->a, "%c", letter);
    el_fail(e, diag_report(e->d, MSG_AXIS_DISAGREE, el_at(e, c->span), name, sym_print(e->a, a), sym_print(e->a, b)));
    return false;
}

/* x of letters lx times y of letters ly, keeping `out` (a set): index axes are shared as batch. */
static val product(elab *e, const call_site *c, val x, letters *lx, val y, const letters *ly, const letters *keep, int n_keep,
                   frit_dtype t) {
    iaxis **axes;
    int64_t bx[2 * IR_MAX_RANK], by[2 * IR_MAX_RANK], cx[IR_MAX_RANK], cy[IR_MAX_RANK];
    int n_axes = el_union_axes(e, (val[]){x, y}, 2, &axes), nb = 0, nc = 0;
    if (n_axes) { /* every index axis is a batch axis of both */
        sym_t dims[2][IR_MAX_RANK];
        memcpy(dims[0], el_dims(x), sizeof(sym_t) * (size_t)el_rank(x));
        memcpy(dims[1], el_dims(y), sizeof(sym_t) * (size_t)el_rank(y));
        x = el_spread(e, x, n_axes, axes, el_rank(x), dims[0]);
        y = el_spread(e, y, n_axes, axes, el_rank(y), dims[1]);
    }
    for (; nb < n_axes; nb++)
        bx[nb] = by[nb] = nb;
    letters r = {0}, free_x = {0};
    for (int i = 0; i < lx->n; i++) {
        int j = find(ly, lx->c[i]);
        if (j < 0) {
            free_x.c[free_x.n++] = lx->c[i];
            continue;
        }
        if (!same_dim(e, c, el_dims(x)[i], el_dims(y)[j], lx->c[i]))
            return v_error();
        if (el_dims(x)[i] != el_dims(y)[j])
            y = el_with_dim(e, y, j, el_dims(x)[i]);
        bool needed = false;
        for (int k = 0; k < n_keep; k++)
            needed |= find(&keep[k], lx->c[i]) >= 0;
        if (needed) {
            bx[nb] = i + n_axes;
            by[nb++] = j + n_axes;
            r.c[r.n++] = lx->c[i];
        } else {
            cx[nc] = i + n_axes;
            cy[nc++] = j + n_axes;
        }
    }
    for (int i = 0; i < free_x.n; i++)
        r.c[r.n++] = free_x.c[i];
    for (int j = 0; j < ly->n; j++)
        if (find(lx, ly->c[j]) < 0)
            r.c[r.n++] = ly->c[j];
    if (n_axes + r.n > IR_MAX_RANK)
        return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, c->span), n_axes + r.n, IR_MAX_RANK));
    *lx = r;
    return v_tensor_axes(ir_contract(&e->b, x.t, y.t, nb, bx, by, nc, cx, cy, t), n_axes, axes);
}

val b_einsum(elab *e, const call_site *c, val *a) {
    spec p;
    frit_dtype t, in;
    if (a[0].kind != V_STR)
        return el_bad_arg(e, c, "a string such as \"ik,kj->ij\"", a[0]);
    int n = a[3].kind != V_NONE ? 3 : a[2].kind != V_NONE ? 2 : 1;
    for (int i = 0; i < n; i++)
        if (!el_arg_tensor(e, c, &a[1 + i]))
            return v_error();
    if (!read_spec(a[0].s, a + 1, &p))
        return el_fail(e, diag_report(e->d, MSG_EINSUM, el_at(e, c->span), a[0].s));
    in = el_common_dtype(e, a + 1, n, c->name, c->span);
    if (in == FRIT_DTYPE_COUNT || !el_arg_dtype(e, c, a[4], in, &t))
        return v_error();
    val x = el_tensor(e, a[1], in, c->span);
    letters l = p.in[0];
    for (int k = 1; k <= p.n_in; k++) {
        letters later[4];
        int m = 0;
        later[m++] = p.out;
        for (int i = k; i < p.n_in; i++)
            later[m++] = p.in[i];
        x = drop_axes(e, c, x, &l, later, m);
        if (k == p.n_in)
            break;
        letters beyond[3], ly = p.in[k];
        int nb = 0;
        beyond[nb++] = p.out;
        for (int i = k + 1; i < p.n_in; i++)
            beyond[nb++] = p.in[i];
        letters with_x[4];
        memcpy(with_x, beyond, sizeof(letters) * (size_t)nb);
        with_x[nb] = l;
        val y = drop_axes(e, c, el_tensor(e, a[1 + k], in, c->span), &ly, with_x, nb + 1);
        x = product(e, c, x, &l, y, &ly, beyond, nb, k + 1 == p.n_in ? t : in);
        if (x.kind != V_TENSOR)
            return x;
    }
    int perm[IR_MAX_RANK];
    for (int i = 0; i < p.out.n; i++) {
        perm[i] = find(&l, p.out.c[i]);
        if (perm[i] < 0)
            return el_fail(e, diag_report(e->d, MSG_EINSUM, el_at(e, c->span), a[0].s));
    }
    x = el_transpose(e, x, perm);
    return el_dtype(x) == t ? x : el_cast(e, x, t, c->span);
}
