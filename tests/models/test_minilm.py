#!/usr/bin/env python3
"""MiniLM: 100 sentences in ten batches of different sizes and lengths, one compilation, against ONNX Runtime: 2e-6.

FRIT_TARGET names another target than this machine's CPU, FRIT_BATCHES how many of the batches."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
WEIGHTS = pathlib.Path(os.environ["FRIT_BUILD"]) / "minilm"
TARGET = ["-t", os.environ["FRIT_TARGET"]] if "FRIT_TARGET" in os.environ else []
BATCHES = int(os.environ.get("FRIT_BATCHES", 10))


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=7200)


def main():
    fetched = run(sys.executable, HERE / "minilm_fetch.py", WEIGHTS)
    if fetched.returncode:
        print(fetched.stdout + fetched.stderr)
        return fetched.returncode
    failed, model = 0, ROOT / "docs/examples/minilm.frit"
    with tempfile.TemporaryDirectory() as folder:
        package = pathlib.Path(folder) / "minilm.fpk"
        done = run(FRIT, "compile", model, *TARGET, "-w", WEIGHTS, "--weights", "none", "-o", package)
        assert done.returncode == 0, done.stderr
        for i in range(BATCHES):
            done = run(FRIT, "run", package, "-w", WEIGHTS, "-i", HERE / f"minilm_{i}_in.npz",
                       "--expect", HERE / f"minilm_{i}_out.npz", "--rtol", "0", "--atol", "2e-6")
            if done.returncode:
                failed += 1
                print(f"batch {i}: exit status {done.returncode}\n{done.stderr}")
    print(f"{BATCHES - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
