#!/usr/bin/env python3
"""Everything that wants a real GPU, in one command: the cost of a launch, benchmarks beside PyTorch, each instruction against its
twin, models, the sanitizer's four tools, the op and dtype matrix and random graphs on it against the CPU, and the versions.

    run.py [--kind cuda|hip] [--device N] [--quick] [--minutes M] [--jobs J] [--skip PART]... [--only PART]... [--out FILE]

It finds `frit` and the test programs beside itself in what tools/static.sh packs, or in a build folder (FRIT_BIN, FRIT_BUILD).
No LLVM, compiler or Python package is needed; nvcc, NVRTC, compute-sanitizer, ncu and PyTorch are used where they are. What has
been found out by then is in FILE (gpu-results.json) after every check, with the full output of what failed. A part that breaks
leaves the others. Exit status: 0 all right, 1 something failed, 77 there is no device (with the reason)."""
import argparse
import concurrent.futures
import ctypes.util
import glob
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OWN = "tests/gpu_device/models/"
FAMILIES = ["elementwise", "casts", "views", "reductions", "indexed", "control"]


def sizes(text):
    return [word for size in text.split() for word in ("-D", size)]


# Models with sizes of a run.
MODELS = [
    (OWN + "add.frit", sizes("N=100003")),
    (OWN + "softmax.frit", sizes("R=77 C=1031")),
    (OWN + "matmul.frit", sizes("M=130 K=257 N=65")),
    (OWN + "linear.frit", sizes("B=33")),
    (OWN + "conv.frit", sizes("N=1 H=17 W=19")),
    (OWN + "attention.frit", sizes("B=2 H=3 S=33 T=65")),
    (OWN + "matmul16.frit", sizes("M=192 K=256 N=128")),
    (OWN + "attention16.frit", sizes("B=1 H=2 S=130")),
    (OWN + "norm.frit", sizes("R=33 C=512")),
    (OWN + "turn.frit", sizes("R=1030 C=67")),
    (OWN + "counter.frit", []),
    ("docs/examples/digits.frit", sizes("B=5")),
    ("docs/examples/mlp.frit", sizes("B=3")),
    ("docs/examples/minilm.frit", sizes("B=2 S=19 D=48 E=4 V=50")),
]
SANITIZED = [MODELS[i] for i in (1, 2, 4, 5, 6, 7, 9)]
BENCHES = [
    ("add", OWN + "add.frit", sizes("N=33554432")),
    ("matmul 4096 f16", OWN + "matmul16.frit", sizes("M=4096 K=4096 N=4096")),
    ("attention 16x2048 f16", OWN + "attention16.frit", sizes("B=4 H=16 S=2048")),
    ("matmul 4096", OWN + "matmul.frit", sizes("M=4096 K=4096 N=4096")),
    ("softmax 4096x1024", OWN + "softmax.frit", sizes("R=4096 C=1024")),
    ("MiniLM 1x128", "docs/examples/minilm.frit", sizes("B=1 S=128 D=384 E=32 V=30522 " + " ".join(f"{o}=1536" for o in ("O", "O_2", "O_3", "O_4", "O_5", "O_6")))),
    ("transpose 8192", OWN + "turn.frit", sizes("R=8192 C=8192")),
    ("layer norm 8192x1024 f16", OWN + "norm.frit", sizes("R=8192 C=1024")),
    ("matmul 1024", OWN + "matmul.frit", sizes("M=1024 K=1024 N=1024")),
    ("matmul 64x4096x4096 f16", OWN + "matmul16.frit", sizes("M=64 K=4096 N=4096")),
    ("conv 64x56x56", OWN + "conv.frit", sizes("N=16 H=56 W=56")),
    ("attention 16x1024", OWN + "attention.frit", sizes("B=4 H=16 S=1024 T=1024")),
]
MOST_OVERHEAD = 1.3  # a session's run over a bare launch


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


def toolkit(name):
    """A program of the CUDA toolkit, or None."""
    return shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/local/cuda*/bin/{name}") + glob.glob(f"/opt/nvidia/*/*/{name}"))), None)


