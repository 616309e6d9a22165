#include "syntax_error.h"
#include <ctype.h>
#include <string.h>

void syntax_error_expect(syntax_error *e, int kind, const char *name) {
    if (kind < SYNTAX_MAX_TOKEN)
        e->expected[kind] = true;
    if (e->count < (int)(sizeof e->names / sizeof *e->names))
        e->names[e->count] = name;
    e->count++;
}

static bool expects(const syntax_error *e, int kind) {
    return e->expected[kind];
}

/* A complete expression stands before the error. */
static bool after_expression(const syntax_error *e) {
    return expects(e, '+');
}

static const char *source_text(const syntax_error *e, const token *t) {
    uint32_t n = t->span.end - t->span.begin;
    return arena_printf(e->p->memory, n > 40 ? "%.*s..." : "%.*s", (int)(n > 40 ? 40 : n), e->p->text + t->span.begin);
}

static const char *describe(const syntax_error *e, const token *t) {
    switch (t->kind) {
    case NL: return "the end of the line";
    case YYEOF: return "the end of the file";
    case STRING_BEGIN: case STRING_END: case STRING_TEXT: return "the string";
    default: return arena_printf(e->p->memory, "'%s'", source_text(e, t));
    }
}

static bool is_word(const syntax_error *e, const token *t) {
    return t->kind > 256 && t->span.end > t->span.begin && isalpha((unsigned char)e->p->text[t->span.begin]);
}

static bool is_keyword(const syntax_error *e, const token *t) {
    return is_word(e, t) && t->kind != NAME && t->kind != STRING_TEXT;
}

static bool is_text(const syntax_error *e, const token *t, const char *const *words) {
    const char *text = source_text(e, t);
    for (; t->kind == NAME && *words; words++)
        if (!strcmp(text, *words))
            return true;
    return false;
}

/* Something is missing: after the token before if the line is over, else at the token found. */
static ir_span missing_at(const syntax_error *e) {
    bool over = e->found.kind == NL || e->found.kind == YYEOF || e->found.first;
    if (over && e->previous.kind && e->previous.kind != NL)
        return (ir_span){e->p->source, e->previous.span.end, e->previous.span.end};
    return e->found.span;
}

/* The innermost bracket that was open before the token found (which may have opened one itself). */
static const open_bracket *open_bracket_before(const syntax_error *e) {
    const parser *p = e->p;
    int n = p->open.len;
    if (n && p->open.data[n - 1].span.begin == e->found.span.begin)
        n--;
    return n ? &p->open.data[n - 1] : NULL;
}

static diag_record *expected_after(const syntax_error *e, const char *what) {
    return diag_report(e->p->d, MSG_EXPECTED_AFTER, missing_at(e), what, describe(e, &e->previous));
}

static diag_record *unexpected(const syntax_error *e, const char *where) {
    return diag_report(e->p->d, MSG_UNEXPECTED, e->found.span, describe(e, &e->found), where);
}

static void suggest(const syntax_error *e, diag_record *r, const char *text) {
    diag_suggest(e->p->d, r, "%s", text);
}

/* ---- The cases; each returns whether it reported ---- */

static bool chained_comparison(const syntax_error *e) {
    int k = e->found.kind;
    bool comparison = k == EQ || k == NE || k == LE || k == GE || k == '<' || k == '>';
    if (!comparison || !after_expression(e) || expects(e, EQ))
        return false;
    diag_record *r = diag_report(e->p->d, MSG_CHAINED_COMPARISON, e->found.span);
    suggest(e, r, "write a < b and b < c");
    return true;
}

static bool chained_assignment(const syntax_error *e) {
    const open_bracket *b = open_bracket_before(e);
    if (e->found.kind != '=' || !after_expression(e) || (b && b->kind == '['))
        return false;
    diag_record *r = diag_report(e->p->d, MSG_CHAINED_ASSIGNMENT, e->found.span);
    if (e->previous.first && !(b && b->kind == '('))
        diag_note(e->p->d, r, e->previous.span, "this line continues the one before, which is not complete");
    suggest(e, r, "equality is written ==");
    return true;
}

