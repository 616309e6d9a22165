/* frit cache: what is in the folder of compiled models. */
#include "cli.h"
#include "frontend/cache.h"
#include <errno.h>
#include <string.h>
#include <time.h>

static int show(cli *c, const cache *from) {
    const cache_item *items;
    unsigned long long total = 0;
    int n = cache_list(c->arena, from, &items);
    if (n < 0)
        return cli_environment(c, "%s: %s", from->folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        char when[32];
        struct tm t;
        time_t used = (time_t)items[i].used;
        localtime_r(&used, &t);
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &t);
        printf("%10llu  %s  %s\n", (unsigned long long)items[i].bytes, when, items[i].file);
        total += items[i].bytes;
    }
    printf("%d entries, %llu bytes in %s\n", n, total, from->folder);
    if (!cache_is_safe(from))
        cli_note(c, "%s is not used: others may write to it, and what it holds is run as code (chmod 700 mends that)",
                 from->folder);
    return EXIT_DONE;
}

int cmd_cache(cli *c) {
    const char *what = c->o.arguments.len == 1 ? c->o.arguments.data[0] : "";
    cache from = cache_from_environment(c->arena);
    if (strcmp(what, "ls") && strcmp(what, "clear"))
        return cli_usage(c, "ls or clear is wanted");
    if (!from.folder)
        return cli_environment(c, "there is no cache: set FRIT_CACHE_DIR, XDG_CACHE_HOME or HOME");
    if (!strcmp(what, "ls"))
        return show(c, &from);
    printf("%d entries removed from %s\n", cache_clear(c->arena, &from), from.folder);
    return EXIT_DONE;
}
