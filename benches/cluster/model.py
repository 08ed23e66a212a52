"""A run on a cluster, simulated from what single tasks take: time, requests and cost.

List scheduling: a slot of a worker that is free takes the next task. Nothing is random but the spread of the tasks, which is drawn
with a seed.

# References
Graham 1966, "Bounds for certain multiprocessing anomalies"; Amdahl 1967, "Validity of the single processor approach to achieving
large scale computing capabilities".
"""

import heapq
import json
import math
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

MEASURED = Path(__file__).resolve().parent / "measured.json"
SCHEMA = "fruits-cluster-measured/1"
STATES = ("measured", "to be measured", "assumed", "documented", "chosen")
ARITHMETICS = ("f32", "bf16")
# A doubling of the workers that takes less than this off the time is no longer worth it.
WORTH_IT = 0.10
# Puts of a task: what it made, and its receipt.
N_PUTS = 2


# --- what is known -------------------------------------------------------------------------------------------------


def load(path=MEASURED):
    """(values by name, fields as they stand in the file); refuses what the page could not say."""
    file = json.loads(Path(path).read_text(encoding="utf-8"))
    if file["schema"] != SCHEMA:
        raise SystemExit(f"{path}: schema is {file['schema']}, not {SCHEMA}")
    values = {}
    for section in file["values"].values():
        for name, field in section.items():
            if field.get("state") not in STATES:
                raise SystemExit(f"{path}: `{name}` has state {field.get('state')!r}; it must be one of {', '.join(STATES)}")
            if not field.get("what") or not field.get("source"):
                raise SystemExit(f"{path}: `{name}` does not say what it is, or where it comes from")
            if field["state"] == "measured" and field.get("machine") not in file["machines"]:
                raise SystemExit(f"{path}: `{name}` is measured and names no machine of the file")
            values[name] = field["value"]
    return SimpleNamespace(**values), file


# --- tasks on workers ----------------------------------------------------------------------------------------------


class Task(NamedTuple):
    n_gets: int
    read_bytes: float
    compute_s: float
    write_bytes: float
    # Shards that a worker keeps on its disk once it has read them.
    window: int | None = None


class Ran(NamedTuple):
    """Tasks that were run; busy_s is of each resource, all workers together."""

    elapsed_s: float
    busy_s: dict
    n_gets: int
    n_puts: int


# Resources that all workers share; of the others each worker has one.
SHARED = ("scheduler", "bucket")


def steps(task, m, factor, is_local):
    """(resource, seconds it is held, seconds that pass then) one after the other."""
    n_gets, read_bytes, local_bytes = task.n_gets, task.read_bytes, 0
    if is_local:
        local_bytes = m.n_shards_per_window * m.shard_bytes
        n_gets, read_bytes = n_gets - m.n_shards_per_window, read_bytes - local_bytes
    yield "scheduler", m.scheduler_s_per_task, m.task_s
    yield "bucket", n_gets / m.bucket_gets_per_s, factor * m.get_s * math.ceil(n_gets / m.n_parallel_gets)
    yield "network", factor * read_bytes / m.worker_network_bytes_per_s, 0
    if is_local:
        yield "disk", factor * local_bytes / m.worker_disk_bytes_per_s, 0
    yield "compute", factor * task.compute_s, 0
    yield "network", factor * task.write_bytes / m.worker_network_bytes_per_s, factor * m.put_s * N_PUTS


