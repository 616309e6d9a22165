/* frit check: everything that can be said of a model without compiling it. */
#include "model.h"

int cmd_check(cli *c) {
    model m;
    int status;
    if (c->o.arguments.len != 1)
        return cli_usage(c, "one MODEL is wanted (frit check --help)");
    if (model_open(c, c->o.arguments.data[0], &m, &status)) {
        if (m.kind == MODEL_PACKAGE)
            status = cli_usage(c, "a package is checked by frit inspect");
        else
            status = model_check_weights(c, &m) ? cli_result(c) : EXIT_MODEL;
    }
    model_close(&m);
    return status;
}
