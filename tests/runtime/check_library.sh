#!/bin/sh
# check_library.sh LIBRARY STRIP READELF: the promises about libfrit_rt as a file. Stripped it takes at most 150 KB, it
# needs the C library alone, and it exports nothing but frit_ names.
set -eu
library=$1 strip=$2 readelf=$3
copy=$(mktemp)
trap 'rm -f "$copy"' EXIT
"$strip" --strip-unneeded -o "$copy" "$library"
size=$(stat -c %s "$copy")
echo "stripped: $size bytes"
[ "$size" -le 153600 ] || { echo "libfrit_rt is larger than 150 KB"; exit 1; }
needed=$("$readelf" -dW "$copy" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
for lib in $needed; do
    case $lib in
    libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|ld-linux*) ;;
    *) echo "libfrit_rt needs $lib"; exit 1 ;;
    esac
done
odd=$("$readelf" --dyn-syms -W "$copy" | awk '$5 == "GLOBAL" && $7 != "UND" { print $8 }' | grep -v -e '^frit_' -e '^FRIT_[0-9.]*$' || true)
[ -z "$odd" ] || { echo "exported besides frit_ names: $odd"; exit 1; }
"$readelf" --dyn-syms -W "$copy" | grep -q ' frit_session_run' || { echo "frit_session_run is not exported"; exit 1; }
