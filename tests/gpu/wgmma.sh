#!/bin/sh
# Products of every dtype that the tensor cores of four warps take, with operands that lie either way in memory, ragged and
# whole, on the executor: with copies by threads, with boxes copied by one thread, with a part of the block that copies.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
block=null:block,async,mma,threads=256,shared=220000

# DTYPE SUM M N K FORM: n and t say of each operand whether it is given as it is or transposed.
program() {
    case $6 in n*) a="[$3, $5]" at=1 ;; *) a="[$5, $3]" at=0 ;; esac
    case $6 in *n) b="[$5, $4]" bt=0 ;; *) b="[$4, $5]" bt=1 ;; esac
    echo "fir 1
func tensor @m(%a: $1$a, %b: $1$b) -> (c) {
    %c = contract(%a, %b) {lhs_batch = [], rhs_batch = [], lhs_contract = [$at], rhs_contract = [$bt]} : $2[$3, $4]
    return(%c)
}"
}

failed=0
for t in "bf16 f32" "f16 f32" "f32 f32" "i8 i32"; do
    for form in nt nn tt; do
        for size in "136 200 72" "33 70 45"; do
            program $t $size $form > "$folder/p.fir"
            for atoms in wgmma wgmma,tma; do
                "$FRIT_BUILD/tests/compile/run_fir" -t $block,$atoms "$folder/p.fir" > "$folder/said" 2>&1 && continue
                echo "$t, M N K = $size, $form, $atoms:" && cat "$folder/said"
                failed=1
            done
        done
    done
done

# A reduced axis that may be empty: no map can be made of such a tensor, and nothing is copied from it.
echo "fir 1
dim K
func tensor @m(%a: bf16[K, 136], %b: bf16[K, 64]) -> (c) {
    %c = contract(%a, %b) {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0]} : f32[136, 64]
    return(%c)
}" > "$folder/p.fir"
for k in 0 1 80; do
    "$FRIT_BUILD/tests/compile/run_fir" -t $block,wgmma,tma "$folder/p.fir" K=$k > "$folder/said" 2>&1 && continue
    echo "K = $k:" && cat "$folder/said"
    failed=1
done
exit $failed
