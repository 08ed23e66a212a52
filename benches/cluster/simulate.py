#!/usr/bin/env python3
"""A run on a cluster, simulated: time, cost, and where more workers stop helping.

    python3 benches/cluster/simulate.py

reads benches/cluster/measured.json and writes benches/CLUSTER.md and its plots, benches/plots/cluster-*.svg. They are a function
of that file alone: every number in the text comes from it.
"""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]
import figure  # noqa: E402
from model import (  # noqa: E402
    ARITHMETICS, DISTRIBUTED, MEASURED, ORDER, REPORT, SCORES, SEARCHES, TAILS, TSNE, WHOLE, WORTH_IT,
    driver_bytes, levels, load, longest, one_search_s, powers, quality_parts, requests_usd, score_bytes, simulate,
    sizes, stop, tail, tail_measured, tsne_bytes, usd,
)
from sentences import busiest, count, duration, listed, sentence, size, workers  # noqa: E402
from words import percent, significant, table  # noqa: E402

PAGE = HERE.parent / "CLUSTER.md"
PLOTS = HERE.parent / "plots"


# --- the page ------------------------------------------------------------------------------------------------------


def all_runs(m):
    """By images, arithmetic and number of workers."""
    runs = {n: {arithmetic: {} for arithmetic in ARITHMETICS} for n in m.images}
    for n_images in m.images:
        for n_workers in sorted({*powers(m), *m.workers, *m.highlighted_workers}):
            for arithmetic, run in simulate(m, n_images, n_workers).items():
                runs[n_images][arithmetic][n_workers] = run
    return runs


def introduction(m, file):
    fields = {name: field for section in file["values"].values() for name, field in section.items()}
    open_fields = [name for name, field in fields.items() if field["state"] == "to be measured"]
    text = (
        "# A cluster, simulated\n\n"
        f"What a run on {listed(map(str, m.workers))} workers would take for {listed(map(count, m.images))} images: time, "
        "cost, "
        "and where more workers stop helping. **No run of this size was made**: a simulation puts tasks on workers, with the "
        "time "
        "that each kind of task, transfer and wait takes by itself. [`cluster/measured.json`](cluster/measured.json) holds "
        "these, "
        "each with its source; the [last table](#values) shows them.\n\n"
        "    python3 benches/cluster/simulate.py      # writes this page and its plots; all numbers here are its own\n"
    )
    if open_fields:
        text += (
            f"\n{len(open_fields)} of {len(fields)} values are **to be measured** and are guesses until then. How much the "
            "time "
            "depends on each is said [below](#what-is-not-measured).\n"
        )
    return text


def summary(m, runs):
    text = "\n## In short\n\n"
    few, many = m.highlighted_workers
    for n_images in m.images:
        of = runs[n_images]["bf16"]
        one_s = of[1].time_s(SCORES)
        parts = [
            f"{duration(of[n].time_s(SCORES))} on {workers(n)} ({significant(one_s / of[n].time_s(SCORES))} times as fast)"
            for n in (few, many)
        ]
        text += (
            f"- **{count(n_images)} images** in bf16: descriptors, PCA and scores take {duration(one_s)} on one worker, "
            f"{listed(parts)}. The whole report takes {listed(duration(of[n].time_s(WHOLE)) for n in (1, few, many))} on "
            f"1, {few} and {workers(many)}.\n"
        )
    for what in (SCORES, WHOLE):
        for n_images in m.images:
            found = stop(m, runs[n_images]["bf16"], what)
            phase, share = longest(found.run, what)
            use = busiest(found.run, phase)
            text += (
                f"- {sentence(what)}, {count(n_images)}, bf16: {stop_words(m, found)}. The longest phase there is "
                f"{phase}, {percent(share)} of the time" + (f" ({use}).\n" if use else ".\n")
            )
    big = m.images[-1]
    times = tail(m, big)
    searches = sum(times[name] for name in (*SEARCHES, "t-SNE: neighbours", "quality"))
    text += (
        f"- The driver works alone in the end: at {count(big)} images its searches for exact neighbours take "
        f"{duration(searches)} on {m.n_driver_cores} cores, t-SNE's descent {duration(times['t-SNE: descent'])}, and the time "
        "of a search "
        "grows with the square of the number of images. Findings, near duplicates, t-SNE and quality each search anew; one "
        "search "
        f"for all four would leave {duration(one_search_s(m, big))} of {duration(sum(times.values()))}.\n"
    )
    return text


