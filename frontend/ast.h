/* The syntax tree of one .frit file.
 *
 * Ownership: every node, list and text lives in the arena given to ast_parse. Nodes are never shared.
 * Spans: every node carries the bytes it was written in; `parens` are not part of the span.
 * Lists are VEC (ir/arena.h): elements data[0 .. len).
 *
 * Depth: walkers may recurse. ast_parse rejects any tree whose expressions nest deeper than AST_MAX_DEPTH or whose
 * brackets and blocks nest deeper than AST_MAX_NEST. The one unbounded shape, a run of left-associative binary
 * operators (a sum of a million terms), is a single AST_CHAIN node with an array of operands: walk it with a loop. */
#ifndef FRIT_FRONTEND_AST_H
#define FRIT_FRONTEND_AST_H
#include "ir/arena.h"
#include "ir/diag.h"
#include <stdbool.h>

enum { AST_MAX_NEST = 256, AST_MAX_DEPTH = 1000 };

typedef struct ast_expr ast_expr;
typedef struct ast_stmt ast_stmt;

typedef struct {
    const char *text; /* NULL where the name is optional and absent */
    ir_span span;
} ast_name;

typedef VEC(ast_expr *) ast_exprs;
typedef VEC(ast_stmt *) ast_stmts;

/* ---- Expressions ---- */

typedef enum {
    AST_ERROR,  /* stands where a diagnostic was reported */
    AST_INT,    /* 3, 0xff: `integer` (weak i64; a literal above 2^63 - 1 fits u64 alone) */
    AST_FLOAT,  /* 1e-5: `number` (weak f32) */
    AST_BOOL,   /* true, false: `boolean` */
    AST_NONE,   /* none */
    AST_STRING, /* "encoder.{l}.x": `pieces` */
    AST_NAME,   /* x: `name`; dtypes (f32) and prelude functions are names too */
    AST_LIST,   /* [3, 4, 6, 3]: `items` */
    AST_UNARY,  /* -x, ~x, not x: `unary` */
    AST_CHAIN,  /* every binary operator: `chain` */
    AST_SELECT, /* a if c else b: `select` */
    AST_CALL,   /* f(x, k = v) from "p": `call` */
    AST_INDEX,  /* x[i, :, none], sum[s, r in a..b] (as a callee), f32[B, ...A] (as a type argument): `index` */
    AST_ATTR    /* x.T, nn.dense: `attr` */
} ast_expr_kind;

typedef enum {
    AST_OR, AST_AND,                                        /* or and */
    AST_EQ, AST_NE, AST_LT, AST_LE, AST_GT, AST_GE,         /* == != < <= > >= */
    AST_BITOR, AST_BITXOR, AST_BITAND, AST_SHL, AST_SHR,    /* | ^ & << >> */
    AST_ADD, AST_SUB,                                       /* + - */
    AST_MUL, AST_DIV, AST_FLOORDIV, AST_MOD, AST_MATMUL,    /* * / // % @ */
    AST_POW,                                                /* ** */
    AST_COALESCE,                                           /* ?? */
    AST_NOT, AST_NEG, AST_INVERT                            /* unary: not - ~ */
} ast_op;

/* One piece of a string: literal text (escapes resolved, no NUL inside), or an interpolated {expression}. */
typedef struct {
    ir_span span;
    const char *text; /* NULL for an interpolation */
    ast_expr *expr;   /* NULL for text */
} ast_piece;
typedef VEC(ast_piece) ast_pieces;

/* What stands between commas in x[...]; types use AST_SUB_EXPR and AST_SUB_REST alone. */
typedef enum {
    AST_SUB_EXPR,  /* i, 3, none: `value` */
    AST_SUB_SLICE, /* lo:hi:step, each may be NULL: `value` (lo), `hi`, `step` */
    AST_SUB_REST,  /* ... or ...A: `name` (text NULL without a name) */
    AST_SUB_RANGE  /* i in lo..hi: `name`, `value` (lo), `hi` */
} ast_sub_kind;
typedef struct {
    ast_sub_kind kind;
    ir_span span;
    ast_name name;
    ast_expr *value, *hi, *step;
} ast_sub;
typedef VEC(ast_sub) ast_subs;

typedef struct {
    ir_span span;
    ast_name name; /* text NULL when by position */
    ast_expr *value;
} ast_arg;
typedef VEC(ast_arg) ast_args;

/* A right operand of a chain and the operator before it. */
typedef struct {
    ast_op op;
    ir_span op_span;
    ast_expr *rhs;
} ast_link;
typedef VEC(ast_link) ast_links;

struct ast_expr {
    ast_expr_kind kind;
    bool parens;    /* was written in parentheses */
    uint16_t depth; /* 1 for a leaf; at most AST_MAX_DEPTH */
    ir_span span;
    union {
        uint64_t integer;
        double number;
        bool boolean;
        ast_pieces pieces; /* "" has no piece; neighbouring texts are joined */
        ast_name name;
        ast_exprs items;
        struct {
            ast_op op;
            ast_expr *operand;
        } unary;
        /* first op1 rhs1 op2 rhs2 ..., evaluated from the left: ((first op1 rhs1) op2 rhs2). At least one link. All
         * operators of a node share one precedence level; a comparison or ** has exactly one link. */
        struct {
            ast_expr *first;
            ast_links links;
        } chain;
        struct {
            ast_expr *cond, *then, *otherwise;
        } select;
        struct {
            ast_expr *callee; /* AST_NAME, AST_ATTR, or AST_INDEX over one of them for index notation */
            ast_args args;
            ast_expr *from; /* AST_STRING or NULL */
        } call;
        struct {
            ast_expr *base;
            ast_subs subs; /* empty for f32[] */
        } index;
        struct {
            ast_expr *base;
            ast_name name;
        } attr;
    };
};

