#!/usr/bin/env python3
"""Prelude functions against PyTorch: each case is a model of one expression, elaborated and run in the interpreter.

    prelude_test.py ELAB_RUN [NAME...]

Every case runs twice where it can: with literal dims, and with a symbol for each size. Exits with 77 and a reason when
torch or numpy is missing."""
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

torch.manual_seed(1)
torch.set_num_threads(1)
DTYPE = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int64: "i64",
         torch.int32: "i32", torch.bool: "bool", torch.uint8: "u8"}
BACK = {v: k for k, v in DTYPE.items()}
CASES = []


def case(name, body, inputs, want, tol=1e-5, sym=True, extra=""):
    """body: an expression, or statements that end in a return; want: a function of the inputs giving tensor(s)."""
    CASES.append((name, body, inputs, want, tol, sym, extra))


def r(*shape, dtype=torch.float32):
    return torch.randn(*shape).to(dtype)


def raw(t):
    t = t.detach().contiguous()
    return t.view(torch.int16).numpy().tobytes() if t.dtype == torch.bfloat16 else t.numpy().tobytes()


def unraw(data, dtype, shape):
    t = BACK[dtype]
    if t == torch.bfloat16:
        return torch.from_numpy(np.frombuffer(data, dtype=np.int16).copy()).view(torch.bfloat16).reshape(shape)
    n = {torch.bool: np.bool_}.get(t) or getattr(np, str(t).split(".")[1])
    return torch.from_numpy(np.frombuffer(data, dtype=n).copy()).reshape(shape)


def source(body, inputs, sym, extra):
    dim = (lambda n: f"N{n}" if n > 1 else "1") if sym else str
    params = ", ".join(f"{k}: {DTYPE[t.dtype]}[{', '.join(dim(n) for n in t.shape)}]" for k, t in inputs.items())
    text = body if "return" in body else f"return {body}"
    return f"{extra}\nmodel t({params}) {{\n    {text}\n}}\n"


def run(tool, folder, text, inputs):
    path = os.path.join(folder, "t.frit")
    with open(path, "w") as f:
        f.write(text)
    args = [tool, path, os.path.join(folder, "out")]
    for k, t in inputs.items():
        with open(os.path.join(folder, k), "wb") as f:
            f.write(raw(t))
        args += ["i", k, DTYPE[t.dtype], "x".join(map(str, t.shape)) or "-", os.path.join(folder, k)]
    p = subprocess.run(args, capture_output=True, text=True, timeout=120)
    if p.returncode:
        return None, f"status {p.returncode}\n{p.stderr[:3000]}"
    out = []
    for i, line in enumerate(p.stdout.splitlines()):
        dtype, *shape = line.split()
        with open(os.path.join(folder, f"out.{i}"), "rb") as f:
            out.append(unraw(f.read(), dtype, [int(s) for s in shape]))
    return out, ""


def differs(got, want, tol):
    if list(got.shape) != list(want.shape):
        return f"shape {list(got.shape)}, want {list(want.shape)}"
    if got.dtype != want.dtype:
        return f"dtype {got.dtype}, want {want.dtype}"
    a, b = got.double(), want.double()
    if torch.allclose(a, b, rtol=tol, atol=tol, equal_nan=True):
        return ""
    return f"largest difference {(a - b).abs().max().item():g}"


def main():
    tool, only = sys.argv[1], set(sys.argv[2:])
    failed = count = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, body, inputs, want, tol, sym, extra in CASES:
            if only and name not in only:
                continue
            for symbolic in ([False, True] if sym else [False]):
                count += 1
                text = source(body, inputs, symbolic, extra)
                got, why = run(tool, folder, text, inputs)
                w = want(**inputs)
                w = list(w) if isinstance(w, (tuple, list)) else [w]
                if got is not None and len(got) != len(w):
                    why = f"{len(got)} results, want {len(w)}"
                for g, x in zip(got or [], w):
                    why = why or differs(g, x, tol)
                if why:
                    failed += 1
                    print(f"FAIL {name}{' (symbolic)' if symbolic else ''}: {why}\n{text}")
    print(f"{count - failed} of {count} passed")
    sys.exit(1 if failed or not count else 0)


# ---- activations
X = r(4, 6) * 3
for f in ["relu", "relu6", "selu", "sigmoid", "logsigmoid", "silu", "mish", "softsign", "hardtanh", "hardsigmoid", "hardswish",
          "tanhshrink", "elu", "celu", "gelu", "leaky_relu", "softplus", "softshrink", "hardshrink", "glu"]:
    case(f, f"{f}(x)", {"x": X}, lambda x, g=getattr(F, f): g(x))
