#!/usr/bin/env python3
"""Mutants of the test models' kernels on the executor:

    mutate.py [--share N/M] [--runs N] [--jobs N] [--form NAME]... [--keep FOLDER [--again]] [MODEL]...

Each model is compiled for each form of a block of threads and run on several shapes, so that every guarded variant and every
ragged edge is reached; frit_mutate (mutate.c) tries the mutants of each kernel on its own, on each launch. Over all shapes a
mutant counts as caught when one of them catches it, as redundant when it is implied (mutate_proof.h), or shown to make no
difference wherever it was tried; mutate.c says how. All others are listed as survivors: those that are alive, that no data
tell from the kernel although nothing shows that none could, that no shape reaches. Fewer than 99 in a hundred caught of what is
not redundant is a failure (one survivor is allowed in a share). --runs: the first N shapes of each model only; what they do
not reach is left out, and nine in ten are enough. --keep: a
folder for what is found, by what kernels are, and to go on from: kernels whose text (but for the name) was tried before, in
another form or in another revision of the compiler, are not tried again; --again: but those that survived are, as where trials
or proofs have changed. FRIT_BIN holds the frit with the executor's device, FRIT_MUTATE names
frit_mutate."""
import argparse
import array
import collections
import concurrent.futures
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs/examples"
FRIT, MUTATE = pathlib.Path(os.environ["FRIT_BIN"]) / "frit", os.environ["FRIT_MUTATE"]
STORIES = ROOT.parent / "shared/data/stories260K"
FORMS = {
    "plain": "null:block",
    "mma": "null:block,async,mma",
    "wgmma": "null:block,async,mma,wgmma,tma,threads=256,shared=220000",
    "mfma": "null:block,warp=64,threads=256,mfma,mfma_i8_32",
    "wmma": "null:block,wmma",
}
WANTED = 0.99
WANTED_OF_SOME = 0.9  # where not all shapes are run


def run(*command, **env):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=14400, env={**os.environ, **env})
    if done.returncode or "wrong without a mutation" in done.stderr or "proven not to" in done.stderr:
        raise SystemExit(f"{' '.join(map(str, command))[:2000]}\n{done.stdout}{done.stderr}exit status {done.returncode}")
    return done.stdout


def dims(**values):
    return [f"-D{name}={value}" for name, value in values.items()]


def seeded(shapes):
    return [[*dims(**shape), "--seed", 1 + i] for i, shape in enumerate(shapes)]


def said(batch, n, pos):
    """Tokens, among them the first, one behind the last and one before the first."""
    tokens = [([1] + [7 * (i + b) % 500 + 3 for i in range(1, n)])[:n] for b in range(batch)]
    if n > 60:
        for text in tokens[0], tokens[-1]:  # tasks of large tiles come behind others: few of their first run
            text[1], text[2], text[n - 1] = 512, 0, -1
    return ["-i", f"tokens={tokens}", "-i", f"pos={pos}"]


