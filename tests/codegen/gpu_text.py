#!/usr/bin/env python3
"""The texts of GPU kernels, by what an engineer would look for: what the header says, barriers, how memory is reached, what stands
in inner loops. Counts are those of the whole text unless it is said otherwise."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
failures = []


def kernels(folder, model, *sizes, target="cuda:sm_80+source"):
    """The text behind the helpers."""
    path = pathlib.Path(folder) / "m.frit"
    path.write_text(model)
    form = "cuda" if target.startswith("cuda") else "hip"
    command = [FRIT, "compile", path, "-q", "-t", target, "--emit", form, "-o", "-", *(w for s in sizes for w in ("-D", s))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{model}\n{done.stderr}")
    return done.stdout[re.search(r"^/\* \w+\n \* launch:", done.stdout, re.M).start():]


def expect(what, holds):
    if not holds:
        failures.append(what)
        print(f"FAILED: {what}")


def count(text, pattern):
    return len(re.findall(pattern, text))


def inner_loop(text, mark):
    """The innermost loop around the first line that has `mark` in it."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if mark in line)
    depth = len(lines[at]) - len(lines[at].lstrip())
    first = max(i for i in range(at) if lines[i].lstrip().startswith("for (") and len(lines[i]) - len(lines[i].lstrip()) < depth)
    indent = len(lines[first]) - len(lines[first].lstrip())
    last = next(i for i in range(at, len(lines)) if lines[i].strip() == "}" and len(lines[i]) - len(lines[i].lstrip()) == indent)
    return "\n".join(lines[first:last + 1])


def check_header(folder):
    text = kernels(folder, "model m(x: f32[B, N], b: f32[N], s: f16[B, N]) -> (y: f16[B, N]) { return f16(relu(x * 2 + b) + f32(s)) }")
    for line in ("/* y_cast_0", " * launch: `tasks` blocks, or fewer that take turns, each of 256 threads and 0 bytes of shared memory",
                 " * s: f16[B, N], in", " * y: f16[B, N], out", " * B: i64, a size", " * N: i64, a size", " * scratch: not used"):
        expect(f"the header has '{line}'", line in text.splitlines())
    expect("f16 is rounded once", count(text, r"f16_from_f32\(") == 1)
    expect("a task is small whatever B and N are", "(B + 15) // 16" in text and "(N + 255) // 256" in text)
    expect("tasks are counted without signed division", "floordiv_i64" not in text and "mod_i64" not in text)


def check_transpose(folder):
    model = "model m(x: f32[R, C]) -> (y: f32[C, R]) { return x.T }"
    for sizes in ((), ("R=4096", "C=4096")):
        text = kernels(folder, model, *sizes)
        expect(f"transpose {sizes}: two barriers", count(text, r"__syncthreads\(\)") == 2)
        expect(f"transpose {sizes}: 32 rows of 65 elements", "8320 bytes of shared memory" in text)
        expect(f"transpose {sizes}: x is read along its rows", "gather_f32x4(x" not in text and not re.search(r"x(_part)?_?\d*\[C \*", text))
    half = kernels(folder, "model m(x: f16[R, C]) -> (y: f16[C, R]) { return x.T + x.T }", "R=64", "C=64")
    expect("what is transposed once is copied once", count(half, r"__syncthreads\(\)") == 2)


def check_reductions(folder):
    text = kernels(folder, "model m(x: f32[R, C]) -> (y: f32[C]) { return sum(x, axis = 0) }")
    expect("column sums: two barriers", count(text, r"__syncthreads\(\)") == 2)
    expect("column sums: one loop beside that over tasks", count(text, r"for \(") == 2)
    text = kernels(folder, "model m(x: f32[R, C]) -> (y: f32[R, C]) { return softmax(x, axis = -1) }", "R=4096", "C=1024")
    expect("softmax: six barriers a task", count(text, r"__syncthreads\(\)") <= 6)
    text = kernels(folder, "model m(x: f32[B, N]) -> (y: f32[B, N]) { return cumsum(x, axis = -1) }")
    expect("scan: at most 14 barriers for 1024 elements, of whole lines and of runs, and 3 to combine runs",
           count(text, r"__syncthreads\(\)") <= 31 and "(N + 1023) / 1024" in text)
    expect("scan: a row a task, or a run of it", "tasks i < B:" in text and count(text, "tasks i < B, part < parts_2:") == 2)
    expect("scan: neighbouring threads at neighbouring elements", "x_part[j]" in text and "y_part[j]" in text)


def check_products(folder):
    text = kernels(folder, "model m(x: f16[M, K], w: f16[N, K]) -> (y: f16[M, N]) { return x @ w.T }", "M=1024", "K=1024", "N=1024")
    loop = inner_loop(text, "mma_m16n8k16_f16(")
    expect("product: no division in its loop", not re.search(r"[%/]|rem_|div_", loop.split("{", 1)[1]))
    expect("product: one barrier in its loop", count(loop, r"__syncthreads\(\)") == 1)
    expect("product: copies of 16 bytes", count(loop, r"copy_async_16\(") == count(loop, r"copy_async_\d+\(") == 2)
    expect("product: sums stay in their variables", not re.search(r"^\s+\w+ = \w+;$", loop, re.M))
    for target in ("cuda:sm_80+source", "cuda:sm_90a+source", "hip:gfx942+source"):
        text = kernels(folder, "model m(x: f16[M, K], w: f16[N, K]) -> (y: f16[M, N]) { return x @ w.T }", target=target)
        expect(f"product on {target}: compilers make no more copies of loops",
               count(text, r"\n +UNROLL\(\d+\)\n +for \(") == count(text, r"\n +for \(") > 1)


