"""excluded.py FRIT MODELS [TARGET]: runs the models with NaN and infinities where masks leave positions out, and compares
with NumPy, which looks at the other positions alone. Every run is held against the interpreter too (--check)."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("needs NumPy")
    sys.exit(77)

NOTHING = [np.nan, np.inf, -np.inf, 3e38]
SCALE = 0.2
NEAR = {"half": 3e-2, "short": 5e-3}  # results and weights of 8 and 11 bits


def weights(q, k, keep):
    """softmax over the kept keys of each row [H, S, T]; a row without keys is NaN."""
    w = np.zeros((q.shape[0], q.shape[1], k.shape[1]))
    for h in range(q.shape[0]):
        for i in range(q.shape[1]):
            j = np.nonzero(keep[i])[0]
            s = (k[h, j].astype(np.float64) @ q[h, i].astype(np.float64)) * SCALE
            e = np.exp(s - s.max()) if len(j) else np.zeros(0)
            w[h, i, j] = e / e.sum()
            if not len(j):
                w[h, i] = np.nan
    return w


def weighed(w, v, keep):
    """sum over the kept keys of w * v."""
    out = np.zeros(w.shape[:2] + v.shape[2:])
    for i in range(w.shape[1]):
        j = np.nonzero(keep[i])[0]
        out[:, i] = np.einsum("hj,hjd->hd", w[:, i, j], v[:, j].astype(np.float64))
        if not len(j):
            out[:, i] = w[:, i, :1]  # NaN, or 0 where that is what an empty sum is divided by
    return out


def spoil(r, x, axis, where):
    """Puts something that is no ordinary number at every position of the axis in `where`."""
    x = np.moveaxis(x, axis, 0)
    for j in where:
        x[j] = NOTHING[r.integers(len(NOTHING))]


class Case:
    def __init__(self, r, h, s, t):
        self.r = r
        self.q = r.standard_normal((h, s, 32)).astype(np.float32)
        self.k = r.standard_normal((h, t, 32)).astype(np.float32)
        self.v = r.standard_normal((h, t, 24)).astype(np.float32)
        gone = np.zeros(t, bool)
        gone[t // 2:t // 2 + 1 + t // 5] = True  # for every row, in one piece and here and there
        gone |= r.random(t) < 0.2
        gone[0] = False
        self.gone = np.nonzero(gone)[0]
        self.m = (r.random((s, t)) < 0.8) & ~gone
        self.m[:, 0] = True
        if s > 2:
            self.m[1] = False  # a row without keys
        self.plain_k = self.k.copy()
        spoil(r, self.k, 1, self.gone)
        spoil(r, self.v, 1, self.gone)
        if s > 2 and t > 1:  # a value that counts for some rows only
            self.v[0, 0, 3], self.m[0, 0], self.m[0, -1] = np.nan, False, not gone[-1]

    def attention(self, model, k=None, **more):
        k = self.k if k is None else k
        want = weighed(weights(self.q, k, self.m), self.v, self.m)
        return model, dict(q=self.q, k=k, v=self.v, m=self.m, **more), want

    def cases(self):
        r, (h, s, _), t = self.r, self.q.shape, self.k.shape[1]
        yield self.attention("select")
        yield self.attention("prelude")
        yield self.attention("half")
        yield self.attention("short")
        yield self.attention("added", self.plain_k)
        name, inputs, want = self.attention("given", self.plain_k)
        del inputs["m"]
        yield name, dict(inputs, b=np.where(self.m, 0, -np.inf).astype(np.float32)), want
        name, inputs, want = self.attention("zeros")
        yield name, inputs, want
        name, inputs, want = self.attention("guarded")
        want[:, ~self.m.any(1)] = 0
        yield name, inputs, want
        yield self.attention("kept")
        g = r.standard_normal(t).astype(np.float32)
        spoil(r, g, 0, self.gone)
        w = weights(self.q, self.k, self.m)
        want = weighed(np.where(self.m, w * np.where(self.m.any(0), g, 0), w), self.v, self.m)
        yield "turned", dict(q=self.q, k=self.k, v=self.v, m=self.m, g=g), want
        seen = np.arange(t)[None] <= np.arange(s)[:, None] + (t - s)
        v = self.plain_k[:, :, :24].copy()
        spoil(r, v, 1, np.arange(max(t - s // 2, 1), t))
        if t >= s:
            yield "causal", dict(q=self.q, k=self.plain_k, v=v), weighed(weights(self.q, self.plain_k, seen), v, seen)
        v, w = self.v.astype(np.float64), weights(self.q, self.plain_k, self.m)
        w = np.where(self.m.any(1)[None, :, None], w, 1.0 / t)  # the mean of all values where no key is kept
        with np.errstate(all="ignore"):
            yield "small", dict(q=self.q, k=self.plain_k, v=self.v, m=self.m), np.einsum("hij,hjd->hid", w, v)
            yield "times", dict(m=self.m, v=self.v[0]), self.m.astype(np.float64) @ v[0]
        yield from self.sums(s, t)

    def sums(self, s, t):
        r = self.r
        x, m = r.standard_normal((s, t)).astype(np.float32), r.random((s, t)) < 0.7
        y, n = r.standard_normal((t, 24)).astype(np.float32), r.random((t, 24)) < 0.7
        m[:, 1], n[2] = False, False
        x[~m], y[~n] = np.nan, -np.inf
        x[:, 2], y[1] = np.inf, np.nan
        with np.errstate(all="ignore"):
            want = np.where(m[:, :, None] & n[None], x[:, :, None].astype(np.float64) * y[None], 0).sum(1)
        yield "both", dict(x=x, m=m, y=y, n=n), want
        x, y = r.standard_normal((s, t)).astype(np.float32), r.standard_normal((t, 24)).astype(np.float32)
        rows = r.random(s) < 0.5
        y[0, 1] = np.nan
        with np.errstate(all="ignore"):
            yield "rows", dict(x=x, r=rows, y=y), np.where(rows[:, None], x.astype(np.float64) @ y, 0)
        x, y, z = (r.standard_normal((s, t)).astype(np.float32) for _ in range(3))
        z = np.where(np.abs(z) < 0.1, 1, z).astype(np.float32)
        want = -(np.where(m, x.astype(np.float64) * y / z, 0)).sum(1)
        gone = ~m.any(0) if s > 1 else ~m[0]
        g = np.where(gone, np.nan, 1.5).astype(np.float32)
        yield "twice", dict(x=x, m=m, g=g), np.where(m, x * 1.5, 0).sum()
        w = y[0, :, None] * np.ones(24, np.float32)
        w[1] = np.nan
        with np.errstate(all="ignore"):
            yield "fixed", dict(r=rows, g=x[:, 0], x=x, y=w), np.where(rows[:, None], x[:, :1] * x.astype(np.float64) @ w, 0)
        x[~m], y[~m] = np.nan, np.inf
        yield "dots", dict(x=x, m=m, y=y, z=z), want


def run(frit, models, target, folder, model, inputs):
    args = [frit, "run", models, "-t", target, "-e", model, "--check", "-o", "result=%s/y.npy" % folder]
    for name, x in inputs.items():
        np.save("%s/%s.npy" % (folder, name), x)
        args += ["-i", "%s=%s/%s.npy" % (name, folder, name)]
    p = subprocess.run(args, capture_output=True, text=True, timeout=300)
    if p.returncode:
        return None, p.stderr.strip()[-400:]
    return np.load(folder + "/y.npy"), ""


def main():
    frit, models, target = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "cpu"
    sizes = [(2, 1, 300), (2, 30, 257)] if target == "cpu" else [(1, 5, 20), (2, 33, 70)]
    failures = runs = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed, (h, s, t) in enumerate(sizes):
            for model, inputs, want in Case(np.random.default_rng(seed), h, s, t).cases():
                got, message = run(frit, models, target, folder, model, inputs)
                runs += 1
                near = NEAR.get(model, 1e-4)
                if got is not None:
                    wrong = ~np.isclose(got, want, rtol=near, atol=near, equal_nan=True)
                    if not wrong.any():
                        continue
                    message = "%d of %d elements differ; NaN: %d of them, %d are expected" % (
                        wrong.sum(), want.size, np.isnan(got).sum(), np.isnan(want).sum())
                failures += 1
                print("%s, %d heads, %d rows, %d keys: %s" % (model, h, s, t, message))
    print("%d runs on %s, %d wrong" % (runs, target, failures))
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
