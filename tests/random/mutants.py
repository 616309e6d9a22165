"""mutants.py BUILD [-n COUNT] [--seed SEED] [-k TEXT]: wrong compilers (mutants.txt), one after another, against a fast selection
of the tests. At least nine in ten must be noticed.

BUILD is a finished build (Ninja). A mutant is one changed line of passes/: the file is compiled again with the build's own
command, put into a copy of the library, and the test programs are linked with that; neither the sources nor the build
change. -n takes COUNT of them by SEED (default: all), -k those whose description contains TEXT."""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = "passes/libfrit_passes.a"
PROGRAMS = ["tests/lower/lower_map", "tests/lower/lower_reduce", "tests/passes/passes_random", "tests/passes/passes_opt",
            "tests/compile/matrix", "tests/random/random_graphs"]


def read_mutants():
    mutants = []
    for line in (SOURCE / "tests/random/mutants.txt").read_text().splitlines():
        if line.startswith("@ "):
            file, what = line[2:].split(" ", 1)
            mutants.append({"file": file, "what": what})
        elif line.startswith("- "):
            mutants[-1]["old"] = line[2:]
        elif line.startswith("+ "):
            mutants[-1]["new"] = line[2:]
    return mutants


def lost(mutant):
    """What is wrong with a mutant whose line is not in its file, or more than once."""
    times = (SOURCE / mutant["file"]).read_text().count(mutant["old"])
    return None if times == 1 else f"{mutant['file']}: {mutant['what']}: '{mutant['old']}' is found {times} times"


def ninja_command(build, output):
    """The command that makes an output of the build."""
    text = subprocess.run(["ninja", "-t", "commands", "-s", output], cwd=build, check=True, capture_output=True, text=True).stdout
    return text.strip().splitlines()[-1]


class Mutation:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        cache = dict(l.split("=", 1) for l in (build / "CMakeCache.txt").read_text().splitlines() if "=" in l)
        self.filecheck = next((v for k, v in cache.items() if k.startswith("FRIT_FILECHECK:") and "NOTFOUND" not in v), None)
        self.sound = {}  # what tests say without a mutant
        self.plain = folder / "plain"
        self.plain.mkdir()
        for p in PROGRAMS:
            (self.plain / os.path.basename(p)).symlink_to(build / p)
        self.links = {p: ninja_command(build, p) for p in PROGRAMS}

    def make(self, mutant):
        """Builds the mutant's programs; None, or what went wrong."""
        source = (SOURCE / mutant["file"]).read_text()
        name = os.path.basename(mutant["file"])
        # beside the others, for their includes: the compiler sees the mutated text under the file's own name
        changed = self.folder / name
        changed.write_text(source.replace(mutant["old"], mutant["new"]))
        made = f"passes/CMakeFiles/frit_passes.dir/{name}.o"
        command = ninja_command(self.build, made)
        original = str(SOURCE / mutant["file"])
        command = command.replace(f"-c {original}", f"-c {changed} -I{SOURCE}/passes -Wno-error").replace(made, str(self.folder / f"{name}.o"))
        done = subprocess.run(command, shell=True, cwd=self.build, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip().splitlines()[0]
        library = self.folder / "libfrit_passes.a"
        shutil.copy(self.build / LIBRARY, library)
        subprocess.run(["ar", "r", library, self.folder / f"{name}.o"], check=True, capture_output=True)
        self.linked = set()
        return None

    def link(self, name):
        if name not in self.linked:
            program = next(p for p in PROGRAMS if os.path.basename(p) == name)
            link = self.links[program].replace(LIBRARY, str(self.folder / "libfrit_passes.a"))
            link = link.replace(f"-o {program} ", f"-Wl,-S -o {self.folder / name} ")
            subprocess.run(link, shell=True, cwd=self.build, check=True, capture_output=True)
            self.linked.add(name)

    def tests(self, f):
        """What is run, fastest first, with the programs of folder f."""
        for text in sorted((SOURCE / "tests/passes/fir").glob("*.fir")) if self.filecheck else []:
            yield f"passes {text.name}", ["sh", SOURCE / "tests/passes/check.sh", f / "passes_opt", self.filecheck, text]
        yield "lower_map", [f / "lower_map"]
        yield "lower_reduce", [f / "lower_reduce"]
        yield "passes_random", [f / "passes_random"]
        for name in ("reduce_constant", "reduce_fused", "contract_packed", "reshape", "sort", "scan_f32", "scan_special", "scatter_f32", "compact", "insert_f32", "concat", "pad", "slice", "transpose",
                     "state", "if", "view", "while", "loop"):
            yield f"matrix {name}", [f / "matrix", name]
        yield "random graphs", [f / "random_graphs", "100", "41", "--first"]

    def passes(self, command):
        try:
            return subprocess.run([str(c) for c in command], cwd=SOURCE, capture_output=True, timeout=300).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def noticed(self):
        """The test that fails with the mutant and passes without it, or None."""
        for (name, command), (_, right) in zip(self.tests(self.folder), self.tests(self.plain)):
            for word in command:
                if pathlib.Path(word).parent == self.folder:
                    self.link(os.path.basename(word))
            if self.passes(command):
                continue
            if name not in self.sound:
                self.sound[name] = self.passes(right)
            if not self.sound[name]:
                sys.exit(f"{name} fails without any mutant")
            return name
        return None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("-n", type=int)
    options.add_argument("--seed", default="1")
    options.add_argument("-k", default="")
    o = options.parse_args()
    if not (o.build / "build.ninja").exists() or not all((o.build / p).exists() for p in PROGRAMS):
        print("skipped: no finished build of Ninja's")
        return 77
    gone = [what for what in map(lost, read_mutants()) if what]
    if gone:
        sys.exit("\n".join(gone))
    mutants = [m for m in read_mutants() if o.k in m["file"] + " " + m["what"]]
    if o.n:
        mutants = random.Random(o.seed).sample(mutants, min(o.n, len(mutants)))
    survivors = broken = 0
    with tempfile.TemporaryDirectory() as folder:
        m = Mutation(o.build.resolve(), pathlib.Path(folder))
        for i, mutant in enumerate(mutants):
            wrong = m.make(mutant)
            test = None if wrong else m.noticed()
            broken += wrong is not None
            survivors += wrong is None and test is None
            verdict = f"NO MUTANT: {wrong}" if wrong else f"noticed by {test}" if test else "SURVIVES"
            print(f"{i + 1:3} {mutant['file']}: {mutant['what']}: {verdict}", flush=True)
    n = len(mutants) - broken
    print(f"{n} mutants, {n - survivors} noticed, {survivors} survive, {broken} that are none")
    return broken > 0 or n == 0 or survivors * 10 > n


sys.exit(main())
