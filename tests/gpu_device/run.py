#!/usr/bin/env python3
"""Everything that wants a real GPU, in one command: the versions, the cost of a launch, each instruction against its twin, models on
the device against the CPU, benchmarks beside PyTorch and as parts of what the machine can do, the sanitizer's four tools, the
profiler's counters, the op and dtype matrix and random graphs, and the tests of `ctest -L gpu`.

    run.py [--kind cuda|hip] [--device N] [--quick] [--minutes M] [--jobs J] [--skip PART]... [--only PART]... [--out FILE]

It finds `frit` and the test programs in what tools/static.sh packs, or in a build folder (FRIT_BIN, FRIT_BUILD). No LLVM, compiler or
Python package is needed; nvcc, NVRTC, nvJitLink, compute-sanitizer, ncu, ctest and PyTorch are used where they are. What has been
found out by then is in FILE (gpu-results.json) after every check, with the full output of what failed. A part that breaks leaves the
others; after M minutes what is under way is ended and the rest skipped. Without a device the parts that need none run. Exit status:
0 all right, 1 something failed, 77 there is no device (with the reason)."""
import argparse
import csv
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

import machine
import minilm
from checks import Report, at_once, attempt, check, end_all, run

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
MINILM = ("docs/examples/minilm.frit", sizes("B=1 S=128"))  # with the weights of minilm.py
SANITIZED = [MODELS[i] for i in (1, 2, 4, 5, 6, 7, 9)]
BENCHES = [
    ("add", OWN + "add.frit", sizes("N=33554432")),
    ("matmul 4096 f16", OWN + "matmul16.frit", sizes("M=4096 K=4096 N=4096")),
    ("attention 16x2048 f16", OWN + "attention16.frit", sizes("B=4 H=16 S=2048")),
    ("matmul 4096", OWN + "matmul.frit", sizes("M=4096 K=4096 N=4096")),
    ("softmax 4096x1024", OWN + "softmax.frit", sizes("R=4096 C=1024")),
    ("MiniLM 1x128", *MINILM),
    ("transpose 8192", OWN + "turn.frit", sizes("R=8192 C=8192")),
    ("layer norm 8192x1024 f16", OWN + "norm.frit", sizes("R=8192 C=1024")),
    ("matmul 1024", OWN + "matmul.frit", sizes("M=1024 K=1024 N=1024")),
    ("matmul 64x4096x4096 f16", OWN + "matmul16.frit", sizes("M=64 K=4096 N=4096")),
    ("conv 64x56x56", OWN + "conv.frit", sizes("N=16 H=56 W=56")),
    ("attention 16x1024", OWN + "attention.frit", sizes("B=4 H=16 S=1024 T=1024")),
]
MOST_OVERHEAD = 1.3  # a session's run over a bare launch


def program(name, *builds):
    """In a build folder (what is unpacked has one), or on the path; None when it is nowhere."""
    places = [pathlib.Path(os.environ["FRIT_BIN"]) / name] if "FRIT_BIN" in os.environ else []
    for build in ([os.environ["FRIT_BUILD"]] if "FRIT_BUILD" in os.environ else []) + [ROOT / "build"]:
        places += [pathlib.Path(build) / b / name for b in builds]
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return str(place)
    return shutil.which(name)


# ---- the device
def share(report, seconds, bytes_, flops, name):
    """Rates of a kernel in words, each with its part of what the machine can do where that is known."""
    most = report.figures.get("limits", {})
    kind = "f16" if "f16" in name else "tf32" if re.search("matmul|conv|attention|MiniLM", name) else "f32"
    peak = most.get(kind, 0) / (3 if kind == "tf32" else 1)  # f32 products are three of tf32

    def rate(amount, unit, scale, limit):
        part = f" ({100 * amount / seconds / limit:.0f}% of {limit / scale:.0f})" if limit else ""
        return f"{amount / seconds / scale:.1f} {unit}{part}"

    return f"{rate(bytes_, 'GB/s', 1e9, most.get('bytes', 0))}, {rate(flops, 'TFLOP/s', 1e12, peak)}" if seconds else "no time on the device"


def roads(report, o):
    """Ways of code to the device: PTX or a code object, and those that this frit can finish here: CUDA C, machine code."""
    found = [""]
    for ending, name, what in (("+nvrtc", "nvrtc", "CUDA C through NVRTC"), ("+cubin", "nvJitLink", "machine code by nvJitLink or ptxas")):
        if o.kind != "cuda":
            break
        place = machine.library(name)
        if place and "/" in place:  # one that came with a Python package is on no path of the loader's
            os.environ["LD_LIBRARY_PATH"] = f"{pathlib.Path(place).parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        status, text, _ = run([o.frit, "compile", HERE / "models/tiny.frit", "-t", o.target + ending, "-o", os.devnull], 120)
        missing = "is needed to finish code" in text or "not found" in text
        report.add(f"road: {what}", "ok" if status == 0 else "skipped" if missing else "FAILED", "" if status == 0 else text)
        if status == 0:
            found.append(ending)
    return found


