#!/bin/sh
# Packages for several targets and weights beside them, end to end. FRIT_BIN has the command.
set -eu
export FRIT_CACHE=off
frit=$FRIT_BIN/frit
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
cat > "$dir/m.frit" <<'M'
model m(x: f32[B, 8]) -> f32[B, 600] {
    param w: f32[8, 600], b: f32[600]
    return relu(x @ w + b)
}
M
# Weights as one .safetensors file: 8 * 600 + 600 floats, exact in every order of adding.
python3 - "$dir/w.safetensors" <<'P'
import json, struct, sys
w = [float((7 * i) % 13 - 6) for i in range(8 * 600)]
b = [float(i % 5) for i in range(600)]
data = struct.pack("<%df" % (len(w) + len(b)), *w, *b)
header = {"w": {"dtype": "F32", "shape": [8, 600], "data_offsets": [0, 4 * len(w)]},
          "b": {"dtype": "F32", "shape": [600], "data_offsets": [4 * len(w), len(data)]}}
text = json.dumps(header).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + data)
P
size() { wc -c < "$1"; }

# ---- several targets: the same bytes every time, weights once, each variant what it is alone
several="-t cpu:x86-64-v3 -t cpu:aarch64 -t cpu:x86-64-v4"
for target in cuda:sm_80 hip:gfx942; do
    if "$frit" compile "$dir/m.frit" -t $target -o "$dir/one.fpk" 2> "$dir/why"; then
        several="$several -t $target"
    else
        echo "without $target: $(cat "$dir/why")"
    fi
done
"$frit" compile "$dir/m.frit" -w "$dir/w.safetensors" $several -o "$dir/a.fpk"
"$frit" compile "$dir/m.frit" -w "$dir/w.safetensors" $several -o "$dir/b.fpk"
cmp "$dir/a.fpk" "$dir/b.fpk" || fail "equal input gives other bytes"
"$frit" compile "$dir/m.frit" $several -o "$dir/none.fpk"
more=$(($(size "$dir/a.fpk") - $(size "$dir/none.fpk")))
[ $more -ge 21600 ] && [ $more -le 21900 ] || fail "the weights of 21600 bytes take $more"
"$frit" inspect "$dir/a.fpk" > "$dir/text"
cat "$dir/text"
[ "$(grep -c '^target: ' "$dir/text")" = "$(echo $several | wc -w | awk '{ print $1 / 2 }')" ] || fail "inspect"
case $(uname -m) in x86_64) other=aarch64 ;; *) other=x86-64-v3 ;; esac
grep "^target: cpu:$other.*does not run here: cpu:$other needs another architecture" "$dir/text" || fail "why not"

# ---- every so many bytes changed: refused, or without meaning
flip=$FRIT_BUILD/tests/runtime/runtime_flip
[ ! -x "$flip" ] || "$flip" "$dir/a.fpk" 499 || fail "a changed byte was accepted"

# ---- results: of the package with several, of one alone, of the source
"$frit" run "$dir/a.fpk" -D B=3 -o result="$dir/a.npy"
"$frit" run "$dir/m.frit" -w "$dir/w.safetensors" -D B=3 -o result="$dir/s.npy" 2> /dev/null
"$frit" run "$dir/m.frit" -w "$dir/w.safetensors" -D B=3 --check --expect result="$dir/a.npy"
"$frit" run "$dir/a.fpk" -D B=3 -t cuda 2> "$dir/why" && echo "ran on cuda" || grep "cuda" "$dir/why"
if "$frit" compile "$dir/m.frit" -t cpu:x86-64-v3 -t cpu:x86-64-v3 -o "$dir/c.fpk" 2> "$dir/why"; then
    fail "the same target twice"
fi
grep "twice" "$dir/why"

# ---- weights beside: found next to the package wherever it is, and checked
mkdir "$dir/sub" "$dir/moved"
"$frit" compile "$dir/m.frit" -w "$dir/w.safetensors" --weights beside $several -o "$dir/sub/p.fpk"
[ "$(size "$dir/sub/p.fpk")" -lt $(($(size "$dir/none.fpk") + 300)) ] || fail "the package has weights inside"
mv "$dir/sub/p.fpk" "$dir/sub/p.fpk.safetensors" "$dir/moved/"
"$frit" run "$dir/moved/p.fpk" -D B=3 --expect result="$dir/a.npy" --rtol 0 --atol 0
(cd "$dir/moved" && "$frit" run p.fpk -D B=3 --expect result="$dir/a.npy" --rtol 0 --atol 0)
"$frit" inspect "$dir/moved/p.fpk" | grep "checksums: right"
cp "$dir/moved/p.fpk.safetensors" "$dir/kept"
python3 - "$dir/moved/p.fpk.safetensors" <<'P'
import sys
f = open(sys.argv[1], "r+b")
f.seek(-4, 2)
last = f.read(1)
f.seek(-4, 2)
f.write(bytes([last[0] ^ 1]))
P
"$frit" run "$dir/moved/p.fpk" -D B=3 2> "$dir/why" && fail "weights that were changed are used"
grep "is not what the package was made with" "$dir/why"
"$frit" inspect "$dir/moved/p.fpk" > /dev/null 2>&1 && fail "inspect accepts weights that were changed"
head -c 20000 "$dir/kept" > "$dir/moved/p.fpk.safetensors"
"$frit" run "$dir/moved/p.fpk" -D B=3 2> "$dir/why" && fail "weights that were cut off are used"
grep "shorter" "$dir/why"
rm "$dir/moved/p.fpk.safetensors"
"$frit" run "$dir/moved/p.fpk" -D B=3 2> "$dir/why" && fail "weights that are not there are used"
grep "cannot open the weights" "$dir/why"
"$frit" run "$dir/moved/p.fpk" -D B=3 -w "$dir/kept" --expect result="$dir/a.npy" || fail "-w in the place of weights beside"

# ---- dims of inputs that the weights decide: known to a package that has them, before any input is
cat > "$dir/open.frit" <<'M'
model open(x: f32[B, C], y: f32[D]) -> (z: f32[B, D], seen: f32[C]) {
    param w: f32[C, 2 * D]
    state total: f32[C] = 0
    total = total + sum(x, axis = 0)
    p = x @ w
    return p[:, :D] + p[:, D:] + y, total
}
M
"$frit" run "$dir/open.frit" -w "$dir/w.safetensors" -D B=3 -D D=300 -o "$dir/open.npz"
for place in inside beside; do
    "$frit" compile "$dir/open.frit" -w "$dir/w.safetensors" --weights $place -o "$dir/open.fpk"
    "$frit" run "$dir/open.fpk" -D B=3 -D C=8 -D D=300 --expect "$dir/open.npz" --rtol 0 --atol 0 || fail "open dims, weights $place"
    "$frit" run "$dir/open.fpk" -D B=3 -D C=7 -D D=300 2> "$dir/why" && fail "a dim that contradicts the weights"
    grep "C = 8 is wanted" "$dir/why"
done
