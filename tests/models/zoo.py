#!/usr/bin/env python3
"""Models of many kinds, compiled and interpreted, at the sizes that their "# run:" lines give: zoo.py [NAME]...

FRIT_TARGET names another target, such as the executor's with FRIT_BIN=build/tests/gpu/bin."""
import os
import pathlib
import subprocess
import sys

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
ZOO = pathlib.Path(__file__).resolve().parent / "zoo"
TARGET = os.environ.get("FRIT_TARGET", "cpu")


def main():
    passed = failed = 0
    for path in [ZOO / f"{name}.frit" for name in sys.argv[1:]] or sorted(ZOO.glob("*.frit")):
        for line in path.read_text().splitlines():
            if not line.startswith("# run: "):
                continue
            options = line.removeprefix("# run: ").split()
            done = subprocess.run([FRIT, "run", path, "-t", TARGET, "--check", "-q", *options], capture_output=True, text=True,
                                  timeout=300)
            passed += done.returncode == 0
            if done.returncode:
                failed += 1
                print(f"{path.name} {' '.join(options)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
