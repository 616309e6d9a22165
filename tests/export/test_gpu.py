#!/usr/bin/env python3
"""Exports for GPUs, without one: the C file builds alone and without warnings with every compiler; its host side runs on a
stand-in for the driver's library, which watches handles, memory and arguments (kernels of text modules do nothing there);
the manifest and the bare kernels agree with what is launched; tensor maps are made once for each place and shape; clusters are
launched as such."""
import json
import os
import pathlib
import shutil
import sys
import tempfile

from harness import FRIT, ROOT, compilers, run
import test_export

FAKE = pathlib.Path(os.environ["FRIT_BUILD"]) / "tests/runtime/fake"

# What each program does between opening the device and closing it.
BODY = {
    "digits": """
    digits_weights *weights = NULL;
    digits_context *context = NULL;
    float *image, *result;
    TRY(digits_weights_open(device, "digits.weights", &weights));
    TRY(digits_create(device, weights, &context));
    image = (float *)digits_alloc(device, 5 * 64 * 4);
    result = (float *)digits_alloc(device, 5 * 10 * 4);
    TRY(digits_upload(context, image, host, 5 * 64 * 4));
    TRY(digits_run(context, 5, image, result));
    TRY(digits_run(context, 5, image, result));
    TRY(digits_run(context, 3, image, result));
    TRY(digits_download(context, host, result, 3 * 10 * 4));
    if (!bad && digits_run(context, -1, image, result) != DIGITS_E_DIM_B) bad = 3;
    if (!bad && digits_run(context, 1, NULL, result) != DIGITS_E_ARGUMENT) bad = 4;
    if (!bad && digits_run(context, 1, result, result) != DIGITS_E_ARGUMENT) bad = 5;
    digits_free(device, image);
    digits_free(device, result);
    digits_destroy(context);
    digits_weights_free(weights);
""",
    "convnet": """
    convnet_weights *weights = NULL;
    convnet_context *context = NULL;
    float *image, *classes;
    TRY(convnet_weights_open(device, "convnet.weights", &weights));
    TRY(convnet_create(device, weights, &context));
    image = (float *)convnet_alloc(device, 2 * 28 * 28 * 4);
    classes = (float *)convnet_alloc(device, 2 * 10 * 4);
    TRY(convnet_upload(context, image, host, 2 * 28 * 28 * 4));
    TRY(convnet_run(context, 2, image, classes));
    TRY(convnet_download(context, host, classes, 2 * 10 * 4));
    convnet_free(device, image);
    convnet_free(device, classes);
    convnet_destroy(context);
    convnet_weights_free(weights);
""",
    "minilm": """
    minilm_weights *weights = NULL;
    minilm_context *context = NULL;
    int64_t *ids, *mask;
    float *embedding;
    TRY(minilm_weights_open(device, "minilm.weights", &weights));
    TRY(minilm_create(device, weights, &context));
    ids = (int64_t *)minilm_alloc(device, 2 * 9 * 8);
    mask = (int64_t *)minilm_alloc(device, 2 * 9 * 8);
    embedding = (float *)minilm_alloc(device, 2 * 16 * 4);
    TRY(minilm_upload(context, ids, host, 2 * 9 * 8));
    TRY(minilm_upload(context, mask, host, 2 * 9 * 8));
    TRY(minilm_run(context, 2, 9, ids, mask, embedding));
    TRY(minilm_run(context, 1, 4, ids, mask, embedding));
    TRY(minilm_download(context, host, embedding, 16 * 4));
    if (!bad && minilm_run(context, 1, 513, ids, mask, embedding) == MINILM_OK) bad = 3;
    minilm_free(device, ids);
    minilm_free(device, mask);
    minilm_free(device, embedding);
    minilm_destroy(context);
    minilm_weights_free(weights);
""",
    "counter": """
    counter_context *context = NULL;
    float *x, *y;
    TRY(counter_create(device, 9, &context));
    x = (float *)counter_alloc(device, 36);
    y = (float *)counter_alloc(device, 36);
    TRY(counter_upload(context, x, host, 36));
    TRY(counter_run(context, x, y));
    TRY(counter_reset(context));
    TRY(counter_wait(context));
    if (!bad && !counter_state_total(context)) bad = 3;
    counter_free(device, x);
    counter_free(device, y);
    counter_destroy(context);
""",
    "pick": """
    pick_context *context = NULL;
    float *x;
    int64_t *ids, found = 0;
    TRY(pick_create(device, &context));
    x = (float *)pick_alloc(device, 1000);
    ids = (int64_t *)pick_alloc(device, 2000);
    /* the kernel that would count does nothing here: what is read is out of bounds, and must be found out */
    if (!bad && pick_run(context, 100, x, x + 200, ids, x + 100, &found) != PICK_E_DIM_NONZERO) bad = 3;
    pick_free(device, x);
    pick_free(device, ids);
    pick_destroy(context);
""",
    "products": """
    products_context *context = NULL;
    uint16_t *x, *y, *z;
    long made;
    int i;
    TRY(products_create(device, &context));
    x = (uint16_t *)products_alloc(device, 9 * 128 * 2);
    y = (uint16_t *)products_alloc(device, 9 * 128 * 2);
    z = (uint16_t *)products_alloc(device, 9 * 128 * 2);
    TRY(products_upload(context, x, host, 5 * 128 * 2));
    TRY(products_run(context, 5, x, z));
    made = fake->maps;
    if (!bad && made < 2) bad = 3; /* no maps: the case tests nothing */
    TRY(products_run(context, 5, x, z));
    if (!bad && fake->maps != made) bad = 4;
    TRY(products_run(context, 9, x, z)); /* another shape, another place: made once */
    TRY(products_run(context, 5, y, z));
    made = fake->maps;
    for (i = 0; i < 3; i++) {
        TRY(products_run(context, 9, x, z));
        TRY(products_run(context, 5, y, z));
        TRY(products_run(context, 5, x, z));
    }
    if (!bad && fake->maps != made) bad = 5;
    for (i = 1; i < 9; i++) TRY(products_run(context, i, x, z)); /* more shapes than are kept */
    made = fake->maps;
    TRY(products_run(context, 1, x, z));
    if (!bad && fake->maps == made) bad = 6;
    products_free(device, x);
    products_free(device, y);
    products_free(device, z);
    products_destroy(context);
""",
    "rows": """
    rows_context *context = NULL;
    float *x, *y;
    TRY(rows_create(device, &context));
    x = (float *)rows_alloc(device, 2 * 16384 * 4);
    y = (float *)rows_alloc(device, 2 * 16384 * 4);
    TRY(rows_run(context, x, y));
    TRY(rows_download(context, host, y, 16));
    if (!bad && (fake->last_cluster < 2 || fake->last_blocks % fake->last_cluster)) bad = 3;
    rows_free(device, x);
    rows_free(device, y);
    rows_destroy(context);
""",
}

