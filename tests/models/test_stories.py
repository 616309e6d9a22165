#!/usr/bin/env python3
"""stories260K: 256 greedy tokens are those of llama2.c, byte for byte; a whole text at once agrees with step by step.

FRIT_TARGET names another target than this machine's CPU, FRIT_GENERATE a text generator that has its device."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
GENERATE = os.environ.get("FRIT_GENERATE") or pathlib.Path(os.environ["FRIT_BUILD"]) / "tests/models/generate"
TARGET = ["-t", os.environ["FRIT_TARGET"]] if "FRIT_TARGET" in os.environ else []
DATA = ROOT.parent / "shared/data/stories260K"


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=7200)
    if done.returncode:
        print(f"{' '.join(map(str, command))}\n{done.stdout.decode()}{done.stderr.decode()}")
        raise SystemExit(f"exit status {done.returncode}")
    return done.stdout


def main():
    if not DATA.is_dir():
        print("skipped: the stories260K files are not beside the repository (../shared/data/stories260K)")
        return 77
    model = ROOT / "docs/examples/stories.frit"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        weights, package = folder / "stories.safetensors", folder / "stories.fpk"
        geometry = run(sys.executable, ROOT / "docs/examples/stories.py", DATA / "stories260K.bin", weights)
        run(FRIT, "compile", model, *TARGET, "-w", weights, *geometry.decode().split(), "-o", package)
        text = run(GENERATE, package, DATA / "tok512.bin", 256)
        expected = (DATA / "expected-greedy-256.txt").read_bytes()
        assert text == expected, f"another text:\n{text.decode(errors='replace')}"
        # The first eight tokens at once, and then the ninth with the cache that this left.
        state, tokens = folder / "state.npz", "[[1, 403, 407, 261, 378, 432, 282, 315]]"
        run(FRIT, "run", package, "-i", f"tokens={tokens}", "-i", "pos=0", "--state", state, "-o", folder / "a.npz")
        run(FRIT, "run", package, "-i", "tokens=[[277]]", "-i", "pos=8", "--state", state, "-o", folder / "b.npz")
        whole = tokens.replace("]]", ", 277]]")
        run(FRIT, "run", package, "-i", f"tokens={whole}", "-i", "pos=0", "--expect", folder / "b.npz",
            "--rtol", "0", "--atol", "1e-4", "-q")
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
