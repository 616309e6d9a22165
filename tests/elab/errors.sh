#!/bin/sh
# errors.sh ELAB_DUMP [FILE...]: each file of tests/elab/errors has mistakes; a comment "# expect: CODE" on a line says
# which code is reported there, "# help: TEXT" what the help of some report says. All reports are expected, and all expected
# ones are reported.
tool=$1
shift
[ $# -gt 0 ] || set -- "$(dirname "$0")"/errors/*.frit
failed=0
for file in "$@"; do
    want=$(grep -n '# expect: ' "$file" | sed 's/^\([0-9]*\):.*# expect: \([EW][0-9]*\).*/\1 \2/' | sort)
    timeout 20 "$tool" -q "$file" 2>/tmp/errors.$$ >/dev/null
    status=$?
    got=$(grep -E '^[^ ]+:[0-9]+:[0-9]+: (error|warning)\[' /tmp/errors.$$ |
        sed -E 's/^[^:]+:([0-9]+):[0-9]+: (error|warning)\[([EW][0-9]+)\].*/\1 \3/' | sort)
    missing=$(sed -n 's/.*# help: //p' "$file" | while IFS= read -r text; do
        grep -qF "= help: $text" /tmp/errors.$$ || echo "no help: $text"
    done)
    case $want in *E*) expected=1 ;; *) expected=0 ;; esac
    if [ "$want" != "$got" ] || [ $status -ne $expected ] || [ -n "$missing" ]; then
        failed=$((failed + 1))
        echo "FAIL $file (status $status)"
        echo "  want: $want"
        echo "  got:  $got"
        echo "  $missing"
        sed 's/^/  | /' /tmp/errors.$$
    fi
done
rm -f /tmp/errors.$$
echo "$failed of $# files failed"
[ $failed -eq 0 ]