case("gelu_tanh", 'gelu(x, approximate = "tanh")', {"x": X}, lambda x: F.gelu(x, approximate="tanh"))
case("gelu_bf16", "gelu(x)", {"x": X.bfloat16()}, lambda x: F.gelu(x), 1e-2)
case("elu_alpha", "elu(x, alpha = 0.3)", {"x": X}, lambda x: F.elu(x, alpha=0.3))
case("celu_alpha", "celu(x, alpha = 2)", {"x": X}, lambda x: F.celu(x, alpha=2.0))
case("softplus_big", "softplus(x * 20, beta = 2, threshold = 10)", {"x": X}, lambda x: F.softplus(x * 20, 2, 10))
case("prelu", "prelu(x, w)", {"x": r(2, 3, 4), "w": r(3)}, lambda x, w: F.prelu(x, w))
case("threshold", "threshold(x, threshold = 0.1, value = 20)", {"x": X}, lambda x: F.threshold(x, 0.1, 20))
case("clamp", "clamp(x, -1, 0.5)", {"x": X}, lambda x: x.clamp(-1, 0.5))
case("clip_max", "clip(x, max = 0.5)", {"x": X}, lambda x: x.clamp(max=0.5))
case("square", "square(x) + reciprocal(x)", {"x": X}, lambda x: x * x + 1 / x)
case("logit", "logit(sigmoid(x))", {"x": r(4)}, lambda x: x, 1e-4)
case("isfinite", "isnan(x / x), isinf(1 / x), isfinite(1 / x)".replace("isnan", "return isnan"), {"x": torch.tensor([0., 1., -2.])},
     lambda x: ((x / x).isnan(), (1 / x).isinf(), (1 / x).isfinite()))
case("lerp", "lerp(x, y, 0.3)", {"x": X, "y": r(4, 6)}, lambda x, y: torch.lerp(x, y, 0.3))
# ---- reductions
R = r(3, 4, 5)
case("softmax", "softmax(x * 30, axis = 1)", {"x": R}, lambda x: F.softmax(x * 30, 1))
case("softmax_f16", "softmax(x)", {"x": R.half()}, lambda x: F.softmax(x, -1), 1e-3)
case("softmin", "softmin(x)", {"x": R}, lambda x: F.softmin(x, -1))
case("log_softmax", "log_softmax(x * 30, axis = 0)", {"x": R}, lambda x: F.log_softmax(x * 30, 0))
case("logsumexp", "logsumexp(x, axis = [0, 2])", {"x": R}, lambda x: torch.logsumexp(x, (0, 2)))
case("logsumexp_inf", "logsumexp(log(x), axis = 0, keepdims = true)", {"x": torch.tensor([[0., 1.], [0., 2.]])},
     lambda x: torch.logsumexp(x.log(), 0, keepdim=True))
case("var", "var(x, axis = 1)", {"x": R}, lambda x: x.var(1))
case("var_all", "var(x, correction = 0)", {"x": R}, lambda x: x.var(correction=0))
case("std", "std(x, axis = [1, 2], keepdims = true)", {"x": R}, lambda x: x.std((1, 2), keepdim=True))
case("norm", "norm(x, axis = -1)", {"x": R}, lambda x: x.norm(dim=-1))
case("norm3", "norm(x, p = 3, axis = -1)", {"x": R}, lambda x: x.norm(p=3, dim=-1))
case("norm_inf", "norm(x, p = inf, axis = 0)", {"x": R}, lambda x: x.norm(p=float("inf"), dim=0))
case("normalize", "normalize(x)", {"x": R}, lambda x: F.normalize(x))
case("cosine", "cosine_similarity(x, y)", {"x": R, "y": r(3, 4, 5)}, lambda x, y: F.cosine_similarity(x, y))
case("count", "count(x > 0, axis = 1)", {"x": R}, lambda x: (x > 0).sum(1))
case("sum", "return sum(x), sum(x, axis = -1), sum(x, axis = [0, 1], keepdims = true), prod(x, axis = 1)", {"x": R},
     lambda x: (x.sum(), x.sum(-1), x.sum((0, 1), keepdim=True), x.prod(1)), 1e-4)
case("sum_bf16", "return sum(x, axis = 1), sum(x, axis = 1, dtype = f32)", {"x": r(3, 100).bfloat16()},
     lambda x: (x.float().sum(1).bfloat16(), x.float().sum(1)), 1e-2)
case("mean", "return mean(x), mean(x, axis = 1)", {"x": R}, lambda x: (x.mean(), x.mean(1)))
case("extremes", "return max(x, axis = 1), min(x), argmax(x, axis = 2), argmin(x)", {"x": R},
     lambda x: (x.amax(1), x.min(), x.argmax(2), x.argmin()))
case("anyall", "return any(x > 1, axis = 0), all(x > -2)", {"x": R}, lambda x: ((x > 1).any(0), (x > -2).all()))
case("scans", "return cumsum(x, axis = 1), cumprod(x, axis = 0), cummax(x, axis = -1)", {"x": R},
     lambda x: (x.cumsum(1), x.cumprod(0), x.cummax(-1).values))
