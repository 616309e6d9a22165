"""Every tensor op x dtype in the interpreter against NumPy (and PyTorch where it is installed).

check_numpy.py DRIVER: writes one .fir file with a function per case, runs all of them in one process (typed, then wide),
and compares. Exits with 77 and a reason when NumPy or ml_dtypes is missing.
"""
import os, subprocess, sys, tempfile

try:
    import numpy as np
    import ml_dtypes
except ImportError as e:
    print("skipped:", e, "(pip install numpy ml_dtypes)")
    sys.exit(77)

np.seterr(all="ignore")
FLOATS = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16,
          "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2}
INTS = {"i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
        "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8}
TYPES = {**FLOATS, **INTS, "bool": np.bool_}
NAMES = {np.dtype(v): k for k, v in TYPES.items()}
LARGEST = {"f8e4m3": 448.0, "f8e5m2": 57344.0}
BITS = {"f64": 53, "f32": 24, "f16": 11, "bf16": 8, "f8e4m3": 4, "f8e5m2": 3}
LEAST = {"f64": -1074, "f32": -149, "f16": -24, "bf16": -133, "f8e4m3": -9, "f8e5m2": -16}
rng = np.random.default_rng(7)


class Case:
    def __init__(self, text, inputs, outputs, ulps=0, what=""):
        self.text, self.inputs, self.outputs, self.ulps, self.what = text, inputs, outputs, ulps, what


cases = []


def kind(x):
    """Type of an array as .fir writes it."""
    return "%s[%s]" % (NAMES[x.dtype], ", ".join(map(str, x.shape)))


def rounded(t, x):
    """float64 values to float dtype t: through f32 for the narrow ones, f8 saturating."""
    x = np.asarray(x, np.float64)
    if t == "f64":
        return x
    x = x.astype(np.float32)
    return x if t == "f32" else narrow(t, x)


def narrow(t, x):
    if t in LARGEST:
        x = np.where(np.isnan(x), x, np.clip(x, -LARGEST[t], LARGEST[t]))
    return x.astype(FLOATS[t])


def add(what, body, inputs, outputs, ulps=0):
    """body: .fir lines using %a, %b, ... and yielding the names in its last line 'return(...)'."""
    inputs = [np.asarray(x) for x in inputs]
    outputs = [np.asarray(x) for x in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
    args = ", ".join("%%%s: %s" % ("abcdefgh"[i], kind(x)) for i, x in enumerate(inputs))
    text = "func tensor @c%d(%s) -> %d {\n%s\n}\n" % (len(cases), args, len(outputs), body)
    cases.append(Case(text, inputs, outputs, ulps, what))


def op1(what, line, inputs, output, ulps=0):
    add(what, "    %%r = %s : %s\n    return(%%r)" % (line, kind(np.asarray(output))), inputs, output, ulps)


# ---- data
def float_data(t, n=96):
    special = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 3.0, -7.0, 100.0, 1e-3]
    x = np.concatenate([special, rng.normal(size=n - len(special)) * 4])
    return narrow(t, x) if t not in ("f64", "f32") else x.astype(FLOATS[t])


def int_data(t, n=96):
    info = np.iinfo(INTS[t])
    special = [0, 1, 2, 3, info.min, info.max, info.max - 1, 7, 10]
    if info.min < 0:
        special += [-1, -2, -7, info.min + 1]
    x = rng.integers(info.min, info.max, size=n, dtype=INTS[t], endpoint=True)
    x[:len(special)] = np.array(special, INTS[t])
    small = rng.integers(0, 20, size=n // 3).astype(INTS[t])
    x[-len(small):] = small
    return x


def data(t, n=96):
    if t == "bool":
        return rng.integers(0, 2, n).astype(bool)
    return float_data(t, n) if t in FLOATS else int_data(t, n)


def shuffled(x):
    return x[rng.permutation(len(x))]


# ---- elementwise
def py_max(x, y, larger):
    z = np.where(x > y, x, y) if larger else np.where(x < y, x, y)
    tie = (x == y) & (x == 0)
    z = np.where(tie, np.where(np.signbit(x) == larger, y, x), z)
    return np.where(np.isnan(x) | np.isnan(y), np.nan, z)


def erf(x):
    import math
    return np.vectorize(math.erf, otypes=[np.float64])(x)


UNARY = {"neg": np.negative, "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc,
         "sqrt": np.sqrt, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2,
         "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
         "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
         "acosh": np.arccosh, "atanh": np.arctanh, "erf": erf,
         "sign": lambda x: np.where(x == 0, x, np.sign(x))}
EXACT = {"neg", "abs", "floor", "ceil", "round", "trunc", "sqrt", "sign"}
BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "rem": np.fmod, "mod": np.mod,
          "min": lambda x, y: py_max(x, y, False), "max": lambda x, y: py_max(x, y, True), "atan2": np.arctan2,
          "pow": np.power}
COMPARE = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal}

