#!/usr/bin/env python3
"""exports.py HEADERS RT_SHARED FRIT_SHARED RT_STATIC FRIT_STATIC: what the libraries export is what the headers declare,
neither more nor less, under the version of the ABI; the static ones have no other global name."""
import pathlib
import re
import subprocess
import sys

FOR_ALL = {"frit_rt": ["frit.h", "dtype.h"], "frit": ["frit_compiler.h"]}


def declared(folder, headers):
    names = set()
    for header in headers:
        text = (pathlib.Path(folder) / header).read_text()
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        text = re.sub(r"static inline[^{]*\{.*?^\}|static inline[^{]*\{[^}]*\}", "", text, flags=re.S | re.M)
        text = re.sub(r"(struct|enum)\s*\w*\s*\{.*?\}", "", text, flags=re.S)
        names |= set(re.findall(r"\b(frit_\w+)\s*\(", text))
    return names


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def shared(path):
    names, other = {}, []
    for line in run("readelf", "--dyn-syms", "-W", path).splitlines():
        parts = line.split()
        if len(parts) < 8 or parts[4] not in ("GLOBAL", "WEAK") or parts[6] in ("UND", "ABS"):
            continue
        name, _, version = parts[7].partition("@@")
        names[name] = version
    return names


def static(path):
    return {line.split()[-1] for line in run("nm", "-g", "--defined-only", path).splitlines() if len(line.split()) == 3}


def main():
    folder, rt, frit, rt_static, frit_static = sys.argv[1:]
    failed = 0
    for name, so, archive in (("frit_rt", rt, rt_static), ("frit", frit, frit_static)):
        want, have = declared(folder, FOR_ALL[name]), shared(so)
        assert len(want) > 20, want
        for what, names in (("declared, not exported", want - set(have)), ("exported, not declared", set(have) - want),
                            ("without a version", {n for n, v in have.items() if not re.fullmatch(r"FRIT_\d+\.\d+", v)}),
                            ("declared, not in the archive", want - static(archive)),
                            ("global in the archive, not declared", static(archive) - want)):
            if names:
                failed += 1
                print(f"lib{name}: {what}: {' '.join(sorted(names))}")
        soname = re.search(r"SONAME.*\[(.*)\]", run("readelf", "-dW", so))[1]
        if soname != f"lib{name}.so.1":
            failed += 1
            print(f"lib{name}: soname {soname}")
        print(f"lib{name}: {len(have)} functions, {soname}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
