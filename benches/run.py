#!/usr/bin/env python3
"""Measure this project and what a user would pick instead, side by side, and write down what came out.

    python3 benches/run.py [--quick] [--input DIR] [--images N] [--cores 0,1] [--only GROUP,...] [--bf16]
                           [--peers PYTHON] [--bench PROGRAM] [--report PROGRAM] [--work DIR] [--out DIR]

Every contestant is a process of its own on the same cores; in each round all of a comparison run one after the other, in
turn forwards and backwards. groups.py says what is compared, plan.py how much, targets.py what must be reached. A
contestant that fails leaves a row that says so. Needs Python 3.11, `make setup`, and the peers of benches/setup.py.

Written to OUT after every comparison, so that a run that was stopped keeps what it has:

    results.json       all figures, see `fresh` below
    RESULTS.md         the same for people, by results.py
    plots/STEP-*.svg   the scaling curves of a step: time, memory

With --only, the other groups of an OUT/results.json of the same commit, machine and images stay as they are.
"""

import argparse
import datetime
import itertools
import json
import os
import shutil
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from groups import GROUPS  # noqa: E402
from machine import cpu_flags, machine, project, said, versions  # noqa: E402
from measure import HERE, ROOT, UNEXPECTED, Bench, say  # noqa: E402
from plan import FULL, QUICK, fitted  # noqa: E402
from process import Failed  # noqa: E402

SCHEMA = "fruits-bench/1"
SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".gif", ".bmp"}


class UsageError(Exception):
    """One sentence for the user: what, where, what to do."""


def parse():
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less of everything, in five minutes")
    parser.add_argument("--input", type=Path, default=ROOT / "data-sample", metavar="DIR", help="images, one folder a class")
    parser.add_argument("--images", type=int, metavar="N", help="use at most so many of them")
    parser.add_argument("--cores", type=numbers, default=sorted(os.sched_getaffinity(0)), metavar="0,1", help="default: all")
    parser.add_argument("--only", type=groups, default=list(GROUPS), metavar="GROUP,...", help=", ".join(GROUPS))
    parser.add_argument("--bf16", action="store_true", default="amx_bf16" in cpu_flags(), help="default: with AMX for it")
    parser.add_argument("--peers", metavar="PYTHON", help="default: that of benches/setup.py")
    parser.add_argument("--bench", type=Path, default=target / "release/fruits-bench", metavar="PROGRAM")
    parser.add_argument("--report", type=Path, default=target / "release/report", metavar="PROGRAM")
    parser.add_argument("--work", type=Path, metavar="DIR", help="for what passes between programs; delete it at will")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: benches, or with --quick WORK")
    arguments = parser.parse_args()
    work = arguments.work or target / ("bench-quick" if arguments.quick else "bench")
    arguments.work = work.absolute()
    arguments.out = (arguments.out or (work if arguments.quick else HERE)).absolute()
    for name in ("input", "bench", "report"):
        setattr(arguments, name, getattr(arguments, name).absolute())
    if arguments.peers is None:
        arguments.peers = said([sys.executable, HERE / "setup.py", "--python"])
    return arguments


def numbers(text):
    return sorted({int(part) for part in text.split(",")})


def groups(text):
    names = text.split(",")
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no group `{unknown[0]}`; there are {', '.join(GROUPS)}")
    return [name for name in GROUPS if name in names]


def check(arguments):
    for program in (arguments.bench, arguments.report):
        if not program.is_file():
            raise UsageError(f"there is no program {program}: `make bench` builds it, or name another one")
    if not shutil.which(arguments.peers):
        what = arguments.peers or "Python of the peers"
        raise UsageError(f"there is no {what}: run `python3 benches/setup.py`, or name another one with --peers")
    usable = sorted(os.sched_getaffinity(0))
    if not set(arguments.cores) <= set(usable):
        raise UsageError(f"this process may use the cores {usable}, not all of {arguments.cores}: name others with --cores")
    if arguments.images is not None and arguments.images < 1:
        raise UsageError(f"--images takes 1 or more, not {arguments.images}")


def found_images(folder):
    """class -> its images, both in the order of their names."""
    classes = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.parent != folder and path.is_file():
            classes.setdefault(path.parent.relative_to(folder).as_posix(), []).append(path)
    if not classes:
        raise UsageError(f"there is no image in a folder below {folder}: name one with a folder a class with --input")
    return classes


