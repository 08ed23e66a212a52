#!/usr/bin/env python3
"""Results as a document: a function of the JSON that run.py wrote, and of remarks that people wrote, and of nothing else.

    python3 benches/results.py benches/results.json [OTHER/results.json ...] > benches/RESULTS.md

Several files, of several machines, make a section each. benches/remarks.md, if it is there, is merged under the tables of
the group that a heading names: `## tsne` under those of the first file, `## tsne 2` under those of the second; `## targets`
under the targets.
Links to plots are relative to the folder of the first file.
"""

import json
import math
import os
import re
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from targets import TARGETS  # noqa: E402
from words import accuracy, duration, inaccurate, memory, missed, percent, significant, spread, table, times  # noqa: E402

N_FEATURES = 7 * 7 * 512
# Columns that this project's PCA multiplies with in a pass, for 64 components (crates/fruits-maths/src/pca/krylov.rs).
N_KRYLOV = 64
GROUPS = {
    "start": ("Start", "How long a user waits for the first line."),
    "features": ("Features", "VGG16 without its top: 25,088 values an image."),
    "chain": ("Whole chain, cold", "From a folder of images to descriptors, PCA, t-SNE and plots, nothing computed before."),
    "profile": ("Where the time goes", "The stages of one cold run and of the same run with all descriptors in the cache."),
    "pca": ("PCA in memory", ""),
    "pca-streamed": ("PCA streamed from shards", ""),
    "tsne": ("t-SNE", ""),
    "scaling": ("Scaling", "Exponents are least-squares slopes of the logarithms: of all points, and of the last two."),
}
STEPS = {"features": "Features", "run": "Whole run", "pca": "PCA", "tsne": "t-SNE"}


# --- figures -------------------------------------------------------------------------------------------------------


def seconds(row, run):
    """The figure that is compared."""
    return run[row["time"]] if row["time"] in run else run["values"][row["time"]]


def done(row):
    return [run for run in row["runs"] if "failed" not in run]


def failure(row):
    return next((run["failed"] for run in row["runs"] if "failed" in run), None)


def peak(row):
    """(bytes, whether it is a bound only), the largest; without runs that also wrote their result down, if there are others."""
    runs = [run for run in done(row) if not run["saved"]] or done(row)
    return max((run["peak_rss_bytes"], run["peak_is_bound"]) for run in runs)


def ratios(ours, peer):
    """How many times faster, round by round."""
    mine = {run["round"]: seconds(ours, run) for run in done(ours)}
    return [seconds(peer, run) / mine[run["round"]] for run in done(peer) if mine.get(run["round"])]


def exponent(points, key):
    """Slope of log `key` over log n; None for fewer than two points."""
    xy = [(math.log(p["n"]), math.log(p[key])) for p in points if p.get(key, 0) > 0]
    if len({x for x, _ in xy}) < 2:
        return None
    mx, my = (statistics.fmean(v) for v in zip(*xy))
    slope = sum((x - mx) * (y - my) for x, y in xy) / sum((x - mx) ** 2 for x, _ in xy)
    return round(slope, 2) + 0.0  # no -0.00


# --- targets -------------------------------------------------------------------------------------------------------


def verdict(target, results):
    """(against what, figure, reached or not)."""
    against = " or ".join(target.peers) if target.peers else ""
    rows = next((c["contestants"] for c in results["comparisons"] if c["name"] == target.comparison), [])
    rows = {row["name"]: row for row in rows}
    ours = rows.get(target.ours)
    if ours is None:
        return against, "", "not measured"
    if failure(ours) or not done(ours):
        return against, "", f"failed: {failure(ours)}"
    if not target.peers:
        return "", *bounded(target, ours)
    fastest = None
    for name in target.peers:
        peer = rows.get(name)
        found = ratios(ours, peer) if peer and not failure(peer) else []
        if found and (fastest is None or statistics.median(found) < statistics.median(fastest[1])):
            fastest = peer, found
    if fastest is None:
        reasons = [failure(rows[name]) for name in target.peers if name in rows and failure(rows[name])]
        return against, "", "the peer failed" + (f": {reasons[0]}" if reasons else "")
    peer, found = fastest
    figure = spread(found, times)
    lacks = inaccurate(target.accuracy, ours, peer)
    if lacks:
        return peer["name"], figure, f"does not count: {lacks}"
    share = statistics.median(found) / target.bound
    return peer["name"], figure, f"reached, {times(share)} the target" if share >= 1 else missed(1 - share)