def stop_words(m, found):
    if found.n_workers is None:
        return f"each doubling up to {workers(powers(m)[-1])} takes {100 * WORTH_IT:g} % or more off the time"
    return f"beyond {workers(found.n_workers)} a doubling takes less than {100 * WORTH_IT:g} % off the time"


def time_and_cost(m, runs):
    text = (
        f"\n## Time and cost\n\nWorkers are {m.worker_type} with {m.n_worker_cores} cores, the driver is a {m.driver_type} "
        "with "
        f"{m.n_driver_cores}. Efficiency is the speed-up against one worker, divided by the workers. Workers are paid from the "
        "launch to the last "
        "score, the driver to the end, and it is never on spot. Prices are assumptions, to be replaced by the reader: "
        "[values](#values).\n\n"
        "![Time over workers](plots/cluster-time.svg)\n\n![Cost over workers](plots/cluster-cost.svg)\n"
    )
    head = ["workers", "arithmetic"]
    for what in (SCORES, WHOLE):
        head += [f"{what}: time", "speed-up", "efficiency", "USD", "on spot"]
    for n_images in m.images:
        rows = []
        for arithmetic in ARITHMETICS:
            of = runs[n_images][arithmetic]
            for n in m.workers:
                row = [f"{n:,}", arithmetic]
                for what in (SCORES, WHOLE):
                    gain = of[1].time_s(what) / of[n].time_s(what)
                    costs = [significant(usd(m, of[n], what, on_spot)) for on_spot in (False, True)]
                    row += [duration(of[n].time_s(what)), f"{significant(gain)} x", percent(gain / n), *costs]
                rows.append(row)
        text += f"\n### {count(n_images)} images\n\n" + table(head, rows) + "\n" + costs_words(m, runs, n_images)
    return text


def costs_words(m, runs, n_images):
    n = m.highlighted_workers[-1]
    run = runs[n_images]["bf16"][n]
    least = []
    for what in (SCORES, WHOLE):
        cost, k = min((usd(m, runs[n_images]["bf16"][k], what), k) for k in powers(m))
        least.append(f"{workers(k)} for {what} ({significant(cost)} USD)")
    kept, ended = usd(m, run, WHOLE, kept=True), usd(m, run, WHOLE)
    requests, stored = run.requests, run.stored_bytes
    month = stored["shards"] / 1e9 * m.stored_usd_per_gb_month
    return (
        f"Cheapest in bf16, of powers of two: {listed(least)}. On {workers(n)}, {significant(requests['gets'] / 1e6)} million "
        f"reads, {significant(requests['puts'] / 1e3)} thousand "
        f"writes and {requests['lists']:,} pages of listings cost {significant(requests_usd(m, requests))} USD of it. Workers "
        "that are not ended before "
        f"the driver's own part make the whole report {significant(kept)} instead of {significant(ended)} USD. The shards are "
        f"{size(stored['shards'])}, {significant(month)} USD a month; the sums of a pass of PCA are "
        f"{size(stored['sums of a pass'])}, "
        "to be deleted after it.\n"
    )


def phases(m, runs):
    text = (
        "\n## Phases\n\nWall time of each, in order. Features are those of one arithmetic at a time; everything else is the "
        "same for both. "
        "`Waiting for all` is what the engine takes each time that all workers wait for each other.\n"
    )
    for n_images in m.images:
        of = runs[n_images]
        rows = []
        for name in ORDER:
            for arithmetic in ARITHMETICS if name == "features" else ARITHMETICS[-1:]:
                who = "workers" if name in DISTRIBUTED else "all" if name in ("start", "waiting for all") else "driver"
                title = f"{name}, {arithmetic}" if name == "features" else name
                rows.append([title, who, *(duration(of[arithmetic][n].phases_s[name]) for n in m.workers)])
        for what in TAILS:
            for arithmetic in ARITHMETICS:
                times = [f"**{duration(of[arithmetic][n].time_s(what))}**" for n in m.workers]
                rows.append([f"**{what}, {arithmetic}**", "", *times])
        text += f"\n### {count(n_images)} images: phases\n\n"
        text += table(["phase", "of", *map(workers, m.workers)], rows)
    return text