# ---- norms
case("layer_norm", "layer_norm(x, w, b)", {"x": R, "w": r(5), "b": r(5)}, lambda x, w, b: F.layer_norm(x, (5,), w, b))
case("layer_norm_plain", "layer_norm(x, eps = 0.1)", {"x": R}, lambda x: F.layer_norm(x, (5,), eps=0.1))
case("rms_norm", "rms_norm(x, w)", {"x": R, "w": r(5)}, lambda x, w: F.rms_norm(x, (5,), w, 1e-6))
case("batch_norm", "batch_norm(x, m, v, w, b)", {"x": r(2, 3, 4, 5), "m": r(3), "v": r(3).abs(), "w": r(3), "b": r(3)},
     lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b), 1e-4)
case("batch_norm_2d", "batch_norm(x, m, v)", {"x": r(2, 3), "m": r(3), "v": r(3).abs()}, lambda x, m, v: F.batch_norm(x, m, v), 1e-4)
case("group_norm", "group_norm(x, w, b, num_groups = 2)", {"x": r(2, 4, 3, 5), "w": r(4), "b": r(4)},
     lambda x, w, b: F.group_norm(x, 2, w, b), sym=False)
case("instance_norm", "instance_norm(x)", {"x": r(2, 4, 3, 5)}, lambda x: F.instance_norm(x), 1e-4)
case("local_response_norm", "local_response_norm(x, size = 3)", {"x": r(2, 5, 3)}, lambda x: F.local_response_norm(x, 3))
# ---- linear
case("linear", "linear(x, w, b)", {"x": R, "w": r(7, 5), "b": r(7)}, lambda x, w, b: F.linear(x, w, b))
case("bilinear", "bilinear(x, y, w, b)", {"x": r(3, 4), "y": r(3, 5), "w": r(2, 4, 5), "b": r(2)},
     lambda x, y, w, b: F.bilinear(x, y, w, b))
case("embedding", "embedding(i, w)", {"i": torch.tensor([[1, 0], [3, 2]]), "w": r(4, 3)}, lambda i, w: F.embedding(i, w), sym=False)
case("one_hot", "one_hot(i, num_classes = 5)", {"i": torch.tensor([[1, 0, 2], [3, 2, 4]])}, lambda i: F.one_hot(i, 5))
Q = {"q": r(2, 4, 3, 6), "k": r(2, 4, 5, 6), "v": r(2, 4, 5, 7)}
case("attention", "attention(q, k, v)", Q, lambda q, k, v: F.scaled_dot_product_attention(q, k, v))
case("attention_mask", "attention(q, k, v, mask = m)", {**Q, "m": torch.rand(2, 1, 1, 5) > 0.3},
     lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m))
case("attention_bias", "attention(q, k, v, mask = m, scale = 0.3)", {**Q, "m": r(3, 5)},
     lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m, scale=0.3))
case("attention_causal", "attention(q, k, v, causal = true)", Q,
     lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(3, 5).tril(2).bool()), sym=False)
case("attention_grouped", "attention(q, k, v, mask = m)", {"q": r(2, 6, 3, 4), "k": r(2, 2, 5, 4), "v": r(2, 2, 5, 4),
     "m": torch.rand(2, 6, 3, 5) > 0.2}, lambda q, k, v, m: F.scaled_dot_product_attention(
         q, k.repeat_interleave(3, 1), v.repeat_interleave(3, 1), attn_mask=m))
case("attention_softcap", "attention(q, k, v, softcap = 2.0)", Q,
     lambda q, k, v: (torch.tanh(q @ k.mT / 6 ** 0.5 / 2) * 2).softmax(-1) @ v)
case("sdpa", "scaled_dot_product_attention(q, k, v, is_causal = true)", {"q": r(1, 2, 4, 6), "k": r(1, 2, 4, 6), "v": r(1, 2, 4, 5)},
     lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True))