for t in FLOATS:
    a, b = float_data(t), shuffled(float_data(t))
    wa, wb = a.astype(np.float64), b.astype(np.float64)
    for name, f in UNARY.items():
        op1(name + " " + t, name + "(%a)", [a], rounded(t, f(wa)), 0 if name in EXACT else 1 if t != "f64" else 4)
    root = rounded("f64" if t == "f64" else "f32", np.sqrt(wa))
    op1("rsqrt " + t, "rsqrt(%a)", [a], rounded(t, (1 / root.astype(np.float64))))
    for name, f in BINARY.items():
        op1(name + " " + t, name + "(%a, %b)", [a, b], rounded(t, f(wa, wb)),
            0 if name not in ("atan2", "pow") else 1 if t != "f64" else 4)
    if t in ("f64", "f32"):
        op1("floordiv " + t, "floordiv(%a, %b)", [a, b], np.floor_divide(a, b))
    for name, f in COMPARE.items():
        op1(name + " " + t, name + "(%a, %b)", [a, b], f(wa, wb))
    c = shuffled(float_data(t))
    if t not in ("f64", "f32"):  # the exact product fits f64; one rounding to f32, one to t
        op1("fma " + t, "fma(%a, %b, %c)", [a, b, c], rounded(t, wa * wb + c.astype(np.float64)))
    cond = data("bool")
    op1("select " + t, "select(%a, %b, %c)", [cond, a, b], np.where(cond, a, b))


def wrapped(t, x):
    """Python integers to int dtype t."""
    bits = np.iinfo(INTS[t]).bits
    signed = np.iinfo(INTS[t]).min < 0
    out = []
    for v in x:
        v = int(v) & ((1 << bits) - 1)
        out.append(v - (1 << bits) if signed and v >> (bits - 1) else v)
    return np.array(out, INTS[t])


