/* The grammar of frit, LALR(1) without conflicts. Actions build the tree and nothing else; what a diagnostic says is
 * in syntax_error.c. Expressions are never statements: with the NL token, every statement has a clear end, and
 * `error NL` recovers at it. */
%code requires {
#include "ast.h"
typedef struct parser parser;
/* Everything before the body of a function. */
typedef struct {
    ast_decls results;
    bool named;
    ir_span span;
} ast_result;
}
%code {
#include "parse.h"
#include "source.h"
#include "syntax_error.h"

static void yyerror(const ir_span *span, parser *p, const char *message) {
    (void)message; /* bison's stack is full: the one error that does not come from yyreport_syntax_error */
    if (!p->too_deep)
        diag_report(p->d, MSG_EXPRESSION_TOO_DEEP, *span);
    p->too_deep = true;
}

#define YYLLOC_DEFAULT(cur, rhs, n)                                                                                    \
    ((cur) = (n) ? (ir_span){YYRHSLOC(rhs, 1).file, YYRHSLOC(rhs, 1).begin, YYRHSLOC(rhs, n).end}                      \
                 : (ir_span){YYRHSLOC(rhs, 0).file, YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end})
#define NEW(T) arena_new_of(p->memory, T)
#define PUSH(list, ...) vec_push(p->memory, (list), (__VA_ARGS__))
#define EXPR(kind, span) ast_new_expr(p, kind, span)
#define BINARY(span, a, op, at, b) ast_binary(p, span, a, op, at, b)

static ast_stmt *new_stmt(parser *p, ast_stmt_kind kind, ir_span span) {
    ast_stmt *s = NEW(ast_stmt);
    s->kind = kind;
    s->span = span;
    return s;
}

static ast_item *new_item(parser *p, ast_item_kind kind, ir_span span) {
    ast_item *i = NEW(ast_item);
    i->kind = kind;
    i->span = span;
    return i;
}

static ast_stmt *new_loop(parser *p, ast_stmt_kind kind, ir_span span, ast_name name, const ast_sub *range,
                          ast_block *body) {
    ast_stmt *s = new_stmt(p, kind, span);
    s->loop.name = name;
    s->loop.lo = range->value;
    s->loop.hi = range->hi;
    s->loop.body = *body;
    return s;
}
}
%define api.pure full
%define api.location.type {ir_span}
%define parse.error custom
%define parse.lac full
%define lr.type lalr
%locations
%lex-param { parser *p }
%parse-param { parser *p }
%expect 0

%union {
    ast_name name;
    uint64_t integer;
    double number;
    const char *text;
    bool flag;
    ast_expr *expr;
    ast_exprs *exprs;
    ast_pieces *pieces;
    ast_sub *sub;
    ast_subs *subs;
    ast_arg *arg;
    ast_args *args;
    ast_type *type;
    ast_decl *decl;
    ast_decls *decls;
    ast_bindings *bindings;
    ast_target *target;
    ast_targets *targets;
    ast_static *fixed;
    ast_statics *statics;
    ast_result *result;
    ast_block *block;
    ast_stmts *stmts;
    ast_stmt *stmt;
    ast_arms *arms;
    ast_item *item;
}

%token NL "the end of the line" NEWLINE "a line end" BAD "a bad character"
%token MODEL "'model'" FN "'fn'" PARAM "'param'" STATE "'state'" CONST "'const'" RETURN "'return'" FOR "'for'"
%token LOOP "'loop'" WHILE "'while'" IF "'if'" ELSE "'else'" IN "'in'" FROM "'from'" IMPORT "'import'" AS "'as'"
%token ASSERT "'assert'" WHERE "'where'" TRUE "'true'" FALSE "'false'" NONE "'none'" AND "'and'" OR "'or'" NOT "'not'"
%token ARROW "'->'" RANGE "'..'" REST "'...'" POW "'**'" FLOORDIV "'//'" EQ "'=='" NE "'!='" LE "'<='" GE "'>='"
%token SHL "'<<'" SHR "'>>'" COALESCE "'\?\?'" ADD_ASSIGN "'+='"
%token STRING_BEGIN "a string" STRING_END "the end of the string" INTERP_BEGIN "'{'" INTERP_END "'}'"
%token STRING_CUT "an unfinished string"
%token <name> NAME "a name"
%token <integer> INTEGER "a number"
%token <number> FLOAT "a decimal number"
%token <text> STRING_TEXT "text"
%token YYEOF 0 "the end of the file"

