#!/usr/bin/env python3
"""The chain in Python, step by step: one Keras `predict` an image, scikit-learn's PCA and t-SNE, matplotlib's plots.

    keras_chain.py --images LIST --features F.npy --out DIR --threads N [--model-onnx F] [--components 64]

`predict` would take a quarter of an hour for 4,098 images, so it is timed on the images of LIST only, a sample, and
the features of all come from F.npy. Its time for all is extrapolated, and the answer says so:

    extrapolated_total_s = start_s + seconds_per_image * n_total + pca_s + tsne_s + plots_s

`start_s` is imports, weights and the first `predict`; it counts, since the time it is compared with is a whole process'.
"""

import time

BEGAN = time.perf_counter()

from pathlib import Path  # noqa: E402

import matplotlib  # noqa: E402
import numpy as np  # noqa: E402

from keras_features import single, vgg16  # noqa: E402
from peer import answer, features_parser  # noqa: E402
from sklearn_pca import fit  # noqa: E402
from sklearn_tsne import embed  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def plots(pca, scores, positions, out):
    """A scree plot and two scatter plots as PNG; the time it took."""
    began = time.perf_counter()
    figure, axes = plt.subplots()
    axes.bar(range(1, len(pca.explained_variance_ratio_) + 1), pca.explained_variance_ratio_)
    axes.step(range(1, len(pca.explained_variance_ratio_) + 1), np.cumsum(pca.explained_variance_ratio_), where="mid")
    axes.set(title="Explained variance", xlabel="component", ylabel="ratio")
    figure.savefig(out / "scree.png")
    for name, points in [("pca", scores), ("tsne", positions)]:
        figure, axes = plt.subplots(figsize=(10, 8))
        axes.scatter(points[:, 0], points[:, 1], s=4, c=np.arange(len(points)), cmap="nipy_spectral")
        axes.set(title=name)
        figure.savefig(out / f"{name}.png")
    plt.close("all")
    return time.perf_counter() - began


def main():
    options = features_parser(__doc__.splitlines()[0])
    options.add_argument("--features", required=True, metavar="F.npy")
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--components", type=int, default=64)
    arguments = options.parse_args()
    paths = arguments.images
    arguments.out.mkdir(parents=True, exist_ok=True)
    describe = single(vgg16(arguments.model_onnx, arguments.threads))
    describe(paths[0])
    start_s = time.perf_counter() - BEGAN

    began = time.perf_counter()
    for path in paths:
        describe(path)
    sample_s = time.perf_counter() - began

    features = np.load(arguments.features)
    pca, scores, pca_s = fit(features, arguments.components)
    tsne, positions, tsne_s = embed(scores, 1000, arguments.threads)
    plots_s = plots(pca, scores, positions, arguments.out)

    n_total = len(features)
    seconds_per_image = sample_s / len(paths)
    answer(
        start_s + sample_s + pca_s + tsne_s + plots_s, n_total, start_s=start_s, n_sample=len(paths), sample_s=sample_s,
        seconds_per_image=seconds_per_image, n_total=n_total, pca_s=pca_s, tsne_s=tsne_s, plots_s=plots_s,
        ratio_sum=float(pca.explained_variance_ratio_.sum(dtype=np.float64)), own_kl_divergence=float(tsne.kl_divergence_),
        extrapolated_total_s=start_s + seconds_per_image * n_total + pca_s + tsne_s + plots_s,
    )


if __name__ == "__main__":
    main()
