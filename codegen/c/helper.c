/* Functions that the text defines for itself: scalar ones from a table, those of lanes from the scalar expressions. */
#include "printer_internal.h"
#include <string.h>

bool c_helper_new(cprinter *p, const char *name) {
    if (name_get(&p->seen, name, strlen(name))) return false;
    name_set(&p->seen, name, strlen(name), p);
    return true;
}

void c_helper_define(cprinter *p, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    text_put(&p->helpers, arena_vprintf(p->a, fmt, ap));
    va_end(ap);
}

void c_type_define(cprinter *p, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    text_put(&p->types, arena_vprintf(p->a, fmt, ap));
    va_end(ap);
}

void c_define_instruction(cprinter *p, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    text_put(&p->instructions, arena_vprintf(p->a, fmt, ap));
    va_end(ap);
}

/* ------------ how they are laid out */
enum { COLUMNS = 120, STATEMENTS = 3 };

size_t c_first_part(const char *s, size_t room) {
    size_t best = 0;
    int depth = 0, least = 0;
    bool quoted = false;
    for (size_t i = 0; i < room; i++) {
        if (s[i] == '"') quoted = !quoted;
        if (quoted) continue;
        depth += (s[i] == '(') - (s[i] == ')');
        if (i < room / 2 || s[i] != ' ') continue;
        bool operator = strchr("+-*/?:&|", s[i + 1]) && s[i + 1];
        if ((s[i - 1] != ',' && !operator) || (best && depth > least)) continue;
        best = i, least = depth;
    }
    return best ? best : strlen(s);
}

/* The function that begins at s as one line, if it fits; *end: behind it. */
static const char *one_line(cprinter *p, const char *s, const char **end) {
    size_t n = strcspn(s, "\n");
    const char *line = arena_printf(p->a, "%.*s", (int)n, s);
    s += n;
    for (int i = 0; i <= STATEMENTS && *s == '\n'; i++, s += 1 + n) {
        n = strcspn(s + 1, "\n");
        if (s[1] == '}' && n == 1) {
            line = arena_printf(p->a, "%s }\n", line);
            if (strlen(line) > COLUMNS) return NULL;
            *end = s + 3;
            return line;
        }
        size_t indent = strspn(s + 1, " ");
        if (indent != 4 || indent == n || s[n] == '{') return NULL;
        line = arena_printf(p->a, "%s %.*s", line, (int)(n - indent), s + 1 + indent);
    }
    return NULL;
}

/* One line, n characters from s on; broken behind commas where it is too long, within strings as two of them. */
static void put_line(cprinter *p, text *t, const char *s, size_t n) {
    enum { MORE = 12 };
    while (n > COLUMNS && *s == ' ') {
        size_t best = 0;
        bool quoted = false, in_string = false;
        for (size_t i = 1; i < COLUMNS - 2; i++) {
            if (s[i] == '"') quoted = !quoted;
            if (i > MORE && s[i] == ' ' && s[i - 1] == ',') best = i, in_string = quoted;
        }
        if (!best) break;
        text_printf(t, in_string ? "%.*s \"\n" : "%.*s\n", (int)best, s);
        s = arena_printf(p->a, "%*s%s%.*s", MORE, "", in_string ? "\"" : "", (int)(n - best - 1), s + best + 1);
        n = strlen(s);
    }
    text_putn(t, s, n);
}

const char *c_compact(cprinter *p, const char *s) {
    text t = {.a = p->a};
    text_put(&t, "");
    while (*s) {
        size_t n = strcspn(s, "\n");
        const char *end = s + n + (s[n] == '\n');
        bool opens = n && *s != ' ' && *s != '#' && s[n - 1] == '{';
        const char *line = opens ? one_line(p, s, &end) : NULL;
        if (line) text_put(&t, line);
        else put_line(p, &t, s, (size_t)(end - s));
        s = end;
    }
    return t.s;
}

/* ------------ scalars */
/* Bodies in which $T is the type, $U the unsigned type that arithmetic wraps in, $W the width in bits, $R(...) rounds
 * to the type, $s the dtype's name and $b that of the integer as wide as a float. `kinds`: s, u of integers, f. */
typedef struct scalar_row {
    const char *name, *kinds;
    int operands;
    const char *body;
    const char *about; /* what is not plain to see of it; NULL: nothing */
} scalar_row;

