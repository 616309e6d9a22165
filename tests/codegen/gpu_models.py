#!/usr/bin/env python3
"""Every kernel of the test models as machine code of GPUs: each must assemble, and none may spill more than it did.

    gpu_models.py [--full] [--strict] [--bless] [-j JOBS] [-m MODEL]... [-t TARGET]...

Registers, spilled bytes, stack and shared memory of each kernel are compared with gpu_baseline.txt beside this file: more
spilled bytes are a failure, other changes are printed (with --strict they are failures too; with --bless the lines of the
models and targets that ran are rewritten). Without --full: small models and one target of each maker. Weights are files of
zeros without blocks on the disk. Exit status 77: what finishes code (nvJitLink or ptxas, ld.lld) is missing.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINE = pathlib.Path(__file__).with_name("gpu_baseline.txt")
FRIT = pathlib.Path(os.environ.get("FRIT_BIN", ROOT / "build/tools")) / "frit"
SIZES = {"F32": 4, "BF16": 2}

CUDA = [f"cuda:{a}+cubin" for a in ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a")]
HIP = [f"hip:{a}" for a in ("gfx90a", "gfx942", "gfx950", "gfx1100", "gfx1201")]


def linear(name, o, i):
    return {f"{name}.weight": [o, i], f"{name}.bias": [o]}


def pair(name, n):
    return {f"{name}.weight": [n], f"{name}.bias": [n]}


def minilm():
    w = {"embeddings.position_embeddings.weight": [512, 384], "embeddings.token_type_embeddings.weight": [2, 384],
         "embeddings.word_embeddings.weight": [30522, 384]} | pair("embeddings.LayerNorm", 384)
    for p in (f"encoder.layer.{i}." for i in range(2)):
        for n in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            w |= linear(p + n, 384, 384)
        w |= linear(p + "intermediate.dense", 1536, 384) | linear(p + "output.dense", 384, 1536)
        w |= pair(p + "attention.output.LayerNorm", 384) | pair(p + "output.LayerNorm", 384)
    return w


def decoder(names, layers, d, kv, hidden, vocab):
    w = {names["emb"]: [vocab, d], names["norm"]: [d], names["out"]: [vocab, d]}
    for p in (f"{names['layer']}{i}." for i in range(layers)):
        for n, o, i in zip(names["proj"], (d, kv, kv, d, hidden, hidden, d), (d, d, d, d, d, d, hidden)):
            w[p + n] = [o, i]
        w |= {p + n: [d] for n in names["norms"]}
    return w


STORIES = {"emb": "tok_embeddings.weight", "norm": "norm.weight", "out": "output.weight", "layer": "layers.",
           "proj": [f"attention.{n}.weight" for n in ("wq", "wk", "wv", "wo")] +
                   [f"feed_forward.{n}.weight" for n in ("w1", "w3", "w2")],
           "norms": ["attention_norm.weight", "ffn_norm.weight"]}
LLAMA = {"emb": "model.embed_tokens.weight", "norm": "model.norm.weight", "out": "lm_head.weight", "layer": "model.layers.",
         "proj": [f"self_attn.{n}_proj.weight" for n in "qkvo"] +
                 [f"mlp.{n}_proj.weight" for n in ("gate", "up", "down")],
         "norms": ["input_layernorm.weight", "post_attention_layernorm.weight"]}


def conv_bn(conv, bn, o, i, k):
    return {f"{conv}.weight": [o, i, k, k]} | pair(bn, o) | {f"{bn}.running_mean": [o], f"{bn}.running_var": [o]}


def resnet():
    w = conv_bn("conv1", "bn1", 64, 3, 7) | linear("fc", 1000, 2048)
    c = 64
    for s, depth in enumerate((3, 4, 6, 3)):
        for i in range(depth):
            p, m = f"layer{s + 1}.{i}.", 64 << s
            w |= conv_bn(p + "conv1", p + "bn1", m, c, 1) | conv_bn(p + "conv2", p + "bn2", m, m, 3)
            w |= conv_bn(p + "conv3", p + "bn3", 4 * m, m, 1)
            if i == 0:
                w |= conv_bn(p + "downsample.0", p + "downsample.1", 4 * m, c, 1)
            c = 4 * m
    return w


# name: file, defines, weights, their dtype
MODELS = {
    "digits": ("mlp", [], linear("0", 128, 784) | linear("2", 10, 128), "F32"),
    "minilm": ("minilm", ["L=2"], minilm(), "F32"),
    "stories": ("stories", ["L=2"], decoder(STORIES, 2, 64, 32, 172, 512), "F32"),
    "resnet50": ("resnet50", ["H=224", "W=224"], resnet(), "F32"),
    "llama": ("llama", ["L=1"], decoder(LLAMA, 1, 4096, 1024, 14336, 128256), "BF16"),
}
SMALL = ["digits", "stories"]


def write_zeros(path, tensors, dtype):
    header, at = {}, 0
    for name, dims in tensors.items():
        n = SIZES[dtype]
        for d in dims:
            n *= d
        header[name] = {"dtype": dtype, "shape": dims, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)


def compile_model(folder, model, target):
    """The lines of the table of kernels: name, then registers, spilled, stack, shared."""
    file, defines, tensors, dtype = MODELS[model]
    weights = pathlib.Path(folder) / f"{model}.{os.getpid()}.{abs(hash(target))}.safetensors"
    write_zeros(weights, tensors, dtype)
    command = [FRIT, "compile", f"docs/examples/{file}.frit", "-q", "-w", weights, "-t", target, "--emit", "kernels"]
    for d in defines:
        command += ["-D", d]
    r = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    weights.unlink()
    if r.returncode:
        return None, r.stderr.strip()
    rows = {}
    for line in r.stdout.splitlines()[1:]:
        name, _, _, shared, registers, spilled, stack, _ = line.split()
        rows[name] = tuple(map(int, (registers, spilled, stack, shared)))
    return rows, ""


def read_baseline():
    rows = {}
    for line in BASELINE.read_text().splitlines() if BASELINE.exists() else []:
        if line and not line.startswith("#"):
            target, model, kernel, *numbers = line.split()
            rows[target, model, kernel] = tuple(map(int, numbers))
    return rows


def write_baseline(rows):
    with open(BASELINE, "w") as f:
        f.write("# What kernels take, by gpu_models.py --bless: target, model, kernel; registers, spilled bytes, stack, shared.\n")
        for key in sorted(rows):
            f.write(" ".join(key) + "  " + " ".join(map(str, rows[key])) + "\n")


def compare(old, new, target, model):
    """Failures and changes of one model on one target, as lines."""
    failures, changes = [], []
    known = {k: v for (t, m, k), v in old.items() if (t, m) == (target, model)}
    for kernel, row in sorted(new.items()):
        was = known.pop(kernel, None)
        if row[1] > (was[1] if was else 0):
            failures.append(f"{target} {model} {kernel}: spills {row[1]} bytes")
        if was != row:
            changes.append(f"{target} {model} {kernel}: {row} (registers, spilled, stack, shared), was {was}")
    changes += [f"{target} {model} {k}: is no more" for k in known]
    return failures, changes


def main():
    p = argparse.ArgumentParser()
    for flag in ("full", "strict", "bless"):
        p.add_argument(f"--{flag}", action="store_true")
    p.add_argument("-j", type=int, default=1)
    p.add_argument("-m", action="append", choices=MODELS)
    p.add_argument("-t", action="append")
    o = p.parse_args()
    targets = o.t or (CUDA + HIP if o.full else ["cuda:sm_80+cubin", "hip:gfx942"])
    models = o.m or (list(MODELS) if o.full else SMALL)
    old, failures, changes, missing, done = read_baseline(), [], [], set(), 0
    new = dict(old)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(o.j) as pool:
        jobs = {(t, m): pool.submit(compile_model, folder, m, t) for t in targets for m in models}
        for (target, model), job in jobs.items():
            rows, why = job.result()
            if rows is None and "is needed to finish code" in why:
                missing.add(why)
            elif rows is None:
                failures.append(f"{target} {model}: {why}")
            else:
                done += len(rows)
                f, c = compare(old, rows, target, model)
                failures, changes = failures + f, changes + c
                new = {k: v for k, v in new.items() if k[:2] != (target, model)}
                new |= {(target, model, k): v for k, v in rows.items()}
                for line in c:
                    print("changed:", line, flush=True)
                if o.bless:
                    write_baseline(new)
    for line in failures:
        print("FAILED:", line)
    for line in missing:
        print("skipped:", line)
    print(f"{done} kernels, {len(changes)} changed, {len(failures)} failures")
    if o.bless:
        return 1 if any(": spills" not in f for f in failures) else 0
    if failures or (o.strict and changes):
        return 1
    return 77 if not done else 0


if __name__ == "__main__":
    sys.exit(main())
