#!/bin/sh
# limits.sh ELAB_DUMP: very large and very deep programs elaborate or are refused with a diagnostic; none crashes.
tool=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# try NAME STATUS [PATTERN]: the tool ends with STATUS on $dir/NAME.frit and says PATTERN.
try() {
    timeout 60 "$tool" -q "$dir/$1.frit" >"$dir/out" 2>&1
    status=$?
    if [ $status -ne "$2" ] || { [ -n "$3" ] && ! grep -q "$3" "$dir/out"; }; then
        echo "FAIL $1: status $status"
        head -5 "$dir/out"
        failed=1
    fi
}

awk 'BEGIN { printf "model m(x: f32[4]) -> f32[4] {\n    y = x"; for (i = 0; i < 200000; i++) printf " + x"; print "\n    return y\n}" }' >"$dir/sum.frit"
try sum 0
awk 'BEGIN { printf "const N = 1"; for (i = 0; i < 1000000; i++) printf " + 1"; print "\nmodel m(x: f32[4]) -> f32[4] {\n    return x * N\n}" }' >"$dir/const.frit"
try const 0
awk 'BEGIN { print "model m(x: f32[4]) -> f32[4] {"; for (i = 0; i < 50000; i++) print "    x = relu(x)"; print "    return x\n}" }' >"$dir/long.frit"
try long 0
awk 'BEGIN { n = 390; for (i = 0; i < n; i++) printf "fn g%d(x: f32[...]) -> f32[...] {\n    return %s(x)\n}\n", i, i + 1 < n ? "g" i + 1 : "relu"; print "model m(x: f32[4]) -> f32[4] {\n    return g0(x)\n}" }' >"$dir/calls.frit"
try calls 0
awk 'BEGIN { print "fn f[n](x: f32[...]) -> f32[...] {\n    return f(x, n = n + 1)\n}\nmodel m(x: f32[4]) -> f32[4] {\n    return f(x, n = 0)\n}" }' >"$dir/endless.frit"
try endless 1 E0319
awk 'BEGIN { s = "x"; for (i = 0; i < 240; i++) s = "-(" s ")"; print "fn f[n](x: f32[...]) -> f32[...] {\n    return " s " if n == 0 else f(" s ", n = n - 1)\n}\nmodel m(x: f32[4]) -> f32[4] {\n    return f(x, n = 300)\n}" }' >"$dir/deep.frit"
printf 'model m(x: f32[4]) -> f32[4] {\n    for i in 0..1000 { for j in 0..1000 { for k in 0..1000 { x = x + 1 } } }\n    return x\n}\n' >"$dir/nested.frit"
try nested 1 E0335
printf 'fn f[n]() {\n    if n == 0 {\n        return 1\n    } else {\n        return f(n = n - 1) + f(n = n - 1)\n    }\n}\nmodel m(x: f32[4]) -> f32[4] {\n    return x * f(n = 40)\n}\n' >"$dir/twice.frit"
try twice 1 E0335
printf '\357\273\277model m(x: f32[4]) -> f32[4] {\n    return x\n}\n' >"$dir/marked.frit"
try marked 0
timeout 60 "$tool" -q "$dir/deep.frit" >"$dir/out" 2>&1
status=$?
[ $status -eq 0 ] || [ $status -eq 1 ] || { echo "FAIL deep: status $status"; failed=1; }
exit $failed
