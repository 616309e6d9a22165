#!/usr/bin/env python3
"""Rows of open length on the executor: one package each for softmax, norms and losses, run for row lengths on either side of where
its sets of grids begin and end, against NumPy in f64. FRIT_BIN holds the frit with the executor's device. --full: more lengths,
numbers of rows and forms of a block."""
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: NumPy is missing")
    sys.exit(77)

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
FULL = "--full" in sys.argv[1:]
# The first holds 2048 f32 of a row, short ones 512; the second 8192 and 1024, as most CUDA devices do.
SMALL, LARGE = "null:block,async,mma", "null:block,async,mma,threads=256,shared=131072"
TARGETS = [SMALL, LARGE, "null:block,warp=64,mfma,threads=256,shared=65536", "null:block,threads=64,shared=4096"] if FULL else [SMALL]
SIZES = ([(b, n) for b in (1, 7, 16, 300) for n in (1, 3, 31, 127, 1000, 1024, 4097)] +
         [(1, 0), (16, 50257), (3, 512), (3, 513), (3, 516), (3, 2048), (3, 2052), (2, 8192), (2, 8196)]) if FULL else [
             (1, 1), (7, 3), (16, 31), (7, 127), (2, 0), (5, 512), (5, 513), (3, 516), (3, 2048), (3, 2052), (2, 4097), (2, 10244)]
SPECIAL, SPECIAL_LENGTHS = ("softmax", "logsumexp"), (40, 515, 2044, 4097, 6148)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=-1, keepdims=True)


def logsumexp(x):
    m = x.max(axis=-1, keepdims=True, initial=-np.inf)
    m = np.where(np.isfinite(m), m, 0)
    return (np.log(np.exp(x - m).sum(axis=-1, keepdims=True)) + m)[..., 0]


def layer_norm(x, w, b):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5) * w + b


def rms_norm(x, w):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6) * w


def cross_entropy(x, t):
    return logsumexp(x) - x[np.arange(len(x)), t] if x.shape[1] else np.zeros(len(x))


# name -> program, what it computes, its inputs (x: rows; w, b: vectors; t: positions of a row), how close
CASES = {
    "softmax": ("x: f32[B, N]) -> (r: f32[B, N]) { return softmax(x) }", softmax, "x", 1e-5),
    "softmax of 16 bits": ("x: f16[B, N]) -> (r: f16[B, N]) { return softmax(x) }", softmax, "x", 2e-3),
    "log_softmax": ("x: f32[B, N]) -> (r: f32[B, N]) { return log_softmax(x) }", lambda x: x - logsumexp(x)[:, None], "x", 1e-5),
    "logsumexp": ("x: f32[B, N]) -> (r: f32[B]) { return logsumexp(x, axis = -1) }", logsumexp, "x", 1e-5),
    "layer_norm": ("x: f32[B, N], w: f32[N], b: f32[N]) -> (r: f32[B, N]) { return layer_norm(x, weight = w, bias = b) }",
                   layer_norm, "xwb", 1e-4),
    "layer_norm of a sum": ("x: f32[B, N], y: f32[B, N], w: f32[N], b: f32[N]) -> (r: f32[B, N]) "
                            "{ return layer_norm(x + y, weight = w, bias = b) }",
                            lambda x, y, w, b: layer_norm(x + y, w, b), "xywb", 1e-4),
    "rms_norm": ("x: f32[B, N], w: f32[N]) -> (r: f32[B, N]) { return rms_norm(x, weight = w) }", rms_norm, "xw", 1e-5),
    "cross_entropy": ("x: f32[B, N], t: i32[B]) -> (r: f32[B]) { return cross_entropy(x, t, reduction = \"none\") }",
                      cross_entropy, "xt", 1e-5),
}


def value(name, rows, length, half):
    generator = np.random.default_rng(ord(name))
    if name == "t":
        return generator.integers(0, max(length, 1), rows).astype(np.int32)
    v = generator.standard_normal((rows, length) if name in "xy" else length) * (5 if name == "x" else 1)
    return v.astype(np.float16 if half else np.float32)


def strange(rows, length):
    """Rows of which the beginning, or all, is -inf, or one element is infinite or NaN."""
    x = value("x", rows, length, False)
    x[0, :length * 3 // 4] = -np.inf
    x[1, :] = -np.inf
    x[2, length // 2] = np.inf
    x[3, length - 1] = np.nan
    x[4, length - 1] = 3e38
    return x


def runs_right(folder, package, case, rows, length, special=False):
    program, compute, names, close = case
    inputs = {n: value(n, rows, length, "f16" in program) for n in names}
    if special:
        inputs["x"] = strange(rows, length)
    command = [FRIT, "run", package, "-q", "-o", f"r={folder / 'r.npy'}"]
    for name, v in inputs.items():
        np.save(folder / f"{name}.npy", v)
        command += ["-i", f"{name}={folder / f'{name}.npy'}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr)
        return False
    with np.errstate(all="ignore"):
        want = compute(*(v.astype(np.float64) if v.dtype != np.int32 else v for v in inputs.values()))
    return np.allclose(np.load(folder / "r.npy").astype(np.float64), want, rtol=close, atol=close, equal_nan=True)


def main():
    failed = n = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for target in TARGETS:
            for what, case in CASES.items():
                (folder / "m.frit").write_text(f"model m({case[0]}")
                package = folder / "m.fpk"
                subprocess.run([FRIT, "compile", folder / "m.frit", "-q", "-t", target, "-o", package], check=True)
                for rows, length in SIZES:
                    n += 1
                    if not runs_right(folder, package, case, rows, length):
                        failed += 1
                        print(f"{target}: {what} of {rows} rows of {length} differs")
                for length in SPECIAL_LENGTHS if what in SPECIAL else ():
                    n += 1
                    if not runs_right(folder, package, case, 6, length, True):
                        failed += 1
                        print(f"{target}: {what} of special numbers in rows of {length} differs")
    print(f"{n} runs, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
