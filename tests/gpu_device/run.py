#!/usr/bin/env python3
"""Everything that wants a real GPU, in one command: the op and dtype matrix, random graphs and models on it against the CPU,
the sanitizer's four tools, benchmarks, the cost of a launch, and the versions of all that took part.

    run.py [--kind cuda|hip] [--device N] [--quick] [--skip PART]... [--json FILE]

It finds `frit` and the test programs beside itself in what tools/static.sh packs, or in a build folder (FRIT_BIN, FRIT_BUILD).
No LLVM, compiler or Python package is needed; nvcc, NVRTC, compute-sanitizer and PyTorch are used where they are. Exit status:
0 all right, 1 something failed, 77 there is no device (with the reason)."""
import argparse
import ctypes.util
import glob
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FAMILIES = ["elementwise", "casts", "views", "reductions", "indexed", "control"]
# Models with sizes of a run; what follows are options of `frit run`.
MODELS = [
    ("tests/gpu_device/models/add.frit", ["-D", "N=100003"]),
    ("tests/gpu_device/models/softmax.frit", ["-D", "R=77", "-D", "C=1031"]),
    ("tests/gpu_device/models/matmul.frit", ["-D", "M=130", "-D", "K=257", "-D", "N=65"]),
    ("tests/gpu_device/models/linear.frit", ["-D", "B=33"]),
    ("tests/gpu_device/models/conv.frit", ["-D", "N=1", "-D", "H=17", "-D", "W=19"]),
    ("tests/gpu_device/models/attention.frit", ["-D", "B=2", "-D", "H=3", "-D", "S=33", "-D", "T=65"]),
    ("tests/gpu_device/models/counter.frit", []),
    ("docs/examples/digits.frit", ["-D", "B=5"]),
    ("docs/examples/mlp.frit", ["-D", "B=3"]),
    ("docs/examples/minilm.frit", ["-D", "B=2", "-D", "S=19", "-D", "D=48", "-D", "E=4", "-D", "V=50"]),
]
SANITIZED = [MODELS[i] for i in (0, 1, 2, 3, 5)]
BENCHES = [
    ("add", "tests/gpu_device/models/add.frit", ["-D", "N=33554432"]),
    ("softmax 4096x1024", "tests/gpu_device/models/softmax.frit", ["-D", "R=4096", "-D", "C=1024"]),
    ("matmul 1024", "tests/gpu_device/models/matmul.frit", ["-D", "M=1024", "-D", "K=1024", "-D", "N=1024"]),
    ("matmul 4096", "tests/gpu_device/models/matmul.frit", ["-D", "M=4096", "-D", "K=4096", "-D", "N=4096"]),
    ("conv 64x56x56", "tests/gpu_device/models/conv.frit", ["-D", "N=16", "-D", "H=56", "-D", "W=56"]),
    ("attention 16x1024", "tests/gpu_device/models/attention.frit", ["-D", "B=4", "-D", "H=16", "-D", "S=1024", "-D", "T=1024"]),
    ("MiniLM 1x128", "docs/examples/minilm.frit", ["-D", "B=1", "-D", "S=128", "-D", "D=384", "-D", "E=32", "-D", "V=30522"] +
     [a for o in ("O", "O_2", "O_3", "O_4", "O_5", "O_6") for a in ("-D", o + "=1536")]),
]


def program(name, *builds):
    """Beside this folder as packed, in a build folder, or on the path; None when it is nowhere."""
    places = [ROOT / name]
    if "FRIT_BIN" in os.environ:
        places.append(pathlib.Path(os.environ["FRIT_BIN"]) / name)
    if "FRIT_BUILD" in os.environ:
        places += [pathlib.Path(os.environ["FRIT_BUILD"]) / b / name for b in builds]
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return str(place)
    return shutil.which(name)


