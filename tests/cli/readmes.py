#!/usr/bin/env python3
"""The README of each folder names every file in it; no README or page of docs/ names a file that is not there."""
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = "frontend", "ir", "passes", "codegen", "runtime", "tools"
KINDS = ".c", ".h", ".def", ".l", ".y", ".sh", ".cmake", ".py"
OMITTED = "CMakeLists.txt", "README.md"


def files(folder):
    """Relative paths, from git where there is one, so that what a build leaves does not count."""
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
    paths = listed.stdout.split() if listed.returncode == 0 and listed.stdout else \
        [str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*")]
    return [p for p in paths if p.endswith(KINDS) and (ROOT / p).exists() and not p.endswith(OMITTED)]


def named(text):
    """Names of files in a README; a name stands for the file alone, a/b.c, x.{h,c} and patterns too."""
    names = []
    for word in re.findall(r"[\w./*{},+-]+\.(?:\{[\w,]+\}|(?:c|h|def|l|y|sh|cmake|py))(?![\w(])", text):
        brace = re.fullmatch(r"(.*)\{([\w,]+)\}", word)
        names += [brace[1] + end for end in brace[2].split(",")] if brace else [word]
    return names


def main():
    wrong = 0
    for folder in FOLDERS:
        text = (ROOT / folder / "README.md").read_text()
        names = [n.split("/")[-1] for n in named(text)]
        for path in files(folder):
            if not any(fnmatch.fnmatch(pathlib.Path(path).name, n) for n in names):
                wrong += 1
                print(f"{folder}/README.md says nothing of {path}")
        present = {pathlib.Path(p).name for f in (*FOLDERS, "tests", "docs") for p in files(f)}
        for name in names:
            if not name.startswith("NAME") and not any(fnmatch.fnmatch(p, name) for p in present):
                wrong += 1
                print(f"{folder}/README.md names {name}, which is not there")
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / f / "README.md" for f in (*FOLDERS, "tests"))]
    for page in pages:
        for name in named(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)):
            top = name.split("/")[0]
            if "/" in name and top in (*FOLDERS, "tests", "docs") and not list(ROOT.glob(name)):
                wrong += 1
                print(f"{page.relative_to(ROOT)} names {name}, which is not there")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
