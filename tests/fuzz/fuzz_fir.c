/* Any bytes as .fir text: they are read or reported, what is read can be verified and printed, and what verifies reads back
 * from its own text and prints the same. */
#include "ir/diag.h"
#include "ir/ir.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ir_module *parse(const char *text, size_t size) {
    diag *d = diag_new();
    ir_module *m = ir_parse(d, diag_add_source(d, "fuzz.fir", text, size));
    if (!m != (diag_errors(d) > 0)) abort();
    diag_free(d);
    return m;
}

static void check_round_trip(arena *a, const char *text) {
    ir_module *m = parse(text, strlen(text));
    if (!m) abort();
    if (strcmp(ir_print(a, m), text) != 0) abort();
    ir_module_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ir_module *m = parse((const char *)data, size);
    if (!m) return 0;
    arena *a = arena_new();
    const char *problems, *text = ir_print(a, m);
    if (ir_verify(a, m, &problems) == 0) {
        ir_module *again = parse(text, strlen(text));
        if (!again) abort();
        /* Reading may simplify expressions once more (ir/README.md); from then on the text stays. */
        check_round_trip(a, ir_print(a, again));
        ir_module_free(again);
    }
    arena_free(a);
    ir_module_free(m);
    return 0;
}