# ---- parts
def part_launch(report, o):
    launch = program("launch", "tests/gpu_device")
    if not launch or o.kind != "cuda":
        return report.add("launch overhead", "skipped", "the program launch is not here" if o.kind == "cuda" else "measured on cuda")
    with tempfile.TemporaryDirectory() as folder:
        model = HERE / "models/tiny.frit"
        package, ptx = f"{folder}/c.fpk", f"{folder}/c.ptx"
        for command in ([o.frit, "compile", model, "-t", o.target, "-o", package],
                        [o.frit, "compile", model, "-t", o.target, "--emit", "ptx", "-o", ptx]):
            done = attempt(report, "launch overhead", command)
            if not done or done[0]:
                return done and report.add("launch overhead", "FAILED", done[1])
        done = attempt(report, "launch overhead", [launch, package, ptx, o.device], 120)
        if not done:
            return None
        status, text, seconds = done
        ratio = re.search(r"ratio ([\d.]+)", text)
        report.figures["launch"] = text.strip()
        good = status == 0 and ratio and float(ratio[1]) <= MOST_OVERHEAD
        return report.add(f"launch overhead at most {MOST_OVERHEAD}", "ok" if good else "FAILED", text, seconds)


def peers(report, o, names):
    """Seconds by name in PyTorch as it is, and by torch.compile."""
    python = machine.python_with("torch") if o.kind == "cuda" else None
    if not python:
        report.add("PyTorch", "skipped", "it is not here" if o.kind == "cuda" else "measured on cuda")
        return {}, {}
    limit = min(60 if o.quick else 300, report.left() / 3)
    status, text, seconds = run([python, HERE / "peers.py", limit, *names], min(limit + 60, report.left()), env=dict(os.environ, CUDA_VISIBLE_DEVICES=str(o.device)))
    lines = [l for l in text.splitlines() if l.startswith("{")]
    if not lines:
        report.add("PyTorch", "FAILED", text, seconds)
        return {}, {}
    found = json.loads(lines[-1])
    report.figures["PyTorch"] = found
    report.add("PyTorch", "ok", f"{found['torch']}, CUDA {found['cuda']}, cuDNN {found['cudnn']}: {len(found['seconds'])} of {len(names)} measured, "
               f"{len(found['compiled'])} compiled, {len(found['errors'])} errors", seconds)
    return found["seconds"], found["compiled"]


def bench(report, o, name, command, out, torch):
    done = attempt(report, f"bench {name}", [*command, "--json", out], 300)
    if not done or done[0]:
        return done and report.add(f"bench {name}", "FAILED", done[1], done[2])
    with open(out) as f:
        point = json.load(f)["points"][0]
    device = sum(k["seconds"] for k in point["kernels"])
    words = [f"kernels {device * 1e6:.1f} us ({share(report, device, point['bytes'], point['flops'], name)})",
             f"run {point['median_seconds'] * 1e6:.1f} us", f"{point['launches']:.0f} launches"]
    words += [f"{who} {t[name] * 1e6:.1f} us, frit {t[name] / device:.2f} times as fast"
              for who, t in zip(("PyTorch", "torch.compile"), torch) if name in t and device]
    report.figures[f"bench {name}"] = {
        "kernels_us": device * 1e6, "run_us": point["median_seconds"] * 1e6, "launches": point["launches"], "bytes": point["bytes"],
        "flops": point["flops"], "torch_us": [t[name] * 1e6 if name in t else None for t in torch],
        "kernels": [dict(k, share=share(report, k["seconds"] / max(k["launches"], 1), k["bytes"], k["flops"], name)) for k in point["kernels"]]}
    return report.add(f"bench {name}", "ok", "; ".join(words), done[2])


def part_bench(report, o):
    cases = BENCHES[:4] if o.quick else BENCHES
    torch = peers(report, o, [name for name, _, _ in cases if name])
    with tempfile.TemporaryDirectory() as folder:
        for name, path, defines in cases:
            path, defines = with_weights(folder, (path, defines))
            command = [o.frit, "bench", ROOT / path, *defines, "-t", o.target, "--device", o.device]
            bench(report, o, name, command, f"{folder}/bench.json", torch)


def part_twins(report, o):
    twins = program("twins", "tests/gpu_device")
    if not twins or o.kind != "cuda":
        report.add("twins", "skipped", "the program twins is not here" if o.kind == "cuda" else "they are of cuda")
        return
    # A process each: what breaks on the device takes its context along.
    at_once(o.jobs, [(check, report, f"twin {path.stem}", [twins, path, o.device], 120) for path in sorted(HERE.glob("kernels/**/*.fir"))])