PRODUCTS = """model products(x: f16[B, 128]) -> (y: f16[B, 128]) {
    state a: f16[128, 128] = 0.5
    state b: f16[128, 128] = 0.25
    return relu(x @ a) @ b
}
"""


ROWS = """model rows(x: f32[2, 16384]) -> (y: f32[2, 16384]) {
    return softmax(x)
}
"""


def rows(folder):
    """Few long rows, each shared by the blocks of a cluster."""
    folder.mkdir()
    (folder / "rows.frit").write_text(ROWS)
    return "rows", test_export.Case(folder, folder / "rows.frit", {}, {})


def products(folder):
    """Products whose operands come by bulk copies."""
    folder.mkdir()
    (folder / "products.frit").write_text(PRODUCTS)
    return "products", test_export.Case(folder, folder / "products.frit", {}, {})

MAIN = """#include "@.h"
#include "fake_gpu.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#define TRY(call)                                                                                                      \\
    do {                                                                                                               \\
        @_status s = bad ? @_OK_STATUS : (call);                                                                       \\
        if (s != @_OK_STATUS) bad = 2, strcpy(why, @_status_text(s));                                                  \\
    } while (0)

static char why[256];

static fake_gpu *fake;

static int body(@_device *device) {
    static float host[4096];
    int bad = 0;
BODY    (void)host;
    return bad;
}

int main(void) {
    void *library = dlopen("LIBRARY", RTLD_NOW), *at = library ? dlsym(library, "fake_gpu_control") : NULL;
    long calls;
    @_device *device;
    int status;
    fake = (fake_gpu *)at;
    if (!fake) return 9;
    if (@_device_open(1, &device) != @_OK_STATUS) return 9;
    status = body(device);
    @_device_close(device);
    if (status) return fprintf(stderr, "%s\\n", why), status;
    if (fake->live || fake->misuse[0]) {
        fprintf(stderr, "%ld objects are left; %s\\n", fake->live, fake->misuse);
        return 6;
    }
    if (fake->launches < 1) return 7;
    printf("%ld launches\\n", fake->launches);
    /* every call of the driver fails once: an error each time, nothing left */
    calls = fake->calls;
    for (long i = 0; i < calls; i++) {
        fake->fail_at = fake->calls + i;
        fake->fail_code = 2;
        if (@_device_open(1, &device) == @_OK_STATUS) {
            body(device);
            @_device_close(device);
        }
        fake->fail_at = -1;
        if (fake->live || fake->misuse[0]) {
            fprintf(stderr, "call %ld of %ld fails (%s): %ld objects are left; %s\\n", i, calls, fake->last_call, fake->live, fake->misuse);
            return 8;
        }
    }
    return 0;
}
"""


