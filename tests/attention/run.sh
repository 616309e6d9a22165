#!/bin/sh
# run.sh ATTENTION SPELLINGS COUNT [FIRST]: writes COUNT spellings and checks them.
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
python3 "$2" "$dir" "$3" "${4:-1}" && "$1" "$dir"/*.frit
