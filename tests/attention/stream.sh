#!/bin/sh
# stream.sh FRIT MODELS: each model is one kernel that streams over its keys, right for every length: compiled for the
# length, and compiled once for all.
set -eu
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
status=0

fail() {
    echo "$1" >&2
    status=1
}

for entry in late window both base2 half decode; do
    case $entry in
    window) open="" ;;
    both) open="-D B=2" ;;
    base2) open="" ;;
    *) open="-D H=2" ;;
    esac
    near=3e-5
    [ $entry != half ] || near=1e-3 # one unit of bf16 where values are near 0.25
    "$1" compile "$2" -e $entry --emit fused >"$dir/text"
    [ "$(grep -c '= kernel(' "$dir/text")" = 1 ] || fail "$entry: not one kernel"
    "$1" compile "$2" -e $entry --emit tile >"$dir/text"
    [ "$(grep -c ' for() ' "$dir/text")" = "$(grep -c '^    grid() ' "$dir/text")" ] || fail "$entry: a grid without a loop over chunks"
    "$1" compile "$2" -e $entry -o "$dir/model.fpk"
    for keys in 1 255 256 257 700 1025; do
        for rows in 1 30; do
            dims="$open -D T=$keys --seed $((keys + rows))"
            [ $entry = decode ] || dims="$dims -D S=$rows"
            result=result; [ $entry != both ] || result=y
            "$1" run "$2" -e $entry $dims --check -o $result="$dir/y.npy" >"$dir/text" 2>&1 ||
                fail "$entry, $rows rows, $keys keys: $(tail -1 "$dir/text")"
            "$1" run "$dir/model.fpk" $dims --expect $result="$dir/y.npy" --rtol 1e-2 --atol $near >"$dir/text" 2>&1 ||
                fail "$entry, all lengths, $rows rows, $keys keys: $(tail -1 "$dir/text")"
        done
    done
done
exit $status