def with_weights(folder, model):
    """The model's file and defines, with weights of its own where its sizes are theirs."""
    if model != MINILM:
        return model
    weights = pathlib.Path(folder) / "minilm.safetensors"
    if not weights.exists():
        minilm.write(weights)
    return model[0], [*model[1], "-w", weights]


def model_against_cpu(report, o, expect, path, defines):
    name = pathlib.Path(path).stem
    done = attempt(report, f"{name} on the CPU", [o.frit, "run", ROOT / path, *defines, "-t", "cpu", "-o", expect], 300)
    if not done or done[0]:
        return done and report.add(f"{name} on the CPU", "FAILED", done[1])
    for road in o.roads:
        check(report, f"model {name} {o.target}{road}",
              [o.frit, "run", ROOT / path, *defines, "-t", o.target + road, "--device", o.device, "--expect", expect,
               "--rtol", "1e-3", "--atol", "1e-3" if "16" in name or name == "norm" else "1e-4"], 300)
    return None


def part_models(report, o):
    env = dict(os.environ, FRIT_TARGET=o.target, FRIT_BIN=str(pathlib.Path(o.frit).parent), FRIT_BATCHES="3")
    env.setdefault("FRIT_BUILD", str(ROOT / "build"))
    generate = program("generate", "tests/models")
    if generate:
        env["FRIT_GENERATE"] = generate
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(model_against_cpu, report, o, f"{folder}/{i}.npz", path, defines) for i, (path, defines) in enumerate([with_weights(folder, MINILM)] + MODELS)]
        for test in ("test_stories.py", "test_minilm.py"):
            script = ROOT / "tests/models" / test
            if script.is_file() and (generate or "stories" not in test):
                jobs.append((lambda *a: check(*a, env=env), report, test, [sys.executable, script], 600))
            else:
                report.add(test, "skipped", f"{script} or its program is not here")
        at_once(o.jobs, jobs)


