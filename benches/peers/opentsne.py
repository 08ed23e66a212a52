#!/usr/bin/env python3
"""t-SNE by openTSNE with its defaults, on scores in memory.

    opentsne.py --scores S.npy --rows N --iterations 1000 --threads N --save Y.npy

Timed: `fit`, from scores to positions, neighbours included. Not timed: imports, reading, writing.
"""

import logging
import re
import time

import numpy as np
import openTSNE

from peer import answer, save, tsne_parser

EARLY_EXAGGERATION = 250


class Log(logging.Handler):
    """What openTSNE says of the gradient it chose; it says it nowhere else."""

    chosen = None

    def emit(self, record):
        found = re.search(r"negative gradient method `(\w+)`", record.getMessage())
        self.chosen = found[1] if found else self.chosen


def main():
    arguments = tsne_parser(__doc__.splitlines()[0]).parse_args()
    scores = np.load(arguments.scores)[: arguments.rows]
    log = Log()
    logging.getLogger("openTSNE").addHandler(log)
    logging.getLogger("openTSNE").setLevel(logging.INFO)
    tsne = openTSNE.TSNE(
        perplexity=30, n_jobs=arguments.threads, random_state=42,
        early_exaggeration_iter=EARLY_EXAGGERATION, n_iter=arguments.iterations - EARLY_EXAGGERATION,
    )

    began = time.perf_counter()
    embedding = tsne.fit(scores)
    elapsed_s = time.perf_counter() - began

    save(arguments.save, embedding)
    answer(elapsed_s, len(scores), own_kl_divergence=float(embedding.kl_divergence), gradient=log.chosen)


if __name__ == "__main__":
    main()
