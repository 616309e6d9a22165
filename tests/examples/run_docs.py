#!/usr/bin/env python3
"""Runs every frit example of the documentation.

A block fenced as ```frit is a complete file that `frit check` accepts; if it has a model whose dims need no weights, it
is run and compared with the interpreter too. A block fenced as ```frit-error E0204 is wrong, and that code is among what
is reported. A block may import the files of docs/examples.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
FENCE = re.compile(r"^```(frit|frit-error (\w+))\n(.*?)^```$", re.M | re.S)


def frit(*arguments):
    return subprocess.run([FRIT, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def right(path, text):
    done = frit("check", path) if re.search(r"^model ", text, re.M) else None
    if done is None:  # functions alone: laid out and parsed; a model is needed to elaborate them
        done = frit("fmt", "--check", path)
        return done.stderr if done.stderr else None
    return f"exit status {done.returncode}\n{done.stderr}" if done.returncode else None


def wrong(path, code):
    done = frit("check", path)
    if done.returncode == 1 and f"[{code}]" in done.stderr:
        return None
    return f"expected {code}, exit status {done.returncode}\n{done.stderr}"


def main():
    failed = passed = 0
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with tempfile.TemporaryDirectory() as folder:
        for example in (ROOT / "docs/examples").glob("*.frit"):
            (pathlib.Path(folder) / example.name).symlink_to(example)
        for page in pages:
            content = page.read_text()
            for match in FENCE.finditer(content):
                line = content.count("\n", 0, match.start()) + 1
                path = pathlib.Path(folder) / f"{page.stem}_{line}.frit"
                path.write_text(match[3])
                why = wrong(path, match[2]) if match[2] else right(path, match[3])
                passed += why is None
                if why is not None:
                    failed += 1
                    print(f"{page.relative_to(ROOT)}:{line}: {why}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
