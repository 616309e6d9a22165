#!/usr/bin/env python3
"""The example models against PyTorch, with small random weights: models_test.py ELAB_RUN EXAMPLES_DIR. Exits with 77 and
a reason when torch or numpy is missing."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

torch.manual_seed(2)
torch.set_num_threads(1)
DTYPE = {torch.float32: "f32", torch.int64: "i64", torch.int32: "i32", torch.bool: "bool"}


def run(tool, path, inputs, params, defines=()):
    with tempfile.TemporaryDirectory() as folder:
        args = [tool, path, os.path.join(folder, "out")]
        for d in defines:
            args += ["-D", d]
        for kind, group in (("i", inputs), ("p", params)):
            for n, (k, t) in enumerate(group.items()):
                f = os.path.join(folder, f"{kind}{n}")
                t.detach().contiguous().numpy().tofile(f)
                args += [kind, k, DTYPE[t.dtype], "x".join(map(str, t.shape)) or "-", f]
        p = subprocess.run(args, capture_output=True, text=True, timeout=500)
        if p.returncode:
            raise RuntimeError(p.stderr[:3000])
        out = []
        for i, line in enumerate(p.stdout.splitlines()):
            dtype, *shape = line.split()
            t = {"f32": np.float32, "i64": np.int64, "i32": np.int32}[dtype]
            out.append(torch.from_numpy(np.fromfile(os.path.join(folder, f"out.{i}"), t).reshape([int(s) for s in shape])))
        return out


def r(*shape, scale=0.3):
    return torch.randn(*shape) * scale


def linear(p, key, x):
    return x @ p[key + ".weight"].T + p[key + ".bias"]


def mlp(tool, folder):
    p = {"0.weight": r(32, 784), "0.bias": r(32), "2.weight": r(10, 32), "2.bias": r(10)}
    x = r(3, 784)
    want = linear(p, "2", linear(p, "0", x).relu()).softmax(-1)
    return run(tool, f"{folder}/mlp.frit", {"image": x}, p), [want]


def digits(tool, folder):
    p = {"w1": r(64, 128), "b1": r(128), "w2": r(128, 10), "b2": r(10)}
    x = r(5, 64)
    return run(tool, f"{folder}/digits.frit", {"image": x}, p), [((x @ p["w1"] + p["b1"]).relu() @ p["w2"] + p["b2"]).softmax(-1)]


def minilm(tool, folder, D=12, H=3, L=2, V=20):
    p = {"embeddings.word_embeddings.weight": r(V, D), "embeddings.position_embeddings.weight": r(512, D),
         "embeddings.token_type_embeddings.weight": r(2, D)}

    def norm_weights(key):
        p[key + ".weight"], p[key + ".bias"] = 1 + r(D), r(D)

    def dense_weights(key, o, i):
        p[key + ".weight"], p[key + ".bias"] = r(o, i), r(o)

    norm_weights("embeddings.LayerNorm")
    for n in range(L):
        k = f"encoder.layer.{n}."
        for q in ("query", "key", "value"):
            dense_weights(f"{k}attention.self.{q}", D, D)
        dense_weights(k + "attention.output.dense", D, D)
        norm_weights(k + "attention.output.LayerNorm")
        dense_weights(k + "intermediate.dense", 4 * D, D)
        dense_weights(k + "output.dense", D, 4 * D)
        norm_weights(k + "output.LayerNorm")
    ids = torch.randint(0, V, (2, 5))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])

    def norm(x, key):
        return F.layer_norm(x, (D,), p[key + ".weight"], p[key + ".bias"], 1e-12)

    def heads(x):
        return x.reshape(2, 5, H, D // H).transpose(1, 2)

    x = p["embeddings.word_embeddings.weight"][ids] + p["embeddings.position_embeddings.weight"][:5] \
        + p["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for n in range(L):
        k = f"encoder.layer.{n}."
        q, kk, v = (heads(linear(p, f"{k}attention.self.{t}", x)) for t in ("query", "key", "value"))
        a = F.scaled_dot_product_attention(q, kk, v, attn_mask=(mask != 0)[:, None, None, :]).transpose(1, 2).reshape(2, 5, D)
        x = norm(x + linear(p, k + "attention.output.dense", a), k + "attention.output.LayerNorm")
        x = norm(x + linear(p, k + "output.dense", F.gelu(linear(p, k + "intermediate.dense", x))), k + "output.LayerNorm")
    m = mask.float()[..., None]
    e = (x * m).sum(1) / m.sum(1)
    return run(tool, f"{folder}/minilm.frit", {"ids": ids, "mask": mask}, p, [f"H={H}", f"L={L}"]), [e / e.norm(dim=1, keepdim=True)]


def resnet50(tool, folder, base=4):
    p = {}

    def conv(conv, bn, o, i, k):
        p[conv + ".weight"] = r(o, i, k, k, scale=(2 / (i * k * k)) ** 0.5)
        for n, t in (("weight", 1 + r(o)), ("bias", r(o)), ("running_mean", r(o)), ("running_var", 1 + r(o).abs())):
            p[f"{bn}.{n}"] = t

    conv("conv1", "bn1", base, 3, 7)
    i = base
    for s, n in enumerate([3, 4, 6, 3]):
        w = base << s
        for b in range(n):
            k = f"layer{s + 1}.{b}."
            conv(k + "conv1", k + "bn1", w, i, 1)
            conv(k + "conv2", k + "bn2", w, w, 3)
            conv(k + "conv3", k + "bn3", 4 * w, w, 1)
            if b == 0:
                conv(k + "downsample.0", k + "downsample.1", 4 * w, i, 1)
            i = 4 * w
    p["fc.weight"], p["fc.bias"] = r(1000, i), r(1000)
    x = r(1, 3, 40, 48, scale=1)

    def cb(x, c, b, stride=1):
        w = p[c + ".weight"]
        y = F.conv2d(x, w, None, stride, w.shape[2] // 2)
        return F.batch_norm(y, p[b + ".running_mean"], p[b + ".running_var"], p[b + ".weight"], p[b + ".bias"])

    y = F.max_pool2d(cb(x, "conv1", "bn1", 2).relu(), 3, 2, 1)
    for s, n in enumerate([3, 4, 6, 3]):
        for b in range(n):
            k, st = f"layer{s + 1}.{b}.", 2 if s and not b else 1
            h = cb(cb(y, k + "conv1", k + "bn1").relu(), k + "conv2", k + "bn2", st).relu()
            h = cb(h, k + "conv3", k + "bn3")
            y = (h + (cb(y, k + "downsample.0", k + "downsample.1", st) if not b else y)).relu()
    return run(tool, f"{folder}/resnet50.frit", {"image": x}, p), [linear(p, "fc", y.mean((2, 3)))]


def custom(tool, folder, B=2, S=4, D=3):
    p = {}
    for l in range(2):
        for k, t in (("weight_ih", r(4 * D, D)), ("weight_hh", r(4 * D, D)), ("bias_ih", r(4 * D)), ("bias_hh", r(4 * D))):
            p[f"rnn.{k}_l{l}"] = t
    m = torch.nn.LSTM(D, D, 2, batch_first=True)
    for k, t in p.items():
        getattr(m, k[4:]).data = t
    x, h, c = r(B, S, D), r(2, B, D), r(2, B, D)
    y, (hn, _) = m(x, (h, c))
    return run(tool, f"{folder}/custom.frit", {"x": x, "h0": h, "c0": c}, p), [y, hn]


def rotate(x, pos, theta):
    e = x.shape[-1]
    f = (pos + torch.arange(x.shape[-2]))[:, None] * theta ** (-2.0 * torch.arange(e // 2) / e)
    f = torch.cat([f, f], -1)
    return x * f.cos() + torch.cat([-x[..., e // 2:], x[..., :e // 2]], -1) * f.sin()


def llama(tool, folder, D=16, H=4, KV=2, L=2, V=11, S=5):
    E = D // H
    p = {"model.embed_tokens.weight": r(V, D), "lm_head.weight": r(V, D), "model.norm.weight": 1 + r(D)}
    for n in range(L):
        k = f"model.layers.{n}."
        for q, o in (("q_proj", H * E), ("k_proj", KV * E), ("v_proj", KV * E), ("o_proj", D)):
            p[f"{k}self_attn.{q}.weight"] = r(o, D if q != "o_proj" else H * E)
        for q, o, i in (("gate_proj", 24, D), ("up_proj", 24, D), ("down_proj", D, 24)):
            p[f"{k}mlp.{q}.weight"] = r(o, i)
        p[k + "input_layernorm.weight"], p[k + "post_attention_layernorm.weight"] = 1 + r(D), 1 + r(D)

    def norm(x, key):
        return F.rms_norm(x, (D,), p[key + ".weight"], 1e-5)

    def heads(x, n):
        return x.reshape(2, S, n, E).transpose(1, 2)

    tokens = torch.randint(0, V, (2, S), dtype=torch.int32)
    x = p["model.embed_tokens.weight"][tokens.long()]
    for n in range(L):
        k = f"model.layers.{n}."
        y = norm(x, k + "input_layernorm")
        q, kk, v = (y @ p[f"{k}self_attn.{t}_proj.weight"].T for t in "qkv")
        q, kk = rotate(heads(q, H), 0, 5e5), rotate(heads(kk, KV), 0, 5e5)
        a = F.scaled_dot_product_attention(q, kk.repeat_interleave(H // KV, 1), heads(v, KV).repeat_interleave(H // KV, 1), is_causal=True)
        x = x + a.transpose(1, 2).reshape(2, S, D) @ p[k + "self_attn.o_proj.weight"].T
        y = norm(x, k + "post_attention_layernorm")
        g, u = (y @ p[f"{k}mlp.{t}_proj.weight"].T for t in ("gate", "up"))
        x = x + (F.silu(g) * u) @ p[k + "mlp.down_proj.weight"].T
    logits = norm(x[:, -1], "model.norm") @ p["lm_head.weight"].T
    got = run(tool, f"{folder}/llama.frit", {"tokens": tokens, "pos": torch.tensor(0)}, p,
              ["T=f32", f"L={L}", f"H={H}", f"KV={KV}", "MAX=8"])
    return got, [logits, logits.argmax(-1).int()]


def main():
    failed = 0
    for model in (digits, mlp, minilm, llama, resnet50, custom):
        try:
            got, want = model(sys.argv[1], sys.argv[2])
            bad = len(got) != len(want) or any(g.shape != w.shape or g.dtype != w.dtype or
                                               not torch.allclose(g.double(), w.double(), rtol=1e-3, atol=1e-4) for g, w in zip(got, want))
            why = "" if not bad else str([(g.double() - w.double()).abs().max().item() if g.shape == w.shape else (g.shape, w.shape) for g, w in zip(got, want)])
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            bad, why = True, str(e)
        print("FAIL" if bad else "ok", model.__name__, why)
        failed += bad
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