static const scalar_row rows[] = {
    {"add", "su", 2, "return $R(($U)x + ($U)y);", "wraps around"},
    {"sub", "su", 2, "return $R(($U)x - ($U)y);", "wraps around"},
    {"mul", "su", 2, "return $R(($U)x * ($U)y);", "wraps around"},
    {"neg", "su", 1, "return $R(0 - ($U)x);", NULL},
    {"abs", "s", 1, "return $R(x < 0 ? 0 - ($U)x : ($U)x);", NULL},
    {"sign", "s", 1, "return (x > 0) - (x < 0);", NULL},
    {"min", "su", 2, "return x < y ? x : y;", NULL},
    {"max", "su", 2, "return x < y ? y : x;", NULL},
    /* x / 0 = 0; the smallest integer / -1 wraps */
    {"div", "s", 2, "return y == 0 ? 0 : y == -1 ? $R(0 - ($U)x) : $R(x / y);", "rounds toward zero; x / 0 = 0"},
    {"div", "u", 2, "return y == 0 ? 0 : x / y;", "x / 0 = 0"},
    {"rem", "s", 2, "return y == 0 || y == -1 ? 0 : x % y;", "has the sign of x; 0 where y = 0"},
    {"rem", "u", 2, "return y == 0 ? 0 : x % y;", "0 where y = 0"},
    {"floordiv", "s", 2,
     "if (y == 0 || y == -1) return y == 0 ? 0 : $R(0 - ($U)x);\n    return x / y - (x % y != 0 && (x ^ y) < 0);", "rounds down; 0 where y = 0"},
    {"mod", "s", 2,
     "if (y == 0 || y == -1) return 0;\n    $T r = x % y;\n    return r != 0 && (r ^ y) < 0 ? r + y : r;", "x - y * floordiv(x, y): has the sign of y; 0 where y = 0"},
    {"not", "su", 1, "return $R(~($U)x);", NULL},
    /* a shift by the width or more, or by less than nothing, leaves no bit of x */
    {"shl", "su", 2, "return ($U)y < $W ? $R(($U)x << y) : 0;", "by the width or more: 0"},
    {"shr", "s", 2, "return x >> (($U)y < $W ? y : $W - 1);", "by the width or more: all sign"},
    {"shr", "u", 2, "return y < $W ? x >> y : 0;", "by the width or more: 0"},
    {"popcount", "su", 1,
     "$T n = 0;\n    for ($U u = $M; u; u &= u - 1) n++;\n    return n;", NULL},
    {"clz", "su", 1, "$T n = $W;\n    for ($U u = $M; u; u >>= 1) n--;\n    return n;", NULL},
    {"sign", "f", 1, "return x > 0 ? 1 : x < 0 ? -1 : x;", NULL},
    /* NaN wins, and -0 < +0 */
    {"min", "f", 2, "if (x == y) return $F(as_$b_$s(x) | as_$b_$s(y));\n    return x < y || x != x ? x : y;", "NaN if either is; -0 < +0"},
    {"max", "f", 2, "if (x == y) return $F(as_$b_$s(x) & as_$b_$s(y));\n    return x > y || x != x ? x : y;", "NaN if either is; -0 < +0"},
};

static frit_dtype bits_type(frit_dtype t) { return t == FRIT_f64 ? FRIT_i64 : FRIT_i32; }

static void put_word(cprinter *p, text *t, char word, frit_dtype d) {
    bool wide = frit_dtype_bits(d) > 32;
    switch (word) {
    case 'T': text_put(t, c_scalar_type(p, d)); break;
    case 'U': text_put(t, p->d->types[wide ? FRIT_u64 : FRIT_u32]); break;
    case 'W': text_printf(t, "%u", frit_dtype_bits(d)); break;
    case 's': text_put(t, frit_dtype_name(d)); break;
    case 'b': text_put(t, frit_dtype_name(bits_type(d))); break;
    case 'F': text_printf(t, "as_%s_%s", frit_dtype_name(d), frit_dtype_name(bits_type(d))); break;
    case 'M': /* x's bits alone */
        text_printf(t, frit_dtype_bits(d) < 32 ? "(%s)x & %u" : "(%s)x", p->d->types[wide ? FRIT_u64 : FRIT_u32],
                    (1u << (frit_dtype_bits(d) & 31)) - 1);
        break;
    default: /* R: to the type, with what its bits hold */
        if (c_is_nibble(d)) text_put(t, c_convert(p, FRIT_i32, d, c_primary("")).s);
        else text_printf(t, "(%s)", c_scalar_type(p, d));
        break;
    }
}

static const char *expand(cprinter *p, const char *body, frit_dtype d) {
    text t = {.a = p->a};
    text_put(&t, "");
    for (const char *c = body; *c; c++) {
        if (*c != '$') text_putn(&t, c, 1);
        else if (*++c == 'R' && c_is_nibble(d)) text_printf(&t, "%s_from_bits", frit_dtype_name(d));
        else put_word(p, &t, *c, d);
    }
    return t.s;
}

static const scalar_row *find_row(const char *op, frit_dtype t) {
    char kind = frit_dtype_is_float(t) ? 'f' : c_is_signed(t) ? 's' : 'u';
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, op) && strchr(rows[i].kinds, kind)) return &rows[i];
    return NULL;
}

