"""A cloud in one process, for members.py: instances that run the user data of a template with a stub for `report`, the
metadata service, S3 and Auto Scaling.

Every request must carry a signature of the keys of the role; what is not known here is a fault.
"""

import contextlib
import hashlib
import hmac
import http.server
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
from pathlib import Path

from cloudformation import CLUSTER, NETWORK, Stack, load, user_data

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SINGLE_TEMPLATE, CLUSTER_TEMPLATE = (load(ROOT / "deploy" / name) for name in ("template.yaml", "cluster.yaml"))
ID, SECRET, TOKEN = "AKIDOFTHETEST", "secret/of+the/test", "token//of+the=test=="
REGION = "eu-west-3"
# The times of boot.sh, and those that a test can wait for.
TIMES = {
    "watch_every_s=5 copy_every_s=60 grace_s=600": "watch_every_s=0.2 copy_every_s=1 grace_s=5",
    "scheduler_s=60 group_s=600 workers_s=1800 silent_s=900": "scheduler_s=5 group_s=6 workers_s=15 silent_s=5",
    # As if the clock of the machine were set on by more than MaxHours.
    "set -euo pipefail": "set -euo pipefail; SECONDS=1000000",
}
# What becomes another user, and whose files are given to it: no test may need to be root.
COMMANDS = {
    "chroot": '#!/bin/bash\necho "$*" >>"$STUB_FOLDER/chroot"\nwhile [[ $1 == --* ]]; do shift; done\nexec "${@:2}"\n',
    "chown": '#!/bin/bash\n[ "$1" = nobody ]\n',
    "shutdown": '#!/bin/bash\necho "shutdown $*" >>"$STUB_FOLDER/ends"\n',
    # Without `timers` in its folder a machine has none.
    "systemd-run": '#!/bin/bash\n[ -e "$STUB_FOLDER/timers" ] && echo "systemd-run $*" >>"$STUB_FOLDER/ends"\n',
}


def archive():
    """What make dist makes, with the stub; its times are short."""
    boot = (ROOT / "deploy" / "boot.sh").read_text()
    for long, short in TIMES.items():
        if boot.count(long) != 1:
            raise AssertionError(f"boot.sh does not say `{long}` once")
        boot = boot.replace(long, short)
    stub = f"#!{sys.executable}\n{(HERE / 'stub_report.py').read_text()}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (("boot.sh", boot), ("report", stub)):
            info = tarfile.TarInfo(f"fruits-0-x86_64-linux/{name}")
            info.mode, info.size = 0o755, len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def signature(request, body):
    """Signature version 4 of a request as it came, and the service it is for."""
    scheme, _, rest = request.headers["Authorization"].partition(" ")
    fields = dict(part.split("=", 1) for part in re.split(r",\s*", rest))
    names = fields["SignedHeaders"].split(";")
    path, _, query = request.path.partition("?")
    payload = request.headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    canonical = "\n".join([request.command, path, query, headers, fields["SignedHeaders"], payload])
    identity, scope = fields["Credential"].split("/", 1)
    date, region, service, _ = scope.split("/")
    when = request.headers["x-amz-date"]
    text = "\n".join([scheme, when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in (date, region, service, "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    holds = (
        (identity, region) == (ID, REGION)
        and hmac.compare_digest(key.hex(), fields["Signature"])
        and request.headers["x-amz-security-token"] == TOKEN
    )
    return service if holds else None


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # who asked was taken away


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers for one instance: its metadata below /latest, else S3 and Auto Scaling."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        cloud, instance = self.server.cloud, self.server.instance
        if self.path == "/latest/api/token" and self.command == "PUT":
            return self.answer(200, b"session")
        if self.path.startswith("/latest/meta-data/"):
            if self.headers["X-aws-ec2-metadata-token"] != "session":
                return self.answer(401)
            found = instance.metadata(self.path.removeprefix("/latest/meta-data/"))
            return self.answer(404) if found is None else self.answer(200, found.encode())
        service = signature(self, body)
        if service == "s3" and self.command == "GET" and self.path == "/fruits-bucket/dist/fruits.tar.gz":
            return self.answer(200, cloud.archive)
        if service == "s3" and self.command == "PUT" and self.path.startswith("/fruits-bucket/logs/r1/"):
            cloud.objects[self.path.removeprefix("/fruits-bucket/logs/r1/")] = body.decode()
            return self.answer(200)
        if service == "s3" and self.command in ("GET", "PUT") and self.path == "/fruits-bucket/secrets/r1":
            if self.command == "PUT":
                cloud.secret = body
            return self.answer(404) if cloud.secret is None else self.answer(200, cloud.secret)
        if service == "autoscaling" and self.command == "POST" and self.path == "/":
            return self.answer(cloud.resize(instance, dict(urllib.parse.parse_qsl(body.decode()))))
        cloud.faults.append(f"{self.command} {self.path} {body[:200]!r} by {instance.name}, service {service}")
        return self.answer(403)

    do_GET = do_PUT = do_POST = do_any


class Instance:
    """A machine: a folder, a process with all its children, and what the metadata service says of it."""

    def __init__(self, cloud, name, address, script, **stub):
        self.cloud, self.name, self.address = cloud, name, address
        self.notice = None
        self.folder = cloud.folder / name
        (self.folder / "bin").mkdir(parents=True)
        for command, text in COMMANDS.items():
            (self.folder / "bin" / command).write_text(text)
            (self.folder / "bin" / command).chmod(0o755)
        for path, ours in (("/opt/fruits", self.folder / "work"), ("/var/log/fruits.log", self.folder / "log")):
            assert script.count(path) == 1, path
            script = script.replace(path, str(ours))
        hours = re.search(r"BOOT_MAX_HOURS='(\d+)'", script)[1]
        minutes, end = (int(hours) + 1) * 60, "shutdown --no-wall -h"
        timer = f"systemd-run --quiet --unit=fruits-end --on-active={minutes}min {end} now"
        self.latest_end = timer if cloud.has_timers else f"{end} +{minutes}"
        if cloud.has_timers:
            (self.folder / "timers").touch()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.cloud, self.server.instance = cloud, self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_port}"
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ENDPOINT_URL_AUTO_SCALING": url,
            "STUB_FOLDER": str(self.folder),
            "STUB": json.dumps(stub),
        }
        path = self.folder / "user-data"
        path.write_text(script)
        with open(self.folder / "console", "wb") as console:
            self.process = subprocess.Popen(
                ["bash", path], env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True,
            )

    def metadata(self, path):
        keys = {"AccessKeyId": ID, "SecretAccessKey": SECRET, "Token": TOKEN}
        return {
            "iam/security-credentials/": "fruits",
            "iam/security-credentials/fruits": json.dumps(keys, indent=2),
            "instance-id": self.name,
            "local-ipv4": self.address,
            "spot/instance-action": self.notice,
        }.get(path)

    def is_up(self):
        return self.process.poll() is None

    def take_away(self):
        """As EC2 does: at once, with everything that runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ended_itself(self):
        """Whether it did; that it would have an hour after its time is held of every instance."""
        told = (self.folder / "ends").read_text().splitlines()
        if told[0] != self.latest_end:
            raise AssertionError(f"{self.name} was to end by itself at {self.latest_end}, not {told}")
        return told[1:] == ["shutdown -h now"]

    def calls(self):
        """Command lines of report."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def log(self):
        return (self.folder / "log").read_text() if (self.folder / "log").exists() else ""