def trunc_div(x, y):
    return 0 if y == 0 else (abs(x) // abs(y)) * (1 if (x < 0) == (y < 0) else -1)


def int_pow(x, y, bits):
    if y < 0:
        return 1 if x == 1 else (-1 if y % 2 else 1) if x == -1 else 0
    return pow(x, y, 1 << bits)


def int_ops(bits, signed):
    inside = lambda y: 0 <= y < bits
    mask = (1 << bits) - 1
    return {
        "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
        "floordiv": lambda x, y: 0 if y == 0 else x // y, "mod": lambda x, y: 0 if y == 0 else x % y,
        "rem": lambda x, y: 0 if y == 0 else x - y * trunc_div(x, y), "truncdiv": trunc_div,
        "min": min, "max": max, "pow": lambda x, y: int_pow(x, y, bits),
        "and": lambda x, y: x & y, "or": lambda x, y: x | y, "xor": lambda x, y: x ^ y,
        "shl": lambda x, y: x << y if inside(y) else 0,
        "shr": lambda x, y: x >> y if inside(y) else (-1 if x < 0 else 0),
    }, {
        "neg": lambda x: -x, "abs": abs, "sign": lambda x: (x > 0) - (x < 0), "not": lambda x: ~x,
        "popcount": lambda x: bin(x & mask).count("1"), "clz": lambda x: bits - (x & mask).bit_length(),
    }


for t in INTS:
    info = np.iinfo(INTS[t])
    a, b, c = int_data(t), shuffled(int_data(t)), shuffled(int_data(t))
    ia, ib, ic = a.tolist(), b.tolist(), c.tolist()
    binary, unary = int_ops(info.bits, info.min < 0)
    for name, f in binary.items():
        op1(name + " " + t, name + "(%a, %b)", [a, b], wrapped(t, [f(x, y) for x, y in zip(ia, ib)]))
    for name, f in unary.items():
        op1(name + " " + t, name + "(%a)", [a], wrapped(t, [f(x) for x in ia]))
    op1("fma " + t, "fma(%a, %b, %c)", [a, b, c], wrapped(t, [x * y + z for x, y, z in zip(ia, ib, ic)]))
    for name, f in COMPARE.items():
        op1(name + " " + t, name + "(%a, %b)", [a, b], f(a, b))
a, b = data("bool"), data("bool")
for name, f in {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "eq": np.equal}.items():
    op1(name + " bool", name + "(%a, %b)", [a, b], f(a, b))
op1("not bool", "not(%a)", [a], ~a)


# ---- cast
def cast(x, s, t):
    if t == "bool":
        return x.astype(np.float64) != 0 if s in FLOATS else x != 0
    if t in FLOATS:
        if s in FLOATS:
            w = x.astype(np.float64)
            return w.astype(FLOATS[t]) if t in ("f64", "f32", "f16") else narrow(t, w)
        if t in ("f64", "f32"):
            return x.astype(FLOATS[t])
        return narrow(t, x.astype(np.float64))
    if s in FLOATS:
        info = np.iinfo(INTS[t])
        clip = lambda v: 0 if v != v else info.min if v <= info.min else info.max if v >= info.max else int(v)
        return np.array([clip(v) for v in x.astype(np.float64).tolist()], INTS[t])
    return wrapped(t, x.tolist())


for s in TYPES:
    for t in TYPES:
        if s != t:
            x = data(s)
            op1("cast %s %s" % (s, t), "cast(%a)", [x], cast(x, s, t))
for s, t in (("f32", "u32"), ("i64", "f64"), ("bf16", "i16"), ("u8", "i8"), ("u16", "f16")):
    x = data(s)
    x = x[x == x]
    op1("bitcast %s %s" % (s, t), "bitcast(%a)", [x], x.view(TYPES[t]))


# ---- sources and views
def shaped(t, *shape):
    n = int(np.prod(shape))
    if t in FLOATS:
        return narrow(t, rng.normal(size=n).astype(np.float32)).reshape(shape) if t != "f64" \
            else rng.normal(size=n).reshape(shape)
    if t == "bool":
        return rng.integers(0, 2, n).astype(bool).reshape(shape)
    return rng.integers(0, 100, n).astype(INTS[t]).reshape(shape)


for t in TYPES:
    x = shaped(t, 3, 4, 5)
    op1("transpose " + t, "transpose(%a) {perm = [2, 0, 1]}", [x], x.transpose(2, 0, 1))
    op1("reshape " + t, "reshape(%a)", [x], x.reshape(4, 15))
    add("reshape of transpose " + t,
        "    %%t = transpose(%%a) {perm = [2, 1, 0]} : %s[5, 4, 3]\n    %%r = reshape(%%t) : %s[2, 30]\n    return(%%r)"
        % (t, t), [x], x.transpose(2, 1, 0).reshape(2, 30))
    op1("broadcast " + t, "broadcast(%a) {axes = [0, 2, 3]}", [x[:, :1]],
        np.broadcast_to(x[:, :1, None], (3, 1, 4, 5))[:, 0][:, None].repeat(2, 1))
    op1("slice " + t, "slice(%a) {start = [0, 3, 4], step = [2, -1, -2]}", [x], x[0:3:2, 3:0:-1, 4::-2])
    fill = shaped(t)
    want = np.full((4, 3, 7), fill, x.dtype)
    want[1:, :, 2:] = x[:, 1:]
    op1("pad " + t, "pad(%a, %b) {lo = [1, -1, 2], hi = [0, 0, 0]}", [x, fill], want)
    y = shaped(t, 3, 2, 5)
    op1("concat " + t, "concat(%a, %b, %a) {axis = 1}", [x, y], np.concatenate([x, y, x], 1))
    if t != "bool":
        op1("iota " + t, "iota() {axis = 1}", [], np.broadcast_to(np.arange(5).astype(TYPES[t])[None, :, None], (2, 5, 3)))
    want = np.zeros((3, 6), x.dtype)
    flat = x[:, 1, :]
    for i in range(3):
        for j in range(6):
            at = (j * j) // 3 - 2
            want[i, j] = flat[i, at] if 0 <= at < 5 else 0
    op1("view " + t, "view(%a) {vars = [i < 3, j < 6], map = [i, 1, j*j // 3 - 2], fill = 0}", [x], want)
    idx = rng.integers(-1, 5, size=(2, 3))
    want = np.array([[x[j, idx[i, j] % 4, 4 - i] if 0 <= idx[i, j] < 4 else 1 for j in range(3)] for i in range(2)]).astype(x.dtype)
    op1("gather " + t, "gather(%a, %b) {vars = [i < 2, j < 3], idx = [e], map = [j, e, 4 - i], fill = 1}", [x, idx], want)
    want = x.copy()
    part = shaped(t, 2, 2, 3)
    want[1:3, 0:4:2, 4:1:-1] = part
    op1("insert " + t, "insert(%a, %b) {start = [1, 0, 4], step = [1, 2, -1]}", [x, part], want)
    base, upd, at = shaped(t, 6), shaped(t, 9), rng.integers(-1, 7, size=9).astype(np.int32)
    want = base.copy()
    for u, i in zip(upd, at):
        if 0 <= i < 6:
            want[i] = u
    op1("scatter set " + t, "scatter(%a, %b, %c) {vars = [i < 9], idx = [e], map = [e], combine = set}", [base, upd, at], want)
    for how in ("sum", "max"):
        if t == "bool":
            continue
        want = base.copy()
        for u, i in zip(upd, at):
            if 0 <= i < 6:
                if t in FLOATS:
                    v = np.float64(want[i]) + np.float64(u) if how == "sum" else max(np.float64(want[i]), np.float64(u))
                    want[i] = rounded(t, v)
                else:
                    want[i] = wrapped(t, [int(want[i]) + int(u)])[0] if how == "sum" else max(want[i], u)
        op1("scatter %s %s" % (how, t),
            "scatter(%%a, %%b, %%c) {vars = [i < 9], idx = [e], map = [e], combine = %s}" % how, [base, upd, at], want)


# ---- reductions
def fold(how, x, t):
    """Left to right in the accumulator, then rounded."""
    if t not in FLOATS:
        v = [int(i) for i in x]
        r = sum(v) if how == "sum" else int(np.prod(np.array(v, object))) if how == "prod" else max(v) if how == "max" else min(v)
        return wrapped(t, [r])[0]
    acc = np.float64 if t == "f64" else np.float32
    r = acc(1 if how == "prod" else 0) if how in ("sum", "prod") else acc(x[0])
    for v in x:
        v = acc(v)
        r = r + v if how == "sum" else r * v if how == "prod" else acc(py_max(np.float64(r), np.float64(v), how == "max"))
    return rounded(t, np.float64(r)) if t != "f64" else r


for t in list(FLOATS) + list(INTS):
    x = shaped(t, 3, 7, 5)
    for how in ("sum", "prod", "max", "min"):
        want = np.array([fold(how, x[:, j, :].reshape(-1), t) for j in range(7)]).astype(x.dtype)
        op1("reduce %s %s" % (how, t), "reduce(%%a) {axes = [0, 2], combine = %s}" % how, [x], want)
        want = np.array([[[fold(how, x[i, :j + 1, k], t) for k in range(5)] for j in range(7)] for i in range(3)]).astype(x.dtype)
        op1("scan %s %s" % (how, t), "scan(%%a) {axis = 1, combine = %s, exclusive = 0, reverse = 0}" % how, [x], want)
    op1("reduce argmax " + t, "reduce(%a) {axes = [1], combine = argmax}", [x],
        np.argmax(x.astype(np.float64) if t in FLOATS else x, 1).astype(np.int64))
    op1("reduce argmin " + t, "reduce(%a) {axes = [2], combine = argmin}", [x],
        np.argmin(x.astype(np.float64) if t in FLOATS else x, 2).astype(np.int32))
    s = shaped(t, 4, 9)
    w = s.astype(np.float64) if t in FLOATS else s
    for down in (0, 1):
        order = np.argsort(-w if down and t in FLOATS else w, axis=1, kind="stable")
        if down and t not in FLOATS:
            order = np.argsort(-w.astype(object), axis=1, kind="stable")
        add("sort %s %d" % (t, down),
            "    %%v, %%p = sort(%%a) {axis = 1, descending = %d} : %s, i64[4, 9]\n    return(%%v, %%p)" % (down, kind(s)),
            [s], [np.take_along_axis(s, order, 1), order.astype(np.int64)])
    p, q = shaped(t, 2, 3, 4), shaped(t, 4, 2, 5)
    want = np.zeros((2, 3, 5), x.dtype)
    for b in range(2):
        for i in range(3):
            for j in range(5):
                l, r = p[b, i], q[:, b, j]
                if t in FLOATS:
                    acc = np.float64 if t == "f64" else np.float32
                    v = acc(0)
                    for k in range(4):
                        v = v + acc(l[k]) * acc(r[k])
                    want[b, i, j] = rounded(t, np.float64(v))
                else:
                    want[b, i, j] = wrapped(t, [sum(int(u) * int(v) for u, v in zip(l, r))])[0]
    op1("contract " + t,
        "contract(%a, %b) {lhs_batch = [0], rhs_batch = [1], lhs_contract = [2], rhs_contract = [0]}", [p, q], want)
nan = np.array([[1, np.nan, 3, np.nan, -np.inf], [2, 2, 1, 1, 0]], np.float32)
op1("argmax nan", "reduce(%a) {axes = [1], combine = argmax}", [nan], np.array([1, 0]))
op1("argmin nan", "reduce(%a) {axes = [1], combine = argmin}", [nan], np.array([1, 4]))
op1("max nan", "reduce(%a) {axes = [1], combine = max}", [nan], nan.max(1))
add("sort nan", "    %v, %p = sort(%a) {axis = 1, descending = 0} : f32[2, 5], i64[2, 5]\n    return(%v, %p)", [nan],
    [np.sort(nan, 1), np.argsort(nan, 1, kind="stable")])
add("sort nan down", "    %v, %p = sort(%a) {axis = 1, descending = 1} : f32[2, 5], i64[2, 5]\n    return(%v, %p)", [nan],
    [np.array([[np.nan, np.nan, 3, 1, -np.inf], [2, 2, 1, 1, 0]], np.float32), np.array([[1, 3, 2, 0, 4], [0, 1, 2, 3, 4]])])
x = shaped("f64", 2, 6)
op1("scan exclusive reverse", "scan(%a) {axis = 1, combine = sum, exclusive = 1, reverse = 1}", [x],
    np.concatenate([np.cumsum(x[:, ::-1], 1)[:, ::-1][:, 1:], np.zeros((2, 1))], 1), 8)
op1("scan argmax", "scan(%a) {axis = 1, combine = argmax, exclusive = 0, reverse = 0}", [nan],
    np.array([[0, 1, 1, 1, 1], [0, 0, 0, 0, 0]]))
op1("scan argmin exclusive", "scan(%a) {axis = 1, combine = argmin, exclusive = 1, reverse = 0}", [nan],
    np.array([[0, 0, 1, 1, 1], [0, 0, 0, 2, 2]]))
op1("scan argmax reverse", "scan(%a) {axis = 1, combine = argmax, exclusive = 0, reverse = 1}", [nan],
    np.array([[3, 3, 3, 3, 4], [1, 1, 3, 3, 4]]))
op1("scan argmin reverse exclusive", "scan(%a) {axis = 1, combine = argmin, exclusive = 1, reverse = 1}", [nan],
    np.array([[3, 3, 3, 4, 4], [4, 4, 4, 4, 4]]))
m = shaped("bool", 4, 6)
op1("any", "reduce(%a) {axes = [1], combine = any}", [m], m.any(1))
op1("all", "reduce(%a) {axes = [1], combine = all}", [m], m.all(1))
e = np.zeros((3, 0), np.float32)
for how, v in (("sum", 0), ("prod", 1), ("max", -np.inf), ("min", np.inf)):
    op1("empty " + how, "reduce(%%a) {axes = [1], combine = %s}" % how, [e], np.full(3, v, np.float32))
op1("empty argmax", "reduce(%a) {axes = [1], combine = argmax}", [e], np.zeros(3, np.int64))
op1("empty max i8", "reduce(%a) {axes = [0], combine = max}", [np.zeros(0, np.int8)], np.int8(-128))
op1("sum i8 to i32", "reduce(%a) {axes = [0], combine = sum}", [np.full(9, 100, np.int8)], np.int32(900))
# Index notation: a convolution whose product of broadcasts has a hundred times the elements of its operands is never written out.
img, ker = rng.integers(-9, 9, (2, 3, 40, 40)).astype(np.float32), rng.integers(-9, 9, (4, 3, 3, 3)).astype(np.float32)
conv = np.zeros((2, 4, 38, 38))
for dy in range(3):
    for dx in range(3):
        conv += np.einsum("nchw,oc->nohw", img[:, :, dy:dy + 38, dx:dx + 38].astype(np.float64), ker[:, :, dy, dx].astype(np.float64))
dims = "[2, 4, 38, 38, 3, 3, 3]"
add("convolution",
    "    %%w = view(%%a) {vars = [n < 2, o < 4, p < 38, q < 38, c < 3, r < 3, s < 3], map = [n, c, p + r, q + s], fill = 0}"
    " : f32%s\n    %%k = broadcast(%%b) {axes = [1, 4, 5, 6]} : f32%s\n    %%m = mul(%%w, %%k) : f32%s\n"
    "    %%r = reduce(%%m) {axes = [4, 5, 6], combine = sum} : f32[2, 4, 38, 38]\n    return(%%r)" % (dims, dims, dims),
    [img, ker], conv.astype(np.float32))

# ---- control
add("loop", """    %z = constant() {value = 1} : i64[]
    %r, %t = loop(%z, %a) {counter = [i in 0..10], extent = [10]} : i64[], f32[10] (%x: i64[], %y: f32[10]) {
        %s = size() {size = [i]} : i64[]
        %u = add(%x, %s) : i64[]
        %f = cast(%u) : f32[]
        %g = reshape(%f) : f32[1]
        %w = insert(%y, %g) {start = [i], step = [1]} : f32[10]
        yield(%u, %w)
    }
    return(%r, %t)""", [np.zeros(10, np.float32)], [np.int64(46), (1 + np.cumsum(np.arange(10))).astype(np.float32)])
add("while", """    %r = while(%a) : i32[] (%x: i32[]) {
        %k = constant() {value = 100} : i32[]
        %c = lt(%x, %k) : bool[]
        yield(%c)
    } (%y: i32[]) {
        %d = add(%y, %y) : i32[]
        yield(%d)
    }
    return(%r)""", [np.int32(3)], np.int32(192))
for flag in (True, False):
    add("if", """    %r = if(%a, %b) : f32[3] (%x: f32[3]) {
        yield(%x)
    } (%y: f32[3]) {
        %n = neg(%y) : f32[3]
        yield(%n)
    }
    return(%r)""", [np.bool_(flag), np.array([1, 2, 3], np.float32)], np.array([1, 2, 3], np.float32) * (1 if flag else -1))
add("compact", """    %p, %n = compact(%a) {counter = [k in 0..8]} : i64[k], i64[]
    %g = gather(%b, %p) {vars = [i < k], idx = [e], map = [e], fill = 0} : f32[k]
    return(%p, %n, %g)""", [np.array([0, 1, 1, 0, 0, 1, 0, 1], bool), np.arange(8, dtype=np.float32) * 2],
    [np.array([1, 2, 5, 7]), np.int64(4), np.array([2, 4, 10, 14], np.float32)])
add("kernel", """    %r = kernel(%a) {name = "k", reason = ""} : f32[4] (%x: f32[4]) {
        %y = mul(%x, %x) : f32[4]
        yield(%y)
    }
    return(%r)""", [np.arange(4, dtype=np.float32)], np.arange(4, dtype=np.float32) ** 2)


def philox(n, seed, stream):
    out = []
    for block in range((n + 3) // 4):
        c, k0, k1 = [block & 0xffffffff, block >> 32, stream & 0xffffffff, stream >> 32], seed & 0xffffffff, seed >> 32
        for _ in range(10):
            a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [(b >> 32) ^ c[1] ^ k0, b & 0xffffffff, (a >> 32) ^ c[3] ^ k1, a & 0xffffffff]
            k0, k1 = (k0 + 0x9E3779B9) & 0xffffffff, (k1 + 0xBB67AE85) & 0xffffffff
        out += c
    return out[:n]


op1("random u32", "random() {seed = 5}", [], np.array(philox(10, 1, 5), np.uint32))
w = philox(14, 1, 6)
op1("random u64", "random() {seed = 6}", [], np.array([w[2 * i] | w[2 * i + 1] << 32 for i in range(7)], np.uint64))


# ---- running and comparing
def tensor(x):
    x = np.ascontiguousarray(x).reshape(np.shape(x))
    return ("%s %d%s\n" % (NAMES[x.dtype], x.ndim, "".join(" %d" % d for d in x.shape))).encode() + x.tobytes()


def read_tensor(stream):
    words = stream.readline().split()
    shape, t = tuple(int(d) for d in words[2:]), TYPES[words[0].decode()]
    n = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(stream.read(n * np.dtype(t).itemsize), t).reshape(shape)


def run(driver, path, wide):
    request = b"".join(b"run c%d %d\n" % (i, len(c.inputs)) + b"".join(map(tensor, c.inputs)) for i, c in enumerate(cases))
    with tempfile.TemporaryFile() as f:
        f.write(request)
        f.seek(0)
        p = subprocess.Popen([driver, path] + (["--wide"] if wide else []), stdin=f, stdout=subprocess.PIPE)
        results = []
        for c in cases:
            line = p.stdout.readline().decode().split(" ", 2)
            if line[0] != "0":
                results.append("".join(line) or "no answer")
                if not line[0]:
                    break
                continue
            results.append([[read_tensor(p.stdout) for _ in range(2 if wide else 1)] for _ in range(int(line[1]))])
        p.stdout.close()
        if p.wait() != 0:
            sys.exit("the driver ended with status %d after %d cases (%s)" % (p.returncode, len(results), cases[len(results) - 1].what))
    return results


def ulp(t, x):
    x = np.abs(np.asarray(x, np.float64))
    e = np.frexp(np.where(np.isfinite(x), x, 1))[1]
    return np.ldexp(1.0, np.maximum(e - BITS[t], LEAST[t]))


def differs(got, want, ulps):
    """Index of a wrong element, or None."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return "type %s %s, expected %s %s" % (got.dtype, got.shape, want.dtype, want.shape)
    t = NAMES[want.dtype]
    if t not in FLOATS:
        bad = got != want
    else:
        g, w = got.astype(np.float64), want.astype(np.float64)
        bad = ~((g == w) & ((g != 0) | (np.signbit(g) == np.signbit(w)) | (ulps > 0)) | (np.isnan(g) & np.isnan(w)))
        if ulps:
            bad &= ~(np.abs(g - w) <= ulps * ulp(t, w))
    return tuple(np.argwhere(bad)[0]) if bad.any() else None


def wide_fails(typed, wide, err):
    t = NAMES[typed.dtype]
    if t not in FLOATS:
        return ((typed != wide) & (err == 0)).any()
    g, w = typed.astype(np.float64), wide.astype(np.float64)
    ok = (g == w) | (np.isnan(g) & np.isnan(w)) | np.isinf(err) | (np.abs(g - w) <= 4 * err + ulp(t, w) / 2)
    ok |= g == rounded(t, w).astype(np.float64)
    return (~ok).any()


def torch_checks(typed):
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: its checks are skipped")
        return 0
    wrong = 0
    functions = {"erf": torch.erf, "expm1": torch.expm1, "log1p": torch.log1p, "tanh": torch.tanh, "rsqrt": torch.rsqrt}
    for c, r in zip(cases, typed):
        name, _, t = c.what.partition(" ")
        if name in functions and t in ("f32", "f64"):
            x = c.inputs[0]
            w = functions[name](torch.from_numpy(x.astype(np.float64))).numpy().astype(x.dtype)
            if differs(r[0][0], w, 4) is not None:
                print("FAIL", c.what, "against PyTorch")
                wrong += 1
    return wrong


def main():
    driver = sys.argv[1]
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "cases.fir")
        text = "fir 1\n" + "".join(c.text for c in cases)
        with open(path, "w") as f:
            f.write(text)
        typed, wide = run(driver, path, False), run(driver, path, True)
    wrong, skipped, elements = 0, 0, 0
    for c, r, w in zip(cases, typed, wide):
        if isinstance(r, str) or isinstance(w, str):
            print("FAIL", c.what, r if isinstance(r, str) else w)
            wrong += 1
            continue
        for k, want in enumerate(c.outputs):
            at = differs(r[k][0], want, c.ulps)
            if at is not None:
                wrong += 1
                got = r[k][0][at] if isinstance(at, tuple) else at
                ins = [x[at] for x in c.inputs if isinstance(at, tuple) and x.shape == want.shape]
                print("FAIL", c.what, "at", at, "got", got, "want", want[at] if isinstance(at, tuple) else "", "of", ins)
            if wide_fails(r[k][0], *w[k]):
                wrong += 1
                print("FAIL", c.what, "typed result outside the wide bound")
            skipped += int(np.isinf(w[k][1]).sum())
            elements += want.size
    wrong += torch_checks(typed)
    print("%d cases, %d failures; %d of %d elements undecidable when wide" % (len(cases), wrong, skipped, elements))
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
