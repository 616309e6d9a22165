#!/bin/sh
# Installs what is missing, builds frit and runs its tests. Packages of Python that cannot be had are left out; the tests
# that need them are then skipped and say so. Arguments go to ctest.
set -eu
cd "$(dirname "$0")/.."
tools/setup.sh --tests
cmake --preset release
cmake --build build
if [ ! -e build/venv/ready ]; then
    python3 -m venv build/venv
    if build/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt; then
        touch build/venv/ready
    else
        echo "test: some Python packages are missing; tests that need them are skipped" >&2
    fi
fi
exec ctest --test-dir build --output-on-failure --no-tests=error -j "$(nproc)" "$@"