def bounded(target, ours):
    if target.unit == "s":
        values = [seconds(ours, run) for run in done(ours)]
        figure, share = spread(values, duration), statistics.median(values) / target.bound
    else:
        size_bytes, is_bound = peak(ours)
        figure, share = memory(size_bytes, is_bound), size_bytes / target.bound
    return figure, f"reached, at {percent(share)} of the bound" if share <= 1 else missed(share - 1)


def bound(target):
    if target.unit == "x":
        return f"{target.bound:g} x"
    return f"<= {duration(target.bound) if target.unit == 's' else memory(target.bound)}"


def targets(results):
    rows = []
    for target in TARGETS:
        against, figure, said = verdict(target, results)
        rows.append([target.what, against, bound(target), figure, said])
    text = table(["", "against", "at least", "measured", ""], rows)
    if results["quick"]:
        text += "\nA quick run: fewer images, rows and pairs than the targets are for.\n"
    return text


# --- groups --------------------------------------------------------------------------------------------------------


def comparison(record):
    ours = [row for row in record["contestants"] if row["ours"] and done(row)]
    peers = [row for row in record["contestants"] if not row["ours"]]
    compared = ours if peers else []
    is_rate = record["unit"] == "images"
    has_accuracy = any(row.get("accuracy") for row in record["contestants"])
    head = ["", "median (fastest to slowest)", *(["images/s"] if is_rate else []), "runs", "peak memory"]
    head += [f"its time / that of {row['name']}, round by round" for row in compared]
    head += ["accuracy"] if has_accuracy else []
    rows = []
    for row in record["contestants"]:
        name = row["name"] + (f" ({row['note']})" if row["note"] else "")
        runs = done(row)
        if not runs:
            rows.append([name, f"failed: {failure(row)}"] + [""] * (len(head) - 2))
            continue
        values = [seconds(row, run) for run in runs]
        rate = [significant(runs[0]["n_items"] / statistics.median(values))] if is_rate else []
        line = [name, spread(values, duration), *rate, len(runs), memory(*peak(row))]
        line += ["" if row is mine or not ratios(mine, row) else spread(ratios(mine, row), times) for mine in compared]
        rows.append(line + ([accuracy(row)] if has_accuracy else []))
        if failure(row):
            rows.append([name, f"a further run failed: {failure(row)}"] + [""] * (len(head) - 2))
    text = "" if record["name"] == GROUPS[record["group"]][0] else f"### {record['name']}\n\n"
    text += record["conditions"]
    if has_accuracy and record.get("accuracy_of"):
        text += f" {record['accuracy_of']}"
    return text + "\n\n" + table(head, rows) + "".join(phases(row) for row in ours)