class Report:
    def __init__(self, out, minutes):
        self.out, self.results, self.figures, self.lock = out, [], {}, threading.Lock()
        self.start = time.monotonic()
        self.end = self.start + minutes * 60 if minutes else float("inf")

    def left(self):
        return self.end - time.monotonic()

    def add(self, name, status, detail="", seconds=0.0):
        with self.lock:
            self.results.append({"name": name, "status": status, "detail": detail[-20000:], "seconds": round(seconds, 2)})
            lines = detail.strip().splitlines()
            print(f"{status:8} {name}" + (f" ({seconds:.1f} s)" if seconds >= 1 else "") + (f": {lines[-1]}" if lines else ""), flush=True)
            if status == "FAILED":
                print("         " + "\n         ".join(lines[-12:]), flush=True)
            self.save()

    def save(self):
        partial = f"{self.out}.part"
        with open(partial, "w") as f:
            json.dump({"seconds": round(time.monotonic() - self.start), "figures": self.figures, "results": self.results}, f, indent=1)
        os.replace(partial, self.out)

    def failed(self):
        return sum(r["status"] == "FAILED" for r in self.results)


def run(command, timeout=600, **more):
    start = time.monotonic()
    try:
        done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=max(timeout, 1), **more)
        return done.returncode, done.stdout, time.monotonic() - start
    except subprocess.TimeoutExpired as e:
        said = e.stdout.decode(errors="replace") if isinstance(e.stdout, bytes) else e.stdout or ""
        return -1, f"{said}\nno end after {timeout:.0f} s: {' '.join(map(str, command))}", time.monotonic() - start


def check(report, name, command, timeout=600, **more):
    """One command as one result: its last line if it ends well, all that it says if not."""
    if report.left() < 5:
        report.add(name, "skipped", "no time left")
        return False
    status, text, seconds = run(command, min(timeout, report.left()), **more)
    text = text if status else "\n".join(text.strip().splitlines()[-1:])
    report.add(name, "ok" if status == 0 else "skipped" if status == 77 else "FAILED", text, seconds)
    return status == 0


def at_once(o, jobs):
    """Calls that need not wait for each other."""
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for future in [pool.submit(*job) for job in jobs]:
            future.result()


# ---- what is here
def library(name):
    found = ctypes.util.find_library(name)
    places = glob.glob(f"/usr/local/cuda*/lib64/lib{name}.so*") + glob.glob(f"/usr/lib/*/lib{name}.so*")
    for site in sys.path:
        places += glob.glob(f"{site}/nvidia/*/lib/lib{name}.so*")
    return found or (sorted(places)[0] if places else None)


def versions(report, o):
    def last_line(name, *command):
        path = toolkit(name)
        lines = [l.strip() for l in run([path, *command], 60)[1].splitlines() if l.strip()] if path else []
        return lines[-1] if lines else "not here"
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.platform()}, Python {platform.python_version()}",
        "frit": run([o.frit, "--version"], 60)[1].strip(),
        "driver": last_line("nvidia-smi", "--query-gpu=name,driver_version,compute_cap,clocks.max.sm,power.limit", "--format=csv,noheader"),
        "nvcc": last_line("nvcc", "--version"),
        "NVRTC": library("nvrtc") or "not here",
        "nvJitLink": library("nvJitLink") or "not here",
        "sanitizer": last_line("compute-sanitizer", "--version"),
        "ncu": last_line("ncu", "--version"),
        "rocm": last_line("rocminfo", "--version"),
    }
    try:
        facts["PyTorch"] = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        facts["PyTorch"] = "not here"
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


def roads(report, o):
    """Ways of code to the device: PTX or a code object, and CUDA C where this frit can finish it here."""
    if o.kind != "cuda":
        return [""]
    found = library("nvrtc")
    if found and "/" in found:  # one that came with a Python package is on no path of the loader's
        os.environ["LD_LIBRARY_PATH"] = f"{pathlib.Path(found).parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    status, text, _ = run([o.frit, "compile", HERE / "models/tiny.frit", "-t", o.target + "+nvrtc", "-o", os.devnull], 120)
    missing = "is needed to finish code" in text or "not found" in text
    report.add("road: CUDA C through NVRTC", "ok" if status == 0 else "skipped" if missing else "FAILED", "" if status == 0 else text)
    return ["", "+nvrtc"] if status == 0 else [""]


# ---- parts
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
        status, text, seconds = run([launch, package, ptx, o.device], 120)
        ratio = re.search(r"ratio ([\d.]+)", text)
        report.figures["launch"] = text.strip()
        good = status == 0 and ratio and float(ratio[1]) <= MOST_OVERHEAD
        report.add(f"launch overhead at most {MOST_OVERHEAD}", "ok" if good else "FAILED", text, seconds)


def torch_python():
    """A Python that has PyTorch, or None."""
    for python in (sys.executable, shutil.which("python3"), "/opt/conda/bin/python3", "/usr/bin/python3", "/usr/local/bin/python3"):
        if python and os.path.exists(python):
            if run([python, "-c", "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"], 60)[0] == 0:
                return python
    return None


