#!/bin/sh
# Follows docs/add-a-target.md: its commands run in a copy of the files they name, and the target that they make compiles a
# kernel.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
mkdir "$at/codegen"
cp -r "$root/codegen/null" "$root/codegen/target.c" "$root/codegen/CMakeLists.txt" "$at/codegen"
sed -n '/^```sh$/,/^```$/p' "$root/docs/add-a-target.md" | sed '/^```/d' > "$at/commands"
(cd "$at" && sh -eu commands)
grep -q 'toy/\*\.c' "$at/codegen/CMakeLists.txt"
# The changed list of targets stands before the library's own, which then leaves its out.
build=$FRIT_BUILD
cc -std=c17 -D_GNU_SOURCE -O1 -Wall -Wextra -Wno-unused-parameter -Werror -iquote "$at" -iquote "$at/codegen" \
    -iquote "$root/codegen" -I "$root" "$root/tests/codegen/gpu_code.c" "$at/codegen/target.c" "$at/codegen/toy/toy.c" \
    "$build/codegen/libfrit_codegen.a" "$build/passes/libfrit_passes.a" "$build/ir/libfrit_ir.a" \
    "$build/runtime/libfrit_rt.a" ${FRIT_LINK-} -lm -ldl -lpthread -o "$at/gpu_code"
"$at/gpu_code" toy:block code "$root/tests/ir/fir/threads.fir" | grep -q '^func thread @block'
"$at/gpu_code" toy ptx "$root/tests/ir/fir/threads.fir" 2>&1 | grep -q "target 'toy' has no form 'ptx'"
"$at/gpu_code" null code "$root/tests/ir/fir/threads.fir" > /dev/null
echo "the target of docs/add-a-target.md compiles"
