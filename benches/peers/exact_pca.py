#!/usr/bin/env python3
"""Explained variance ratios in float64: the largest eigenvalues of the Gram matrix over its trace.

    exact_pca.py --features F.npy --components 64 --threads N

What the ratios of all others are held against; nobody would take it for its speed.
"""

import time

import numpy as np
from scipy.linalg import eigh

from peer import answer, parser


def main():
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--features", required=True, metavar="F.npy")
    options.add_argument("--components", type=int, default=64)
    arguments = options.parse_args()
    features = np.load(arguments.features).astype(np.float64)
    began = time.perf_counter()
    features -= features.mean(axis=0)
    gram = features @ features.T
    n = len(gram)
    total = np.trace(gram)
    values = eigh(gram, eigvals_only=True, subset_by_index=[n - arguments.components, n - 1])
    ratios = values[::-1] / total
    answer(time.perf_counter() - began, n, ratio_sum=float(ratios.sum()), ratios=ratios.tolist())


if __name__ == "__main__":
    main()
