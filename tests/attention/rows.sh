#!/bin/sh
# rows.sh FRIT MODELS: attention of 16 bits and of f32 by rows that threads own (passes/lower_rows.c), on the executor: each family
# of products whose sums are operands again, lengths around a chunk and around a block's rows, with and without masks.
set -eu
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
status=0

# Runs ENTRY DIMS on the target and holds it against the interpreter.
check() {
    entry=$1
    shift
    "$frit" run "$models" -e "$entry" -t "$target" "$@" --check >"$dir/text" 2>&1 && return
    echo "$entry $* on $target: $(tail -1 "$dir/text")" >&2
    status=1
}

# On the target scores stay in registers, and results are right with so many keys.
attention() {
    "$frit" compile "$models" -e open -t "$target" --emit thread >"$dir/text"
    grep -q 'ptradd(%scratch' "$dir/text" && echo "open of $(basename "$models") on $target: scores in memory" >&2 && status=1
    for keys in "$@"; do check open -D S=131 -D T="$keys"; done
    check ahead -D S=70 -D T=70
    check masked -D S=70 -D T=67
    check biased -D S=33 -D T=70
    check wide -D S=40 -D T=70
    check spelt -D S=70 -D T=67
    check by_hand -D S=33 -D T=131
    for entry in spelt by_hand; do
        n=$("$frit" compile "$models" -e $entry -t "$target" -D S=2048 -D T=2048 --emit fused | grep -c 'kernel(')
        [ "$n" = 1 ] || { echo "$entry on $target: $n kernels" >&2 && status=1; }
    done
    check grouped -D S=30 -D T=66
    check narrow -D S=65 -D T=70
    check small
    check short
}

frit=$1 models=$2
for target in null:block,async,mma,threads=256,shared=160000 null:block,async,mma null:block,warp=64,mfma,threads=256,shared=65536 \
    null:block,wmma_rdna4,threads=256,shared=65536 null:block,wmma,threads=256 null:block,async,mma,wgmma,tma,threads=256,shared=220000; do
    attention 1 65 130
    check open -D S=16 -D T=64
    check sums -D S=70
done
sed 's/\bb\{0,1\}f16\b/f32/g' "$2" >"$dir/f32.frit"
models=$dir/f32.frit
for target in null:block,async,mma,threads=256,shared=160000 null:block,warp=64,mfma,threads=256,shared=65536; do
    attention 1 37 257
done
exit $status
