#!/usr/bin/env python3
"""Convolutions and products along several axes, whose operands are copied as boxes of tensors: each small program on the executor
of thread IR, which must find it right, and how many copies its kernels have. FRIT_BUILD is the build's folder."""
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ["FRIT_BUILD"])
TARGET = "null:block,async,mma,wgmma,tma,threads=256,shared=220000"

WINDOWS = """model m(x: {t}[{n}, {h}, {w}, {c}], k: {t}[{o}, {r}, {r}, {c}]) -> f32[{n}, {p}, {q}, {o}] {{
    a = cast(x, f32)
    b = cast(k, f32)
    y[n, i in 0..{p}, j in 0..{q}, o] = sum[r, s, c]((a[n, i * {s} + r * {d} - {pad}, j * {s} + s * {d} - {pad}, c] ?? 0) * b[o, r, s, c])
    return y
}}
"""
ROWS_FIRST = """model m(x: f16[2, 64, 9, {w}], k: f16[72, 64, 3, 3]) -> f16[2, 72, 9, {w}] {{
    return conv2d(x, k, padding = 1)
}}
"""
HEADS = """model m(x: bf16[2, 70, {h}, {d}], w: bf16[72, {h}, {d}]) -> bf16[2, 70, 72] {{
    a = cast(x, f32)
    b = cast(w, f32)
    y[n, i, o] = sum[h, d](a[n, i, h, d] * b[o, h, d])
    return cast(y, bf16)
}}
"""
GROUPS = """model m(q: f16[2, 3, 24, 128], k: f16[2, 40, 128]) -> f16[2, 3, 24, 40] {
    a = cast(q, f32)
    b = cast(k, f32)
    s[n, g, i, j] = sum[d](a[n, g, i, d] * b[n, j, d])
    return cast(s, f16)
}
"""


def windows(t="f16", n=2, h=9, w=14, c=64, o=72, r=3, s=1, d=1, pad=1):
    p, q = ((x + 2 * pad - d * (r - 1) - 1) // s + 1 for x in (h, w))
    return WINDOWS.format(t=t, n=n, h=h, w=w, c=c, o=o, r=r, s=s, d=d, pad=pad, p=p, q=q)


# name, program, copies of boxes in its kernels
ROWS = [
    ("windows", windows(), 2),
    ("windows of f32", windows(t="f32", c=32), 2),
    ("every other position", windows(s=2), 2),
    ("spread windows", windows(d=2, pad=2), 2),
    ("one position of each window, every third", windows(r=1, s=3, pad=0), 2),
    ("rows of one tile", windows(w=7, h=7, n=5), 2),
    ("channels that are no whole chunk", windows(c=40), 0),
    ("channels outermost", ROWS_FIRST.format(w=72), 3),
    ("channels outermost, rows of 14 bytes", ROWS_FIRST.format(w=7), 0),
    ("heads", HEADS.format(h=3, d=64), 2),
    ("groups of queries", GROUPS, 2),
]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        source, tensors = pathlib.Path(folder) / "m.frit", pathlib.Path(folder) / "m.fir"
        for name, program, copies in ROWS:
            source.write_text(program)
            compile = [BUILD / "tests/gpu/bin/frit", "compile", source, "-q"]
            tensors.write_text(subprocess.run(compile + ["--emit", "tensor"], capture_output=True, text=True, check=True).stdout)
            threads = subprocess.run(compile + ["-t", TARGET, "--emit", "thread"], capture_output=True, text=True, check=True).stdout
            run = subprocess.run([BUILD / "tests/compile/run_fir", "-t", TARGET, tensors], capture_output=True, text=True)
            n = threads.count(" tensor_load(")
            wrong = run.returncode != 0 or n != copies
            failed += wrong
            print(f"{'FAILED' if wrong else 'ok'}: {name}: {n} copies of boxes ({copies})")
            if run.returncode:
                print(run.stdout[:300], run.stderr[:300])
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
