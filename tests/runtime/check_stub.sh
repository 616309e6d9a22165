#!/bin/sh
# check_stub.sh TEST STUB: the CUDA driver with the toolkit's stub in the place of libcuda.so.1 says that it is one.
set -eu
[ -f "${2:-}" ] || { echo "skipped: no CUDA toolkit with stubs/libcuda.so here"; exit 77; }
# Every function that the driver looks for is one that libraries have.
names=$(nm -D --defined-only "$2" | awk '{ print $3 }')
for name in $(grep -o '"cu[A-Z][A-Za-z0-9_]*"' runtime/gpu.def | tr -d '"'); do
    echo "$names" | grep -qx "$name" || { echo "the toolkit's stub has no $name"; exit 1; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$2" "$folder/libcuda.so.1"
text=$(LD_LIBRARY_PATH=$folder "$1" 2>&1)
echo "$text"
case $text in *"stub of the driver's library"*"install NVIDIA's driver"*) ;; *) exit 1 ;; esac
