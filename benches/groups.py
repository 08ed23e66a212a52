"""What is compared: a function a group, each adding to the results as it goes."""

import functools
import shutil

import targets
from measure import PEERS, Contestant, evict, n_rows_of, say, slug
from process import Failed, timings, wall

N_COMPONENTS = 64
STAGES_OVER_N = ("features", "pca", "tsne")
# Of a scaling curve: longer runs are made once.
SHORT_POINT_S = 10.0


def start(bench):
    contestants = [
        Contestant(targets.HELP, [bench.programs["report"], "--help"], ours=True, read=wall, n_runs=bench.plan.n_starts),
        Contestant(targets.DOCTOR, [bench.programs["report"], "doctor"], ours=True, read=wall, n_runs=bench.plan.n_starts),
    ]
    bench.compare("start", targets.START, contestants, conditions="Wall time of the whole process.")


def features(bench):
    whole_path(bench)
    if not bench.with_bf16:
        bench.skip("features", "bf16 needs a processor with AMX for it; --bf16 measures it all the same")
        return
    bench.go_on()
    beside_openvino(bench)


def saved_as(bench, comparison, name):
    return bench.work / f"{slug(comparison)}-{slug(name)}.npy"


def saving(bench, comparison, name, command, **options):
    """A contestant whose result is kept, for its accuracy."""
    path = saved_as(bench, comparison, name)
    path.unlink(missing_ok=True)  # that of an earlier benchmark
    return Contestant(name, command, save=["--save", path], **options)


def whole_path(bench):
    n, comparison = bench.plan.n_images_f32, targets.FEATURES
    images = ["--images", bench.image_list(n)]
    f32 = bench.program("features", *images, "--precision", "f32")
    bf16 = bench.program("features", *images, "--precision", "bf16")
    contestants = [
        saving(bench, comparison, targets.OURS_F32, f32, ours=True),
        *([saving(bench, comparison, targets.OURS_BF16, bf16, ours=True)] if bench.with_bf16 else []),
        saving(bench, comparison, targets.ONNXRUNTIME, bench.peer("onnxruntime_features.py", *images)),
        saving(bench, comparison, targets.KERAS_BATCH, bench.peer("keras_features.py", *images, "--mode", "batch")),
        saving(bench, comparison, targets.KERAS_SINGLE, bench.peer("keras_features.py", *images, "--mode", "single")),
    ]
    conditions = f"{n:,} images, from opening the files to the descriptors; this project also writes them as shards."
    record = bench.compare("features", comparison, contestants, "images", conditions)
    feature_accuracy(bench, record)


def beside_openvino(bench):
    n, comparison = bench.plan.n_images_bf16, targets.FEATURES_BF16
    images = ["--images", bench.image_list(n), "--precision", "bf16"]
    contestants = [saving(bench, comparison, targets.OURS_BF16, bench.program("features", *images), ours=True)]
    for name, options in [
        (targets.OPENVINO_READY[0], ["--hint", "latency", "--ready"]),
        (targets.OPENVINO_READY[1], ["--hint", "throughput", "--ready"]),
        (targets.OPENVINO_WHOLE, ["--hint", "throughput"]),
    ]:
        contestants.append(saving(bench, comparison, name, bench.peer("openvino_features.py", *images, *options)))
    conditions = (
        f"{n:,} images; this project from opening the files to shards on disk, OpenVINO on tensors that are ready in "
        "memory, or from opening the files."
    )
    record = bench.compare("features", comparison, contestants, "images", conditions)
    feature_accuracy(bench, record)


def feature_accuracy(bench, record):
    """Beside the float32 features of ONNX Runtime; lists begin alike, so that the shorter one is a part of the longer."""
    reference = saved_as(bench, targets.FEATURES, targets.ONNXRUNTIME)
    for row in record["contestants"]:
        if row["name"] != targets.ONNXRUNTIME and "failed" not in row["runs"][0]:
            features = saved_as(bench, record["name"], row["name"])
            compare = [bench.peers_python, PEERS / "compare_features.py", features, reference]
            row["accuracy"] = accuracy(bench, row["name"], compare)
    record["accuracy_of"] = f"Accuracy is beside {targets.ONNXRUNTIME}."
    bench.write()


def accuracy(bench, name, command):
    try:
        return bench.values(f"accuracy {name}", command)
    except Failed as failure:
        say(f"accuracy of {name}: failed: {failure}")
        return {"failed": bench.without_paths(str(failure))}


def picked(values, *names):
    return {name: values[name] for name in names if name in values}


def cold(bench):
    """A run with an empty cache, which is left filled."""
    out, cache = bench.work / "report", bench.work / "cache"

    def before():
        shutil.rmtree(cache, ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)

    command = bench.report(out, cache, bench.plan.n_images)
    return Contestant(targets.OURS, command, ours=True, before=before, read=timings(out), time="wall_s", n_runs=1)


