#!/usr/bin/env python3
"""Runs every ```sh block of docs/export.md, and compares what the examples print with frit run."""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ["FRIT_BIN"]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


def main():
    if not shutil.which("cc"):
        print("skipped: there is no C compiler called cc")
        return 77
    failed, printed = 0, []
    page = (ROOT / "docs/export.md").read_text()
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "docs").symlink_to(ROOT / "docs")
        for match in BLOCK.finditer(page):
            where = page.count("\n", 0, match.start()) + 1
            done = subprocess.run(["sh", "-e", "-c", match[1]], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
            printed.append(done.stdout)
            if done.returncode:
                failed += 1
                print(f"docs/export.md:{where}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        image = ", ".join(str(i / 64) for i in range(64))
        done = subprocess.run(["frit", "run", ROOT / "docs/examples/digits.frit", "-t", "c", "-w", "digits.safetensors", "-i",
                               f"image=[[{image}]]", "-o", "want.npy"], cwd=folder, env=env, capture_output=True, text=True)
        want = (pathlib.Path(folder) / "want.npy").read_bytes()[-40:] if done.returncode == 0 else done.stderr
        lines = [f"{i} {v:.9g}" for i, v in enumerate(struct.unpack("<10f", want))]
        if printed[0].splitlines() != lines:
            failed += 1
            print(f"the digits example prints\n{printed[0]}but frit run says\n" + "\n".join(lines))
    classes = [t for t in printed if t.startswith("class ")]
    numbers = [t for t in printed if len(t.split()) == 16]
    for lines, count in ((classes[0] if classes else "", 5), (numbers[0] if numbers else "", 1)):
        if len(lines.splitlines()) != count or "nan" in lines:
            failed += 1
            print(f"an example prints {lines!r}")
    print(f"{len(printed) + 1 - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