def where_it_stops(m, runs):
    rows = []
    for n_images in m.images:
        for what in TAILS:
            for arithmetic in ARITHMETICS:
                of = runs[n_images][arithmetic]
                found = stop(m, of, what)
                phase, share = longest(found.run, what)
                use = busiest(found.run, phase)
                beyond = f"{found.n_workers:,}" if found.n_workers else f"none up to {powers(m)[-1]:,}"
                limit = of[1].time_s(what) / of[1].serial_s(what)
                bottleneck = f"{phase}, {percent(share)}" + (f": {use}" if use else "")
                line = [count(n_images), what, arithmetic, beyond, duration(found.run.time_s(what)), bottleneck]
                rows.append([*line, duration(of[1].serial_s(what)), f"{significant(limit)} x"])
    head = [
        *("images", "what is made", "arithmetic", f"workers beyond which a doubling takes less than {100 * WORTH_IT:g} % off"),
        *("time there", "longest phase there, and its share", "serial time", "most speed-up"),
    ]
    return (
        "\n## Where it stops\n\nLooked for at powers of two. The serial time is that of the engine and the driver, which no "
        "worker shortens; "
        "the most speed-up is the time on one worker divided by it (Amdahl 1967).\n\n" + table(head, rows) + shared_limits(m)
    )


def shared_limits(m):
    """Workers that use up what all of them share."""
    per_core = m.n_cores_measured / m.n_worker_cores
    shard_s = {arithmetic: vars(m)[f"features_{arithmetic}_s_per_shard"] * per_core for arithmetic in ARITHMETICS}
    readers = [f"{m.bucket_gets_per_s / m.n_images_per_shard * s:,.0f} workers in {a}" for a, s in shard_s.items()]
    scheduled = [f"{s / m.scheduler_s_per_task:,.0f} in {a}" for a, s in shard_s.items()]
    return (
        f"\nThe bucket's {m.bucket_gets_per_s:,} reads a second are the images of {listed(readers)}. They are for one prefix: "
        "images in more "
        "folders, taken in turn, or files that hold many images, would lift that. A scheduler that takes "
        f"{duration(m.scheduler_s_per_task)} a task "
        f"feeds {listed(scheduled)}.\n"
    )


