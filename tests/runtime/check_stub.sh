#!/bin/sh
# check_stub.sh TEST STUB: the CUDA driver with the toolkit's stub in the place of libcuda.so.1 says that it is one.
set -eu
[ -f "${2:-}" ] || { echo "skipped: no CUDA toolkit with stubs/libcuda.so here"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$2" "$folder/libcuda.so.1"
text=$(LD_LIBRARY_PATH=$folder "$1" 2>&1)
echo "$text"
case $text in *"stub of the driver's library"*"install NVIDIA's driver"*) ;; *) exit 1 ;; esac
