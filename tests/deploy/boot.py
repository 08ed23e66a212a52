"""The life of an instance, four times, against the S3 server of the tests:

- r1 is told that it is taken back, and stops after its first shards;
- r2 continues, computes only the rest, and leaves a whole report;
- r3 is given an archive that is not the one it was promised, and does nothing but end;
- r4 is given an option that the template sets, and does nothing but say so and end.

Each request for S3 that they make is held against the role in deploy/template.yaml.

    boot.py WORK ARCHIVE S3-SERVER    with WORK/root a bare Debian; as root, in namespaces of its own (boot.sh)
"""

import csv
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from cloudformation import NETWORK, Stack, load, user_data
from iam import ALLOWED, decide

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = load(ROOT / "deploy" / "template.yaml")
BUCKET = "fruits-bucket"
COPIES = 2  # of each of the 180 sample images: 360 are 3 shards
SHARDS = 3
KEYS = {"access-key": "AKIDOFTHETEST", "secret-key": "secret/of+the/test", "session-token": "token//of+the=test=="}
# One thread in f32 takes half a minute for a shard, so that the notice comes long before the last one.
SLOW = "FRUITS_THREADS=1; FRUITS_PRECISION=f32"
RUN_LIMIT_S = 900
NOT_THERE = ["python3", "rustc", "cargo", "cc", "java", "aws", "jq"]


def say(text):
    print(f"test-deploy: {text}", flush=True)


def check(holds, text):
    if not holds:
        raise AssertionError(text)
    say(f"ok: {text}")


class Server:
    """An s3-server; the one that answers for the instance can be another than the one that holds the objects."""

    def __init__(self, program, data, port=0, **options):
        command = [program, "--data", data, "--port", str(port)]
        for name, value in {**KEYS, **options}.items():
            for item in value if isinstance(value, list) else [value]:
                command += [f"--{name.replace('_', '-')}"] + ([str(item)] if item is not True else [])
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.url = line.strip().removeprefix("listening on ")
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        self.process.kill()
        self.process.wait()

    def get(self, path, **query):
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}") as answer:
            return answer.read()

    def objects(self, prefix):
        found = json.loads(self.get("/_control/objects", bucket=BUCKET))
        return {o["key"]: o for o in found if o["key"].startswith(prefix)}

    def content(self, key):
        return self.get("/_control/content", bucket=BUCKET, key=key).decode()


class Watcher(threading.Thread):
    """Looks at all command lines but those of the servers, over and over: for secrets, and for who runs report."""

    def __init__(self, secrets, server):
        super().__init__(daemon=True)
        self.secrets, self.server, self.seen, self.n_looks = secrets, str(server), set(), 0
        self.users = set()
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.n_looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    if line.endswith("/report --log json ") and not line.startswith("chroot"):
                        self.users.add(path.parent.stat().st_uid)
                except OSError:
                    continue  # it ended
                if not line.startswith(self.server):
                    self.seen |= {line for secret in self.secrets if secret in line}