def rope(x, pos, interleaved, theta=10000.0):
    e = x.shape[-1]
    f = (pos + torch.arange(x.shape[-2]))[:, None] * theta ** (-2.0 * torch.arange(e // 2) / e)
    f = f.repeat_interleave(2, -1) if interleaved else torch.cat([f, f], -1)
    rot = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2) if interleaved else torch.cat([-x[..., e // 2:], x[..., :e // 2]], -1)
    return x * f.cos() + rot * f.sin()


case("rope", "rope(x, 3)", {"x": r(2, 3, 5, 8)}, lambda x: rope(x, 3, False), 1e-4)
case("rope_interleaved", "rope(x, 3, interleaved = true)", {"x": r(2, 3, 5, 8)}, lambda x: rope(x, 3, True), 1e-4, sym=False)
case("triu", "triu(x, diagonal = 1)", {"x": R}, lambda x: x.triu(1))
case("tril", "tril(x)", {"x": R}, lambda x: x.tril())
case("diagonal", "diagonal(x)", {"x": R}, lambda x: x.diagonal(dim1=-2, dim2=-1), sym=False)
case("cdist", "cdist(x, y)", {"x": r(2, 3, 4), "y": r(2, 5, 4)}, lambda x, y: torch.cdist(x, y))
case("outer", "outer(x, y)", {"x": r(3), "y": r(4)}, lambda x, y: torch.outer(x, y))
for spec, shapes in [("bik,bkj->bij", [(2, 3, 4), (2, 4, 5)]), ("ij->ji", [(2, 3)]), ("ij->j", [(2, 3)]), ("i,j->ij", [(2,), (3,)]),
                     ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]), ("...ij,...kj->...ik", [(2, 3, 4), (2, 5, 4)]), ("ijk,j->ik", [(2, 3, 4), (3,)]),
                     ("ab,ac->bc", [(3, 2), (3, 4)]), ("ij,ij->", [(2, 3), (2, 3)])]:
    names = "xyz"[:len(shapes)]
    case(f"einsum {spec}", f'einsum("{spec}", {", ".join(names)})', {k: r(*s) for k, s in zip(names, shapes)},
         lambda s=spec, **t: torch.einsum(s, *t.values()), 1e-4)
# ---- convolution and pooling
case("conv1d", "conv1d(x, w, b, stride = 2, padding = 1)", {"x": r(2, 3, 11), "w": r(4, 3, 3), "b": r(4)},
     lambda x, w, b: F.conv1d(x, w, b, 2, 1), 1e-4)
case("conv2d", "conv2d(x, w, b)", {"x": r(2, 3, 7, 8), "w": r(4, 3, 3, 2), "b": r(4)}, lambda x, w, b: F.conv2d(x, w, b), 1e-4)
case("conv2d_all", "conv2d(x, w, stride = [2, 1], padding = [1, 2], dilation = [1, 2], groups = 2)",
     {"x": r(2, 4, 9, 8), "w": r(6, 2, 3, 3)}, lambda x, w: F.conv2d(x, w, None, (2, 1), (1, 2), (1, 2), 2), 1e-4, sym=False)
case("conv2d_same", 'conv2d(x, w, padding = "same")', {"x": r(1, 2, 5, 6), "w": r(3, 2, 3, 4)},
     lambda x, w: F.conv2d(x, w, padding="same"), 1e-4, sym=False)
case("conv2d_depthwise", "conv2d(x, w, groups = 4, padding = 1)", {"x": r(1, 4, 5, 6), "w": r(8, 1, 3, 3)},
     lambda x, w: F.conv2d(x, w, groups=4, padding=1), 1e-4, sym=False)
case("conv3d", "conv3d(x, w, b, stride = 2, padding = 1)", {"x": r(1, 2, 5, 6, 7), "w": r(3, 2, 3, 3, 3), "b": r(3)},
     lambda x, w, b: F.conv3d(x, w, b, 2, 1), 1e-4)
case("conv_transpose1d", "conv_transpose1d(x, w, b, stride = 2, padding = 1)", {"x": r(2, 3, 6), "w": r(3, 4, 3), "b": r(4)},
     lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 1), 1e-4, sym=False)
case("conv_transpose2d", "conv_transpose2d(x, w, b, stride = 2, padding = 1, output_padding = 1)",
     {"x": r(2, 3, 4, 5), "w": r(3, 2, 3, 3), "b": r(2)}, lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1), 1e-4)
case("conv_transpose2d_groups", "conv_transpose2d(x, w, stride = [2, 3], groups = 2, dilation = 2)", {"x": r(1, 4, 4, 5), "w": r(4, 3, 3, 2)},
     lambda x, w: F.conv_transpose2d(x, w, None, (2, 3), 0, 0, 2, 2), 1e-4, sym=False)
case("conv_transpose3d", "conv_transpose3d(x, w, stride = 2, padding = 1)", {"x": r(1, 2, 3, 4, 3), "w": r(2, 3, 3, 3, 3)},
     lambda x, w: F.conv_transpose3d(x, w, None, 2, 1), 1e-4, sym=False)
case("unfold", "unfold(x, kernel_size = [2, 3], padding = 1, stride = 2)", {"x": r(2, 3, 6, 7)},
     lambda x: F.unfold(x, (2, 3), 1, 1, 2), sym=False)
P = r(2, 3, 9, 8)
case("max_pool1d", "max_pool1d(x, kernel_size = 3, stride = 2, padding = 1)", {"x": r(2, 3, 9)}, lambda x: F.max_pool1d(x, 3, 2, 1))
case("max_pool2d", "max_pool2d(x, kernel_size = [3, 2], padding = 1)", {"x": P}, lambda x: F.max_pool2d(x, (3, 2), padding=1))
case("max_pool2d_ceil", "max_pool2d(x, kernel_size = 3, stride = 2, ceil_mode = true)", {"x": P},
     lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True), sym=False)
