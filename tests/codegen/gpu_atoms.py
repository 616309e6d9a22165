#!/usr/bin/env python3
"""What the known models' kernels are made of: at sm_90a products of four warps and copies of boxes, at sm_80 products of a
warp and asynchronous copies. Where there is a ptxas, it must not say that it puts products one after another. Weights are
files of zeros without blocks on the disk."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import gpu_models

MODELS = {"cuda:sm_90a": ("minilm", "stories", "llama", "resnet50"), "cuda:sm_80": ("minilm", "stories")}
ATOMS = {"cuda:sm_90a": (r"wgmma\.mma_async", r"cp\.async\.bulk\.tensor"), "cuda:sm_80": (r"mma\.sync", r"cp\.async\.cg")}
COPIED = {"resnet50": 17}  # kernels at sm_90a that copy boxes: of the convolutions with windows of one position, the weights
OTHERS = {"cuda:sm_90a": r"[^g]mma\.sync", "cuda:sm_80": r"wgmma|bulk"}
ROWS = r"shfl\.sync(?s:.*)\.tf32"  # in kernels whose warps have rows to themselves (attention), products of f32 are a warp's


def ptx(folder, model, target):
    file, defines, tensors, dtype = gpu_models.MODELS[model]
    weights = pathlib.Path(folder) / f"{model}.safetensors"
    if not weights.exists():
        gpu_models.write_zeros(weights, tensors, dtype)
    command = [gpu_models.FRIT, "compile", f"docs/examples/{file}.frit", "-q", "-w", weights, "-t", target, "--emit", "ptx"]
    for d in defines:
        command += ["-D", d]
    return subprocess.run(command, cwd=gpu_models.ROOT, capture_output=True, text=True, check=True).stdout


def serialized(folder, text):
    ptxas = shutil.which("ptxas")
    if not ptxas:
        return []
    path = pathlib.Path(folder) / "kernels.ptx"
    path.write_text(text)
    r = subprocess.run([ptxas, "-arch=sm_90a", "-o", "/dev/null", path], capture_output=True, text=True, check=True)
    return [line for line in (r.stdout + r.stderr).splitlines() if "serializ" in line]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for target, atoms in ATOMS.items():
            for model in MODELS[target]:
                text = ptx(folder, model, target)
                counts = [len(re.findall(a, text)) for a in atoms]
                kernels = text.split(".entry ")[1:]
                others = sum(len(re.findall(OTHERS[target], k)) for k in kernels if not re.search(ROWS, k))
                wrong = serialized(folder, text) if target == "cuda:sm_90a" else []
                copied = sum(bool(re.search(ATOMS["cuda:sm_90a"][1], k)) for k in kernels)
                if target == "cuda:sm_90a" and copied < COPIED.get(model, 1):
                    wrong.append(f"{copied} kernels copy boxes, {COPIED.get(model, 1)} are to")
                if others:
                    wrong.append(f"{others} products of other instructions")
                print(f"{model} {target}: " + ", ".join(f"{n} of {a}" for n, a in zip(counts, atoms)), *wrong, sep="\n  ")
                failed += min(counts) == 0 or len(wrong) > 0
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