def driver(m):
    times = {n: tail_measured(m, n) for n in m.images}
    per_pair, per_sampled = quality_parts(m)
    at = f"{m.search_images:,} images"
    basis = {
        "near duplicates": (f"{duration(m.near_duplicates_s)}, {at}, taken as for findings", "n^2"),
        "findings": (f"{duration(m.findings_s)}, {at}", "n^2"),
        "t-SNE: neighbours": (f"{duration(m.tsne_neighbors_s)}, {count(m.tsne_images)} images", "n^2"),
        "t-SNE: descent": (f"{duration(m.tsne_descent_s)}, {count(m.tsne_images)} images", "n log n"),
        "quality": (
            f"{duration(m.quality_s)}, {at}; {duration(m.quality_small_s)}, {count(m.small_images)}",
            f"n^2, and a sample of {count(m.quality_max_distances)} distances",
        ),
        "report": (f"{duration(m.report_s)}, {at}; {duration(m.report_small_s)}, {count(m.small_images)}", "n"),
    }
    rows = [[name, *words, *(duration(times[n][name]) for n in m.images)] for name, words in basis.items()]
    rows.append(["**all**", "", "", *(f"**{duration(sum(times[n].values()))}**" for n in m.images)])
    rows.append(
        ["**all, on the driver**", "", f"divided by {m.n_driver_cores / m.n_cores_measured:g}, but for the report"]
        + [f"**{duration(sum(tail(m, n).values()))}**" for n in m.images]
    )
    text = (
        f"\n## The driver's own part\n\nMeasured on {m.n_cores_measured} cores; **all beyond is extrapolated**, from the "
        "number of images that was measured to "
        f"{listed(f'{n / m.search_images:,.0f} times' for n in m.images)} as many. A search for exact neighbours compares "
        "every pair of images, so its time grows with n^2. "
        f"Quality splits into {significant(1e9 * per_pair)} ns a pair of its searches and {significant(1e9 * per_sampled)} ns "
        "a distance of its sample.\n\n"
    )
    text += table(["step", "measured", "grows as", *(f"{count(n)} images" for n in m.images)], rows)
    checks = []
    for n, seen_s in zip(m.tsne_checked_images, m.tsne_checked_s, strict=True):
        modelled = sum(s for name, s in tail_measured(m, n).items() if name in TSNE[:2])
        checks.append(f"{duration(modelled)} at {n:,} (measured: {duration(seen_s)})")
    text += (
        f"\nThe two terms of t-SNE, taken from {count(m.tsne_images)} images, say {listed(checks)}. What nothing here shows is "
        "how the steps divide "
        "among more cores, and what a block of distances costs that no cache holds: both make the driver's part longer than it "
        "is said to be here.\n"
    )
    rows = []
    for n in m.images:
        slope = (m.report_bytes - m.report_small_bytes) / (m.search_images - m.small_images)
        html = m.report_small_bytes + slope * (n - m.small_images)
        total = driver_bytes(m, n)
        fits = "fits" if total < m.driver_memory_bytes else "does not fit"
        parts = tsne_bytes(m, n, m.n_driver_cores), score_bytes(m, n), sizes(m, n)[1] * m.piece_bytes_per_window
        rows.append([count(n), *map(size, parts), f"{size(total)}, {fits} in {size(m.driver_memory_bytes)}", size(html)])
    head = ["images", "t-SNE and its search", "scores, as frame and as rows", "keys and thumbnails", "together", "HTML"]
    text += (
        f"\nMemory of the driver. t-SNE's is a line through {count(m.tsne_images)} and {m.tsne_checked_images[-1]:,} images, "
        "and of each thread beyond "
        f"{m.n_cores_measured} a block of {m.n_rows_per_product} rows of all distances. The size of the HTML is a line, "
        "too.\n\n"
    )
    text += table(head, rows)
    # The search alone, spread over workers as other tasks are.
    big, n = m.images[-1], m.highlighted_workers[-1]
    search_s = tail_measured(m, big)["t-SNE: neighbours"] * m.n_cores_measured / m.n_worker_cores / n
    text += (
        "\nWhat would move the limit: one search for all steps leaves "
        f"{listed(f'{duration(one_search_s(m, k))} at {count(k)}' for k in m.images)} on the driver; "
        f"a search needs nothing but the scores and can be cut into tasks as everything else is, {duration(search_s)} on "
        f"{workers(n)} for {count(big)} images. Neither is written.\n"
    )
    return text


def worse(name, value):
    """Twice as slow: rates, cores and what comes at once halved, everything else doubled."""
    return value / 2 if name.endswith("_per_s") or name.startswith("n_") else 2 * value


def sensitivity(m, file):
    """How the time changes with each value that is not measured."""
    n_images, n_workers = m.images[0], m.highlighted_workers[-1]
    before = simulate(m, n_images, n_workers, ["bf16"])["bf16"]
    rows = []
    for section, fields in file["values"].items():
        for name, field in fields.items():
            if section == "prices" or field["state"] in ("measured", "chosen") or name == "driver_memory_bytes":
                continue
            other = SimpleNamespace(**{**vars(m), name: worse(name, field["value"])})
            after = simulate(other, n_images, n_workers, ["bf16"])["bf16"]
            changes = [after.time_s(what) / before.time_s(what) - 1 for what in (SCORES, WHOLE)]
            # No -0.0 %.
            words = [f"{round(100 * c, 1) + 0.0:+.1f} %" for c in changes]
            rows.append((max(map(abs, changes)), [f"`{name}`", field["state"], *words]))
    rows.sort(key=lambda row: -row[0])
    return (
        f"\n## What is not measured\n\nTime of {count(n_images)} images on {workers(n_workers)} in bf16 if one value is twice "
        "as bad: a time, size or spread doubled, a rate or a number halved.\n\n"
        + table(["value", "", SCORES, WHOLE], [row for _, row in rows])
        + "\nNot simulated: workers that are lost (a task is taken up again, at most a shard or a window of work; the engine "
        "must notice first), "
        "workers of unequal speed, a bucket that answers later under load, capacity that is not there or is taken back, and "
        "images that are larger than those of "
        f"the measurements ({m.image_bytes:,} bytes), which take longer to read and decode. Transfers within a region are "
        "taken as free of charge.\n"
    )