def run_tasks(tasks, n_workers, m, name, held=None):
    """List scheduling: a slot that is free takes the next task; a resource serves in the order of arrival.

    `held` has the (worker, window) pairs whose shards lie on the worker's disk, and gets those read here.
    """
    draw = random.Random(f"{m.seed} {name}")
    held = set() if held is None else held
    waiting = iter(tasks)
    free_at, busy_s = {}, Counter()
    elapsed_s, n_gets = 0.0, 0
    # (time, number that makes it unique, worker, steps left of the slot's task)
    events = [(0.0, slot, slot % n_workers, iter(())) for slot in range(n_workers * m.n_slots_per_worker)]
    number = len(events)
    while events:
        now, _, worker, left = heapq.heappop(events)
        step = next(left, None)
        if step is None:
            elapsed_s = max(elapsed_s, now)
            task = next(waiting, None)
            if task is None:
                continue
            is_local = (worker, task.window) in held
            if task.window is not None:
                held.add((worker, task.window))
            n_gets += task.n_gets - (m.n_shards_per_window if is_local else 0)
            left = steps(task, m, 1 + m.spread_share * (2 * draw.random() - 1), is_local)
            step = next(left)
        resource, held_s, then_s = step
        key = resource if resource in SHARED else (resource, worker)
        end = max(now, free_at.get(key, 0.0)) + held_s
        free_at[key] = end
        busy_s[resource] += held_s
        number += 1
        heapq.heappush(events, (end + then_s, number, worker, left))
    return Ran(elapsed_s, dict(busy_s), n_gets, N_PUTS * len(tasks))


# --- a run ---------------------------------------------------------------------------------------------------------

# Phases in their order, and who works.
DISTRIBUTED = ("features", "survey", "PCA: products", "PCA: sums", "scores")
SERIAL = ("start", "list and plan", "collect the survey", "PCA: driver", "waiting for all", "collect the scores")
SEARCHES = ("near duplicates", "findings")
TSNE = ("t-SNE: neighbours", "t-SNE: descent", "quality")
REPORT = ("report",)
ORDER = (
    *("start", "list and plan", "features", "survey", "collect the survey", "PCA: products", "PCA: sums", "PCA: driver"),
    *("scores", "waiting for all", "collect the scores", *SEARCHES, *TSNE, *REPORT),
)

# What is made, and the phases it takes beyond the cluster's own.
WHOLE, NO_TSNE, SCORES = "the whole report", "all but t-SNE and quality", "descriptors, PCA and scores"
TAILS = {WHOLE: SEARCHES + TSNE + REPORT, NO_TSNE: SEARCHES + REPORT, SCORES: ()}


class Run(NamedTuple):
    """Seconds by phase, utilisation (0 to 1) by phase and resource, requests by kind, and bytes written."""

    n_workers: int
    phases_s: dict
    utilisation: dict
    requests: dict
    stored_bytes: dict

    def time_s(self, what):
        return sum(self.phases_s[name] for name in DISTRIBUTED + SERIAL + TAILS[what])

    def serial_s(self, what):
        return sum(self.phases_s[name] for name in SERIAL + TAILS[what])

    def workers_s(self):
        """How long workers are paid for: from the launch until the last score is written."""
        return self.time_s(SCORES) - self.phases_s["collect the scores"]


def sizes(m, n_images):
    n_shards = math.ceil(n_images / m.n_images_per_shard)
    return n_shards, math.ceil(n_shards / m.n_shards_per_window)


def levels(n_leaves, fan_in):
    """Tasks of each level of the tree that adds up so many leaves."""
    counts = []
    while n_leaves > 1:
        n_leaves = math.ceil(n_leaves / fan_in)
        counts.append(n_leaves)
    return counts


