#!/bin/sh
# stream.sh FRIT MODELS: each model is one kernel that streams over its keys, right for every length.
set -eu
out=$(mktemp) && trap 'rm -f "$out"' EXIT
status=0

fail() {
    echo "$1" >&2
    status=1
}

for entry in late window both base2 half decode; do
    "$1" compile "$2" -e $entry --emit fused >"$out"
    [ "$(grep -c '= kernel(' "$out")" = 1 ] || fail "$entry: not one kernel"
    "$1" compile "$2" -e $entry --emit tile >"$out"
    [ "$(grep -c ' for() ' "$out")" = 1 ] || fail "$entry: not one loop over chunks"
    for keys in 1 255 256 257 700 1025; do
        for rows in 1 30; do
            "$1" run "$2" -e $entry -D H=2 -D B=2 -D S=$rows -D T=$keys --seed $((keys + rows)) --check >"$out" 2>&1 ||
                fail "$entry, $rows rows, $keys keys: $(tail -1 "$out")"
        done
    done
done
exit $status
