#!/usr/bin/env bash
# Prints the Python of an environment with what requirements.txt pins, and makes it first if it is not there:
# $FRUITS_DEPLOY_VENV, else deploy-venv in the user's cache folder, so outside the checkout.
set -euo pipefail

requirements=$(dirname "${BASH_SOURCE[0]}")/requirements.txt
venv=${FRUITS_DEPLOY_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/fruits/deploy-venv}
made_from=$venv/requirements.txt

if ! cmp -s "$requirements" "$made_from"; then
    if ! python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "deploy: error: cfn-lint needs Python 3.11 or later with venv: apt-get install python3-venv" >&2
        exit 1
    fi
    echo "deploy: making $venv" >&2
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
        --require-hashes --requirement "$requirements" >&2
    cp "$requirements" "$made_from" # last: the mark that all of it is there
fi
echo "$venv/bin/python"