class World:
    """One bucket, one metadata service, and instances, one after the other, on one root folder."""

    def __init__(self, work, archive, program):
        self.root, self.archive, self.program, self.work = work / "root", archive, program, work
        self.requests_log = work / "requests.jsonl"
        seeds = [f"{BUCKET}/dist/={archive.parent}"]
        for folder in sorted(p for p in (ROOT / "data-sample").iterdir() if p.is_dir()):
            seeds += [f"{BUCKET}/input/{folder.name}/copy-{n}-={folder}" for n in range(COPIES)]
        self.s3 = Server(program, work / "s3", seed=seeds, versioned=True, log=self.requests_log)
        self.metadata = self.metadata_service()
        for kind, folder in (("proc", "proc"), ("sysfs", "sys")):
            subprocess.run(["mount", "-t", kind, "-o", "ro", kind, self.root / folder], check=True)

    def metadata_service(self, port=0, **options):
        return Server(self.program, self.work / "metadata", port, bucket="none", instance_role="fruits", **options)

    def notice(self, is_given):
        """Restarts the metadata service, where it was, with a spot notice or without."""
        self.metadata.stop()
        options = {"spot_notice_after": 0} if is_given else {}
        self.metadata = self.metadata_service(self.metadata.port, **options)

    def parameters(self, run_id, options, sha256):
        program = {"DistKey": f"dist/{self.archive.name}", "DistSha256": sha256}
        return {**NETWORK, **program, "RunId": run_id, "ReportOptions": options}

    def session_token(self):
        header = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        request = urllib.request.Request(f"{self.metadata.url}/latest/api/token", method="PUT", headers=header)
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def instance(self, run_id, options, sha256, meanwhile=lambda is_over: None):
        """Runs an instance to its end; what it wrote to its console. A new instance has a new disk."""
        for left in ("opt/fruits", "var/log/fruits.log", "ends"):
            subprocess.run(["rm", "-rf", self.root / left], check=True)
        script = self.root / "user-data"
        script.write_text(user_data(Stack(TEMPLATE, self.parameters(run_id, options, sha256))))
        script.chmod(0o700)
        for name in ("shutdown", "systemd-run"):
            stub = self.root / "usr/local/sbin" / name
            stub.write_text(f'#!/bin/sh\necho "{name} $*" >>/ends\n')
            stub.chmod(0o755)
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "AWS_ENDPOINT_URL_S3": self.s3.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata.url,
        }
        secrets = [KEYS["secret-key"], KEYS["session-token"], self.session_token()]
        watcher = Watcher(secrets, self.program)
        watcher.start()
        console = self.work / f"console-{run_id}"
        started = time.monotonic()
        with open(console, "wb") as file:
            command = ["chroot", self.root, "/user-data"]
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
            meanwhile(lambda: process.poll() is not None)
            process.wait(RUN_LIMIT_S)
        watcher.over.set()
        watcher.join()
        say(f"{run_id} took {time.monotonic() - started:.0f} s")
        told = (self.root / "ends").read_text().splitlines()
        latest = "systemd-run --quiet --unit=fruits-end --on-active=1500min shutdown --no-wall -h now"
        check(told == [latest, "shutdown -h now"], f"{run_id} ended its machine, as it would have after 25 hours")
        shown = watcher.seen or ""
        check(not shown, f"{run_id} showed no secret in a command line, in {watcher.n_looks} looks{shown}")
        if watcher.users:
            check(0 not in watcher.users, f"{run_id} ran report as user {watcher.users}, not as root")
        logs = [console.read_text(), *map(self.s3.content, self.s3.objects(f"logs/{run_id}/"))]
        shown = [secret for secret in [*secrets, KEYS["access-key"]] for text in logs if secret in text]
        check(len(logs) == 3, f"{run_id} left log and status in the bucket")
        check(not shown, f"{run_id} left no secret in them or on its console")
        return json.loads(self.s3.content(f"logs/{run_id}/status.json")), self.s3.content(f"logs/{run_id}/report.log")

    def requests(self):
        return [json.loads(line) for line in self.requests_log.read_text().splitlines()]

    def puts(self):
        """Keys, in the order in which they were written."""
        done = [r for r in self.requests() if r["method"] == "PUT" and r["status"] == 200]
        return [r["path"].removeprefix(f"/{BUCKET}/") for r in done]

    def shards(self):
        return {key: o for key, o in self.s3.objects("cache/").items() if key.endswith(".parquet")}

    def receipts(self):
        return [key for key in self.s3.objects("cache/") if re.search(r"shard-\d+\.json$", key)]


def call(request):
    """A request as IAM sees it: action, resource, context."""
    bucket, _, key = request["path"].removeprefix("/").partition("/")
    query = dict(urllib.parse.parse_qsl(request["query"], keep_blank_values=True))
    if not key and request["method"] == "GET" and query.get("list-type") == "2":
        context = {"s3:prefix": query["prefix"]} if "prefix" in query else {}
        return "s3:ListBucket", f"arn:aws:s3:::{bucket}", context
    actions = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}
    return actions[request["method"]], f"arn:aws:s3:::{bucket}/{key}", {}


def check_role(world):
    """Every request that was made is one that the role may make, which changes with the run."""

    @functools.cache
    def documents(run):
        resources = Stack(TEMPLATE, world.parameters(run, "", "")).resources()
        policies = [policy["PolicyDocument"] for policy in resources["Role"]["Properties"]["Policies"]]
        return [*policies, resources["BucketPolicy"]["Properties"]["PolicyDocument"]]

    requests = world.requests()
    secure = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
    refused = set()
    for request in requests:
        action, resource, context = call(request)
        named = re.match(r"arn:aws:s3:::[^/]+/(?:reports|logs)/([^/]+)/", resource)
        run = named[1] if named else "r2"
        if decide(documents(run), action, resource, {**context, **secure}) != ALLOWED:
            refused.add((action, resource, str(context)))
    check(not refused, f"the role allows all {len(requests)} requests that were made{refused or ''}")
    failed = [r for r in requests if not r["status"] or r["status"] >= 400 or not r["signed"]]
    check(not failed, f"all of them were signed and answered{failed or ''}")


