#!/usr/bin/env python3
"""frit export: models built from nothing but the exported files give frit run's results, bit for bit.

    test_export.py                 the quick cases, as CTest runs them
    test_export.py --all           every case, every compiler
    test_export.py NAME...         these cases
"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

from harness import EXAMPLES, FRIT, ROOT, Case, Tensor, compilers, read_npy, run, safetensors

random = Tensor.random
TARGETS = ("cpu:x86-64-v3", "c")

MODELS = {
    "pick": """## The elements of x above a limit, and where they are.
model pick(x: f32[N], limit: f32[]) -> (ids: i64[K], values: f32[K]) where N <= 1000 {
    ids = nonzero(x > limit)
    return ids, x[ids] * 2
}
""",
    "steps": """## Newton's iteration: n steps, then as long as it moves; then one of two endings.
model steps(a: f32[N], n: int, big: bool[]) -> (y: f32[N], turns: i32[]) {
    y = a
    loop i in 0..n { y = (y + a / y) * 0.5 }
    t = i32(0)
    moved = max(abs(y * y - a))
    while moved > 0.01 {
        y = (y + a / y) * 0.5
        moved = max(abs(y * y - a))
        t = t + 1
    }
    if big { y = y * 2 } else { y = y - 1 }
    return y, t
}
""",
    "dice": """model dice(x: f32[N]) -> (y: f32[N]) {
    return x + uniform(f32[N], seed = 3)
}
""",
    "counter": """model counter(x: f32[N]) -> (y: f32[N]) {
    state total: f32[N] = 1.5, turns: i32[] = 2
    total = total + x
    turns = turns + 1
    return total * f32(turns)
}
""",
    "convnet": """## Two convolutions and a dense layer.
model convnet(image: f32[N, 1, 28, 28]) -> (classes: f32[N, 10]) {
    param k1: f32[8, 1, 5, 5], b1: f32[8, 1, 1], k2: f32[16, 8, 3, 3], b2: f32[16, 1, 1], w: f32[16, 5, 5, 10]
    x = max_pool(relu(conv2d(image, k1) + b1), kernel = 2, stride = 2)
    x = max_pool(relu(conv2d(x, k2) + b2), kernel = 2, stride = 2)
    scores[n, o] = sum[c, i, j](x[n, c, i, j] * w[c, i, j, o])
    return softmax(scores, axis = -1)
}
""",
    "mixed": """## Names that C has for itself, several dtypes, dims that are formulas.
