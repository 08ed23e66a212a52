#!/bin/bash
# Runs `report` on an EC2 instance, watched: stops it before the instance is taken back, and copies its log to the
# bucket every minute. The user data in template.yaml starts this, with FRUITS_* and BOOT_* set and the functions `say`,
# `imds`, `s3` and `put` exported; it also copies the last log and ends the instance, however this ends.
# Needs bash, coreutils and curl. The exit code is that of `report`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
declare -F say imds s3 put >/dev/null ||
    { echo "boot: error: this is started by the user data of deploy/template.yaml, not by hand" >&2; exit 2; }

# The grace is ample: a run that is told to stop gives up the shard under way; those before are committed. A spot
# instance is gone before it is over.
watch_every_s=5 copy_every_s=60 grace_s=600

# FRUITS_A=...;FRUITS_B=..., but for what the role and the outputs of the stack are made for.
IFS=';' read -r -d '' -a options <<<"$(base64 -d <<<"${BOOT_OPTIONS:-}")" || true
for option in "${options[@]}"; do
    option=${option#"${option%%[![:space:]]*}"} option=${option%"${option##*[![:space:]]}"}
    if [[ $option =~ ^FRUITS_(BUCKET|PREFIX|CACHE|OUT|LOG)= ]]; then
        say "ReportOptions: ${option%%=*} is set by the template: leave it out, see *Parameters* in deploy/README.md"
        exit 2
    elif [[ $option =~ ^FRUITS_[A-Z0-9_]+=.+$ ]]; then
        export "${option?}"
    elif [ -n "$option" ]; then
        say "ReportOptions: '${option%%=*}' is no FRUITS_NAME=VALUE; see report --help for the names"
        exit 2
    fi
done

# Images come from anywhere, so whoever decodes them is nobody. chroot is how coreutils become another user.
export HOME=$BOOT_WORK/home TMPDIR=$BOOT_WORK/home
mkdir -p "$HOME"
chown nobody "$HOME"
say "starting run $BOOT_RUN_ID"
chroot --userspec=nobody:nogroup --groups='' / "$here/report" --log json &
report=$!

# Once: a second signal would end `report` at once, in the middle of what it writes and without its last line.
stop() {
    [ ! -e "$BOOT_WORK/stopped" ] || return 0
    say "stopping: $1"
    echo "$SECONDS" >"$BOOT_WORK/stopped"
    kill -TERM "$report" || true
}

watch() {
    local notice copied_s=$SECONDS
    while sleep "$watch_every_s"; do
        if notice=$(imds spot/instance-action); then
            stop "the instance is taken back: $notice"
        elif ((SECONDS > BOOT_MAX_HOURS * 3600)); then
            stop "MaxHours is over"
        fi
        if [ -e "$BOOT_WORK/stopped" ] && ((SECONDS > $(<"$BOOT_WORK/stopped") + grace_s)); then
            kill -KILL "$report"
        fi
        if ((SECONDS >= copied_s + copy_every_s)); then
            copied_s=$SECONDS
            put "$BOOT_LOG" report.log || say "the log could not be copied"
        fi
    done
}
watch &
watch=$!

trap 'stop "SIGTERM"' TERM
code=0
# A signal ends `wait`, not the run.
while wait "$report" && code=0 || code=$?; kill -0 "$report" 2>/dev/null; do :; done
kill "$watch" 2>/dev/null || true
say "report ended with $code"
exit "$code"
