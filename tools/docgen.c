/* docgen PAGE: the texts that are made from tables, on standard output. */
#include "docgen_pages.h"
#include "tools/frit/catalogue.h"
#include "tools/frit/options.h"
#include <string.h>

static const struct {
    const char *name;
    void (*write)(FILE *out);
} pages[] = {
    {"ops", catalogue_ops_markdown}, {"errors", catalogue_errors_markdown}, {"options", help_markdown}, {"man", man_page},
    {"bash", complete_bash},         {"zsh", complete_zsh},                 {"fish", complete_fish},
};
enum { N_PAGES = sizeof pages / sizeof *pages };

static int usage(void) {
    fputs("usage: docgen api HEADER... | docgen PAGE, one of", stderr);
    for (int i = 0; i < N_PAGES; i++)
        fprintf(stderr, " %s", pages[i].name);
    fputc('\n', stderr);
    return 2;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    int i = 0;
    while (i < N_PAGES && strcmp(pages[i].name, name))
        i++;
    if (i < N_PAGES && argc == 2)
        pages[i].write(stdout);
    else if (strcmp(name, "api") || argc < 3)
        return usage();
    else if (!api_page(stdout, argc - 2, argv + 2))
        return 3;
    return ferror(stdout) || fflush(stdout) ? 3 : 0;
}