def check_manifest(folder, name):
    m = json.loads((folder / "manifest.json").read_text())
    assert m["model"] == name
    for k in m["kernels"]:
        code = (folder / k["file"]).read_bytes()
        assert k["entry"].encode() in code, f"{k['file']} has no {k['entry']}"
        plain = [a for a in k["arguments"] if "tensor_map" not in a]
        assert k["block"][0] > 0 and k["arguments"][:len(plain)] == plain and plain[-1] == {"i64": "tasks"}, k
    launches = [i for i in m["load"] + m["main"] if "launch" in i]
    assert launches
    for i in launches:
        wanted = sum("pointer" in a for a in m["kernels"][i["launch"]]["arguments"]) - 1
        assert len(i["pointers"]) == wanted


def build(folder, name, compiler, main):
    plus, tcc = compiler[0].endswith("++"), compiler[0] == "tcc"
    flags = ["-Wall", "-Werror"] + ([] if tcc else ["-Wextra"]) + ([] if plus else ["-std=gnu99"])
    sources = ["-x", "c++", f"{name}.c"] if plus else [f"{name}.c"]
    if main:
        sources.append("main.c")
    run(*compiler, *flags, *sources, *(["-o", "program", "-ldl"] if main else ["-c", "-o", "part.o"]), cwd=folder)


def several(folder, target, every):
    """Several models in one file: it builds, and the manifest has each."""
    model, out = folder / "two.frit", folder / ("two-" + target.replace(":", "-"))
    model.write_text(test_export.TWO)
    run(FRIT, "export", "-q", model, "-e", "encode", "-e", "classify", "-e", "mean", "-t", target, "-o", out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert [m["model"] for m in manifest["models"]] == ["encode", "classify", "mean"]
    for compiler in every:
        build(out, "two", compiler, False)


def main(chosen):
    every = compilers("gcc", "g++", "clang", "tcc")
    if not every:
        print("skipped: there is no C compiler")
        return 77
    listed = run(FRIT, "devices").stdout
    if "cuda" not in listed:
        print("skipped: this build has no target cuda")
        return 77
    failed = passed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        both = ("cuda:sm_80", "hip:gfx942")
        for make, targets in ((test_export.digits, both), (test_export.counter, both), (test_export.pick, both),
                              (test_export.convnet, both), (test_export.minilm, both), (products, ("cuda:sm_90a",)), (rows, ("cuda:sm_90a",))):
            if chosen and make.__name__ not in chosen:
                continue
            name, case = make(folder / make.__name__)
            for target in targets:
                try:
                    out = case.export(target)
                    check_manifest(out, name)
                    for compiler in every:
                        build(out, name, compiler, False)
                    # text modules pass for machine code in the stand-in: kernels that do nothing
                    fake = FAKE / "libcuda.so.1"
                    if target.startswith("cuda") and fake.exists() and every[0][0] in ("gcc", "clang"):
                        text = MAIN.replace("@_OK_STATUS", name.upper() + "_OK").replace("@", name)
                        text = text.replace("LIBRARY", fake.name).replace("BODY", BODY[name].lstrip("\n"))
                        (out / "main.c").write_text(text)
                        shutil.copy(ROOT / "tests/runtime/fake_gpu.h", out)
                        build(out, name, every[0], True)
                        ran = run("env", f"LD_LIBRARY_PATH={FAKE}", "./program", cwd=out)
                        print(f"{name} for {target}: {ran.stdout.strip()}, every call failing in turn")
                    elif name == "products":
                        print("skipped: tensor maps are counted by the stand-in for CUDA, which was not built")
                    passed += 1
                except AssertionError as e:
                    failed += 1
                    print(f"FAILED: {name} for {target}: {e}")
        for target in () if chosen else both:
            try:
                several(folder, target, every)
                passed += 1
            except AssertionError as e:
                failed += 1
                print(f"FAILED: several models for {target}: {e}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
