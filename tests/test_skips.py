#!/usr/bin/env python3
"""That a skip is counted, and fails the whole check unless it is listed. `make test` runs it."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import skips  # noqa: E402

TESTS = Path(__file__).resolve().parent


class Skips(unittest.TestCase):
    def setUp(self):
        self.file = Path(self.enterContext(tempfile.TemporaryDirectory())) / "skips.txt"

    def run_it(self, *arguments):
        env = {**os.environ, "FRUITS_SKIPS": str(self.file)}
        command = [sys.executable, TESTS / "skips.py", *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_what_is_listed_is_counted_and_what_is_not_fails(self):
        self.assertEqual(self.run_it("--strict"), (0, "tests skipped: 0\n", ""))
        self.run_it("bf16", "steps::bf16", "no AMX")
        code, said, _ = self.run_it("--strict")
        self.assertEqual((code, said.splitlines()[0]), (0, "tests skipped: 1"))
        self.run_it("chromium", "browser::a_reviewer", "Chromium is not installed")
        code, said, fault = self.run_it("--strict")
        self.assertIn("browser::a_reviewer: Chromium is not installed (chromium: not in tests/may_skip.txt)", said)
        self.assertEqual((code, "1 skipped" in fault), (1, True))
        self.assertEqual(self.run_it()[0], 0)

    def test_only_what_a_test_can_miss_is_listed(self):
        text = "".join(path.read_text(encoding="utf-8") for path in TESTS.glob("*/*.rs"))
        for name, why in skips.allowed().items():
            self.assertIn(f'"{name}"', text)
            self.assertNotEqual(why, "")


if __name__ == "__main__":
    unittest.main()