/* What a row's body calls. */
static void need_for(cprinter *p, const scalar_row *r, frit_dtype t) {
    if (strstr(r->body, "$F")) {
        c_bits_of(p, t, bits_type(t), c_primary("x"));
        c_bits_of(p, bits_type(t), t, c_primary("x"));
    }
    if (c_is_nibble(t) && c_helper_new(p, arena_printf(p->a, "%s_from_bits", frit_dtype_name(t))))
        c_helper_define(p, "%s %s %s_from_bits(%s x) {\n    return %s;\n}\n", p->d->inline_, c_scalar_type(p, t),
                      frit_dtype_name(t), p->d->types[FRIT_u32],
                      c_is_signed(t) ? arena_printf(p->a, "(%s)((x & 15) ^ 8) - 8", c_scalar_type(p, t)) : "x & 15");
}

/* Division of 64 bits is a long sequence on a GPU; numbers that fit 32 are worth a test. */
static const char *short_division(cprinter *p, const char *op, frit_dtype t) {
    bool quotient = !strcmp(op, "div") || !strcmp(op, "floordiv"), remainder = !strcmp(op, "rem") || !strcmp(op, "mod");
    if (!p->d->blocks || frit_dtype_bits(t) != 64 || (!quotient && !remainder)) return "";
    return arena_printf(p->a, "    if (((u64)x | (u64)y) >> 32 == 0) return y == 0 ? 0 : (u32)x %s (u32)y;\n", quotient ? "/" : "%");
}

/* The larger or smaller of two floats is one instruction from sm_80 on. */
static const char *by_instruction(cprinter *p, const char *op, frit_dtype t, const char *otherwise) {
    if (!p->d->nvidia || t != FRIT_f32 || (strcmp(op, "min") && strcmp(op, "max"))) return otherwise;
    return arena_printf(p->a, "#if !defined FRIT_EMULATE && __CUDA_ARCH__ >= 800\n    float r;\n"
                              "    asm(\"%s.NaN.f32 %%0, %%1, %%2;\" : \"=f\"(r) : \"f\"(x), \"f\"(y));\n    return r;\n#else\n%s#endif\n",
                        op, otherwise);
}

const char *c_scalar_helper(cprinter *p, const char *op, frit_dtype t) {
    const char *name = arena_printf(p->a, "%s_%s", op, frit_dtype_name(t)), *type = c_scalar_type(p, t);
    if (!c_helper_new(p, name)) return name;
    const scalar_row *r = find_row(op, t);
    if (!r) {
        if (!p->error) p->error = arena_printf(p->a, "internal error: no helper '%s' for %s", op, frit_dtype_name(t));
        return name;
    }
    need_for(p, r, t);
    const char *second = r->operands > 1 ? arena_printf(p->a, ", %s y", type) : "";
    const char *body = by_instruction(p, op, t, arena_printf(p->a, "    %s\n", expand(p, r->body, t)));
    const char *about = r->about ? arena_printf(p->a, "/* %s */\n", r->about) : "";
    c_helper_define(p, "%s%s %s %s(%s x%s) {\n%s%s}\n", about, p->d->inline_, type, name, type, second, short_division(p, op, t), body);
    return name;
}

expr c_call(cprinter *p, const char *name, int n, const expr *x) {
    text t = {.a = p->a};
    text_printf(&t, "%s(", name);
    for (int i = 0; i < n; i++) text_printf(&t, "%s%s", i ? ", " : "", x[i].s);
    text_put(&t, ")");
    return c_primary(t.s);
}

/* ------------ lanes */
const char *c_lane_text(cprinter *p, const char *vector, const char *lane, int lanes) {
    bool gnu = p->d->gnu_vectors && !(lanes & (lanes - 1));
    return arena_printf(p->a, gnu ? "LANE(%s, %s)" : "%s.v[%s]", vector, lane);
}

expr c_lane_of(cprinter *p, const char *vector, ir_type t) {
    const char *e = c_lane_text(p, vector, "l", t.lanes);
    return t.dtype == FRIT_bool ? PRIMARY(p, "(%s != 0)", e) : c_primary(e);
}

const char *c_as_lane(cprinter *p, expr e, frit_dtype t) {
    return t == FRIT_bool ? arena_printf(p->a, "-%s", c_tight(p, e, PREC_PRIMARY)) : e.s;
}

void c_vector_helper(cprinter *p, const char *name, ir_type result, int n, const ir_type *types, const char *lane,
                   const char *gnu) {
    const char *type = c_type_of(p, result);
    text args = {.a = p->a};
    for (int i = 0; i < n; i++) text_printf(&args, "%s%s %c", i ? ", " : "", c_type_of(p, types[i]), "xyzw"[i]);
    bool two = gnu && p->d->gnu_vectors;
    const char *class = p->d->gnu_vectors && !two ? "LANEWISE" : p->d->inline_;
    c_helper_define(p, "%s %s %s(%s) {\n", class, type, name, args.s);
    if (two) c_helper_define(p, "#ifdef FRIT_VECTORS\n    return %s;\n#else\n", gnu);
    c_helper_define(p, "    %s r%s;\n    LANES(%d) %s = %s;\n    return r;\n", type,
                  p->d->gnu_vectors ? " = {0}" : "", result.lanes, c_lane_text(p, "r", "l", result.lanes), lane);
    c_helper_define(p, two ? "#endif\n}\n" : "}\n");
}
