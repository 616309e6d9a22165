#!/bin/sh
# The pages of docs/ that are made from tables are up to date (`cmake --build build --target docs` makes them so).
status=0
for page in ops errors options; do
    if ! "$FRIT_BIN/docgen" $page | diff -u "docs/$page.md" - >/dev/null; then
        echo "docs/$page.md differs from what docgen makes"
        status=1
    fi
done
if ! "$FRIT_BIN/docgen" api runtime/frit.h runtime/dtype.h frontend/frit_compiler.h | diff -u docs/api.md - >/dev/null; then
    echo "docs/api.md differs from what docgen makes of the headers"
    status=1
fi
exit $status
