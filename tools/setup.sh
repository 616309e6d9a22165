#!/bin/sh
# Installs what building frit needs on Debian 12, 13 or Ubuntu 24.04 (with --tests also what its tests need), as root or
# through sudo. What is installed already is left alone; when nothing is missing, nothing is asked of the network.
set -eu

packages="cmake ninja-build gcc libc6-dev flex bison zlib1g-dev libcjson-dev libcmocka-dev"
packages="$packages python3 python3-pip python3-venv ca-certificates"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        echo "setup: run this as root, or install sudo" >&2
        exit 3
    fi
}

# The network of a fresh machine may need a moment.
retry() {
    for pause in 2 5 10 20; do
        "$@" && return 0
        echo "setup: '$*' failed; trying again in $pause s" >&2
        sleep "$pause"
    done
    "$@"
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# The first of the supported versions that is installed, else that can be installed.
llvm_version() {
    for v in 19 20 21 22; do
        if installed "llvm-$v-dev"; then echo "$v"; return; fi
    done
    for v in 19 20 21 22; do
        if apt-cache show "llvm-$v-dev" >/dev/null 2>&1; then echo "$v"; return; fi
    done
}

missing() {
    for p in $packages; do
        installed "$p" || printf ' %s' "$p"
    done
}

choose() {
    version=$(llvm_version)
    [ -z "$version" ] || packages="$packages llvm-$version-dev"
    if [ "${1-}" = --tests ] && [ -n "$version" ]; then
        packages="$packages llvm-$version-tools g++ pkg-config luajit tcc clang-$version lld-$version"
    fi
}

if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here: install $packages and llvm-19-dev by hand" >&2
    exit 3
fi
plain=$packages
choose "${1-}"
if [ -z "${version-}" ] || [ -n "$(missing)" ]; then
    retry as_root apt-get -qq update
    packages=$plain
    choose "${1-}"
    if [ -z "$version" ]; then
        echo "setup: this system has no llvm-19-dev, 20, 21 or 22" >&2
        exit 3
    fi
    wanted=$(missing)
    if [ -n "$wanted" ]; then
        echo "setup: installing$wanted"
        # shellcheck disable=SC2086
        retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $wanted >/dev/null
    fi
fi
