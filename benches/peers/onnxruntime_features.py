#!/usr/bin/env python3
"""VGG16 features by ONNX Runtime in Python, float32, from JPEG files, 8 at a time.

    onnxruntime_features.py --images LIST --threads N [--model-onnx F] [--save F.npy]

Timed: from the first file opened to the last feature in memory. Not timed: imports, session, one warm-up call.
The graph ends with NHWC and a flatten, so its output has the order of Keras.
"""

import time

import numpy as np
import onnxruntime

from peer import N_FEATURES, answer, batches, features_parser, planes, save

BATCH = 8


def main():
    arguments = features_parser(__doc__.splitlines()[0]).parse_args()
    paths = arguments.images
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(arguments.model_onnx, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    features = np.empty((len(paths), N_FEATURES), np.float32)

    def describe(part):
        return session.run(None, {name: np.stack([planes(path) for path in part])})[0]

    describe(paths[:BATCH])

    began = time.perf_counter()
    done = 0
    for part in batches(paths, BATCH):
        features[done : done + len(part)] = describe(part)
        done += len(part)
    elapsed_s = time.perf_counter() - began

    save(arguments.save, features)
    answer(elapsed_s, len(paths), threads=arguments.threads)


if __name__ == "__main__":
    main()