def chain(bench):
    n, n_sample = bench.plan.n_images or len(bench.images), bench.plan.n_images_sample
    features = bench.work / "features.npy"
    options = ["--images", bench.image_list(n_sample), "--features", features, "--out", bench.work / "keras-chain"]
    theirs = Contestant(
        targets.KERAS_CHAIN, bench.peer("keras_chain.py", *options), before=bench.described,
        time="extrapolated_total_s", note=f"`predict` extrapolated from {n_sample} images", n_runs=1,
    )
    conditions = f"{n:,} images, whole processes: descriptors, PCA, t-SNE and the report, or plots as PNG."
    record = bench.compare("chain", targets.CHAIN, [cold(bench), theirs], "", conditions)
    for row in record["contestants"]:
        row["accuracy"] = picked(row["runs"][0].get("values", {}), "precision", "ratio_sum", "own_kl_divergence")
    ours = record["contestants"][0]["runs"][-1]
    if "failed" not in ours:
        keep_profile(bench, "cold", ours)


def profile(bench):
    if not any(run["name"] == "cold" for run in bench.results["profile"]):
        once(bench, "cold", cold(bench))
    out = bench.work / "report-cached"
    command = bench.report(out, bench.work / "cache", bench.plan.n_images)
    bench.go_on()
    once(bench, "cached", Contestant(targets.OURS, command, read=timings(out)))
    n = bench.plan.n_images_f32
    images = bench.image_list(n)
    decode = bench.values("decode", bench.program("decode", "--images", images, threads=False))
    bench.results["decode"] = {"n_images": n, **decode}
    bench.limits()


def once(bench, name, contestant):
    run = bench.measure("profile", contestant, 0)
    if "failed" in run:
        raise Failed(f"the {name} run: {run['failed']}")
    keep_profile(bench, name, run)


def keep_profile(bench, name, run):
    values = run["values"]
    bench.results["profile"] = [kept for kept in bench.results["profile"] if kept["name"] != name]
    bench.results["profile"].append({
        "name": name, "n_images": run["n_items"], "precision": values.get("precision"), "total_s": run["elapsed_s"],
        "peak_rss_bytes": run["peak_rss_bytes"], "stages": values["stages"],
    })
    bench.write()


def pca(bench):
    features, _ = bench.described()
    options = ["--features", features, "--components", N_COMPONENTS]
    contestants = [
        Contestant(targets.OURS, bench.program("pca", *options), ours=True),
        Contestant(targets.SKLEARN_PCA, bench.peer("sklearn_pca.py", *options)),
        Contestant(targets.LINFA_PCA, bench.program("linfa-pca", *options)),
    ]
    conditions = f"{n_rows_of(features):,} x 25,088 descriptors in memory, to {N_COMPONENTS} components and scores."
    record = bench.compare("pca", targets.PCA, contestants, "", conditions)
    exact = accuracy(bench, "exact ratios", bench.peer("exact_pca.py", *options))
    for row in record["contestants"]:
        values = row["runs"][0].get("values", {})
        row["accuracy"] = picked(values, "ratio_sum", "residual", "n_passes")
        row["accuracy"] |= picked(exact, "failed")
        ratios = values.get("ratios")
        if ratios and len(ratios) == len(exact.get("ratios", [])):
            row["accuracy"]["max_ratio_difference"] = max(abs(a - b) for a, b in zip(ratios, exact["ratios"]))
    record["accuracy_of"] = "Ratios are held against those of the Gram matrix in float64."
    bench.write()


def pca_streamed(bench):
    folder, _ = bench.shards()
    n = bench.plan.n_rows
    ours = Contestant(
        targets.OURS, bench.program("pca-streamed", "--shards", folder, "--rows", n), ours=True,
        before=functools.partial(evict, folder), n_runs=bench.plan.n_pairs_long,
    )
    conditions = (
        f"{n:,} x 25,088 synthetic descriptors, read from their shards in each pass; they are out of the system's cache "
        "when a run begins."
    )
    record = bench.compare("pca-streamed", targets.PCA_STREAMED, [ours], "", conditions)
    (row,) = record["contestants"]
    row["accuracy"] = picked(row["runs"][0].get("values", {}), "ratio_sum", "residual", "n_passes")
    bench.limits()


def tsne(bench):
    _, scores = bench.described()
    beside_opentsne(bench, targets.TSNE, scores, n_rows_of(scores), with_slow=True)
    bench.go_on()
    beside_opentsne(bench, targets.TSNE_LARGE, bench.synthetic_scores(), bench.plan.n_rows, with_slow=False)