static bool foreign_word(const syntax_error *e) {
    static const char *const functions[] = {"def", "func", "function", "fun", "class", NULL};
    static const char *const declarations[] = {"let", "var", "val", "auto", "int", "float", NULL};
    static const char *const elifs[] = {"elif", "elsif", "elseif", NULL};
    const token *t = e->previous.kind == NAME ? &e->previous : &e->found;
    const char *help = is_text(e, t, functions)      ? "a function starts with fn, an entry point with model"
                       : is_text(e, t, declarations) ? "a variable needs no word in front: name = value"
                       : is_text(e, t, elifs)        ? "write else if"
                                                     : NULL;
    bool place = !after_expression(e) && (expects(e, ADD_ASSIGN) || expects(e, MODEL));
    if (!help || (!place && !is_text(e, t, elifs)))
        return false;
    diag_record *r = diag_report(e->p->d, MSG_UNEXPECTED, t->span, describe(e, t), "");
    suggest(e, r, help);
    return true;
}

static bool expression_statement(const syntax_error *e) {
    int k = e->found.kind;
    bool name_first = expects(e, ADD_ASSIGN) && expects(e, '=');
    bool statement = expects(e, RETURN) && expects(e, NAME);
    bool literal = k == INTEGER || k == FLOAT || k == STRING_BEGIN || k == '(' || k == '[' || k == '-' || k == NONE ||
                   k == TRUE || k == FALSE || k == '~' || k == NOT;
    bool rest = k == '(' || k == '.' || k == NL || k == FROM || (token_continues_line(k) && k != '{' && k != '=');
    if (!(name_first && rest) && !(statement && literal))
        return false;
    diag_record *r = diag_report(e->p->d, MSG_EXPRESSION_STATEMENT, name_first ? e->previous.span : e->found.span);
    suggest(e, r, k == '(' ? "assign the result to a name: y = f(x)" : "assign it to a name, or return it");
    return true;
}

static bool nested_item(const syntax_error *e) {
    int k = e->found.kind;
    if (!expects(e, RETURN) || (k != FN && k != MODEL && k != IMPORT))
        return false;
    diag_report(e->p->d, MSG_NESTED_ITEM, e->found.span, source_text(e, &e->found));
    return true;
}

static bool outside_function(const syntax_error *e) {
    if (!expects(e, MODEL) || !expects(e, IMPORT) || (!is_word(e, &e->found)))
        return false;
    const char *what = e->found.kind == NAME ? "a statement" : describe(e, &e->found);
    diag_report(e->p->d, MSG_OUTSIDE_FUNCTION, e->found.span, what);
    return true;
}

static bool stray_else(const syntax_error *e) {
    if (e->found.kind != ELSE || after_expression(e))
        return false;
    unexpected(e, " without an 'if' before it");
    return true;
}

static bool keyword_as_name(const syntax_error *e) {
    if (!expects(e, NAME) || expects(e, INTEGER) || expects(e, RETURN) || !is_keyword(e, &e->found))
        return false;
    diag_report(e->p->d, MSG_KEYWORD_AS_NAME, e->found.span, source_text(e, &e->found));
    return true;
}

static bool misplaced_from(const syntax_error *e) {
    if (e->found.kind != FROM || !after_expression(e))
        return false;
    diag_report(e->p->d, MSG_FROM_NEEDS_CALL, e->found.span);
    return true;
}

static bool several_values(const syntax_error *e) {
    if (e->found.kind != ',' || !after_expression(e) || !expects(e, NL))
        return false;
    diag_report(e->p->d, MSG_SEVERAL_VALUES, e->found.span);
    return true;
}

static bool missing_type(const syntax_error *e) {
    int k = e->found.kind;
    bool place = expects(e, ':') && !expects(e, ',') && e->previous.kind == NAME;
    if (!place || (k != ',' && k != ')' && k != NL && k != '='))
        return false;
    const char *name = source_text(e, &e->previous);
    diag_record *r = diag_report(e->p->d, MSG_PARAM_NEEDS_TYPE, e->previous.span, name);
    diag_suggest(e->p->d, r, "write %s: f32[...] for a tensor, %s: int for a host value", name, name);
    return true;
}

