#!/bin/sh
# check.sh OPT FILECHECK FILE.fir: the passes of FILE's first line give what its CHECK lines say.
[ -n "$2" ] || { echo "skipped: FileCheck is not installed"; exit 77; }
out=$("$1" "$3") || exit 1
printf '%s\n' "$out" | "$2" --dump-input=fail "$3"
