"""Contestants in turn, and what they give, kept in one file that is whole after each comparison."""

import ast
import itertools
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import process
import results
from plan import SHORT_S
from process import Failed

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = HERE / "peers"
# What values of another form than expected lead to; hours of measuring do not end with it.
UNEXPECTED = (ArithmeticError, LookupError, TypeError, ValueError)
OVER = "the time of --quick was over"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


@dataclass
class Contestant:
    """A program and how to read its answer."""

    name: str
    command: list
    ours: bool = False
    # Options of the first run only, which leaves what accuracy is taken of.
    save: list = ()
    # Runs, where the rule of `Bench.compare` does not decide.
    n_runs: int | None = None
    read: Callable = process.json_line
    # Done before each run, outside the clock.
    before: Callable = lambda: None
    # The figure that is compared: of the run, or of its values.
    time: str = "elapsed_s"
    note: str = ""


class Bench:
    """What all groups share."""

    def __init__(self, arguments, plan, images, fresh):
        self.plan, self.images = plan, images
        self.input, self.work, self.out = arguments.input, arguments.work, arguments.out
        self.programs = {"bench": arguments.bench, "report": arguments.report}
        self.peers_python = arguments.peers
        self.n_threads = len(arguments.cores)
        self.with_bf16 = arguments.bf16
        self.results = fresh
        self.prepared = {}
        self.began = time.monotonic()
        # A variable of `report` would change what is measured.
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FRUITS_") or name == "FRUITS_RUNTIME"},
            **{name: str(self.n_threads) for name in THREAD_VARIABLES},
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "KERAS_BACKEND": "tensorflow",
        }

    # --- commands ---------------------------------------------------------------------------------------------------

    def program(self, task, *options, threads=True):
        return [self.programs["bench"], task, *options, *(["--threads", self.n_threads] if threads else [])]

    def peer(self, script, *options):
        return [self.peers_python, PEERS / script, *options, "--threads", self.n_threads]

    def report(self, out, cache, limit):
        options = ["--input", self.input, "--out", out, "--cache", cache, "--threads", self.n_threads, "--quiet"]
        return [self.programs["report"], *options, *(["--limit", limit] if limit else [])]

    def image_list(self, n):
        """A file with the first n images, the classes in turn, so that all are there."""
        path = self.work / f"images-{n}.txt"
        path.write_text("".join(f"{image}\n" for image in self.images[:n]))
        return path

    # --- running ----------------------------------------------------------------------------------------------------

    def run(self, command, log):
        return process.run(command, self.environment, self.plan.limit_s, self.work / "log" / slug(log))

    def is_over(self):
        return time.monotonic() - self.began > self.plan.all_s

    def go_on(self):
        """Ends what would begin too late."""
        if self.is_over():
            raise Failed(OVER)

    def measure(self, group, contestant, number):
        """One run as a record; one that failed says why."""
        c, saves = contestant, number == 0 and len(contestant.save) > 0
        try:
            self.go_on()
            c.before()
            ran = self.run([*c.command, *(c.save if saves else ())], f"{group} {c.name}")
            run = {"round": number, **c.read(ran), "wall_s": ran.wall_s, "peak_rss_bytes": ran.peak_rss_bytes}
            run |= {"peak_is_bound": ran.peak_is_bound, "saved": saves}
            taken_s = results.seconds({"time": c.time}, run)
        except (Failed, OSError, KeyError) as error:
            reason = f"its answer has no {error}" if isinstance(error, KeyError) else str(error)
            run = {"round": number, "failed": self.without_paths(reason)}
            say(f"{group}: {c.name}: failed: {reason}")
        else:
            say(f"{group}: {c.name}: {results.duration(taken_s)}, {results.memory(run['peak_rss_bytes'])}")
        return run

    def compare(self, group, name, contestants, unit="", conditions=""):
        """Rounds of all contestants, forwards and backwards; a peer leaves after the runs that the plan gives it."""
        rows = [{"name": c.name, "ours": c.ours, "time": c.time, "note": c.note, "runs": []} for c in contestants]
        record = {"group": group, "name": name, "unit": unit, "conditions": conditions, "contestants": rows}
        self.results["comparisons"].append(record)
        pairs = list(zip(contestants, rows))
        for number in itertools.count():
            due = [pair for pair in pairs if self.is_due(*pair, pairs, number)]
            if not due or self.is_over() and number > 0:
                break
            for contestant, row in due if number % 2 == 0 else due[::-1]:
                row["runs"].append(self.measure(group, contestant, number))
            self.write()
        return record

    def is_due(self, contestant, row, pairs, number):
        if results.failure(row):
            return False
        if number == 0 or contestant.n_runs:
            return number < (contestant.n_runs or 1)
        alive = [(c, r) for c, r in pairs if not results.failure(r)]
        ours_s = max((r["runs"][0]["elapsed_s"] for c, r in alive if c.ours), default=0.0)

        def n_runs(r):
            is_short = max(r["runs"][0]["elapsed_s"], ours_s) < SHORT_S
            return self.plan.n_pairs if is_short else self.plan.n_pairs_long

        if not contestant.ours:
            return number < n_runs(row)
        return number < max((n_runs(r) for c, r in alive if not c.ours and not c.n_runs), default=n_runs(row))

    def prepare(self, name, command):
        """Runs what a comparison needs and nobody measures; once, whatever comes of it."""
        if name not in self.prepared:
            self.go_on()
            say(f"preparing: {name}")
            try:
                self.run(command, name)
                self.prepared[name] = None
            except Failed as failure:
                self.prepared[name] = f"{name}: {failure}"
        if self.prepared[name]:
            raise Failed(self.prepared[name])

    def values(self, name, command):
        """The values of a program that is asked once."""
        return process.json_line(self.run(command, name))["values"]

    # --- what is prepared -------------------------------------------------------------------------------------------

    def described(self):
        """Descriptors and scores of the folder, from the cache of the cold run where there is one."""
        features, scores = self.work / "features.npy", self.work / "scores.npy"
        limit = ["--images", self.plan.n_images] if self.plan.n_images else []
        options = ["--input", self.input, "--cache", self.work / "cache", "--features", features, "--scores", scores, *limit]
        self.prepare("descriptors of the folder", self.program("export", *options, threads=False))
        return features, scores

    def shards(self):
        """Synthetic descriptors, as many as any PCA takes; t-SNE of more rows takes theirs again, with noise."""
        features, _ = self.described()
        folder = self.work / "shards"
        n_rows = max(self.plan.n_rows, *self.plan.pca_curve)
        if "synthetic descriptors" not in self.prepared:
            shutil.rmtree(folder, ignore_errors=True)
        options = ["--features", features, "--rows", n_rows, "--out", folder]
        self.prepare("synthetic descriptors", self.program("synthesise", *options, threads=False))
        return folder, n_rows

    def synthetic_scores(self):
        folder, n_rows = self.shards()
        scores = self.work / "synthetic-scores.npy"
        options = ["--shards", folder, "--rows", n_rows, "--scores", scores]
        self.prepare("synthetic scores", self.program("pca-streamed", *options))
        return scores

    def limits(self):
        """What the machine can do, measured once."""
        if not self.results["limits"]:
            say("measuring the limits of the machine")
            self.results["limits"] = self.values("limits", self.program("limits", "--folder", self.work))
            self.write()

    # --- results ----------------------------------------------------------------------------------------------------

    def skip(self, group, reason):
        say(f"{group}: not measured: {reason}")
        self.results["skipped"].append({"group": group, "reason": self.without_paths(str(reason))})
        self.write()

    def without_paths(self, text):
        """A result says nothing of the folders it was made in."""
        programs = self.programs["bench"].parent
        for path, name in [(self.work, "WORK"), (self.input, "INPUT"), (programs, "TARGET"), (ROOT, "."), (Path.home(), "~")]:
            text = text.replace(str(path), name)
        return text

    def write(self):
        replace(self.out / "results.json", json.dumps(self.results, indent=1, ensure_ascii=False) + "\n")
        remarks = HERE / "remarks.md"
        try:
            text = results.render([self.results], remarks.read_text(encoding="utf-8") if remarks.is_file() else "")
        except UNEXPECTED as error:
            say(f"RESULTS.md is not written: {type(error).__name__}: {error}; results.py makes it of results.json")
        else:
            replace(self.out / "RESULTS.md", text)


def replace(path, text):
    """Whole or as it was."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def n_rows_of(npy):
    """Rows of an .npy file, from its head (format 1.0 or 2.0: magic, version, length, a Python literal)."""
    with open(npy, "rb") as file:
        head = file.read(12)
        start, length = (10, head[8:10]) if head[6] == 1 else (12, head[8:12])
        file.seek(start)
        return ast.literal_eval(file.read(int.from_bytes(length, "little")).decode("latin-1"))["shape"][0]


def evict(folder):
    """Takes the files of a folder out of the cache of the system, so that the disk is read."""
    os.sync()
    for path in Path(folder).rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