static bool missing_expression(const syntax_error *e) {
    if (!expects(e, INTEGER))
        return false;
    const char *after = arena_printf(e->p->memory, "after %s", describe(e, &e->previous));
    if (e->previous.kind == INTERP_BEGIN)
        after = "in the braces";
    diag_record *r = diag_report(e->p->d, MSG_EXPECTED_EXPRESSION, missing_at(e), after);
    if (e->previous.kind == INTERP_BEGIN)
        suggest(e, r, "a plain brace in a string is written \\{");
    else if (is_keyword(e, &e->found) && !e->found.first)
        diag_note(e->p->d, r, (ir_span){0}, "'%s' is a word of the language", source_text(e, &e->found));
    return true;
}

static bool missing_closer(const syntax_error *e) {
    const open_bracket *b = open_bracket_before(e);
    int closer = !b ? 0 : b->kind == '(' ? ')' : b->kind == '[' ? ']' : b->kind == INTERP_BEGIN ? INTERP_END : 0;
    if (!closer || !expects(e, closer) || expects(e, INTEGER))
        return false;
    const char *text = closer == INTERP_END ? "'}'" : arena_printf(e->p->memory, "'%c'", closer);
    const char *what = expects(e, ',') ? arena_printf(e->p->memory, "',' or %s", text) : text;
    diag_record *r = expected_after(e, what);
    diag_note(e->p->d, r, b->span, "to close this '%s'", bracket_text(b->kind));
    if (e->found.kind == '?')
        suggest(e, r, "a choice is written a if c else b");
    else if (e->found.kind == ',' && closer == ')')
        suggest(e, r, "a list is written [a, b]");
    return true;
}

static bool after_complete_expression(const syntax_error *e) {
    if (!after_expression(e))
        return false;
    bool over = e->found.kind == NL || e->found.kind == '{';
    if (e->found.kind != '?' && expects(e, '{')) {
        expected_after(e, "'{'");
    } else if (over && expects(e, ELSE)) {
        diag_record *r = expected_after(e, "'else'");
        suggest(e, r, "a choice in an expression has both sides: a if c else b");
    } else if (over && expects(e, RANGE)) {
        expected_after(e, "'..'");
    } else {
        diag_record *r = unexpected(e, arena_printf(e->p->memory, " after %s", describe(e, &e->previous)));
        if (e->found.kind == '?')
            suggest(e, r, "a choice is written a if c else b");
    }
    return true;
}

static void anything_else(const syntax_error *e) {
    if (e->count < 1 || e->count > 4) {
        unexpected(e, "");
        return;
    }
    const char *what = e->names[0];
    for (int i = 1; i < e->count; i++)
        what = arena_printf(e->p->memory, i + 1 < e->count ? "%s, %s" : "%s or %s", what, e->names[i]);
    diag_record *r = expected_after(e, what);
    if (e->found.kind != NL && e->found.kind != YYEOF)
        diag_note(e->p->d, r, (ir_span){0}, "found %s", describe(e, &e->found));
}

void syntax_error_report(syntax_error *e) {
    static bool (*const cases[])(const syntax_error *) = {
        chained_comparison, chained_assignment, foreign_word,   expression_statement, nested_item,
        outside_function,   stray_else,         keyword_as_name, misplaced_from,      several_values,
        missing_type,       missing_expression, missing_closer, after_complete_expression,
    };
    /* What the filter made up, and bad characters, were reported where they were found. */
    bool known = e->found.synthetic || e->previous.synthetic || e->found.kind == BAD || e->previous.kind == BAD;
    bool done = known;
    for (size_t i = 0; !done && i < sizeof cases / sizeof *cases; i++)
        done = cases[i](e);
    if (!done)
        anything_else(e);
    tokens_forgive_brackets(e->p);
}