case("max_pool2d_dilated", "max_pool2d(x, kernel_size = 2, stride = 1, dilation = 2)", {"x": P}, lambda x: F.max_pool2d(x, 2, 1, dilation=2))
case("max_pool", "max_pool(x, kernel = 3, stride = 2, padding = 1)", {"x": P}, lambda x: F.max_pool2d(x, 3, 2, 1))
case("max_pool3d", "max_pool3d(x, kernel_size = 2)", {"x": r(1, 2, 4, 5, 6)}, lambda x: F.max_pool3d(x, 2))
case("avg_pool1d", "avg_pool1d(x, kernel_size = 3, stride = 2, padding = 1)", {"x": r(2, 3, 9)}, lambda x: F.avg_pool1d(x, 3, 2, 1))
case("avg_pool2d", "avg_pool2d(x, kernel_size = 3, stride = 2, padding = 1)", {"x": P}, lambda x: F.avg_pool2d(x, 3, 2, 1))
case("avg_pool2d_exclude", "avg_pool2d(x, kernel_size = 3, stride = 2, padding = 1, count_include_pad = false)", {"x": P},
     lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False))
case("avg_pool2d_ceil", "avg_pool2d(x, kernel_size = 3, stride = 2, padding = 1, ceil_mode = true)", {"x": P},
     lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), sym=False)
case("global_avg_pool", "return global_avg_pool(x), global_max_pool(x)", {"x": P}, lambda x: (x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)))
case("lp_pool2d", "lp_pool2d(x, norm_type = 3, kernel_size = 2)", {"x": P.abs()}, lambda x: F.lp_pool2d(x, 3, 2), 1e-4)
case("adaptive_avg_pool2d", "adaptive_avg_pool2d(x, output_size = [4, 3])", {"x": P}, lambda x: F.adaptive_avg_pool2d(x, (4, 3)))
case("adaptive_avg_pool1d", "adaptive_avg_pool1d(x, output_size = 4)", {"x": r(2, 3, 9)}, lambda x: F.adaptive_avg_pool1d(x, 4))
case("adaptive_max_pool2d", "adaptive_max_pool2d(x, output_size = [4, 3])", {"x": P}, lambda x: F.adaptive_max_pool2d(x, (4, 3)))
# ---- losses
for red in ["mean", "sum", "none"]:
    for f in ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"]:
        case(f"{f}_{red}", f'{f}(x, y, reduction = "{red}")', {"x": X, "y": r(4, 6)},
             lambda x, y, g=getattr(F, f), m=red: g(x, y, reduction=m), 1e-4)
    case(f"cross_entropy_{red}", f'cross_entropy(x, y, reduction = "{red}")', {"x": r(5, 4), "y": torch.tensor([0, 3, -100, 1, 2])},
         lambda x, y, m=red: F.cross_entropy(x, y, reduction=m), sym=False)
    case(f"bce_logits_{red}", f'binary_cross_entropy_with_logits(x, y, reduction = "{red}")', {"x": X * 10, "y": torch.rand(4, 6)},
         lambda x, y, m=red: F.binary_cross_entropy_with_logits(x, y, reduction=m), 1e-4)
case("bce", "binary_cross_entropy(x, y)", {"x": torch.rand(4, 6), "y": torch.rand(4, 6)}, lambda x, y: F.binary_cross_entropy(x, y))
case("bce_pos", "binary_cross_entropy_with_logits(x, y, pos_weight = w)", {"x": X, "y": torch.rand(4, 6), "w": torch.rand(6)},
     lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w), 1e-4)
case("nll", "nll_loss(x, y, w)", {"x": r(5, 4), "y": torch.tensor([0, 3, -100, 1, 2]), "w": torch.rand(4)},
     lambda x, y, w: F.nll_loss(x, y, w), sym=False)
case("cross_entropy_2d", "cross_entropy(x, y, label_smoothing = 0.1)", {"x": r(2, 4, 3), "y": torch.randint(0, 4, (2, 3))},
     lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), 1e-4, sym=False)
case("kl_div", 'kl_div(x, y, reduction = "batchmean")', {"x": X.log_softmax(-1), "y": r(4, 6).softmax(-1)},
     lambda x, y: F.kl_div(x, y, reduction="batchmean"), 1e-4)
case("kl_div_log", "kl_div(x, y, log_target = true)", {"x": X.log_softmax(-1), "y": r(4, 6).log_softmax(-1)},
     lambda x, y: F.kl_div(x, y, log_target=True), 1e-4)
case("poisson", "poisson_nll_loss(x, y)", {"x": r(4), "y": torch.rand(4)}, lambda x, y: F.poisson_nll_loss(x, y))
S = torch.tensor([1., -1., 1., -1.])
case("hinge", "return hinge_embedding_loss(x, s), soft_margin_loss(x, s), margin_ranking_loss(x, y, s, margin = 0.5)",
     {"x": r(4), "y": r(4), "s": S}, lambda x, y, s: (F.hinge_embedding_loss(x, s), F.soft_margin_loss(x, s), F.margin_ranking_loss(x, y, s, 0.5)))


# ---- recurrent
def lstm(x, h, c, w, u, b, d):
    m = torch.nn.LSTM(x.shape[2], h.shape[1], batch_first=True)
    m.weight_ih_l0.data, m.weight_hh_l0.data, m.bias_ih_l0.data, m.bias_hh_l0.data = w, u, b, d
    y, (hn, cn) = m(x, (h[None], c[None]))
    return y, hn[0], cn[0]