%type <expr> expr post call atom string value.opt slice.opt
%type <exprs> exprs list where
%type <pieces> pieces
%type <sub> sub dim range
%type <subs> subs subs.items dims dims.items
%type <arg> arg
%type <args> args args.items
%type <type> type
%type <decl> param field state pdecl
%type <decls> params params.items fields fields.items states pdecls
%type <bindings> bindings
%type <target> target
%type <targets> targets
%type <fixed> static
%type <statics> statics statics.items
%type <result> result
%type <block> block
%type <stmts> stmts
%type <stmt> stmt
%type <arms> arms
%type <item> item signature
%type <name> kind alias
%type <flag> head

%right IF ELSE
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LE GE '<' '>'
%left '|'
%left '^'
%left '&'
%left SHL SHR
%left '+' '-'
%left '*' '/' '%' '@' FLOORDIV
%precedence SIGN '~'
%right POW
%left COALESCE

%%

/* ---- Items ---- */

/* `error` must be shiftable right after %empty is reduced, or recovery would leave the file or block. */
file: %empty | file NL | file item { PUSH(&p->file->items, $item); } | file error NL | file error block NL;

item: IMPORT NAME alias NL {
        $$ = new_item(p, AST_IMPORT, @$);
        $$->import.module = $NAME;
        $$->import.alias = $alias.text ? $alias : $NAME;
    }
    | CONST bindings NL {
        $$ = new_item(p, AST_CONST, @$);
        $$->consts = *$bindings;
    }
    | signature block NL {
        $$ = $signature;
        $$->span.end = @block.end;
        $$->fn.body = *$block;
    };

alias: %empty { $$ = (ast_name){0}; } | AS NAME { $$ = $NAME; };

bindings: NAME '=' expr {
        $$ = NEW(ast_bindings);
        PUSH($$, (ast_binding){@$, $NAME, $expr});
    }
    | bindings ',' NAME '=' expr {
        $$ = $1;
        PUSH($$, (ast_binding){{@3.file, @3.begin, @5.end}, $NAME, $expr});
    };

signature: head NAME statics '(' params ')' result where {
        $$ = new_item(p, $head ? AST_MODEL : AST_FN, @$);
        if ($head && $statics->len)
            diag_report(p->d, MSG_MODEL_STATIC, @statics);
        $$->fn = (ast_fn){.name = $NAME, .statics = *$statics, .params = *$params, .results = $result->results,
                          .results_named = $result->named, .where = *$where, .head = @$};
    };

head: MODEL { $$ = true; } | FN { $$ = false; };

statics: %empty { $$ = NEW(ast_statics); } | '[' statics.items comma.opt ']' { $$ = $2; };
statics.items: static { $$ = NEW(ast_statics); PUSH($$, *$1); } | statics.items ',' static { $$ = $1; PUSH($$, *$3); };
static: NAME kind value.opt { $$ = NEW(ast_static); *$$ = (ast_static){@$, $NAME, $kind, $3}; };
kind: %empty { $$ = (ast_name){0}; } | ':' NAME { $$ = $NAME; };
value.opt: %empty { $$ = NULL; } | '=' expr { $$ = $expr; };
comma.opt: %empty | ',';

