#!/usr/bin/env python3
"""Runs every ```console block of the documentation and compares what it shows: lines that begin with `$ ` are commands, run
in a folder that has the files of docs/examples; the others are what the last command prints (standard output, then standard
error). A line `...` stands for any number of lines. Kernels are compiled for no machine in particular, so that the text is
the same everywhere.

`run_console.py --bless` writes into the pages what the commands print now; outputs with a `...` are left to be mended by
hand."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.M)


def printed(command, folder):
    env = {**os.environ, "PATH": f"{pathlib.Path(os.environ['FRIT_BIN']).resolve()}:{os.environ['PATH']}", "FRIT_CACHE": "off"}
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def agrees(shown, text):
    pattern = "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in shown.splitlines(True))
    return re.fullmatch(pattern, text) is not None


def main():
    bless, passed, failed = "--bless" in sys.argv[1:], 0, 0
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with tempfile.TemporaryDirectory() as folder:
        for example in (ROOT / "docs/examples").iterdir():
            (pathlib.Path(folder) / example.name).symlink_to(example)
        for page in pages:
            content = old = page.read_text()
            for block in BLOCK.finditer(old):
                for step in STEP.finditer(block[1]):
                    text = printed(step[1], folder)
                    if agrees(step[2], text):
                        passed += 1
                    elif bless and "...\n" not in step[2]:
                        content = content.replace(step[0], f"$ {step[1]}\n{text}")
                    else:
                        failed += 1
                        print(f"{page.relative_to(ROOT)}: $ {step[1]}\n{text}")
            if content != old:
                page.write_text(content)
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
