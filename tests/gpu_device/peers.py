"""What run.py measures beside frit: the same sizes in PyTorch (cuBLAS, cuDNN), as it is and by torch.compile.

    peers.py SECONDS [NAME]...

After each case it prints one JSON object with all that is known by then: versions and, by name, seconds on the device.
A long kernel goes ahead, so that what follows waits in the queue and the time is the device's, not that of launching. Cases that
would begin SECONDS after the start are left out."""
import json
import sys
import time

import torch
import torch.nn.functional as F


def random(*shape, dtype=torch.float32):
    return torch.randn(*shape, device="cuda", dtype=dtype)


def half(*shape):
    return random(*shape, dtype=torch.float16)


def encoder():
    """MiniLM's six layers after its embeddings, and the mean over positions."""
    layer = torch.nn.TransformerEncoderLayer(384, 12, 1536, activation="gelu", batch_first=True)
    return torch.nn.TransformerEncoder(layer, 6, enable_nested_tensor=False).cuda().eval()


# name: tensors, and what is done with them
CASES = {
    "add": (lambda: (random(33554432), random(33554432)), torch.add),
    "matmul 4096 f16": (lambda: (half(4096, 4096), half(4096, 4096)), torch.matmul),
    "attention 16x2048 f16": (lambda: tuple(half(4, 16, 2048, 64) for _ in range(3)),
                              lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)),
    "matmul 4096": (lambda: (random(4096, 4096), random(4096, 4096)), torch.matmul),
    "softmax 4096x1024": (lambda: (random(4096, 1024),), lambda x: torch.softmax(x, -1)),
    "MiniLM 1x128": (lambda: (encoder(), random(1, 128, 384)), lambda model, x: model(x).mean(1)),
    "transpose 8192": (lambda: (random(8192, 8192),), lambda x: x.t().contiguous()),
    "layer norm 8192x1024 f16": (lambda: (half(8192, 1024), half(1024), half(1024)), lambda x, w, b: F.layer_norm(x, (1024,), w, b)),
    "matmul 1024": (lambda: (random(1024, 1024), random(1024, 1024)), torch.matmul),
    "matmul 64x4096x4096 f16": (lambda: (half(64, 4096), half(4096, 4096)), torch.matmul),
    "conv 64x56x56": (lambda: (random(16, 64, 56, 56), random(64, 64, 3, 3)), lambda x, w: torch.relu(F.conv2d(x, w, padding=1))),
    "attention 16x1024": (lambda: tuple(random(4, 16, 1024, 32) for _ in range(3)), F.scaled_dot_product_attention),
}


def seconds(f, tensors, turns=20):
    for _ in range(3):
        f(*tensors)
    torch.cuda.synchronize()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda._sleep(40_000_000)
    start.record()
    for _ in range(turns):
        f(*tensors)
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) * 1e-3 / turns


def main():
    start, limit, names = time.monotonic(), float(sys.argv[1]), sys.argv[2:] or CASES
    found = {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "seconds": {},
             "compiled": {}, "errors": {}}
    print(json.dumps(found), flush=True)
    # All of them as they are first: compiling takes most of the time.
    for kind, make in (("seconds", lambda f: f), ("compiled", torch.compile)):
        for name in names:
            if time.monotonic() - start > limit:
                return
            try:
                with torch.no_grad():
                    tensors, f = CASES[name]
                    found[kind][name] = seconds(make(f), tensors())
            except Exception as e:  # one that does not run leaves the others
                found["errors"][f"{name}, {kind}"] = str(e)[-2000:]
            torch.cuda.empty_cache()
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
