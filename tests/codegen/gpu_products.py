#!/usr/bin/env python3
"""The models' code holds the target's matrix instructions: gpu_products.py [--full].

Of each model and target, the assembly text is searched for the instruction that the products should be done by. Without
--full: the small models. Exit status 77: this frit makes no such code."""
import pathlib
import re
import subprocess
import sys
import tempfile

import gpu_models

# target, precision, form, instruction
CASES = [("hip:gfx90a", "f32", "asm", r"v_mfma_f32_16x16x4f32"), ("hip:gfx942", "f32", "asm", r"v_mfma_f32_16x16x4_f32"),
         ("hip:gfx950", "f32", "asm", r"v_mfma_f32_16x16x4_f32"), ("hip:gfx942", "bf16", "asm", r"v_mfma_f32_16x16x16_bf16"),
         ("hip:gfx1100", "bf16", "asm", r"v_wmma_f32_16x16x16_bf16"), ("hip:gfx1201", "bf16", "asm", r"v_wmma_f32_16x16x16_bf16"),
         ("cuda:sm_80", "f32", "ptx", r"mma\.sync\.aligned\.m16n8k8\.row\.col\.f32\.tf32"),
         ("cuda:sm_80", "bf16", "ptx", r"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16")]
SMALL, FULL = ["digits"], ["digits", "minilm", "stories", "resnet50"]


def emitted(weights, model, target, precision, form):
    file, defines = gpu_models.MODELS[model][:2]
    command = [gpu_models.FRIT, "compile", f"docs/examples/{file}.frit", "-q", "-w", weights, "-t", target, "--precision", precision,
               "--emit", form, *(word for d in defines for word in ("-D", d))]
    return subprocess.run(command, cwd=gpu_models.ROOT, capture_output=True, text=True)


def main():
    done, failures, missing = 0, [], set()
    with tempfile.TemporaryDirectory() as folder:
        for model in FULL if "--full" in sys.argv[1:] else SMALL:
            weights = pathlib.Path(folder) / f"{model}.safetensors"
            gpu_models.write_zeros(weights, *gpu_models.MODELS[model][2:])
            for target, precision, form, instruction in CASES:
                r = emitted(weights, model, target, precision, form)
                if r.returncode and "is needed to finish code" in r.stderr:
                    missing.add(r.stderr.strip())
                elif r.returncode or not re.search(instruction, r.stdout):
                    failures.append(f"{target} {model} {precision}: {r.stderr.strip() or 'no ' + instruction}")
                else:
                    done += 1
    for line in failures:
        print("FAILED:", line)
    for line in missing:
        print("skipped:", line)
    print(f"{done} with their instruction, {len(failures)} failures")
    return 1 if failures else 0 if done else 77


if __name__ == "__main__":
    sys.exit(main())