def phases(row):
    """What the run of median length was busy with."""
    run = sorted(done(row), key=lambda run: seconds(row, run))[len(done(row)) // 2]
    values = run.get("values", {})
    parts = values.get("phases") or values.get("parts_s") or {}
    words = []
    for name, value in parts.items():
        name = name.removesuffix("_s").replace("_", " ")
        if isinstance(value, list):
            words.append(f"{len(value)} {name} of {spread(value, duration)}" if value else f"no {name}")
        else:
            words.append(f"{name} {duration(value)} ({percent(value / run['elapsed_s'])})")
    beside = "; parts work side by side" if "parts_s" in values else ""
    return f"\nOf {duration(run['elapsed_s'])} of {row['name']}: {', '.join(words)}{beside}.\n" if words else ""


def streamed_limits(results):
    """What the passes would take if they were nothing but reading, or nothing but products."""
    record = next((c for c in results["comparisons"] if c["group"] == "pca-streamed" and done(c["contestants"][0])), None)
    limits = results["limits"]
    if record is None or not limits:
        return ""
    run = done(record["contestants"][0])[0]
    values = run["values"]
    passes_s = values.get("phases", {}).get("passes_s")
    if not passes_s or "bytes_read" not in values:
        return ""
    first_s, *others_s = passes_s
    read_s = values["bytes_read"] / (limits["disk_read_mb_s"] * 1e6)
    product_s = 4 * run["n_items"] * N_FEATURES * N_KRYLOV / 1e9 / limits["gemm_f32_gflops"]
    text = (
        f"\nAll passes together read {values['bytes_read'] / 1e9:.2f} GB, {duration(read_s)} at the disk's "
        f"{significant(limits['disk_read_mb_s'])} MB/s. The products of one pass, 4 n d l with l = {N_KRYLOV} as if no value were "
        f"zero, take {duration(product_s)} at the {significant(limits['gemm_f32_gflops'])} GFLOP/s of a float32 matrix product. "
        f"The first pass took {duration(first_s)}: besides, it checks, decompresses and compresses every row."
    )
    if others_s:
        other_s = statistics.median(others_s)
        text += (
            f" The others took {duration(other_s)} each, {times(product_s / other_s)} the speed of that product: what they need is "
            "in memory, and zeros are not multiplied."
        )
    return text + "\n"


def scaling(results, folder):
    text = ""
    for step, title in STEPS.items():
        curves = [c for c in results["scaling"] if c["step"] == step and (c["points"] or c["failed"])]
        if not curves:
            continue
        text += f"\n### {title} over n\n"
        for plot in results.get("plots", []):
            drawn, _, what = Path(plot).stem.rpartition("-")
            if drawn == step:
                text += f"\n![{title}: {what} over n]({os.path.join(folder, plot)})\n"
        for curve in curves:
            text += "\n" + scaling_curve(curve)
    return text


def scaling_curve(curve):
    points, name = curve["points"], curve["name"][:1].upper() + curve["name"][1:]
    with_memory = any("peak_rss_bytes" in point for point in points)
    head = [curve["unit"], "time", *(["peak memory"] if with_memory else [])]
    rows = []
    for p in sorted(points + curve["failed"], key=lambda p: p["n"]):
        time = duration(p["elapsed_s"]) if "elapsed_s" in p else f"failed: {p['reason']}"
        size = memory(p["peak_rss_bytes"]) if "peak_rss_bytes" in p else ""
        rows.append([f"{p['n']:,}", time, *([size] if with_memory else [])])
    words = []
    for key, what in [("elapsed_s", "time"), ("peak_rss_bytes", "peak memory")]:
        whole, last = exponent(points, key), exponent(points[-2:], key)
        if whole is not None:
            of_last = f", {last:.2f} over the last two points" if len(points) > 2 else ""
            words.append(f"of {what} {whole:.2f}{of_last}")
    told = f" Exponent {'; '.join(words)}." if words else ""
    return f"{name}.{told}\n\n" + table(head, rows)


def profile(results):
    text = ""
    for run in results["profile"]:
        about = [f"{run['n_images']:,} images", run["precision"], duration(run["total_s"]), memory(run["peak_rss_bytes"])]
        text += f"### The {run['name']} run: {', '.join(about)}\n\n"
        rows = []
        for stage in run["stages"]:
            rows.append([stage["name"], duration(stage["wall_s"]), percent(stage["wall_s"] / run["total_s"]), ""])
            for part in stage.get("parts", []):
                share = percent(part["busy_s"] / stage["wall_s"]) if stage["wall_s"] else ""
                rows.append([f"- {part['name']}", duration(part["busy_s"]), "", share])
        left = run["total_s"] - sum(stage["wall_s"] for stage in run["stages"])
        rows.append(["between the stages", duration(max(left, 0.0)), percent(max(left, 0.0) / run["total_s"]), ""])
        text += table(["stage, and - parts at work", "time", "share of the run", "share of the stage"], rows) + "\n"
    return text + machine_limits(results)


def machine_limits(results):
    limits, lines = results["limits"], []
    if limits:
        lines.append(
            f"The machine does {significant(limits['gemm_f32_gflops'])} GFLOP/s in a float32 matrix product, moves "
            f"{significant(limits['memory_gb_s'])} GB/s in memory, reads {significant(limits['disk_read_mb_s'])} and writes "
            f"{significant(limits['disk_write_mb_s'])} MB/s on disk."
        )
    for run in results["profile"]:
        stages = {stage["name"]: stage for stage in run["stages"]}
        if limits and run["name"] == "cold" and stages.get("features", {}).get("wall_s"):
            stage = stages["features"]
            network_s = next((p["busy_s"] for p in stage.get("parts", []) if p["name"] == "network"), None) or stage["wall_s"]
            rate = run["n_images"] * limits["vgg16_gflop_per_image"] / network_s
            lines.append(
                f"VGG16 takes {limits['vgg16_gflop_per_image']} GFLOP an image: the network ran at {significant(rate)} GFLOP/s "
                f"in {run['precision']}, {times(rate / limits['gemm_f32_gflops'])} the float32 matrix product; the whole stage "
                f"took {times(stage['wall_s'] / network_s)} the network's time."
            )
        if limits and run["name"] == "cached" and stages.get("gather", {}).get("wall_s"):
            rate = run["n_images"] * N_FEATURES * 4 / stages["gather"]["wall_s"] / 1e9
            lines.append(
                f"Gathering gave {rate:.2f} GB/s of descriptors out of their shards, "
                f"{percent(2 * rate / limits['memory_gb_s'])} of the rate at which memory is copied."
            )
    decode = results.get("decode")
    if decode:
        each = ", ".join(
            f"{what} {duration(decode[key] / decode['n_images'])}"
            for what, key in [("decoding", "decode_s"), ("resizing", "resize_s"), ("the thumbnail", "thumbnail_s")]
            if key in decode
        )
        lines.append(f"On one core, an image takes: {each}.")
    return "\n".join(f"- {line}" for line in lines) + "\n" if lines else ""


# --- the document --------------------------------------------------------------------------------------------------


def head(results):
    m, project = results["machine"], results["project"]
    virtual = " (virtual)" if m["is_virtual"] else ""
    cores = f"{len(m['cores'])} of {m['n_cores_of_machine']} cores: {', '.join(map(str, m['cores']))}"
    changed = ", with changes that are not committed" if project["is_changed"] else ""
    rows = [
        ["processor", f"{m['cpu']}{virtual}, {cores}"],
        ["instruction sets", ", ".join(m["simd"]) or "none of interest"],
        ["memory, kernel", f"{m['memory_bytes'] / 1e9:.1f} GB, {m['kernel']}"],
        ["load before the run", f"{results['load']:.2f}, mean of a minute"],
        ["this project", f"{project['version']}, commit {project['commit']}{changed}"],
        ["beside", ", ".join(f"{name} {version}" for name, version in results["versions"].items())],
        ["images", f"{results['images']['n_images']:,} in {results['images']['n_classes']} classes"],
        ["date", results["date"]],
    ]
    return table(["", ""], rows)


def sections(remarks):
    """heading -> text of the remarks."""
    parts = re.split(r"^## (.+)$", remarks, flags=re.MULTILINE)
    return {name.strip(): text.strip() for name, text in zip(parts[1::2], parts[2::2])}


def one(results, remarks, number, folder):
    def remark(group):
        return remarks.get(group if number == 1 else f"{group} {number}", "")

    text = head(results) + "\n## Targets\n\n" + targets(results)
    text += f"\n{remark('targets')}\n" if remark("targets") else ""
    for group, (title, about) in GROUPS.items():
        records = [c for c in results["comparisons"] if c["group"] == group]
        blocks = [comparison(record) for record in records]
        if group == "profile" and results["profile"]:
            blocks.append(profile(results))
        if group == "pca-streamed":
            blocks.append(streamed_limits(results).strip())
        if group == "scaling":
            blocks.append(scaling(results, folder).strip())
        blocks += [f"Not measured: {s['reason']}." for s in results["skipped"] if s["group"] == group]
        blocks.append(remark(group))
        blocks = [block.strip() for block in blocks if block.strip()]
        if blocks:
            text += f"\n## {title}\n\n" + "\n\n".join([about] * bool(about) + blocks) + "\n"
    return text


def render(all_results, remarks="", folders=None):
    """The document; `folders` are where the plots of each results lie, as seen from it."""
    text = (
        "# Results\n\n"
        "Written by benches/run.py; what people remark comes from benches/remarks.md. Every contestant ran as a process of "
        "its own on the same cores, with as many threads where it has threads (linfa's crates use one), in rounds: all of a "
        "comparison one after the other, in turn forwards and backwards. Times are of the work itself, without start, imports and loading of model or data, unless "
        "it says `whole process`. Peak memory is that of the whole process.\n\n"
    )
    notes = sections(remarks)
    for number, results in enumerate(all_results, 1):
        section = one(results, notes, number, folders[number - 1] if folders else "")
        if len(all_results) > 1:
            section = re.sub(r"^(#+ )", r"#\1", section, flags=re.MULTILINE)
            section = f"## Machine {number}: {results['machine']['cpu']}\n\n{section}\n"
        text += section
    return text.rstrip() + "\n"


def main():
    paths = [Path(argument) for argument in sys.argv[1:]]
    if not paths:
        sys.exit("results.py: error: name one results.json or more; benches/run.py writes them")
    try:
        all_results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        remarks = Path(__file__).resolve().parent / "remarks.md"
        folders = [os.path.relpath(path.parent, paths[0].parent) for path in paths]
        folders = ["" if folder == "." else folder for folder in folders]
        print(render(all_results, remarks.read_text(encoding="utf-8") if remarks.is_file() else "", folders), end="")
    except (OSError, ValueError) as error:
        sys.exit(f"results.py: error: {error}; name files that benches/run.py wrote")


if __name__ == "__main__":
    main()
