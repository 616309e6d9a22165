#!/usr/bin/env python3
"""What the inner loops of AMD's matrix products are made of, counted in their assembly: how many instructions a turn, by what they do.
Sums stay where they are, operands are loaded a turn ahead by whole words, and nothing waits for them in the turn that asked."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
PRODUCT = "model m(x: {t}[4096, 4096], y: {t}[4096, 4096]) -> {r}[4096, 4096] {{ return {r}(x) @ {r}(y){turn} }}\n"
HALF, HALF_TURNED = PRODUCT.format(t="bf16", r="f32", turn=""), PRODUCT.format(t="bf16", r="f32", turn=".T")
BYTES, SINGLE = PRODUCT.format(t="i8", r="i32", turn=""), PRODUCT.format(t="f32", r="f32", turn="")

# target, what, program, instruction of the products: how many of it, and instructions in all at most
ROWS = [
    ("gfx942", "bf16", HALF, "v_mfma_f32_16x16x16_bf16", 16, 96),
    ("gfx942", "bf16, turned in memory", HALF_TURNED, "v_mfma_f32_16x16x16_bf16", 16, 88),
    ("gfx942", "i8", BYTES, "v_mfma_i32_16x16x32_i8", 16, 122),
    ("gfx942", "f32", SINGLE, "v_mfma_f32_16x16x4_f32", 32, 121),
    ("gfx90a", "bf16, turned in memory", HALF_TURNED, "v_mfma_f32_16x16x16bf16_1k", 16, 91),
    ("gfx1201", "bf16", HALF, "v_wmma_f32_16x16x16_bf16", 8, 86),
    ("gfx1201", "bf16, turned in memory", HALF_TURNED, "v_wmma_f32_16x16x16_bf16", 8, 79),
    ("gfx1100", "bf16", HALF, "v_wmma_f32_16x16x16_bf16", 8, 96),
]
NARROW = r"global_load_(?:ushort|ubyte|sbyte|u8|i8|u16|i16|d16|short_d16|lds_u)"
FROM_MEMORY = r"s_wait_loadcnt|s_waitcnt vmcnt"


def inner_loop(text, instruction):
    """The instructions of the innermost loop that has the instruction in it."""
    labels, loops, code = {}, [], []
    for line in text.splitlines():
        label = re.match(r"(\.LBB\w+):", line)
        if label:
            labels[label[1]] = len(code)
        elif re.match(r"\t[a-z]", line):
            back = re.match(r"\ts_c?branch\w* (\.LBB\w+)", line)
            code.append(line.strip())
            if back and back[1] in labels:
                loops.append((labels[back[1]], len(code)))
    found = [code[a:b] for a, b in loops if any(instruction in c for c in code[a:b])]
    return min(found, key=len) if found else []


def check_row(folder, target, what, program, instruction, products, most):
    path = pathlib.Path(folder) / "m.frit"
    path.write_text(program)
    done = subprocess.run([FRIT, "compile", path, "-q", "-t", f"hip:{target}", "--emit", "asm", "-o", "-"], capture_output=True, text=True)
    if done.returncode:
        return [f"{target} {what}: {done.stderr}"]
    loop = inner_loop(done.stdout, instruction)
    counts = {p: sum(bool(re.match(p, c)) for c in loop) for p in (instruction, NARROW, "v_accvgpr", "scratch_|buffer_(?:load|store)", "v_readlane|v_writelane")}
    print(f"{target} {what}: {len(loop)} instructions, {counts[instruction]} products")
    wrong = []
    if counts[instruction] != products or len(loop) > most:
        wrong.append(f"{counts[instruction]} products (not {products}) in {len(loop)} instructions (at most {most})")
    wrong += [f"{n} of {p}" for p, n in counts.items() if n and p != instruction]
    loads = [i for i, c in enumerate(loop) if c.startswith("global_load")]
    if not loads or any(re.match(FROM_MEMORY, c) for c in loop[loads[0]:]):
        wrong.append("no loads ahead of what they are for")
    return [f"{target} {what}: {w}" for w in wrong]


def main():
    with tempfile.TemporaryDirectory() as folder:
        failures = [f for row in ROWS for f in check_row(folder, *row)]
    for line in failures:
        print("FAILED:", line)
    print(f"{len(ROWS)} loops, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
