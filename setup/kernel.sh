#!/bin/sh
# Starts the Rust kernel for the notebooks: start.sh KERNEL CONNECTION_FILE, with FRUITS_LIBRARY in the environment.
set -eu
kernel=$1 connection_file=$2

say() { printf 'kernel: %s\n' "$1" >&2; }
[ -x "$kernel" ] || { say "there is no evcxr at \`$kernel\`: run \`make notebook\` again"; exit 1; }
[ -f "$FRUITS_LIBRARY/rustc.txt" ] || { say "there is no library at \`$FRUITS_LIBRARY\`: run \`make notebook\` again"; exit 1; }

# A folder for this kernel alone: cells are compiled in it. A lock is held on it while the kernel lives; one that is killed
# leaves its folder to the next one. It has its last name only once it is locked.
parent=${TMPDIR:-/tmp}
for old in "$parent"/fruits-kernel-*; do
    if [ -O "$old/lock" ] && flock -n "$old/lock" true; then rm -rf "$old" || :; fi
done
# One that was killed before that has none; nobody takes minutes to it.
find "$parent" -maxdepth 1 -name 'fruits-starting-*' -user "$(id -u)" -mmin +5 -exec rm -rf {} + || :
starting=$(mktemp -d "$parent/fruits-starting-XXXXXX")
exec 9>"$starting/lock"
flock 9
folder=$parent/fruits-kernel-${starting##*-}
mv "$starting" "$folder"
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM
# The library stays on the disk while this is held (notebook.py).
exec 8<"$FRUITS_LIBRARY/rustc.txt"
flock -s 8
# Jupyter interrupts the whole process group. Only the library listens (src/notebook/interrupt.rs).
trap '' INT
# Its settings come from notebooks/evcxr.toml alone, not from the user's own evcxr.
export EVCXR_TMPDIR="$folder" EVCXR_CONFIG_DIR="$folder"
# evcxr renews a kernel named rust that it finds here, and the user may have one.
export JUPYTER_PATH="$folder"
# The folder of the kernel and that of the library may lie anywhere; a run path between them would not always lead there.
LD_LIBRARY_PATH="$FRUITS_LIBRARY:$(rustc --print sysroot)/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
# What the code analysis sees; compilation has flags of its own (notebooks/fruits/Cargo.toml).
export RUSTFLAGS=--cfg=rust_analyzer
"$kernel" --control_file "$connection_file"
