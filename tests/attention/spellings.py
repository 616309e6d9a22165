"""spellings.py DIR COUNT [SEED]: writes COUNT frit sources of attention, DIR/s0001.frit and so on, one for each seed.

Every file computes softmax(q k^T * scale + mask) v in another spelling: identities that hold for any attention are chosen
at random, names are letters that mean nothing, and pieces move into functions at random. The first lines say how to
check the file: `# check` and pairs NAME=V,V,..., the values of the dims run by run; `# kernels N`, the most kernels that
it may take (projections before and after the core have their own); `# kinds` and the choices made, for statistics."""
import os
import random
import sys

ROWS = {  # one column is one run
    "A": [1, 2, 1, 2, 1, 3],
    "B": [2, 1, 1, 2, 3, 1],
    "S": [5, 1, 17, 33, 1, 50],
    "N": [7, 9, 1, 26, 1, 67],
    "E": [5, 8, 3, 16, 1, 20],
    "F": [4, 7, 1, 18, 3, 12],
    "M": [6, 3, 9, 8, 1, 5],
    "H": [2, 1, 3, 4, 1, 2],
    "P": [3, 1, 8, 9, 1, 40],
    "Q": [4, 6, 1, 17, 2, 27],
}


class Value:
    """A tensor in scope: its name and dims. A dim is an int, a symbol's letter, or a tuple: their product, or their
    sum where it begins with "+"."""

    def __init__(self, name, dims, dtype="f32"):
        self.name, self.dims, self.dtype = name, list(dims), dtype


