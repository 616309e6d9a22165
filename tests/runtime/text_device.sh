#!/bin/sh
# text_device.sh FAKE: whole models through the CUDA driver: CUDA C text, compiled for this machine under the emulation of the
# dialect, behind the stand-in for libcuda in the folder FAKE; outputs against the interpreter.
set -eu
here=$(dirname "$0")
clang=${FRIT_CLANG:-$(command -v clang-19 || command -v clang || true)}
[ -n "$clang" ] || { echo "skipped: no clang here"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf '#include <math.h>\nint main(void) { return (int)(_Float16)0; }\n' > "$dir/t.cc"
"$clang" -x c++ "$dir/t.cc" -o "$dir/t" 2> /dev/null || { echo "skipped: $clang compiles no C++ with _Float16"; exit 77; }
export FRIT_CLANG="$clang" FRIT_CACHE=off LD_LIBRARY_PATH="$1" FAKE_GPU_TEXT="python3 $here/text_image.py"
failed=0
target=cuda:sm_80+source
run() {
    if "$FRIT_BIN/frit" run "$@" -t $target --check > "$dir/log" 2>&1; then echo "ok      $*"; else
        echo "FAILED  $*"
        tail -20 "$dir/log"
        failed=1
    fi
}
models=tests/gpu_device/models
run $models/add.frit -D N=1003
run $models/softmax.frit -D R=7 -D C=131
run $models/matmul.frit -D M=33 -D K=40 -D N=21
run $models/linear.frit -D B=3
run $models/attention.frit -D B=1 -D H=2 -D S=9 -D T=17
run $models/conv.frit -D N=1 -D H=7 -D W=5
run $models/counter.frit
run docs/examples/digits.frit -D B=5
run docs/examples/mlp.frit -D B=2
target=cuda:sm_90a+source # tensor maps, made by the driver
run $models/matmul.frit -D M=33 -D K=40 -D N=21
run tests/emulate/roles.frit -D B=70
exit $failed
