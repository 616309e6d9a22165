#!/bin/sh
# A sample of the mutants of the test models' kernels, another one every day; FRIT_SEED names it: a quarter of those of a small
# model in one form of a block, on its small shapes, and a few of those of MiniLM's on two. All of them: mutate.py.
set -eu
seed=${FRIT_SEED:-$(date +%Y%j)}
echo "FRIT_SEED=$seed"
form=$(echo plain mma wgmma mfma wmma | cut -d ' ' -f $((seed % 5 + 1)))
model=$(echo digits mlp | cut -d ' ' -f $((seed / 5 % 2 + 1)))
mutate="python3 $(dirname "$0")/mutate.py --form $form"
$mutate --share "$((seed / 10 % 4))/4" --runs 8 "$model"
exec $mutate --share "$((seed % 41))/41" --runs 2 minilm