params: %empty { $$ = NEW(ast_decls); } | params.items comma.opt { $$ = $1; };
params.items: param { $$ = NEW(ast_decls); PUSH($$, *$1); } | params.items ',' param { $$ = $1; PUSH($$, *$3); };
param: NAME ':' type value.opt { $$ = NEW(ast_decl); *$$ = (ast_decl){@$, $NAME, $type, $4, NULL}; };

result: %empty { $$ = NEW(ast_result); }
    | ARROW type {
        $$ = NEW(ast_result);
        PUSH(&$$->results, (ast_decl){.span = @type, .type = $type});
    }
    | ARROW '(' fields ')' { $$ = NEW(ast_result); $$->results = *$fields; $$->named = true; };
fields: fields.items comma.opt { $$ = $1; };
fields.items: field { $$ = NEW(ast_decls); PUSH($$, *$1); } | fields.items ',' field { $$ = $1; PUSH($$, *$3); };
field: NAME ':' type { $$ = NEW(ast_decl); *$$ = (ast_decl){@$, $NAME, $type, NULL, NULL}; };

where: %empty { $$ = NEW(ast_exprs); } | WHERE exprs { $$ = $exprs; };

/* ---- Types ---- */

type: NAME { $$ = NEW(ast_type); *$$ = (ast_type){.span = @$, .name = $NAME}; }
    | NAME '[' dims ']' {
        $$ = NEW(ast_type);
        *$$ = (ast_type){.span = @$, .name = $NAME, .shaped = true, .dims = *$dims};
    }
    | NAME '?' { $$ = NEW(ast_type); *$$ = (ast_type){.span = @$, .name = $NAME, .optional = true}; }
    | NAME '[' dims ']' '?' {
        $$ = NEW(ast_type);
        *$$ = (ast_type){.span = @$, .name = $NAME, .shaped = true, .optional = true, .dims = *$dims};
    };
dims: %empty { $$ = NEW(ast_subs); } | dims.items comma.opt { $$ = $1; };
dims.items: dim { $$ = NEW(ast_subs); PUSH($$, *$1); } | dims.items ',' dim { $$ = $1; PUSH($$, *$3); };
dim: expr { $$ = NEW(ast_sub); *$$ = (ast_sub){.kind = AST_SUB_EXPR, .span = @$, .value = $expr}; }
    | REST { $$ = NEW(ast_sub); *$$ = (ast_sub){.kind = AST_SUB_REST, .span = @$}; }
    | REST NAME { $$ = NEW(ast_sub); *$$ = (ast_sub){.kind = AST_SUB_REST, .span = @$, .name = $NAME}; };

/* ---- Statements ---- */

block: '{' stmts '}' { $$ = NEW(ast_block); *$$ = (ast_block){@$, *$stmts}; };

stmts: %empty { $$ = NEW(ast_stmts); } | stmts NL | stmts stmt { $$ = $1; PUSH($$, $stmt); }
    | stmts error NL { $$ = $1; } | stmts error block NL { $$ = $1; };

