"""Stands in for `report` in members.py, which packs it into the archive; $STUB says how it behaves.

It writes its command line to $STUB_FOLDER/calls, and the FRUITS_* of a run to $STUB_FOLDER/environment.
"""

import http.client
import http.server
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path

FOREVER_S = 300
UNREACHABLE = (OSError, http.client.HTTPException)
FOLDER, STUB = Path(os.environ["STUB_FOLDER"]), json.loads(os.environ["STUB"])


class Page(http.server.BaseHTTPRequestHandler):
    """The pages of Ballista's scheduler that boot.sh looks at, and one where workers come in."""

    workers = set()
    # A second without an answer, some time after the start.
    silent_s = range(0)
    started_s = time.monotonic()

    def log_message(self, *_):
        pass

    def do_GET(self):
        _, page, *rest = self.path.split("/")
        self.workers.update(rest)
        is_there = {
            "healthz": int(time.monotonic() - self.started_s) not in self.silent_s,
            "readyz": bool(self.workers),
        }.get(page, True)
        body = str(len(self.workers)).encode()
        self.send_response(200 if is_there else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def ask(address, page):
    with urllib.request.urlopen(f"http://{address}/{page}", timeout=2) as answer:
        return int(answer.read())


def scheduler(options):
    how = STUB.get("scheduler")
    if how == "unknown":
        print("error: unrecognized subcommand 'scheduler'", file=sys.stderr)
        return 2
    if how == "hoarse":
        Page.silent_s = range(6, 7)
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = http.server.ThreadingHTTPServer((options["--bind"], int(options["--port"])), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(3 if how == "mortal" else FOREVER_S)
    return 1


def worker(options):
    if STUB.get("never_comes"):
        time.sleep(FOREVER_S)
    end = time.monotonic() + STUB.get("connect_s", 600)
    while True:
        try:
            ask(options["--scheduler"], f"worker/{options['--name']}")
            break
        except UNREACHABLE:
            if time.monotonic() > end:
                print(f"error: no scheduler answers at {options['--scheduler']}", file=sys.stderr)
                return 6
            time.sleep(0.1)
    if "exit_code" in STUB:
        return STUB["exit_code"]
    time.sleep(FOREVER_S)
    return 0


def run(options):
    kept = {name: value for name, value in os.environ.items() if name.startswith("FRUITS_")}
    (FOLDER / "environment").write_text(json.dumps(kept))
    while ask(options["--engine"].removeprefix("ballista://"), "readyz") < STUB.get("waits_for_workers", 1):
        time.sleep(0.2)
    time.sleep(STUB.get("takes_s", 0))
    return STUB.get("exit_code", 0)


def patient_run(options):
    """A run that does not notice that its scheduler is gone."""
    try:
        return run(options)
    except UNREACHABLE:
        time.sleep(FOREVER_S)


def main(arguments):
    with open(FOLDER / "calls", "a") as file:
        file.write(json.dumps(arguments) + "\n")
    is_service = arguments[0] in ("scheduler", "worker")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0 if is_service else 143))
    rest = arguments[1:] if is_service else arguments
    options = dict(zip(rest[::2], rest[1::2]))
    if is_service:
        return {"scheduler": scheduler, "worker": worker}[arguments[0]](options)
    return patient_run(options) if "--engine" in options else STUB.get("exit_code", 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
