"""The life of the instances of deploy/cluster.yaml, with a stub in place of `report`.

What runs is their user data and boot.sh, to the end of each instance; the times of boot.sh are seconds. The group
starts and takes away instances as Auto Scaling would. Needs bash, coreutils and curl, not root.

    members.py [NAME...]    only these lives
"""

import json
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cloud import SECRET, TOKEN, Cloud, archive

LIFE_LIMIT_S = 60


def until(holds, what):
    end = time.monotonic() + LIFE_LIMIT_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not within {LIFE_LIMIT_S} s: {what}")
        time.sleep(0.05)


def check(holds, text):
    if not holds:
        raise AssertionError(text)


def run_of(principal):
    """Command line of the run itself."""
    return next((call for call in principal.calls() if call[0] == "--log"), None)


def check_principal_ended(cloud, code):
    """The principal came to its end: its status says how, its workers are gone, and it ended its machine."""
    principal = cloud.the_principal
    until(lambda: not principal.is_up(), "the principal ends")
    check(principal.ended_itself(), "the principal ended its machine")
    status = cloud.status()
    check((status.get("state"), status.get("exit_code")) == ("ended", code), f"ended with {code}, not {status}")
    check(status["instance_id"] == "i-principal", "the status is the principal's")
    check(cloud.sizes and cloud.sizes[-1] == ("i-principal", 0), f"it sent its workers away at the end, {cloud.sizes}")
    until(lambda: not cloud.up(), "no worker is left")
    check_users(principal)


def check_users(instance):
    calls = [" ".join(call) for call in instance.calls()]
    report = r"--userspec=nobody:nogroup --groups= / \S+/report "
    as_nobody = [re.sub(report, "", line) for line in (instance.folder / "chroot").read_text().splitlines()]
    # One that is stopped at once may not have told of its call.
    check(calls and not Counter(calls) - Counter(as_nobody), f"all of {calls} ran as nobody, not {as_nobody}")


def a_whole_run(cloud):
    """Both workers come, one is lost to a spot notice and replaced, and the report is made."""
    principal = cloud.principal("FRUITS_SEED=7; FRUITS_TOP_CLASSES=5", waits_for_workers=3)
    until(lambda: len(cloud.up()) == 2, "two workers come")
    lost = cloud.workers[0]
    until(lambda: lost.calls(), "the worker works")
    lost.notice = '{"action":"terminate"}'
    until(lambda: not lost.is_up(), "the worker leaves")
    check(lost.ended_itself() and "taken back" in lost.log(), "it said why, and ended its machine")
    check_principal_ended(cloud, 0)
    check(cloud.sizes == [("i-principal", 2), ("i-principal", 0)], f"nobody else changed the group, {cloud.sizes}")
    check(len(cloud.workers) == 3, "a worker came for the lost one")
    address = cloud.principal_address
    scheduler, run = ["scheduler", "--bind", address, "--port", "50050"], ["--log", "json"]
    wanted = [scheduler, [*run, "--engine", f"ballista://{address}:50050"]]
    check(principal.calls() == wanted, f"the principal ran {principal.calls()}")
    wanted = ["worker", "--scheduler", f"{address}:50050", "--bind", lost.address, "--name", lost.name]
    check(lost.calls() == [wanted], f"the worker ran {lost.calls()}")
    check_users(lost)
    environment = json.loads((principal.folder / "environment").read_text())
    wanted = {
        "FRUITS_BUCKET": "fruits-bucket",
        "FRUITS_PREFIX": "input/",
        "FRUITS_CACHE": "s3://fruits-bucket/cache/",
        "FRUITS_OUT": "s3://fruits-bucket/reports/r1/",
        "FRUITS_SEED": "7",
        "FRUITS_TOP_CLASSES": "5",
        "FRUITS_SECRET": str(principal.folder / "work/home/secret"),
    }
    check(environment == wanted, f"the run had {environment}")
    secrets = {(instance.folder / "work/home/secret").read_bytes() for instance in (principal, *cloud.workers)}
    check(secrets == {cloud.secret} and len(cloud.secret) >= 32, "all have one secret")
    mode = (lost.folder / "work/home/secret").stat().st_mode & 0o777
    check(mode == 0o600, f"nobody else on the machine reads it, mode {mode:o}")
    check("report ended with 0" in cloud.objects["report.log"], "the log has the end")
    check(f"{lost.name}/report.log" in cloud.objects, f"each worker left its log, {sorted(cloud.objects)}")
    check(not any(key.endswith("/status.json") for key in cloud.objects), "workers have no status")
    for secret in (SECRET, TOKEN, cloud.secret.decode().strip()):
        check(not any(secret in text for text in cloud.objects.values()), "no secret is in a log")


