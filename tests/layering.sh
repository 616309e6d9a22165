#!/bin/sh
# Rejects #includes that go against the arrows between the folders:
#   frontend -> passes, codegen, ir, runtime    passes -> ir       codegen -> passes, ir, runtime
#   ir -> runtime/dtype.h alone                 runtime -> nothing  tools -> everything
# codegen/llvm is the one place that may include LLVM's headers; runtime includes the C library alone.
cd "$(dirname "$0")/.." || exit 1
status=0

# Lines "file:line:folder/header" of the #includes in a folder that name a path from the project's root.
rooted() {
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"(frontend|passes|codegen|ir|runtime|tools|tests)/' "$1" \
        --include='*.[chly]' --include='*.def' | sed -E 's/^([^:]+:[0-9]+):.*"([^"]+)".*/\1:\2/'
}

# allow FOLDER PATTERN: what a folder may include besides itself.
allow() {
    bad=$(rooted "$1" | grep -vE ":($1/$2)")
    if [ -n "$bad" ]; then
        echo "$bad" | sed "s|^|not allowed in $1/: |"
        status=1
    fi
}

allow runtime ''
allow ir '|runtime/dtype\.(h|def)$'
allow passes '|ir/|runtime/dtype\.h$'
allow codegen '|passes/|ir/|runtime/'
allow frontend '|codegen/|passes/|ir/|runtime/'

# No way around through relative paths.
if grep -rnE '#[[:space:]]*include[[:space:]]+"\.\.' frontend passes codegen ir runtime tools tests --include='*.[chly]'; then
    echo "relative #includes hide the arrows"
    status=1
fi
if grep -rnE '#[[:space:]]*include[[:space:]]+<llvm' frontend passes ir runtime tools tests codegen --include='*.[ch]' |
    grep -v '^codegen/llvm/'; then
    echo "LLVM's headers belong to codegen/llvm"
    status=1
fi
exit $status
