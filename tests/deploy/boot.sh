#!/usr/bin/env bash
# Usage: tests/deploy/boot.sh ARCHIVE S3-SERVER
# Runs what an instance of deploy/template.yaml runs, from its user data to its shutdown, in a bare Debian 12 that has
# bash, coreutils, tar and curl and none of Rust or Python. S3 and the metadata service are those of tests/s3-server on
# 127.0.0.1. boot.py says what is checked.
#
# The root folder is made once, in $FRUITS_TEST_ROOT or the user's cache folder, and copied for each test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# skip MISSING REASON
skip() {
    python3 tests/skips.py "$1" test-deploy "$2"
    exit 0
}

archive=$(realpath "$1") server=$(realpath "$2") suite=bookworm
if [ ! -f "$archive" ] || [ ! -x "$server" ]; then
    echo "test-deploy: error: $archive or $server is not there: run \`make test-deploy\`, which makes both" >&2
    exit 1
fi
root=${FRUITS_TEST_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/fruits/$suite-minbase}

[ "$(id -u)" -eq 0 ] || skip root "only root can change the root folder; run it as root"
command -v debootstrap >/dev/null || skip debootstrap "there is no debootstrap: apt-get install debootstrap"
unshare --mount --pid --fork true 2>/dev/null || skip namespaces "root may make no namespaces here, as in some containers"

if [ ! -d "$root" ]; then
    mirror=$(apt-get indextargets --format "\$(CODENAME) \$(REPO_URI)" 'Created-By: Packages' |
        awk -v suite=$suite '$1 == suite { print $2; exit }')
    [ -n "$mirror" ] || skip debian "apt has no source of Debian $suite on this machine, and $root is not there"
    echo "test-deploy: making a bare Debian in $root, once"
    mkdir -p "$(dirname "$root")"
    partial=$(mktemp -d "$root.partial-XXXXXX")
    chmod 755 "$partial"
    debootstrap --variant=minbase --include=curl,ca-certificates "$suite" "$partial" "$mirror" >"$partial.log" 2>&1 ||
        { tail -n 5 "$partial.log" >&2; echo "test-deploy: error: debootstrap failed, see $partial.log" >&2; exit 1; }
    rm "$partial.log"
    mv "$partial" "$root"
fi

python=$(tests/deploy/venv.sh)
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
trap exit INT TERM
cp -a --reflink=auto "$root" "$work/root"
# In namespaces of their own, every mount and every process of the test ends with it, even when it is killed.
unshare --mount --pid --fork --kill-child --mount-proc \
    env PYTHONDONTWRITEBYTECODE=1 "$python" tests/deploy/boot.py "$work" "$archive" "$server"