stmt: targets '=' expr NL {
        $$ = new_stmt(p, AST_ASSIGN, @$);
        $$->assign.targets = *$targets;
        $$->assign.op_span = @2;
        $$->assign.value = $expr;
    }
    | target ADD_ASSIGN expr NL {
        $$ = new_stmt(p, AST_ASSIGN, @$);
        PUSH(&$$->assign.targets, *$target);
        $$->assign.add = true;
        $$->assign.op_span = @2;
        $$->assign.value = $expr;
    }
    | NAME ':' type '=' expr NL {
        $$ = new_stmt(p, AST_ASSIGN, @$);
        PUSH(&$$->assign.targets, (ast_target){.span = @1, .name = $NAME});
        $$->assign.type = $type;
        $$->assign.op_span = @4;
        $$->assign.value = $expr;
    }
    | PARAM pdecls NL { $$ = new_stmt(p, AST_PARAM, @$); $$->decls = *$2; }
    | STATE states NL { $$ = new_stmt(p, AST_STATE, @$); $$->decls = *$2; }
    | CONST bindings NL { $$ = new_stmt(p, AST_LOCAL_CONST, @$); $$->consts = *$2; }
    | RETURN exprs NL { $$ = new_stmt(p, AST_RETURN, @$); $$->values = *$2; }
    | ASSERT expr NL { $$ = new_stmt(p, AST_ASSERT, @$); $$->assertion.cond = $2; }
    | ASSERT expr ',' string NL {
        $$ = new_stmt(p, AST_ASSERT, @$);
        $$->assertion.cond = $2;
        $$->assertion.text = $4;
    }
    | FOR NAME IN range block NL { $$ = new_loop(p, AST_FOR, @$, $NAME, $range, $block); }
    | LOOP NAME IN range block NL { $$ = new_loop(p, AST_LOOP, @$, $NAME, $range, $block); }
    | WHILE expr block NL {
        $$ = new_stmt(p, AST_WHILE, @$);
        $$->repeat.cond = $expr;
        $$->repeat.body = *$block;
    }
    | arms NL { $$ = new_stmt(p, AST_IF, @$); $$->branch.arms = *$arms; }
    | arms ELSE block NL {
        $$ = new_stmt(p, AST_IF, @$);
        $$->branch.arms = *$arms;
        $$->branch.has_else = true;
        $$->branch.otherwise = *$block;
    };

arms: IF expr block { $$ = NEW(ast_arms); PUSH($$, (ast_arm){@$, $expr, *$block}); }
    | arms ELSE IF expr block { $$ = $1; PUSH($$, (ast_arm){{@3.file, @3.begin, @5.end}, $expr, *$block}); };

pdecls: pdecl { $$ = NEW(ast_decls); PUSH($$, *$1); } | pdecls ',' pdecl { $$ = $1; PUSH($$, *$3); };
pdecl: NAME ':' type { $$ = NEW(ast_decl); *$$ = (ast_decl){@$, $NAME, $type, NULL, NULL}; }
    | NAME ':' type FROM string { $$ = NEW(ast_decl); *$$ = (ast_decl){@$, $NAME, $type, NULL, $string}; };

states: state { $$ = NEW(ast_decls); PUSH($$, *$1); } | states ',' state { $$ = $1; PUSH($$, *$3); };
state: NAME ':' type '=' expr { $$ = NEW(ast_decl); *$$ = (ast_decl){@$, $NAME, $type, $expr, NULL}; }
    | NAME ':' type {
        $$ = NEW(ast_decl);
        *$$ = (ast_decl){@$, $NAME, $type, EXPR(AST_ERROR, @$), NULL};
        diag_report(p->d, MSG_STATE_NEEDS_VALUE, @$, $NAME.text);
    };

targets: target { $$ = NEW(ast_targets); PUSH($$, *$1); } | targets ',' target { $$ = $1; PUSH($$, *$3); };
target: NAME { $$ = NEW(ast_target); *$$ = (ast_target){.span = @$, .name = $NAME}; }
    | NAME '[' subs ']' { $$ = NEW(ast_target); *$$ = (ast_target){@$, $NAME, true, *$subs}; };

range: expr RANGE expr { $$ = NEW(ast_sub); *$$ = (ast_sub){.span = @$, .value = $1, .hi = $3}; };

/* ---- Expressions ---- */

exprs: expr { $$ = NEW(ast_exprs); PUSH($$, $1); } | exprs ',' expr { $$ = $1; PUSH($$, $3); };
list: %empty { $$ = NEW(ast_exprs); } | exprs comma.opt { $$ = $1; };

