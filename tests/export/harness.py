"""Exported models against `frit run`: the same inputs, weights and states, results compared byte for byte.

A case is run by a C program made here from the case's description; it is built in a folder that holds nothing but the
exported files and itself. Standard library only."""
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
EXAMPLES = ROOT / "docs/examples"
CFLAGS = ["-O1", "-Wno-psabi", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]

NUMPY = {"f64": "<f8", "f32": "<f4", "i64": "<i8", "i32": "<i4", "i16": "<i2", "i8": "|i1", "u64": "<u8", "u32": "<u4",
         "u16": "<u2", "u8": "|u1", "bool": "|b1", "f16": "<f2"}
CODE = {"f64": "d", "f32": "f", "i64": "q", "i32": "i", "i16": "h", "i8": "b", "u64": "Q", "u32": "I", "u16": "H",
        "u8": "B", "bool": "B", "f16": "e"}
CTYPE = {"f64": "double", "f32": "float", "i64": "int64_t", "i32": "int32_t", "i16": "int16_t", "i8": "int8_t",
         "u64": "uint64_t", "u32": "uint32_t", "u16": "uint16_t", "u8": "uint8_t", "bool": "uint8_t", "f16": "uint16_t"}


def count(dims):
    n = 1
    for d in dims:
        n *= d
    return n


class Tensor:
    def __init__(self, dtype, dims, data):
        self.dtype, self.dims, self.data = dtype, tuple(dims), data

    @staticmethod
    def of(dtype, dims, values):
        return Tensor(dtype, dims, struct.pack(f"<{count(dims)}{CODE[dtype]}", *values))

    @staticmethod
    def random(dtype, dims, seed, lo=-1, hi=1):
        r = random.Random(seed)
        draw = (lambda: r.uniform(lo, hi)) if dtype[0] == "f" else (lambda: r.randint(lo, hi))
        return Tensor.of(dtype, dims, [draw() for _ in range(count(dims))])

    def npy(self):
        shape = "(" + "".join(f"{d}, " for d in self.dims) + ")"
        header = f"{{'descr': '{NUMPY[self.dtype]}', 'fortran_order': False, 'shape': {shape}}}".encode()
        header += b" " * (-(len(header) + 11) % 64) + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + self.data


def read_npy(path):
    raw = path.read_bytes()
    return raw[10 + struct.unpack("<H", raw[8:10])[0]:]


def safetensors(tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        header[name] = {"dtype": t.dtype.upper(), "shape": list(t.dims), "data_offsets": [len(data), len(data) + len(t.data)]}
        data += t.data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


LIMIT = int(os.environ.get("FRIT_TEST_LIMIT", 300))  # seconds for a command; more on a busy machine


def run(*command, cwd=None, status=0, timeout=LIMIT):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd, timeout=timeout)
    assert done.returncode == status, f"{' '.join(map(str, command))}: status {done.returncode}\n{(done.stdout + done.stderr)[:2000]}"
    return done


