/* What the files of the region analysis share: nests found, axes split and reads traced (region_trace.c), the grid placed
 * (region_grid.c), epilogues merged (region_epilogue.c), the whole (region.c). */
#ifndef FRIT_PASSES_REGION_INTERNAL_H
#define FRIT_PASSES_REGION_INTERNAL_H
#include "region.h"

enum { REGION_MAX_DEPTH = 3000 };

/* Axis `axis` of v (a reduced one when red): its variable number k is split so that the inner part has `factor` values. */
typedef struct split {
    const ir_value *v;
    bool red;
    int axis, k;
    sym_t factor;
} split;
/* Variable k of an axis of the primary output that is not a grid axis. */
typedef struct exclusion {
    int axis, k;
} exclusion;
typedef struct owner {
    sym_t var;
    const ir_value *v;
    bool red;
    int axis, k;
} owner;
typedef struct leaf {
    const ir_value *v;
    const sym_t *coords;
} leaf;

typedef struct visit {
    const ir_value *v;
    const sym_t *coords;
} visit;

struct region_splits {
    VEC(split) splits;
    int first_split;  /* splits from here on were asked for in this round */
    VEC(exclusion) excluded;
    VEC(owner) owners;
    VEC(leaf) leaves; /* reads of inputs and nests by the primary output */
    visit *seen;      /* what the current trace has visited: open addressing */
    int n_seen, cap_seen;
    bool again;       /* something changed: analyse once more */
    bool record_leaves, matching;
    int *visits;      /* by region_id: how often the current trace has evaluated each value; counted where not NULL */
    double again_cost; /* operations of evaluations after the first */
    region_read_fn on_read; /* asked for by region_each_read */
    void *on_read_data;
    nest *match;      /* the sink being aligned with the primary output */
    sym_t match_var[IR_MAX_RANK], match_to[IR_MAX_RANK];
};
typedef struct region_splits work;

/* Side tables of a region are indexed by value id from the region's lowest: ids of neighbouring ops are close. */
static inline int region_id(const region *r, const ir_value *v) { return v->id - r->first_id; }

/* The axis `axis` of v (a reduced one when red) with a variable for each part that the splits asked for. */
nest_axis region_make_axis(region *r, const ir_value *v, bool red, int axis, sym_t extent, const char *name);
/* Some split is of dim `axis` of v. */
bool region_is_split(const region *r, const ir_value *v, int axis);
/* Everything that nest i evaluates at its coordinates: notes reads of nests, splits asked for, leaves where recorded. */
void region_trace_nest(region *r, int i, const sym_t *coords);

/* Operations that an element of op takes. */
double region_op_cost(const ir_op *op);

/* One round of placing and tracing every nest; splits->again says that another is needed. False: why_not is set. */
bool region_place(region *r);
/* e has no variables but those of the grid (and sizes). */
bool region_over_grid_only(const region *r, sym_t e);

/* Finds map nests that are computed in the epilogues of others. */
void region_merge_epilogues(region *r);
#endif
