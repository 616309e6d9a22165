"""What a machine has: programs and libraries with their versions, and what its device can do at most."""
import ctypes
import ctypes.util
import glob
import os
import platform
import re
import shutil
import sys

from checks import run

TOOLKITS = ("/usr/local/cuda/bin", "/usr/local/cuda-*/bin", "/opt/nvidia/*/*", "/opt/cuda/bin", "/opt/rocm/bin",
            "/usr/local/cuda*/nsight-compute*", "/usr/local/cuda*/compute-sanitizer")
# CUdevice_attribute
SHARED, CLOCK_KHZ, PROCESSORS, MEMORY_KHZ, BUS_BITS, L2_BYTES, MAJOR, MINOR = 97, 13, 16, 36, 37, 38, 75, 76
# Multiply-adds a clock of one multiprocessor: plain f32, and f16 on tensor cores with sums in f32 (tf32: half of it). Sources:
# NVIDIA's white papers on Turing, Ampere (GA100, GA102), Ada, Hopper and Blackwell.
RATES = {75: (64, 512), 80: (64, 1024), 86: (128, 512), 87: (128, 1024), 89: (128, 512), 90: (128, 2048), 100: (128, 4096),
         103: (128, 4096), 120: (128, 512), 121: (128, 512)}


def tool(name):
    """A program, on the path or where toolkits are; None: nowhere."""
    found = [p for place in TOOLKITS for p in sorted(glob.glob(f"{place}/{name}"), reverse=True) if os.access(p, os.X_OK)]
    return shutil.which(name) or next(iter(found), None)


def library(name):
    """A library's file or what the loader finds it by; None: nowhere."""
    places = []
    for site in sys.path:  # one that came with a Python package
        places += glob.glob(f"{site}/nvidia/*/lib/lib{name}.so*")
    places += glob.glob(f"/usr/local/cuda*/lib64/lib{name}.so*") + glob.glob(f"/usr/lib/*/lib{name}.so*")
    return ctypes.util.find_library(name) or (sorted(places)[0] if places else None)


def library_version(name, function):
    path = library(name)
    if not path:
        return "not here"
    major, minor = ctypes.c_int(), ctypes.c_int()
    try:
        getattr(ctypes.CDLL(path), function)(ctypes.byref(major), ctypes.byref(minor))
    except (OSError, AttributeError) as e:
        return f"{path} ({e})"
    return f"{major.value}.{minor.value} ({path})"


def last_line(name, *command):
    """What it says last that has a number."""
    path = tool(name)
    status, text, _ = run([path, *command], 60) if path else (0, "", 0)
    lines = [l.strip() for l in text.splitlines() if l.strip()]
    lines = [l for l in lines if re.search(r"\d", l)] or lines
    return (lines[-1] if status == 0 else f"fails: {lines[-1]}") if lines else "not here"


def python_with(package):
    """A Python that has the package, or None."""
    for python in (sys.executable, shutil.which("python3"), shutil.which("python"), "/opt/conda/bin/python3", "/usr/bin/python3",
                   "/usr/local/bin/python3"):
        if python and os.path.exists(python):
            if run([python, "-c", f"import importlib.util as u, sys; sys.exit(u.find_spec({package!r}) is None)"], 60)[0] == 0:
                return python
    return None


def packages(*names):
    python = python_with(names[0]) or sys.executable
    found = {}
    for name in names:
        status, text, _ = run([python, "-c", f"import importlib.metadata as m; print(m.version({name!r}))"], 60)
        found[name] = text.strip() if status == 0 else "not here"
    return found


def versions(frit):
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.platform()}, Python {platform.python_version()}",
        "frit": run([frit, "--version"], 60)[1].strip(),
        "driver": last_line("nvidia-smi", "--query-gpu=name,driver_version,compute_cap,clocks.max.sm,power.limit", "--format=csv,noheader"),
        "nvcc": last_line("nvcc", "--version"),
        "ptxas": last_line("ptxas", "--version"),
        "NVRTC": library_version("nvrtc", "nvrtcVersion"),
        "nvJitLink": library("nvJitLink") or "not here",
        "sanitizer": last_line("compute-sanitizer", "--version"),
        "ncu": last_line("ncu", "--version"),
        "rocm": last_line("hipconfig", "--version"),
        "ctest": last_line("ctest", "--version"),
    } | packages("torch", "triton", "numpy")


def find_device(frit, kind, index):
    """The device's line of `frit devices` and the target for it, or None and the reason."""
    status, text, _ = run([frit, "devices"], 120)
    lines = [l.strip() for l in text.splitlines()]
    here = re.search(rf"^\s*{kind} .*; here: ({kind}:\S+)", text, re.M)
    for line in lines:
        found = re.match(rf"--device {index}: {kind} \(.*?\b((?:sm_\d+)|(?:gfx[0-9a-f]+))\b", line)
        if found and here and index == 0:
            return line, here[1]
        if found:  # code of sm_90 and later is bound to the architecture for all that it has: its name ends in a
            special = found[1].startswith("sm_") and int(found[1][3:]) >= 90
            return line, f"{kind}:{found[1]}" + ("a" if special else "")
    reasons = [l for l in lines if l.startswith(f"no {kind} device")] + [l for l in lines if status and l]
    return None, (reasons or [f"`frit devices` lists no {kind} device {index} (exit status {status})"])[0]


def limits(index):
    """What a CUDA device can do at most by its clocks: bytes and floating-point operations a second; {} where it is not said."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return {}
    device, value = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), index):
        return {}

    def attribute(number):
        return value.value if not cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device) else 0

    plain, tensor = RATES.get(10 * attribute(MAJOR) + attribute(MINOR), (0, 0))
    clocks = 2 * attribute(PROCESSORS) * attribute(CLOCK_KHZ) * 1e3
    found = {"bytes": 2e3 * attribute(MEMORY_KHZ) * attribute(BUS_BITS) / 8, "f32": plain * clocks, "f16": tensor * clocks,
             "tf32": tensor * clocks / 2, "multiprocessors": attribute(PROCESSORS), "l2_bytes": attribute(L2_BYTES),
             "shared_bytes": attribute(SHARED)}
    return {k: v for k, v in found.items() if v}
