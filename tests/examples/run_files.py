#!/usr/bin/env python3
"""Every file of docs/examples is laid out by `frit fmt`, passes `frit check`, and runs as the interpreter says."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"

# What a model needs to run without its weight files: the dims that these would tell.
SMALL = {
    "custom": [["-e", "tagger", "-D", "B=2", "-D", "S=5"]],
    "digits": [[], ["-D", "B=1"], ["-D", "B=33"]],
    "mlp": [["-D", "B=3"]],
    "norm": [["-D", "B=3"], ["-D", "B=70"]],
}


def frit(*arguments):
    return subprocess.run([FRIT, *map(str, arguments)], capture_output=True, text=True, timeout=300)


def main():
    failed = passed = 0
    for path in sorted((ROOT / "docs/examples").glob("*.frit")):
        runs = [["fmt", "--check", path], ["check", path]]
        runs += [["run", path, "--check", *more] for more in SMALL.get(path.stem, [])]
        for arguments in runs:
            done = frit(*arguments)
            passed += done.returncode == 0
            if done.returncode:
                failed += 1
                print(f"frit {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
