"""Weights of the size of all-MiniLM-L6-v2's, made up: its time is that of the real ones, and a device can be compared with the CPU."""
import array
import json
import random
import struct

LAYERS, D, HIDDEN, VOCABULARY, POSITIONS = 6, 384, 1536, 30522, 512


def tensors():
    """Dims by key."""
    def dense(name, o, i):
        return {f"{name}.weight": [o, i], f"{name}.bias": [o]}

    def norm(name):
        return {f"{name}.weight": [D], f"{name}.bias": [D]}

    dims = {f"embeddings.{table}_embeddings.weight": [n, D] for table, n in (("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2))}
    dims |= norm("embeddings.LayerNorm")
    for layer in (f"encoder.layer.{i}." for i in range(LAYERS)):
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            dims |= dense(layer + name, D, D)
        dims |= dense(layer + "intermediate.dense", HIDDEN, D) | dense(layer + "output.dense", D, HIDDEN)
        dims |= norm(layer + "attention.output.LayerNorm") | norm(layer + "output.LayerNorm")
    return dims


def write(path):
    """A safetensors file. The numbers repeat after a prime number of them, which no dim shares a factor with."""
    source = random.Random(1)
    numbers = array.array("f", (source.gauss(0, 0.05) for _ in range(65537))).tobytes()
    header, at = {}, 0
    for name, dims in tensors().items():
        size = 4 * dims[0] * (dims[1] if len(dims) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": dims, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for start in range(0, at, len(numbers)):
            f.write(numbers[:at - start])