class Writer:
    """Text of a file: functions so far, and the body being written, with the names of dims in that scope."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.functions, self.body, self.names = [], [], {}
        self.outer, self.used, self.kinds = [], set(), []
        self.shares = None  # the softmax, where it is a value of the model

    def fresh(self):
        while True:
            n = "".join(self.r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(self.r.randint(1, 3)))
            n = n + self.r.choice(["_%d" % self.r.randint(0, 99), "_%d%s" % (self.r.randint(0, 9), self.r.choice("abwxyz"))])
            if self.r.random() < 0.3:
                n = n.upper()
            if n not in self.used:
                self.used.add(n)
                return n

    def pick(self, kind, *options):
        """A random choice, noted as kind=option. Equal options share their weight."""
        c = self.r.choice(options)
        self.kinds.append("%s=%s" % (kind, c))
        return c

    def chance(self, p):
        return self.r.random() < p

    def dim(self, d):
        if isinstance(d, int):
            return str(d)
        if isinstance(d, tuple):
            if d[0] == "+":
                return "(%s + %s)" % (self.dim(d[1]), self.dim(d[2]))
            return "*".join(self.dim(x) for x in d)
        if d not in self.names:
            self.names[d] = self.fresh()
        return self.names[d]

    def dims(self, ds):
        return "[" + ", ".join(self.dim(d) for d in ds) + "]"

    def type(self, v):
        return v.dtype + self.dims(v.dims)

    def line(self, text):
        self.body.append("    " + text)

    def let(self, text, dims, dtype="f32"):
        """Binds a fresh name to an expression."""
        v = Value(self.fresh(), dims, dtype)
        self.line("%s = %s" % (v.name, text))
        return v

    def axes(self, dims):
        return [self.fresh() for _ in dims]

    def table(self, axes, dims, text, dtype="f32", force=()):
        """Binds a fresh name by index notation over axes."""
        v = Value(self.fresh(), dims, dtype)
        subs = ["%s in 0..%s" % (a, self.dim(d)) if i in force or self.chance(0.4) else a
                for i, (a, d) in enumerate(zip(axes, dims))]
        self.line("%s[%s] = %s" % (v.name, ", ".join(subs), text))
        return v

    def piece(self, f, *inputs):
        """Runs f(inputs), in a function of its own by chance. f returns a Value or a tuple of them."""
        if self.outer or not self.chance(0.35) or any(isinstance(d, tuple) for v in inputs for d in v.dims):
            return f(*inputs)
        self.outer.append((self.body, self.names))
        self.body, self.names = [], {}
        inner = [Value(self.fresh(), v.dims, v.dtype) for v in inputs]
        name, params = self.fresh(), ", ".join("%s: %s" % (v.name, self.type(v)) for v in inner)
        out = f(*inner)
        several = out if isinstance(out, tuple) else (out,)
        self.line("return " + ", ".join(v.name for v in several))
        self.functions.append("fn %s(%s) {\n%s\n}\n" % (name, params, "\n".join(self.body)))
        self.body, self.names = self.outer.pop()
        result = [Value(self.fresh(), v.dims, v.dtype) for v in several]
        self.line("%s = %s(%s)" % (", ".join(v.name for v in result), name, ", ".join(v.name for v in inputs)))
        return tuple(result) if isinstance(out, tuple) else result[0]


def none_before(v, at, rank):
    """Subscripts that put an axis of 1 at position `at` of a tensor of `rank` dims."""
    return "%s[%s]" % (v.name, ", ".join([":"] * at + ["none"] + [":"] * (rank - at)))


def swap_last(w, v):
    """v with its last two dims exchanged."""
    dims = v.dims[:-2] + [v.dims[-1], v.dims[-2]]
    how = w.pick("swap", "T", "perm", "index")
    if how == "T":
        return w.let("%s.T" % v.name, dims)
    if how == "perm":
        n = len(dims)
        return w.let("transpose(%s, perm = %s)" % (v.name, list(range(n - 2)) + [n - 1, n - 2]), dims)
    a = w.axes(v.dims)
    return w.table(a[:-2] + [a[-1], a[-2]], dims, "%s[%s]" % (v.name, ", ".join(a)))


def noise(w, v):
    """Something that changes nothing."""
    how = w.pick("noise", "none", "none", "none", "none", "cast", "transpose", "reshape", "neg", "one", "unit", "select", "wide",
                 "copy")
    n = len(v.dims)
    if how == "cast":
        return w.let("f32(f32(%s))" % v.name, v.dims)
    if how == "wide":
        return w.let("f32(f64(%s))" % v.name, v.dims)
    if how == "transpose" and n >= 2:
        p = list(range(n))
        w.r.shuffle(p)
        t = w.let("transpose(%s, perm = %s)" % (v.name, p), [v.dims[i] for i in p])
        return w.let("transpose(%s, perm = %s)" % (t.name, [p.index(i) for i in range(n)]), v.dims)
    if how == "reshape":
        t = w.let("reshape(%s, [-1])" % v.name, [0])
        return w.let("reshape(%s, %s)" % (t.name, w.dims(v.dims)), v.dims)
    if how == "neg":
        return w.let("-(0 - (%s))" % v.name, v.dims)
    if how == "one":
        return w.let("%s * 1.0" % v.name, v.dims)
    if how == "unit":
        return w.let("(%s)[0]" % w.let("%s[none]" % v.name, [1] + v.dims).name, v.dims)
    if how == "select":
        return w.let("where(%s == %s, %s, %s)" % (v.name, v.name, v.name, v.name), v.dims)
    if how == "copy":
        a = w.axes(v.dims)
        return w.table(a, v.dims, "%s[%s]" % (v.name, ", ".join(a)))
    return v


def scale_text(w, d):
    """1 / sqrt(d) in some spelling."""
    e = w.dim(d)
    if isinstance(d, int) and w.chance(0.3):
        return "%.17g" % (d ** -0.5)
    return w.r.choice(["(1 / sqrt(%s))", "(%s ** -0.5)", "(1.0 / (%s ** 0.5))", "rsqrt(f32(%s))", "(1 / (f32(%s) ** 0.5))"]) % e


def product(w, x, y, kind, y_lead):
    """x [L.., P, R] times y [L'.., R, Q]: [L.., P, Q]. y_lead: same, drop (y lacks the last dim of L) or the group size
    (y's last lead index is x's // group)."""
    lead, p, r, q = x.dims[:-2], x.dims[-2], x.dims[-1], y.dims[-1]
    dims, n = lead + [p, q], len(lead)
    how = ["matmul", "at", "einsum", "index", "sum"]
    if y_lead == "drop":
        how = ["einsum", "index", "none"]
    if isinstance(y_lead, int):
        how = ["index"]
    how = w.pick(kind, *how)
    if how == "none":
        y = w.let(none_before(y, n - 1, len(y.dims)), lead[:-1] + [1, r, q])
        how = w.pick(kind + "2", "matmul", "at")
    if how == "matmul":
        return w.let("matmul(%s, %s)" % (x.name, y.name), dims)
    if how == "at":
        return w.let("%s @ %s" % (x.name, y.name), dims)
    if how == "sum":
        a = none_before(x, n + 2, n + 2)
        b = none_before(y, n, n + 2)
        if w.chance(0.5):
            a, b = b, a
        return w.let("sum(%s * %s, axis = -2)" % (a, b), dims)
    if how == "einsum":
        s = w.r.sample("abcdefghijklmnopqrstuvwxyz", n + 3)
        l, (i, k, j) = "".join(s[:n]), s[n:]
        if n and w.chance(0.4) and y_lead == "same":
            l = "..."
        xs, ys, out = l + i + k, (l[:-1] if y_lead == "drop" else l) + k + j, l + i + j
        xn, yn = x.name, y.name
        if w.chance(0.4) and l != "...":
            xs, ys, xn, yn = ys, xs, yn, xn
        return w.let('einsum("%s,%s->%s", %s, %s)' % (xs, ys, out, xn, yn), dims)
    a, c = w.axes(dims), w.fresh()
    la = a[:-2]
    ly = la if y_lead == "same" else la[:-1] if y_lead == "drop" else la[:-1] + ["%s // %d" % (la[-1], y_lead)]
    f = "%s[%s]" % (x.name, ", ".join(la + [a[-2], c]))
    g = "%s[%s]" % (y.name, ", ".join(ly + [c, a[-1]]))
    if w.chance(0.4):
        f, g = g, f
    return w.table(a, dims, "sum[%s](%s * %s)" % (c, f, g), force=[n - 1] if isinstance(y_lead, int) else ())


# ---- Heads -------------------------------------------------------------------------------------------------------------


def split_heads(w, x, lead, rows, cols, layout):
    """x in its layout as [lead.., rows, cols]; the last of lead is the heads."""
    if layout == "heads":
        return x
    if layout == "transposed":
        return swap_last(w, x)
    n, h = len(lead), lead[-1]
    if layout == "rows":  # [.., rows, heads, cols]
        perm = list(range(n - 1)) + [n, n - 1, n + 1]
        if w.pick("split", "transpose", "index") == "transpose":
            return w.let("transpose(%s, perm = %s)" % (x.name, perm), lead + [rows, cols])
        a = w.axes(lead + [rows, cols])
        return w.table(a, lead + [rows, cols], "%s[%s]" % (x.name, ", ".join(a[i] for i in perm)))
    how = w.pick("split", "reshape", "index", "slices")  # [.., rows, heads * cols]
    if how == "reshape":
        t = w.let("reshape(%s, %s)" % (x.name, w.dims(lead[:-1] + [rows, h, cols])), lead[:-1] + [rows, h, cols])
        return split_heads(w, t, lead, rows, cols, "rows")
    a = w.axes(lead + [rows, cols])
    if how == "index":
        text = "%s[%s]" % (x.name, ", ".join(a[:n - 1] + [a[n], "%s * %s + %s" % (a[n - 1], w.dim(cols), a[n + 1])]))
        return w.table(a, lead + [rows, cols], text, force=[n - 1, n + 1])
    t = w.let("reshape(%s, %s)" % (x.name, w.dims(lead[:-1] + [rows, h, cols])), lead[:-1] + [rows, h, cols])
    text = "%s[%s]" % (t.name, ", ".join(a[:n - 1] + [a[n], a[n - 1], a[n + 1]]))
    return w.table(a, lead + [rows, cols], text)


def merge_heads(w, y):
    """[.., H, S, F] as [.., S, H * F]."""
    n = len(y.dims)
    lead, h, s, f = y.dims[:-3], y.dims[-3], y.dims[-2], y.dims[-1]
    perm = list(range(n - 3)) + [n - 2, n - 3, n - 1]
    dims = lead + [s, (h, f)]
    if w.pick("merge", "transpose", "index") == "transpose":
        t = w.let("transpose(%s, perm = %s)" % (y.name, perm), lead + [s, h, f])
        return w.let("reshape(%s, %s)" % (t.name, w.dims(dims)), dims)
    a = w.axes(dims)
    fd = w.dim(f)
    text = "%s[%s]" % (y.name, ", ".join(a[:-2] + ["%s // %s" % (a[-1], fd), a[-2], "%s %% %s" % (a[-1], fd)]))
    return w.table(a, dims, text, force=[len(dims) - 1])


def repeat_heads(w, x, group, to):
    """[.., K, R, C] with every head repeated group times: [.., K * group, R, C]."""
    n, dims = len(x.dims), x.dims[:-3] + [to] + x.dims[-2:]
    wide = x.dims[:-2] + [group] + x.dims[-2:]
    how = w.pick("repeat", "broadcast", "index", "ones", "stack", "gather")
    if how == "broadcast":
        t = w.let("broadcast_to(%s, %s)" % (none_before(x, n - 2, n), w.dims(wide)), wide)
        return w.let("reshape(%s, %s)" % (t.name, w.dims(dims)), dims)
    if how == "ones":
        t = w.let("%s * ones(f32[%d, 1, 1])" % (none_before(x, n - 2, n), group), wide)
        return w.let("reshape(%s, %s)" % (t.name, w.dims(dims)), dims)
    if how == "stack":
        t = w.let("stack([%s], axis = %d)" % (", ".join([x.name] * group), n - 2), wide)
        return w.let("reshape(%s, %s)" % (t.name, w.dims(dims)), dims)
    if how == "gather":
        i = w.let("iota(%d) // %d" % (to, group), [to], "i64")
        return w.let("take(%s, %s, axis = %d)" % (x.name, i.name, n - 3), dims)
    a = w.axes(dims)
    text = "%s[%s]" % (x.name, ", ".join(a[:-3] + ["%s // %d" % (a[-3], group)] + a[-2:]))
    return w.table(a, dims, text, force=[n - 3])


# ---- Masks -------------------------------------------------------------------------------------------------------------


def fill_value(w):
    return w.r.choice(["-inf", "-inf", "-1e9", "-1e30"])


def causal(w, s, flip):
    """Scores s [.., S, N] (flip: [.., N, S]) where the key is not after the query."""
    rows, cols = (s.dims[-1], s.dims[-2]) if flip else (s.dims[-2], s.dims[-1])
    shift = w.r.choice(["", " + (%s - %s)" % (w.dim(cols), w.dim(rows))])
    how = w.pick("causal", "iota", "table", "inside", "tril", "added", "mult", "keep")
    low = fill_value(w)
    i, j = w.fresh(), w.fresh()
    if how == "inside":
        a = w.axes(s.dims)
        qi, kj = (a[-1], a[-2]) if flip else (a[-2], a[-1])
        text = "%s[%s]" % (s.name, ", ".join(a))
        cond = "%s <= %s%s" % (kj, qi, shift)
        if w.chance(0.5):
            return w.table(a, s.dims, "%s if %s else %s" % (text, cond, low))
        return w.table(a, s.dims, "%s if %s > %s%s else %s" % (low, kj, qi, shift, text))
    order, dims = ([j, i], [cols, rows]) if flip else ([i, j], [rows, cols])
    if how == "iota":
        x, y = ("[:, none]", "[none, :]") if flip else ("[none, :]", "[:, none]")
        m = w.let("iota(%s)%s <= iota(%s)%s%s" % (w.dim(cols), x, w.dim(rows), y, shift), dims, "bool")
    elif how == "tril":
        t = w.let("tril(ones(f32[%s, %s]))" % (w.dim(rows), w.dim(cols)), [rows, cols])
        m = w.let("%s%s != 0" % (t.name, ".T" if flip else ""), dims, "bool")
    else:
        m = w.table(order, dims, "%s - %s >= 0" % (i + shift, j) if w.chance(0.5) else "%s <= %s%s" % (j, i, shift), "bool",
                    force=(0, 1))
    if how == "added":
        return w.let("%s + where(%s, 0.0, %s)" % (s.name, m.name, low), s.dims)
    if how == "mult":
        return w.let("%s + (1 - f32(%s)) * -1e9" % (s.name, m.name), s.dims)
    if how == "keep":
        return w.let("where(~%s, %s, %s)" % (m.name, low, s.name), s.dims)
    return w.let("where(%s, %s, %s)" % (m.name, s.name, low), s.dims)


def mask_input(w, lead, model_inputs):
    """A mask as an input of the model: [N], [S, N], [first lead, N] or all of the scores' dims."""
    options = [["N"], ["S", "N"], lead + ["S", "N"]]
    if lead and not isinstance(lead[0], int):
        options += [[lead[0], "N"], [lead[0]] + [1] * (len(lead) - 1) + ["S", "N"]]
    dims = w.r.choice(options)
    m = Value(w.fresh(), dims, w.pick("mask", "bool", "f32", "i64"))
    model_inputs.append(m)
    return m


def apply_mask(w, s, m, lead, flip):
    """s masked by m; bool and integer masks keep what is true, float ones are added."""
    name = m.name
    if len(m.dims) == 2 and m.dims[1] == "N" and m.dims[0] != "S":
        name += "[:, %s:]" % ("none, " * len(lead))
        if flip:
            name = "%s[:, %s:, none]" % (m.name, "none, " * (len(lead) - 1))
    elif flip:
        name += "[:, none]" if len(m.dims) == 1 else ".T"
    if m.dtype == "f32":
        a, b = (s.name, name) if w.chance(0.5) else (name, s.name)
        return w.let("%s + %s" % (a, b), s.dims)
    cond = name if m.dtype == "bool" else "(%s != 0)" % name
    how = w.pick("apply", "where", "not", "added", "times")
    if how == "where":
        return w.let("where(%s, %s, %s)" % (cond, s.name, fill_value(w)), s.dims)
    if how == "not":
        return w.let("where(~%s, %s, %s)" % (cond, fill_value(w), s.name), s.dims)
    if how == "added":
        return w.let("%s + where(%s, 0.0, %s)" % (s.name, cond, fill_value(w)), s.dims)
    return w.let("%s + (1.0 - f32(%s)) * -1e9" % (s.name, cond), s.dims)


# ---- Softmax -----------------------------------------------------------------------------------------------------------


def row_max(w, s, axis):
    """The largest score of each row, with the axis kept as 1 unless by index notation: (Value, subscript text)."""
    how = w.pick("max", "keepdims", "none", "index", "guard")
    n = len(s.dims)
    kept = [d if i != n + axis else 1 for i, d in enumerate(s.dims)]
    if how == "keepdims":
        return w.let("max(%s, axis = %d, keepdims = true)" % (s.name, axis), kept)
    if how == "guard":
        m = w.let("max(%s, axis = %d, keepdims = true)" % (s.name, n + axis), kept)
        return w.let("where(%s == -inf, 0, %s)" % (m.name, m.name), kept)
    if how == "none":
        m = w.let("max(%s, axis = %d)" % (s.name, axis), kept[:axis] + (kept[axis + 1:] if axis < -1 else []))
        return w.let(none_before(m, n + axis, n - 1), kept)
    a = w.axes(s.dims)
    rest = [x for i, x in enumerate(a) if i != n + axis]
    m = w.table(rest, [d for i, d in enumerate(s.dims) if i != n + axis],
                "max[%s](%s[%s])" % (a[axis], s.name, ", ".join(a)))
    return w.let(none_before(m, n + axis, n - 1), kept)


def exps(w, s, axis):
    """exp(s - max) in some spelling; without max when scores are small."""
    how = w.pick("exp", "exp", "exp", "bare", "exp2", "index", "pow")
    if how == "bare":
        return w.let("exp(%s)" % s.name, s.dims)
    m = row_max(w, s, axis)
    if how == "exp2":
        return w.let("exp2((%s - %s) * 1.4426950408889634)" % (s.name, m.name), s.dims)
    if how == "pow":
        return w.let("exp(-(%s - %s))" % (m.name, s.name), s.dims)
    if how == "index":
        a = w.axes(s.dims)
        at = [x if i != len(a) + axis else "0" for i, x in enumerate(a)]
        return w.table(a, s.dims, "exp(%s[%s] - %s[%s])" % (s.name, ", ".join(a), m.name, ", ".join(at)))
    return w.let("exp(%s - %s)" % (s.name, m.name), s.dims)


def row_sum(w, e, axis):
    n = len(e.dims)
    kept = [d if i != n + axis else 1 for i, d in enumerate(e.dims)]
    how = w.pick("sum", "keepdims", "none", "index", "ones")
    if how == "ones" and axis == -1:
        return w.let("%s @ ones(f32[%s, 1])" % (e.name, w.dim(e.dims[-1])), kept)
    if how == "keepdims" or how == "ones":
        return w.let("sum(%s, axis = %d, keepdims = true)" % (e.name, axis), kept)
    rest = [d for i, d in enumerate(e.dims) if i != n + axis]
    if how == "none":
        z = w.let("sum(%s, axis = %d)" % (e.name, n + axis), rest)
    else:
        a = w.axes(e.dims)
        z = w.table([x for i, x in enumerate(a) if i != n + axis], rest,
                    "sum[%s](%s[%s])" % (a[axis], e.name, ", ".join(a)))
    return w.let(none_before(z, n + axis, n - 1), kept)


def divide(w, x, z, dims):
    how = w.pick("divide", "div", "times", "index")
    if how == "times":
        return w.let("%s * (1 / %s)" % (x.name, z.name), dims)
    if how == "div":
        return w.let("%s / %s" % (x.name, z.name), dims)
    a = w.axes(dims)
    at = ["0" if d == 1 else x for x, d in zip(a, z.dims)]
    return w.table(a, dims, "%s[%s] / %s[%s]" % (x.name, ", ".join(a), z.name, ", ".join(at)))


def flat_softmax(w, s):
    """softmax over rows of a matrix."""
    n, rows = s.dims[-1], tuple(s.dims[:-1])
    t = w.let("reshape(%s, [%s, %s])" % (s.name, w.r.choice(["-1", w.dim(rows)]), w.dim(n)), [rows, n])
    p = softmax(w, t, -1, flat=True)
    return w.let("reshape(%s, %s)" % (p.name, w.dims(s.dims)), s.dims)


def softmax(w, s, axis, flat=False):
    if axis == -1 and not flat and w.pick("rows", "as they are", "as they are", "flat") == "flat":
        return flat_softmax(w, s)
    how = w.pick("softmax", "prelude", "hand", "hand", "hand", "lse", "log", "min")
    ax = axis if w.chance(0.5) else len(s.dims) + axis
    if how == "prelude":
        return w.let("softmax(%s, axis = %d)" % (s.name, ax), s.dims)
    if how == "min":
        return w.let("softmin(-%s, axis = %d)" % (s.name, ax), s.dims)
    if how == "log":
        return w.let("exp(log_softmax(%s, axis = %d))" % (s.name, ax), s.dims)
    if how == "lse":
        return w.let("exp(%s - logsumexp(%s, axis = %d, keepdims = true))" % (s.name, s.name, ax), s.dims)
    e = exps(w, s, axis)
    return divide(w, e, row_sum(w, e, axis), s.dims)


# ---- The whole ---------------------------------------------------------------------------------------------------------


def position_bias(w, s, flip):
    """Scores plus or masked by a function of the distance."""
    i, j = w.fresh(), w.fresh()
    order = [j, i] if flip else [i, j]
    if w.pick("bias", "slope", "window") == "slope":
        b = w.table(order, s.dims[-2:], "f32(%s - %s) * %s" % (j, i, w.r.choice(["0.1", "-0.0625"])), force=(0, 1))
        return w.let("%s + %s" % (s.name, b.name), s.dims)
    b = w.table(order, s.dims[-2:], "abs(%s - %s) < %d" % (i, j, w.r.choice([1, 3, 9])), "bool", force=(0, 1))
    return w.let("where(%s, %s, %s)" % (b.name, s.name, w.r.choice(["-1e9", "-1e30"])), s.dims)


def scores(w, q, k, k_lead, flip):
    """[.., S, N]; flip: [.., N, S]."""
    if flip:
        return product(w, k, swap_last(w, q), "scores", "same")
    if k_lead == "same" and w.chance(0.25):  # q k^T without a transpose of its own
        n = len(q.dims)
        l = w.r.sample("abcdefghijklmnopqrstuvwxyz", n + 1)
        a, i, j, e = "".join(l[:n - 2]), l[n - 2], l[n - 1], l[n]
        w.kinds.append("scores=direct")
        if w.chance(0.5):
            return w.let('einsum("%s,%s->%s", %s, %s)' % (a + i + e, a + j + e, a + i + j, q.name, k.name), q.dims[:-1] + k.dims[-2:-1])
        return w.let("sum(%s * %s, axis = -1)" % (none_before(q, n - 1, n), none_before(k, n - 2, n)), q.dims[:-1] + k.dims[-2:-1])
    return product(w, q, swap_last(w, k), "scores", k_lead)


def outputs(w, p, v, v_lead, flip):
    """[.., S, F] from shares p [.., S, N] (flip: [.., N, S])."""
    if not flip:
        return product(w, p, v, "values", v_lead)
    if w.pick("flipped", "before", "after") == "before":
        return product(w, swap_last(w, p), v, "values", "same")
    return swap_last(w, product(w, swap_last(w, v), p, "values", "same"))


def flattened(w, q, k, v):
    """The core with all leading dims in one, as for batched matrix products."""
    lead = q.dims[:-2]
    one = tuple(lead)
    flat = [w.let("reshape(%s, [%s, %s, %s])" % (x.name, w.r.choice(["-1", w.dim(one)]), w.dim(x.dims[-2]), w.dim(x.dims[-1])),
                  [one] + x.dims[-2:]) for x in (q, k, v)]
    y = core(w, *flat, "same", None, [one])
    return w.let("reshape(%s, %s)" % (y.name, w.dims(lead + y.dims[-2:])), lead + y.dims[-2:])


def core(w, q, k, v, lead_how, m, lead):
    """The core on [lead.., S, E], k and v by lead_how; m: an input mask or None."""
    if len(lead) > 1 and lead_how == "same" and not m and w.pick("lead", "as it is", "as it is", "as it is", "one") == "one":
        return flattened(w, q, k, v)
    flip = lead_how == "same" and w.chance(0.12)
    w.kinds.append("flip=%s" % flip)
    d = q.dims[-1]
    where_scale = w.pick("scale", "q", "k", "scores", "scores", "both", "division", "mixed")
    if where_scale == "q":
        q = w.piece(lambda x: w.let("%s * %s" % (x.name, scale_text(w, d)), x.dims), q)
    elif where_scale == "k":
        k = w.piece(lambda x: w.let("%s * %s" % (scale_text(w, d), x.name), x.dims), k)
    elif where_scale == "both":
        f = "(%s ** -0.25)" % w.dim(d)
        q, k = w.let("%s * %s" % (q.name, f), q.dims), w.let("%s * %s" % (k.name, f), k.dims)
    elif where_scale == "mixed":
        q = w.let("%s / sqrt(f32(%s))" % (q.name, w.dim(d)), q.dims)
        k = w.let("%s * 2.0" % k.name, k.dims)
    q, k = noise(w, q), noise(w, k)
    s = w.piece(lambda x, y: scores(w, x, y, lead_how, flip), q, k)
    if where_scale == "scores":
        s = w.let("%s * %s" % (s.name, scale_text(w, d)), s.dims)
    elif where_scale == "division":
        s = w.let("%s / %s" % (s.name, w.r.choice(["sqrt(%s)", "(%s ** 0.5)"]) % w.dim(d)), s.dims)
    elif where_scale == "mixed":
        s = w.let("%s * 0.5" % s.name, s.dims)
    s = noise(w, s)
    if w.pick("softcap", "no", "no", "no", "yes") == "yes":
        c = w.r.choice(["20.0", "50", "3.5"])
        s = w.piece(lambda x: w.let("tanh(%s / %s) * %s" % (x.name, c, c), x.dims), s)
    if w.chance(0.12):
        s = w.piece(lambda x: position_bias(w, x, flip), s)
    if m:
        s = w.piece(lambda x, y: apply_mask(w, x, y, lead, flip), s, m)
    if w.pick("order", "none", "causal") == "causal":
        s = w.piece(lambda x: causal(w, x, flip), s)
    axis = -2 if flip else -1
    if not flip and w.pick("normalise", "before", "before", "after") == "after":
        e = w.piece(lambda x: exps(w, x, axis), s)
        z = w.piece(lambda x: row_sum(w, x, axis), e)
        o = w.piece(lambda x, y: outputs(w, x, y, lead_how, flip), noise(w, e), v)
        return w.piece(lambda x, y: divide(w, x, y, x.dims), o, z)
    p = w.piece(lambda x: softmax(w, x, axis), s)
    w.shares = p
    return w.piece(lambda x, y: outputs(w, x, y, lead_how, flip), noise(w, p), v)


def input_in(w, inputs, lead, rows, cols, layouts, dtype):
    """An input of the model and its layout."""
    layout = w.pick("layout", *layouts)
    dims = {"heads": lead + [rows, cols], "transposed": lead + [cols, rows]}.get(layout)
    if layout == "rows":
        dims = lead[:-1] + [rows, lead[-1], cols]
    elif layout == "flat":
        dims = lead[:-1] + [rows, (lead[-1], cols)]
    v = Value(w.fresh(), dims, dtype)
    inputs.append(v)
    return v, layout


def load(w, v, layout, lead, rows, cols):
    """An input as f32 [lead.., rows, cols]."""
    if v.dtype != "f32":
        v = w.let("f32(%s)" % v.name, v.dims)
    return w.piece(lambda x: split_heads(w, x, lead, rows, cols, layout), v)


def packed(w, inputs, lead, heads):
    """Queries, keys and values from one input of the model: [lead.., S, E] each."""
    e = w.r.choice(["E", 4, 8, 17]) if heads else "E"
    if not heads or w.pick("packed", "same", "three") == "same":
        x = Value(w.fresh(), lead + ["S", e])
        inputs.append(x)
        return core(w, x, x, x, "same", None, lead)
    wide = (lead[-1], e)
    x = Value(w.fresh(), lead[:-1] + ["S", (3,) + wide])
    inputs.append(x)
    names, width = [w.fresh() for _ in range(3)], w.dim(wide)
    if w.chance(0.5):
        w.line("%s = split(%s, parts = 3, axis = -1)" % (", ".join(names), x.name))
    else:
        for i, n in enumerate(names):
            w.line("%s = %s[..., %d * %s:%d * %s]" % (n, x.name, i, width, i + 1, width))
    parts = [load(w, Value(n, lead[:-1] + ["S", wide]), "flat", lead, "S", e) for n in names]
    return core(w, *parts, "same", None, lead)


def cached(w, inputs, lead, heads):
    """Keys and values of which the first come from another input."""
    e, f = w.r.choice(["E", 8]), w.r.choice(["F", 7])
    q = Value(w.fresh(), lead + ["S", e])
    inputs.append(q)
    both, at = [], len(lead)
    for c in (e, f):
        old, new = Value(w.fresh(), lead + ["P", c]), Value(w.fresh(), lead + ["Q", c])
        inputs.extend([old, new])
        both.append(w.let("concat([%s, %s], axis = %d)" % (old.name, new.name, at), lead + [("+", "P", "Q"), c]))
    return core(w, q, *both, "same", None, lead)


def attend(w, inputs, lead, heads, dtype):
    """Inputs, heads, grouping, core."""
    source = w.pick("source", *["three"] * 8, "packed", "cached")
    if source != "three":
        return (packed if source == "packed" else cached)(w, inputs, lead, heads)
    if heads and len(lead) == 2 and w.chance(0.1):
        w.kinds.append("heads=symbolic")
        q, k, v = (Value(w.fresh(), ["B", "H"] + d) for d in (["S", "E"], ["N", "E"], ["N", "F"]))
        inputs.extend([q, k, v])
        return core(w, q, k, v, "same", mask_input(w, ["B", "H"], inputs) if w.chance(0.4) else None, ["B", "H"])
    e = w.r.choice(["E", "E", 3, 5, 8, 16, 24, 33])
    f = w.r.choice(["F", 4, 7, 8, 17, 32])
    group = w.pick("group", 1, 1, 2, 3) if heads else 1
    h = lead[-1] if heads else 1
    if heads:
        lead = lead[:-1] + [h * group]
    kv_lead = lead[:-1] + [h] if heads else lead
    q_layouts = ["heads"] + (["rows", "flat"] if heads else [])
    k_layouts = q_layouts + ["transposed"]
    q, ql = input_in(w, inputs, lead, "S", e, q_layouts, dtype)
    k, kl = input_in(w, inputs, kv_lead, "N", e, k_layouts, dtype)
    v, vl = input_in(w, inputs, kv_lead, "N", f, k_layouts, dtype)
    m = mask_input(w, lead, inputs) if w.chance(0.4) else None
    q, k, v = load(w, q, ql, lead, "S", e), load(w, k, kl, kv_lead, "N", e), load(w, v, vl, kv_lead, "N", f)
    if heads and w.pick("whole", "spelled", "spelled", "spelled", "spelled", "prelude") == "prelude" and (not m or m.dtype != "i64"):
        return prelude(w, q, k, v, m, lead)
    if group == 1:
        return core(w, q, k, v, "same", m, lead)
    how = w.pick("grouped", "repeat", "reshape", "index")
    if how == "repeat":
        k = w.piece(lambda x: repeat_heads(w, x, group, h * group), k)
        v = w.piece(lambda x: repeat_heads(w, x, group, h * group), v)
        return core(w, q, k, v, "same", m, lead)
    if how == "index":
        return core(w, q, k, v, group, m, lead)
    q5 = w.let("reshape(%s, %s)" % (q.name, w.dims(lead[:-1] + [h, group, "S", e])), lead[:-1] + [h, group, "S", e])
    if m and len(m.dims) > 2:
        split = [1, 1] if m.dims[-3] == 1 else [h, group]
        dims = m.dims[:-3] + split + m.dims[-2:]
        m = w.let("reshape(%s, %s)" % (m.name, w.dims(dims)), dims, m.dtype)
    y = core(w, q5, k, v, "drop", m, lead[:-1] + [h, group])
    return w.let("reshape(%s, %s)" % (y.name, w.dims(lead + ["S", f])), lead + ["S", f])


def prelude(w, q, k, v, m, lead):
    args = [q.name, k.name, v.name]
    if m:
        name = m.name
        if len(m.dims) == 2 and m.dims[0] != "S":
            name = "%s[:, %s:]" % (m.name, "none, " * len(lead))
        args.append(name)
    options = ["causal = true"] if w.chance(0.5) else []
    options += ["scale = %s" % w.r.choice(["0.125", "1", "0.3"])] if w.chance(0.3) else []
    options += ["softcap = 30.0"] if w.chance(0.2) else []
    return w.let("attention(%s)" % ", ".join(args + options), lead + ["S", v.dims[-1]])


def after(w, y, inputs, heads):
    """What comes behind the core: returns the value and how many more kernels it may take."""
    if w.shares and w.chance(0.1):
        w.kinds.append("epilogue=shares")
        return y, 0
    w.shares = None
    if heads and w.pick("end", "heads", "merged") == "merged":
        y = w.piece(lambda x: merge_heads(w, x), y)
    how = w.pick("epilogue", "none", "none", "none", "residual", "scaled", "bias", "gate", "project")
    if how == "residual":
        x = Value(w.fresh(), y.dims)
        inputs.append(x)
        return w.let(w.r.choice(["%s + %s" % (x.name, y.name), "%s + %s" % (y.name, x.name)]), y.dims), 0
    if how == "scaled":
        return w.let("%s * 0.75 - 1" % y.name, y.dims), 0
    if how == "bias":
        b = Value(w.fresh(), y.dims[-1:])
        inputs.append(b)
        return w.let("relu(%s + %s)" % (y.name, b.name), y.dims), 0
    if how == "gate":
        return w.let("%s * sigmoid(%s)" % (y.name, y.name), y.dims), 0
    if how == "project":
        m = Value(w.fresh(), [y.dims[-1], "M"])
        inputs.append(m)
        return w.let("%s @ %s" % (y.name, m.name), y.dims[:-1] + ["M"]), 1
    return y, 0


def spelling(seed):
    """The text of one file."""
    w, inputs = Writer(seed), []
    heads = w.chance(0.7)
    lead = w.r.choice([[2], ["B", 2], ["B", 3], ["B", 2], ["A", "B", 2]]) if heads else w.r.choice([[], ["B"], ["A", "B"]])
    w.kinds.append("lead=%d" % len(lead))
    dtype = w.pick("dtype", "f32", "f32", "f32", "f32", "f32", "f16", "bf16")
    y = attend(w, inputs, lead, heads, dtype)
    y = noise(w, y)
    y, more = after(w, y, inputs, heads)
    if dtype != "f32" and w.chance(0.5):
        y = w.let("%s(%s)" % (dtype, y.name), y.dims, dtype)
    w.r.shuffle(inputs)
    params = ", ".join("%s: %s" % (v.name, w.type(v)) for v in inputs)
    w.r.shuffle(w.functions)
    outs = [y] + ([w.shares] if w.shares else [])
    types = w.type(y) if len(outs) == 1 else "(%s)" % ", ".join("%s: %s" % (w.fresh(), w.type(v)) for v in outs)
    head = "model %s(%s) -> %s {" % (w.fresh(), params, types)
    text = "\n".join([head] + w.body + ["    return " + ", ".join(v.name for v in outs), "}", ""])
    dims = " ".join("%s=%s" % (n, ",".join(map(str, ROWS[d]))) for d, n in sorted(w.names.items()))
    return "# check %s\n# kernels %d\n# kinds %s\n\n%s" % (dims, 1 + more, " ".join(w.kinds), "\n".join(w.functions + [text]))


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.makedirs(folder, exist_ok=True)
    for seed in range(first, first + count):
        with open(os.path.join(folder, "s%04d.frit" % seed), "w") as f:
            f.write(spelling(seed))


if __name__ == "__main__":
    main()
