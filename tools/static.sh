#!/bin/sh
# static.sh [FOLDER]: a frit that needs no LLVM, compiler or library on the machine that it runs on but the C library: LLVM
# is linked in, what is not used of it left out. FOLDER (default build-static) then holds frit.tar.xz, with the command,
# libfrit_rt.so, the test programs and what is run on real devices (tests/gpu_device); it says how large everything is.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build-static}
for tool in cmake ninja ld.lld xz strip; do
    command -v $tool > /dev/null || { echo "static: $tool is missing (see tools/setup.sh; ld.lld is in lld-19)" >&2; exit 3; }
done
archive() { # the static library NAME, or nothing
    for folder in /usr/lib/"$(uname -m)"-linux-gnu /usr/lib /usr/lib64; do
        [ ! -f "$folder/lib$1.a" ] || { echo "$folder/lib$1.a"; return; }
    done
}
set -- -DFRIT_LLVM_STATIC=ON -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_FLAGS_RELEASE=-O2 -DNDEBUG"
command -v ccache > /dev/null && set -- "$@" -DCMAKE_C_COMPILER_LAUNCHER=ccache
[ -z "$(archive z)" ] || set -- "$@" -DFRIT_SYSTEM_z="$(archive z)" -DZLIB_LIBRARY="$(archive z)"
[ -z "$(archive zstd)" ] || set -- "$@" -DFRIT_SYSTEM_zstd="$(archive zstd)"
# shellcheck disable=SC2016
cmake -S . -B "$out" -G Ninja "$@" -DFRIT_STDCXX=-l:libstdc++.a -DCMAKE_C_FLAGS="-ffunction-sections -fdata-sections" \
    -DCMAKE_EXE_LINKER_FLAGS='-fuse-ld=lld -Wl,--gc-sections,--icf=all -static-libgcc' \
    -DCMAKE_INSTALL_RPATH='$ORIGIN' -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON > "$out.log" 2>&1 || { cat "$out.log"; exit 1; }
rm -f "$out.log"
tests="tests/compile/matrix tests/random/random_graphs tests/models/generate tests/gpu_device/launch tests/gpu_device/twins"
# shellcheck disable=SC2086
ninja -C "$out" frit frit_rt_shared $tests
rm -rf "$out/frit" "$out/shared" "$out/frit.tar.xz"
mkdir -p "$out/frit/tests" "$out/frit/docs"
strip --strip-all -o "$out/frit/frit" "$out/tools/frit"
strip --strip-unneeded -o "$out/frit/libfrit_rt.so" "$(ls -1 "$out"/runtime/libfrit_rt.so* | head -1)"
for program in $tests; do strip --strip-all -o "$out/frit/$(basename $program)" "$out/$program"; done
cp -r tests/gpu_device tests/models "$out/frit/tests/"
cp -r docs/examples "$out/frit/docs/"
contents=frit
if [ -d ../shared/data/stories260K ]; then # what tests/models/test_stories.py reads, where it looks for it
    mkdir -p "$out/shared/data"
    cp -r ../shared/data/stories260K "$out/shared/data/"
    contents="frit shared"
fi
# Libraries besides the C library's that could not be linked in travel along.
ldd "$out/frit/frit" | awk '$3 ~ /^\// { print $1, $3 }' | while read -r name path; do
    case $name in libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*) ;; *) cp -L "$path" "$out/frit/$name" ;; esac
done
# shellcheck disable=SC2086
tar -C "$out" -cf - $contents | xz -6 -T0 > "$out/frit.tar.xz"
xz -6 -T0 -k -f "$out/frit/frit" && mv "$out/frit/frit.xz" "$out/frit.xz"
echo "needs:"
ldd "$out/frit/frit" | sed 's/(0x.*//'
for file in "$out/frit/frit" "$out/frit.xz" "$out/frit/libfrit_rt.so" "$out/frit.tar.xz"; do
    printf '%-40s %10d bytes\n' "$file" "$(wc -c < "$file")"
done
