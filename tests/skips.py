#!/usr/bin/env python3
"""What tests skipped. A test that cannot run leaves a line in the file that FRUITS_SKIPS names, since the runners of tests
keep what a test prints to themselves.

    tests/skips.py                       counts the lines
    tests/skips.py --strict              fails, too, where one names something that may_skip.txt does not list
    tests/skips.py MISSING TEST REASON   adds a line: the name of what is missing, which test, why
"""

import os
import sys
from pathlib import Path

MAY_SKIP = Path(__file__).resolve().with_name("may_skip.txt")


def allowed():
    """Name of what may be missing -> why it may."""
    lines = [line.partition(" ") for line in MAY_SKIP.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return {name: why.strip() for name, _, why in lines}


def report(skips, may_skip, is_strict):
    """Prints them, and returns the exit status."""
    print(f"tests skipped: {len(skips)}")
    unlisted = 0
    for missing, test, reason in sorted(skips):
        unlisted += missing not in may_skip
        print(f"  {test}: {reason} ({missing}: {may_skip.get(missing, 'not in tests/may_skip.txt')})")
    if is_strict and unlisted:
        print(f"skips: error: {unlisted} skipped for want of what tests/may_skip.txt does not list: install it, or list it "
              "there with the reason", file=sys.stderr)
        return 1
    return 0


def main(arguments):
    file = os.environ.get("FRUITS_SKIPS")
    if len(arguments) == 3:
        print(f"skipped: {arguments[2]}")
        if file:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            with open(file, "a", encoding="utf-8") as skips:
                skips.write("\t".join(arguments) + "\n")
        return 0
    if arguments not in ([], ["--strict"]) or not file:
        print(__doc__, file=sys.stderr)
        return 2
    lines = Path(file).read_text(encoding="utf-8").splitlines() if Path(file).exists() else []
    return report({tuple(line.split("\t", 2)) for line in lines}, allowed(), bool(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
