#!/bin/sh
# sizes.sh LIBFRIT_RT: how large what is shipped is, and what it needs: the runtime, exported code of a ResNet-50 of the
# published size without weights, and a frit command with LLVM inside (where LLVM's archives and lld are installed), which
# must also work. FRIT_BIN, FRIT_BUILD as for all tests.
set -eu
library=$1 dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
report() { # FILE LIMIT
    size=$(wc -c < "$1")
    printf '%s: %d bytes (at most %d)\n' "$(basename "$1")" "$size" "$2"
    [ "$size" -le "$2" ] || fail "$1 is too large"
    ldd "$1" | sed 's/ (0x.*//'
}
strip --strip-unneeded -o "$dir/libfrit_rt.so" "$library"
report "$dir/libfrit_rt.so" 153600
python3 tests/export/test_export.py sizes

command -v ld.lld > /dev/null || { echo "no frit with LLVM inside: there is no ld.lld"; exit 0; }
cmake --build "$FRIT_BUILD" --target help | grep -q '\bfrit_with_llvm\b' || { echo "no frit with LLVM inside: no archives of LLVM"; exit 0; }
cmake --build "$FRIT_BUILD" --target frit_with_llvm > "$dir/log" 2>&1 || { cat "$dir/log"; fail "frit_with_llvm does not link"; }
report "$FRIT_BUILD/tools/frit_with_llvm" 104857600
ldd "$FRIT_BUILD/tools/frit_with_llvm" | grep -q LLVM && fail "frit_with_llvm needs libLLVM"
FRIT_CACHE=off "$FRIT_BUILD/tools/frit_with_llvm" run -q docs/examples/digits.frit --check
