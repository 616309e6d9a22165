#!/usr/bin/env python3
"""Converts weights of the llama2.c format (.bin, version 0) to .safetensors for stories.frit.

    stories.py stories260K.bin stories.safetensors        prints the -D options of the geometry

The format: seven little-endian int32 (dim, hidden dim, layers, heads, key/value heads, vocabulary, longest sequence; a
negative vocabulary says that the classifier has weights of its own), then float32 tensors, those of all layers stacked.
Needs nothing but Python.
"""
import json
import struct
import sys


def layout(dim, hidden, layers, heads, kv_heads, vocab, seq, shared):
    """The tensors of the file in order: (name with {l} for the layer or None to skip, dims of one layer, stacked)."""
    kv = dim * kv_heads // heads
    half = dim // heads // 2
    tensors = [
        ("tok_embeddings.weight", (vocab, dim), False),
        ("layers.{l}.attention_norm.weight", (dim,), True),
        ("layers.{l}.attention.wq.weight", (dim, dim), True),
        ("layers.{l}.attention.wk.weight", (kv, dim), True),
        ("layers.{l}.attention.wv.weight", (kv, dim), True),
        ("layers.{l}.attention.wo.weight", (dim, dim), True),
        ("layers.{l}.ffn_norm.weight", (dim,), True),
        ("layers.{l}.feed_forward.w1.weight", (hidden, dim), True),
        ("layers.{l}.feed_forward.w2.weight", (dim, hidden), True),
        ("layers.{l}.feed_forward.w3.weight", (hidden, dim), True),
        ("norm.weight", (dim,), False),
        (None, (seq, half), False),  # tables of cosines and sines, computed by the model instead
        (None, (seq, half), False),
    ]
    if not shared:
        tensors.append(("output.weight", (vocab, dim), False))
    return tensors


def split(data):
    """(geometry, [(name, dims, bytes)])"""
    dim, hidden, layers, heads, kv_heads, vocab, seq = struct.unpack_from("<7i", data)
    shared, vocab = vocab > 0, abs(vocab)
    at, out = 28, []
    for name, dims, stacked in layout(dim, hidden, layers, heads, kv_heads, vocab, seq, shared):
        count = 1
        for d in dims:
            count *= d
        for layer in range(layers if stacked else 1):
            piece = data[at:at + 4 * count]
            if len(piece) != 4 * count:
                raise SystemExit("the file is truncated")
            at += 4 * count
            if name:
                out.append((name.format(l=layer), dims, piece))
    if shared:
        out.append(("output.weight",) + out[0][1:])
    return {"L": layers, "H": heads, "KV": kv_heads, "MAX": seq}, out


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, dims, piece in tensors:
        header[name] = {"dtype": "F32", "shape": list(dims), "data_offsets": [at, at + len(piece)]}
        at += len(piece)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, _, piece in tensors:
            out.write(piece)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    with open(sys.argv[1], "rb") as f:
        geometry, tensors = split(f.read())
    write_safetensors(sys.argv[2], tensors)
    print(" ".join(f"-D {name}={value}" for name, value in geometry.items()))


if __name__ == "__main__":
    main()
