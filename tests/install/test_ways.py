#!/usr/bin/env python3
"""MiniLM and a convolutional network by two of the three ways to ship, each in a folder that holds nothing of frit's but
what was shipped: a package with libfrit_rt, a source with libfrit, by every C and C++ compiler here, and by the bindings.
The results are those of `frit run`, bit for bit. (The third way, exports: tests/export.) Small models with made-up
weights; --real takes the published MiniLM too (its weights are in FRIT_BUILD/minilm), --real-alone nothing else."""
import json
import os
import pathlib
import shutil
import struct
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/export"))
import test_export
from harness import FRIT, Tensor, compilers, run

BUILD = pathlib.Path(os.environ["FRIT_BUILD"])


def raw_weights(weights, folder):
    """Every param as a file, and the list of them."""
    lines = []
    for name, t in weights.items():
        path = folder / f"param-{name}"
        path.write_bytes(t.data)
        lines.append(f"{name} {len(t.dims)} {' '.join(map(str, t.dims))} {path}")
    (folder / "params").write_text("\n".join(lines) + "\n")


def read_safetensors(path):
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    return {k: Tensor("f32", v["shape"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
            for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__" and v["dtype"] == "F32"}


def prepare(case):
    """Inputs as files, the results of frit run, and the arguments of run_model."""
    case.steps = ({},)
    want = case.expected("cpu")[0]
    arguments = []
    for n, v in case.inputs.items():
        (case.folder / f"raw-{n}").write_bytes(v.data)
        arguments.append(f"{n}={case.folder / f'raw-{n}'}:{','.join(map(str, v.dims))}")
    arguments.append("->")
    for n, (_, shape) in case.outputs.items():
        shape = shape({}) if callable(shape) else shape
        arguments.append(f"{n}={case.folder / f'got-{n}'}:{','.join(map(str, shape))}")
    return want, arguments


class Prefix:
    def __init__(self, folder):
        self.path = folder / "prefix"
        run("cmake", "--install", BUILD, "--prefix", self.path, "--strip")
        self.lib = next(p.parent for p in self.path.rglob("libfrit.so"))
        self.env = ["env", f"LD_LIBRARY_PATH={self.lib}", f"FRIT_CACHE_DIR={folder}/cache", "FRIT_CACHE=on"]  # the first program compiles

    def build(self, folder, compiler, jit):
        """In a folder with the program's source alone."""
        folder.mkdir(parents=True)
        plus = compiler.endswith("++")
        source = folder / ("main.cpp" if plus else "main.c")
        shutil.copy(ROOT / "tests/export/run_model.c", source)
        flags = ["-Wall", "-Werror"] + ([] if compiler == "tcc" else ["-Wextra"]) + ([] if plus or compiler == "tcc" else ["-std=c99"])
        libraries = ["-lfrit", "-lfrit_rt"] if jit else ["-lfrit_rt"]
        run(compiler, *flags, "-DINSTALLED", *(["-DJIT"] if jit else []), f"-I{self.path}/include", source.name, "-o", "program",
            f"-L{self.lib}", *libraries, cwd=folder)
        return folder / "program"


def same(case, want, what):
    for n in case.outputs:
        got = case.folder / f"got-{n}"
        assert got.read_bytes() == want[n], f"{case.folder.name}, {what}: {n} differs from frit run"
        got.unlink()
    print(f"{case.folder.name}: {what}", flush=True)


PYTHON = """
import array, json, sys
import frit
job = json.load(open(sys.argv[1]))
def raw(path, code, dims):
    a = array.array(code)
    a.frombytes(open(path, "rb").read())
    return frit.Tensor(a, dims)
weights = {n: raw(path, "f", dims) for n, path, dims in job["weights"]}
compiler = frit.Compiler()
module = compiler.open(job["model"], defines=job["defines"], weights=weights)
w = frit.Weights(module.compile().open(), frit.Device("cpu"))
for name, value in weights.items():
    w.bind(name, value)
out = array.array("f", bytes(4 * job["elements"]))
frit.Session(w).run([raw(*i) for i in job["inputs"]], [frit.Tensor(out, job["shape"])])
open(job["to"], "wb").write(out.tobytes())
"""

LUA = """
local ffi, frit = require "ffi", require "frit"
local function raw(path, kind, dims)
    local f = assert(io.open(path, "rb"))
    local text = f:read "*a"
    f:close()
    local data = ffi.new(kind .. "[?]", #text / ffi.sizeof(kind))
    ffi.copy(data, text, #text)
    return frit.tensor(data, dims, kind == "float" and "f32" or "i64")
end
local job = dofile(arg[1])
local weights = {}
for _, w in ipairs(job.weights) do weights[w[1]] = raw(w[2], "float", w[3]) end
local module = frit.compiler():open(job.model, {defines = job.defines, weights = weights})
local w = frit.weights(module:compile():open(), frit.device "cpu")
for name, value in pairs(weights) do w:bind(name, value) end
local inputs, out = {}, ffi.new("float[?]", job.elements)
for i, v in ipairs(job.inputs) do inputs[i] = raw(v[1], v[2], v[3]) end
frit.session(w):run(inputs, {frit.tensor(out, job.shape)})
local f = assert(io.open(job.to, "wb"))
f:write(ffi.string(out, 4 * job.elements))
f:close()
"""


def lua(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{json.dumps(k)}] = {lua(v)}" for k, v in value.items()) + "}"
    return "{" + ", ".join(map(lua, value)) + "}" if isinstance(value, (list, tuple)) else json.dumps(value)


def bindings(prefix, case, want):
    (name, (_, shape)), = case.outputs.items()
    shape = list(shape({}) if callable(shape) else shape)
    n = 1
    for d in shape:
        n *= d
    job = {"model": str(case.model), "defines": {d.split("=")[0]: d.split("=")[1] for d in case.options[1::2]},
           "weights": [[k, str(case.folder / f"param-{k}"), list(t.dims)] for k, t in case.weights.items()],
           "shape": shape, "elements": n, "to": str(case.folder / f"got-{name}")}
    codes = {"f32": ("f", "float"), "i64": ("q", "int64_t")}
    for which, program, suffix, tool in ((0, PYTHON, "py", sys.executable), (1, LUA, "lua", shutil.which("luajit"))):
        if not tool:
            print("skipped: there is no luajit")
            continue
        job["inputs"] = [[str(case.folder / f"raw-{k}"), codes[t.dtype][which], list(t.dims)] for k, t in case.inputs.items()]
        script, data = case.folder / f"program.{suffix}", case.folder / f"job.{suffix}"
        script.write_text(program)
        data.write_text("return " + lua(job) if which else json.dumps(job))
        run(*prefix.env, f"PYTHONPATH={prefix.path}/share/frit/python", f"LUA_PATH={prefix.path}/share/lua/5.1/?.lua;;",
            f"FRIT_LIBRARY_PATH={prefix.lib}", tool, script, data)
        same(case, want, f"compiled by a program in {'Lua' if which else 'Python'}")


def ways(prefix, case, use):
    want, arguments = prepare(case)
    raw_weights(case.weights, case.folder)
    package = case.folder / "model.fpk"
    run(FRIT, "compile", "-q", case.model, *case.weight_options, *case.options, "-o", package)
    defines = [a for d in case.options[1::2] for a in ("-D", *d.split("="))]
    for compiler in use:
        program = prefix.build(case.folder / f"package-{compiler}", compiler, False)
        run(*prefix.env, program, package, *arguments)
        same(case, want, f"package, {compiler}")
        program = prefix.build(case.folder / f"jit-{compiler}", compiler, True)
        run(*prefix.env, program, case.model, *defines, "-w", case.folder / "params", *arguments)
        same(case, want, f"compiled by a program of {compiler}")
    bindings(prefix, case, want)


def main(arguments):
    use = [c[0] for c in compilers("gcc", "g++", "clang", "tcc")]
    if not use or not shutil.which("cmake"):
        print("skipped: a C compiler and cmake are wanted")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prefix = Prefix(folder)
        for make in () if "--real-alone" in arguments else (test_export.minilm, test_export.resnet50):
            name, case = make(folder / make.__name__)
            ways(prefix, case, use)
        if "--real" in arguments or "--real-alone" in arguments:
            case = test_export.real_minilm_case(folder / "real_minilm")
            held = read_safetensors(BUILD / "minilm/model.safetensors")
            case.weights = {k: v for k, v in held.items() if not k.startswith("pooler.")}  # the model does without that layer
            ways(prefix, case, use)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