/* f32[B, 2*D], T[...A, D]?, int, T */
typedef struct {
    ir_span span;
    ast_name name;   /* dtype, static dtype parameter, const, or int/bool/str */
    bool shaped;     /* has [...]; `dims` may be empty (a scalar) */
    bool optional;   /* ends in ? */
    ast_subs dims;
} ast_type;

/* ---- Statements ---- */

/* name: type = value; used for parameters (value: default or NULL), results (value NULL), state (value: init) and
 * param (from: path or NULL). */
typedef struct {
    ir_span span;
    ast_name name; /* text NULL for the single unnamed result */
    ast_type *type;
    ast_expr *value;
    ast_expr *from; /* AST_STRING */
} ast_decl;
typedef VEC(ast_decl) ast_decls;

typedef struct {
    ir_span span;
    ast_name name;
    ast_expr *value;
} ast_binding;
typedef VEC(ast_binding) ast_bindings;

/* Left of '=': x, x[i, j in 0..N], or _ (name "_": the value is dropped). */
typedef struct {
    ir_span span;
    ast_name name;
    bool indexed;
    ast_subs subs;
} ast_target;
typedef VEC(ast_target) ast_targets;

typedef struct {
    ir_span span; /* the braces and what is between */
    ast_stmts stmts;
} ast_block;

/* `if cond block`, then each `else if cond block`. */
typedef struct {
    ir_span span;
    ast_expr *cond;
    ast_block block;
} ast_arm;
typedef VEC(ast_arm) ast_arms;

typedef enum {
    AST_ASSIGN,     /* targets = value; target += value; name: type = value: `assign` */
    AST_PARAM,      /* param a: t from "p", ...: `decls` */
    AST_STATE,      /* state a: t = init, ...: `decls` */
    AST_LOCAL_CONST,/* const N = e, ...: `consts` */
    AST_RETURN,     /* return e, ...: `values` */
    AST_ASSERT,     /* assert cond, "text": `assertion` */
    AST_IF,         /* `branch` */
    AST_FOR,        /* for i in lo..hi {}: unrolled: `loop` */
    AST_LOOP,       /* loop i in lo..hi {}: at run time: `loop` */
    AST_WHILE       /* while cond {}: `repeat` */
} ast_stmt_kind;

struct ast_stmt {
    ast_stmt_kind kind;
    ir_span span;
    union {
        struct {
            ast_targets targets; /* more than one only without `type` and `add` */
            ast_type *type;      /* NULL without a written type */
            bool add;            /* += */
            ir_span op_span;     /* the '=' or '+=' */
            ast_expr *value;
        } assign;
        ast_decls decls;
        ast_bindings consts;
        ast_exprs values;
        struct {
            ast_expr *cond;
            ast_expr *text; /* AST_STRING or NULL */
        } assertion;
        struct {
            ast_arms arms; /* at least one */
            bool has_else;
            ast_block otherwise;
        } branch;
        struct {
            ast_name name;
            ast_expr *lo, *hi;
            ast_block body;
        } loop;
        struct {
            ast_expr *cond;
            ast_block body;
        } repeat;
    };
};

/* ---- Items ---- */

/* A static parameter: NAME[: kind][= value]. kind is float, integer, number or dtype (a dtype parameter), bool, str,
 * int; text NULL when not written. */
typedef struct {
    ir_span span;
    ast_name name, kind;
    ast_expr *value;
} ast_static;
typedef VEC(ast_static) ast_statics;

typedef struct {
    ast_name name;
    ast_statics statics; /* empty for a model */
    ast_decls params;
    ast_decls results;  /* empty when no '->' was written */
    bool results_named; /* -> (name: type, ...) */
    ast_exprs where;    /* bounds: S % 8 == 0, S <= 4096 */
    ir_span head;       /* from fn or model to the end of the signature */
    ast_block body;
} ast_fn;

typedef enum {
    AST_IMPORT, /* import module [as alias]: `import` */
    AST_CONST,  /* const N = e, ...: `consts` */
    AST_FN,     /* `fn` */
    AST_MODEL   /* `fn` */
} ast_item_kind;

typedef struct {
    ast_item_kind kind;
    ir_span span;
    const char *doc; /* the ## lines right above, joined by newlines, without the marks; NULL if none */
    union {
        struct {
            ast_name module;
            ast_name alias; /* equals module without 'as' */
        } import;
        ast_bindings consts;
        ast_fn fn;
    };
} ast_item;
typedef VEC(ast_item *) ast_items;

typedef struct {
    ir_span span; /* from '#' to the end of the line, without it */
    bool doc;     /* starts with ## */
} ast_comment;
typedef VEC(ast_comment) ast_comments;

typedef struct {
    uint32_t source; /* id in the diag */
    ast_items items;
    ast_comments comments; /* in file order */
} ast_file;

/* Parses a registered source. Reports every syntax error to d and returns the items that could be read, in file
 * order, in any case non-NULL; elaborate only if no error was reported for this source. */
ast_file *ast_parse(arena *a, diag *d, uint32_t source);

/* Calls visit(u, operand) for what an operator, choice, list or call is given; nothing for other expressions. A call's callee
 * and the subscripts of an index are no operands. */
void ast_each_operand(const ast_expr *x, void (*visit)(void *u, const ast_expr *operand), void *u);

/* How an operator is written: "+", "not". */
const char *ast_op_text(ast_op op);

/* The tree as one line of nested lists, without spans, comments and parentheses: two files mean the same to every
 * later stage iff their dumps are equal. In arena a. */
char *ast_dump(arena *a, const ast_file *file);
#endif