class Case:
    """model: path of a .frit file. inputs: name -> Tensor or int (host integers). outputs: name -> (dtype, dims).
    dims: those that the C function takes, in order. weights: name -> Tensor, or None. steps: several runs in a row on
    one context, each a dict of inputs that differ. extents: device symbols of the outputs, in order."""

    def __init__(self, folder, model, inputs, outputs, dims=(), weights=None, where="beside", states=(), state_dims=(),
                 steps=({},), extents=(), options=(), seed=None):
        self.folder, self.model, self.inputs, self.outputs = pathlib.Path(folder), model, inputs, outputs
        self.dims, self.weights, self.where, self.states, self.state_dims = dims, weights, where, states, state_dims
        self.steps, self.extents, self.options, self.seed = steps, extents, options, seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.weight_options = []
        if weights is not None:
            path = self.folder / "weights.safetensors"
            path.write_bytes(weights if isinstance(weights, bytes) else safetensors(weights))
            self.weight_options = ["-w", path]

    # ---- frit run ----
    def expected(self, target):
        results, state = [], self.folder / f"state-{target}.npz".replace(":", "-")
        state.unlink(missing_ok=True)
        for step in self.steps:
            command = [FRIT, "run", "-q", self.model, "-t", target, "--threads", 1, *self.weight_options, *self.options]
            for name, value in {**self.inputs, **step}.items():
                if isinstance(value, int):
                    command += ["-i", f"{name}={value}"]
                    continue
                path = self.folder / f"in-{name}.npy"
                path.write_bytes(value.npy())
                command += ["-i", f"{name}={path}"]
            for name in self.outputs:
                command += ["-o", f"{name}={self.folder / f'want-{name}.npy'}"]
            if self.states:
                command += ["--state", state]
            if self.seed is not None:
                command += ["--seed", self.seed]
            run(*command)
            results.append({name: read_npy(self.folder / f"want-{name}.npy") for name in self.outputs})
        return results

    # ---- export, build, run ----
    def export(self, target, folder=None):
        folder = folder or self.folder / ("export-" + target.replace(":", "-").replace("+", "-"))
        shutil.rmtree(folder, ignore_errors=True)
        command = [FRIT, "export", "-q", self.model, "-t", target, "-o", folder, *self.weight_options, *self.options]
        if self.weights is not None:
            command += ["--weights", self.where]
        run(*command)
        return folder

    def program(self, name, folder):
        """A C99 and C++ program: reads in-STEP-NAME, writes out-STEP-NAME."""
        c = [f'#include "{name}.h"', "#include <stdio.h>", "#include <stdlib.h>", "",
             "static void *load(const char *path, size_t bytes) {",
             "    void *p = malloc(bytes + 1);", '    FILE *f = fopen(path, "rb");',
             "    if (!p || !f || fread(p, 1, bytes, f) != bytes) exit(2);", "    fclose(f);", "    return p;", "}",
             "static void store(const char *path, const void *p, size_t bytes) {",
             '    FILE *f = fopen(path, "wb");', "    if (!f || fwrite(p, 1, bytes, f) != bytes) exit(2);",
             "    fclose(f);", "}",
             f"static void check({name}_status s) {{",
             f"    if (s == {name.upper()}_OK) return;",
             f'    fprintf(stderr, "%s\\n", {name}_status_text(s));', "    exit(1);", "}", "", "int main(void) {",
             f"    {name}_context *context;"]
        create = []
        if self.weights is not None and self.where == "beside":
            c += [f"    {name}_weights *weights;", f'    check({name}_weights_open("{name}.weights", &weights));']
            create.append("weights")
        if self.weights is not None and self.where == "none":
            header = (folder / f"{name}.h").read_text()
            c += [f"    {name}_weights *weights;", f"    {name}_params params;"]
            for kind, field, path in re.findall(r'^    const (\w+) \*(\w+); /\* "([^"]+)"', header, re.M):
                c.append(f'    params.{field} = (const {kind} *)load("param-{path}", {len(self.weights[path].data)});')
            c.append(f"    check({name}_weights_from_params(&params, &weights));")
            create.append("weights")
        create += [str(d) for d in self.state_dims]
        if self.seed is not None:
            create.append(str(self.seed))
        c.append(f"    check({name}_create({', '.join(create + ['&context'])}));")
        for i, step in enumerate(self.steps):
            inputs = {**self.inputs, **step}
            dims = self.dims(step) if callable(self.dims) else self.dims
            arguments = ["context"] + [str(d) for d in dims]
            c.append("    {")
            for k, (n, v) in enumerate(inputs.items()):
                if isinstance(v, int):
                    arguments.append(str(v))
                    continue
                t = CTYPE[v.dtype]
                c.append(f'        {t} *i{k} = ({t} *)load("in-{i}-{n}", {len(v.data)});')
                arguments.append(f"i{k}")
            for k, (n, (dtype, _)) in enumerate(self.outputs.items()):
                size = self.output_bytes(n, step)
                c.append(f"        {CTYPE[dtype]} *o{k} = ({CTYPE[dtype]} *)malloc({size} + 1);")
                arguments.append(f"o{k}")
            for e in self.extents:
                c.append(f"        int64_t {e} = -1;")
                arguments.append(f"&{e}")
            c.append(f"        check({name}_run({', '.join(arguments)}));")
            for k, (n, (dtype, shape)) in enumerate(self.outputs.items()):
                size = self.output_bytes(n, step)
                if self.extents and any(isinstance(d, str) for d in shape):
                    size = " * ".join(["(size_t)" + d if isinstance(d, str) else str(d) for d in shape] +
                                      [f"sizeof({CTYPE[dtype]})"])
                c.append(f'        store("out-{i}-{n}", o{k}, {size});')
                c.append(f"        free(o{k});")
            c += [f"        free(i{k});" for k, v in enumerate(inputs.values()) if not isinstance(v, int)]
            c.append("    }")
        c.append(f"    {name}_destroy(context);")
        if create and create[0] == "weights":
            c.append(f"    {name}_weights_free(weights);")
        return "\n".join(c + ["    return 0;", "}", ""])

    def output_bytes(self, name, step):
        dtype, shape = self.outputs[name]
        shape = shape(step) if callable(shape) else shape
        return count([d if isinstance(d, int) else self.bound for d in shape]) * struct.calcsize("<" + CODE[dtype])

    bound = 0  # room for an extent that depends on data

    def build_and_run(self, folder, name, compiler, target, emulator=()):
        """Builds with `compiler` (a list) where only exported files are, runs, returns the outputs of each step."""
        place = folder / ("build-" + compiler[0].replace("+", "x"))
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place, ignore=shutil.ignore_patterns("build-*"))
        (place / "main.c").write_text(self.program(name, folder))
        plus = compiler[0].endswith("++")
        tcc = compiler[0] == "tcc"
        flags = ["-Wall", "-Werror", "-std=c99"] if tcc else CFLAGS + ([] if plus else ["-std=c99", "-pedantic"])
        sources = [f"{name}.c", "main.c"]
        objects = [f"{name}_kernels.o"] if (place / f"{name}_kernels.o").exists() else []
        if plus:
            sources = ["-x", "c++", *sources, "-x", "none"]
        run(compiler[0], *flags, *compiler[1:], *sources, *objects, "-o", "program", "-lm", cwd=place)
        for i, step in enumerate(self.steps):
            for n, v in {**self.inputs, **step}.items():
                if not isinstance(v, int):
                    (place / f"in-{i}-{n}").write_bytes(v.data)
        for n, t in (self.weights or {}).items() if self.where == "none" else ():
            (place / f"param-{n}").write_bytes(t.data)
        run(*emulator, "./program", cwd=place)
        return [{n: (place / f"out-{i}-{n}").read_bytes() for n in self.outputs} for i in range(len(self.steps))]

    def compare(self, name, target, compilers, run_target=None):
        want = self.expected(run_target or target)
        folder = self.export(target)
        for compiler in compilers:
            got = self.build_and_run(folder, name, compiler, target)
            for i, (a, b) in enumerate(zip(want, got)):
                for n in self.outputs:
                    assert len(a[n]) == len(b[n]), f"{target}, {compiler[0]}, step {i}: {n} has {len(b[n])} bytes, not {len(a[n])}"
                    assert a[n] == b[n], f"{target}, {compiler[0]}, step {i}: {n} differs from frit run"
        return folder


def compilers(*names):
    """Those that are installed, as commands."""
    return [[n] for n in names if shutil.which(n)]
