"""Measures the engine on this machine: what it costs, and what a second worker on a second core brings.

Usage: python3 benches/cluster/measure.py --input DIR [--limit N] [--precision f32]
       (a `report` with the feature `cluster` in the target folder; nothing else may run)

Prints what `measured.json` and RESULTS take from it; writes nothing.
"""
import argparse
import json
import os
import re
import secrets
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REPORT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/report"


def run(folder, name, options, extra=()):
    """One run with an empty cache; its timings and its digests."""
    out = folder / name
    command = [REPORT, *options, "--out", out, "--cache", folder / f"cache-{name}", "--quiet", *extra]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    record = json.loads((out / "run.json").read_text())
    digests = {o["name"]: o["sha256"] for o in record["provenance"]["outputs"]}
    timings = json.loads((out / "timings.json").read_text())
    stages = {stage["name"]: stage["wall_s"] for stage in timings["stages"]}
    return timings["total_s"], stages, digests


class Cluster:
    """A scheduler and workers on loopback, each worker on its own cores if they are named."""

    def __init__(self, folder, images, workers, cores=None):
        self.logs = {}
        self.members = []
        secret = folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(32))
        touched = ["--input", images, "--cache", folder, "--secret", secret]
        scheduler = self.start(folder, "scheduler", [REPORT, "scheduler", "--port", "0"])
        self.address = re.search(r"ballista://([^`]+)`", self.first(scheduler)).group(1)
        for i in range(workers):
            pin = ["taskset", "-c", str(cores[i])] if cores else []
            threads = ["--threads", "1"] if cores else []
            name = f"worker-{i}"
            worker = [*pin, REPORT, "worker", "--scheduler", self.address, "--name", name, *touched, *threads]
            self.start(folder, name, worker)
            self.first(name)
        self.engine = ["--engine", f"ballista://{self.address}", "--secret", secret]

    def start(self, folder, name, command):
        self.logs[name] = folder / f"{name}.log"
        with open(self.logs[name], "w") as log:
            self.members.append(subprocess.Popen(list(map(str, command)), stderr=log))
        return name

    def first(self, name):
        while True:
            lines = self.logs[name].read_text().splitlines()
            if lines:
                return lines[0]

    def tasks(self):
        """Seconds of each task, by kind."""
        kinds = {}
        for log in self.logs.values():
            for task, seconds in re.findall(r": (\S+): ([\d.]+) s$", log.read_text(), re.M):
                kind = "add" if "-sum-" in task else "multiply" if task.startswith("pass-") else task.split("-")[0]
                kinds.setdefault(kind, []).append(float(seconds))
        return kinds

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.kill()
            member.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--limit", type=int, default=4098, help="images for the cost of the engine")
    parser.add_argument("--pinned", type=int, default=1024, help="images for the second worker")
    args = parser.parse_args()
    options = ["--input", args.input, "--precision", args.precision]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        whole = [*options, "--limit", args.limit]
        local_s, stages, local = run(folder, "local", whole)
        print(f"local: {local_s:.1f} s", {k: round(v, 2) for k, v in stages.items()}, flush=True)
        with Cluster(folder, args.input, 1) as cluster:
            one_s, stages, one = run(folder, "one", whole, cluster.engine)
            kinds = cluster.tasks()
        print(f"one worker: {one_s:.1f} s, {one_s / local_s:.3f} x", {k: round(v, 2) for k, v in stages.items()})
        assert one == local, "other bytes"
        for kind, seconds in kinds.items():
            print(f"  {kind}: {len(seconds)} tasks, median {statistics.median(seconds):.3f} s", flush=True)
        part = [*options, "--limit", args.pinned]
        walls, digests = {}, []
        for n in (1, 2):
            with Cluster(folder, args.input, n, cores=[0, 1]) as cluster:
                _, stages, digest = run(folder, f"pinned-{n}", part, cluster.engine)
                walls[n] = stages["features"]
                digests.append(digest)
        assert digests[0] == digests[1], "other bytes"
        print(f"features of {args.pinned} images: one core {walls[1]:.1f} s, two {walls[2]:.1f} s, {walls[1] / walls[2]:.2f} x")


if __name__ == "__main__":
    main()
