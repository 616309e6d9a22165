#!/usr/bin/env python3
"""Headers of GPU kernels against their signatures: the same parameters in the same order, written ones `out` and others not;
formulas name nothing else; kernels that come before and after exist; lines fit. Models of the zoo by one target each in turn, and examples.

gpu_headers.py [--full] [MODEL...]: --full takes all targets."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
TARGETS = ("cuda:sm_80", "cuda:sm_90a", "hip:gfx942", "hip:gfx1100")
EXAMPLES = ("digits", "minilm", "stories", "mlp", "norm")
KERNEL = re.compile(r'^/\* (\w+)\n((?: \*[^\n]*\n)*?) \*/\nextern "C" [^\n]*?\b(\w+)_kernel\(([^)]*)\) \{$', re.M)
# What formulas give a value: outputs, buffers of a task, intermediate values.
DEFINED = re.compile(r"^ \* +(\w+)(?:\[[^=\n]*\])? (?:\+|\w+)?=(?: |$)", re.M)


def text_of(model, target):
    form = "cuda" if target.startswith("cuda") else "hip"
    done = subprocess.run([FRIT, "compile", model, "-q", "--weights", "none", "-t", f"{target}+source", "--emit", form, "-o", "-"],
                          cwd=ROOT, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{model} on {target}:\n{done.stderr}")
    return done.stdout


def faults(text):
    kernels = KERNEL.findall(text)
    names = {name for name, *_ in kernels}
    if len(kernels) != text.count('\nextern "C" '):
        yield "a kernel without a header"
    for name, head, kernel, signature in kernels:
        if name != kernel:
            yield f"{kernel}: its header is that of {name}"
        parameters = [(p.split()[-1].lstrip("*"), p) for p in re.sub(r"\s+", " ", signature).split(", ")]
        lines, told = head.split("\n *\n", 2)[1:]
        listed = [line[3:].split(": ", 1) for line in re.sub(r"\n \*     +", " ", lines).splitlines()]
        if [n for n, _ in parameters] != [n for n, *_ in listed]:
            yield f"{kernel}: parameters {[n for n, _ in parameters]}, header {[n for n, *_ in listed]}"
            continue
        for (n, declared), (_, what) in zip(parameters, listed):
            written = "*" in declared and "const " not in declared
            if "*" in declared and n != "scratch" and written != what.endswith("out"):
                yield f"{kernel}: '{n}: {what}', but '{declared}'"
        known = {n for n, _ in parameters} | set(DEFINED.findall(told))
        for used in set(re.findall(r"\b([A-Za-z_]\w*)\[", told)) - known:
            yield f"{kernel}: its formulas have {used}[], which is nothing"
        for other in re.findall(r"two launches: (\w+) (?:follows|comes)", told):
            if other not in names:
                yield f"{kernel}: there is no kernel {other}"
        yield from (f"{kernel}: a line of {len(line)} columns" for line in head.splitlines() if len(line) > 120)


def main():
    arguments = sys.argv[1:]
    full = "--full" in arguments
    chosen = [pathlib.Path(a) for a in arguments if a != "--full"]
    models = chosen or [*(ROOT / f"docs/examples/{m}.frit" for m in EXAMPLES), *sorted((ROOT / "tests/models/zoo").glob("*.frit"))]
    n_kernels = failed = 0
    for i, model in enumerate(models):
        for target in TARGETS if full else TARGETS[i % len(TARGETS):][:1]:
            text = text_of(model, target)
            n_kernels += text.count('\nextern "C" ')
            for wrong in faults(text):
                failed += 1
                print(f"{model.name} on {target}: {wrong}")
    print(f"{n_kernels} kernels, {failed} failures")
    return failed > 0 or n_kernels < len(models)


if __name__ == "__main__":
    sys.exit(main())
