#!/bin/sh
# From a fresh machine to a result: installs what is missing, builds frit, compiles the MiniLM sentence encoder and runs
# it on four tokenised texts; the embeddings are compared with ONNX Runtime's. Where its weights cannot be downloaded,
# the digits example runs on weights made from a seed instead.
set -eu
cd "$(dirname "$0")/.."
tools/setup.sh
cmake --preset release >build.log 2>&1 || { cat build.log; exit 3; }
cmake --build build --target frit >>build.log 2>&1 || { cat build.log; exit 3; }
rm -f build.log
frit=build/tools/frit
if python3 tests/models/minilm_fetch.py build/minilm; then
    set -x
    $frit run docs/examples/minilm.frit -w build/minilm -i tests/models/minilm_3_in.npz \
        --expect tests/models/minilm_3_out.npz --rtol 0 --atol 2e-6
else
    set -x
    $frit run docs/examples/digits.frit --check
fi
