#!/usr/bin/env python3
"""Contractions in parts (passes/lower_parts.h), streamed rows (passes/schedule_parts.c) and scans (passes/schedule_scan.c) on the
executor: right within the interpreter's bound, and the same bits however many blocks there are and in whatever order they come.
FRIT_BIN holds the frit with the executor's device."""
import os
import pathlib
import subprocess
import sys
import tempfile

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
WARP = "null:block,async,mma"
FOUR = "null:block,async,mma,wgmma,tma,threads=256,shared=220000"
PLAIN = """model m(x: {t}[{m}, {k}], y: {t}[{k}, {n}], b: {s}[{n}]) -> (r: {s}[{m}, {n}]) {{
    return maximum({s}(x) @ {s}(y) + b, {s}(0))
}}
"""
ALONG = """model m(x: {t}[{m}, {k}], y: {t}[{n}, {k}]) -> (r: {t}[{m}, {n}]) {{
    return {t}({s}(x) @ transpose({s}(y)))
}}
"""
BATCH = """model m(x: {t}[B, {m}, {k}], y: {t}[B, {k}, {n}]) -> (r: {s}[B, {m}, {n}]) {{
    return {s}(x) @ {s}(y)
}}
"""
# A query, or a few, against many keys: by length of a tensor, up to a position, of f32, with groups of heads and without.
MASKED = """model m(q: {t}[4, 64], k: {t}[S, 2, 64], v: {t}[S, 2, 64], n: i64[]) -> (r: f32[4, 64]) {{
    on[s in 0..S] = s < n
    return f32(reshape(attention(reshape(q, [4, 1, 64]), transpose(k, perm = [1, 0, 2]), transpose(v, perm = [1, 0, 2]),
                                 reshape(on, [1, S])), [4, 64]))
}}
"""
CACHE = """model m(q: {t}[B, 8, S, 64], k: {t}[B, 2, 2048, 64], v: {t}[B, 2, 2048, 64], pos: int) -> (r: {t}[B, 8, S, 64]) {{
    assert pos + S <= 2048
    n = pos + S
    return attention(q, k[:, :, :n], v[:, :, :n], causal = true)
}}
"""
QUERIES = """model m(q: {t}[3, {m}, 40], k: {t}[3, S, 40], v: {t}[3, S, 36]) -> (r: {t}[3, {m}, 36]) {{
    return attention(q, k, v, causal = true, scale = 2.5)
}}
"""
OPEN = {"t": "bf16", "s": "f32", "m": "M", "n": "N", "k": 1000}
ROLES = {"t": "bf16", "s": "f32", "m": "M", "n": 256, "k": 1024}
CONSTANT = {"t": "f16", "s": "f32", "m": 200, "n": 130, "k": 2048}
WIDE = {"t": "bf16", "s": "f32", "m": "M", "n": 512, "k": 2048}
F32 = {"t": "f32", "s": "f32", "m": "M", "n": 80, "k": 700}
I8 = {"t": "i8", "s": "i32", "m": "M", "n": 128, "k": 4096}

# Running sums, and the like, of few long lines.
SCAN = """model m(x: {t}[B, {n}]) -> (r: {s}[B, {n}]) {{
    return {how}
}}
"""
SHORT = "null:block,async,mma,threads=32"
# target without its number of blocks, blocks, program, sizes of its dims
CASES = [(WARP, 5, PLAIN, OPEN, ["M=37,N=70", "M=1,N=300", "M=150,N=200"]), (WARP, 7, ALONG, F32, ["M=16", "M=130"]),
         (WARP, 16, PLAIN, CONSTANT, [""]), (FOUR, 6, ALONG, ROLES, ["M=1", "M=130", "M=500"]),
         (FOUR, 9, PLAIN, ROLES, ["M=64", "M=300"]),
         (FOUR, 16, PLAIN, WIDE, ["M=200"]), (FOUR, 18, ALONG, WIDE, ["M=300"]), (FOUR, 4, ALONG, F32, ["M=100"]), (FOUR, 5, ALONG, I8, ["M=140"]), (FOUR + ",cluster=64", 9, ALONG, I8 | {"m": 64}, [""]),
         (WARP, 11, BATCH, CONSTANT, ["B=3"]), ("null:block,warp=64,mfma,mfma_i8_32", 5, ALONG, I8, ["M=70"]),
         (WARP, 108, CACHE, {"t": "f16"}, ["B=1,S=1,pos=900", "B=2,S=1,pos=1", "B=1,S=3,pos=70"]),
         (WARP, 12, MASKED, {"t": "bf16"}, ["S=700", "S=5"]), (FOUR, 64, QUERIES, {"t": "f32", "m": 1}, ["S=777", "S=512"]),
         ("null:block,warp=64,mfma", 40, QUERIES, {"t": "f16", "m": 5}, ["S=1000"]), ("null:block", 9, CACHE, {"t": "f32"}, ["B=3,S=1,pos=600"]),
         (SHORT, 9, SCAN, {"t": "f32", "s": "f32", "n": "N", "how": "cumsum(x, axis = 1)"}, ["B=1,N=9000", "B=3,N=2500", "B=1,N=1025", "B=2,N=70"]),
         ("null:block,warp=64,threads=64", 30, SCAN, {"t": "i8", "s": "i64", "n": 5000, "how": "cumsum(i64(x) * 3, axis = 1, exclusive = true, reverse = true)"}, ["B=2"]),
         (SHORT, 16, SCAN, {"t": "i8", "s": "i8", "n": 3001, "how": "cummax(x, axis = 1, reverse = true)"}, ["B=1"]),
         (SHORT, 5, SCAN, {"t": "bf16", "s": "bf16", "n": "N", "how": "-cummax(-x, axis = 1)"}, ["B=2,N=4000"]),
         ("null:block,wmma", 6, PLAIN, OPEN, ["M=65,N=66"]), ("null:block", 5, PLAIN, OPEN, ["M=40,N=90"])]
DEVICES = range(3)  # each runs another number of blocks, in another order


def frit(*args):
    done = subprocess.run([FRIT, *args], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, args))}: {done.stdout}{done.stderr}")
    return done.stdout


def results(folder, target, program, sizes):
    """What every device gives, byte for byte; the first one's is compared with the interpreter's."""
    source, out = folder / "m.frit", folder / "r.npy"
    source.write_text(program)
    dims = [word for size in sizes.split(",") if size for word in ("-D", size)]
    for device in DEVICES:
        check = [] if device else ["--check"]
        frit("run", source, "-q", "-t", target, "--device", str(device), *dims, *check, "-o", f"r={out}")
        yield out.read_bytes()


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for block, blocks, form, dims, sizes in CASES:
            program, target = form.format(**dims), f"{block},blocks={blocks}"
            for size in sizes:
                bits = set(results(folder, target, program, size))
                in_parts = "_parts" in frit("compile", folder / "m.frit", "-q", "-t", target, "--emit", "thread")
                if len(bits) != 1 or not in_parts:
                    failed += 1
                    print(f"{target} {size}: {len(bits)} results, {'in parts' if in_parts else 'whole'}\n{program}")
    print(f"{sum(len(case[-1]) for case in CASES)} launches, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
