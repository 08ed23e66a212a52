#!/usr/bin/env python3
"""Runs the fuzz targets, one after the other, and keeps the figures.

    fuzz/run.py [--seconds N | --executions N] [TARGET ...]

Inputs that reach new code stay in a folder outside of the tree, $FRUITS_FUZZ or ~/.cache/fruits/fuzz, so that each run goes on
where the last one ended; so do the findings, the output of libFuzzer, and totals.json with all executions so far. The seeds
are those of fuzz/seeds and, of formats of images, the corpus of the tests.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
IMAGES = FUZZ.parent / "tests" / "fixtures" / "corpus" / "files"
TRIPLE = "x86_64-unknown-linux-gnu"

# Endings of the test corpus that are seeds of a target.
ENDINGS = {
    "bmp": [".bmp"],
    "gif": [".gif"],
    "jpeg": [".jpg"],
    "png": [".png"],
    "tiff": [".tif", ".dng"],
    "webp": [".webp"],
}
# Bytes of an input: the largest seed, and room to grow.
MOST_BYTES = {"record": 48 << 10, "files": 8192, "receipt": 4096, "wire": 2048, "notebook": 512, "exif": 1024}
USUAL_BYTES = 4096
# What a run of the program is held to, as libFuzzer sees it: an image of 512 MiB and what is made of it, and no more at once
# than one and a half GB. Nothing takes ten seconds, with sanitizers.
LIMITS = ["-timeout=10", "-rss_limit_mb=3000", "-malloc_limit_mb=1500"]
# Inputs that take long are chosen less.
SCHEDULE = ["-entropic_scale_per_exec_time=1", "-print_final_stats=1"]


def main():
    options = arguments()
    missing = what_is_missing()
    if missing:
        sys.exit(f"fuzz: {missing}")
    folder = build()
    cache = Path(os.environ.get("FRUITS_FUZZ") or Path.home() / ".cache" / "fruits" / "fuzz")
    totals = Totals(cache / "totals.json")
    rows = []
    for target in options.targets or targets():
        found = run(target, folder / target, cache, options)
        totals.add(target, found)
        rows.append((target, found))
        print(line(target, found, totals.of(target)), flush=True)
    print()
    print(table(rows, totals))
    n_findings = sum(len(found["findings"]) for _, found in rows)
    if n_findings:
        sys.exit(f"fuzz: {n_findings} findings; each is a file, run its target with it")


def arguments():
    parser = argparse.ArgumentParser(description="Runs the fuzz targets, one after the other.")
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--seconds", type=int, default=60, metavar="N", help="of each target (60)")
    bound.add_argument("--executions", type=int, metavar="N", help="of each target, however long they take")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(targets())}; all if none is named")
    options = parser.parse_args()
    unknown = set(options.targets) - set(targets())
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(targets())}")
    return options


def targets():
    return sorted(path.stem for path in (FUZZ / "fuzz_targets").glob("*.rs"))


def what_is_missing():
    """A sentence, or nothing."""
    if not shutil.which("rustup") or not succeeds("cargo", "+nightly", "--version"):
        return "the nightly compiler is missing, which has the sanitizers: `rustup toolchain install nightly --profile minimal`"
    if not succeeds("cargo", "+nightly", "fuzz", "--version"):
        return "cargo-fuzz is missing: `cargo install cargo-fuzz --locked`"
    return None


def succeeds(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def build():
    """Builds all targets; gives the folder they are in."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or FUZZ / "target").resolve()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    clang = next(filter(shutil.which, ["clang", *(f"clang-{n}" for n in range(30, 13, -1))]), None)
    if clang:
        # C is instrumented, too: without it libFuzzer sees nothing of libjpeg and Zstandard.
        environment["CC"] = clang
        environment["CFLAGS"] = "-fsanitize=address,fuzzer-no-link"
    else:
        print("fuzz: there is no clang, so C code (libjpeg, Zstandard) runs without sanitizer and coverage")
    subprocess.run(["cargo", "+nightly", "fuzz", "build", "--fuzz-dir", "."], cwd=FUZZ, env=environment, check=True)
    return target / TRIPLE / "release"


def run(target, program, cache, options):
    """Runs a target; gives executions, seconds and the files that broke it."""
    corpus, findings, logs = (cache / name / target for name in ("corpus", "findings", "logs"))
    for folder in (corpus, findings, logs):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    bound = [f"-max_total_time={options.seconds}"]
    if options.executions:
        bound = [f"-runs={options.executions}"]
    seeds = cache / "seeds" / target
    gather(target, seeds)
    command = [program, *bound, *LIMITS, *SCHEDULE, f"-max_len={MOST_BYTES.get(target, USUAL_BYTES)}"]
    command += [f"-artifact_prefix={findings}/", corpus, seeds]
    log = logs / f"{time.time_ns()}.txt"
    began = time.monotonic()
    with log.open("wb") as output:
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=output, check=False).returncode
    seconds = time.monotonic() - began
    said = log.read_text(errors="replace")
    executed = re.findall(r"stat::number_of_executed_units: *(\d+)", said)
    # A target that was killed tells how far it was in its last line.
    executed = executed or re.findall(r"^#(\d+)", said, re.MULTILINE)
    covered = re.findall(r"cov: (\d+)", said)
    found = sorted(str(path) for path in set(findings.iterdir()) - before)
    if ended != 0 and not found:
        found = [str(log)]
    return {
        "executions": int(executed[-1]) if executed else 0,
        "seconds": seconds,
        "covered": int(covered[-1]) if covered else 0,
        "findings": found,
    }


def gather(target, seeds):
    """Puts the seeds of a target into one folder."""
    shutil.rmtree(seeds, ignore_errors=True)
    seeds.mkdir(parents=True)
    own = FUZZ / "seeds" / target
    files = list(own.iterdir()) if own.is_dir() else []
    files += [path for path in IMAGES.iterdir() if path.suffix in ENDINGS.get(target, [])]
    for path in files:
        shutil.copy(path, seeds / path.name)


class Totals:
    """All executions of each target so far."""

    def __init__(self, path):
        self.path = path
        self.all = json.loads(path.read_text()) if path.exists() else {}

    def of(self, target):
        return self.all.get(target, {"executions": 0, "seconds": 0.0, "findings": 0})

    def add(self, target, found):
        total = self.of(target)
        self.all[target] = {
            "executions": total["executions"] + found["executions"],
            "seconds": round(total["seconds"] + found["seconds"], 1),
            "findings": total["findings"] + len(found["findings"]),
        }
        # Whole or as it was.
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.all, indent=1, sort_keys=True) + "\n")
        new.replace(self.path)


def line(target, found, total):
    text = f"{target}: {found['executions']:,} executions in {found['seconds']:.0f} s, {total['executions']:,} so far"
    return "\n  ".join([text, *found["findings"]])


def table(rows, totals):
    lines = [
        "| target | executions | a second | edges | findings | all executions so far |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for target, found in rows:
        rate = found["executions"] / max(found["seconds"], 1e-9)
        lines.append(
            f"| `{target}` | {found['executions']:,} | {rate:,.0f} | {found['covered']:,} | {len(found['findings'])} "
            f"| {totals.of(target)['executions']:,} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