model mixed(int: f16[A, 2*A + 1], double: i8[B], class: bool[B], x: f64[A]) -> (new: f16[2*A + 1], delete: i32[B], this: f64[])
    where B % 4 == 0, A <= 100 {
    s = sum[a](int[a, :])
    d = where(class, i32(double), 7)
    return s, d, sum(x)
}
""",
}


def weights_of(shapes, seed=1):
    return {name: random("f32", dims, seed + i, -0.5, 0.5) for i, (name, dims) in enumerate(shapes)}


# ---- Cases: each takes a folder and returns (name of the exported model, Case) --------------------------------------
def written(folder, name):
    path = pathlib.Path(folder) / f"{name}.frit"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MODELS[name])
    return path


def digits(folder, where="beside", batch=5):
    w = weights_of([("w1", (64, 128)), ("b1", (128,)), ("w2", (128, 10)), ("b2", (10,))])
    return "digits", Case(folder, EXAMPLES / "digits.frit", {"image": random("f32", (batch, 64), 7)},
                          {"result": ("f32", (batch, 10))}, [batch], w, where)


def digits_inside(folder):
    return digits(folder, "inside", 1)


def mlp(folder):
    w = weights_of([("0.weight", (32, 784)), ("0.bias", (32,)), ("2.weight", (10, 32)), ("2.bias", (10,))])
    return "digits", Case(folder, EXAMPLES / "mlp.frit", {"image": random("f32", (3, 784), 7)},
                          {"probs": ("f32", (3, 10))}, [3], w)


def mlp_pointers(folder):
    name, case = mlp(folder)
    case.where = "none"
    return name, case


def resnet_shapes(width):
    """ResNet-50 with `width` channels where the published one has 64."""
    def conv(prefix, bn, o, c, r):
        return [(f"{prefix}.weight", (o, c, r, r))] + [(f"{bn}.{n}", (o,)) for n in
                                                       ("weight", "bias", "running_mean", "running_var")]
    shapes, c = conv("conv1", "bn1", width, 3, 7), width
    for s, depth in enumerate((3, 4, 6, 3)):
        m = width << s
        for i in range(depth):
            p = f"layer{s + 1}.{i}."
            shapes += conv(p + "conv1", p + "bn1", m, c, 1) + conv(p + "conv2", p + "bn2", m, m, 3)
            shapes += conv(p + "conv3", p + "bn3", 4 * m, m, 1)
            if i == 0:
                shapes += conv(p + "downsample.0", p + "downsample.1", 4 * m, c, 1)
            c = 4 * m
    return shapes + [("fc.weight", (1000, c)), ("fc.bias", (1000,))]


def resnet50(folder):
    w = weights_of(resnet_shapes(4))
    for i, name in enumerate(w):
        if name.endswith("running_var"):
            w[name] = random("f32", w[name].dims, i, 0.5, 1.5)
    return "resnet50", Case(folder, EXAMPLES / "resnet50.frit", {"image": random("f32", (1, 3, 40, 36), 7)},
                            {"logits": ("f32", (1, 1000))}, [1, 40, 36], w)


def minilm(folder):
    d, v, f = 16, 50, 32
    shapes = [("embeddings.word_embeddings.weight", (v, d)), ("embeddings.position_embeddings.weight", (512, d)),
              ("embeddings.token_type_embeddings.weight", (2, d)), ("embeddings.LayerNorm.weight", (d,)),
              ("embeddings.LayerNorm.bias", (d,))]
    for layer in range(2):
        p = f"encoder.layer.{layer}."
        for n, o, i in (("attention.self.query", d, d), ("attention.self.key", d, d), ("attention.self.value", d, d),
                        ("attention.output.dense", d, d), ("intermediate.dense", f, d), ("output.dense", d, f)):
            shapes += [(p + n + ".weight", (o, i)), (p + n + ".bias", (o,))]
        for n in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes += [(p + n + ".weight", (d,)), (p + n + ".bias", (d,))]
    ids = Tensor.random("i64", (2, 9), 3, 0, v - 1)
    mask = Tensor.of("i64", (2, 9), [1] * 9 + [1] * 5 + [0] * 4)
    short = {"ids": Tensor.random("i64", (1, 4), 4, 0, v - 1), "mask": Tensor.of("i64", (1, 4), [1] * 4)}
    case = Case(folder, EXAMPLES / "minilm.frit", {"ids": ids, "mask": mask}, {}, None, weights_of(shapes),
                steps=({}, short, {}), options=["-D", "L=2", "-D", "H=4"])
    case.dims = lambda step: [1, 4] if step else [2, 9]
    case.outputs = {"embedding": ("f32", lambda step: (1, d) if step else (2, d))}
    return "minilm", case


def stories(folder):
    sys.path.insert(0, str(EXAMPLES))
    from stories import layout
    dim, hidden, layers, heads, kv, vocab, longest = 16, 24, 2, 4, 2, 40, 32
    shapes = []
    for name, dims, stacked in layout(dim, hidden, layers, heads, kv, vocab, longest, False):
        if name:
            shapes += [(name.replace("{l}", str(k)), dims) for k in range(layers if stacked else 1)]
    first = Tensor.of("i32", (1, 5), [1, 7, 30, 2, 9])
    steps = [{}] + [{"tokens": Tensor.of("i32", (1, 1), [3 + i]), "pos": 5 + i} for i in range(4)]
    options = [x for d in ("L=2", "H=4", "KV=2", "MAX=32") for x in ("-D", d)]
    case = Case(folder, EXAMPLES / "stories.frit", {"tokens": first, "pos": 0},
                {"logits": ("f32", (1, vocab)), "next": ("i32", (1,))}, None, weights_of(shapes), states=("k",),
                state_dims=[1], steps=steps, options=options)
    case.dims = lambda step: [1] if step else [5]  # B belongs to the context: the caches have it
    return "stories", case


def tagger(folder):
    d, i = 6, 5
    shapes = []
    for layer, width in ((0, i), (1, d)):
        shapes += [(f"rnn.weight_ih_l{layer}", (4 * d, width)), (f"rnn.bias_ih_l{layer}", (4 * d,)),
                   (f"rnn.weight_hh_l{layer}", (4 * d, d)), (f"rnn.bias_hh_l{layer}", (4 * d,))]
    return "tagger", Case(folder, EXAMPLES / "custom.frit",
                          {"x": random("f32", (2, 7, i), 1), "h0": random("f32", (2, 2, d), 2), "c0": random("f32", (2, 2, d), 3)},
                          {"y": ("f32", (2, 7, d)), "h": ("f32", (2, 2, d))}, [2, 7], weights_of(shapes))


def convnet(folder):
    w = weights_of([("k1", (8, 1, 5, 5)), ("b1", (8, 1, 1)), ("k2", (16, 8, 3, 3)), ("b2", (16, 1, 1)), ("w", (16, 5, 5, 10))])
    return "convnet", Case(folder, written(folder, "convnet"), {"image": random("f32", (2, 1, 28, 28), 1)},
                           {"classes": ("f32", (2, 10))}, [2], w)


def pick(folder):
    x = random("f32", (100,), 5)
    limit = Tensor.of("f32", (), [0.25])
    n = sum(1 for v in memoryview(x.data).cast("f") if v > 0.25)
    case = Case(folder, written(folder, "pick"), {"x": x, "limit": limit},
                {"ids": ("i64", ("nonzero_out",)), "values": ("f32", ("nonzero_out",))}, [100], extents=["nonzero_out"])
    case.bound = 100
    assert 0 < n < 100
    return "pick", case


def steps(folder):
    a = random("f32", (50,), 5, 1, 9)
    return "steps", Case(folder, written(folder, "steps"), {"a": a, "n": 2, "big": Tensor.of("bool", (), [1])},
                         {"y": ("f32", (50,)), "turns": ("i32", ())}, [50],
                         steps=({}, {"n": 0}, {"big": Tensor.of("bool", (), [0]), "n": 1}))


def dice(folder):
    return "dice", Case(folder, written(folder, "dice"), {"x": random("f32", (37,), 1)}, {"y": ("f32", (37,))}, [37],
                        seed=1234567890123)


def counter(folder):
    return "counter", Case(folder, written(folder, "counter"), {"x": random("f32", (9,), 1)}, {"y": ("f32", (9,))}, [],
                           states=("total", "turns"), state_dims=[9], steps=({}, {"x": random("f32", (9,), 2)}, {}))


def mixed(folder):
    return "mixed", Case(folder, written(folder, "mixed"),
                         {"int": random("f16", (3, 7), 1), "double": random("i8", (8,), 2, -9, 9),
                          "class": Tensor.of("bool", (8,), [1, 0] * 4), "x": random("f64", (3,), 3)},
                         {"new": ("f16", (7,)), "delete": ("i32", (8,)), "this": ("f64", ())}, [3, 8])


CASES = [digits, digits_inside, mlp, mlp_pointers, convnet, minilm, stories, tagger, pick, steps, dice, counter, mixed, resnet50]


def sizes(folder):
    """A ResNet-50 of the published size: what is exported, without weights."""
    header, at = {}, 0
    for name, dims in resnet_shapes(64):
        n = 4
        for d in dims:
            n *= d
        header[name] = {"dtype": "F32", "shape": list(dims), "data_offsets": [at, at + n]}
        at += n
    head = json.dumps(header).encode()
    folder.mkdir(parents=True)
    weights = folder / "weights.safetensors"
    with weights.open("wb") as f:  # zeros that take no room
        f.write(struct.pack("<Q", len(head)) + head)
        f.truncate(8 + len(head) + at)
    for target in TARGETS:
        out = folder / target.replace(":", "-")
        run(FRIT, "export", "-q", EXAMPLES / "resnet50.frit", "-w", weights, "--weights", "none", "-t", target, "-o", out)
        total = sum(p.stat().st_size for p in out.iterdir())
        print(f"sizes: ResNet-50 for {target}: {total} bytes without weights")
        assert total <= 1 << 20, f"{target}: {total} bytes, at most {1 << 20} are allowed"
        if target != "c" and compilers("gcc") and shutil.which("ldd"):
            run("gcc", "-O1", "-fPIC", "-shared", "resnet50.c", "resnet50_kernels.o", "-o", "all.so", cwd=out)
            needed = re.sub(r" \(0x.*\)", "", run("ldd", out / "all.so").stdout)
            print(f"as a library it needs\n{needed.rstrip()}")
            assert "frit" not in needed


def same_files(folder):
    """Equal input gives equal files, wherever they are written; what lies between their parts is zeros."""
    name, case = digits(folder)
    for target in TARGETS:
        a, b = case.export(target, folder / "a"), case.export(target, folder / "b")
        for p in a.iterdir():
            assert p.read_bytes() == (b / p.name).read_bytes(), f"{target}: {p.name} differs between two exports"
            if p.suffix == ".o":  # the ELF header, nothing up to a page, the code
                assert not any(p.read_bytes()[64:4096]), f"{p.name} holds more than its header in front of the code"


def several_targets(folder):
    """Several -t: a folder each, every one complete."""
    name, case = digits(folder)
    out = folder / "out"
    run(FRIT, "export", "-q", case.model, *case.weight_options, "-t", "c", "-t", "cpu:x86-64-v3", "-o", out)
    for part in ("c", "cpu-x86-64-v3"):
        got = {p.name for p in (out / part).iterdir()}
        assert {"digits.h", "digits.c", "digits.weights", "digits.cmake", "digits.pc"} <= got, f"{part} holds {got}"


TWO = """const D = 24
model encode(x: f32[B, 40]) -> (h: f32[B, D]) {
    param w: f32[40, D], b: f32[D]
    return relu(x @ w + b)
}
## Which of ten an encoding is most like.
model classify(h: f32[B, D]) -> (p: f32[B, 10], best: i64[B]) {
    param c: f32[D, 10], b: f32[D]
    p = softmax((h + b) @ c, axis = -1)
    return p, argmax(p, axis = -1)
}
model mean(h: f32[B, D]) -> (y: f32[D]) {
    state total: f32[D] = 1.5
    total = total + sum[i](h[i, :])
    return total
}
"""
TWO_MAIN = """#include "two.h"
#include <stdio.h>
#include <string.h>
static float x[3 * 40], h[3 * 24], p[3 * 10], y[24];
static int64_t best[3];
static int put(const char *path, const void *from, size_t n) {
    FILE *f = fopen(path, "wb");
    return f && fwrite(from, 1, n, f) == n && !fclose(f) ? 0 : 1;
}
int main(void) {
    encode_weights *w;
    classify_weights *v;
    encode_context *e;
    classify_context *c;
    mean_context *m;
    FILE *f = fopen("x", "rb");
    if (!f || fread(x, 1, sizeof x, f) != sizeof x) return 2;
    fclose(f);
    if (encode_weights_open("two.weights", &w) || classify_weights_open("two.weights", &v)) return 3;
    if (encode_create(w, &e) || classify_create(v, &c) || mean_create(&m)) return 4;
    if (encode_run(e, 3, x, h) || classify_run(c, 3, h, p, best) || mean_run(m, 3, h, y)) return 5;
    if (strcmp(classify_status_text(classify_run(c, -1, h, p, best)), encode_status_text(encode_run(e, -1, x, h)))) return 6;
    encode_destroy(e);
    classify_destroy(c);
    mean_destroy(m);
    encode_weights_free(w);
    classify_weights_free(v);
    return put("h", h, sizeof h) | put("p", p, sizeof p) | put("best", best, sizeof best) | put("y", y, sizeof y);
}
"""


def several_models(folder):
    """Several -e: one header, one C file and one file of weights for all of them."""
    folder.mkdir(parents=True)
    model, weights, x = folder / "two.frit", folder / "w.safetensors", random("f32", (3, 40), 9)
    model.write_text(TWO)
    weights.write_bytes(safetensors(weights_of([("w", (40, 24)), ("b", (24,)), ("c", (24, 10))])))
    (folder / "x.npy").write_bytes(x.npy())
    entries = [o for e in ("encode", "classify", "mean") for o in ("-e", e)]
    for target in TARGETS:
        def one(entry, inputs, *outputs):
            run(FRIT, "run", "-q", model, "-e", entry, "-t", target, "-w", weights, "-i", inputs,
                *(a for o in outputs for a in ("-o", f"{o}={folder / o}.npy")))
        one("encode", f"x={folder / 'x.npy'}", "h")
        one("classify", f"h={folder / 'h.npy'}", "p", "best")
        one("mean", f"h={folder / 'h.npy'}", "y")
        out = folder / ("out-" + target.replace(":", "-"))
        run(FRIT, "export", "-q", model, *entries, "-w", weights, "-t", target, "-o", out)
        assert sorted(p.name for p in out.glob("two.*")) == ["two.c", "two.cmake", "two.h", "two.pc", "two.weights"]
        (out / "main.c").write_text(TWO_MAIN)
        (out / "x").write_bytes(x.data)
        for compiler in compilers("gcc", "g++", *(["tcc"] if target == "c" else [])):
            plus = ["-x", "c++"] if compiler[0] == "g++" else []
            run(*compiler, "-Wall", "-Werror", *(["-Wno-psabi"] if compiler[0] != "tcc" else []), *plus, "two.c", "main.c",
                *(["-x", "none"] if plus else []), *sorted(p.name for p in out.glob("*.o")), "-o", "program", "-lm", cwd=out)
            run("./program", cwd=out)
            for name in ("h", "p", "best", "y"):
                assert (out / name).read_bytes() == read_npy(folder / f"{name}.npy"), f"{target}, {compiler[0]}: {name} differs"
    run(FRIT, "export", "-q", model, *entries, "--name", "all", "-t", "c", "-o", folder / "all")
    assert "all_mean_run(" in (folder / "all/all.h").read_text()
    run(FRIT, "export", "-q", model, "-e", "mean", "-e", "mean", "-t", "c", "-o", folder / "no", status=2)


def build_snippets(folder):
    """NAME.cmake and NAME.pc do what docs/export.md says."""
    name, case = digits(folder)
    main = (EXAMPLES / "export/digits.c").read_text()
    for target in TARGETS:
        out = case.export(target)
        place = folder / ("build-" + target.replace(":", "-"))
        place.mkdir()
        (place / "main.c").write_text(main)
        if shutil.which("cmake"):
            (place / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.16)\nproject(p C)\ninclude({out}/digits.cmake)\n"
                                                  "add_executable(p main.c)\ntarget_link_libraries(p PRIVATE digits)\n")
            run("cmake", "-G", "Ninja", "-S", place, "-B", place / "b", "-DCMAKE_BUILD_TYPE=Release")
            run("cmake", "--build", place / "b")
            run(place / "b/p", cwd=out)
        if shutil.which("pkg-config") and shutil.which("ar") and compilers("cc"):
            text = (out / "digits.pc").read_text()
            script = re.search(r"^#   (cc .*)$", text, re.M)[1]
            run("sh", "-e", "-c", f"{script}\ncc {place}/main.c -o program $(pkg-config --cflags --libs ./digits.pc)", cwd=out)
            run("./program", cwd=out)


def open_params(folder):
    """Params whose dims are not known, as no weights were given: fields of NAME_params."""
    for target in TARGETS:
        out = folder / target.replace(":", "-")
        run(FRIT, "export", "-q", EXAMPLES / "mlp.frit", "-t", target, "-o", out)
        assert "int64_t O; /* dim */" in (out / "digits.h").read_text()
        run(*(compilers("tcc") or compilers("gcc"))[0], "-Wall", "-Werror", "-c", "digits.c", cwd=out)


def interface(folder):
    """What the interface promises beside plain runs, with address and undefined-behaviour checks where there are any."""
    place = folder / "all"
    for target in TARGETS:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        objects, defines = [], []
        for make in (digits, counter, pick, steps):
            name, case = make(folder / make.__name__)
            shutil.copytree(case.export(target), place, dirs_exist_ok=True)
            defines += [f"-D{name.upper()}_MALLOC=get", f"-D{name.upper()}_FREE=give"]
            objects += [f"{name}_kernels.o"] if (place / f"{name}_kernels.o").exists() else []
        sources = ["digits.c", "counter.c", "pick.c", "steps.c", "main.c"]
        shutil.copy(ROOT / "tests/export/interface.c", place / "main.c")
        (place / "hooks.h").write_text("#include <stddef.h>\nvoid *get(size_t n);\nvoid give(void *p);\n")
        gcc = compilers("gcc", "clang")
        use = gcc[0] + ["-g", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if gcc else ["tcc"]
        run(*use, "-Wall", "-include", "hooks.h", *defines, *sources, *objects, "-o", "program", "-lm", "-lpthread", cwd=place)
        run("./program", cwd=place)


def aarch64(folder):
    """Cross-built and run by QEMU: cpu:aarch64 as the package for it does by the runtime alone, c as on this machine."""
    gcc, qemu = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if not gcc or not qemu:
        print("aarch64: skipped: gcc-aarch64-linux-gnu and qemu-user are not both installed")
        return
    folder.mkdir(parents=True)
    runner = folder / "run_model"
    run(gcc, "-O1", "-w", "-std=gnu17", "-D_GNU_SOURCE", '-DFRIT_VERSION="0"', f"-I{ROOT}", "-static", *sorted((ROOT / "runtime").glob("*.c")),
        ROOT / "tests/export/run_model.c", "-o", runner, "-lpthread", "-ldl", "-lm")
    for make in (digits, resnet50, minilm, real_minilm_case):
        if make is real_minilm_case and not REAL.is_dir():
            continue
        made = make(folder / make.__name__)
        name, case = made if isinstance(made, tuple) else ("minilm", made)
        case.steps = ({},)
        case.dims = case.dims({}) if callable(case.dims) else case.dims
        package = case.folder / "model.fpk"
        run(FRIT, "compile", "-q", case.model, "-t", "cpu:aarch64", *case.weight_options, *case.options, "-o", package)
        arguments = []
        for n, v in case.inputs.items():
            (case.folder / f"raw-{n}").write_bytes(v.data)
            arguments.append(f"{n}={case.folder / f'raw-{n}'}:{','.join(map(str, v.dims))}")
        arguments.append("->")
        for n, (dtype, shape) in case.outputs.items():
            shape = shape({}) if callable(shape) else shape
            arguments.append(f"{n}={case.folder / f'arm-{n}'}:{','.join(map(str, shape))}")
        run(qemu, runner, package, *arguments)
        want = {n: (case.folder / f"arm-{n}").read_bytes() for n in case.outputs}
        for target, expected in (("cpu:aarch64", want), ("c", case.expected("c")[0])):
            optimise = ["-O0"] if target == "c" else []
            got = case.build_and_run(case.export(target), name, ["aarch64-linux-gnu-gcc", "-static", *optimise], target, [qemu])[0]
            for n in case.outputs:
                assert got[n] == expected[n], f"{make.__name__} for {target} on aarch64: {n} differs"
            print(f"aarch64: {make.__name__} for {target}", flush=True)


def real_minilm_case(folder):
    """The published MiniLM, where its weights have been fetched (tests/models)."""
    with zipfile.ZipFile(ROOT / "tests/models/minilm_0_in.npz") as z:
        arrays = {n[:-4]: z.read(n) for n in z.namelist()}
    inputs = {}
    for n in ("ids", "mask"):
        head = 10 + struct.unpack("<H", arrays[n][8:10])[0]
        shape = eval(re.search(rb"'shape': (\([^)]*\))", arrays[n][:head])[1])
        inputs[n] = Tensor("i64", shape, arrays[n][head:])
    b, s = inputs["ids"].dims
    case = Case(folder, EXAMPLES / "minilm.frit", inputs, {"embedding": ("f32", (b, 384))}, [b, s], None)
    case.weights, case.weight_options = {}, ["-w", REAL]
    return case


REAL = pathlib.Path(os.environ.get("FRIT_BUILD", ".")) / "minilm"


def real_minilm(folder):
    """A batch for each target, by each compiler; and cross-built."""
    if not REAL.is_dir():
        print("real_minilm: skipped: the weights are not there (tests/models/minilm_fetch.py)")
        return
    case = real_minilm_case(folder)
    for target in TARGETS:
        names = ("gcc", "g++", "clang", "tcc") if target == "c" else ("gcc", "g++", "clang")
        case.compare("minilm", target, compilers(*names))
        print(f"real_minilm: {target} with {', '.join(names)}", flush=True)


def taken_names(folder):
    """Models called like functions of libraries, or so that theirs would meet what the C file has for itself."""
    folder.mkdir(parents=True)
    model = folder / "m.frit"
    for name in ("exp", "open", "main", "make", "plan"):
        model.write_text(f"model {name}(x: f32[B, 4]) -> (y: f32[B, 4]) {{ param w: f32[4]  return x * w }}\n"
                         if name == "open" else f"model {name}(x: f32[B, 4]) -> (y: f32[B, 4]) {{ return x + 1 }}\n")
        for target in TARGETS:
            out = folder / (name + target.replace(":", "-"))
            run(FRIT, "export", "-q", model, "-t", target, "-o", out)
            for compiler in compilers("gcc", "tcc"):
                run(*compiler, "-Wall", "-Werror", "-c", f"{name}_model.c", cwd=out)


CHECKS = [sizes, same_files, taken_names, several_targets, several_models, build_snippets, open_params, interface]
SWEEP = [aarch64, real_minilm]


def pairs(cases, everything):
    """(case, target, compilers): all of them, or each case once per target, the compilers in turn."""
    every = compilers("gcc", "g++", "clang", "tcc")
    quick = {"c": compilers("tcc") or every[:1]}  # a compiler of kernels that takes no time
    for i, make in enumerate(cases):
        for target in TARGETS:
            some = quick.get(target, every)
            yield make, target, every if everything else [some[i % len(some)]]


def main(arguments):
    everything = "--all" in arguments
    chosen = [a for a in arguments if not a.startswith("-")]
    if not compilers("gcc", "g++", "clang", "tcc"):
        print("skipped: there is no C compiler")
        return 77
    passed = failed = 0

    def attempt(what, action):
        nonlocal passed, failed
        try:
            action()
            passed += 1
            print(what, flush=True)
        except (AssertionError, subprocess.TimeoutExpired) as e:
            failed += 1
            print(f"FAILED: {what}: {e}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        cases = [c for c in CASES if not chosen or c.__name__ in chosen]
        for make, target, use in pairs(cases, everything or chosen):
            name, case = make(pathlib.Path(folder) / make.__name__)
            attempt(f"{make.__name__} for {target} with {', '.join(c[0] for c in use)}",
                    lambda: case.compare(name, target, use))
        for check in CHECKS + (SWEEP if everything or chosen else []):
            if not chosen or check.__name__ in chosen:
                attempt(check.__name__, lambda: check(pathlib.Path(folder) / check.__name__))
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