def beside_opentsne(bench, comparison, scores, n, with_slow):
    options = ["--scores", scores, "--rows", n, "--iterations", bench.plan.iterations]

    # Minutes a run; the small one says how much runs differ.
    n_runs = None if with_slow else 1
    contestants = [
        saving(bench, comparison, targets.OURS, bench.program("tsne", *options), ours=True, n_runs=n_runs),
        saving(bench, comparison, targets.OPENTSNE, bench.peer("opentsne.py", *options), n_runs=n_runs),
    ]
    if with_slow:
        for name, command in [
            (targets.SKLEARN_TSNE, bench.peer("sklearn_tsne.py", *options)),
            (targets.LINFA_TSNE, bench.program("linfa-tsne", *options)),
        ]:
            contestants.append(saving(bench, comparison, name, command, n_runs=1))
    conditions = f"{n:,} x {N_COMPONENTS} scores, {bench.plan.iterations:,} iterations, from scores to positions."
    record = bench.compare("tsne", comparison, contestants, "", conditions)
    for row in record["contestants"]:
        if "failed" not in row["runs"][0]:
            positions = ["--positions", saved_as(bench, comparison, row["name"])]
            command = bench.program("divergence", *options[:4], *positions, threads=False)
            row["accuracy"] = accuracy(bench, row["name"], command)
    record["accuracy_of"] = "The divergence of all is computed by one program, over exact neighbours, at perplexity 30."
    bench.write()


def scaling(bench):
    whole_runs(bench)
    folder, _ = bench.shards()
    shards = functools.partial(evict, folder)
    grow(bench, "pca", "streamed from shards, synthetic descriptors", "rows", bench.plan.pca_curve, lambda n: Contestant(
        targets.OURS, bench.program("pca-streamed", "--shards", folder, "--rows", n), before=shards
    ))
    scores = bench.synthetic_scores()
    options = ["--scores", scores, "--iterations", bench.plan.iterations]
    grow(bench, "tsne", "synthetic scores", "rows", bench.plan.tsne_curve, lambda n: Contestant(
        targets.OURS, bench.program("tsne", *options, "--rows", n)
    ))


def curve(bench, step, name, unit):
    bench.results["scaling"].append({"step": step, "name": name, "unit": unit, "points": [], "failed": []})
    return bench.results["scaling"][-1]


def grow(bench, step, name, unit, sizes, contestant):
    """A curve of one program."""
    found = curve(bench, step, name, unit)
    for n in sizes:
        run = point(bench, step, contestant(n))
        if "failed" in run:
            found["failed"].append({"n": n, "reason": run["failed"]})
        else:
            found["points"].append({"n": n, **picked(run, "elapsed_s", "peak_rss_bytes")})
        bench.write()


def whole_runs(bench):
    """Cold runs over part of the folder, and what their stages took."""
    run_curve = curve(bench, "run", "whole run, cold, real images", "images")
    of_stage = {step: curve(bench, step, "stage of the whole runs, real images", "images") for step in STAGES_OVER_N}
    out, cache = bench.work / "report-scaling", bench.work / "cache-scaling"

    def before():
        shutil.rmtree(cache, ignore_errors=True)

    def add(n, run, stages):
        run_curve["points"].append({"n": n, **run})
        for stage in stages:
            if stage["name"] in of_stage:
                of_stage[stage["name"]]["points"].append({"n": n, "elapsed_s": stage["wall_s"]})

    for n in bench.plan.images_curve:
        command = bench.report(out, cache, n)
        run = point(bench, "scaling", Contestant(targets.OURS, command, before=before, read=timings(out)))
        if "failed" in run:
            run_curve["failed"].append({"n": n, "reason": run["failed"]})
        else:
            add(n, picked(run, "elapsed_s", "peak_rss_bytes"), run["values"]["stages"])
        bench.write()
    before()
    for run in bench.results["profile"]:
        if run["name"] == "cold" and run["n_images"] > max(bench.plan.images_curve):
            add(run["n_images"], {"elapsed_s": run["total_s"], "peak_rss_bytes": run["peak_rss_bytes"]}, run["stages"])
    bench.write()


def point(bench, log, contestant):
    """The run of median length; a long one is made once."""
    runs = []
    for i in range(bench.plan.n_runs_of_point):
        runs.append(bench.measure(log, contestant, i))
        if "failed" in runs[-1]:
            return runs[-1]
        if runs[-1]["elapsed_s"] > SHORT_POINT_S:
            break
    return sorted(runs, key=lambda run: run["elapsed_s"])[len(runs) // 2]


GROUPS = {
    "start": start,
    "features": features,
    "chain": chain,
    "profile": profile,
    "pca": pca,
    "pca-streamed": pca_streamed,
    "tsne": tsne,
    "scaling": scaling,
}