def peers(report, o):
    python = torch_python() if o.kind == "cuda" else None
    if not python:
        report.add("PyTorch", "skipped", "it is not here")
        return {}
    status, text, seconds = run([python, HERE / "peers.py"], min(300, report.left()))
    if status:
        report.add("PyTorch", "FAILED", text, seconds)
        return {}
    found = json.loads(text.strip().splitlines()[-1])
    report.figures["PyTorch"] = found
    report.add("PyTorch", "ok", f"{found['torch']}, CUDA {found['cuda']}, cuDNN {found['cudnn']}", seconds)
    return found["seconds"]


def part_bench(report, o):
    torch = peers(report, o)
    with tempfile.TemporaryDirectory() as folder:
        for name, path, defines in BENCHES[:4] if o.quick else BENCHES:
            if report.left() < 20:
                report.add(f"bench {name}", "skipped", "no time left")
                continue
            out = f"{folder}/bench.json"
            status, text, seconds = run([o.frit, "bench", ROOT / path, *defines, "-t", o.target, "--device", o.device, "--json", out],
                                        min(300, report.left()))
            if status:
                report.add(f"bench {name}", "FAILED", text, seconds)
                continue
            with open(out) as f:
                point = json.load(f)["points"][0]
            device = sum(k["seconds"] for k in point["kernels"])
            peer = f"; PyTorch {torch[name] * 1e6:.1f} us, {torch[name] / device:.2f} times as fast" if name in torch and device else ""
            report.figures[name] = {"kernels_us": device * 1e6, "run_us": point["median_seconds"] * 1e6, "launches": point["launches"],
                                    "torch_us": torch.get(name, 0) * 1e6, "kernels": point["kernels"]}
            report.add(f"bench {name}", "ok", f"kernels {device * 1e6:.1f} us, run {point['median_seconds'] * 1e6:.1f} us, "
                       f"{point['launches']:.0f} launches{peer}", seconds)


def part_twins(report, o):
    twins = program("twins", "tests/gpu_device")
    if not twins or o.kind != "cuda":
        report.add("twins", "skipped", "the program twins is not here" if o.kind == "cuda" else "they are of cuda")
        return
    # A process each: what breaks on the device takes its context along.
    at_once(o, [(check, report, f"twin {path.stem}", [twins, path, o.device], 120) for path in sorted(HERE.glob("kernels/**/*.fir"))])


def model_against_cpu(report, o, folder, path, defines):
    name = pathlib.Path(path).stem
    expect = f"{folder}/{name}.npz"
    status, text, _ = run([o.frit, "run", ROOT / path, *defines, "-t", "cpu", "-o", expect], 300)
    if status:
        report.add(f"{name} on the CPU", "FAILED", text)
        return
    for road in o.roads:
        check(report, f"model {name} {o.target}{road}",
              [o.frit, "run", ROOT / path, *defines, "-t", o.target + road, "--device", o.device, "--expect", expect,
               "--rtol", "1e-3", "--atol", "1e-3" if "16" in name or name == "norm" else "1e-4"], 300)


def part_models(report, o):
    env = dict(os.environ, FRIT_TARGET=o.target, FRIT_BIN=str(pathlib.Path(o.frit).parent), FRIT_BATCHES="3")
    env.setdefault("FRIT_BUILD", str(ROOT))
    generate = program("generate", "tests/models")
    if generate:
        env["FRIT_GENERATE"] = generate
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(model_against_cpu, report, o, folder, path, defines) for path, defines in MODELS]
        for test in ("test_stories.py", "test_minilm.py"):
            script = ROOT / "tests/models" / test
            if script.is_file() and (generate or "stories" not in test):
                jobs.append((lambda *a: check(*a, env=env), report, test, [sys.executable, script], 600))
            else:
                report.add(test, "skipped", f"{script} or its program is not here")
        at_once(o, jobs)


def part_sanitizer(report, o):
    tool = toolkit("compute-sanitizer")
    if o.kind != "cuda" or not tool:
        report.add("sanitizer", "skipped", "compute-sanitizer is not here" if o.kind == "cuda" else "there is none for hip")
        return
    at_once(o, [(check, report, f"{check_} {pathlib.Path(path).stem}",
                 [tool, "--tool", check_, "--error-exitcode", "9", o.frit, "run", ROOT / path, *defines, "-t", o.target,
                  "--device", o.device], 300)
                for check_ in ("memcheck", "racecheck", "synccheck", "initcheck") for path, defines in SANITIZED])