class Report:
    def __init__(self):
        self.results, self.figures = [], {}

    def add(self, name, status, detail="", seconds=0.0):
        self.results.append({"name": name, "status": status, "detail": detail, "seconds": round(seconds, 2)})
        first = detail.strip().splitlines()
        print(f"{status:8} {name}" + (f" ({seconds:.1f} s)" if seconds >= 1 else "") + (f": {first[-1]}" if first else ""), flush=True)
        if status == "FAILED":
            print("         " + "\n         ".join(detail.strip().splitlines()[-12:]), flush=True)

    def failed(self):
        return sum(r["status"] == "FAILED" for r in self.results)


def run(command, timeout=600, **more):
    start = time.monotonic()
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace", timeout=timeout, **more)
        return done.returncode, done.stdout + done.stderr, time.monotonic() - start
    except subprocess.TimeoutExpired:
        return -1, f"no end after {timeout} s: {' '.join(map(str, command))}", time.monotonic() - start


def check(report, name, command, timeout=600, **more):
    status, text, seconds = run(command, timeout, **more)
    text = text if status else "\n".join(text.strip().splitlines()[-1:])
    report.add(name, "ok" if status == 0 else "skipped" if status == 77 else "FAILED", text, seconds)
    return status == 0


# ---- what is here
def library(name):
    found = ctypes.util.find_library(name)
    places = glob.glob(f"/usr/local/cuda*/lib64/lib{name}.so*") + glob.glob(f"/usr/lib/*/lib{name}.so*")
    for site in sys.path:
        places += glob.glob(f"{site}/nvidia/*/lib/lib{name}.so*")
    return found or (sorted(places)[0] if places else None)


def versions(report, frit):
    def first_line(*command):
        if not shutil.which(command[0]) and not os.path.isfile(command[0]):
            return "not here"
        lines = [l for l in run(command, 60)[1].strip().splitlines() if l.strip()]
        return lines[-1].strip() if command[-1] == "--version" and "nvcc" in command[0] and lines else (lines or ["?"])[0].strip()
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.platform()}",
        "frit": first_line(frit, "--version"),
        "driver": first_line("nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"),
        "nvcc": first_line("nvcc", "--version"),
        "NVRTC": library("nvrtc") or "not here",
        "nvJitLink": library("nvJitLink") or "not here",
        "sanitizer": first_line("compute-sanitizer", "--version"),
        "rocm": first_line("rocminfo", "--version") if shutil.which("rocminfo") else "not here",
    }
    torch = run([sys.executable, "-c", "import torch; print(torch.__version__, torch.version.cuda)"], 120)
    facts["PyTorch"] = torch[1].strip() if torch[0] == 0 else "not here"
    for name, text in facts.items():
        print(f"{name + ':':12} {text}", flush=True)
    report.figures["versions"] = facts
    return facts


def find_device(frit, kind, index):
    """The device's line of `frit devices` and its architecture, or None and the reason."""
    status, text, _ = run([frit, "devices"], 120)
    lines = [l.strip() for l in text.splitlines()]
    for line in lines:
        found = re.match(rf"--device {index}: {kind} \(.*?\b((?:sm_\d+)|(?:gfx[0-9a-f]+))\b", line)
        if found:
            return line, found[1]
    reasons = [l for l in lines if l.startswith(f"no {kind} device")]
    return None, (reasons or [f"`frit devices` lists no {kind} device {index} (exit status {status})"])[0]


# ---- parts
def part_matrix(report, o):
    matrix = program("matrix", "tests/compile")
    if not matrix:
        report.add("matrix", "skipped", "the program matrix is not here")
        return
    for road in o.roads:
        for family in FAMILIES:
            slice_ = ["-s", "0/10"] if o.quick else []
            check(report, f"matrix {family} {o.target}{road}",
                  [matrix, "-f", family, "-t", o.target + road, "-d", o.device, *slice_], 1200)


