#!/usr/bin/env python3
"""CUDA and HIP text on the host: ways.py [--share N/M] [--tokens N] [--target TARGET]... [PART]...

Parts, all of them when none is named: `matrix`, every op, dtype and construct (with --share those whose number is N modulo
M); `small`, small models; `minilm`; `stories`, its text byte for byte (--tokens: so much of it). Each target's text is what
`frit compile -t TARGET+source` puts in a package; clang compiles it for this machine, and emulate.h runs it. FRIT_BUILD is the
build folder. Exits with 77 where clang is missing."""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ["FRIT_BUILD"]).resolve()
FRIT, SLOTS = BUILD / "tests/emulate/frit_text", BUILD / "tests/emulate/libtext_slots.so"
STORIES = ROOT.parent / "shared/data/stories260K"
FAMILIES = ["elementwise", "casts", "views", "reductions", "indexed", "control"]
SMALL = [("tests/gpu_device/models/attention.frit", ["-DB=2", "-DH=3", "-DS=33", "-DT=65"]),
         ("tests/gpu_device/models/linear.frit", ["-DB=33"]),
         ("docs/examples/digits.frit", ["-DB=33"])]
# C's own headers are read in a fifth of the time that C++'s take.
FLAGS = "-nostdinc++ -ffp-contract=off -Wno-unknown-attributes -Wno-ignored-attributes -Wno-psabi"
TARGETS = ["cuda:sm_80", "hip:gfx942", "hip:gfx1100"]


def clang():
    return next((c for c in ("clang-19", "clang-22", "clang-21", "clang-20", "clang") if shutil.which(c)), None)


class Way:
    """One target's text on the host; what is compiled stays in `folder`."""

    def __init__(self, target, folder):
        self.failed, self.target, self.folder = 0, target, folder
        objects = [folder / "emulate.o", folder / "atom.o"]
        for source, made in zip((HERE / "emulate.cc", ROOT / "ir/atom.c"), objects):
            subprocess.run([clang(), "-O2", "-fPIC", f"-I{ROOT}", "-c", source, "-o", made], check=True)
        self.env = {**os.environ, "TEXT_TARGET": target, "TEXT_MORE": " ".join(map(str, objects)), "FRIT_CACHE": "off",
                    "TEXT_CC": f"{clang()} {FLAGS} -O1 -I{HERE}"}

    def run(self, *command, keep=False, preload=False, expect=None, quick=False):
        env = dict(self.env)
        if quick:
            env |= {"TEXT_CC": f"{clang()} {FLAGS} -O0 -I{HERE}", "TEXT_MODULES": "1"}
        if keep or preload:
            env["TEXT_KEEP"] = str(self.folder)
        if preload:
            env["LD_PRELOAD"] = str(SLOTS)
        done = subprocess.run(list(map(str, command)), capture_output=True, env=env, timeout=3600)
        good = done.returncode == 0 and (expect is None or done.stdout == expect)
        if not good:
            self.failed += 1
            text = (done.stdout + done.stderr).decode(errors="replace")
            print(f"{self.target}: {' '.join(map(str, command))}: exit status {done.returncode}\n{text[-4000:]}")
        return good


def matrix(way, options):
    for family in FAMILIES:
        way.run(BUILD / "tests/emulate/matrix_text", "-f", family, *(["-s", options.share] if options.share else []), quick=True)


def small(way, _):
    for path, dims in SMALL:
        way.run(FRIT, "run", ROOT / path, "-t", "cpu", "--check", "-q", *dims)


def minilm(way, _):
    weights, models, package = BUILD / "minilm", ROOT / "tests/models", way.folder / "minilm.fpk"
    if subprocess.run([sys.executable, models / "minilm_fetch.py", weights]).returncode:
        return
    if not way.run(FRIT, "compile", ROOT / "docs/examples/minilm.frit", "-t", "cpu", "-w", weights, "--weights", "none", "-o", package,
                   keep=True):
        return
    for i in (0, 1):
        way.run(BUILD / "tools/frit", "run", package, "-w", weights, "-i", models / f"minilm_{i}_in.npz", "--expect",
                models / f"minilm_{i}_out.npz", "--rtol", "0", "--atol", "2e-6", preload=True)


def stories(way, options):
    if not STORIES.is_dir():
        print("stories: skipped, its files are not beside the repository")
        return
    weights, package, examples = way.folder / "stories.safetensors", way.folder / "stories.fpk", ROOT / "docs/examples"
    geometry = subprocess.run([sys.executable, examples / "stories.py", STORIES / "stories260K.bin", weights], check=True,
                              capture_output=True, text=True).stdout.split()
    if way.run(FRIT, "compile", examples / "stories.frit", "-t", "cpu", "-w", weights, *geometry, "-o", package, keep=True):
        text, n = (STORIES / "expected-greedy-256.txt").read_bytes(), options.tokens
        generate = [BUILD / "tests/models/generate", package, STORIES / "tok512.bin"]
        if n == 256:
            way.run(*generate, n, preload=True, expect=text)
        else:
            got = subprocess.run(list(map(str, [*generate, n])), capture_output=True,
                                 env={**way.env, "TEXT_KEEP": str(way.folder), "LD_PRELOAD": str(SLOTS)}).stdout
            if not got.strip() or not text.startswith(got.rstrip(b"\n")):
                way.failed += 1
                print(f"{way.target}: another text:\n{got.decode(errors='replace')}")


PARTS = {"matrix": matrix, "small": small, "minilm": minilm, "stories": stories}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--share")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--target", action="append")
    parser.add_argument("part", nargs="*", choices=[[], *PARTS])
    options = parser.parse_args()
    if not clang():
        print("skipped: clang is not installed")
        return 77
    failed = 0
    for target in options.target or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            way = Way(target, pathlib.Path(folder))
            for part in options.part or PARTS:
                PARTS[part](way, options)
            print(f"{target}: {way.failed} failed")
            failed += way.failed
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
