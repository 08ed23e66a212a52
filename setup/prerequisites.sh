#!/bin/sh
# Usage: setup/prerequisites.sh [cargo] [cc] [python]    (default: all)
# One sentence for each thing that is missing, with the command that installs it; exit status 1 if there is any.
# POSIX sh, so that it runs where nothing else is installed yet.
set -u

root=$(dirname "$0")/..
missing=0

lacks() {
    printf 'prerequisites: error: %s\n' "$1" >&2
    missing=1
}

# at_least HAVE WANT: compares major.minor
at_least() {
    have_major=${1%%.*} have_rest=${1#*.} want_major=${2%%.*} want_rest=${2#*.}
    have_minor=${have_rest%%.*} want_minor=${want_rest%%.*}
    [ "$have_major" -gt "$want_major" ] || { [ "$have_major" -eq "$want_major" ] && [ "$have_minor" -ge "$want_minor" ]; }
}

check_cargo() {
    want=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$root/Cargo.toml")
    if ! command -v cargo >/dev/null 2>&1; then
        lacks "cargo is not on the PATH and Rust $want or later is needed: install rustup (apt-get install rustup on Debian 13 or Ubuntu 24.04, Rust's own installer elsewhere), then run \`rustup default stable\`"
        return
    fi
    have=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
    if [ -z "$have" ]; then
        lacks "cargo is on the PATH but has no toolchain, and Rust $want or later is needed: run \`rustup default stable\`"
    elif ! at_least "$have" "$want"; then
        lacks "cargo is $have and $want or later is needed: run \`rustup update stable && rustup default stable\`"
    fi
}

check_cc() {
    command -v cc >/dev/null 2>&1 ||
        lacks "there is no C compiler \`cc\`, which links every Rust program: run \`apt-get install build-essential\` (Debian, Ubuntu)"
}

check_python() {
    if ! command -v python3 >/dev/null 2>&1; then
        lacks "there is no \`python3\`, which set-up runs on: run \`apt-get install python3 python3-venv\` (Debian, Ubuntu)"
        return
    fi
    have=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
    if [ -z "$have" ]; then
        lacks "\`python3\` is on the PATH but does not start: run \`apt-get install --reinstall python3\` (Debian, Ubuntu)"
    elif ! at_least "$have" 3.9; then
        lacks "python3 is $have and set-up needs 3.9 or later: install a newer one (Debian 11, Ubuntu 22.04 or later have it)"
    elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        lacks "python3 has no working venv module, which set-up downloads with: run \`apt-get install python3-venv\` (Debian, Ubuntu)"
    fi
}

[ $# -gt 0 ] || set -- cargo cc python
for name in "$@"; do
    case $name in
    cargo | cc | python) "check_$name" ;;
    *) lacks "there is no check called $name: the checks are cargo, cc, python" ;;
    esac
done
exit $missing
