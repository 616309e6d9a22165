#!/usr/bin/env python3
"""frit run with a cache, --depfile, FRIT_DEBUG and FRIT_DUMP_DIR. A hit keeps the entry's inode; a miss that stores
replaces it. Standard library only."""
import os
import unittest

from command import CommandTest, safetensors

PART = "fn scaled(x: f32[N]) -> f32[N] { return x * 2.0 }\n"
MAIN = "import part\nconst K = 1\nmodel m(x: f32[4]) -> f32[4] { return part.scaled(x) + K }\n"
MATMUL = """model matmul(x: f32[B, 64]) -> f32[B, 48] {
    param w: f32[64, 48]
    return x @ w
}
"""
LOOKUP = """model lookup(ids: i64[N]) -> (y: f32[N, 3]) {
    param table: f32[7, 3]
    return table[ids]
}
"""


class Cache(CommandTest):
    def setUp(self):
        super().setUp()
        self.cache = self.folder / "cache"
        self.env = {"FRIT_CACHE": "", "FRIT_CACHE_DIR": str(self.cache)}
        (self.folder / "main.frit").write_text(MAIN)
        (self.folder / "part.frit").write_text(PART)

    def run_main(self, *more, **env):
        return self.frit("run", "main.frit", "-i", "x=[1, 2, 3, 4]", *more, env=env)[0]

    def inodes(self):
        return {p.name: p.stat().st_ino for p in self.cache.glob("*.fpkc")} if self.cache.exists() else {}

    def test_hit(self):
        first = self.run_main()
        self.assertIn("[3, 5, 7, 9]", first)
        entries = self.inodes()
        self.assertEqual(len(entries), 1)
        self.assertEqual(self.run_main(), first)
        self.assertEqual(self.inodes(), entries)
        self.assertEqual(self.run_main("--threads", "1", "--check"), first)  # what does not change the package
        self.assertEqual(self.inodes(), entries)
        out = self.frit("cache", "ls")[0]
        self.assertIn("main-", out)
        self.assertIn("1 entries", out)
        self.assertIn("1 entries removed", self.frit("cache", "clear")[0])
        self.assertEqual(self.inodes(), {})

    def test_every_change_counts(self):
        self.run_main()
        self.assertIn("[7, 9, 11, 13]", self.run_main("-D", "K=5"))
        self.assertEqual(len(self.inodes()), 2)
        entries = self.inodes()
        (self.folder / "part.frit").write_text(PART.replace("2.0", "3.0"))
        self.assertIn("[4, 7, 10, 13]", self.run_main())
        self.assertNotEqual(self.inodes(), entries)
        (self.folder / "main.frit").write_text(MAIN.replace("+ K", "- K"))
        self.assertIn("[2, 5, 8, 11]", self.run_main())
        self.run_main("-t", "cpu:x86-64-v3") if os.uname().machine == "x86_64" else None
        (self.folder / "part.frit").unlink()
        self.frit("run", "main.frit", status=1)

    def test_modes(self):
        self.assertIn("[3, 5, 7, 9]", self.run_main(FRIT_CACHE="off"))
        self.assertIn("[3, 5, 7, 9]", self.run_main(FRIT_CACHE="ro"))
        self.assertFalse(self.cache.exists())
        self.run_main()
        entries = self.inodes()
        self.assertIn("[3, 5, 7, 9]", self.run_main(FRIT_CACHE="ro"))
        self.run_main("-D", "K=2", FRIT_CACHE="ro")
        self.assertEqual(self.inodes(), entries)

    def test_damage_is_a_miss(self):
        first = self.run_main()
        [path] = self.cache.glob("*.fpkc")
        good = path.read_bytes()
        for damaged in (good[:100], b"", good[:-1], good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]):
            path.write_bytes(damaged)
            self.assertEqual(self.run_main(), first)
            self.assertEqual(path.read_bytes(), good)  # mended, and the same bytes as before

    def test_a_hit_knows_what_a_miss_knows(self):
        (self.folder / "lookup.frit").write_text(LOOKUP)
        (self.folder / "w.safetensors").write_bytes(
            safetensors({"table": ([7, 3], range(21)), "spare": ([1], [0])}))
        words = ("run", "lookup.frit", "-w", "w.safetensors", "-D", "N=50")
        miss = self.frit(*words)
        entries = self.inodes()
        hit = self.frit(*words)
        self.assertEqual(self.inodes(), entries)
        self.assertEqual(hit, miss)
        self.assertIn("spare", hit[1])
        os.utime(self.folder / "w.safetensors", (1, 1))  # other weights, as far as one can see
        self.frit(*words)
        self.assertEqual(len(self.inodes()), 2)

    # ---- packed weights ----
    def write_matmul(self, scale):
        (self.folder / "matmul.frit").write_text(MATMUL)
        (self.folder / "mm.safetensors").write_bytes(
            safetensors({"w": ([64, 48], [scale * (i % 7) for i in range(64 * 48)])}))

    def run_matmul(self, *more, **env):
        return self.frit("run", *(more or ["matmul.frit"]), "-w", "mm.safetensors", "-D", "B=2", env=env)[0]

    def packed_entries(self):
        return {name: inode for name, inode in self.inodes().items() if name.startswith("matmul_packed-")}

    def test_packed_weights(self):
        self.write_matmul(1)
        first = self.run_matmul()
        entries = self.packed_entries()
        self.assertEqual(len(entries), 1)
        self.assertEqual(self.run_matmul(), first)
        self.assertEqual(self.run_matmul("matmul.frit", "--threads", "1"), first)
        self.frit("compile", "matmul.frit", "-w", "mm.safetensors", "--weights", "none", "-o", "matmul.fpk")
        self.assertEqual(self.run_matmul("matmul.fpk"), first)  # B is open here: another package, so another entry
        entries = self.packed_entries()
        self.assertEqual(len(entries), 2)
        self.assertEqual(self.run_matmul("matmul.fpk"), first)
        self.assertEqual(self.packed_entries(), entries)
        self.write_matmul(2)  # same names, shapes and size
        self.assertNotEqual(self.run_matmul(), first)
        self.assertEqual(len(self.packed_entries()), 3)
        self.assertEqual(self.run_matmul(), self.run_matmul(FRIT_CACHE="off"))
        self.frit("run", "matmul.frit")  # made-up weights have no key
        self.assertEqual(len(self.packed_entries()), 3)

    def test_damaged_packed_weights_are_a_miss(self):
        self.write_matmul(1)
        first = self.run_matmul()
        [path] = self.cache.glob("matmul_packed-*.fpkc")
        good = path.read_bytes()
        for at in (0, 3, 40, 100, 4096, 4100, 4200, len(good) // 2, len(good) - 1):
            path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1:])
            self.assertEqual(self.run_matmul(), first)
            self.assertEqual(path.read_bytes(), good)  # mended

    def test_a_hit_does_not_load_the_code_generator(self):
        self.write_matmul(1)
        miss = self.frit("run", "matmul.frit", "-w", "mm.safetensors", "-D", "B=2", env={"LD_DEBUG": "files"})[1]
        hit = self.frit("run", "matmul.frit", "-w", "mm.safetensors", "-D", "B=2", env={"LD_DEBUG": "files"})[1]
        self.assertNotIn("LLVM", hit)
        if "LLVM" not in miss:
            self.skipTest("LLVM is linked statically")

    def test_errors_and_warnings_are_not_kept(self):
        (self.folder / "bad.frit").write_text("model m(x: f32[4]) -> f32[4] { return y }\n")
        for _ in range(2):
            self.assertIn("'y'", self.frit("run", "bad.frit", status=1)[1])
        self.assertEqual(self.inodes(), {})

    def test_folder_that_others_may_write_to(self):
        self.run_main()
        entries = self.inodes()
        self.cache.chmod(0o777)
        self.run_main()
        self.run_main("-D", "K=2")
        self.assertEqual(self.inodes(), entries)
        self.assertIn("not used", self.frit("cache", "ls")[1])
        self.cache.chmod(0o700)
        self.assertNotIn("not used", self.frit("cache", "ls")[1])

    def test_unusable_folder(self):
        self.cache.write_text("a file")
        self.assertIn("[3, 5, 7, 9]", self.run_main())

    # ---- looking into the compiler ----
    def test_depfile(self):
        (self.folder / "w x.safetensors").write_bytes(safetensors({"spare": ([1], [0])}))
        self.frit("compile", "main.frit", "-w", "w x.safetensors", "--weights", "none", "-o", "m.fpk", "--depfile", "m.d")
        rule = (self.folder / "m.d").read_text().replace("\\\n", " ")
        self.assertEqual(rule.split(":")[0], "m.fpk")
        for name in ("main.frit", "part.frit", "w\\ x.safetensors"):
            self.assertIn(name, rule)

    def test_debug_words(self):
        self.assertIn("canonicalize", self.frit("run", "main.frit", env={"FRIT_DEBUG": "times:verify"})[1])
        self.assertIn("[3, 5, 7, 9]", self.run_main(FRIT_DEBUG="skip=cse,fold:verify"))
        self.assertIn("soup", self.frit("run", "main.frit", status=2, env={"FRIT_DEBUG": "skip=soup"})[1])
        self.assertIn("soup", self.frit("run", "main.frit", status=2, env={"FRIT_DEBUG": "verify:soup"})[1])
        self.assertEqual(self.inodes(), {})  # none of these came from the cache or went into it

    def test_made_up_dims_are_multiples(self):
        (self.folder / "m8.frit").write_text(
            "model m(x: f32[S], z: f32[T]) -> f32[S] where S % 24 == 0 and T % 3 == 0 { return x + sum(z, axis = 0) }\n")
        for more in ((), ("--interp",)):
            out, err = self.frit("run", "m8.frit", *more)
            self.assertIn("f32[24]", out)
            self.assertIn("T = 6", err)

    def test_dump(self):
        self.run_main(FRIT_DUMP_DIR="dump")
        names = [p.name for p in (self.folder / "dump").iterdir()]
        for name in ("fused.fir", "tile.fir", "thread.fir"):
            self.assertIn(name, names)
        self.frit("run", "dump/fused.fir", "--interp")


if __name__ == "__main__":
    unittest.main()