def a_failed_run(cloud):
    """Its code is the principal's. It takes longer than a silence may, with a short silence in it."""
    cloud.principal(waits_for_workers=1, takes_s=7, exit_code=4, scheduler="hoarse")
    check_principal_ended(cloud, 4)
    check(len(cloud.workers) == 1, "no worker left before the end")


def a_stopped_run(cloud):
    """MaxHours stops report, once, and the workers with it."""
    cloud.hours = "0"
    cloud.principal(waits_for_workers=99)
    cloud.hours = "24"
    check_principal_ended(cloud, 143)
    check("MaxHours is over" in cloud.objects["report.log"], "the log says why")


def a_late_group(cloud):
    """CloudFormation makes the group and the right to size it after the principal has started."""
    cloud.principal(waits_for_workers=1)
    check_principal_ended(cloud, 0)
    said = re.search("curl: .*|takes no number of workers", cloud.objects["report.log"])
    check(not said, f"the log has no error, {said}")


def no_group(cloud):
    """The group is never there: nothing runs."""
    principal = cloud.principal()
    until(lambda: not principal.is_up(), "the principal ends")
    check(cloud.status()["exit_code"] == 6 and run_of(principal) is None, f"ended with {cloud.status()}")
    check("takes no number of workers" in cloud.objects["report.log"], "the log says why")
    check("they go by themselves" in cloud.objects["report.log"], "and that it could not send anyone away")


def no_worker(cloud):
    """No worker comes, for want of spare capacity: the run does not wait for ever."""
    principal = cloud.principal()
    check_principal_ended(cloud, 6)
    check(run_of(principal) is None, "report was not started")
    check("no worker came" in cloud.objects["report.log"], "the log says why")


def another_archive(cloud):
    """An archive made without the feature has no scheduler."""
    principal = cloud.principal(scheduler="unknown")
    check_principal_ended(cloud, 2)
    check(not cloud.workers and run_of(principal) is None, "nobody was called")
    check("FEATURES=cluster" in cloud.objects["report.log"], "the log says what to do")


def a_scheduler_that_hangs(cloud):
    """It does not end when it is told to; the machine does."""
    cloud.principal(waits_for_workers=1, scheduler="deaf")
    check_principal_ended(cloud, 0)


def a_lost_scheduler(cloud):
    """It ends in the middle of a run that does not notice."""
    cloud.principal(waits_for_workers=99, scheduler="mortal")
    check_principal_ended(cloud, 143)
    check("has not answered" in cloud.objects["report.log"], "the log says why")


def an_option_of_the_template(cloud):
    principal = cloud.principal("FRUITS_ENGINE=ballista://10.0.0.1:50050")
    until(lambda: not principal.is_up(), "the principal ends")
    check(cloud.status()["exit_code"] == 2 and not principal.calls(), "nothing was run")
    check("FRUITS_ENGINE is set by the template" in cloud.objects["report.log"], "the log says why")


def a_principal_that_is_gone(cloud):
    """Nobody tells its workers; they end themselves and the group, and none comes after them."""
    principal = cloud.principal(waits_for_workers=99)
    until(lambda: len(cloud.up()) == 2 and all(worker.calls() for worker in cloud.workers), "two workers come")
    principal.take_away()
    until(lambda: cloud.sizes[-1][1] == 0, "a worker ends the group")
    until(lambda: not cloud.up(), "no worker is left")
    n_workers = len(cloud.workers)
    time.sleep(1)
    check(len(cloud.workers) == n_workers, "no worker came after them")
    check(any("has not answered" in worker.log() for worker in cloud.workers), "they said why")


