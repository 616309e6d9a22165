/* Where errors are reported: in the user's file, with the calls that led there. */
#include "elab_internal.h"
#include <stdint.h>

enum { STACK_LIMIT = 4 << 20, MAX_TRACE = 6 };

static bool in_prelude(const elab *e, ir_span s) {
    for (int i = 0; i < e->preludes.len; i++)
        if (e->preludes.data[i]->ast->source == s.file)
            return true;
    return false;
}

ir_span el_at(const elab *e, ir_span s) {
    for (const frame *f = e->frame; f && in_prelude(e, s); f = f->up)
        s = f->call;
    return s;
}

/* The place is an argument of the call, which it shows already. */
static bool within_call(const diag_record *r, ir_span call) {
    ir_span s = diag_record_span(r);
    return s.file == call.file && s.begin > call.begin && s.end <= call.end;
}

val el_fail(elab *e, diag_record *r) {
    int n = 0;
    for (const frame *f = e->frame; f && f->up && n < MAX_TRACE; f = f->up, n++)
        if (f->call.file && !in_prelude(e, f->call) && !within_call(r, f->call))
            diag_note(e->d, r, f->call, "in the call of '%s'", f->fn->fn->name.text);
    return v_error();
}

bool el_deep(elab *e, ir_span s) {
    char here;
    intptr_t used = e->stack_base - &here;
    if ((used < 0 ? -used : used) < STACK_LIMIT)
        return false;
    el_fail(e, diag_report(e->d, MSG_TOO_DEEP, el_at(e, s)));
    return true;
}
