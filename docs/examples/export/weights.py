#!/usr/bin/env python3
"""Writes made-up weights for the examples: weights.py digits|resnet50|minilm FILE.safetensors

resnet50 has 4 channels where the published network has 64, minilm two layers of width 16. Needs nothing but Python.
"""
import json
import random
import struct
import sys


def digits():
    return {"w1": (64, 128), "b1": (128,), "w2": (128, 10), "b2": (10,)}


def resnet50(width=4):
    shapes = {}

    def conv(name, bn, o, c, r):
        shapes[f"{name}.weight"] = (o, c, r, r)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{bn}.{part}"] = (o,)

    conv("conv1", "bn1", width, 3, 7)
    c = width
    for stage, depth in enumerate((3, 4, 6, 3)):
        m = width << stage
        for i in range(depth):
            p = f"layer{stage + 1}.{i}."
            conv(p + "conv1", p + "bn1", m, c, 1)
            conv(p + "conv2", p + "bn2", m, m, 3)
            conv(p + "conv3", p + "bn3", 4 * m, m, 1)
            if i == 0:
                conv(p + "downsample.0", p + "downsample.1", 4 * m, c, 1)
            c = 4 * m
    return {**shapes, "fc.weight": (1000, c), "fc.bias": (1000,)}


def minilm(layers=2, width=16, inner=32, words=50):
    shapes = {}

    def pair(name, o, i=None):
        shapes[f"{name}.weight"] = (o, i) if i else (o,)
        shapes[f"{name}.bias"] = (o,)

    for table, rows in (("word", words), ("position", 512), ("token_type", 2)):
        shapes[f"embeddings.{table}_embeddings.weight"] = (rows, width)
    pair("embeddings.LayerNorm", width)
    for layer in range(layers):
        p = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            pair(p + "attention.self." + part, width, width)
        pair(p + "attention.output.dense", width, width)
        pair(p + "attention.output.LayerNorm", width)
        pair(p + "intermediate.dense", inner, width)
        pair(p + "output.dense", width, inner)
        pair(p + "output.LayerNorm", width)
    return shapes


def write(shapes, path):
    rng, header, data = random.Random(1), {}, b""
    for name, dims in shapes.items():
        n = 1
        for d in dims:
            n *= d
        low = 0.5 if name.endswith("running_var") else -0.5
        piece = struct.pack(f"<{n}f", *(rng.uniform(low, low + 1) for _ in range(n)))
        header[name] = {"dtype": "F32", "shape": dims, "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    makers = {"digits": digits, "resnet50": resnet50, "minilm": minilm}
    if len(sys.argv) != 3 or sys.argv[1] not in makers:
        sys.exit(__doc__)
    write(makers[sys.argv[1]](), sys.argv[2])
