#!/usr/bin/env python3
"""What set-up for notebooks leaves in the folder of its libraries: whole ones, whatever was killed before.

    python3 setup/test_notebook.py
"""

import fcntl
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import notebook  # noqa: E402


class Libraries(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.root, self.libraries = Path(work.name), Path(work.name) / "library"

    def install(self, content):
        """A library of this content, and as the newest one."""
        built = self.root / "libfruits_library.so"
        built.unlink(missing_ok=True)
        built.write_text(content)
        target = notebook.install(self.libraries, [str(built)], "rustc 1.2.3")
        age_s = len(content)
        os.utime(target, (10**9 + age_s, 10**9 + age_s))
        return target

    def test_what_a_killed_set_up_left_is_removed(self):
        first = self.install("a")
        for left in [".partial-abc/library", ".partial-def", "half-removed"]:
            (self.libraries / left).mkdir(parents=True)
            (self.libraries / left / "libfruits_library.so").write_text("half")
        (first / notebook.MARK).unlink()  # its removal was killed
        again = self.install("a")
        self.assertEqual(again, first)
        self.assertEqual((again / "libfruits_library.so").read_text(), "a")
        others = {self.install("bb"), self.install("ccc")}
        self.assertEqual(set(self.libraries.iterdir()), others)

    def test_a_library_that_a_kernel_runs_on_stays(self):
        held = self.install("a")
        with open(held / notebook.MARK) as mark:
            fcntl.flock(mark, fcntl.LOCK_SH)
            others = {self.install("bb"), self.install("ccc")}
            self.assertEqual(set(self.libraries.iterdir()), {held, *others})
        self.install("dddd")
        self.assertFalse(held.exists())


if __name__ == "__main__":
    unittest.main()
