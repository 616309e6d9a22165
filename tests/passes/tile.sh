#!/bin/sh
# tile.sh FRIT FILECHECK FILE.frit: the tile programs of the model are as its CHECK lines say.
[ -n "$2" ] || { echo "skipped: FileCheck is not installed"; exit 77; }
out=$("$1" compile "$3" -t cpu:x86-64-v3 --emit tile -q) || exit 1
printf '%s\n' "$out" | "$2" --dump-input=fail "$3"
