#!/usr/bin/env python3
"""Installs into an empty prefix, moves it elsewhere, and uses it from there: with CMake, with pkg-config and gcc and g++,
shared and static, from Python and LuaJIT; the manual and the completions are read by the programs that will read them."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["FRIT_BUILD"])
EXAMPLES = ROOT / "docs/examples"
MODEL = "model twice(x: f32[N]) -> (y: f32[N]) { return x + x }\n"
JIT = "probabilities: 0.090056 0.103958 0.086508"


def run(*command, status=0, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, **options)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.temporary.name)
        run("cmake", "--install", BUILD, "--prefix", folder / "first", "--strip")
        cls.prefix = folder / "moved"
        (folder / "first").rename(cls.prefix)  # nothing may name the place where it was
        cls.lib = next(p.parent for p in cls.prefix.rglob("libfrit.so"))
        cls.work = folder / "work"
        cls.work.mkdir()
        cls.package = folder / "twice.fpk"
        (folder / "twice.frit").write_text(MODEL)
        cls.env = {**os.environ, "FRIT_CACHE": "off", "PKG_CONFIG_PATH": str(cls.lib / "pkgconfig")}
        run(cls.prefix / "bin/frit", "compile", folder / "twice.frit", "-o", cls.package, env=cls.env)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"there is no {program}")

    def flags(self, *arguments):
        return run("pkg-config", *arguments, env=self.env).split()

    def run_built(self, program, *arguments, **options):
        env = {**self.env, "LD_LIBRARY_PATH": str(self.lib)}
        return run(program, *arguments, env=env, **options)

    def test_files(self):
        for name in ("bin/frit", "include/frit/frit.h", "include/frit/frit_compiler.h", "include/frit/frit.hpp",
                     "share/man/man1/frit.1", "share/bash-completion/completions/frit", "share/zsh/site-functions/_frit",
                     "share/fish/vendor_completions.d/frit.fish"):
            self.assertTrue((self.prefix / name).is_file(), name)
        for text in [*self.prefix.rglob("*.pc"), *self.prefix.rglob("*.cmake"), *self.prefix.rglob("*.h")]:
            self.assertNotIn(str(BUILD), text.read_text(), text)
        sizes = {p.name: p.stat().st_size for p in (self.prefix / "bin/frit", self.lib / "libfrit.so.1.0",
                                                    self.lib / "libfrit_rt.so.1.0")}
        print("sizes:", sizes)
        self.assertLessEqual(sizes["libfrit_rt.so.1.0"], 150 * 1024)

    def test_cmake(self):
        self.need("c++")
        build = self.work / "cmake"
        run("cmake", "-G", "Ninja", "-S", HERE / "project", "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DEXAMPLES={EXAMPLES}")
        run("cmake", "--build", build)
        for kind in ("frit", "frit_static"):
            self.assertIn("parsed: 0.", self.run_built(build / f"jit_{kind}"))
        self.assertIn("batch 3: 0.", self.run_built(build / "jit_cpp"))
        for kind in ("rt", "rt_static"):
            self.assertEqual(self.run_built(build / f"run_{kind}", self.package), "2 4 6 8\n")
        needed = run("readelf", "-d", build / "run_rt_static")
        self.assertNotIn("frit", needed.replace("run_rt", ""))

    def test_pkg_config(self):
        self.need("pkg-config")
        self.need("g++")
        c, cpp = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"], ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror"]
        flags = self.flags("--cflags", "--libs", "frit")
        rt = self.flags("--cflags", "--libs", "frit_rt")
        run(*c, EXAMPLES / "jit.c", "-Wno-unused-parameter", "-o", self.work / "jit", *flags)
        run(*cpp, EXAMPLES / "jit.cpp", "-o", self.work / "jit_cpp", *flags)
        run(*c, HERE / "project/run.c", "-o", self.work / "run", *rt)
        run("gcc", "-Wall", "-Wextra", "-Werror", EXAMPLES / "generate.c", "-o", self.work / "generate", *rt)
        self.assertIn("parsed: 0.", self.run_built(self.work / "jit"))
        self.assertIn("batch 3: 0.", self.run_built(self.work / "jit_cpp"))
        self.assertEqual(self.run_built(self.work / "run", self.package), "2 4 6 8\n")

    def test_static(self):
        """One object each: the host's names and theirs do not meet."""
        self.need("pkg-config")
        flags = self.flags("--cflags", "--libs", "--static", "frit")
        static = [{"-lfrit": str(self.lib / "libfrit.a"), "-lfrit_rt": str(self.lib / "libfrit_rt.a")}.get(f, f) for f in flags]
        both = self.work / "both.c"
        both.write_text((HERE / "project/run.c").read_text().replace("#include <frit/frit.h>", "#include <frit/frit_compiler.h>")
                        .replace("int64_t n = 4;", "int64_t n = 4;\n    frit_compiler *c;\n"
                                 "    frit_module *m;\n    frit_compiled *p;\n"
                                 "    check(frit_compiler_create(NULL, &c, &err), &err);\n"
                                 "    check(frit_module_parse(c, FRIT_SOURCE_FRIT, \"t\", \"model t(x: f32[N]) -> f32[N] "
                                 "{ return x + x }\", 45, NULL, &m, &err), &err);\n"
                                 "    check(frit_compile(m, NULL, &p, &err), &err);\n"
                                 "    frit_compiled_release(p);\n    frit_module_release(m);\n    frit_compiler_release(c);"))
        run("gcc", both, "-o", self.work / "both", *static)
        self.assertEqual(self.run_built(self.work / "both", self.package), "2 4 6 8\n")

    def test_headers(self):
        """Each alone, by old and new standards of both languages."""
        self.need("g++")
        include = f"-I{self.prefix / 'include'}"
        for header in ("frit.h", "frit_compiler.h"):
            for language, standard in (("c", "c99"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")):
                run("g++" if language == "c++" else "gcc", f"-std={standard}", "-x", language, "-Wall", "-Wextra", "-Wpedantic",
                    "-Werror", include, "-fsyntax-only", "-include", f"frit/{header}", "/dev/null")
        run("g++", "-std=c++17", "-x", "c++", "-Wall", "-Wextra", "-Werror", include, "-fsyntax-only", "-include", "frit/frit.hpp",
            "/dev/null")

    def test_python(self):
        env = {**self.env, "PYTHONPATH": str(self.prefix / "share/frit/python")}
        env.pop("FRIT_LIBRARY_PATH", None)
        out = run("python3", EXAMPLES / "jit.py", env=env)
        self.assertIn(JIT, out)
        self.assertIn("the same by calls: True", out)

    def test_luajit(self):
        self.need("luajit")
        env = {**self.env, "LUA_PATH": f"{self.prefix}/share/lua/5.1/?.lua;;", "FRIT_LIBRARY_PATH": str(self.lib)}
        self.assertIn(JIT, run("luajit", EXAMPLES / "jit.lua", env=env))

    def test_manual(self):
        self.need("man")
        page = self.prefix / "share/man/man1/frit.1"
        env = {**self.env, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True, env=env)
        if done.returncode == 127 or "minimized" in done.stdout:
            self.skipTest("manual pages are not shown here")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("--weights-from", "EXIT STATUS", "FRIT_CACHE_DIR", "frit bench"):
            self.assertIn(word, done.stdout)

    def complete(self, *words):
        script = (f"source {self.prefix}/share/bash-completion/completions/frit; COMP_WORDS=({' '.join(words)} {chr(39) * 2}); "
                  f"COMP_CWORD={len(words)}; COMP_WORDS[{len(words) - 1}]={words[-1]}; COMP_CWORD={len(words) - 1}; _frit; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        return run("bash", "-c", script).split()

    def test_bash(self):
        self.assertEqual(self.complete("frit", "com"), ["compile"])
        self.assertIn("llvm", self.complete("frit", "compile", "--emit", "ll"))
        self.assertEqual(self.complete("frit", "run", "--exp"), ["--expect"])
        self.assertEqual(self.complete("frit", "cache", "cl"), ["clear"])
        self.assertIn(str(self.package), self.complete("frit", "run", str(self.package)[:-3]))

    def test_zsh(self):
        self.need("zsh")
        run("zsh", "-n", self.prefix / "share/zsh/site-functions/_frit")

    def test_fish(self):
        self.need("fish")
        file = self.prefix / "share/fish/vendor_completions.d/frit.fish"
        run("fish", "-n", file)
        out = run("fish", "-c", f"source {file}; complete -C 'frit compile --emit ll'", env={**self.env, "HOME": str(self.work)})
        self.assertIn("llvm", out)


if __name__ == "__main__":
    unittest.main()
