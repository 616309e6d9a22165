#!/bin/sh
# run.sh PROGRAM [OPTION]...: about a hundred random graphs. FRIT_SEED names the first seed; without it the date does.
set -eu
seed=${FRIT_SEED:-$(date +%Y%m%d)000}
out=$(mktemp -d)
echo "FRIT_SEED=$seed"
program=$1
shift
"$program" "${FRIT_GRAPHS:-100}" "$seed" --out "$out" "$@" || { cat "$out"/*.fir; exit 1; }
rm -rf "$out"
