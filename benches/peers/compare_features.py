#!/usr/bin/env python3
"""How far features are from a reference: the smallest cosine of two rows, and the relative error of the whole.

    compare_features.py FEATURES.npy REFERENCE.npy

Where one file has more rows than the other, its first ones are compared.
"""

import sys
import time

import numpy as np

from peer import answer, batches


def main():
    if len(sys.argv) != 3:
        sys.exit("compare_features.py: error: it takes two files, FEATURES.npy REFERENCE.npy")
    features, reference = (np.load(path, mmap_mode="r") for path in sys.argv[1:])
    n = min(len(features), len(reference))
    began = time.perf_counter()
    min_cosine, off, whole = 1.0, 0.0, 0.0
    for rows in batches(range(n), 64):
        a, b = (x[rows.start : rows.stop].astype(np.float64) for x in (features, reference))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        min_cosine = min(min_cosine, float(((a * b).sum(axis=1) / norms).min()))
        off += float(((a - b) ** 2).sum())
        whole += float((b**2).sum())
    answer(time.perf_counter() - began, n, min_cosine=min_cosine, relative_error=(off / whole) ** 0.5)


if __name__ == "__main__":
    main()
