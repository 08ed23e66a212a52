#!/usr/bin/env python3
"""What counts as reached: figures of benches/results.py on small results made up here.

    python3 benches/test_results.py
"""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import plan  # noqa: E402
import results  # noqa: E402
from targets import Accuracy, Target  # noqa: E402


def row(name, times_s, ours=False, accuracy=None, failed=None):
    runs = [{"round": i, "elapsed_s": t, "peak_rss_bytes": 10**9, "peak_is_bound": False, "saved": False} for i, t in enumerate(times_s)]
    if failed:
        runs.append({"round": len(runs), "failed": failed})
    return {"name": name, "ours": ours, "time": "elapsed_s", "note": "", "runs": runs, "accuracy": accuracy or {}}


def verdict(target, *rows):
    return results.verdict(target, {"comparisons": [{"name": "C", "contestants": list(rows)}]})


TWICE = Target("x", "C", "ours", 2.0, ("a", "b"), accuracy=Accuracy("error", 0.1))
NO_WORSE = Target("x", "C", "ours", 2.0, ("a",), accuracy=Accuracy("error", None))
IN_TIME = Target("x", "C", "ours", 0.3, unit="s")
GOOD = {"error": 0.05}


class Verdicts(unittest.TestCase):
    def test_ratios_are_taken_round_by_round_and_their_median_counts(self):
        peer, figure, said = verdict(TWICE, row("ours", [1, 2, 1], True, GOOD), row("a", [3, 3, 3]))
        self.assertEqual((peer, figure), ("a", "3.00 x (1.50 x to 3.00 x)"))
        self.assertTrue(said.startswith("reached, 1.50 x"), said)

    def test_the_fastest_peer_counts(self):
        peer, _, said = verdict(TWICE, row("ours", [1], True, GOOD), row("a", [3]), row("b", [1.5]))
        self.assertEqual((peer, said), ("b", "**missed by 25.0 %**"))

    def test_a_faster_figure_with_other_numbers_does_not_count(self):
        for target, accuracy, peers in [(TWICE, {"error": 0.2}, {}), (TWICE, {}, {}), (NO_WORSE, {"error": 0.2}, GOOD), (NO_WORSE, GOOD, {})]:
            *_, said = verdict(target, row("ours", [1], True, accuracy), row("a", [9], accuracy=peers))
            self.assertTrue(said.startswith("does not count: error"), said)
        *_, said = verdict(NO_WORSE, row("ours", [1], True, GOOD), row("a", [9], accuracy=GOOD))
        self.assertTrue(said.startswith("reached"), said)

    def test_what_failed_is_said(self):
        self.assertEqual(verdict(TWICE, row("ours", [], True, failed="no"), row("a", [1]))[2], "failed: no")
        self.assertEqual(verdict(TWICE, row("ours", [1], True, GOOD), row("a", [], failed="gone"))[2], "the peer failed: gone")
        self.assertEqual(verdict(TWICE)[2], "not measured")

    def test_bounds(self):
        self.assertEqual(verdict(IN_TIME, row("ours", [0.2, 0.1, 0.9], True))[2], "reached, at 66.7 % of the bound")
        self.assertEqual(verdict(IN_TIME, row("ours", [0.6], True))[2], "**missed by 100.0 %**")


class Figures(unittest.TestCase):
    def test_the_exponent_of_a_power(self):
        points = [{"n": n, "elapsed_s": 3 * n**1.5} for n in (100, 1_000, 20_000)]
        self.assertEqual(results.exponent(points, "elapsed_s"), 1.5)
        self.assertIsNone(results.exponent(points[:1], "elapsed_s"))

    def test_a_plan_fits_the_folder(self):
        small = plan.fitted(plan.FULL, None, 40)
        self.assertEqual((small.n_images, small.n_images_f32, small.images_curve), (None, 40, (10, 20, 40)))
        self.assertEqual(plan.fitted(plan.FULL, 600, 4098).images_curve, (256, 512))
        self.assertEqual(plan.fitted(plan.FULL, 600, 4098).n_images, 600)


if __name__ == "__main__":
    unittest.main()
