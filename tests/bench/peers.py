#!/usr/bin/env python3
"""frit against its peers, side by side in one run: interleaved, medians, ratios above 1 mean that frit is faster.

    FRIT_BIN=build/tools build/venv/bin/python tests/bench/peers.py [--runs 20] [--threads 1] [--llama2c PATH]

Peers: ONNX Runtime for matmul, softmax and MiniLM (the graph of tests/models/minilm_reference.py), NumPy for matmul, and,
with --llama2c, the program run of llama2.c for stories260K (fetch it yourself and build it with
-O3 -march=native -ffast-math). What is missing is left out and named.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRIT = pathlib.Path(os.environ.get("FRIT_BIN", ROOT / "build/tools")) / "frit"
BUILD = FRIT.parents[1]
STORIES = ROOT.parent / "shared/data/stories260K"

MODELS = {
    "matmul 1024^3": ("model m(x: f32[1024, 1024], y: f32[1024, 1024]) -> f32[1024, 1024] {\n    return x @ y\n}\n",
                      {"x": (1024, 1024), "y": (1024, 1024)}, "MatMul"),
    "softmax 4096x1024": ("model s(x: f32[4096, 1024]) -> f32[4096, 1024] {\n    return softmax(x, axis = -1)\n}\n",
                          {"x": (4096, 1024)}, "Softmax"),
}


def frit_seconds(path, more, threads):
    """Median seconds of one run, as frit bench measures it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([FRIT, "bench", path, *more, "--runs", "7", "--threads", str(threads), "--json", out.name, "-q"],
                       check=True, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(out.name).read_text())["points"][0]["median_seconds"]


def peer_seconds(session, feed):
    times = []
    for _ in range(7):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(name, peer, ours, theirs):
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{name}: frit {a * 1e3:.3f} ms, {peer} {b * 1e3:.3f} ms, ratio {b / a:.2f} ({len(ours)} interleaved rounds)")


def open_session(model, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def one_op(shapes, kind):
    from onnx import TensorProto, helper
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    node = helper.make_node(kind, list(shapes), ["out"])
    graph = helper.make_graph([node], "one", inputs, [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def against_onnxruntime(rounds, threads):
    try:
        import numpy as np
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as e:
        print(f"ONNX Runtime left out: {e}")
        return
    peer = f"ONNX Runtime {onnxruntime.__version__}"
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, shapes, kind) in MODELS.items():
            path = pathlib.Path(folder) / "m.frit"
            path.write_text(source)
            session = open_session(one_op(shapes, kind), threads)
            feed = {n: rng.standard_normal(s, dtype=np.float32) for n, s in shapes.items()}
            pairs = [(frit_seconds(path, [], threads), peer_seconds(session, feed)) for _ in range(rounds)]
            report(name, peer, *zip(*pairs))
    minilm(rounds, threads, peer)


def minilm(rounds, threads, peer):
    import numpy as np
    from safetensors.numpy import load_file
    weights = BUILD / "minilm"
    if not (weights / "model.safetensors").exists():
        print(f"MiniLM left out: run tests/models/minilm_fetch.py {weights}")
        return
    sys.path.insert(0, str(ROOT / "tests/models"))
    from minilm_reference import Graph
    graph = Graph(load_file(weights / "model.safetensors")).model().SerializeToString()
    session = open_session(graph, threads)
    for batch in (1, 3, 7):
        data = ROOT / f"tests/models/minilm_{batch}_in.npz"
        feed = dict(np.load(data))
        more = ["-w", weights, "-i", data]
        pairs = [(frit_seconds(ROOT / "docs/examples/minilm.frit", more, threads), peer_seconds(session, feed))
                 for _ in range(rounds)]
        report(f"MiniLM {feed['ids'].shape}", peer, *zip(*pairs))


def tokens_per_second(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return float(re.search(r"([\d.]+) tokens/s|tok/s: ([\d.]+)", done.stderr)[0].split()[0 if "tokens" in done.stderr else -1])


def against_llama2c(program, rounds):
    if not program or not STORIES.is_dir():
        print("llama2.c left out: give --llama2c PATH, with the stories260K files beside the repository")
        return
    with tempfile.TemporaryDirectory() as folder:
        weights, package = pathlib.Path(folder) / "s.safetensors", pathlib.Path(folder) / "s.fpk"
        subprocess.run([sys.executable, ROOT / "docs/examples/stories.py", STORIES / "stories260K.bin", weights],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run([FRIT, "compile", ROOT / "docs/examples/stories.frit", "-w", weights, "-D", "B=1", "-o", package],
                       check=True)
        ours = [BUILD / "tests/models/generate", package, STORIES / "tok512.bin", 256, "speed"]
        theirs = [program, STORIES / "stories260K.bin", "-z", STORIES / "tok512.bin", "-t", "0", "-n", "256"]
        pairs = [(tokens_per_second(ours), tokens_per_second(theirs)) for _ in range(rounds)]
    a, b = (statistics.median(x) for x in zip(*pairs))
    print(f"stories260K: frit {a:.0f} tokens/s, llama2.c {b:.0f} tokens/s, ratio {a / b:.2f} ({rounds} interleaved rounds)")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--llama2c")
    o = options.parse_args()
    against_onnxruntime(o.runs, o.threads)
    against_llama2c(o.llama2c, o.runs)


if __name__ == "__main__":
    main()