def part_random(report, o):
    program_ = program("random_graphs", "tests/random")
    if not program_:
        report.add("random graphs", "skipped", "the program random_graphs is not here")
        return
    with tempfile.TemporaryDirectory() as out:
        seed = int(time.time()) // 86400 * 1000
        check(report, f"{o.graphs} random graphs from seed {seed}",
              [program_, o.graphs, seed, "--target", o.target, "--out", out], 1200)


def part_models(report, o):
    with tempfile.TemporaryDirectory() as folder:
        for path, sizes in MODELS:
            name = pathlib.Path(path).stem
            expect = f"{folder}/{name}.npz"
            status, text, _ = run([o.frit, "run", ROOT / path, *sizes, "-t", "cpu", "-o", expect], 900)
            if status:
                report.add(f"{name} on the CPU", "FAILED", text)
                continue
            for road in o.roads:
                check(report, f"{name} {o.target}{road}",
                      [o.frit, "run", ROOT / path, *sizes, "-t", o.target + road, "--device", o.device, "--expect", expect,
                       "--rtol", "1e-3", "--atol", "1e-4"], 900)
    env = dict(os.environ, FRIT_TARGET=o.target, FRIT_BIN=str(pathlib.Path(o.frit).parent), FRIT_BATCHES="3")
    env.setdefault("FRIT_BUILD", str(ROOT))
    generate = program("generate", "tests/models")
    if generate:
        env["FRIT_GENERATE"] = generate
    for test in ("test_stories.py", "test_minilm.py"):
        script = ROOT / "tests/models" / test
        if script.is_file() and (generate or "stories" not in test):
            check(report, test, [sys.executable, script], 1200, env=env)
        else:
            report.add(test, "skipped", f"{script} or its program is not here")


def part_sanitizer(report, o):
    tool = shutil.which("compute-sanitizer") or next(iter(glob.glob("/usr/local/cuda*/bin/compute-sanitizer")), None)
    if o.kind != "cuda" or not tool:
        report.add("sanitizer", "skipped", "compute-sanitizer is not here" if o.kind == "cuda" else "there is none for hip")
        return
    for check_ in ("memcheck", "racecheck", "synccheck", "initcheck"):
        for path, sizes in SANITIZED:
            check(report, f"{check_} {pathlib.Path(path).stem}",
                  [tool, "--tool", check_, "--error-exitcode", "9", o.frit, "run", ROOT / path, *sizes, "-t", o.target,
                   "--device", o.device], 900)


TORCH = """
import json, sys, torch
import torch.nn.functional as F
d = 'cuda'
def r(*s): return torch.randn(*s, device=d)
cases = {
 'add': lambda x=r(33554432), y=r(33554432): x + y,
 'softmax 4096x1024': lambda x=r(4096, 1024): torch.softmax(x, -1),
 'matmul 1024': lambda x=r(1024, 1024), y=r(1024, 1024): x @ y,
 'matmul 4096': lambda x=r(4096, 4096), y=r(4096, 4096): x @ y,
 'conv 64x56x56': lambda x=r(16, 64, 56, 56), w=r(64, 64, 3, 3): torch.relu(F.conv2d(x, w, padding=1)),
 'attention 16x1024': lambda q=r(4, 16, 1024, 32), k=r(4, 16, 1024, 32), v=r(4, 16, 1024, 32): F.scaled_dot_product_attention(q, k, v),
}
out = {}
with torch.no_grad():
    for name, f in cases.items():
        times = []
        for i in range(25):
            a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            a.record(); f(); b.record(); torch.cuda.synchronize()
            times.append(a.elapsed_time(b) * 1e-3)
        out[name] = sorted(times[5:])[10]
print(json.dumps(out))
"""