def what_is_simulated(m):
    n_shards, n_windows = sizes(m, m.images[-1])
    tree = levels(n_windows, m.n_inputs_per_reduce)
    return (
        "\n## What is simulated\n\n"
        f"1. The driver lists the bucket, {m.n_keys_per_list_page:,} keys a page, and writes the plan.\n"
        f"2. Features: a task a shard of {m.n_images_per_shard} images ({n_shards:,} at {count(m.images[-1])}) reads them, "
        "computes, writes the shard and its receipt.\n"
        f"3. Survey: a task a window of {m.n_shards_per_window} shards ({n_windows:,}) hands keys and thumbnails to the "
        "driver.\n"
        f"4. PCA, {m.n_passes} passes: a task a window reads its shards and the block of {m.n_features:,} x {m.n_components} "
        "values and writes their product; a tree of tasks with "
        f"{m.n_inputs_per_reduce} inputs each ({listed(map(str, tree))} tasks) adds them up, level after level; the driver "
        "does the rest.\n"
        "5. Scores: a task a window.\n"
        "6. The driver collects the scores and makes findings, t-SNE, quality and the HTML.\n\n"
        f"A worker has {m.n_slots_per_worker} slots, and a slot that is free takes the next task. A worker's cores, network "
        "and disk serve one task at a time, "
        "in the order of arrival, and so do the scheduler and the bucket for all. A window that a worker has read before comes "
        "from its disk. Tasks differ by a "
        f"share of up to {percent(m.spread_share)}, drawn with seed {m.seed}. Compute times are divided by the number of "
        "cores, but for sums, which take one.\n"
    )


def show(value):
    """A value of the table, with its digits."""
    if isinstance(value, list):
        return ", ".join(map(show, value))
    return value if isinstance(value, str) else f"{value:,}"


def values(file):
    text = "\n## Values\n\nA unit is in the name; `n_` is a number of things.\n\n"
    for name, about in file["machines"].items():
        text += f"`{name}`: {about}.\n"
    for section, fields in file["values"].items():
        rows = []
        for name, field in fields.items():
            state = field["state"] + (f", {field['machine']}" if "machine" in field else "")
            state = f"**{state}**" if state == "to be measured" else state
            rows.append([f"`{name}`", show(field["value"]), field["what"], state, field["source"]])
        text += f"\n### {sentence(section)}\n\n" + table(["value", "", "what it is", "", "source"], rows)
    return text


def plots(m, runs):
    """The SVG documents by name."""
    curves = [(n, what) for n in reversed(m.images) for what in (WHOLE, SCORES)]

    def drawn(name, title, y_label, y):
        lines = [
            (f"{count(n)} images, {what}", [(w, y(runs[n]["bf16"][w], what)) for w in powers(m)])
            for n, what in curves
        ]
        return figure.scaling(f"cluster-{name}", f"{title} over the number of workers, simulated, bf16", "workers", y_label, lines)

    return {
        "cluster-time.svg": drawn("time", "Time", "hours", lambda run, what: run.time_s(what) / 3600),
        "cluster-cost.svg": drawn("cost", "Cost", "USD, on demand", lambda run, what: usd(m, run, what)),
    }


def outputs(path=MEASURED):
    """What is to be written, by path."""
    m, file = load(path)
    runs = all_runs(m)
    page = introduction(m, file) + summary(m, runs) + time_and_cost(m, runs) + phases(m, runs) + where_it_stops(m, runs)
    page += driver(m) + sensitivity(m, file) + what_is_simulated(m) + values(file)
    return {PAGE: page, **{PLOTS / name: svg for name, svg in plots(m, runs).items()}}


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
