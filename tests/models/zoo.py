#!/usr/bin/env python3
"""Models of many kinds, compiled and interpreted, at the sizes that their "# run:" lines give: zoo.py [NAME]...

A line "# kernel TARGET [OPTION]...: TEXT" is one that `frit explain` has to say of the model. FRIT_TARGET names another
target to run on, such as the executor's with FRIT_BIN=build/tests/gpu/bin.

zoo.py --code TARGET [NAME]... runs nothing: each model with a "# big:" line is compiled for TARGET at those sizes, and kernels
that spill registers or keep much on the stack are failures."""
import os
import pathlib
import subprocess
import sys

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
ZOO = pathlib.Path(__file__).resolve().parent / "zoo"
TARGET = os.environ.get("FRIT_TARGET", "cpu")
MUCH_STACK = 640  # bytes: tables of long reductions of angles, sums to be looked at again


def frit(*arguments):
    return subprocess.run([FRIT, *arguments], capture_output=True, text=True, timeout=600)


def lines(path, word):
    return [line.removeprefix(f"# {word}") for line in path.read_text().splitlines() if line.startswith(f"# {word}")]


def run(path):
    for options in lines(path, "run: "):
        done = frit("run", path, "-t", TARGET, "--check", "-q", *options.split())
        yield options, done.returncode and f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
    for line in lines(path, "kernel "):
        options, text = line.split(": ", 1)
        target, *options = options.split()
        said = frit("explain", path, "-t", target, *options).stdout
        yield line, text not in said.splitlines() and f"this is not among its kernels:\n{said}"


def code(path, target):
    for options in lines(path, "big: "):
        done = frit("compile", path, "-t", target, "--emit", "kernels", *options.split())
        yield options, done.returncode and f"exit status {done.returncode}\n{done.stderr}"
        for row in map(str.split, done.stdout.splitlines()[1:]):
            bad = int(row[5]) > 0 or int(row[6]) > MUCH_STACK
            yield options, bad and f"{row[0]} on {target}: {row[4]} registers, {row[5]} bytes spilled, {row[6]} of stack"


def main():
    names, target = sys.argv[1:], None
    if names[:1] == ["--code"]:
        target, names = names[1], names[2:]
    passed = failed = 0
    for path in [ZOO / f"{name}.frit" for name in names] or sorted(ZOO.glob("*.frit")):
        for options, wrong in code(path, target) if target else run(path):
            passed += not wrong
            failed += bool(wrong)
            if wrong:
                print(f"{path.name} {options}: {wrong}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