def part_bench(report, o):
    torch = {}
    if o.kind == "cuda":
        status, text, _ = run([sys.executable, "-c", TORCH], 600)
        torch = json.loads(text.strip().splitlines()[-1]) if status == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path, sizes in BENCHES[:3] if o.quick else BENCHES:
            out = f"{folder}/bench.json"
            status, text, seconds = run([o.frit, "bench", ROOT / path, *sizes, "-t", o.target, "--device", o.device, "--json", out], 600)
            if status:
                report.add(f"bench {name}", "FAILED", text, seconds)
                continue
            point = json.load(open(out))["points"][0]
            device = sum(k["seconds"] for k in point["kernels"])
            peer = f"; PyTorch {torch[name] * 1e6:.1f} us, ratio {torch[name] / device:.2f}" if name in torch and device else ""
            report.figures[name] = {"kernels_us": device * 1e6, "run_us": point["median_seconds"] * 1e6, "launches": point["launches"],
                                    "torch_us": torch.get(name, 0) * 1e6}
            report.add(f"bench {name}", "ok", f"kernels {device * 1e6:.1f} us, run {point['median_seconds'] * 1e6:.1f} us, "
                       f"{point['launches']:.0f} launches{peer}", seconds)


def part_launch(report, o):
    launch = program("launch", "tests/gpu_device")
    if not launch or o.kind != "cuda":
        report.add("launch overhead", "skipped", "the program launch is not here" if o.kind == "cuda" else "measured on cuda")
        return
    with tempfile.TemporaryDirectory() as folder:
        model = HERE / "models/tiny.frit"
        package, ptx = f"{folder}/c.fpk", f"{folder}/c.ptx"
        for command in ([o.frit, "compile", model, "-t", o.target, "-o", package],
                        [o.frit, "compile", model, "-t", o.target, "--emit", "ptx", "-o", ptx]):
            status, text, _ = run(command)
            if status:
                report.add("launch overhead", "FAILED", text)
                return
        check(report, "launch overhead", [launch, package, ptx, o.device], 300)


def part_twins(report, o):
    twins = program("twins", "tests/gpu_device")
    if not twins or o.kind != "cuda":
        report.add("twins", "skipped", "the program twins is not here" if o.kind == "cuda" else "they are of cuda")
        return
    check(report, "instructions of sm_90a and their twins", [twins, HERE / "kernels", o.device], 600)


PARTS = {"twins": part_twins, "matrix": part_matrix, "random": part_random, "models": part_models, "sanitizer": part_sanitizer,
         "bench": part_bench, "launch": part_launch}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--kind", choices=["cuda", "hip"], default=os.environ.get("FRIT_GPU", "cuda"))
    p.add_argument("--device", type=int, default=0)
    p.add_argument("--quick", action="store_true", help="a tenth of the matrix, few graphs, three benchmarks")
    p.add_argument("--skip", action="append", default=[], choices=list(PARTS))
    p.add_argument("--only", action="append", default=[], choices=list(PARTS))
    p.add_argument("--json")
    o = p.parse_args()
    o.frit = program("frit", "tools")
    if not o.frit:
        print("skipped: no frit beside tests/, in FRIT_BIN or on the path")
        return 77
    device, found = find_device(o.frit, o.kind, o.device)
    if not device:
        print(f"skipped: {found}")
        return 77
    report = Report()
    print(f"{'device:':12} {device}")
    facts = versions(report, o.frit)
    # Warp-specialised code of sm_90 and later is bound to the architecture: its name ends in a.
    special = found in ("sm_90", "sm_100", "sm_103", "sm_120", "sm_121")
    o.target = f"{o.kind}:{found}" + ("a" if special else "")
    o.roads = [""] + (["+nvrtc"] if o.kind == "cuda" and facts["NVRTC"] != "not here" else [])
    o.graphs = 100 if o.quick else 1000
    os.environ["FRIT_CACHE"] = "off"
    for name, part in PARTS.items():
        if name not in o.skip and (not o.only or name in o.only):
            part(report, o)
    if o.json:
        json.dump({"device": device, "results": report.results, "figures": report.figures}, open(o.json, "w"), indent=1)
    print(f"{len(report.results) - report.failed()} of {len(report.results)} right")
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