def gru(x, h, w, u, b, d):
    m = torch.nn.GRU(x.shape[2], h.shape[1], batch_first=True)
    m.weight_ih_l0.data, m.weight_hh_l0.data, m.bias_ih_l0.data, m.bias_hh_l0.data = w, u, b, d
    y, hn = m(x, h[None])
    return y, hn[0]


def rnn(x, h, w, u):
    m = torch.nn.RNN(x.shape[2], h.shape[1], batch_first=True, bias=False, nonlinearity="relu")
    m.weight_ih_l0.data, m.weight_hh_l0.data = w, u
    y, hn = m(x, h[None])
    return y, hn[0]


case("lstm_layer", "a, b2, c2 = lstm_layer(x, h, c, w, u, b, d)\n    return a, b2, c2",
     {"x": r(2, 5, 3), "h": r(2, 4), "c": r(2, 4), "w": r(16, 3), "u": r(16, 4), "b": r(16), "d": r(16)}, lstm, sym=False)
case("lstm_cell", "p, q = lstm_cell(x, h, c, w, u)\n    return p, q", {"x": r(2, 3), "h": r(2, 4), "c": r(2, 4), "w": r(16, 3), "u": r(16, 4)},
     lambda x, h, c, w, u: torch.lstm_cell(x, (h, c), w, u), sym=False)
case("gru_layer", "p, q = gru_layer(x, h, w, u, b, d)\n    return p, q",
     {"x": r(2, 5, 3), "h": r(2, 4), "w": r(12, 3), "u": r(12, 4), "b": r(12), "d": r(12)}, gru, sym=False)
case("gru_cell", "gru_cell(x, h, w, u)", {"x": r(2, 3), "h": r(2, 4), "w": r(12, 3), "u": r(12, 4)},
     lambda x, h, w, u: torch.gru_cell(x, h, w, u), sym=False)
case("rnn_layer", 'p, q = rnn_layer(x, h, w, u, nonlinearity = "relu")\n    return p, q',
     {"x": r(2, 5, 3), "h": r(2, 4), "w": r(4, 3), "u": r(4, 4)}, rnn)
case("rnn_cell", "rnn_cell(x, h, w, u)", {"x": r(2, 3), "h": r(2, 4), "w": r(4, 3), "u": r(4, 4)}, lambda x, h, w, u: torch.rnn_tanh_cell(x, h, w, u))
# ---- images and signals
case("pixel_shuffle", "pixel_shuffle(x, upscale_factor = 2)", {"x": r(2, 12, 3, 4)}, lambda x: F.pixel_shuffle(x, 2), sym=False)
case("pixel_unshuffle", "pixel_unshuffle(x, downscale_factor = 2)", {"x": r(2, 3, 4, 6)}, lambda x: F.pixel_unshuffle(x, 2), sym=False)
case("nearest", "interpolate(x, scale_factor = 2)", {"x": P}, lambda x: F.interpolate(x, scale_factor=2))
case("nearest_size", "interpolate(x, size = [4, 13])", {"x": P}, lambda x: F.interpolate(x, size=(4, 13)), sym=False)
case("bilinear_up", 'interpolate(x, size = [13, 5], mode = "bilinear")', {"x": P}, lambda x: F.interpolate(x, size=(13, 5), mode="bilinear"))
case("bilinear_corners", 'interpolate(x, size = [13, 5], mode = "bilinear", align_corners = true)', {"x": P},
     lambda x: F.interpolate(x, size=(13, 5), mode="bilinear", align_corners=True))
case("stft", "re, im = stft(x, w, n_fft = 16, hop_length = 4)\n    return re, im", {"x": r(2, 50), "w": torch.hann_window(16)},
     lambda x, w: torch.view_as_real(torch.stft(x, 16, 4, window=w, return_complex=True)).unbind(-1), 1e-4, sym=False)
case("hann", "return hann_window(n = 16) + 0 * x[0]", {"x": r(2)}, lambda x: torch.hann_window(16), sym=False)
case("grid_sample", "grid_sample(x, g)", {"x": r(2, 3, 5, 6), "g": r(2, 4, 3, 2)},
     lambda x, g: F.grid_sample(x, g, align_corners=False), 1e-4)
# ---- built-in functions
case("shapes", "return reshape(x, [-1, 2]), transpose(x), x.T, flip(x, axis = 1), stack([x, x], axis = 1), concat([x, y])",
     {"x": r(3, 4), "y": r(2, 4)}, lambda x, y: (x.reshape(-1, 2), x.T, x.T, x.flip(1), torch.stack([x, x], 1), torch.cat([x, y])), sym=False)
case("split", "a, b = split(x, sizes = [1, 3], axis = 1)\n    return a, b, pad(x, [[1, 0], [0, 2]], value = 5), squeeze(unsqueeze(x, 1), 1)",
     {"x": r(3, 4)}, lambda x: (x[:, :1], x[:, 1:], F.pad(x, (0, 2, 1, 0), value=5), x), sym=False)