def a_worker_alone(cloud):
    """Called when its principal was gone already: report worker gives up, and so does the group."""
    cloud.stub_of_worker, cloud.secret = {"connect_s": 1}, b"of a run that is over"
    cloud.wanted = 1
    until(lambda: cloud.sizes, "it ends the group")
    until(lambda: not cloud.up(), "it ends")
    check(cloud.sizes == [(cloud.workers[0].name, 0)] and len(cloud.workers) == 1, "no worker came after it")


def a_worker_that_fails(cloud):
    """It is replaced; that it failed is no reason to end the group."""
    principal = cloud.principal(waits_for_workers=99)
    until(lambda: cloud.workers, "a worker comes")
    worker = cloud.workers[0]
    until(lambda: not worker.is_up(), "it ends")
    check(worker.ended_itself() and "report ended with 137" in worker.log(), "it ended its machine")
    until(lambda: len(cloud.workers) > 1, "another one comes")
    check(cloud.sizes == [("i-principal", 1)] and principal.is_up(), "the run goes on")


def a_worker_for_too_long(cloud):
    """MaxHours holds for each instance, should the principal hang and its scheduler live."""
    cloud.principal(waits_for_workers=99)
    cloud.hours = "0"
    until(lambda: cloud.sizes[-1:] == [("i-worker-0", 0)], "the worker ends the group")
    until(lambda: not cloud.up(), "it ends")
    check(cloud.the_principal.is_up(), "the principal does not know")


def one_machine(cloud):
    """template.yaml has neither scheduler nor workers. Its hours are decimal, however they are written."""
    cloud.hours = "08"
    single = cloud.single(exit_code=5)
    until(lambda: not single.is_up(), "the instance ends")
    check(single.ended_itself() and cloud.status()["exit_code"] == 5, "as report did")
    check(single.calls() == [["--log", "json"]] and not cloud.sizes, f"it ran {single.calls()}")
    check("boot.sh: line" not in single.log(), f"the shell has no fault to tell, {single.log()}")


def a_machine_without_timers(cloud):
    """It ends at its latest all the same."""
    single = cloud.single()
    until(lambda: not single.is_up(), "the instance ends")
    check(single.ended_itself() and cloud.status()["exit_code"] == 0, "as report did")


LIVES = {
    a_whole_run: {},
    a_failed_run: {"workers": 1},
    a_stopped_run: {"workers": 1},
    a_late_group: {"workers": 1, "refused_calls": 5},
    no_group: {"refused_calls": 10**9},
    no_worker: {"workers": 1, "worker": {"never_comes": True}},
    another_archive: {},
    a_scheduler_that_hangs: {"workers": 1},
    a_lost_scheduler: {"workers": 1},
    an_option_of_the_template: {},
    a_principal_that_is_gone: {},
    a_worker_alone: {},
    a_worker_that_fails: {"workers": 1, "worker": {"exit_code": 137}},
    a_worker_for_too_long: {"workers": 1},
    one_machine: {},
    a_machine_without_timers: {"has_timers": False},
}


def live(life, options, packed):
    """What was wrong, with all that the instances said."""
    with tempfile.TemporaryDirectory(prefix="fruits-members-") as folder:
        cloud = Cloud(Path(folder), packed, **options)
        started = time.monotonic()
        try:
            life(cloud)
            check(not cloud.faults, f"every request is signed and known, {cloud.faults}")
        except Exception as error:  # whatever it is, the logs tell more
            logs = [f"--- {path.parent.name}\n{path.read_text()}" for path in sorted(Path(folder).glob("*/console"))]
            return f"{life.__name__}: {error!r}\n" + "\n".join(logs)
        finally:
            cloud.close()
        print(f"members: ok: {life.__name__.replace('_', ' ')}, {time.monotonic() - started:.0f} s", flush=True)
        return None


def main(names):
    lives = {life: options for life, options in LIVES.items() if not names or life.__name__ in names}
    packed = archive()
    # They wait for most of their time.
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda item: live(*item, packed), lives.items()))
    for fault in filter(None, found):
        print(f"members: error: {fault}", file=sys.stderr)
    print(f"members: {len(lives)} lives, {sum(map(bool, found))} went wrong")
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
