#!/usr/bin/env python3
"""The command's contract: exit statuses, streams, options, bad files. Standard library only."""
import json
import os
import pathlib
import re
import struct
import subprocess
import unittest

from command import FRIT, CommandTest, safetensors

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIGITS = ROOT / "docs/examples/digits.frit"

LOOKUP = """model lookup(ids: i64[N], x: f32[N, 3]) -> (y: f32[N, 3]) {
    param table: f32[7, 3]
    return table[ids] + x
}
"""
COUNTER = """model counter(x: f32[4]) -> (y: f32[4]) {
    state total: f32[4] = 0
    total = total + x
    return total
}
"""


def npy(dims, values, code="<f4", kind="f"):
    header = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {tuple(dims)}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(values)}{kind}", *values)


class Cli(CommandTest):
    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    # ---- usage ----
    def test_help_and_version(self):
        out, _ = self.frit("--version")
        self.assertRegex(out, r"^frit \d+\.\d+\.\d+\n$")
        out, _ = self.frit("--help")
        for command in ("run", "compile", "check", "fmt", "explain", "bench", "inspect", "devices", "cache", "reduce"):
            self.assertIn(command, out)
            for words in ([command, "--help"], ["help", command]):
                self.assertIn(f"usage: frit {command}", self.frit(*words)[0])

    def test_wrong_usage_is_2(self):
        for words in ([], ["rnu"], ["run"], ["run", "--sede", "1", DIGITS], ["run", "-k", "x", DIGITS],
                      ["run", DIGITS, "--seed"], ["run", DIGITS, "--seed", "x"], ["run", DIGITS, "-D", "B"],
                      ["run", DIGITS, "-D", "B=1..4"], ["compile", DIGITS, "--emit", "soup"], ["cache", "burn"],
                      ["fmt"], ["explain", "no_such_thing"], ["inspect", "a.txt"], ["run", DIGITS, "-i", "x"],
                      ["reduce", "a.fir"], ["bench", DIGITS, "--max-regress", "x"], ["run", "a.onnx"], ["tune", DIGITS], ["import", "a.onnx"], ["run", DIGITS, "--check=3"], ["run", DIGITS, "--seed", "1", "--seed", "2"]):
            out, err = self.frit(*words, status=2)
            self.assertEqual(out, "", words)
            self.assertRegex(err, r"^frit", words)

    def test_values_of_dims(self):
        add = self.file("add.frit", "model add(x: f32[B, 4]) -> (y: f32[B, 4]) {\n    return x + 1\n}\n")
        for value, status in (("-1", 1), ("x", 1), ("1.5", 1), ("99999999999999999999", 1), ("9223372036854775807", 1),
                              ("4611686018427387904", 1), ("", 2), ("1,2", 2), ("1..2", 2)):
            for command in ("run", "compile"):
                if (command, value) != ("compile", "1..2"):
                    self.frit(command, add, "-D", f"B={value}", status=status)
        self.frit("run", add, "-D", "B=1", "-D", "B=2", status=2)
        self.frit("run", add, "--threads", "99999999999", status=2)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["add.frit"])

    def test_precision(self):
        """bf16 and tf32 round the operands of products, which shows, and kernels agree with that meaning."""
        source = self.folder / "product.frit"
        source.write_text("model product(x: f32[4, 300], y: f32[300, 5]) -> (z: f32[4, 5], s: f32[4, 5]) {\n"
                          "    s[i, j] = sum[k](x[i, k] * y[k, j])\n    return x @ y, s\n}\n")
        results = {}
        for name in ("f32", "tf32", "bf16", "fast"):
            out = self.folder / f"{name}.npy"
            self.frit("run", source, "--precision", name, "--check", "-o", f"z={out}", "-o", f"s={self.folder}/s.npy")
            results[name] = out.read_bytes()
            self.assertEqual(results[name], (self.folder / "s.npy").read_bytes())
        self.assertEqual(results["f32"], results["fast"])
        self.assertEqual(len(set(results.values())), 3)
        self.frit("run", source, "--precision", "f8", status=2)

    def test_suggestions(self):
        self.assertIn("did you mean run", self.frit("rnu", status=2)[1])
        self.assertIn("did you mean --seed", self.frit("run", DIGITS, "--sed", "1", status=2)[1])
        self.assertIn("did you mean image", self.frit("run", DIGITS, "-i", "imag=1", status=1)[1])

    # ---- running ----
    def test_run_prints_a_summary_and_says_what_it_made_up(self):
        out, err = self.frit("run", DIGITS, "-D", "B=3")
        self.assertRegex(out, r"^result: f32\[3, 10\] = \[.*min .* max .* mean 0\.1\n$")
        self.assertIn("made up from seed 0", err)
        self.assertEqual(self.frit("run", DIGITS, "-D", "B=3", "-q")[1], "")

    def test_seed_decides(self):
        one, two = (self.frit("run", DIGITS, "--seed", s)[0] for s in (1, 2))
        self.assertNotEqual(one, two)
        self.assertEqual(one, self.frit("run", DIGITS, "--seed", 1)[0])
        self.assertEqual(one, self.frit("run", DIGITS, "--seed", 1, "--threads", 1)[0])

    def test_check_agrees(self):
        self.assertIn("agrees with the interpreter", self.frit("run", DIGITS, "--check")[1])

    def test_inputs_in_range_for_what_they_index(self):
        path = self.file("lookup.frit", LOOKUP)
        self.frit("run", path, "-D", "N=300", "--check")
        out, _ = self.frit("run", path, "-i", "ids=[6, 0]", "-i", "x=0", "-w",
                           self.file("w.safetensors", safetensors({"table": ([7, 3], range(21))})))
        self.assertIn("[18, 19, 20, 0, 1, 2]", out)

    def test_outputs_and_expectations(self):
        self.frit("run", DIGITS, "-o", "result=a.npy", "-o", "all.npz")
        self.assertTrue((self.folder / "a.npy").read_bytes().startswith(b"\x93NUMPY"))
        for expected in ("result=a.npy", "a.npy", "all.npz"):
            self.frit("run", DIGITS, "--expect", expected)
        _, err = self.frit("run", DIGITS, "--seed", 5, "--expect", "a.npy", status=4)
        self.assertIn("elements differ", err)
        self.frit("run", DIGITS, "--seed", 5, "--expect", "a.npy", "--atol", "2")
        self.frit("run", DIGITS, "-o", "nothing=a.npy", status=1)

    def test_state_goes_from_run_to_run(self):
        path = self.file("counter.frit", COUNTER)
        for total in (2, 4, 6):
            out, _ = self.frit("run", path, "-i", "x=[2, 2, 2, 2]", "--state", "s.npz")
            self.assertIn(f"[{total}, {total}, {total}, {total}]", out)
        self.assertIn("total: f32[4] = [6", self.frit("inspect", "s.npz")[0])

    def test_packages(self):
        self.frit("compile", DIGITS, "-o", "d.fpk")
        out, _ = self.frit("inspect", "d.fpk")
        for text in ("image: f32[B, 64]", "result: f32[B, 10]", "checksums: right", "target: cpu:"):
            self.assertIn(text, out)
        self.assertEqual(self.frit("run", "d.fpk")[0], self.frit("run", DIGITS)[0])
        first = (self.folder / "d.fpk").read_bytes()
        self.frit("compile", DIGITS, "-o", "d.fpk")
        self.assertEqual(first, (self.folder / "d.fpk").read_bytes(), "the same bytes every time")
        self.file("cut.fpk", first[:-100])
        self.assertIn("E1009", self.frit("run", "cut.fpk", status=1)[1])
        self.file("flip.fpk", first[:300] + bytes([first[300] ^ 1]) + first[301:])
        self.frit("run", "flip.fpk", status=1)

    def test_weights_inside(self):
        path = self.file("lookup.frit", LOOKUP)
        weights = self.file("w.safetensors", safetensors({"table": ([7, 3], range(21))}))
        self.frit("compile", path, "-w", weights, "-o", "l.fpk")
        out, _ = self.frit("run", "l.fpk", "-i", "ids=[1]", "-i", "x=0")
        self.assertIn("[3, 4, 5]", out)

    def test_emit(self):
        for stage in ("tensor", "fused", "tile", "thread", "llvm", "asm"):
            self.assertGreater(len(self.frit("compile", DIGITS, "--emit", stage)[0]), 100)
        self.frit("compile", DIGITS, "--emit", "obj", "-o", "d.o")
        self.assertTrue((self.folder / "d.o").read_bytes().startswith(b"\x7fELF"))
        self.frit("compile", DIGITS, "--emit", "tensor", "-o", "d.fir")
        self.assertEqual(self.frit("run", "d.fir", "-q")[0], self.frit("run", DIGITS, "-q")[0])
        self.frit("compile", DIGITS, "--emit", "tile", "-k", "no_such_kernel", status=2)
        self.frit("compile", DIGITS, "--emit", "asm", "-t", "cpu:aarch64")

    # ---- mistakes ----
    def test_bad_inputs_are_1(self):
        good = npy([4, 64], [0.0] * 256)
        for content, text in ((good[:-4], "truncated"), (b"junk", "not an .npy"), (b"", "not an .npy"),
                              (npy([4, 63], [0.0] * 252), "63"), (npy([256], [0.0] * 256), "E1007"),
                              (npy([4, 64], [0] * 256, "<i4", "i"), "E1007")):
            path = self.file("x.npy", content)
            out, err = self.frit("run", DIGITS, "-i", f"image={path}", status=1)
            self.assertIn(text, err)
            self.assertEqual(out, "")
        self.frit("run", DIGITS, "-i", f"image={self.file('x.npy', good)}")
        self.assertIn("E1006", self.frit("run", DIGITS, "-i", "image=none.npy", status=1)[1])
        self.assertIn("E1001", self.frit("run", "none.frit", status=1)[1])
        self.assertIn("E1016", self.frit("compile", DIGITS, "-t", "toaster", status=1)[1])
        self.assertIn("E1015", self.frit("run", DIGITS, "-e", "other", status=1)[1])

    def test_bad_weights_are_1(self):
        path = self.file("lookup.frit", LOOKUP)
        wrong = self.file("w.safetensors", safetensors({"tabel": ([7, 3], range(21)), "b": ([1], [0])}))
        _, err = self.frit("run", path, "-w", wrong, status=1)
        self.assertIn("E1003", err)
        self.assertIn("there is tabel: f32[7, 3]", err)
        self.assertIn("lookup.frit:2:", err)
        small = self.file("w.safetensors", safetensors({"table": ([7, 4], range(28))}))
        _, err = self.frit("run", path, "-w", small, status=1)
        self.assertIn("dim 2 is 4, but 3 is expected", err)
        good = safetensors({"table": ([7, 3], range(21)), "extra": ([1], [0])})
        _, err = self.frit("run", path, "-w", self.file("w.safetensors", good))
        self.assertIn("1 of the weights is not used: extra", err)
        for cut in (0, 4, 8, 50, len(good) - 1):
            self.assertIn("E1002", self.frit("run", path, "-w", self.file("w.safetensors", good[:cut]), status=1)[1])
        self.frit("run", path, "-w", "none.safetensors", status=1)

    def test_failures_write_nothing(self):
        path = self.file("bad.frit", "model bad(x: f32[B]) -> f32[B] {\n    return y\n}\n")
        self.frit("compile", path, "-o", "bad.fpk", status=1)
        self.frit("run", DIGITS, "-i", "image=none.npy", "-o", "r.npy", status=1)
        self.frit("run", DIGITS, "-o", "no/such/folder/r.npy", status=1)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["bad.frit"])

    def test_diagnostics(self):
        path = self.file("bad.frit", "model bad(x: f32[B]) -> f32[B] {\n    return x +* 2\n}\n")
        out, err = self.frit("check", path, status=1)
        self.assertEqual(out, "")
        self.assertRegex(err, r"bad\.frit:2:\d+: error\[E02\d\d\]: ")
        self.assertIn("^", err)
        self.assertNotIn("\033", err)
        self.assertIn("\033[", self.frit("check", path, "--color", "always", status=1)[1])
        _, err = self.frit("check", path, "--diagnostics=json", status=1)
        record = json.loads(err.splitlines()[0])
        self.assertEqual((record["severity"], record["line"]), ("error", 2))
        code = record["code"]
        self.assertIn(code, self.frit("explain", code)[0])

    def test_hostile_source(self):
        deep = "model m(x: f32[B]) -> f32[B] {\n    return " + "(" * 10000 + "x" + ")" * 10000 + "\n}\n"
        self.assertIn("E0110", self.frit("check", self.file("deep.frit", deep), status=1)[1])
        self.frit("check", self.file("long.frit", "x" * 10_000_000), status=1)
        self.frit("check", self.file("bytes.frit", bytes(range(256)) * 100), status=1)
        self.frit("check", self.file("empty.frit", ""), status=1)

    def test_a_bug_is_70_and_leaves_a_reproducer(self):
        _, err = self.frit("run", DIGITS, status=70, env={"FRIT_DEBUG": "crash"})
        self.assertIn("internal error", err)
        name = [p.name for p in self.folder.iterdir()]
        self.assertEqual(len(name), 1)
        self.assertIn(name[0], err)
        self.frit("run", name[0])

    # ---- the other commands ----
    def test_tools_that_do_not_work_are_3(self):
        model = ROOT / "tests/gpu_device/models/linear.frit"
        linker = self.folder / "bin" / "ld.lld"
        linker.parent.mkdir()
        env = {"PATH": f"{linker.parent}:{os.environ['PATH']}", "FRIT_CACHE": "off"}
        if subprocess.run([FRIT, "compile", model, "-t", "hip:gfx942", "-o", self.folder / "m.fpk"], capture_output=True).returncode:
            self.skipTest("code for AMD GPUs can't be made here")
        for body, said in (("exec /no/such/linker", "no/such/linker"), ("kill -9 $$", "signal 9"), ("exit 0", "wrote nothing")):
            linker.write_text(f"#!/bin/sh\n{body}\n")
            linker.chmod(0o755)
            _, error = self.frit("compile", model, "-t", "hip:gfx942", "-o", "m.fpk", status=3, env=env)
            self.assertIn(f"'{linker}' does not work on this machine", error)
            self.assertIn(said, error)
        linker.write_text("#!/bin/sh\necho wrong input; exit 1\n")
        self.frit("compile", model, "-t", "hip:gfx942", "-o", "m.fpk", status=70, env=env)

    def test_fmt(self):
        path = self.file("m.frit", "model m(x:f32[B])->f32[B]{\n  return   x\n}")
        self.assertEqual(self.frit("fmt", "--check", path, status=1)[0], f"{path}\n")
        self.frit("fmt", path)
        self.frit("fmt", "--check", path)
        out, _ = self.frit("fmt", "-", stdin=b"const A=1")
        self.assertEqual(out, "const A = 1\n")

    def test_explain_every_code(self):
        """Each diagnostic's text reads as a sentence: nothing is left of the pattern that messages are made from."""
        with open("docs/errors.md") as f:
            codes = re.findall(r"^## ([EWN]\d{4})$", f.read(), re.M)
        self.assertGreater(len(codes), 90)
        for code in codes:
            text = self.frit("explain", code)[0]
            self.assertTrue(text.startswith(code), text)
            self.assertNotRegex(text, r"%(\d|l)*[sdux]")
            self.assertGreater(len(text.split("\n\n", 1)[1].split()), 4, text)

    def test_explain(self):
        self.assertIn("kernel", self.frit("explain", DIGITS)[0])
        self.assertIn("identity", self.frit("explain", "reduce")[0])
        self.assertIn("fn softmax", self.frit("explain", "softmax")[0])
        self.assertIn("mean(x, axis=none", self.frit("explain", "mean")[0])

    def test_explain_of_functions(self):
        for name, text in (("sum", "built-in"), ("topk", "largest"), ("softmax", "fn softmax"), ("exp", "an op"), ("e0204", "E0204")):
            self.assertIn(text, self.frit("explain", name)[0])

    def test_bench(self):
        out, _ = self.frit("bench", DIGITS, "-D", "B=1,8", "--runs", 5, "--json", "b.json", "--html", "b.html")
        self.assertIn("B=8: median", out)
        numbers = json.loads((self.folder / "b.json").read_text())
        self.assertEqual([p["sizes"] for p in numbers["points"]], ["B=1", "B=8"])
        self.assertEqual([p["runs"] for p in numbers["points"]], [5, 5])
        for p in numbers["points"]:
            p["median_seconds"] = 1000
        self.file("slow.json", json.dumps(numbers))
        self.frit("bench", DIGITS, "-D", "B=1,8", "--runs", 5, "--baseline", "slow.json")
        for p in numbers["points"]:
            p["median_seconds"] = 1e-12
        self.file("fast.json", json.dumps(numbers))
        self.frit("bench", DIGITS, "-D", "B=1,8", "--runs", 5, "--baseline", "fast.json", status=4)
        self.frit("bench", DIGITS, "--fusion", "op", "--runs", 5)
        self.frit("bench", DIGITS, "--fusion", "none", "--runs", 5)
        self.assertIn("median", self.frit("bench", DIGITS, "--cold", "--runs", 5)[0])

    def test_reduce(self):
        self.frit("compile", DIGITS, "--emit", "tensor", "-o", "d.fir")
        self.frit("reduce", "d.fir", "--test", "grep -q 'exp('")
        small = (self.folder / "d.reduced.fir").read_text()
        self.assertIn("exp(", small)
        self.assertLess(len(small), len((self.folder / "d.fir").read_text()) // 2)
        self.frit("check", "d.reduced.fir")
        self.assertNotIn("param", small)  # what nothing reads any more has gone
        self.frit("reduce", "d.fir", "--test", "false", status=2)

    def test_devices_and_cache(self):
        self.assertIn("cpu", self.frit("devices")[0])
        cache = {"FRIT_CACHE_DIR": str(self.folder / "cache")}
        self.assertIn("0 entries", self.frit("cache", "ls", env=cache)[0])
        self.frit("cache", "clear", env=cache)

    def test_inspect(self):
        self.assertIn("image: f32[B, 64]", self.frit("inspect", DIGITS)[0])
        self.assertIn("f32[2] = [1, 2]", self.frit("inspect", self.file("a.npy", npy([2], [1.0, 2.0])))[0])


if __name__ == "__main__":
    unittest.main()
