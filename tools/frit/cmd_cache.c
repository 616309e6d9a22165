/* frit cache: what is in the folder of compiled models. */
#include "cli.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *cache_folder(cli *c) {
    const char *own = getenv("FRIT_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own)
        return own;
    if (xdg && *xdg)
        return arena_printf(c->arena, "%s/frit", xdg);
    return arena_printf(c->arena, "%s/.cache/frit", home ? home : "");
}

static int is_entry(const struct dirent *d) {
    size_t n = strlen(d->d_name);
    return n > 4 && !strcmp(d->d_name + n - 4, ".fpk");
}

static void show_entry(const char *name, const struct stat *s) {
    char when[32];
    struct tm t;
    localtime_r(&s->st_mtime, &t);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M", &t);
    printf("%10lld  %s  %s\n", (long long)s->st_size, when, name);
}

static int each_entry(cli *c, const char *folder, bool remove) {
    struct dirent **list = NULL;
    long long total = 0;
    int n = scandir(folder, &list, is_entry, alphasort), gone = 0;
    if (n < 0 && errno != ENOENT)
        return cli_environment(c, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *path = arena_printf(c->arena, "%s/%s", folder, list[i]->d_name);
        struct stat s;
        if (!stat(path, &s)) {
            total += s.st_size;
            if (remove)
                gone += !unlink(path);
            else
                show_entry(list[i]->d_name, &s);
        }
        free(list[i]);
    }
    free(list);
    if (remove)
        printf("%d entries removed from %s\n", gone, folder);
    else
        printf("%d entries, %lld bytes in %s\n", n > 0 ? n : 0, total, folder);
    return EXIT_DONE;
}

int cmd_cache(cli *c) {
    const char *what = c->o.arguments.len == 1 ? c->o.arguments.data[0] : "";
    if (strcmp(what, "ls") && strcmp(what, "clear"))
        return cli_usage(c, "ls or clear is wanted");
    return each_entry(c, cache_folder(c), !strcmp(what, "clear"));
}
