#!/usr/bin/env python3
"""Install the peers that the benchmark runs beside this project: Keras, ONNX Runtime, OpenVINO, scikit-learn, openTSNE.

    python3 benches/setup.py            install what is missing or pinned otherwise
    python3 benches/setup.py --python   print the Python of the environment

The result, in $FRUITS_BENCH, else fruits/bench/venv in the user's data folder ($XDG_DATA_HOME, ~/.local/share), is a
Python environment of 2 GB, pinned by version and SHA-256 in requirements.txt. Needs Python 3.11 with venv.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).resolve().parent / "requirements.txt"


class SetupError(Exception):
    """One sentence for the user: what, where, what to do."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def folder():
    named = os.environ.get("FRUITS_BENCH")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return (Path(named) if named else Path(data) / "fruits/bench/venv").absolute()


def run(command, failed):
    """Runs a program that tells its own progress; `failed` says what to do if it fails."""
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError as error:
        raise SetupError(f"{command[0]} is not there; {failed}") from error
    except subprocess.CalledProcessError as error:
        raise SetupError(f"`{' '.join(map(str, command[:3]))} ...` failed; {failed}") from error


def peers(venv):
    mark = venv / "requirements.txt"
    # A newer Python, after an upgrade of the system, does not find the packages of the old one.
    wanted = PINS.read_text() + f"# by {sys.version}\n"
    if mark.is_file() and mark.read_text() == wanted:
        return
    if sys.version_info < (3, 11):
        version = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(f"python3 is {version} and the peers need 3.11 or later: install a newer one (Debian 12, Ubuntu 24.04 have it)")
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").is_file():
        raise SetupError(f"{venv} holds something else than a Python environment: name a new folder with FRUITS_BENCH")
    say(f"installing the peers into {venv} (0.6 GB of download, once)")
    run([sys.executable, "-m", "venv", "--clear", venv], "run `apt-get install python3-venv` (Debian, Ubuntu)")
    pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    pins = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", PINS]
    run(pip + pins, "look at pip's message above; a package index must be reached, once")
    mark.write_text(wanted)  # last: the mark that all of it is there


def main():
    venv = folder()
    if sys.argv[1:] == ["--python"]:
        print(venv / "bin/python")
        return
    if sys.argv[1:]:
        raise SetupError("the only argument there is, is --python")
    venv.parent.mkdir(parents=True, exist_ok=True)
    with open(venv.with_name(venv.name + ".lock"), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two at a time would install the same things twice
        peers(venv)
    say(f"the peers are in {venv}")


try:
    main()
except SetupError as error:
    sys.exit(f"bench: error: {error}")
except OSError as error:
    sys.exit(f"bench: error: {error}; free space or name another folder with FRUITS_BENCH")
except KeyboardInterrupt:
    sys.exit("bench: stopped; the same command goes on")
