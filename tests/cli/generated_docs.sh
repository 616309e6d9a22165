#!/bin/sh
# The pages of docs/ that are made from tables are up to date (`cmake --build build --target docs` makes them so).
status=0
for page in ops errors options; do
    if ! "$FRIT_BIN/docgen" $page | diff -u "docs/$page.md" - >/dev/null; then
        echo "docs/$page.md differs from what docgen makes"
        status=1
    fi
done
exit $status