def simulate(m, n_images, n_workers, arithmetics=ARITHMETICS):
    """A run for each arithmetic; they differ in the features alone."""
    n_shards, n_windows = sizes(m, n_images)
    per_core = m.n_cores_measured / m.n_worker_cores
    q_bytes = m.n_features * m.n_components * 4
    node_bytes = 2 * q_bytes
    window_bytes = m.n_shards_per_window * m.shard_bytes
    scored_bytes = m.n_images_per_shard * m.n_shards_per_window * m.n_components * 4
    phases_s, busy, counts = Counter(), {}, Counter()
    held = set()

    def job(phase, tasks, name):
        ran = run_tasks(tasks, n_workers, m, name, held)
        phases_s[phase] += ran.elapsed_s
        phases_s["waiting for all"] += m.job_s
        busy[phase] = busy.get(phase, Counter()) + Counter(ran.busy_s)
        counts.update(gets=ran.n_gets, puts=ran.n_puts)

    def windows(more_gets, more_bytes, compute_s, write_bytes):
        n_gets, read_bytes = m.n_shards_per_window + more_gets, window_bytes + more_bytes
        return [Task(n_gets, read_bytes, compute_s * per_core, write_bytes, window) for window in range(n_windows)]

    def collect_s(n_objects, size_bytes):
        counts["gets"] += n_objects
        return (
            math.ceil(n_objects / m.n_parallel_gets) * m.get_s
            + n_objects * (size_bytes / m.driver_network_bytes_per_s + m.collect_s_per_window)
        )

    phases_s["start"] = m.worker_start_s + m.model_load_s
    n_pages = math.ceil(n_images / m.n_keys_per_list_page)
    phases_s["list and plan"] = n_pages * m.list_page_s + n_shards * m.plan_s_per_shard
    counts.update(lists=n_pages, puts=n_shards)

    job("survey", windows(0, 0, m.survey_s_per_window, m.piece_bytes_per_window), "survey")
    phases_s["collect the survey"] = collect_s(n_windows, m.piece_bytes_per_window)
    for number in range(m.n_passes):
        job("PCA: products", windows(1, q_bytes, m.multiply_s_per_window, q_bytes), f"multiply {number}")
        input_bytes, n_inputs = q_bytes, n_windows
        for level, n_tasks in enumerate(levels(n_windows, m.n_inputs_per_reduce)):
            n_each = n_inputs / n_tasks
            task = Task(math.ceil(n_each), n_each * input_bytes, n_each * m.reduce_s_per_input, node_bytes)
            job("PCA: sums", [task] * n_tasks, f"reduce {number} {level}")
            input_bytes, n_inputs = node_bytes, n_tasks
        moved_bytes = q_bytes + input_bytes
        phases_s["PCA: driver"] += m.put_s + m.get_s + moved_bytes / m.driver_network_bytes_per_s + m.algebra_s_per_pass
        counts.update(puts=1, gets=1)
    job("scores", windows(1, m.pca_bytes, m.project_s_per_window, scored_bytes), "project")
    phases_s["collect the scores"] = collect_s(n_windows, scored_bytes)
    phases_s.update(tail(m, n_images))

    runs = {}
    for arithmetic in arithmetics:
        compute_s = vars(m)[f"features_{arithmetic}_s_per_shard"] * per_core
        n = m.n_images_per_shard
        ran = run_tasks([Task(n, n * m.image_bytes, compute_s, m.shard_bytes)] * n_shards, n_workers, m, "features")
        all_s = {**phases_s, "features": ran.elapsed_s, "waiting for all": phases_s["waiting for all"] + m.job_s}
        used = {
            phase: {kind: s / (all_s[phase] * (1 if kind in SHARED else n_workers)) for kind, s in busy_s.items()}
            for phase, busy_s in {**busy, "features": ran.busy_s}.items()
            if all_s[phase] > 0
        }
        requests = dict(counts + Counter(gets=ran.n_gets, puts=ran.n_puts))
        nodes = sum(levels(n_windows, m.n_inputs_per_reduce))
        stored = {
            "shards": n_shards * m.shard_bytes,
            "sums of a pass": n_windows * q_bytes + nodes * node_bytes,
        }
        runs[arithmetic] = Run(n_workers, {name: all_s.get(name, 0.0) for name in ORDER}, used, requests, stored)
    return runs


# --- the driver's own part -----------------------------------------------------------------------------------------


def quality_parts(m):
    """(seconds a pair of the searches, seconds a distance of the sample): two measurements, two unknowns."""
    both = m.quality_small_s / m.small_images**2
    sampled = min(m.quality_max_distances, m.search_images**2)
    search = (m.quality_s - both * sampled) / (m.search_images**2 - sampled)
    return search, both - search