case("make", "return zeros(f32[2]) + ones(f32[2]) * x, full(i32[3], 7), eye(2), arange(1, 9, 3), iota(3, dtype = f32), linspace(0, 1, 5)",
     {"x": r(2)}, lambda x: (x, torch.full((3,), 7, dtype=torch.int32), torch.eye(2), torch.arange(1, 9, 3), torch.arange(3.), torch.linspace(0, 1, 5)), sym=False)
case("sorting", "a, b = sort(x, descending = true)\n    c, d = topk(x, 2)\n    return a, b, c, d, argsort(x, axis = 0)", {"x": r(3, 5)},
     lambda x: (*x.sort(-1, descending=True), *x.topk(2), x.argsort(0)))
case("take", "return take(x, i, axis = 1), x[:, i], gather(x, j, axis = 1)", {"x": r(3, 5), "i": torch.tensor([4, 0]), "j": torch.tensor([[1, 2], [0, 4], [3, 3]])},
     lambda x, i, j: (x[:, i], x[:, i], x.gather(1, j)), sym=False)
case("scatter_add", "scatter_add(x, j, u, axis = 1)", {"x": r(3, 5), "j": torch.tensor([[1, 1], [0, 4], [3, 3]]), "u": r(3, 2)},
     lambda x, j, u: x.scatter_add(1, j, u), sym=False)
case("nonzero", "nonzero(x > 0)", {"x": torch.tensor([1., -1., 2., 0., 3.])}, lambda x: (x > 0).nonzero()[:, 0])
case("casts", "return i32(x * 3), f64(x), bool(x), u8(x * x), cast(x, f16)", {"x": r(5)},
     lambda x: ((x * 3).int(), x.double(), x.bool(), (x * x).to(torch.uint8), x.half()), sym=False)
