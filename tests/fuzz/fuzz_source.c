/* Any bytes as frit source: they parse or are reported; what parses formats and parses again; what elaborates verifies. */
#include "frontend/elab.h"
#include "frontend/fmt.h"
#include "ir/diag.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_format(arena *a, diag *d, uint32_t source) {
    char *once = frit_fmt(a, d, source);
    uint32_t again = diag_add_source(d, "again.frit", once, strlen(once));
    ast_parse(a, d, again);
    if (diag_errors(d) || strcmp(frit_fmt(a, d, again), once)) abort();
}

static void check_module(arena *a, diag *d, const ast_file *file) {
    ir_module *m = elaborate(a, d, file, NULL, NULL);
    const char *problems;
    if (!m != (diag_errors(d) > 0)) abort();
    if (!m) return;
    if (ir_verify(a, m, &problems)) abort();
    ir_module_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    arena *a = arena_new();
    diag *d = diag_new();
    uint32_t source = diag_add_source(d, "fuzz.frit", (const char *)data, size);
    const ast_file *file = ast_parse(a, d, source);
    if (!diag_errors(d)) check_format(a, d, source);
    if (!diag_errors(d)) check_module(a, d, file);
    diag_free(d);
    arena_free(a);
    return 0;
}