def tail_measured(m, n):
    """Seconds on the cores of the measurements, at n images: n^2 for a search, n log n for the descent, a line for the report."""
    squared = (n / m.search_images) ** 2
    per_pair, per_sampled = quality_parts(m)
    slope = (m.report_s - m.report_small_s) / (m.search_images - m.small_images)
    return {
        "near duplicates": m.near_duplicates_s * squared,
        "findings": m.findings_s * squared,
        "t-SNE: neighbours": m.tsne_neighbors_s * (n / m.tsne_images) ** 2,
        "t-SNE: descent": m.tsne_descent_s * n * math.log(n) / (m.tsne_images * math.log(m.tsne_images)),
        "quality": per_pair * n**2 + per_sampled * min(n**2, m.quality_max_distances),
        "report": m.report_small_s + slope * (n - m.small_images),
    }


def tail(m, n):
    """The same on the driver: all but the report is divided by its cores."""
    shared = m.n_cores_measured / m.n_driver_cores
    return {name: s * (1 if name in REPORT else shared) for name, s in tail_measured(m, n).items()}


def one_search_s(m, n):
    """What the driver takes beyond the scores if one search among the components served all four steps."""
    times = tail(m, n)
    return sum(times.values()) - times["near duplicates"] - 2 * times["findings"]


def tsne_bytes(m, n, n_cores):
    """Peak memory of t-SNE: a line through the two largest measurements, and a block of distances for each further thread."""
    (a, b), (a_bytes, b_bytes) = m.tsne_checked_images[-2:], m.tsne_checked_peak_bytes[-2:]
    if a < m.tsne_images < b:
        a, a_bytes = m.tsne_images, m.tsne_peak_bytes
    more = (n_cores - m.n_cores_measured) * m.n_rows_per_product * 4 * n
    return b_bytes + (b_bytes - a_bytes) / (b - a) * (n - b) + more


def score_bytes(m, n):
    """As a frame and as rows, float32."""
    return 2 * n * m.n_components * 4


def driver_bytes(m, n):
    """Scores, keys and thumbnails, and t-SNE."""
    _, n_windows = sizes(m, n)
    return score_bytes(m, n) + n_windows * m.piece_bytes_per_window + tsne_bytes(m, n, m.n_driver_cores)


# --- cost ----------------------------------------------------------------------------------------------------------


def requests_usd(m, requests):
    return requests["gets"] / 1000 * m.get_usd_per_1000 + (requests["puts"] + requests["lists"]) / 1000 * m.put_usd_per_1000


def usd(m, run, what, on_spot=False, kept=False):
    """Workers until their last task, or `kept` until the end; the driver until the end; requests."""
    hourly = (m.worker_spot_usd_per_h if on_spot else m.worker_usd_per_h) + m.extra_usd_per_h
    worker_s = run.time_s(what) if kept else run.workers_s()
    driver = run.time_s(what) / 3600 * (m.driver_usd_per_h + m.extra_usd_per_h)
    return run.n_workers * worker_s / 3600 * hourly + driver + requests_usd(m, run.requests)


# --- where it stops ------------------------------------------------------------------------------------------------


class Stop(NamedTuple):
    """The first number of workers whose doubling is not worth it; None if each was."""

    n_workers: int | None
    run: Run


def powers(m):
    return [2**i for i in range(int(math.log2(m.most_workers)) + 1)]


def stop(m, runs, what):
    """`runs` by number of workers."""
    for n_workers in powers(m)[:-1]:
        now, then = runs[n_workers].time_s(what), runs[2 * n_workers].time_s(what)
        if 1 - then / now < WORTH_IT:
            return Stop(n_workers, runs[n_workers])
    return Stop(None, runs[powers(m)[-1]])


def longest(run, what):
    """(phase, its share of the time), the driver's searches and t-SNE taken as one."""
    times = {name: run.phases_s[name] for name in DISTRIBUTED + SERIAL}
    searches = [name for name in TAILS[what] if name not in REPORT]
    if searches:
        times["the driver's searches and t-SNE" if what == WHOLE else "the driver's searches"] = sum(
            run.phases_s[name] for name in searches
        )
    name = max(times, key=times.get)
    return name, times[name] / run.time_s(what)
