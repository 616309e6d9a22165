#!/usr/bin/env python3
"""run.py [--source] PROGRAM [ARGUMENTS]: compiles the models of this folder and runs PROGRAM on the packages; with --source
on the models, whose kernels PROGRAM then has compiled from C text by a compiler with ThreadSanitizer.
Under ThreadSanitizer a system may place memory where it cannot work; the test is then skipped."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"


def main():
    source = sys.argv[1] == "--source"
    program, *more = sys.argv[1 + source:]
    if source and not shutil.which("gcc"):
        print("skipped: there is no gcc to compile the kernels with")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        packages = []
        for name in ("mixed", "cache"):
            packages.append(HERE / f"{name}.frit" if source else f"{folder}/{name}.fpk")
            if source:
                continue
            subprocess.run([FRIT, "compile", HERE / f"{name}.frit", "-o", packages[-1]], check=True,
                           env={**os.environ, "FRIT_CACHE": "off"})
        done = subprocess.run([program, *packages, *more], capture_output=True, text=True,
                              env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1 exitcode=66",
                                   "TEXT_CC": "gcc -std=c99 -O1 -g -w -fsanitize=thread", "ASAN_OPTIONS": "detect_leaks=1"})
    print(done.stdout + done.stderr, end="")
    if "unexpected memory mapping" in done.stderr:
        print("skipped: ThreadSanitizer cannot run on this kernel")
        return 77
    return done.returncode if done.returncode >= 0 else 1


if __name__ == "__main__":
    sys.exit(main())
