"""One contestant as a process of its own: wall time, peak memory, and the line it prints."""

import json
import math
import os
import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


class Failed(Exception):
    """Why there is no figure, in a few words."""


@dataclass
class Ran:
    """What a process took."""

    wall_s: float
    peak_rss_bytes: int
    # The kernel counts what a process inherited before it became another program, so a small one shows the driver's.
    peak_is_bound: bool
    stdout: str


def run(command, environment, limit_s, log):
    """Runs `command` to its end, with its output in `log`.out and `log`.err; `Failed` unless it succeeds in time."""
    log.parent.mkdir(parents=True, exist_ok=True)
    out, err = log.with_name(log.name + ".out"), log.with_name(log.name + ".err")
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment
            )
        except OSError as error:
            raise Failed(f"{command[0]} does not start: {error.strerror}") from error
        late = threading.Timer(limit_s, process.kill)
        late.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - began
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            late.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        if process.returncode == -9 and wall_s >= limit_s:
            raise Failed(f"it was stopped after {limit_s:.0f} s")
        ended = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise Failed(f"{ended}: {last_line(err) or 'no message'}")
    driver = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Ran(wall_s, usage.ru_maxrss * 1024, usage.ru_maxrss <= driver, out.read_text(errors="replace"))


def last_line(path):
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def json_line(ran):
    """The answer of a measurement: the last line of its output."""
    lines = ran.stdout.splitlines()
    try:
        answer = json.loads(lines[-1])
        elapsed_s = float(answer["elapsed_s"])
        if not (math.isfinite(elapsed_s) and elapsed_s >= 0.0):
            raise ValueError
        return {"elapsed_s": elapsed_s, "n_items": int(answer["n_items"]), "values": dict(answer["values"])}
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise Failed(f"its last line is not a measurement: {lines[-1][:120] if lines else 'no output'}") from error


def wall(ran):
    """The answer of a program that prints none."""
    return {"elapsed_s": ran.wall_s, "n_items": 1, "values": {}}


def timings(folder):
    """Reads the answer of a run of `report` into `folder`."""

    def read(_):
        try:
            took, record = (json.loads((Path(folder) / name).read_text()) for name in ("timings.json", "run.json"))
            stages = took["stages"]
            values = {
                "stages": [{key: stage[key] for key in ("name", "wall_s", "items", "parts") if key in stage} for stage in stages],
                "precision": record["features"]["precision"],
                "ratio_sum": record["pca"]["explained_variance_ratio_sum"],
                "own_kl_divergence": record["tsne"]["kl_divergence"],
            }
            return {"elapsed_s": float(took["total_s"]), "n_items": stages[0]["items"], "values": values}
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise Failed(f"its run.json and timings.json cannot be read: {type(error).__name__}: {error}") from error

    return read
