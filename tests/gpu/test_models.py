#!/usr/bin/env python3
"""Small models on the executor, with matrix products, against the interpreter: test_models.py [NAME]...

FRIT_BIN holds the frit with the executor's device, FRIT_TARGET names another block."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/export"))
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
TARGET = os.environ.get("FRIT_TARGET", "null:block,async,mma")
SMALL, EXAMPLES = ROOT / "tests/gpu_device/models", ROOT / "docs/examples"


def dims(**values):
    return [f"-D{name}={value}" for name, value in values.items()]


def resnet50(folder):
    import test_export  # its resnet50 is narrow: four channels for 64
    return [*test_export.resnet50(folder)[1].weight_options, *dims(N=1, H=40, W=36)]


# name -> (file, options of several runs)
MODELS = {
    "linear": (SMALL / "linear.frit", [dims(B=33), dims(B=1)]),
    "conv": (SMALL / "conv.frit", [dims(N=1, H=17, W=19)]),
    "attention": (SMALL / "attention.frit", [dims(B=2, H=3, S=33, T=65), dims(B=1, H=2, S=1, T=300)]),
    "matmul": (SMALL / "matmul.frit", [dims(M=130, K=257, N=65), dims(M=1, K=64, N=7), dims(M=64, K=0, N=3)]),
    "softmax": (SMALL / "softmax.frit", [dims(R=77, C=1031)]),
    "digits": (EXAMPLES / "digits.frit", [dims(B=b) for b in (1, 8, 33)]),
    "mlp": (EXAMPLES / "mlp.frit", [dims(B=3), dims(B=70)]),
    "minilm": (EXAMPLES / "minilm.frit", [dims(B=2, S=19, D=48, E=4, V=50)]),
    "resnet50": (EXAMPLES / "resnet50.frit", [resnet50]),
}


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as name:
        for model in sys.argv[1:] or MODELS:
            path, runs = MODELS[model]
            for options in runs:
                options = options(pathlib.Path(name)) if callable(options) else options
                command = [FRIT, "run", path, "-t", TARGET, "--check", *options]
                done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
                passed += done.returncode == 0
                if done.returncode:
                    failed += 1
                    print(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
