#!/usr/bin/env python3
"""stories.frit on a second geometry with random weights, against a plain NumPy forward pass: logits within 1e-4."""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: NumPy is not installed")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"
sys.path.insert(0, str(ROOT / "docs/examples"))
import stories  # noqa: E402

DIM, HIDDEN, LAYERS, HEADS, KV, VOCAB, SEQ = 48, 100, 3, 6, 2, 96, 64


def make_file():
    """A .bin of this geometry with a classifier of its own, and its tensors by name."""
    rng = np.random.default_rng(11)
    data = struct.pack("<7i", DIM, HIDDEN, LAYERS, HEADS, KV, -VOCAB, SEQ)
    for name, dims, stacked in stories.layout(DIM, HIDDEN, LAYERS, HEADS, KV, VOCAB, SEQ, False):
        for _ in range(LAYERS if stacked else 1):
            w = rng.standard_normal(dims) / (np.sqrt(dims[-1]) if len(dims) > 1 else 4)
            data += (w + (len(dims) == 1)).astype("<f4").tobytes()
    tensors = {n: np.frombuffer(b, "<f4").reshape(d).astype(np.float64) for n, d, b in stories.split(data)[1]}
    return data, tensors


def norm(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w


def turn(x):
    """x[s, head, e]: pairs of neighbours turned by s * 10000 ** (-pair / width)."""
    width = x.shape[-1]
    a = np.arange(x.shape[0])[:, None, None] * 10000.0 ** (-np.arange(0, width, 2) / width)
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * np.cos(a) - x[..., 1::2] * np.sin(a)
    out[..., 1::2] = x[..., 0::2] * np.sin(a) + x[..., 1::2] * np.cos(a)
    return out


def forward(w, tokens):
    x, n = w["tok_embeddings.weight"][tokens], len(tokens)
    for l in range(LAYERS):
        p = f"layers.{l}."
        h = norm(x, w[p + "attention_norm.weight"])
        q, k, v = (h @ w[f"{p}attention.w{c}.weight"].T for c in "qkv")
        q, k, v = turn(q.reshape(n, HEADS, -1)), turn(k.reshape(n, KV, -1)), v.reshape(n, KV, -1)
        k, v = np.repeat(k, HEADS // KV, 1), np.repeat(v, HEADS // KV, 1)
        s = np.einsum("she,the->hst", q, k) / np.sqrt(q.shape[-1])
        s = np.where(np.tril(np.ones((n, n))) > 0, s, -np.inf)
        s = np.exp(s - s.max(-1, keepdims=True))
        y = np.einsum("hst,the->she", s / s.sum(-1, keepdims=True), v).reshape(n, DIM)
        x = x + y @ w[p + "attention.wo.weight"].T
        h = norm(x, w[p + "ffn_norm.weight"])
        g = h @ w[p + "feed_forward.w1.weight"].T
        x = x + (g / (1 + np.exp(-g)) * (h @ w[p + "feed_forward.w3.weight"].T)) @ w[p + "feed_forward.w2.weight"].T
    return norm(x, w["norm.weight"]) @ w["output.weight"].T


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert not done.returncode, f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def main():
    data, w = make_file()
    tokens = np.random.default_rng(3).integers(0, VOCAB, 40)
    logits = forward(w, tokens)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "m.bin").write_bytes(data)
        geometry = run(sys.executable, ROOT / "docs/examples/stories.py", folder / "m.bin", folder / "m.safetensors")
        model = [ROOT / "docs/examples/stories.frit", "-w", folder / "m.safetensors", *geometry.split()]
        run(FRIT, "compile", *model, "-o", folder / "m.fpk")
        state = ["--state", folder / "state.npz"]
        # 17 tokens at once, then the others one by one, the cache carried from run to run
        for begin, end in [(0, 17)] + [(i, i + 1) for i in range(17, len(tokens))]:
            np.save(folder / "tokens.npy", tokens[None, begin:end].astype(np.int32))
            run(FRIT, "run", folder / "m.fpk", "-i", f"tokens={folder}/tokens.npy", "-i", f"pos={begin}", *state,
                "-o", f"logits={folder}/logits.npy", "-o", f"next={folder}/next.npy")
            got = np.load(folder / "logits.npy")[0]
            gap = np.abs(got - logits[end - 1]).max()
            assert gap < 1e-4, f"position {end - 1}: logits differ by {gap}"
            assert np.load(folder / "next.npy")[0] == logits[end - 1].argmax()
    print("24 passed, 0 failed")


if __name__ == "__main__":
    main()
