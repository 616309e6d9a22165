"""Compiles a model inside a Python program and runs it; needs the standard library and the installed frit alone.

    python3 jit.py
"""
import array

import frit

SOURCE = """
model digits(image: f32[B, 64]) -> f32[B, 10] {
    param w1: f32[64, 128], b1: f32[128]
    param w2: f32[128, 10], b2: f32[10]
    h = relu(image @ w1 + b1)
    return softmax(h @ w2 + b2, axis = -1)
}
"""


def made_up(*shape):
    n = 1
    for extent in shape:
        n *= extent
    return frit.Tensor(array.array("f", [(i * 7 % 13 - 6) / 64 for i in range(n)]), shape)


def built(compiler):
    """The same model by calls, as a program would make it from a graph of its own."""
    b = frit.Builder(compiler, "digits")
    x = b.input("image", "f32[B, 64]")
    h = b.call("relu", b.expression("$0 @ $1 + $2", x, b.param("w1", "f32[64, 128]"), b.param("b1", "f32[128]")))
    h = b.expression("$0 @ $1 + $2", h, b.param("w2", "f32[128, 10]"), b.param("b2", "f32[10]"))
    b.output(b.call("softmax", h, named="axis = -1"))
    return b.finish()


def run(module):
    weights = frit.Weights(module.compile().open(), frit.Device("cpu"))
    weights.bind("w1", made_up(64, 128))
    weights.bind("b1", made_up(128))
    weights.bind("w2", made_up(128, 10))
    weights.bind("b2", made_up(10))
    session = frit.Session(weights)
    image = array.array("f", [i % 8 / 8 for i in range(64)])
    out = array.array("f", bytes(40))
    session.run([frit.Tensor(image, [1, 64])], [frit.Tensor(out, [1, 10])])
    return out


def main():
    compiler = frit.Compiler(diagnose=lambda severity, code, file, line, column, message, _: print(
        f"{file}:{line}:{column}: {severity} {code}: {message}"))
    try:
        compiler.parse("typo.frit", SOURCE.replace("relu", "rleu"))
    except frit.Error as e:
        print("as it should be:", e.status)
    out = run(compiler.parse("digits.frit", SOURCE))
    print("probabilities:", *(f"{p:.6f}" for p in out))
    print("the same by calls:", run(built(compiler)) == out)


if __name__ == "__main__":
    main()
