#!/bin/sh
# static.sh [FOLDER]: a frit that needs no LLVM, compiler or library on the machine that it runs on but the C library: LLVM
# is linked in, what is not used of it left out. FOLDER (default build-static) then holds frit.xz, the command alone (besides cJSON), and
# frit.tar.xz: the command, libfrit_rt.so, the test programs, which share one LLVM, and what is run on real devices
# (tests/gpu_device). It says how large everything is.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build-static}
for tool in cmake ctest ninja ld.lld xz strip python3; do
    command -v $tool > /dev/null || { echo "static: $tool is missing (see tools/setup.sh; ld.lld is in lld-19)" >&2; exit 3; }
done
archive() { # the static library NAME, or nothing
    for folder in /usr/lib/"$(uname -m)"-linux-gnu /usr/lib /usr/lib64; do
        [ ! -f "$folder/lib$1.a" ] || { echo "$folder/lib$1.a"; return; }
    done
}
set -- -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_FLAGS_RELEASE=-O2 -DNDEBUG"
command -v ccache > /dev/null && set -- "$@" -DCMAKE_C_COMPILER_LAUNCHER=ccache
[ -z "$(archive z)" ] || set -- "$@" -DFRIT_SYSTEM_z="$(archive z)" -DZLIB_LIBRARY="$(archive z)"
[ -z "$(archive zstd)" ] || set -- "$@" -DFRIT_SYSTEM_zstd="$(archive zstd)"
# shellcheck disable=SC2016
cmake -S . -B "$out" -G Ninja "$@" -DFRIT_STDCXX=-l:libstdc++.a -DCMAKE_C_FLAGS="-ffunction-sections -fdata-sections" \
    -DCMAKE_EXE_LINKER_FLAGS='-fuse-ld=lld -Wl,--gc-sections,--icf=all -static-libgcc' \
    '-DCMAKE_INSTALL_RPATH=$ORIGIN/../lib;$ORIGIN/../../lib;$ORIGIN/../../../lib' -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON \
    > "$out.log" 2>&1 || { cat "$out.log"; exit 1; }
rm -f "$out.log"
programs="tools/frit tests/compile/matrix tests/random/random_graphs tests/models/generate tests/gpu_device/launch
    tests/gpu_device/twins tests/gpu/bin/frit tests/gpu/bin/generate tests/gpu/frit_mutate tests/gpu/test_gpu_exec
    tests/gpu/test_gpu_atoms tests/gpu/test_gpu_wgmma tests/gpu/test_gpu_async tests/gpu/test_gpu_products"
# shellcheck disable=SC2086
ninja -C "$out" frit_with_llvm frit_rt_shared $programs
rm -rf "$out/frit" "$out/shared" "$out/frit.tar.xz"
built=$out/frit/build
mkdir -p "$built/lib" "$out/frit/docs" "$out/frit/tests"
for program in $programs; do
    mkdir -p "$built/$(dirname "$program")"
    strip --strip-all -o "$built/$program" "$out/$program"
done
strip --strip-unneeded -o "$built/lib/libfrit_rt.so.1" "$(ls -1 "$out"/runtime/libfrit_rt.so* | head -1)"
ln -s build/tools/frit "$out/frit/frit"
# The part of LLVM that these programs call, from its archives, under the name by which they look for it.
name=$(basename "$(sed -n 's/^.*FRIT_LLVM_LIBRARY=\\"\([^\\]*\)\\".*/\1/p' "$out/build.ninja" | head -1)")
functions=$(sed -n 's/FUNCTION(\(.*\))/\1/p' "$out/codegen/llvm_functions.def")
{ echo "{ global:"; for f in $functions; do echo "$f;"; done; echo "local: *; };"; } > "$out/llvm.map"
for f in $functions; do echo "-Wl,-u,$f"; done > "$out/llvm.undefined"
# shellcheck disable=SC2046
cc -shared -fuse-ld=lld -s -o "$built/lib/$name" -Wl,-soname,"$name" -Wl,--gc-sections,--icf=all -static-libgcc \
    -Wl,--version-script="$out/llvm.map" "@$out/llvm.undefined" \
    $(sed -n 's/^FRIT_LLVM_ARCHIVES:INTERNAL=//p' "$out/CMakeCache.txt" | tr ';' ' ') -lm -lpthread -ldl
# Libraries besides the C library's that could not be linked in travel along.
for program in $programs; do ldd "$out/$program"; done | awk '$3 ~ /^\// { print $1, $3 }' | sort -u | while read -r name path; do
    case $name in libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*) ;; *) cp -L "$path" "$built/lib/$name" ;; esac
done
for folder in compile emulate gpu gpu_device models random; do cp -r "tests/$folder" "$out/frit/tests/"; done
cp -r docs/examples "$out/frit/docs/"
(cd "$out" && ctest --show-only=json-v1 -L '^gpu$') | python3 tests/gpu_device/pack_tests.py "$PWD" "$PWD/$out" > "$built/tests.json"
contents=frit
if [ -d ../shared/data/stories260K ]; then # what tests/models/test_stories.py reads, where it looks for it
    mkdir -p "$out/shared/data"
    cp -r ../shared/data/stories260K "$out/shared/data/"
    contents="frit shared"
fi
# shellcheck disable=SC2086
tar -C "$out" -cf - $contents | xz -6 -T0 > "$out/frit.tar.xz"
strip --strip-all -o "$out/frit.alone" "$out/tools/frit_with_llvm"
xz -6 -T0 -f -c "$out/frit.alone" > "$out/frit.xz"
echo "the command alone needs:"
ldd "$out/frit.alone" | sed 's/(0x.*//'
for file in "$out/frit.alone" "$out/frit.xz" "$built/lib/libfrit_rt.so.1" "$built/lib/$name" "$out/frit.tar.xz"; do
    printf '%-40s %10d bytes\n' "$file" "$(wc -c < "$file")"
done