def check_archive(archive):
    """Its entries do not depend on who packed them or when, and each crate has its terms in it."""
    with tarfile.open(archive) as packed:
        entries = packed.getmembers()
        top = entries[0].name
        names = [entry.name for entry in entries]
        check(
            names == sorted(names) and all(n.split("/")[0] == top for n in names), "the archive is one folder, sorted"
        )
        marks = {(e.uid, e.gid, e.uname, e.mtime) for e in entries}
        check(marks == {(0, 0, "", entries[0].mtime)}, "all of it is of one time and nobody's")
        index = packed.extractfile(f"{top}/licenses/crates.csv").read().decode()
        crates = {f"{row['name']}-{row['version']}": row["files"].split() for row in csv.DictReader(index.splitlines())}
        terms = {f"{top}/licenses/{crate}/{file}" for crate, files in crates.items() for file in files or ["none"]}
        check(crates and terms <= set(names), f"it has the licences of {len(crates)} crates")
        wanted = [
            "LICENSE",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "NOTICE",
            "README",
            "boot.sh",
            "report",
            "runtime/licenses",
        ]
        check({f"{top}/{name}" for name in wanted} <= set(names), f"and {', '.join(wanted)}")


def check_report(world, log):
    objects = world.s3.objects("reports/r2/")
    names = sorted(key.rsplit("/", 1)[1] for key in objects)
    wanted = {"index.html", "run.json", "embeddings.parquet", "pca.parquet", "timings.json"}
    check(wanted <= set(names), f"r2 left {', '.join(names)}")
    kind = objects["reports/r2/index.html"]["content_type"]
    check(kind.startswith("text/html"), f"a browser takes index.html for what it is, {kind}")
    check("</html>" in world.s3.content("reports/r2/index.html"), "index.html is whole")
    written = [key for key in world.puts() if key.startswith("reports/r2/") and not key.endswith(".fruits-probe")]
    check(written[-1] == "reports/r2/run.json", "run.json came last")
    run = json.loads(world.s3.content("reports/r2/run.json"))
    check(run["images"]["accepted"] == COPIES * 180, f"its report is of {COPIES * 180} images")
    ended = [json.loads(line) for line in log.splitlines() if '"event":"ended"' in line]
    check([line["exit_code"] for line in ended] == [0], "the log has the end of report")


def main(work, archive, program):
    look = f"command -v {' '.join(NOT_THERE)}"
    machine = ["chroot", work / "root", "sh", "-c"]
    there = subprocess.run([*machine, look], capture_output=True, text=True, check=False).stdout
    check(not there, f"the machine has none of {', '.join(NOT_THERE)}{there or ''}")
    check_archive(archive)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    world = World(work, archive, program)

    def first_shard_then_notice(is_over):
        while not world.receipts() and not is_over():
            time.sleep(0.2)
        world.notice(True)

    status, log = world.instance("r1", SLOW, sha256, first_shard_then_notice)
    check(status["exit_code"] == 143 and status["state"] == "ended", "r1 was stopped by the notice: 143")
    check("taken back" in log, "its log says so")
    before = world.shards()
    check(0 < len(before) < SHARDS, f"r1 left {len(before)} of {SHARDS} shards")
    check(not world.s3.objects("reports/r1/"), "and no report")

    world.notice(False)
    status, log = world.instance("r2", "FRUITS_PRECISION=f32; FRUITS_SEED=7", sha256)
    check(status["exit_code"] == 0, "r2 is complete: 0")
    after = world.shards()
    check(len(after) == len(world.receipts()) == SHARDS, f"all {SHARDS} shards are there, each with its receipt")
    kept = [after[key]["version_id"] == before[key]["version_id"] for key in before]
    check(all(kept), "those of r1 are the ones r1 wrote")
    n_writes = [world.puts().count(key) for key in after]
    check(n_writes == [1] * SHARDS, "no shard was written twice")
    check_report(world, log)

    status, log = world.instance("r3", "", "0" * 64)
    check(status["exit_code"] == 6 and "SHA-256" in log, "r3 refused an archive with another SHA-256: 6")
    check(not world.s3.objects("reports/r3/"), "r3 ran nothing")

    status, log = world.instance("r4", f"FRUITS_SEED=7; FRUITS_OUT=s3://{BUCKET}/input/", sha256)
    said = "FRUITS_OUT is set by the template" in log
    check(status["exit_code"] == 2 and said, "r4 refused an option that the template sets: 2")
    check('"starting run' not in log and not world.s3.objects("reports/r4/"), "r4 ran nothing")
    check_role(world)
    say("passed")


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except AssertionError as error:
        for log in sorted(Path(sys.argv[1]).glob("console-*")):
            print(f"--- {log.name}\n{log.read_text()[-4000:]}", file=sys.stderr)
        print(f"test-deploy: error: this does not hold: {error}", file=sys.stderr)
        os._exit(1)
