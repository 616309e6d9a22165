/* Names of types. */
#include "printer_internal.h"

bool c_is_narrow_float(frit_dtype t) { return frit_dtype_is_float(t) && frit_dtype_bits(t) < 32; }
bool c_is_signed(frit_dtype t) { return frit_dtype_kind_of(t) == FRIT_KIND_SINT; }
bool c_is_nibble(frit_dtype t) { return frit_dtype_bits(t) == 4; }

const char *c_scalar_type(cprinter *p, frit_dtype t) { return p->d->types[t]; }

const char *c_memory_type(cprinter *p, frit_dtype t) {
    return p->d->types[t == FRIT_bool || c_is_nibble(t) ? FRIT_u8 : t];
}

const char *c_type_tag(cprinter *p, frit_dtype t, int lanes) {
    return lanes > 1 ? arena_printf(p->a, "%sx%d", frit_dtype_name(t), lanes) : frit_dtype_name(t);
}

/* Lanes of bool are 0 or -1, so that they serve as masks. */
static const char *lane_type(cprinter *p, frit_dtype t) { return p->d->types[t == FRIT_bool ? FRIT_i8 : t]; }

static void define_vector(cprinter *p, const char *name, frit_dtype t, int lanes) {
    unsigned bits = frit_dtype_bits(t) < 8 ? 8 : frit_dtype_bits(t);
    unsigned bytes = bits / 8 * (unsigned)lanes, align = bytes & -bytes;
    if (align > 16) align = 16;
    bool power = !(bytes & (bytes - 1));
    if (p->d->gnu_vectors && power) {
        c_type_define(p,
                      "#ifdef FRIT_VECTORS\ntypedef %s %s __attribute__((vector_size(%u)));\n#else\n"
                      "typedef struct { %s v[%d]; } %s;\n#endif\n",
                      lane_type(p, t), name, bytes, lane_type(p, t), lanes, name);
    } else if (p->d->gnu_vectors) {
        c_type_define(p, "typedef struct { %s v[%d]; } %s;\n", lane_type(p, t), lanes, name);
    } else {
        c_type_define(p, "struct __attribute__((aligned(%u))) %s {\n    %s v[%d];\n    %s() = default;\n    DEVICE %s(%s x) { LANES(%d) v[l] = %sx; }\n};\n", align,
                      name, lane_type(p, t), lanes, name, name, c_scalar_type(p, t), lanes, t == FRIT_bool ? "-" : "");
    }
}

const char *c_type_of(cprinter *p, ir_type t) {
    frit_dtype d = (frit_dtype)t.dtype;
    if (t.kind == IR_PTR) return arena_printf(p->a, "%s *", c_memory_type(p, d));
    if (t.lanes <= 1) return c_scalar_type(p, d);
    const char *name = c_type_tag(p, d, t.lanes);
    if (c_helper_new(p, name)) define_vector(p, name, d, t.lanes);
    return name;
}

const char *c_value_type(cprinter *p, const ir_value *v) {
    return c_knows(p, v, V_NARROW) ? c_scalar_type(p, FRIT_i32) : c_type_of(p, v->type);
}