def check_threads(folder):
    text = kernels(folder, "model m(x: f32[N], y: f32[N]) -> (z: f32[N]) { return x + y }")
    expect("sums of vectors: no thread is idle", "(thread &" not in text)
    text = kernels(folder, """model m(x: f32[V, D], i: i64[N], u: f32[N, D]) -> (y: f32[V, D]) {
    y = x * 1
    y[i] += u
    return y
}""")
    expect("scatter: columns are shared out over the grid", ", t_2 < (D + 127) // 128:" in text and " += u[" in text)


def check_open_sizes(folder):
    """Dense tensors of open sizes are one axis, in vectors but for the last few elements."""
    for rank in ("B, N", "B, H, N"):
        text = kernels(folder, f"model m(x: f32[{rank}], y: f32[{rank}]) -> (z: f32[{rank}]) {{ return relu(x + y) }}")
        expect(f"[{rank}]: 16 bytes a load and a store", count(text, r"\bload_aligned_f32x4\(") == 2 and count(text, r"\bstore_aligned_f32x4\(") == 1)
        expect(f"[{rank}]: one loop, one for the end", count(text, r"for \(") == 3)
        expect(f"[{rank}]: no division", not re.search(r"div_|rem_", text))
    text = kernels(folder, "model m(x: f32[B, N], b: f32[N]) -> (z: f32[B, N]) { return x + b }")
    expect("what is broadcast keeps its axes", "x: f32[B, N]" in text)


def check_open_rows(folder):
    """Rows of open length: whole vectors of 16 bytes where the length allows it, in grids of their own."""
    for dtype, lanes in (("f32", 4), ("f16", 8), ("bf16", 8), ("i8", 16)):
        for what, model, loads in (("a row is added", "x: {t}[B, N], b: {t}[N]) -> (y: {t}[B, N]) {{ return x + b }}", 2),
                                   ("a column is added", "x: {t}[B, N], b: {t}[B]) -> (y: {t}[B, N]) {{ return x + b[:, none] }}", 1),
                                   ("rows are summed", "x: {t}[B, N]) -> (y: f32[B]) {{ return sum(f32(x), axis = -1) }}", 1)):
            text = kernels(folder, "model m(" + model.format(t=dtype))
            for line in (f" * if N % {lanes} == 0, tasks", f" * if N % {lanes} != 0, tasks"):
                expect(f"{dtype}, {what}: '{line}'", line in text)
            expect(f"{dtype}, {what}: 16 bytes a load", count(text, rf"\bload_aligned_{dtype}x{lanes}\(") == loads)
            expect(f"{dtype}, {what}: no masks", "_if_" not in text)
    for norm, stores in (("softmax(x, axis = -1)", 3), ("layer_norm(x, w, w)", 3), ("rms_norm(x, w)", 1)): # short, held, long; or all
        text = kernels(folder, f"model m(x: f32[B, N], w: f32[N]) -> (y: f32[B, N]) {{ return {norm} * w }}")
        expect(f"{norm}: x in vectors", count(text, r"\bload_aligned_f32x4\(x") >= 2 and count(text, r"\bstore_aligned_f32x4\(y") == stores)
    text = kernels(folder, "model m(x: f32[B, N]) -> (y: f32[B, N]) { return softmax(x) }")
    for line in ("if N % 4 == 0 and N <= 1024, tasks t < (B + 7) // 8:", "if N % 4 != 0 and N <= 1024, tasks t < (B + 7) // 8:",
                 "if N % 4 == 0 and N > 1024 and N <= 8192, tasks i0 < B:", "if N % 4 == 0 and N > 8192, tasks i0 < B:",
                 "if N % 4 != 0 and N > 1024, tasks i0 < B:"):
        expect(f"softmax: '{line}'", f" * {line}" in text)
    expect("short and held rows are counted in 32 bits", len(re.findall(r"for \(i32 i = \w+; i < N_\d;", text)) == 9)
    text = kernels(folder, "model m(x: f32[B, N]) -> (y: f32[B]) { return sum(x, axis = -1) }", target="hip:gfx942+source")
    expect("HIP: rows are summed in vectors", count(text, r"\bload_aligned_f32x4\(") == 1)


