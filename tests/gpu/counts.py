#!/usr/bin/env python3
"""What kernels for blocks of threads are made of, counted in their thread IR: barriers, products, arithmetic on operands, memory.
Each row says how many there are, so that a change of the lowering shows. FRIT_BIN holds the frit with the executor's device."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
WARP = "null:block,async,mma,threads=256,shared=160000"
FOUR = "null:block,async,mma,wgmma,tma,threads=256,shared=220000"

CDNA = "null:block,warp=64,mfma,threads=256,shared=65536"
RDNA = "null:block,wmma_rdna4,threads=256,shared=65536"
RDNA3 = "null:block,wmma,threads=256,shared=65536"

SOFTMAX = """model m(x: f32[4, 262144]) -> f32[4, 262144] {
    return softmax(x)
}
"""
LAYER_NORM = """model m(x: bf16[4, 200000], w: bf16[200000]) -> bf16[4, 200000] {
    return layer_norm(x, weight = w)
}
"""
ROW_SUM = """model m(x: f32[4, 131072]) -> f32[4] {
    return sum(x, axis = 1)
}
"""
CLUSTER = "null:block,async,mma,threads=256,shared=220000,blocks=132,cluster=4096"
PLAIN = """model m(x: {t}[1024, 512], y: {t}[512, 1024], b: f32[1024]) -> f32[1024, 1024] {{
    return f32(x) @ f32(y) + b
}}
"""
ATTENTION = """model m(q: bf16[B, 8, S, 64], k: bf16[B, 8, T, 64], v: bf16[B, 8, T, 64]) -> bf16[B, 8, S, 64] {
    return attention(q, k, v)
}
"""
ATTENTION_F32 = ATTENTION.replace("bf16", "f32")
LARGE = """model m(x: bf16[4096, 4096], y: bf16[4096, 8192]) -> bf16[4096, 8192] {
    return x @ y
}
"""
SMALL = """model m(q: bf16[4, 256, 64], k: bf16[4, 256, 64], v: bf16[4, 256, 64]) -> bf16[4, 256, 64] {
    return attention(q, k, v)
}
"""
STRIP = """model m(x: bf16[1, 4096], y: bf16[4096, 4096]) -> bf16[1, 4096] {
    return x @ y
}
"""
DECODE = """model m(x: bf16[M, 4096], y: bf16[4096, 4096]) -> bf16[M, 4096] {
    return x @ y
}
"""
ENCODER = """model m(x: f16[8, 197, 768]) -> f16[8, 197, 768] {
    param g: f16[768], b: f16[768], wqkv: f16[2304, 768], bq: f16[2304], wo: f16[768, 768], bo: f16[768]
    h = layer_norm(x, g, b)
    qkv = reshape(h @ wqkv.T + bq, [8, 197, 3, 12, 64])
    q = transpose(qkv[:, :, 0], [0, 2, 1, 3])
    k = transpose(qkv[:, :, 1], [0, 2, 1, 3])
    v = transpose(qkv[:, :, 2], [0, 2, 1, 3])
    p = softmax(q @ k.T * 0.125)
    return x + reshape(transpose(p @ v, [0, 2, 1, 3]), [8, 197, 768]) @ wo.T + bo
}
"""
ROTARY = """model m(x: bf16[1, 2048, 4096]) -> bf16[1, 32, 2048, 128] {
    param wq: bf16[4096, 4096], wk: bf16[1024, 4096], wv: bf16[1024, 4096]
    q = transpose(reshape(x @ wq.T, [1, 2048, 32, 128]), [0, 2, 1, 3])
    k = transpose(reshape(x @ wk.T, [1, 2048, 8, 128]), [0, 2, 1, 3])
    v = transpose(reshape(x @ wv.T, [1, 2048, 8, 128]), [0, 2, 1, 3])
    return attention(rope(q), rope(k), v, causal = true)
}
"""
DOUBLES = """model m(x: f64[N, N]) -> f64[N, N] {
    return x @ x.T
}
"""
FEW_TILES = """model m(x: bf16[256, 16384], y: bf16[16384, 256]) -> f32[256, 256] {
    return f32(x) @ f32(y)
}
"""
ATTEND = """model m(q: f16[B, 32, S, 128], k: f16[B, 8, 4096, 128], v: f16[B, 8, 4096, 128], pos: int) -> f16[B, 32, S, 128] {
    assert pos + S <= 4096
    n = pos + S
    return attention(q, k[:, :, :n], v[:, :, :n], causal = true)
}
"""
GROUPS = """model m(x: f16[{m}, 4096], w: i8[4096, 32, 128], s: f16[4096, 32]) -> f16[{m}, 4096] {{
    return x @ transpose(reshape(f16(f32(w) * f32(reshape(s, [4096, 32, 1]))), [4096, 4096]))
}}
"""
LONG_ROWS = """model m(x: f32[4, 262144]) -> f32[4, 262144] {
    return softmax(x)
}
"""
OPEN_ROWS = """model m(x: f32[B, N]) -> f32[B, N] {
    return softmax(x)
}
"""
NARROW = """model m(x: i8[64, 262144], y: i8[64, 262144]) -> i32[64, 64] {
    return i32(x) @ transpose(i32(y))
}
"""
LINE = """model m(x: f32[N]) -> f32[N] {
    return cumsum(x, axis = 0)
}
"""
DIFFERENTIAL = """model m(p: f16[B, 16, S, S], v: f16[B, 8, S, 64], lam: f32[8]) -> f16[B, 8, S, 64] {
    a = softmax(reshape(f32(p), [B, 8, 2, S, S]))
    return f16(a[:, :, 0] - lam[:, none, none] * a[:, :, 1]) @ v
}
"""
TWO_SOFTMAXES = """model m(q: f16[2, 4, S, 32], k: f16[2, 4, S, 32], v: f16[2, 2, S, 64]) -> f16[2, 2, S, 64] {
    ok[i in 0..S, j in 0..S] = j <= i
    a = reshape(softmax(where(ok, f32(q @ k.T), -inf)), [2, 2, 2, S, S])
    return f16(a[:, :, 0] - a[:, :, 1]) @ v
}
"""
CHANNELS = """model m(x: f32[64, 33, 32, 32]) -> f32[33] {
    return sum(x, axis = [0, 2, 3])
}
"""
LAST_CHANNELS = """model m(x: f16[64, 64, 64, 64]) -> f16[64] {
    return max(x, axis = [0, 1, 2])
}
"""
BATCH_NORM = """model m(x: bf16[128, 64, 56, 56]) -> bf16[128, 64, 56, 56] {
    c = f32(x)
    d = c - mean(c, axis = [0, 2, 3], keepdims = true)
    return bf16(d * rsqrt(mean(d * d, axis = [0, 2, 3], keepdims = true) + 1e-5))
}
"""
GROUP_NORM = """model m(x: f16[32, 64, 62, 62], w: f16[64], b: f16[64]) -> (y: f16[32, 64, 62, 62], m: f16[32]) {
    g = group_norm(x, w, b, num_groups = 16)
    return x + tanh(g), mean(g, axis = [1, 2, 3])
}
"""
BARRIER = r"\b(?:part_)?barrier\("
SPLIT = r" (?:add|sub|and|or|shr|not|select)\(.*: (?:i32|f32)x"

# name, target, program, what is counted: how many at most (=: exactly)
ROWS = [
    ("few long rows are read once, by clusters", CLUSTER, SOFTMAX,
     {r"func thread @.* cluster 8": "=1", r"= load\(.*: f32x4": "4", r"cluster_barrier\(": "=3", r" barrier\(": "6", r"cluster_ptr\(": "=16"}),
    ("of 16 bits, with a ragged last part", CLUSTER, LAYER_NORM, {r"func thread @.* cluster 8": "=1", r"cluster_barrier\(": "=3"}),
    ("a sum of few long rows is one kernel", CLUSTER, ROW_SUM, {r"func thread @.* cluster 8": "=1", r"cluster_barrier\(": "=2"}),
    ("16 bits, straight from registers", WARP, PLAIN.format(t="bf16"), {BARRIER: "2", "mma_m16n8k16_bf16": "=8"}),
    ("16 bits, copied by a part of the block", FOUR, PLAIN.format(t="bf16"), {BARRIER: "=1", r"\bwgmma\(": "=4", "tensor_load": "=2"}),
    ("f32 in parts: three ops an operand", WARP, PLAIN.format(t="f32"), {BARRIER: "2", "mma_m16n8k8_tf32": "=24", SPLIT: "36"}),
    ("f32 in parts, four warps", FOUR, PLAIN.format(t="f32"), {BARRIER: "3", r"\bwgmma\(": "=12", SPLIT: "21"}),
    ("attention of 16 bits multiplies 16 bits", WARP, ATTENTION, {"tf32": "=0", "mma_m16n8k16_bf16": "=64"}),
    ("the same by products of four warps, exponentials from registers, keys and values in boxes", FOUR, ATTENTION,
     {BARRIER: "=5", r"\bwgmma\(.*f32x32": "=8", r"\bwgmma\(%\d+, %\d+, %v_tile, %\d+\)": "=4", "tensor_load": "=4", "copy_async": "4", r"ptradd\(%scratch": "=0", "func thread @": "=1"}),
    ("few tiles of a long product are done in parts", FOUR + ",blocks=64", FEW_TILES, {r"func thread @": "=2"}),
    ("f32: of sums in parts the small ones have been added", WARP + ",blocks=64", FEW_TILES.replace("bf16", "f32"),
     {r"func thread @": "=2", r"= load\(.*: f32x4": "16"}),
    ("f64: as many sums as there are registers for", "null:block,threads=256,shared=160000", DOUBLES, {r"= fma\(": "=72"}),
    ("16 bits, large: both launches 128 x 256, each multiplying warpgroup 64 x 256", FOUR + ",blocks=132", LARGE,
     {r"\bwgmma\(": "=8", r"tensor_map\(.*box = \[64, (?:128|64)\]": "=4", r"wgmma\(.*f32x128": "=8"}),
    ("attention: a barrier in the loop over chunks, three around it; nothing in global scratch", WARP, ATTENTION,
     {BARRIER: "=4", r"ptradd\(%scratch": "=0", r"shuffle\(": "14", "ldmatrix": "36", "func thread @": "=1"}),
    ("small attention is one kernel too", WARP, SMALL, {"func thread @": "=1", BARRIER: "=4", r"ptradd\(%scratch": "=0"}),
    ("on MFMA operands pass through registers: a barrier a chunk", CDNA, ATTENTION, {BARRIER: "=4", r"mfma_16x16x16_bf16": "=32", r"ptradd\(%scratch": "=0"}),
    ("on WMMA of RDNA 4", RDNA, ATTENTION, {BARRIER: "=4", "wmma4_16x16x16_bf16": "=32", r"ptradd\(%scratch": "=0"}),
    ("on WMMA of RDNA 3: each thread tells its twin what it has", RDNA3, ATTENTION,
     {BARRIER: "=4", r"name = .wmma_16x16x16_bf16": "=32", r"shuffle\(": "24", r"ptradd\(%scratch": "=0"}),
    ("of f32 in parts: scores are split where they are", WARP, ATTENTION_F32,
     {BARRIER: "=4", "mma_m16n8k8_tf32": "=384", r"ptradd\(%scratch": "=0", r"shuffle\(": "14", "func thread @": "=1"}),
    ("of f32 on MFMA: room for one chunk", CDNA, ATTENTION_F32, {BARRIER: "=5", "mfma_16x16x4_f32": "=128", r"ptradd\(%scratch": "=0"}),
    ("a vector by a matrix: 256 tasks of vectors of the matrix", FOUR + ",blocks=132", STRIP,
     {r"= load\(.*bf16x8": "=1", r"tasks t < 256:": "=1"}),
    ("a norm before a product of 16 bits is made once, and read in boxes", FOUR + ",blocks=132", ENCODER,
     {r"func thread @\w+\(%x: ptr f16, %g: ptr f16": "=1", r"func thread @\w+_parts": "=2", r"func thread @": "=6", "tensor_load": "=12"}),
    ("attention behind projections: groups of heads in the grid, keys turned once", FOUR + ",blocks=132", ROTARY,
     {r"tasks i1 < 8, i1_2 < 4, t < 16:": "=1", r"ptr bf16, %result: ptr bf16": "=1", r"func thread @": "=5", r"\(%wq[^)]*: ptr f32": "=0"}),
    ("one query, many keys: keys in parts, two launches, and a form for many queries", WARP + ",blocks=108", ATTEND,
     {r"func thread @\w+_parts\(": "=1", r"func thread @": "=2", r"if [^\n]*, tasks i0 < B, i1 < 8, part < parts_2": "=1",
      r"= load\(.*: f16x4": "=0", r"store\(%partial_\d, .*{align = 16}": "=8"}),
    ("weights in groups by a vector: one kernel, no memory of its own, four rows under way", WARP + ",blocks=108", GROUPS.format(m=1),
     {"func thread @": "=1", r"ptradd\(%scratch": "=0", r"= load\(.*: i8x8": "=4"}),
    ("weights in groups by an open number of rows: on their way to shared memory", WARP + ",blocks=108", GROUPS.format(m="M"),
     {"func thread @": "=2", r"ptradd\(%scratch": "=0", "mma_m16n8k16_f16": "=72"}),
    ("few long rows without clusters: reduced and followed up by as many blocks as there are", WARP + ",blocks=108", LONG_ROWS,
     {r"tasks i0 < 4, i1 < 64:": "=2", r"tasks i0 < 4, t < 64:": "=2", r"tasks i0 < 4:": "=0"}),
    ("sums of channels over a batch's images: four images a part, each read as it lies", WARP + ",blocks=108", CHANNELS,
     {r"tasks i0 < 16, i1 < 33:": "=1", r"tasks i0 < 33:": "=0", r"func thread @": "=2", r"= load\(.*: f32x4": "=1"}),
    ("channels that are neighbours: 32 of them a task, parts of the batch", WARP + ",blocks=108", LAST_CHANNELS,
     {r"tasks i0 < 64, t < 2:": "=1", r"func thread @": "=2"}),
    ("statistics of a batch: no kernel has few tasks but those that combine parts, with clusters or without", CLUSTER, BATCH_NORM,
     {r"tasks i0 < 64, i1 < 64:": "=2", r"tasks i0 < 128, i1 < 64:": "=2", r"tasks t < 2:": "=2", r"func thread @": "=6"}),
    ("groups of channels are tasks, whatever else reads the sample", CLUSTER, GROUP_NORM,
     {r"tasks i0 < 32, i1 < 16:": "=1", r"tasks i0 < 32:": "=1", r"func thread @": "=3"}),
    ("two tiles of i8 along a long axis: parts for all blocks, not a cluster's", FOUR + ",blocks=132,cluster=4096", NARROW,
     {r"func thread @": "=2", r"func thread @\w+_parts\(": "=1", r"rank <": "=0", r"\bwgmma\(": "=8"}),
    ("one line of open length: its runs are combined by vectors, then scanned side by side", WARP + ",blocks=108", LINE,
     {r"func thread @": "=2", r"part < parts_2:": "=2", r"= load\(.*: f32x4": "=4"}),
    ("rows of open length: nothing of them in global scratch, vectors where they are whole", WARP, OPEN_ROWS,
     {r"ptradd\(%scratch": "=0", r"= load\(.*: f32x4": "=11", r"store\(.*\) {align = 16}": "=6", "func thread @": "=1"}),
    ("reads of pairs of maps, at 2h and 2h + 1: a task has one head, and adds up the rows of its pair", FOUR, DIFFERENTIAL,
     {r"tasks i0 < B, i1 < 8, t < ": "=1", r"\b2\*i1 \+ j\b": "=2", r"\bwgmma\(.*f32x32": "=4", r"ptradd\(%scratch": "=0"}),
    ("the same where one of a pair's sums reads another: maxima of both rows", FOUR, TWO_SOFTMAXES,
     {r"tasks i0 < 2, i1 < 2, t < ": "=1", r"\b2\*i1 \+ j\b": "=2"}),
    ("few rows, many columns: large and small tiles, both in parts", FOUR + ",blocks=132", DECODE,
     {r"func thread @": "=2", r"wgmma\(.*f32x128": "=8", r"wgmma\(.*f32x8\b": "=8"}),
]

# Rows of open length. name, program, how often each grid reads an element of x: short rows of whole vectors, other short rows, rows
# that shared memory holds, longer ones, others that are not short. Bytes per element are its size times one more, for the result.
GRIDS = [
    ("softmax", "model m(x: f32[B, N]) -> f32[B, N] { return softmax(x) }", [1, 1, 1, 2, 2]),
    ("log_softmax", "model m(x: f16[B, N]) -> f16[B, N] { return log_softmax(x) }", [1, 1, 1, 2, 2]),
    ("logsumexp", "model m(x: f32[B, N]) -> f32[B] { return logsumexp(x, axis = -1) }", [1, 1, 1, 1, 1]),
    ("layer norm", "model m(x: bf16[B, N], w: bf16[N], b: bf16[N]) -> bf16[B, N] { return layer_norm(x, weight = w, bias = b) }", [1, 1, 1, 3, 3]),
    ("cross entropy, and the target's element", "model m(x: f32[B, N], t: i32[B]) -> f32[B] { return cross_entropy(x, t, reduction = \"none\") }",
     [2, 2, 2, 2, 2]),
]


def lines_of(folder, target, program, stage="thread", *options):
    source = folder / "m.frit"
    source.write_text(program)
    command = [FRIT, "compile", source, "-q", "-t", target, "--emit", stage, *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def reads_by_grid(folder, program, *options):
    text = lines_of(folder, WARP, program, "tile", *options)
    return [len(re.findall(r"= read\(%x[,)]", grid)) for grid in text.split(" grid(")[1:]]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, target, program, counts in ROWS:
            text = lines_of(pathlib.Path(folder), target, program)
            for what, limit in counts.items():
                n, most = len(re.findall(what, text)), int(limit.lstrip("="))
                wrong = n != most if limit.startswith("=") else n > most or n == 0
                failed += wrong
                print(f"{'FAILED' if wrong else 'ok'}: {name}: {n} of {what} ({limit})")
        for name, program, reads in GRIDS:
            for options, want in (((), reads), (("-D", "N=1..1000"), reads[:2]), (("-D", "N%8"), [reads[0], *reads[2:4]])):
                got = reads_by_grid(pathlib.Path(folder), program, *options)
                failed += got != want
                print(f"{'ok' if got == want else 'FAILED'}: {name} {' '.join(options)}: reads by grid {got} ({want})")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
