#!/usr/bin/env python3
"""What must hold of any list scheduling, and of the page.

    python3 benches/cluster/test_simulate.py      # half a minute: the page is written again
"""

import json
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import model  # noqa: E402
import simulate  # noqa: E402
from model import MEASURED, ORDER, SCORES, TAILS, WHOLE, Task, run_tasks  # noqa: E402

KNOWN, _ = model.load()


def known(**values):
    return SimpleNamespace(**{**vars(KNOWN), **values})


# Nothing but computing, one task at a time on a worker.
BARE = known(
    n_slots_per_worker=1, spread_share=0, task_s=0, scheduler_s_per_task=0, get_s=0, put_s=0, bucket_gets_per_s=1e12
)
TASKS = [Task(0, 0, 0.5 + i % 7, 0) for i in range(100)]
WORK_S = sum(task.compute_s for task in TASKS)
LONGEST_S = max(task.compute_s for task in TASKS)


class Scheduling(unittest.TestCase):
    def test_one_worker_takes_the_sum(self):
        self.assertAlmostEqual(run_tasks(TASKS, 1, BARE, "x").elapsed_s, WORK_S)
        task = Task(64, 3e6, 2.0, 6e6)
        once = known(n_slots_per_worker=1, spread_share=0)
        parts = [once.scheduler_s_per_task, once.task_s, 64 / once.bucket_gets_per_s, 2 * once.get_s]
        parts += [9e6 / once.worker_network_bytes_per_s, task.compute_s, model.N_PUTS * once.put_s]
        self.assertAlmostEqual(run_tasks([task] * 10, 1, once, "x").elapsed_s, 10 * sum(parts))

    def test_workers_are_never_faster_than_their_share_or_the_longest_task(self):
        for n in (1, 2, 3, 10, 99, 100, 1000):
            elapsed_s = run_tasks(TASKS, n, BARE, "x").elapsed_s
            self.assertGreaterEqual(elapsed_s, max(WORK_S / n, LONGEST_S) - 1e-9)
            # Graham 1966.
            self.assertLessEqual(elapsed_s, WORK_S / n + LONGEST_S + 1e-9)

    def test_a_second_slot_hides_transfers_and_never_computing(self):
        tasks = [Task(8, 60e6, 0.5, 6e6)] * 50
        one, two = (run_tasks(tasks, 1, known(n_slots_per_worker=n, spread_share=0), "x").elapsed_s for n in (1, 2))
        self.assertLess(two, one)
        self.assertGreaterEqual(two, 50 * 0.5)

    def test_what_all_share_bounds_all(self):
        busy = known(bucket_gets_per_s=100, spread_share=0)
        self.assertGreaterEqual(run_tasks([Task(128, 0, 0.01, 0)] * 50, 1000, busy, "x").elapsed_s, 50 * 128 / 100)
        busy = known(scheduler_s_per_task=0.1)
        self.assertGreaterEqual(run_tasks([Task(1, 0, 0.01, 0)] * 50, 1000, busy, "x").elapsed_s, 50 * 0.1)

    def test_a_window_is_read_from_the_bucket_once_a_worker(self):
        window = [Task(8, 8 * KNOWN.shard_bytes, 0.1, 0, window) for window in range(20)]
        held = set()
        self.assertEqual([run_tasks(window, 1, KNOWN, "x", held).n_gets for _ in range(2)], [160, 0])

    def test_the_same_seed_the_same_times(self):
        def elapsed(seed):
            return run_tasks(TASKS, 7, known(seed=seed), "x")

        self.assertEqual(elapsed(1), elapsed(1))
        self.assertNotEqual(elapsed(1).elapsed_s, elapsed(2).elapsed_s)


