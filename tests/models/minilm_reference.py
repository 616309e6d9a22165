#!/usr/bin/env python3
"""Makes the MiniLM test data: minilm_reference.py WEIGHTS_FOLDER OUT_FOLDER

100 sentences, tokenised by the model's own tokenizer, in batches of different sizes and lengths; their embeddings by
ONNX Runtime (f32) from a graph written here, checked against a NumPy forward pass in f64. Needs tests/requirements.txt.
The data is kept in the repository (minilm_*_in.npz, minilm_*_out.npz); this script says where it came from.
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HEADS, LAYERS, EPS = 12, 6, 1e-12

SENTENCES = """
Glass.
It rained.
The kettle is on.
Where did you put the keys?
Sand, soda and lime melt into glass.
A frit is crushed glass that melts at a lower heat.
She crossed the river before dawn.
The train to the coast leaves at a quarter past nine.
Nobody in the village remembered who had built the bridge.
Two and two are four, most of the time.
Please close the window; the wind is turning.
The committee postponed its decision for the third time this year.
Copper conducts heat better than steel does.
My grandmother kept bees behind the old mill.
Which of these maps shows the northern passage?
He whistled the same tune every morning while he opened the shop.
The experiment failed, but it failed in an instructive way.
An ounce of prevention is worth a pound of cure.
Their boat drifted past the lighthouse in complete silence.
The recipe asks for three eggs, a cup of flour and a pinch of salt.
Snow fell on the harbour and melted as soon as it touched the water.
The library will be closed on Monday and Tuesday for repairs.
Can a machine tell a joke that it does not understand?
The bank raised its interest rates by a quarter of a percent.
The river bank was steep and covered with nettles.
After the storm the children collected shells along the beach.
The patient was given antibiotics and recovered within a week.
A prime number has exactly two divisors.
The orchestra tuned its instruments while the audience found its seats.
Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.
The witness could not say whether the car had been green or blue.
We measured the temperature at noon, at dusk and again at midnight.
Old radios hum for a while before they speak.
The contract ends on 31 December unless both parties renew it in writing.
Every compiler is a translator with strong opinions.
The goalkeeper guessed the right corner and still missed the ball.
Wolves returned to the valley after an absence of eighty years.
The museum owns 4,812 drawings, of which 97 are on display.
Naïve café owners rarely expect a jalapeño shortage.
If the pump stops, press the red button and leave the room.
""".strip().splitlines()

BATCHES = [1, 1, 2, 4, 7, 8, 11, 16, 20, 30]  # 100 sentences


def sentences():
    """The list, then texts joined from it, up to several hundred words."""
    out = list(SENTENCES)
    for i in range(100 - len(out)):
        count = 1 + i * i // 150
        out.append(" ".join(SENTENCES[(7 * i + 11 * k) % len(SENTENCES)] for k in range(count + 1)))
    order = [(37 * i) % 100 for i in range(100)]
    return [out[i] for i in order]


def batches(tokenizer):
    texts, at = sentences(), 0
    for size in BATCHES:
        coded = [tokenizer.encode(t) for t in texts[at:at + size]]
        at += size
        longest = min(256, max(len(c.ids) for c in coded))
        ids = np.zeros((size, longest), np.int64)
        mask = np.zeros((size, longest), np.int64)
        for row, c in enumerate(coded):
            n = min(longest, len(c.ids))
            ids[row, :n] = c.ids[:n]
            mask[row, :n] = 1
        yield ids, mask


# ---- ONNX ----
class Graph:
    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.count = weights, [], {}, 0

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def weight(self, name):
        self.constants[name] = self.weights[name]
        return name

    def op(self, kind, *inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, list(inputs), [f"v{self.count}"], **attributes))
        return f"v{self.count}"

    def dense(self, x, path):
        w = self.op("Transpose", self.weight(path + ".weight"), perm=[1, 0])
        return self.op("Add", self.op("MatMul", x, w), self.weight(path + ".bias"))

    def norm(self, x, path):
        return self.op("LayerNormalization", x, self.weight(path + ".weight"), self.weight(path + ".bias"), axis=-1,
                       epsilon=EPS)

    def heads(self, x):
        shape = self.constant(np.array([0, 0, HEADS, -1], np.int64))
        return self.op("Transpose", self.op("Reshape", x, shape), perm=[0, 2, 1, 3])

    def layer(self, x, bias, path):
        q, k, v = (self.heads(self.dense(x, f"{path}.attention.self.{n}")) for n in ("query", "key", "value"))
        kt = self.op("Transpose", k, perm=[0, 1, 3, 2])
        width = self.weights[f"{path}.attention.self.query.weight"].shape[0] // HEADS
        scores = self.op("Mul", self.op("MatMul", q, kt), self.constant(np.float32(width ** -0.5)))
        a = self.op("MatMul", self.op("Softmax", self.op("Add", scores, bias), axis=-1), v)
        a = self.op("Transpose", a, perm=[0, 2, 1, 3])
        a = self.op("Reshape", a, self.constant(np.array([0, 0, -1], np.int64)))
        x = self.norm(self.op("Add", x, self.dense(a, path + ".attention.output.dense")),
                      path + ".attention.output.LayerNorm")
        h = self.op("Gelu", self.dense(x, path + ".intermediate.dense"))
        return self.norm(self.op("Add", x, self.dense(h, path + ".output.dense")), path + ".output.LayerNorm")

    def embeddings(self):
        e = "embeddings."
        x = self.op("Gather", self.weight(e + "word_embeddings.weight"), "ids")
        length = self.op("Shape", "ids", start=1, end=2)
        zero, one = self.constant(np.array([0], np.int64)), self.constant(np.array([1], np.int64))
        positions = self.op("Slice", self.weight(e + "position_embeddings.weight"), zero, length, zero, one)
        x = self.op("Add", x, positions)
        x = self.op("Add", x, self.op("Gather", self.weight(e + "token_type_embeddings.weight"),
                                      self.constant(np.int64(0))))
        return self.norm(x, e + "LayerNorm")

    def model(self):
        keep = self.op("Cast", "mask", to=TensorProto.FLOAT)
        absent = self.op("Sub", self.constant(np.float32(1)), keep)
        absent = self.op("Unsqueeze", absent, self.constant(np.array([1, 2], np.int64)))
        bias = self.op("Mul", absent, self.constant(np.float32(np.finfo(np.float32).min)))
        x = self.embeddings()
        for l in range(LAYERS):
            x = self.layer(x, bias, f"encoder.layer.{l}")
        m = self.op("Unsqueeze", keep, self.constant(np.array([2], np.int64)))
        axis = self.constant(np.array([1], np.int64))
        total = self.op("ReduceSum", self.op("Mul", x, m), axis, keepdims=0)
        p = self.op("Div", total, self.op("ReduceSum", m, axis, keepdims=0))
        n = self.op("ReduceL2", p, self.constant(np.array([1], np.int64)), keepdims=1)
        return self.finish(self.op("Div", p, n))

    def finish(self, out):
        ints = [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "S"]) for n in ("ids", "mask")]
        self.nodes.append(helper.make_node("Identity", [out], ["embedding"]))
        graph = helper.make_graph(self.nodes, "minilm", ints,
                                  [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", "D"])],
                                  [numpy_helper.from_array(v, k) for k, v in self.constants.items()])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


# ---- NumPy, f64 ----
def erf(x):
    import math
    return np.vectorize(math.erf)(x)


def forward64(w, ids, mask):
    w = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in w.items()}

    def norm(x, p):
        d = x - x.mean(-1, keepdims=True)
        return d / np.sqrt((d * d).mean(-1, keepdims=True) + EPS) * w[p + ".weight"] + w[p + ".bias"]

    def dense(x, p):
        return x @ w[p + ".weight"].T + w[p + ".bias"]

    def heads(x):
        return x.reshape(x.shape[0], x.shape[1], HEADS, -1).transpose(0, 2, 1, 3)

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][:ids.shape[1]]
    x = norm(x + w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
    for l in range(LAYERS):
        p = f"encoder.layer.{l}"
        q, k, v = (heads(dense(x, f"{p}.attention.self.{n}")) for n in ("query", "key", "value"))
        s = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
        s = np.where(mask[:, None, None, :] != 0, s, -np.inf)
        s = np.exp(s - s.max(-1, keepdims=True))
        a = (s / s.sum(-1, keepdims=True)) @ v
        a = a.transpose(0, 2, 1, 3).reshape(x.shape)
        x = norm(x + dense(a, p + ".attention.output.dense"), p + ".attention.output.LayerNorm")
        h = dense(x, p + ".intermediate.dense")
        h = 0.5 * h * (1 + erf(h / np.sqrt(2)))
        x = norm(x + dense(h, p + ".output.dense"), p + ".output.LayerNorm")
    m = mask[:, :, None]
    out = (x * m).sum(1) / m.sum(1)
    return out / np.sqrt((out * out).sum(-1, keepdims=True))


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    source, to = map(pathlib.Path, sys.argv[1:])
    weights = load_file(source / "model.safetensors")
    model = Graph(weights).model()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    for i, (ids, mask) in enumerate(batches(tokenizer)):
        out = session.run(None, {"ids": ids, "mask": mask})[0]
        gap = np.abs(out - forward64(weights, ids, mask)).max()
        print(f"batch {i}: {ids.shape}, largest difference from f64 {gap:.2e}")
        assert gap < 1e-6
        np.savez_compressed(to / f"minilm_{i}_in.npz", ids=ids, mask=mask)
        np.savez_compressed(to / f"minilm_{i}_out.npz", embedding=out)


if __name__ == "__main__":
    main()