def part_sanitizer(report, o):
    tool = machine.tool("compute-sanitizer")
    if o.kind != "cuda" or not tool:
        report.add("sanitizer", "skipped", "compute-sanitizer is not here" if o.kind == "cuda" else "there is none for hip")
        return
    at_once(o.jobs, [(check, report, f"{check_} {pathlib.Path(path).stem}",
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
    at_once(o.jobs, [(check, report, f"matrix {family} {i}/{n} {o.target}{road}",
                 [matrix, "-f", family, "-t", o.target + road, "-d", o.device, "-s", f"{i}/{n}"], 600)
                for road in o.roads[:2] for i in slices for family in FAMILIES])


def part_random(report, o):
    program_ = program("random_graphs", "tests/random")
    if not program_:
        report.add("random graphs", "skipped", "the program random_graphs is not here")
        return
    with tempfile.TemporaryDirectory() as out:
        day, each = int(time.time()) // 86400 * 1000, o.graphs // 10
        at_once(o.jobs, [(check, report, f"{each} random graphs from seed {day + i * each}",
                          [program_, each, day + i * each, "--target", o.target, "--out", out], 600) for i in range(10)])
        report.figures["seeds that failed"] = {p.name: p.read_text(errors="replace")[:8000] for p in list(pathlib.Path(out).glob("*"))[:8]}


def part_counters(report, o):
    """Where the time of the dearest kernels goes, by the profiler's counters. The clocks stay as they are."""
    ncu = machine.tool("ncu")
    if o.kind != "cuda" or not ncu:
        report.add("counters", "skipped", "ncu is not here")
        return
    metrics = ("sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed,"
               "sm__warps_active.avg.pct_of_peak_sustained_active,launch__registers_per_thread,gpu__time_duration.sum,"
               "sm__inst_executed_pipe_tensor.sum,l1tex__data_bank_conflicts_pipe_lsu.sum,smsp__inst_executed.sum")
    cases = [case for case in BENCHES if case[1] != MINILM[0]]  # its weights would want a file here too
    for name, path, defines in cases[:3] if o.quick else cases[:8]:
        done = attempt(report, f"counters {name}", [ncu, "--clock-control", "none", "--metrics", metrics, "--csv", "--launch-count", "12", o.frit, "run",
                                     ROOT / path, *defines, "-t", o.target, "--device", o.device, "-q"], 120)
        if not done:
            continue
        status, text, seconds = done
        rows = list(csv.DictReader(l for l in text.splitlines() if l.startswith('"')))
        kernels = {}
        for row in rows:
            kernels.setdefault(f"{row.get('ID')} {row.get('Kernel Name')}", {})[row.get("Metric Name")] = f"{row.get('Metric Value')} {row.get('Metric Unit')}"
        report.figures[f"counters {name}"] = kernels
        denied = "ERR_NVGPUCTRPERM" in text
        report.add(f"counters {name}", "skipped" if denied else "ok" if rows and not status else "FAILED",
                   "this user may not read them" if denied else f"{len(kernels)} kernels in the results" if rows and not status else text, seconds)
        if denied:
            return


def part_tests(report, o):
    """The tests of label gpu: by ctest in a build folder, from their list where they are unpacked. They need no device: kernels on
    the executor of thread IR."""
    packed, build = ROOT / "build/tests.json", pathlib.Path(os.environ.get("FRIT_BUILD", ROOT / "build"))
    if packed.is_file():
        calls = []
        for test in json.loads(packed.read_text()):
            def place(text):
                return text.replace("{ROOT}", str(ROOT)).replace("{BUILD}", str(ROOT / "build"))
            env = dict(os.environ, **dict(place(e).split("=", 1) for e in test["environment"]))
            calls.append((lambda test, place, env: check(report, f"ctest {test['name']}", [place(c) for c in test["command"]], test["seconds"],
                                                         test["skipped"], env=env, cwd=place(test["folder"])), test, place, env))
        at_once(o.jobs, calls)
    elif (build / "CTestTestfile.cmake").is_file() and machine.tool("ctest"):
        check(report, "ctest -L gpu", [machine.tool("ctest"), "--test-dir", build, "-L", "^gpu$", "-LE", "gpu_device", "-j", o.jobs], 3600)
    else:
        report.add("ctest -L gpu", "skipped", "there is no list of tests in build/tests.json and no build folder with ctest")


PARTS = {"launch": part_launch, "twins": part_twins, "models": part_models, "bench": part_bench, "sanitizer": part_sanitizer,
         "counters": part_counters, "matrix": part_matrix, "random": part_random, "tests": part_tests}
WITHOUT_DEVICE = ["tests"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--kind", choices=["cuda", "hip"], default=os.environ.get("FRIT_GPU", "cuda"))
    p.add_argument("--device", type=int, default=0)
    p.add_argument("--quick", action="store_true", help="a tenth of the matrix, 100 graphs, four benchmarks")
    p.add_argument("--minutes", type=float, default=0, help="then what is under way is ended and the rest skipped")
    p.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="checks that run side by side (never benchmarks)")
    p.add_argument("--skip", action="append", default=[], choices=list(PARTS))
    p.add_argument("--only", action="append", default=[], choices=list(PARTS))
    p.add_argument("--out", default="gpu-results.json")
    return p.parse_args()


def parts(report, o, possible):
    for name in possible:
        if name in o.skip or (o.only and name not in o.only):
            continue
        start = time.monotonic()
        try:
            PARTS[name](report, o)
        except Exception:  # of one part: the others are worth having
            report.add(name, "FAILED", traceback.format_exc())
        report.figures[f"seconds of {name}"] = round(time.monotonic() - start, 1)


def without_device(report, o, why):
    """What can be found out all the same. A build folder's tests are whoever built it's to run."""
    print(f"no device: {why}")
    if (ROOT / "build/tests.json").is_file():
        parts(report, o, WITHOUT_DEVICE)
        print(f"{report.count('ok')} right, {report.count('FAILED')} wrong, {report.count('skipped')} skipped of what needs no device")
    print(f"skipped: {why}")
    return 1 if report.count("FAILED") else 77


def start(report, o):
    print("\n".join(f"{name + ':':12} {text}" for name, text in report.figures["versions"].items()), flush=True)
    device, found = machine.find_device(o.frit, o.kind, o.device)
    report.figures["device"] = device or found
    if not device:
        return found
    o.target = found
    report.figures["limits"] = machine.limits(o.device) if o.kind == "cuda" else {}
    print(f"{'device:':12} {device}\n{'target:':12} {o.target}\n{'limits:':12} {report.figures['limits']}", flush=True)
    o.roads = roads(report, o)
    return None


def main():
    o = arguments()
    o.frit = program("frit", "tools")
    if not o.frit:
        print("skipped: no frit in build/ beside tests/, in FRIT_BIN or on the path")
        return 77
    os.environ["FRIT_CACHE"] = "off"
    report = Report(o.out, o.minutes)
    report.figures["versions"] = machine.versions(o.frit)
    o.graphs = 100 if o.quick else 1000
    missing = start(report, o)
    if missing:
        return without_device(report, o, missing)
    parts(report, o, PARTS)
    report.save()
    print(f"{report.count('ok')} right, {report.count('FAILED')} wrong, {report.count('skipped')} skipped; all of it is in {o.out}")
    return 1 if report.count("FAILED") else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main())
    finally:
        end_all()
