#!/usr/bin/env python3
"""t-SNE by scikit-learn with its defaults, on scores in memory.

    sklearn_tsne.py --scores S.npy --rows N --iterations 1000 --threads N --save Y.npy

Timed: `fit_transform`, from scores to positions, neighbours included. Not timed: imports, reading, writing.
"""

import time

import numpy as np
from sklearn.manifold import TSNE

from peer import answer, save, tsne_parser


def embed(scores, iterations, threads):
    """The fitted t-SNE, the positions, and the time of `fit_transform`."""
    tsne = TSNE(perplexity=30, max_iter=iterations, random_state=42, n_jobs=threads)
    began = time.perf_counter()
    positions = tsne.fit_transform(scores)
    return tsne, positions, time.perf_counter() - began


def main():
    arguments = tsne_parser(__doc__.splitlines()[0]).parse_args()
    scores = np.load(arguments.scores)[: arguments.rows]
    tsne, positions, elapsed_s = embed(scores, arguments.iterations, arguments.threads)
    save(arguments.save, positions)
    answer(elapsed_s, len(scores), own_kl_divergence=float(tsne.kl_divergence_))


if __name__ == "__main__":
    main()