subs: %empty { $$ = NEW(ast_subs); } | subs.items comma.opt { $$ = $1; };
subs.items: sub { $$ = NEW(ast_subs); PUSH($$, *$1); } | subs.items ',' sub { $$ = $1; PUSH($$, *$3); };
sub: expr { $$ = NEW(ast_sub); *$$ = (ast_sub){.kind = AST_SUB_EXPR, .span = @$, .value = $1}; }
    | slice.opt ':' slice.opt {
        $$ = NEW(ast_sub);
        *$$ = (ast_sub){.kind = AST_SUB_SLICE, .span = @$, .value = $1, .hi = $3};
    }
    | slice.opt ':' slice.opt ':' slice.opt {
        $$ = NEW(ast_sub);
        *$$ = (ast_sub){.kind = AST_SUB_SLICE, .span = @$, .value = $1, .hi = $3, .step = $5};
    }
    | REST { $$ = NEW(ast_sub); *$$ = (ast_sub){.kind = AST_SUB_REST, .span = @$}; }
    | REST NAME { $$ = NEW(ast_sub); *$$ = (ast_sub){.kind = AST_SUB_REST, .span = @$, .name = $NAME}; }
    | NAME IN range {
        $$ = $range;
        $$->kind = AST_SUB_RANGE;
        $$->span = @$;
        $$->name = $NAME;
    };
slice.opt: %empty { $$ = NULL; } | expr;

args: %empty { $$ = NEW(ast_args); } | args.items comma.opt { $$ = $1; };
args.items: arg { $$ = NEW(ast_args); PUSH($$, *$1); } | args.items ',' arg { $$ = $1; PUSH($$, *$3); };
arg: expr { $$ = NEW(ast_arg); *$$ = (ast_arg){.span = @$, .value = $1}; }
    | NAME '=' expr { $$ = NEW(ast_arg); *$$ = (ast_arg){@$, $NAME, $3}; };

expr: post
    | expr IF expr ELSE expr {
        $$ = EXPR(AST_SELECT, @$);
        $$->select.then = $1;
        $$->select.cond = $3;
        $$->select.otherwise = $5;
        $$ = ast_measure(p, $$);
    }
    | expr OR expr { $$ = BINARY(@$, $1, AST_OR, @2, $3); }
    | expr AND expr { $$ = BINARY(@$, $1, AST_AND, @2, $3); }
    | expr EQ expr { $$ = BINARY(@$, $1, AST_EQ, @2, $3); }
    | expr NE expr { $$ = BINARY(@$, $1, AST_NE, @2, $3); }
    | expr '<' expr { $$ = BINARY(@$, $1, AST_LT, @2, $3); }
    | expr LE expr { $$ = BINARY(@$, $1, AST_LE, @2, $3); }
    | expr '>' expr { $$ = BINARY(@$, $1, AST_GT, @2, $3); }
    | expr GE expr { $$ = BINARY(@$, $1, AST_GE, @2, $3); }
    | expr '|' expr { $$ = BINARY(@$, $1, AST_BITOR, @2, $3); }
    | expr '^' expr { $$ = BINARY(@$, $1, AST_BITXOR, @2, $3); }
    | expr '&' expr { $$ = BINARY(@$, $1, AST_BITAND, @2, $3); }
    | expr SHL expr { $$ = BINARY(@$, $1, AST_SHL, @2, $3); }
    | expr SHR expr { $$ = BINARY(@$, $1, AST_SHR, @2, $3); }
    | expr '+' expr { $$ = BINARY(@$, $1, AST_ADD, @2, $3); }
    | expr '-' expr { $$ = BINARY(@$, $1, AST_SUB, @2, $3); }
    | expr '*' expr { $$ = BINARY(@$, $1, AST_MUL, @2, $3); }
    | expr '/' expr { $$ = BINARY(@$, $1, AST_DIV, @2, $3); }
    | expr FLOORDIV expr { $$ = BINARY(@$, $1, AST_FLOORDIV, @2, $3); }
    | expr '%' expr { $$ = BINARY(@$, $1, AST_MOD, @2, $3); }
    | expr '@' expr { $$ = BINARY(@$, $1, AST_MATMUL, @2, $3); }
    | expr POW expr { $$ = BINARY(@$, $1, AST_POW, @2, $3); }
    | expr COALESCE expr { $$ = BINARY(@$, $1, AST_COALESCE, @2, $3); }
    | NOT expr { $$ = ast_unary(p, @$, AST_NOT, $2); }
    | '-' expr %prec SIGN { $$ = ast_unary(p, @$, AST_NEG, $2); }
    | '~' expr { $$ = ast_unary(p, @$, AST_INVERT, $2); };

