#!/usr/bin/env python3
"""The advisories of RustSec's database that speak of a crate of this repository's lock files, as a snapshot in advisories/.

    setup/advisories.py CLONE       takes it anew from a clone of https://github.com/RustSec/advisory-db
    setup/advisories.py --check     says how old it is; fails if a lock file names a crate that was not looked up

advisories/crates.txt names the commit it was taken from, its day, and the crates that were looked up. The files below
advisories/crates are those of the database as far as the check needs them: the table with versions, and the title.
"""

import datetime
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ["Cargo.lock", "fuzz/Cargo.lock"]
SNAPSHOT = ROOT / "setup" / "advisories"
NAMES = SNAPSHOT / "crates.txt"
HEAD = "# RustSec advisory-db, commit {} of {}. Crates that were looked up:"


def locked():
    """Names of all crates of the lock files that come from a registry."""
    packages = [package for lock in LOCKS for package in (ROOT / lock).read_text().split("[[package]]\n")[1:]]
    return {re.match('name = "(.+)"\n', package)[1] for package in packages if "\nsource = " in package}


def git(clone, *arguments):
    return subprocess.run(["git", "-C", clone, *arguments], check=True, stdout=subprocess.PIPE).stdout


def needed(advisory):
    """Its table and its title, without the description."""
    table, _, description = advisory.partition("\n```\n")
    title = re.search("^# .+$", description, re.MULTILINE)
    return f"{table}\n```\n\n{title[0]}\n"


def refresh(clone):
    names = sorted(locked())
    commit, day = git(clone, "log", "-1", "--format=%H %cs", "HEAD").decode().split()
    found = git(clone, "ls-tree", "-r", "--name-only", "HEAD", "crates/").decode().splitlines()
    wanted = [path for path in found if path.split("/")[1] in set(names)]
    shutil.rmtree(SNAPSHOT / "crates", ignore_errors=True)
    for path in wanted:
        (SNAPSHOT / path).parent.mkdir(parents=True, exist_ok=True)
        (SNAPSHOT / path).write_text(needed(git(clone, "show", f"HEAD:{path}").decode()))
    NAMES.write_text("\n".join([HEAD.format(commit, day), *names]) + "\n")
    print(f"advisories: {len(wanted)} of {day} on {len(names)} crates")


def check():
    head, *names = NAMES.read_text().splitlines()
    day = re.fullmatch(re.escape(HEAD).replace(r"\{\}", "(.+)"), head)[2]
    missing = sorted(locked() - set(names))
    if missing:
        print(
            f"advisories: error: the snapshot of {day} was made without {', '.join(missing)}: take it anew with "
            "`setup/advisories.py CLONE`, from a clone of https://github.com/RustSec/advisory-db",
            file=sys.stderr,
        )
        return 1
    age_days = (datetime.date.today() - datetime.date.fromisoformat(day)).days
    print(f"advisories: a snapshot of {day}, {age_days} days old; `make nightly` asks the newest")
    return 0


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments == ["--check"]:
        return check()
    refresh(arguments[0])
    return check()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
