/* docgen ops|errors|options: the pages of docs/ that are made from tables, on standard output. */
#include "tools/frit/catalogue.h"
#include "tools/frit/options.h"
#include <string.h>

int main(int argc, char **argv) {
    const char *page = argc == 2 ? argv[1] : "";
    if (!strcmp(page, "ops"))
        catalogue_ops_markdown(stdout);
    else if (!strcmp(page, "errors"))
        catalogue_errors_markdown(stdout);
    else if (!strcmp(page, "options"))
        help_markdown(stdout);
    else {
        fputs("usage: docgen ops|errors|options\n", stderr);
        return 2;
    }
    return ferror(stdout) || fflush(stdout) ? 3 : 0;
}
