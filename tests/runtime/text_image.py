#!/usr/bin/env python3
"""text_image.py IN OUT: CUDA C text, as a shared object whose kernels the stand-in of the driver's library launches
(fake_gpu.c): the text is compiled for this machine under the emulation of the dialect (tests/emulate), and each kernel gets a
NAME_launch(params, blocks, threads, shared) beside it that runs its blocks one after the other."""
import os
import pathlib
import re
import subprocess
import sys

EMULATE = pathlib.Path(__file__).resolve().parents[1] / "emulate"
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\d+(?:, 1)?\) )?(\w+)\(([^)]*)\) {')


def launcher(name, parameters):
    """Buffers are pointers, then come integers, then the scratch and the number of tasks, then tensor maps."""
    n_maps = sum("tensor_map" in p for p in parameters)
    parameters = parameters[:len(parameters) - n_maps]
    pointer = ["*" in p for p in parameters]
    n_ptr = pointer[:-2].count(True)
    args = [f"as_pointer(*(void **)params[{i}])" if is_ptr else f"*(long long *)params[{i}]" for i, is_ptr in enumerate(pointer)]
    args += [f"*(const tensor_map *)params[{len(parameters) + i}]" for i in range(n_maps)]
    return f"""
extern "C" const unsigned {name}_args[2] = {{{n_ptr}, {len(parameters) - 2 - n_ptr}}};
extern "C" const unsigned {name}_maps = {n_maps};
extern "C" void {name}_launch(void **params, unsigned blocks, unsigned threads, unsigned bytes) {{
    for (unsigned b = 0; b < blocks; b++)
        emulate({{"{name}", (int)threads, 32, (long long)bytes, (long long)b}}, [=] {{ gridDim.x = blocks; {name}({", ".join(args)}); }});
}}
"""


def main():
    source, out = map(pathlib.Path, sys.argv[1:3])
    text = source.read_text()
    kernels = [(m[1], m[2].split(",")) for m in KERNEL.finditer(text)]
    if not kernels:
        sys.exit(f"{source}: no kernel in the text")
    whole = out.with_suffix(".cc")
    whole.write_text('#include "emulate.h"\n' + text + "".join(launcher(*k) for k in kernels))
    compiler = os.environ.get("FRIT_CLANG", "clang")
    atoms = out.with_suffix(".atom.o")
    root = EMULATE.parents[1]
    if subprocess.run([compiler, "-O1", "-fPIC", f"-I{root}", "-c", str(root / "ir/atom.c"), "-o", str(atoms)]).returncode:
        sys.exit("ir/atom.c is not taken")
    sys.exit(subprocess.run([compiler, "-x", "c++", "-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-w", f"-I{EMULATE}",
                             f"-I{EMULATE.parents[1]}", str(whole), str(EMULATE / "emulate.cc"), "-x", "none", str(atoms), "-lm", "-lpthread", "-ldl", "-o",
                             str(out)]).returncode)


if __name__ == "__main__":
    main()
