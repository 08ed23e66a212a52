#!/usr/bin/env python3
"""PCA by scikit-learn's randomized solver, on features in memory.

    sklearn_pca.py --features F.npy --components 64 --threads N

Timed: `fit_transform`. Not timed: imports, and reading the file. The threads are those of OMP_NUM_THREADS.
"""

import time

import numpy as np
from sklearn.decomposition import PCA

from peer import answer, parser


def fit(features, n_components):
    """The fitted PCA, the scores, and the time of `fit_transform`."""
    pca = PCA(n_components=n_components, svd_solver="randomized", random_state=0)
    began = time.perf_counter()
    scores = pca.fit_transform(features)
    return pca, scores, time.perf_counter() - began


def main():
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--features", required=True, metavar="F.npy")
    options.add_argument("--components", type=int, default=64)
    arguments = options.parse_args()
    features = np.load(arguments.features)
    pca, _, elapsed_s = fit(features, arguments.components)
    ratios = pca.explained_variance_ratio_
    answer(elapsed_s, len(features), ratio_sum=float(ratios.sum(dtype=np.float64)), ratios=ratios.tolist())


if __name__ == "__main__":
    main()
