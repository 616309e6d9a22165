#!/bin/sh
# assemble.sh EMIT_THREAD FOLDER: kernels with sm_90a's own instructions (thread IR) as machine code; 77 where no assembler is.
set -e
out=$(mktemp)
trap 'rm -f "$out"' EXIT
n=0
for file in "$2"/*.fir; do
    status=0
    "$1" cuda:sm_90a cubin "$file" >"$out" || status=$?
    [ $status -ne 77 ] || { echo "skipped: neither nvJitLink nor ptxas is here"; exit 77; }
    [ $status -eq 0 ] && [ -s "$out" ] || { echo "$file: not taken"; exit 1; }
    n=$((n + 1))
done
[ $n -gt 8 ]
echo "$n kernels"
