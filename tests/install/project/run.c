/* Runs a package through libfrit_rt alone. Names that the libraries use inside are this program's own here: statically
 * linked, they must not meet. */
#include <frit/frit.h>
#include <stdio.h>
#include <stdlib.h>

#define MINE(name)                                                                                                     \
    void name(void);                                                                                                   \
    void name(void) {                                                                                                  \
        fputs(#name " was called\n", stderr);                                                                          \
        abort();                                                                                                       \
    }
MINE(pool_new) MINE(pool_run) MINE(pool_free) MINE(rt_new) MINE(rt_free) MINE(rt_fail) MINE(rt_exec) MINE(fpk_hash)
MINE(arena_new) MINE(arena_alloc) MINE(ir_parse) MINE(fuse) MINE(yyparse) MINE(elaborate) MINE(cache_find) MINE(LLVMBuildAdd)

static void check(frit_status s, const frit_error *err) {
    if (s == FRIT_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

int main(int argc, char **argv) {
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
    frit_error err;
    float x[4] = {1, 2, 3, 4}, y[4] = {0};
    int64_t n = 4;
    DLTensor in = frit_dense(x, FRIT_f32, 1, &n), out = frit_dense(y, FRIT_f32, 1, &n);
    if (argc != 2 || frit_abi_version() >> 16 != FRIT_ABI_MAJOR)
        return 2;
    check(frit_package_open(argv[1], &package, &err), &err);
    check(frit_device_open("cpu", NULL, &device, &err), &err);
    check(frit_weights_create(package, device, NULL, &weights, &err), &err);
    check(frit_session_create(weights, NULL, &session, &err), &err);
    check(frit_session_run(session, &in, 1, &out, 1, &err), &err);
    printf("%g %g %g %g\n", (double)y[0], (double)y[1], (double)y[2], (double)y[3]);
    frit_session_release(session);
    frit_weights_release(weights);
    frit_device_release(device);
    frit_package_release(package);
    return 0;
}
