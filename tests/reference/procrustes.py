"""Writes procrustes.json beside this file: what scipy says of seeded point sets. Usage: python procrustes.py

Made with numpy 2.4 and scipy 1.17. `aligned` and `scale` are in the units of the baseline; scipy.spatial.procrustes
itself gives standardised ones.
"""

import json
from pathlib import Path

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes

rng = np.random.default_rng(42)


def case(name, baseline, now):
    # As the embeddings are stored.
    baseline, now = baseline.astype(np.float32).astype(float), now.astype(np.float32).astype(float)
    _, standardised, disparity = procrustes(baseline, now)
    size = np.linalg.norm(baseline - baseline.mean(0))
    centred = now - now.mean(0)
    rotation, total = orthogonal_procrustes(centred, baseline - baseline.mean(0))
    return {
        "name": name,
        "baseline": baseline.tolist(),
        "now": now.tolist(),
        "disparity": disparity,
        "scale": total / (centred**2).sum(),
        "reflected": bool(np.linalg.det(rotation) < 0),
        "aligned": (standardised * size + baseline.mean(0)).tolist(),
    }


cloud = rng.normal(size=(40, 2)) * [3, 1] + [100, -7]
angle = np.deg2rad(70)
turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
cases = [
    case("turned, with noise", cloud, 2 * cloud @ turn + rng.normal(size=cloud.shape)),
    case("mirrored, with noise", cloud, 0.1 * cloud @ turn * [1, -1] + rng.normal(size=cloud.shape) / 50),
    case("nothing in common", cloud, rng.normal(size=cloud.shape)),
    case("three points", rng.normal(size=(3, 2)), rng.normal(size=(3, 2))),
]
text = "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n"
Path(__file__).with_name("procrustes.json").write_text(text)
