#!/bin/bash
# Runs `report` on an EC2 instance, watched: stops it before the instance is taken back, and copies its log to the
# bucket every minute. The user data of a template starts this, with FRUITS_* and BOOT_* set and the functions `say`,
# `imds`, `signed`, `s3` and `put` exported; it also copies the last log and ends the instance, however this ends.
# BOOT_ROLE says what the instance is: the only one of template.yaml, or of cluster.yaml `principal`, which has the
# scheduler and the run and calls the workers and sends them away, or `worker`.
# Needs bash, coreutils and curl. The exit code is that of `report`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
declare -F say imds s3 put >/dev/null ||
    { echo "boot: error: this is started by the user data of a template in deploy/, not by hand" >&2; exit 2; }
role=${BOOT_ROLE:-single}

# The grace is ample: a run that is told to stop gives up the shard under way; those before are committed. A spot
# instance is gone before it is over.
watch_every_s=5 copy_every_s=60 grace_s=600
# The scheduler is there in a second; CloudFormation makes the group a minute or so after the principal; spare capacity
# may take a while. A worker without a scheduler costs as much as one with work.
scheduler_s=60 group_s=600 workers_s=1800 silent_s=900

# FRUITS_A=...;FRUITS_B=..., but for what the role and the outputs of the stack are made for.
IFS=';' read -r -d '' -a options <<<"$(base64 -d <<<"${BOOT_OPTIONS:-}")" || true
for option in "${options[@]}"; do
    option=${option#"${option%%[![:space:]]*}"} option=${option%"${option##*[![:space:]]}"}
    if [[ $option =~ ^FRUITS_(BUCKET|PREFIX|CACHE|OUT|LOG|ENGINE|SECRET)= ]]; then
        say "ReportOptions: ${option%%=*} is set by the template: leave it out, see *Parameters* in deploy/README.md"
        exit 2
    elif [[ $option =~ ^FRUITS_[A-Z0-9_]+=.+$ ]]; then
        export "${option?}"
    elif [ -n "$option" ]; then
        say "ReportOptions: '${option%%=*}' is no FRUITS_NAME=VALUE; see report --help for the names"
        exit 2
    fi
done

# now: seconds since the machine started. Nobody sets this clock, as they do the one that bash counts SECONDS by.
now() {
    local up
    read -r up _ </proc/uptime
    echo "${up%.*}"
}
end_s=$(($(now) + 10#$BOOT_MAX_HOURS * 3600))

# within S COMMAND...: again and again until it succeeds, for S seconds.
within() {
    local until_s
    until_s=$(($(now) + $1))
    until "${@:2}"; do
        (($(now) < until_s)) || return 1
        sleep "$watch_every_s"
    done
}

# answers PAGE: whether the scheduler does. `healthz` says that it lives, `readyz` that it has a worker.
answers() {
    curl --silent --fail --max-time 5 --output /dev/null "http://$BOOT_SCHEDULER/$1"
}

# settled PAGE: the scheduler of this instance answers, or has ended.
# shellcheck disable=SC2317 # within calls it
settled() {
    answers "$1" || ! kill -0 "$scheduler" 2>/dev/null
}

# workers N: there shall be so many. This is all that the role may do to their group.
workers() {
    signed autoscaling --output /dev/null "${AWS_ENDPOINT_URL_AUTO_SCALING:-$BOOT_AUTO_SCALING}" \
        --data "Action=SetDesiredCapacity&Version=2011-01-01&AutoScalingGroupName=$group&DesiredCapacity=$1"
}

# What a member of a cluster does at its end, whatever brings it about.
# shellcheck disable=SC2317 # a trap calls it
leave() {
    trap '' TERM
    if [ "$role" = principal ]; then
        kill -TERM "$scheduler" 2>/dev/null || true
        say "sending the workers away"
        within "$scheduler_s" workers 0 || say "they could not be sent away; without a scheduler they go by themselves"
    elif (($(now) > end_s)) || ! within "$scheduler_s" answers healthz; then
        # Else the group would replace this worker, and the next one, for ever.
        say "there is no run to work for: sending all workers away"
        workers 0 || say "they could not be sent away"
    fi
}

# Images come from anywhere, so whoever decodes them is nobody. chroot is how coreutils become another user.
export HOME=$BOOT_WORK/home TMPDIR=$BOOT_WORK/home
mkdir -p "$HOME"
chown nobody "$HOME"
start() {
    exec chroot --userspec=nobody:nogroup --groups='' / "$here/report" "$@"
}

# share: what the members of a run know each other by. The principal makes it and leaves it where workers may read it.
share() {
    export FRUITS_SECRET=$HOME/secret
    (umask 077 && : >"$FRUITS_SECRET")
    if [ "$role" = principal ]; then
        head -c 32 /dev/urandom | base64 >"$FRUITS_SECRET" &&
            s3 "$BOOT_SECRET" "$FRUITS_SECRET" --upload-file "$FRUITS_SECRET" --output /dev/null
    else
        s3 "$BOOT_SECRET" /dev/null --output "$FRUITS_SECRET"
    fi && chown nobody "$FRUITS_SECRET" && return
    say "the secret of the run, $BOOT_SECRET, could not be handed over"
    exit 6
}

say "starting run $BOOT_RUN_ID"
if [ "$role" != single ]; then
    address=$(imds local-ipv4) name=$(imds instance-id)
    # The group is named after its principal, so that no other one can take it for its own.
    group=$BOOT_STACK-${BOOT_PRINCIPAL:-$name}
fi
case $role in
single)
    start --log json &
    ;;
principal)
    share
    BOOT_SCHEDULER=$address:50050
    # Not through the pipe of the user data, which would wait for it: nothing may keep this instance.
    start scheduler --bind "$address" --port 50050 >>"$BOOT_LOG" 2>&1 &
    scheduler=$!
    trap leave EXIT
    if ! within "$scheduler_s" settled healthz || ! answers healthz; then
        say "there is no scheduler: is the archive made by make dist FEATURES=cluster?"
        exit 2
    fi
    say "calling $BOOT_WORKERS workers: $BOOT_WORKERS_ARE"
    put "$BOOT_LOG" report.log || say "the log could not be copied"
    if ! within "$group_s" workers "$BOOT_WORKERS" 2>/dev/null && ! workers "$BOOT_WORKERS"; then
        say "the group $group takes no number of workers"
        exit 6
    fi
    if ! within "$workers_s" settled readyz; then
        say "no worker came within $workers_s s: see *From one machine to ten* in deploy/README.md"
        exit 6
    fi
    start --log json --engine "ballista://$BOOT_SCHEDULER" &
    ;;
worker)
    trap leave EXIT
    share
    start worker --scheduler "$BOOT_SCHEDULER" --bind "$address" --name "$name" &
    ;;
esac
report=$!

# Once: a second signal would end `report` at once, in the middle of what it writes and without its last line.
stop() {
    [ ! -e "$BOOT_WORK/stopped" ] || return 0
    say "stopping: $1"
    now >"$BOOT_WORK/stopped"
    kill -TERM "$report" || true
}

watch() {
    local notice now_s copied_s heard_s
    copied_s=$(now) heard_s=$copied_s
    while sleep "$watch_every_s"; do
        now_s=$(now)
        if notice=$(imds spot/instance-action); then
            stop "the instance is taken back: $notice"
        elif ((now_s > end_s)); then
            stop "MaxHours is over"
        elif [ "$role" = single ] || answers healthz; then
            heard_s=$now_s
        elif ((now_s > heard_s + silent_s)); then
            stop "the scheduler has not answered for $silent_s s"
        fi
        if [ -e "$BOOT_WORK/stopped" ] && ((now_s > $(<"$BOOT_WORK/stopped") + grace_s)); then
            kill -KILL "$report"
        fi
        if ((now_s >= copied_s + copy_every_s)); then
            copied_s=$now_s
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
