#!/bin/sh
# One mutant in forty of the two small models, another fortieth every day; FRIT_SEED names it. All of them: mutate.py.
set -eu
seed=${FRIT_SEED:-$(date +%Y%m%d)}
echo "FRIT_SEED=$seed"
exec python3 "$(dirname "$0")/mutate.py" --share "$((seed % 40))/40" digits stories
