#!/usr/bin/env python3
"""How many kernels the example models take on each kind of target: no more than kernels.txt says, and on no target more than
seven for each encoder layer of MiniLM. `kernels.py --bless` writes kernels.txt anew: a change that adds kernels must say so.
No weights are needed."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
KNOWN = pathlib.Path(__file__).resolve().parent / "kernels.txt"
MODELS = "digits", "mlp", "custom", "minilm", "stories", "llama", "resnet50"
TARGETS = "cpu:x86-64-v3", "cuda:sm_80", "cuda:sm_90a", "hip:gfx942"
MOST_A_LAYER = 7


def kernels(model, target, *options):
    done = subprocess.run([FRIT, "explain", "-t", target, f"docs/examples/{model}.frit", *options], cwd=ROOT,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{model} for {target}: {done.stderr}"
    return int(re.search(r"^(\d+) kernels?$", done.stdout, re.M)[1])


def table(counts):
    rows = [("model", *TARGETS)] + [(m, *(str(counts[m, t]) for t in TARGETS)) for m in MODELS]
    return "".join("  ".join(cell.ljust(13) for cell in row).rstrip() + "\n" for row in rows)


def known():
    header, *rows = (line.split() for line in KNOWN.read_text().splitlines())
    return {(row[0], target): int(n) for row in rows for target, n in zip(header[1:], row[1:])}


def main():
    counts = {(m, t): kernels(m, t) for m in MODELS for t in TARGETS}
    if "--bless" in sys.argv[1:]:
        KNOWN.write_text(table(counts))
    failed, most = 0, known()
    for key, n in counts.items():
        if n > most[key]:
            failed += 1
            print(f"{key[0]} for {key[1]}: {n} kernels, {most[key]} before")
        elif n < most[key]:
            print(f"{key[0]} for {key[1]}: {n} kernels, {most[key]} before: --bless will keep it so")
    for target in TARGETS:
        layer = (kernels("minilm", target, "-D", "L=6") - kernels("minilm", target, "-D", "L=2")) / 4
        print(f"an encoder layer of MiniLM for {target}: {layer:g} kernels")
        failed += layer > MOST_A_LAYER
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