post: atom
    | call
    | call FROM string { $$ = $1; $$->span = @$; $$->call.from = $3; $$ = ast_measure(p, $$); }
    | post '[' subs ']' {
        $$ = EXPR(AST_INDEX, @$);
        $$->index.base = $1;
        $$->index.subs = *$3;
        $$ = ast_measure(p, $$);
    }
    | post '.' NAME {
        $$ = EXPR(AST_ATTR, @$);
        $$->attr.base = $1;
        $$->attr.name = $3;
        $$ = ast_measure(p, $$);
    };

call: post '(' args ')' {
        $$ = EXPR(AST_CALL, @$);
        $$->call.callee = $1;
        $$->call.args = *$3;
        $$ = ast_measure(p, $$);
    };

atom: NAME { $$ = EXPR(AST_NAME, @$); $$->name = $1; }
    | INTEGER { $$ = EXPR(AST_INT, @$); $$->integer = $1; }
    | FLOAT { $$ = EXPR(AST_FLOAT, @$); $$->number = $1; }
    | TRUE { $$ = EXPR(AST_BOOL, @$); $$->boolean = true; }
    | FALSE { $$ = EXPR(AST_BOOL, @$); }
    | NONE { $$ = EXPR(AST_NONE, @$); }
    | string
    | '(' expr ')' { $$ = $2; $$->parens = true; }
    | '[' list ']' { $$ = EXPR(AST_LIST, @$); $$->items = *$2; $$ = ast_measure(p, $$); };

string: STRING_BEGIN pieces STRING_END { $$ = EXPR(AST_STRING, @$); $$->pieces = *$2; $$ = ast_measure(p, $$); };
pieces: %empty { $$ = NEW(ast_pieces); }
    | pieces STRING_TEXT { $$ = $1; PUSH($$, (ast_piece){@2, $2, NULL}); }
    | pieces INTERP_BEGIN expr INTERP_END { $$ = $1; PUSH($$, (ast_piece){{@2.file, @2.begin, @4.end}, NULL, $3}); };

%%

/* bison names what it expects by internal symbols; syntax_error.c knows tokens. */
static int yyreport_syntax_error(const yypcontext_t *context, parser *p) {
    yysymbol_kind_t expected[YYNTOKENS];
    int n = yypcontext_expected_tokens(context, expected, YYNTOKENS);
    if (n < 0)
        return n;
    syntax_error e = {.p = p, .found = p->last, .previous = p->before};
    for (int t = 0; t <= YYMAXUTOK; t++)
        for (int i = 0; i < n; i++)
            if (YYTRANSLATE(t) == expected[i] && t != YYUNDEF)
                syntax_error_expect(&e, t, yysymbol_name(expected[i]));
    syntax_error_report(&e);
    return 0;
}

bool parser_open(parser *p, arena *a, diag *d, uint32_t source) {
    *p = (parser){.memory = a, .d = d, .source = source, .new_line = true};
    p->text = diag_source_text(d, source, &p->size);
    p->file = arena_new_of(a, ast_file);
    p->file->source = source;
    if (!source_is_text(d, source))
        return false;
    scanner_open(p);
    return true;
}

ast_file *ast_parse(arena *a, diag *d, uint32_t source) {
    parser p;
    if (!parser_open(&p, a, d, source))
        return p.file;
    yyparse(&p);
    scanner_close(&p);
    ast_attach_docs(&p);
    return p.file;
}
