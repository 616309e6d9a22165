/* frit devices: what this build compiles for, and what is here to run it. */
#include "cli.h"
#include "codegen/target.h"

/* All devices of a kind, or why there is none; how many. */
static int show_kind(const char *kind) {
    int n = 0, opened = 0;
    frit_error err = {0};
    if (frit_device_count(kind, &n, &err) != FRIT_OK)
        printf("  %s\n", err.message);
    for (int i = 0; i < n; i++) {
        frit_device *d = NULL;
        frit_device_options o = {.struct_size = sizeof o, .index = i};
        bool ok = frit_device_open(kind, &o, &d, &err) == FRIT_OK;
        printf("  --device %d: %s\n", i, ok ? frit_device_name(d) : err.message);
        frit_device_release(d);
        opened += ok;
    }
    return opened;
}

int cmd_devices(cli *c) {
    static const char *const kinds[] = {"cpu", "cuda", "hip", NULL};
    const char *error = NULL;
    puts("targets of this build:");
    for (int i = 0; target_class_at(i); i++) {
        const target *t = target_open(c->arena, target_class_at(i)->name, &error);
        printf("  %-8s %s%s%s\n", target_class_at(i)->name, target_class_at(i)->doc, t ? "; here: " : "", t ? t->string : "");
    }
    puts("devices of this machine:");
    int found = 0;
    for (int i = 0; kinds[i]; i++)
        found += show_kind(kinds[i]);
    return found ? EXIT_DONE : EXIT_ENVIRONMENT;
}