case("floor", "return x // y, x % y, i // 3, i % 3, i ** 2, x ** 2.0", {"x": r(5), "y": r(5), "i": torch.arange(-4, 1)},
     lambda x, y, i: (x // y, x % y, i // 3, i % 3, i ** 2, x ** 2), 1e-4)
# ---- the language itself
case("matmul_batch", "return x @ y, x @ v, v @ y, x @ y[0]", {"x": r(2, 3, 4), "y": r(2, 4, 5), "v": r(4)},
     lambda x, y, v: (x @ y, x @ v, v @ y, x @ y[0]), 1e-4)
case("matmul_broadcast", "x @ y", {"x": r(2, 1, 3, 4), "y": r(5, 4, 6)}, lambda x, y: x @ y, 1e-4)
case("slices", "return x[1:, ::2], x[-1], x[:, ::-1], x[..., 1], x[none, 0], x[2, 1:3]", {"x": r(4, 6)},
     lambda x: (x[1:, ::2], x[-1], x.flip(1), x[..., 1], x[None, 0], x[2, 1:3]), sym=False)
case("notation", "y[i, j] = x[j, i] * 2 + i\n    z[i] = sum[j](x[i, j] ** 2)\n    w[i, j in 0..3] = x[i, j + 1] ?? 7\n    return y, z, w",
     {"x": r(4, 3)}, lambda x: (x.T * 2 + torch.arange(3)[:, None], (x ** 2).sum(1), torch.cat([x[:, 1:], torch.full((4, 1), 7.)], 1)), sym=False)
case("notation_softmax", "y[i] = logsumexp[j](x[i, j]) - max[j](x[i, j])\n    z[i] = mean[j in 1..3](x[i, j])\n    return y, z", {"x": r(4, 3)},
     lambda x: (x.logsumexp(1) - x.amax(1), x[:, 1:3].mean(1)), sym=False)
case("notation_call", "y[i] = softmax(x[i])[0] + sum(gelu(x[i]))", {"x": r(4, 3)}, lambda x: x.softmax(1)[:, 0] + F.gelu(x).sum(1)) \
    if False else None
case("notation_fn", "y[i] = f(x[i], w)\n    return y", {"x": r(4, 3), "w": r(3, 2)}, lambda x, w: (x @ w).softmax(1).amax(1),
     extra="fn f(v: f32[N], w: f32[N, M]) -> f32[] {\n    return max(softmax(v @ w))\n}")
case("notation_gather", "y[i, j] = x[k[i, j], j] + x[0, k[i, j]]\n    return y", {"x": r(5, 5), "k": torch.randint(0, 5, (3, 5))},
     lambda x, k: x.gather(0, k) + x[0][k], sym=False)
case("heads", "y[b, h in 0..2, s, e in 0..3] = x[b, s, h*3 + e]\n    z[b, s, d in 0..6] = y[b, d // 3, s, d % 3]\n    return y, z", {"x": r(2, 5, 6)},
     lambda x: (x.reshape(2, 5, 2, 3).transpose(1, 2), x), sym=False)
case("update", "y = x\n    y[1, :] = 0\n    y[:, 0] += 5\n    y[i, i] = 9\n    y[::2, 2] = x[0:2, 1]\n    return y", {"x": r(4, 4)},
     lambda x: (lambda y: (y.__setitem__(1, 0), y.__setitem__((slice(None), 0), y[:, 0] + 5), y.fill_diagonal_(9),
                           y.__setitem__((slice(None, None, 2), 2), x[0:2, 1]), y)[-1])(x.clone()), sym=False)
case("scatter", "y = zeros(f32[4])\n    y[k[i]] += x[i]\n    z = zeros(f32[4])\n    z[k[i]] = x[i]\n    return y, z", {"x": torch.arange(1., 7.), "k": torch.tensor([0, 2, 2, 9, 0, -1])},
     lambda x, k: (torch.tensor([6., 0, 5, 0]), torch.tensor([5., 0, 3, 0])), sym=False)
case("scan_loop", "h = 0\n    loop t in 0..size(x, 0) {\n        h = h * 0.5 + x[t]\n        y[t] = h\n    }\n    return y, h", {"x": r(5)},
     lambda x: (lambda hs: (torch.stack(hs), hs[-1]))([sum(x[j] * 0.5 ** (t - j) for j in range(t + 1)) for t in range(5)]))
case("loop_2d", "c = 0\n    loop t in 0..size(x, 0) {\n        loop u in 0..size(x, 1) {\n            c = c + x[t, u]\n            y[t, u] = c\n        }\n    }\n    return y", {"x": r(3, 4)},
     lambda x: x.flatten().cumsum(0).reshape(3, 4))
case("for_stack", "for i in 0..3 {\n        y[i] = x * i\n    }\n    return y", {"x": r(4)}, lambda x: torch.stack([x * i for i in range(3)]))
case("for_in_loop", "loop t in 0..size(x, 0) {\n        for i in 0..2 {\n            y[t, i] = x[t] + i\n        }\n    }\n    return y", {"x": r(4)},
     lambda x: torch.stack([x, x + 1], 1))
case("while", "n = 0\n    v = sum(x * x)\n    while v > 1 {\n        v = v / 2\n        n += 1\n    }\n    return v, n", {"x": torch.tensor([3., 4.])},
     lambda x: (torch.tensor(25 / 32), torch.tensor(5)))
case("if", "y = x\n    n = 1\n    if sum(x) > 0 {\n        y = x * 2\n        n = 2\n    } else if sum(x) < -100 {\n        n = 3\n    } else {\n        y = -x\n    }\n    return y, n",
     {"x": torch.tensor([1., -3.])}, lambda x: (-x, torch.tensor(1)))
case("if_in_loop", "m = x[0]\n    k = 0\n    loop t in 1..size(x, 0) {\n        if x[t] > m {\n            m = x[t]\n            k = t\n        }\n    }\n    return m, k", {"x": r(9)},
     lambda x: (x.max(), x.argmax()))
case("grouped", "grouped_conv(x, w, G = 2, pad = 1)", {"x": r(1, 4, 5, 6), "w": r(6, 2, 3, 3)}, lambda x, w: F.conv2d(x, w, groups=2, padding=1), 1e-4, sym=False,
     extra="""fn grouped_conv[T: float, G, stride = 1, pad = 0](x: T[N, G*C, H, W], w: T[G*O, C, R, S]) -> T[N, G*O, P, Q] {
    P = (H + 2*pad - R) // stride + 1
    Q = (W + 2*pad - S) // stride + 1
    y[n, o, p in 0..P, q in 0..Q] =
        sum[c, r, s](w[o, c, r, s] * x[n, o//O*C + c, p*stride + r - pad, q*stride + s - pad] ?? 0)
    return y
}""")
case("recur", "a, b = recur(x, y)\n    return a, b", {"x": torch.rand(2, 5, 3), "y": r(2, 5, 3)},
     lambda x, y: (lambda hs: (torch.stack(hs, 1), hs[-1]))(
         (lambda f: f(f, torch.zeros(2, 3), 0))(lambda f, h, t: [] if t == 5 else [x[:, t] * h + y[:, t]] + f(f, x[:, t] * h + y[:, t], t + 1))),
     extra="""fn recur[T: float](a: T[B, S, D], x: T[B, S, D], h0: T[B, D]? = none) -> (y: T[B, S, D], h: T[B, D]) {
    h = h0 ?? zeros(T[B, D])
    loop t in 0..S {
        h = a[:, t] * h + x[:, t]
        y[:, t] = h
    }
    return y, h
}""")
case("coalesce_tensor", "y[i] = x[i + 1] ?? z[i]\n    return y", {"x": r(4), "z": r(4)}, lambda x, z: torch.cat([x[1:], z[3:]]), sym=False)
case("select_guard", "y[i in 0..4] = x[i - 1] if i > 0 else -1\n    return y", {"x": r(4)}, lambda x: torch.cat([torch.tensor([-1.]), x[:3]]), sym=False)
case("window", "y[i in 0..5, k in 0..4] = x[2*i + k]\n    return y", {"x": r(12)}, lambda x: x.unfold(0, 4, 2), sym=False)

if __name__ == "__main__":
    main()