class Runs(unittest.TestCase):
    def test_the_tree_ends_in_one(self):
        self.assertEqual(model.levels(1, 16), [])
        self.assertEqual(model.levels(16, 16), [1])
        self.assertEqual(model.levels(977, 16), [62, 4, 1])

    def test_speed_up_stays_below_amdahls_limit(self):
        runs = {n: model.simulate(known(spread_share=0), 100_000, n)["bf16"] for n in (1, 8, 64, 10_000)}
        for what in TAILS:
            limit = runs[1].time_s(what) / runs[1].serial_s(what)
            gains = [runs[1].time_s(what) / run.time_s(what) for run in runs.values()]
            self.assertEqual(gains, sorted(gains))
            self.assertLess(gains[-1], limit)
        # With more workers than tasks and nothing shared, a phase is one task long.
        free = known(spread_share=0, scheduler_s_per_task=0, bucket_gets_per_s=1e12)
        features_s = model.simulate(free, 100_000, 10_000)["bf16"].phases_s["features"]
        self.assertLess(features_s, 2 * free.features_bf16_s_per_shard * free.n_cores_measured / free.n_worker_cores)

    def test_phases_are_all_there_is(self):
        run = model.simulate(KNOWN, 20_000, 3)["f32"]
        self.assertEqual(sorted(run.phases_s), sorted(ORDER))
        self.assertAlmostEqual(run.time_s(WHOLE), sum(run.phases_s.values()))
        self.assertLess(run.workers_s(), run.time_s(SCORES))

    def test_every_image_is_read_once_and_every_task_leaves_a_receipt(self):
        run = model.simulate(known(n_passes=1), 128 * 8 * 16, 1)["f32"]
        # One worker holds every window after the survey; a pass reads its block, 16 leaves and the root, the scores the PCA.
        self.assertEqual(run.requests["gets"], 128 * 128 + 16 * 8 + 16 + (16 + 16 + 1) + 16 + 16)
        # Plan, features, survey, products, one sum, scores, and the block.
        self.assertEqual(run.requests["puts"], 128 + 2 * (128 + 16 + 16 + 1 + 16) + 1)

    def test_extrapolations_meet_what_was_measured(self):
        at = model.tail_measured(KNOWN, KNOWN.search_images)
        self.assertAlmostEqual(at["quality"], KNOWN.quality_s)
        self.assertAlmostEqual(at["report"], KNOWN.report_s)
        small = model.tail_measured(KNOWN, KNOWN.small_images)
        self.assertAlmostEqual(small["quality"], KNOWN.quality_small_s)
        at = model.tail_measured(KNOWN, KNOWN.tsne_images)
        self.assertAlmostEqual(at["t-SNE: neighbours"] + at["t-SNE: descent"], KNOWN.tsne_neighbors_s + KNOWN.tsne_descent_s)

    def test_spot_is_cheaper_and_idle_workers_cost(self):
        run = model.simulate(KNOWN, 20_000, 3)["f32"]
        on_demand = model.usd(KNOWN, run, WHOLE)
        self.assertLess(model.usd(KNOWN, run, WHOLE, on_spot=True), on_demand)
        self.assertGreater(model.usd(KNOWN, run, WHOLE, kept=True), on_demand)


class Files(unittest.TestCase):
    def test_a_value_without_its_source_is_refused(self):
        file = json.loads(MEASURED.read_text(encoding="utf-8"))
        for key, value in [("source", ""), ("what", ""), ("state", "believed"), ("machine", "another")]:
            broken = json.loads(json.dumps(file))
            broken["values"]["data"]["image_bytes"][key] = value
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "measured.json"
                path.write_text(json.dumps(broken), encoding="utf-8")
                with self.assertRaisesRegex(SystemExit, "image_bytes"):
                    model.load(path)

    def test_the_committed_page_is_what_the_values_give(self):
        for path, text in simulate.outputs().items():
            self.assertEqual(path.read_text(encoding="utf-8"), text, f"{path.name}: run benches/cluster/simulate.py")


if __name__ == "__main__":
    unittest.main()
