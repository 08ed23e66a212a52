#!/bin/sh
# Opens JupyterLab on notebooks/, with what setup/notebook.py installed. Arguments go to `jupyter lab`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=$(python3 "$root/setup/notebook.py" --python)

# A relative folder starts where the user is, but a notebook runs in its own.
for name in FRUITS_INPUT FRUITS_OUT FRUITS_COPY FRUITS_RUNTIME; do
    value=$(printenv "$name" || :)
    case $value in
    '' | /* | s3:* | S3:*) ;;
    *) export "$name=$PWD/$value" ;;
    esac
done
if [ -n "${FRUITS_INPUT-}" ] && [ "${FRUITS_INPUT#[sS]3:}" = "$FRUITS_INPUT" ] && [ ! -d "$FRUITS_INPUT" ]; then
    echo "notebook: error: there is no folder \`$FRUITS_INPUT\`, which FRUITS_INPUT names" >&2
    exit 1
fi
# Jupyter refuses to run as root, as one does in a container, unless it is told that this is meant.
[ "$(id -u)" -ne 0 ] || set -- --allow-root "$@"
# Of two kernels named Rust, the one of this project.
export JUPYTER_PREFER_ENV_PATH=1
exec "$python" -m jupyter lab --notebook-dir="$root/notebooks" "$@"