def in_turn(classes):
    """All images, one of each class after the other, so that any first part of them has all classes."""
    taken = itertools.zip_longest(*(classes[name] for name in sorted(classes)))
    return [path for row in taken for path in row if path is not None]


def fresh(arguments, plan, classes):
    n_found = sum(map(len, classes.values()))
    return {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "quick": arguments.quick,
        "machine": machine(arguments.cores),
        "load": os.getloadavg()[0],
        "project": project(),
        "versions": versions(arguments.peers),
        "images": {"n_images": plan.n_images or n_found, "n_classes": len(classes)},
        # group, name, unit, conditions, contestants: name, ours, time, note, runs, accuracy
        "comparisons": [],
        # curves: step, name, unit, points (n, elapsed_s, and peak_rss_bytes where it is known), failed
        "scaling": [],
        # runs: name, n_images, precision, total_s, peak_rss_bytes, stages
        "profile": [],
        # time of decoding on one core
        "decode": {},
        # gemm_f32_gflops, memory_gb_s, disk_read_mb_s, disk_write_mb_s, vgg16_gflop_per_image
        "limits": {},
        # group, reason
        "skipped": [],
        # files of the scaling curves
        "plots": [],
    }


def keep_others(results, path, only):
    """Groups that are not measured again; they must have been measured on the same."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    other = [key for key in ("schema", "quick", "machine", "project", "versions", "images") if old.get(key) != results[key]]
    if other:
        why = f"{path} was measured with another `{other[0]}`, so that its groups cannot stay"
        raise UsageError(f"{why}: name another --out, or leave out --only")
    for key in ("comparisons", "skipped"):
        results[key] = [record for record in old[key] if record["group"] not in only]
    if not {"profile", "pca-streamed"} & set(only):
        results["limits"] = old["limits"]
    for group, keys in {"scaling": ("scaling", "plots"), "profile": ("profile", "decode")}.items():
        if group not in only:
            results.update({key: old[key] for key in keys})


def measure(bench, only):
    for name in only:
        say(f"--- {name}")
        try:
            bench.go_on()
            GROUPS[name](bench)
        except (Failed, OSError) as error:
            bench.skip(name, error)
        except UNEXPECTED as error:
            bench.skip(name, f"{type(error).__name__}: {error}")
    if "scaling" in only:
        draw(bench)


def draw(bench):
    plots = bench.out / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    try:
        bench.run(bench.program("plot", bench.out / "results.json", plots, threads=False), "plot")
    except Failed as failure:
        bench.skip("scaling", f"the plots: {failure}")
    bench.results["plots"] = sorted(path.relative_to(bench.out).as_posix() for path in plots.glob("*.svg"))
    bench.write()


def terminated(*_):
    say("stopped; what was measured is kept")
    sys.exit(128 + signal.SIGTERM)


def main():
    arguments = parse()
    check(arguments)
    # The driver waits while others work, and its children inherit this.
    os.sched_setaffinity(0, arguments.cores)
    signal.signal(signal.SIGTERM, terminated)
    classes = found_images(arguments.input)
    images = in_turn(classes)
    plan = fitted(QUICK if arguments.quick else FULL, arguments.images, len(images))
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    results = fresh(arguments, plan, classes)
    if results["load"] > 0.5:
        say(f"{results['load']:.1f} processes were running in the last minute: figures of a busy machine say little")
    if arguments.only != list(GROUPS):
        keep_others(results, arguments.out / "results.json", arguments.only)
    bench = Bench(arguments, plan, images, results)
    bench.write()
    measure(bench, arguments.only)
    n_failed = sum("failed" in run for c in results["comparisons"] for row in c["contestants"] for run in row["runs"])
    say(f"{arguments.out / 'RESULTS.md'} is written{f'; {n_failed} runs failed' if n_failed else ''}")


try:
    main()
except UsageError as error:
    sys.exit(f"bench: error: {error}")
except OSError as error:
    sys.exit(f"bench: error: {error}; free space, or name other folders with --work and --out")
except KeyboardInterrupt:
    say("stopped; what was measured is kept")
    sys.exit(128 + signal.SIGINT)
