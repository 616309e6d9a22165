/* The indices that a statement or call of index notation writes, until each is an axis with an extent. */
#ifndef FRIT_FRONTEND_ELAB_EXTENTS_H
#define FRIT_FRONTEND_ELAB_EXTENTS_H
#include "elab_internal.h"

typedef struct wanted {
    const char *name;
    ir_span span, first; /* where it is written; the use that gave the extent */
    sym_t lo, extent;    /* extent NULL: not found yet */
    bool from_offset;    /* found from uses such as x[i + 1] */
} wanted;
typedef struct wanteds {
    elab *e;
    VEC(wanted) list;
    bool offsets; /* looking at x[i + e], after the bare uses gave no extent */
    bool failed;
} wanteds;

/* The index of that name; NULL when there is none. */
wanted *el_want_of(wanteds *w, const char *name);
/* Adds the index of `i in a..b`; false after an error. */
bool el_want_range(wanteds *w, const ast_sub *s);
/* Adds the index of a bare name, whose extent its uses give. */
bool el_want_name(wanteds *w, const ast_sub *s);
/* Looks for extents in the uses of the indices in arguments (NULL: none) and in an expression (NULL: none): where they
 * stand alone, and, when that gave none, where something is added to them. */
void el_extents_from(wanteds *w, const ast_args *args, const ast_expr *x);
/* The same in the subscripts of something with these dims. */
void el_bare_uses(wanteds *w, const ast_subs *subs, int rank, const sym_t *dims);
/* An extent is still missing. */
bool el_any_left(const wanteds *w);
/* Binds every index as an axis in the innermost scope; false after an error (an extent is missing). */
bool el_make_axes(wanteds *w);
#endif