def check_index_width(folder):
    """What fits 32 bits is computed in 32 bits, what may not is in 64."""
    text = kernels(folder, "model m(x: f32[B, 4096], w: f32[4096]) -> (y: f32[B, 4096]) { return softmax(x, axis = -1) * w }")
    wide = re.findall(r"for \((i64 .*?)\) \{", text)
    expect(f"closed rows: no loop counts in 64 bits ({wide})", not wide)
    expect("tasks are counted in 32 bits", "for (i32 task = block; task < " in text and "const i32 thread = threadIdx.x;" in text)
    expect("rows of a large tensor are found in 64 bits", "const i64" in text and "(i64)task * 4096;" in text)
    text = kernels(folder, "model m(x: f32[N]) -> (y: f32[N]) { return x + 1 }")
    expect("a long vector's parts are found in 64 bits", re.search(r"\(i64\)task \* 4096", text))
    text = kernels(folder, "model m(x: f32[B, N]) -> (y: f32[B]) { return sum(x, axis = -1) }")
    expect("rows of any length are counted in 64 bits", re.search(r"for \(i64 \w+ = \w+; \w+ < N;", text))


def check_sorts(folder):
    """Networks in shared memory; long lines in parts that are merged; of the parts no more than is wanted."""
    text = kernels(folder, "model m(x: f32[B, N]) -> (v: f32[B, N], i: i64[B, N]) { return sort(x) }", "N=1024")
    expect("sort: 10 merges of up to 10 steps", "for k < 10, in order:" in text and "for j < k + 1, in order:" in text)
    expect("sort: pairs over the block", re.search(r"for \((?:i32|i64) \w+ = thread\w*; \w+ < 512; \w+ \+= 256\)", text))
    expect("sort: a barrier a step", count(text, r"__syncthreads\(\)") == 3)
    expect("sort: elements and places in shared memory", "8192 bytes of shared memory" in text)
    text = kernels(folder, "model m(x: f32[N]) -> (v: f32[N], i: i64[N]) { return sort(x) }", "N=32768")
    expect("long sort: parts of 4096", "for k < 12, in order:" in text and count(text, r"for k <") == 1)
    expect("long sort: merges by many blocks", count(text, r"(?m)^ \* tasks i < \d+, t < \d+:$") >= 3)
    text = kernels(folder, "model m(x: f32[B, N]) -> (v: f32[B, 40], i: i64[B, 40]) { return topk(x, 40) }", "N=65536")
    expect("top-k: 16 parts, then 640 elements", "for k < 12, in order:" in text and "for k < 10, in order:" in text and count(text, r"for k <") == 2)


def check_instructions(folder):
    path = pathlib.Path(folder) / "m.frit"
    path.write_text("model m(x: f16[N]) -> (y: f16[N]) { return maximum(x * 2, 0) }")
    for target, form, wanted in (("cuda:sm_80+source", "cuda", "max.NaN.f32"), ("cuda:sm_80+source", "cuda", "cvt.rn.f16.f32"),
                                 ("hip:gfx942+source", "hip", "_Float16 h = (_Float16)x")):
        done = subprocess.run([FRIT, "compile", path, "-q", "-t", target, "--emit", form, "-o", "-"], capture_output=True, text=True)
        expect(f"{target}: {wanted}", wanted in done.stdout)


# Instructions of the loop that multiplies, per product of matrices; reads of shared memory, per product.
MOST_EACH, MOST_READS = 10, 3


def check_loops_of_amd(folder):
    """An operand that lies along its side in memory is turned on its way to shared memory, not by every warp that reads it."""
    path = pathlib.Path(folder) / "m.frit"
    for dtype, out in (("f16", "f16"), ("i8", "i32")):
        wide = "i32({})" if dtype == "i8" else "{}"
        path.write_text(f"model m(x: {dtype}[M, K], w: {dtype}[K, N]) -> (y: {out}[M, N]) "
                        f"{{ return matmul({wide.format('x')}, {wide.format('w')}) }}")
        for target in ("hip:gfx942", "hip:gfx1100"):
            done = subprocess.run([FRIT, "compile", path, "-q", "-t", target, "--emit", "asm", "-o", "-", "-D", "M=1024", "-D", "K=1024",
                                   "-D", "N=1024"], capture_output=True, text=True)
            blocks = [b for b in re.split(r"\n(?=\.LBB\d+_\d+:)", done.stdout) if re.search(r"\tv_(mfma|wmma)", b)]
            expect(f"{target} {dtype}: one loop multiplies", len(blocks) == 1)
            if len(blocks) != 1:
                continue
            ops = re.findall(r"^\t([a-z]\w+)", blocks[0], re.M)
            products, reads = (sum(bool(re.match(w, op)) for op in ops) for w in (r"v_(mfma|wmma)", r"ds_(read|load)"))
            print(f"{target} {dtype}: {len(ops)} instructions, {products} products, {reads} reads of shared memory")
            expect(f"{target} {dtype}: at most {MOST_EACH} instructions a product", len(ops) <= MOST_EACH * products)
            expect(f"{target} {dtype}: at most {MOST_READS} reads a product", reads <= MOST_READS * products)
            expect(f"{target} {dtype}: no read of one element", not any(re.match(r"ds_(read|load)_[iu](8|16)", op) for op in ops))


def main():
    with tempfile.TemporaryDirectory() as folder:
        for check in (check_header, check_transpose, check_reductions, check_products, check_threads, check_open_sizes, check_open_rows, check_index_width, check_sorts, check_instructions, check_loops_of_amd):
            check(folder)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
