#!/bin/sh
# run.sh WHAT: kernels as text, by the compilers that are here; 77 and a reason where one is missing.
#   c       C by tcc, gcc, g++ and clang, run through the runtime and compared with the interpreter
#   cuda    CUDA text on the host, in several orders of threads, copies early and late
#   wave    HIP text on the host, for processors with waves of 64 and of 32 threads
#   races   the same, watched for races; every barrier of a kernel is missed when it is left out
#   waits   every wait of a kernel for copies and for the tensor core is missed when it is left out, whether what it waits for
#           comes early or late
#   bounds  the same under AddressSanitizer and UBSan
#   nvrtc   NVRTC compiles it for several processors
#   hip     clang compiles HIP text for several processors
set -e
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$FRIT_BUILD/tests/emulate
sizes="B=5 N=37 K=20 S=6 T=9 E=8"

skip() {
    echo "skipped: $1"
    exit 77
}
need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }
tensor() { "$FRIT_BIN/frit" compile "$here/$1.frit" --emit tensor -o "$work/$1.fir"; }
run() { # PROGRAM: expects `ok`
    "$bin/run_fir_text" -g "$work/$1.fir" $sizes | tee "$work/out"
    grep -q ': ok,' "$work/out"
}
first_of() { # the first of these commands that there is
    for c in "$@"; do
        command -v "$c" >/dev/null && echo "$c" && return
    done
    return 0
}
emulation() { # TARGET: builds what emulates
    clang=$(first_of clang-19 clang-22 clang-21 clang-20 clang)
    [ -n "$clang" ] || skip "clang is not installed"
    root=$here/../..
    "$clang" -O2 -fPIC -I"$root" -c "$here/emulate.cc" -o "$work/emulate.o"
    "$clang" -O2 -fPIC -I"$root" -c "$root/ir/atom.c" -o "$work/atom.o"
    export TEXT_TARGET="$1" TEXT_MORE="$work/emulate.o $work/atom.o"
    export TEXT_CC="$clang -O1 -ffp-contract=off -Wno-unknown-attributes -Wno-ignored-attributes -I$here"
}

case $1 in
c)
    tensor known
    for cc in tcc "gcc -O2" "g++ -O2" "clang-19 -O2"; do
        command -v "${cc%% *}" >/dev/null || { echo "no ${cc%% *} here"; continue; }
        echo "$cc"
        TEXT_CC="$cc" run known
    done
    need tcc
    for group in casts "elementwise elementwise_f32" "elementwise elementwise_bf16" "elementwise elementwise_i8"; do
        TEXT_CC=tcc "$bin/matrix_text" -f $group
    done
    ;;
cuda)
    emulation cuda:sm_80
    tensor known
    EMULATE_COPIES=late EMULATE_ORDER=2 run known
    tensor small
    EMULATE_COPIES=early EMULATE_ORDER=1 run small
    emulation cuda:sm_90a
    EMULATE_COPIES=late EMULATE_ORDER=3 run small
    tensor roles
    EMULATE_COPIES=late EMULATE_ORDER=2 run roles
    EMULATE_COPIES=early EMULATE_ORDER=1 run roles
    ;;
wave)
    for gfx in gfx90a gfx942 gfx1100 gfx1201; do
        emulation hip:$gfx
        tensor small
        EMULATE_ORDER=2 run small
    done
    emulation hip:gfx942
    tensor known
    EMULATE_ORDER=1 run known
    ;;
races)
    emulation cuda:sm_80
    export TEXT_CC="$TEXT_CC -fsanitize=thread"
    tensor small
    n=1
    while :; do
        for N in 37 36; do # rows that are no whole vectors, and such that are; several tasks to a block
            sizes="B=37 N=$N K=20"
            [ "$n" -gt 1 ] || run small
            TEXT_DROP="__syncthreads()" TEXT_DROP_NUMBER=$n "$bin/run_fir_text" -g "$work/small.fir" $sizes >"$work/out$N" 2>&1 || :
        done
        grep -q 'the text has only' "$work/out36" && break
        cat "$work/out36" "$work/out37" >"$work/out"
        grep -o 'a race.*' "$work/out" || { echo "barrier $n is not missed"; cat "$work/out"; exit 1; }
        n=$((n + 1))
    done
    [ "$n" -gt 3 ]
    ;;
waits)
    misses() { # PROGRAM CALL: leaves out one after another
        n=1
        while :; do
            for copies in late early; do
                EMULATE_COPIES=$copies TEXT_DROP=$2 TEXT_DROP_NUMBER=$n timeout 60 "$bin/run_fir_text" -g "$work/$1.fir" $sizes >"$work/out" 2>&1 ||:
                grep -q ': ok,' "$work/out" || break
            done
            grep -q 'the text has only' "$work/out" && break
            grep -q ': ok,' "$work/out" && { echo "$2 number $n is not missed"; exit 1; }
            echo "$2 number $n, $copies: $(grep -e emulate: -e output "$work/out" | head -n 1 | cut -c 1-150)"
            n=$((n + 1))
        done
        [ "$n" -gt 1 ]
    }
    sizes=
    emulation cuda:sm_80
    tensor waits
    EMULATE_COPIES=late run waits
    misses waits "copy_wait<"
    emulation cuda:sm_90a
    EMULATE_COPIES=late run waits
    misses waits "wgmma_wait<"
    misses waits "mbarrier_wait("
    ;;
bounds)
    emulation cuda:sm_80
    asan=$("$clang" -print-file-name=libclang_rt.asan-x86_64.so)
    [ -f "$asan" ] || skip "clang has no shared AddressSanitizer"
    export TEXT_CC="$TEXT_CC -fsanitize=address,undefined -fno-sanitize-recover=all -shared-libasan"
    tensor small
    LD_PRELOAD=$asan ASAN_OPTIONS=detect_leaks=0 run small
    ;;
nvrtc)
    for what in sm_80,known sm_75,small sm_90a,small sm_90a,roles; do
        sm=${what%,*}
        "$FRIT_BIN/frit" compile "$here/${what#*,}.frit" -t cuda:$sm+nvrtc -o "$work/k.fpk" 2>"$work/log" || {
            grep -q 'libnvrtc' "$work/log" && skip "libnvrtc is not here"
            cat "$work/log"
            exit 1
        }
        echo "$sm: $(wc -c <"$work/k.fpk") bytes"
    done
    ;;
hip)
    clang=$(first_of clang-22 clang-19)
    [ -n "$clang" ] || skip "neither clang-22 nor clang-19 is installed"
    for gfx in gfx90a gfx942 gfx950 gfx1100 gfx1201; do
        [ "$gfx $clang" = "gfx950 clang-19" ] && continue
        "$FRIT_BIN/frit" compile "$here/$([ $gfx = gfx942 ] && echo known || echo small).frit" -t hip:$gfx --emit hip -o "$work/k.hip"
        "$clang" -x hip --offload-device-only --no-gpu-bundle-output --offload-arch=$gfx -nogpuinc -nogpulib -Wall -Werror -O2 -S \
            "$work/k.hip" -o "$work/k.s"
        echo "$gfx: $(grep -c 'amdhsa_kernel ' "$work/k.s") kernels"
    done
    ;;
*) exit 2 ;;
esac
