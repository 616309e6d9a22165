"""What run.py measures beside frit: the same sizes in PyTorch (cuBLAS, cuDNN). Prints one JSON object: versions and, by name,
seconds on the device.

A long kernel goes ahead, so that what follows waits in the queue and the time is the device's, not that of launching."""
import json

import torch
import torch.nn.functional as F


def random(*shape, dtype=torch.float32):
    return torch.randn(*shape, device="cuda", dtype=dtype)


def half(*shape):
    return random(*shape, dtype=torch.float16)


def case(make, f):
    tensors = make()
    return lambda: f(*tensors)


CASES = {
    "add": lambda: case(lambda: (random(33554432), random(33554432)), torch.add),
    "transpose 8192": lambda: case(lambda: (random(8192, 8192),), lambda x: x.t().contiguous()),
    "softmax 4096x1024": lambda: case(lambda: (random(4096, 1024),), lambda x: torch.softmax(x, -1)),
    "layer norm 8192x1024 f16": lambda: case(lambda: (half(8192, 1024), half(1024), half(1024)),
                                             lambda x, w, b: F.layer_norm(x, (1024,), w, b)),
    "matmul 1024": lambda: case(lambda: (random(1024, 1024), random(1024, 1024)), torch.matmul),
    "matmul 4096": lambda: case(lambda: (random(4096, 4096), random(4096, 4096)), torch.matmul),
    "matmul 4096 f16": lambda: case(lambda: (half(4096, 4096), half(4096, 4096)), torch.matmul),
    "matmul 64x4096x4096 f16": lambda: case(lambda: (half(64, 4096), half(4096, 4096)), torch.matmul),
    "conv 64x56x56": lambda: case(lambda: (random(16, 64, 56, 56), random(64, 64, 3, 3)),
                                  lambda x, w: torch.relu(F.conv2d(x, w, padding=1))),
    "attention 16x1024": lambda: case(lambda: tuple(random(4, 16, 1024, 32) for _ in range(3)), F.scaled_dot_product_attention),
    "attention 16x2048 f16": lambda: case(lambda: tuple(half(4, 16, 2048, 64) for _ in range(3)),
                                          lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)),
}


def seconds(f, turns=20):
    for _ in range(3):
        f()
    torch.cuda.synchronize()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda._sleep(20_000_000)
    start.record()
    for _ in range(turns):
        f()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) * 1e-3 / turns


def main():
    found = {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "seconds": {},
             "errors": {}}
    with torch.no_grad():
        for name, make in CASES.items():
            try:
                found["seconds"][name] = seconds(make())
            except Exception as e:  # one that does not run leaves the others
                found["errors"][name] = str(e)
            torch.cuda.empty_cache()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
