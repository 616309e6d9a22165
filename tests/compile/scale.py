"""scale.py FRIT: compiles networks of 10, 100 and 1000 layers. Seconds and memory are recorded, not judged; what must not grow
with the layers (kernels) or grow in proportion (launches) is, and memory has a bound."""
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

MODEL = """fn dense[O](x: f32[..., I]) -> f32[..., O] {
    param w: f32[I, O], b: f32[O]
    return x @ w + b
}
fn norm(x: f32[..., D]) -> f32[..., D] {
    param g: f32[D], b: f32[D]
    return layer_norm(x, g, b)
}
fn block[K](x: f32[..., D]) -> f32[..., D] {
    h = gelu(dense(norm(x) from "n", O = K) from "up")
    return x + dense(h, O = D) from "down"
}
model deep(x: f32[B, 256]) -> f32[B, 256] {
    for l in 0..%d { x = block(x, K = 256 + 16 * (l %% %d)) from "l{l}" }
    return x
}
"""
# Open sizes everywhere: every extent is a formula of all layers before it.
OPEN = """fn conv(x: f32[N, C, H, W]) {
    param w: f32[O, C, R, R], b: f32[O]
    return relu(conv2d(x, w, b, padding = R // 2))
}
model chain(image: f32[N, 3, H, W]) {
    for l in 0..%d { image = conv(image) from "c{l}" }
    return image
}
"""


def run(frit, *args):
    """Seconds and MiB at most of one process."""
    start = time.monotonic()
    p = subprocess.Popen([frit, *args], env=dict(os.environ, FRIT_CACHE="off"), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    assert status == 0, (args, status)
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def count(path, pattern):
    with open(path, errors="replace") as f:
        return sum(1 for line in f if re.match(pattern, line))


def measure(frit, folder, text, name, package):
    model, out = os.path.join(folder, "m.frit"), os.path.join(folder, "out")
    with open(model, "w") as f:
        f.write(text)
    wall, cpu, memory = run(frit, "compile", "-q", model, "--emit", "fused", "-o", out)
    launches = count(out, r".* = kernel\(")
    _, _, threads_memory = run(frit, "compile", "-q", model, "--emit", "thread", "-o", out)
    kernels = count(out, r"func thread ")
    line = f"{name}: {launches} launches, {kernels} kernels, fused in {cpu:.2f} s of one core, {memory:.0f} MiB"
    if package:
        wall, cpu, whole = run(frit, "compile", "-q", model, "--weights", "none", "-o", out)
        line += f"; package: {wall:.2f} s, {cpu:.2f} s of one core, {whole:.0f} MiB, {os.path.getsize(out)} bytes"
    print(line, flush=True)
    return launches, kernels, memory, threads_memory


def in_proportion(what, small, middle, large, slack):
    """From 100 to 1000 layers ten times as much is added as from 10 to 100."""
    assert large - middle <= 10 * slack * (middle - small), (what, small, middle, large)


def main():
    frit = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        for widths in (1, 13):
            r = [measure(frit, folder, MODEL % (n, widths), f"{n} layers, {widths} widths", n < 1000 or widths == 1)
                 for n in (10, 100, 1000)]
            in_proportion("launches", *(x[0] for x in r), 1.15)
            assert r[2][1] <= r[1][1] * 1.25 + 2, ("kernels", r)
            assert r[2][2] < 1000 and r[2][3] < 1000, ("memory", r)
        short, long = (measure(frit, folder, OPEN % n, f"{n} convolutions of open sizes", False) for n in (12, 48))
        assert long[1] <= short[1] + 4, ("kernels of open sizes", short, long)


main()