def part_matrix(report, o):
    matrix = program("matrix", "tests/compile")
    if not matrix:
        report.add("matrix", "skipped", "the program matrix is not here")
        return
    n = 10
    slices = [0] if o.quick else range(n)
    at_once(o, [(check, report, f"matrix {family} {i}/{n} {o.target}{road}",
                 [matrix, "-f", family, "-t", o.target + road, "-d", o.device, "-s", f"{i}/{n}"], 600)
                for road in o.roads for i in slices for family in FAMILIES])


def part_random(report, o):
    program_ = program("random_graphs", "tests/random")
    if not program_:
        report.add("random graphs", "skipped", "the program random_graphs is not here")
        return
    with tempfile.TemporaryDirectory() as out:
        day, share = int(time.time()) // 86400 * 1000, o.graphs // 10
        at_once(o, [(check, report, f"{share} random graphs from seed {day + i * share}",
                     [program_, share, day + i * share, "--target", o.target, "--out", out], 600) for i in range(10)])
        report.figures["seeds that failed"] = {p.name: p.read_text(errors="replace")[:8000] for p in list(pathlib.Path(out).glob("*"))[:8]}


def part_counters(report, o):
    """Where the time of the dearest kernels goes, by the profiler's counters."""
    ncu = toolkit("ncu")
    if o.kind != "cuda" or not ncu:
        report.add("counters", "skipped", "ncu is not here")
        return
    metrics = ("sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed,"
               "sm__warps_active.avg.pct_of_peak_sustained_active,launch__registers_per_thread,gpu__time_duration.sum,"
               "l1tex__data_bank_conflicts_pipe_lsu.sum,smsp__inst_executed.sum")
    for name, path, defines in BENCHES[:3] if o.quick else BENCHES[:8]:
        if report.left() < 30:
            report.add(f"counters {name}", "skipped", "no time left")
            continue
        status, text, seconds = run([ncu, "--metrics", metrics, "--csv", "--launch-count", "12", o.frit, "run", ROOT / path, *defines,
                                     "-t", o.target, "--device", o.device], min(120, report.left()))
        lines = [l for l in text.splitlines() if l.startswith('"')]
        report.figures[f"counters {name}"] = lines
        denied = "ERR_NVGPUCTRPERM" in text
        report.add(f"counters {name}", "skipped" if denied else "ok" if lines and not status else "FAILED",
                   "this user may not read them" if denied else f"{len(lines)} lines in the results" if lines else text, seconds)
        if denied:
            return


PARTS = {"launch": part_launch, "bench": part_bench, "twins": part_twins, "models": part_models, "sanitizer": part_sanitizer,
         "matrix": part_matrix, "random": part_random, "counters": part_counters}


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--kind", choices=["cuda", "hip"], default=os.environ.get("FRIT_GPU", "cuda"))
    p.add_argument("--device", type=int, default=0)
    p.add_argument("--quick", action="store_true", help="a tenth of the matrix, 100 graphs, four benchmarks")
    p.add_argument("--minutes", type=float, default=0, help="checks that would begin later are skipped, ones under way end")
    p.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="checks that run side by side (never benchmarks)")
    p.add_argument("--skip", action="append", default=[], choices=list(PARTS))
    p.add_argument("--only", action="append", default=[], choices=list(PARTS))
    p.add_argument("--out", default="gpu-results.json")
    return p.parse_args()


def main():
    o = arguments()
    o.frit = program("frit", "tools")
    if not o.frit:
        print("skipped: no frit beside tests/, in FRIT_BIN or on the path")
        return 77
    device, found = find_device(o.frit, o.kind, o.device)
    if not device:
        print(f"skipped: {found}")
        return 77
    os.environ["FRIT_CACHE"] = "off"
    report = Report(o.out, o.minutes)
    report.figures["device"] = device
    print(f"{'device:':12} {device}")
    versions(report, o)
    # Warp-specialised code of sm_90 and later is bound to the architecture: its name ends in a.
    special = found in ("sm_90", "sm_100", "sm_103", "sm_120", "sm_121")
    o.target = f"{o.kind}:{found}" + ("a" if special else "")
    o.roads = roads(report, o)
    o.graphs = 100 if o.quick else 1000
    for name, part in PARTS.items():
        if name in o.skip or (o.only and name not in o.only):
            continue
        try:
            part(report, o)
        except Exception:  # of one part: the others are worth having
            report.add(name, "FAILED", traceback.format_exc())
    print(f"{len(report.results) - report.failed()} of {len(report.results)} right; all of it is in {o.out}")
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
