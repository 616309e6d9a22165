#!/usr/bin/env python3
"""Infinities, NaN, the largest and the smallest numbers in products of f32 on the executor: results are infinite, NaN or
finite where NumPy's are, and finite ones are close. FRIT_BIN holds the frit with the executor's device."""
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
TARGETS = ["null:block,mma", "null:block,async,mma,threads=256", "null:block,async,mma,wgmma,tma,threads=256,shared=220000",
           "null:block,warp=64,mfma", "null:block"]
MODEL = """model product(x: f32[64, 64], y: f32[64, 64]) -> (r: f32[64, 64]) {
    return x @ y
}
"""


def bits(word):
    return np.uint32(word).view(np.float32)


# name, what stands in x[3, 5], what fills row 5 of y, what the rest of x and y is made of
CASES = [("infinity", np.inf, 1.5, 1.0), ("minus infinity", -np.inf, 0.25, 1.0), ("infinity by zero", np.inf, 0.0, 1.0),
         ("infinity by the least", np.inf, 1e-45, 1.0), ("the least by infinity", 1e-45, np.inf, 1.0),
         ("NaN", np.nan, 1.0, 1.0), ("NaN of one bit", bits(0x7F800001), 1.0, 1.0), ("NaN of all bits", bits(0xFFFFFFFF), 1.0, 1.0),
         ("the largest by a half", np.finfo(np.float32).max, 0.5, 0.0), ("the largest, too large", np.finfo(np.float32).max, 2.0, 0.0)]


def matrices(single, row, rest):
    generator = np.random.default_rng(1)
    x, y = (rest * generator.standard_normal((64, 64)).astype(np.float32) for _ in range(2))
    x[3, 5], y[5, :] = single, row
    return x, y


def same(got, want):
    kinds = all(np.array_equal(test(got), test(want)) for test in (np.isnan, np.isposinf, np.isneginf))
    finite = np.isfinite(want)
    return kinds and np.allclose(got[finite], want[finite], rtol=1e-5, atol=1e-5)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "product.frit").write_text(MODEL)
        for target in TARGETS:
            package = folder / "product.fpk"
            subprocess.run([FRIT, "compile", folder / "product.frit", "-q", "-t", target, "-o", package], check=True)
            for what, *case in CASES:
                x, y = matrices(*case)
                np.save(folder / "x.npy", x), np.save(folder / "y.npy", y)
                subprocess.run([FRIT, "run", package, "-q", "-i", f"x={folder / 'x.npy'}", "-i", f"y={folder / 'y.npy'}",
                                "-o", f"r={folder / 'r.npy'}"], check=True)
                with np.errstate(all="ignore"):
                    want = (x.astype(np.float64) @ y.astype(np.float64)).astype(np.float32)
                if not same(np.load(folder / "r.npy"), want):
                    failed += 1
                    print(f"{target}: {what} differs")
    print(f"{len(TARGETS) * len(CASES)} products, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
