#!/bin/sh
# A quarter of the mutants of a small model on its raggedest shapes, another quarter every day; FRIT_SEED names it. All of
# them, and other models: mutate.py.
set -eu
seed=${FRIT_SEED:-$(date +%Y%m%d)}
echo "FRIT_SEED=$seed"
exec python3 "$(dirname "$0")/mutate.py" --share "$((seed % 4))/4" --runs 24 digits