def stories(folder):
    """The first is cheap: one task of most kernels. Besides short and long texts, batches that are enough for large tiles. The
    second list is for where a ragged tile ends."""
    if not STORIES.is_dir():
        return None
    weights = folder / "stories.safetensors"
    geometry = run(sys.executable, EXAMPLES / "stories.py", STORIES / "stories260K.bin", weights)
    geometry = re.sub(r"\bL=\d+", "L=2", geometry).split()

    def shapes(large):
        rows, batch = large["B*S"], large["B"]  # every form has large tiles
        many = (rows + 440) // 63
        few = [(1, 70, 3), (3, 33, 0), (1, 1, 300), (1, 128, 64), (1, 200, 0), (many, 63, 0), (batch - 24, 1, 7), (2, 0, 3)]
        ends = [(1, n, 0) for n in (44, 60, 76, 84, 92, 101, 117, *(8 * group + odd for group in range(8) for odd in (2, 3, 5)))]
        ends += [(-(-(rows + 8) // n), n, 0) for n in (6, 12, 20, 28, 33, 44, 52, 64)]
        near = (-20, -14, -4, 1, 10, 20, 30) if batch < 2048 else (-20, 1, 10, 30)  # the state of many is large
        ends += [(batch + 76, 0, 0), (20, 1, 0), (60, 1, 0), *((batch + n, 1, 0) for n in near)]
        return [said(*shape) for shape in few], [said(*shape) for shape in ends]

    return ["-w", weights, *geometry], shapes


def safetensors(path, shapes):
    """A file of small random f32 tensors."""
    random.seed(1)
    header, values = {}, array.array("f")
    for name, shape in shapes.items():
        begin = 4 * len(values)
        values.extend(random.uniform(-0.5, 0.5) for _ in range(math.prod(shape)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, 4 * len(values)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + values.tobytes())


def minilm(folder):
    """The geometry is small, the kernels are those of the source: MiniLM's with other constants. Two layers, so that the first and
    the last differ."""
    d, f, v, layers, weights = 96, 192, 50, 2, folder / "minilm.safetensors"
    shapes = {f"embeddings.{name}_embeddings.weight": [n, d] for name, n in (("word", v), ("position", 512), ("token_type", 2))}
    parts = {"attention.self.query": (d, d), "attention.self.key": (d, d), "attention.self.value": (d, d),
             "attention.output.dense": (d, d), "intermediate.dense": (f, d), "output.dense": (d, f)}
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{l}." for l in range(layers)):
        for name, (rows, columns) in parts.items():
            shapes |= {f"{layer}{name}.weight": [rows, columns], f"{layer}{name}.bias": [rows]}
        norms += [layer + "attention.output.LayerNorm", layer + "output.LayerNorm"]
    for name in norms:
        shapes |= {name + ".weight": [d], name + ".bias": [d]}
    safetensors(weights, shapes)

    def shapes(large):
        many = (large.get("B*S", 8192) + 440) // 63
        few = (1, 45), (2, 19), (1, 70), (1, 1), (3, 64), (1, 128), (1, 200), (many, 63), (2, 0)
        at = seeded([dict(B=b, S=s) for b, s in few])
        at[2] += ["-i", f"ids={[[0, v, -1] + [(7 * i) % v for i in range(67)]]}"]  # the first, and on both sides of the table
        return at, seeded([dict(B=1, S=8 * group + n) for group in range(16) for n in (4, 5, 6, 7)])

    return ["-w", weights, *dims(L=layers, H=3)], shapes


# Rows of a batch: one, whole tiles, every kind of ragged edge, and enough for large tiles of one warp and of four.
SIZES = 37, 70, 1, 128, 20, 60, 52, 44, 43, 12, 28, 4, 8200, 8228, 8252, 16404, 16458
# Rows and columns: in the second list enough for large tiles. The third is for the predicates of single columns of these: a
# tile may end at any of them, and the first pass finds that.
FEW = (37, 60), (70, 52), (43, 35), (1, 44), (128, 128), (20, 12), (60, 28), (52, 20), (44, 4), (12, 36), (28, 70), (4, 1), (20, 43), (52, 53), (60, 63)
MANY = (8244, 180), (8252, 129), (16458, 130)
ENDS = [(8200 + 5 * i, 258 + i // 2 * 8 + i % 2) for i in range(32)]


def digits(_):
    return [], lambda large: (seeded([dict(B=b) for b in SIZES]), [])


def mlp(_):
    return [], lambda large: [seeded([dict(B=b, O=o) for b, o in shapes]) for shapes in (FEW + MANY, ENDS)]


ALL = {"digits": digits, "mlp": mlp, "stories": stories, "minilm": minilm}


def large_of(package):
    """From how many rows on, or which size, large tiles are used: {"B*S": N}, as the kernels' descriptions say."""
    found = re.findall(rb"if ([^(),]*) \+ \d+ >= (\d+)[,:]", package.read_bytes())
    large = {}
    for size, n in found:
        large[size.decode()] = max(int(n), large.get(size.decode(), 0))
    return large


def kernels_of(listed):
    """{hash: (number of mutants, names)}"""
    kernels = {}
    for line in listed.read_text().splitlines():
        kernel, number, name = line.split(" ", 2)
        kernels.setdefault(kernel, (int(number), set()))[1].add(name)
    return kernels


def known(results, kernel):
    """What the results say of a kernel's mutants: {number: (fate, text)}; whether `done` is among what is said."""
    fates, done = {}, set()
    file = results / kernel
    for line in file.read_text().splitlines() if file.exists() else []:
        status, number, *rest = line.split(" ", 2)
        if status == "done":
            done.add(line)
        elif status != "passed":
            was = fates.get(int(number))
            if was is None or ORDER.index(status) < ORDER.index(was[0]):
                fates[int(number)] = status, *rest
    return fates, done


def all_shown(results, kernels, mark, number):
    """Nothing is left to pass `number`."""
    shown = ("caught", "implied", "harmless") + (("redundant",) if number == "3" else ())
    for kernel, (mutants, _) in kernels.items():
        fates, done = known(results, kernel)
        if mark not in done and sum(fate in shown for fate, _ in fates.values()) < mutants:
            return False
    return True


SURVIVE = "alive", "vacuous", "unreached"


def open_again(results, kernel):
    """Forgets what is said of mutants that survive."""
    fates, _ = known(results, kernel)
    again = {str(number) for number, (fate, *_) in fates.items() if fate in SURVIVE}
    if not again:
        return
    file = results / kernel
    lines = [line.split(" ", 2) for line in file.read_text().splitlines()]
    file.write_text("".join(" ".join(line) + "\n" for line in lines
                            if line[0] != "done" and (line[1] not in again or line[0] == "passed")))


def campaign(model, form, options, kept):
    """All shapes of one model in one form; the kernels, or None where the model's weights are not here. What was done for a
    kernel's text in another form, or before, is not done again."""
    listed, results, start = kept / f"{model}-{form}", kept / "kernels", time.time()
    results.mkdir(exist_ok=True)
    if options.again and listed.exists():
        for kernel in kernels_of(listed):
            open_again(results, kernel)
    listed.write_text("")
    done = f"{model} {options.share}{f' {options.runs}' if options.runs else ''}"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        made = ALL[model](folder)
        if made is None:
            return None
        arguments, shapes_for = made
        package = folder / "model.fpk"
        run(FRIT, "compile", EXAMPLES / f"{model}.frit", "-q", *arguments, "-t", FORMS[form], "-o", package)
        runs, brief = shapes_for(large_of(package))
        for number, shapes in ("1", runs + brief), ("2", runs), ("3", brief):  # mutate.c says what the passes do
            for shape in shapes[:options.runs] if number != "3" or not options.runs else []:
                if listed.stat().st_size and all_shown(results, kernels_of(listed), f"done {done}", "3" if number == "1" else number):
                    break
                run(MUTATE, "run", package, "-q", *shape, FRIT_MUTANTS=str(results), FRIT_MUTANTS_LIST=str(listed),
                    FRIT_MUTANTS_PASS=number, FRIT_MUTANTS_SHARE=options.share, FRIT_MUTANTS_DONE=done)
    kernels = kernels_of(listed)
    for kernel in kernels:
        if f"done {done}" not in known(results, kernel)[1]:
            with open(results / kernel, "a") as file:
                print(f"done {done}", file=file)
    return kernels, time.time() - start


# A mutant's fate over all launches is the first of these that one of them had; "vacuous" and "unreached" survive as well.
ORDER = ["caught", "implied", "harmless", "alive", "redundant", "vacuous", "unreached"]


def report(results, kernels, whole):
    """Tells of all that is not caught; how many mutants each fate has, and how many survive. Kernels that are the same but for
    their names are counted each."""
    count, survivors = collections.Counter(), 0
    told = []
    for kernel, (_, names) in kernels.items():
        name, more = min(names), f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        for fate, text in known(results, kernel)[0].values():
            count[fate] += len(names)
            line, rest = text.split(" ", 1)
            if fate in SURVIVE and (whole or fate == "alive"):
                survivors += len(names)
                told.append(f"survived, {fate}: {name}.fir:{line}{more} {rest}")
            elif fate in ("redundant", "implied", "harmless"):
                told.append(f"{fate}: {name}.fir:{line}{more} {rest}")
    for text in sorted(told, key=lambda t: (not t.startswith("survived"), t)):
        print(text)
    return count, survivors


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--form", action="append", choices=list(FORMS))
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("model", nargs="*", choices=[[], *ALL])
    options = parser.parse_args()
    if not re.fullmatch(r"\d+/\d+", options.share):
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        kept = options.keep or pathlib.Path(name)
        kept.mkdir(exist_ok=True)
        jobs = [(m, f, pool.submit(campaign, m, f, options, kept)) for f in options.form or FORMS for m in options.model or ALL]
        caught = survived = 0
        for model, form, job in jobs:
            done = job.result()
            if done is None:
                print(f"{model}, {form}: skipped, its weights are not here")
                continue
            kernels, seconds = done
            count, alive = report(kept / "kernels", kernels, not options.runs)
            names = sum(len(names) for _, names in kernels.values())
            print(f"{model}, {form}: {names} kernels, {len(kernels)} of them different, {sum(count.values())} mutants: "
                  f"{count['caught']} caught, {count['implied']} implied, {count['harmless']} harmless and "
                  f"{count['redundant']} shown redundant, {alive} survived; {seconds:.0f} s", flush=True)
            caught, survived = caught + count["caught"], survived + alive
    print(f"{caught} of {caught + survived} caught that are not shown redundant")
    may_survive = (1 - (WANTED_OF_SOME if options.runs else WANTED)) * (caught + survived)
    if not options.share.endswith("/1"):
        may_survive = max(may_survive, 1)
    return 0 if caught and survived <= may_survive else 1


if __name__ == "__main__":
    sys.exit(main())