class Cloud:
    """A stack: its principal, and the group of its workers."""

    numbers = itertools.count(1)
    lock = threading.Lock()

    def __init__(self, folder, packed, refused_calls=0, workers=2, worker=None, has_timers=True):
        self.folder, self.archive = folder, packed
        self.objects, self.faults, self.sizes = {}, [], []
        self.secret, self.has_timers = None, has_timers
        self.refused_calls, self.n_workers, self.stub_of_worker, self.hours = refused_calls, workers, worker or {}, "24"
        self.wanted, self.workers, self.over = 0, [], False
        with Cloud.lock:
            self.number = next(Cloud.numbers)
        self.principal_address = f"127.7.{self.number}.1"
        self.tending = threading.Thread(target=self.tend, daemon=True)
        self.tending.start()

    def script(self, launch_template, options=""):
        values = {"RunId": "r1", "ReportOptions": options, "Workers": str(self.n_workers), **CLUSTER}
        attributes = {"Principal": "i-principal", "Principal.PrivateIp": self.principal_address}
        text = user_data(Stack(CLUSTER_TEMPLATE, values, attributes), launch_template)
        return text.replace("BOOT_MAX_HOURS='24'", f"BOOT_MAX_HOURS='{self.hours}'")

    def principal(self, options="", **stub):
        script = self.script("PrincipalTemplate", options)
        self.the_principal = Instance(self, "i-principal", self.principal_address, script, **stub)
        return self.the_principal

    def single(self, **stub):
        """The instance of template.yaml."""
        script = user_data(Stack(SINGLE_TEMPLATE, {"RunId": "r1", **NETWORK}))
        script = script.replace("BOOT_MAX_HOURS='24'", f"BOOT_MAX_HOURS='{self.hours}'")
        self.the_principal = Instance(self, "i-single", "127.0.0.1", script, **stub)
        return self.the_principal

    def worker(self, **stub):
        n = len(self.workers)
        address = f"127.7.{self.number}.{10 + n}"
        self.workers.append(Instance(self, f"i-worker-{n}", address, self.script("WorkerTemplate"), **stub))
        return self.workers[-1]

    def resize(self, instance, form):
        size = form.pop("DesiredCapacity")
        if form != {
            "Action": "SetDesiredCapacity",
            "Version": "2011-01-01",
            "AutoScalingGroupName": "fruits-i-principal",
        }:
            self.faults.append(f"Auto Scaling was asked for {form}")
        if self.refused_calls > 0:
            self.refused_calls -= 1
            return 403
        self.sizes.append((instance.name, int(size)))
        self.wanted = int(size)
        return 200

    def tend(self):
        """As Auto Scaling does: calls as many as are wanted, and takes away the rest."""
        while not self.over:
            up = [worker for worker in self.workers if worker.is_up()]
            for _ in range(self.wanted - len(up)):
                self.worker(**self.stub_of_worker)
            for worker in up[self.wanted :] if self.sizes else []:
                worker.take_away()
            time.sleep(0.1)

    def close(self):
        self.over = True
        self.tending.join()
        for instance in [*self.workers, *([self.the_principal] if hasattr(self, "the_principal") else [])]:
            instance.take_away()
            instance.server.shutdown()

    def status(self):
        return json.loads(self.objects.get("status.json", "{}"))

    def up(self):
        return [worker.name for worker in self.workers if worker.is_up()]
