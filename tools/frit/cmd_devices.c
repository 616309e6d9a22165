/* frit devices: what this build compiles for, and what is here to run it. */
#include "cli.h"
#include "codegen/target.h"

int cmd_devices(cli *c) {
    frit_device *d = NULL;
    frit_error err = {0};
    const char *error = NULL;
    puts("targets of this build:");
    for (int i = 0; target_class_at(i); i++) {
        const target *t = target_open(c->arena, target_class_at(i)->name, &error);
        printf("  %-8s %s%s%s\n", target_class_at(i)->name, target_class_at(i)->doc, t ? "; here: " : "", t ? t->string : "");
    }
    puts("devices of this machine:");
    frit_status s = frit_device_open("cpu", NULL, &d, &err);
    if (s != FRIT_OK)
        return cli_runtime_failure(c, &err);
    printf("  %s\n", frit_device_name(d));
    frit_device_release(d);
    return EXIT_DONE;
}
