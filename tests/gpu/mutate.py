#!/usr/bin/env python3
"""Mutants of the test models' kernels on the executor: mutate.py [--share N/M] [--runs N] [--keep FILE] [MODEL]...

Each model is compiled for a block of threads and run on a few shapes, so that guarded variants and ragged edges are
reached; frit_mutate (mutate.c) tries the mutants of every kernel on each launch. A mutant counts as caught when one run
catches it. Left out are those that no run tells from the kernel (an op that no run comes to, a predicate that is never
false), and those that are shown to be redundant in every run (mutate.c says how), which are listed. Of the others, survivors
are listed too; fewer than 99 in a hundred caught is a failure. --runs: the first N shapes of a model, for the last target
only. FRIT_BIN holds the frit with the
executor's device, FRIT_MUTATE names frit_mutate.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES, MODELS = ROOT / "docs/examples", ROOT / "tests/models"
FRIT, MUTATE = pathlib.Path(os.environ["FRIT_BIN"]) / "frit", os.environ["FRIT_MUTATE"]
STORIES = ROOT.parent / "shared/data/stories260K"
MINILM = pathlib.Path(os.environ["FRIT_BUILD"]) / "minilm"
TARGETS = ["null:block", "null:block,async,mma"]
WANTED = 0.99


def run(*command, **env):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=7200, env={**os.environ, **env})
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}exit status {done.returncode}")
    return done.stdout


def dims(**values):
    return [f"-D{name}={value}" for name, value in values.items()]


def stories(folder):
    if not STORIES.is_dir():
        return None
    weights = folder / "stories.safetensors"
    geometry = run(sys.executable, EXAMPLES / "stories.py", STORIES / "stories260K.bin", weights).split()
    at = [["-i", "tokens=" + str([[1] + [7 * (i + b) % 500 + 3 for i in range(1, n)] for b in range(batch)]), "-i", f"pos={pos}"]
          for batch, n, pos in [(1, 70, 3), (2, 33, 0), (1, 1, 300), (3, 3, 4), (1, 1, 0), (17, 500, 0)]]
    return ["-w", weights, *geometry, "-DL=2"], at


def minilm(_):
    if not (MINILM / "model.safetensors").is_file():
        return None
    return ["-w", MINILM], [["-w", MINILM, "-i", MODELS / f"minilm_{i}_in.npz"] for i in (1, 0)]


def digits(_):
    return [], [[*dims(B=b), "--seed", seed] for b, seed in ((70, 1), (37, 2), (8200, 3), (8, 4), (1, 5))]


def mlp(_):
    return [], [[*dims(B=b), "--seed", seed] for b, seed in ((70, 1), (33, 2), (8200, 3), (1, 4))]


ALL = {"digits": digits, "mlp": mlp, "stories": stories, "minilm": minilm}


def campaign(names, share, most, file):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for model in names:
            made = ALL[model](folder)
            if made is None:
                print(f"{model}: skipped, its weights are not here")
                continue
            options, runs = made
            for target in TARGETS[-1:] if most else TARGETS:
                package = folder / "model.fpk"
                weights = ["--weights", "none"] if model == "minilm" else []
                run(FRIT, "compile", EXAMPLES / f"{model}.frit", *options, *weights, "-t", target, "-o", package)
                for arguments in runs[:most]:
                    run(MUTATE, "run", package, "-q", *arguments, FRIT_MUTANTS=str(file), FRIT_MUTANTS_SHARE=share)


def report(file, whole=True):
    kernels, alive, redundant, caught, vacuous = {}, {}, {}, set(), set()
    for line in file.read_text().splitlines():
        status, kernel, number, rest = line.split(" ", 3)
        if status == "kernel":
            kernels[kernel] = int(number), rest
        elif status == "caught":
            caught.add((kernel, number))
        elif status == "vacuous":
            vacuous.add((kernel, number))
        else:
            (alive if status == "alive" else redundant)[kernel, number] = rest
    survivors = sorted(text for mutant, text in alive.items() if mutant not in caught)
    tried = len(caught) + len(survivors)
    for text in survivors:
        print("survived:", text)
    needless = sorted(text for mutant, text in redundant.items() if mutant not in caught and mutant not in alive)
    for text in needless:
        print("redundant:", text)
    tried_at_all = caught | vacuous | set(alive) | set(redundant)
    for kernel, (number, name) in kernels.items():
        left = number - sum(mutant[0] == kernel for mutant in tried_at_all)
        if left and whole:
            print(f"not reached: {left} of {number} mutants of {name}")
    same = len(vacuous - caught - set(alive) - set(redundant))
    print(f"{len(kernels)} kernels, {sum(n for n, _ in kernels.values())} mutants, {same} with no effect on these data, {len(needless)} shown "
          f"redundant, {tried} others: {len(caught)} caught, {len(survivors)} survived")
    return 0 if tried and len(caught) >= WANTED * tried else 1


def main():
    arguments, share, most, keep = sys.argv[1:], "0/1", None, None
    while arguments and arguments[0].startswith("--"):
        option, value, *arguments = arguments
        if option == "--share" and re.fullmatch(r"\d+/\d+", value):
            share = value
        elif option == "--runs" and value.isdigit():
            most = int(value)
        elif option == "--keep":
            keep = pathlib.Path(value)
        else:
            raise SystemExit(__doc__)
    file = keep or pathlib.Path(tempfile.mkstemp(suffix=".mutants")[1])
    campaign(arguments or list(ALL), share, most, file)
    status = report(file, share.endswith("/1"))
    if not keep:
        file.unlink()
    return status


if __name__ == "__main__":
    sys.exit(main())
