#!/usr/bin/env python3
"""VGG16 features by OpenVINO in Python, 8 at a time, from JPEG files or (`--ready`) from tensors in memory.

    openvino_features.py --images LIST --precision f32|bf16 --hint latency|throughput --threads N [--ready]
                         [--model-onnx F] [--save F.npy]

`latency` is one request after the other on all threads, `throughput` a queue of as many as OpenVINO finds best.
Timed: from the first file opened, or with `--ready` from the first tensor handed over, to the last feature in memory.
Not timed: imports, compilation of the model, one warm-up call a request.
"""

import time

import numpy as np
import openvino

from peer import N_FEATURES, SIDE, answer, batches, features_parser, planes, save

BATCH = 8


def tensor(paths):
    """A full batch: a model of fixed shape is the faster one, so the last batch ends with zeros."""
    images = np.zeros((BATCH, 3, SIDE, SIDE), np.float32)
    for i, path in enumerate(paths):
        images[i] = planes(path)
    return images


def main():
    options = features_parser(__doc__.splitlines()[0])
    options.add_argument("--precision", choices=["f32", "bf16"], required=True)
    options.add_argument("--hint", choices=["latency", "throughput"], required=True)
    options.add_argument("--ready", action="store_true", help="decode before the clock starts")
    arguments = options.parse_args()
    core = openvino.Core()
    model = core.read_model(arguments.model_onnx)
    model.reshape([BATCH, 3, SIDE, SIDE])
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_PRECISION_HINT": arguments.precision,
        "PERFORMANCE_HINT": arguments.hint.upper(),
        "INFERENCE_NUM_THREADS": arguments.threads,
    })
    parts = batches(arguments.images, BATCH)
    features = np.empty((len(parts) * BATCH, N_FEATURES), np.float32)

    def keep(request, job):
        i, _ = job  # the other half keeps the input alive while it is read
        features[i * BATCH : (i + 1) * BATCH] = request.get_output_tensor(0).data

    if arguments.hint == "latency":
        request = compiled.create_infer_request()
        n_requests = 1

        def start(i, images):
            request.infer([images], share_inputs=True, share_outputs=True)
            keep(request, (i, images))

        def finish():
            pass
    else:
        queue = openvino.AsyncInferQueue(compiled)
        queue.set_callback(keep)
        n_requests = len(queue)

        def start(i, images):
            queue.start_async([images], (i, images), share_inputs=True)

        finish = queue.wait_all

    warm_up = tensor(parts[0])
    for _ in range(n_requests):
        start(0, warm_up)
    finish()
    ready = [tensor(part) for part in parts] if arguments.ready else None

    began = time.perf_counter()
    for i, part in enumerate(parts):
        start(i, ready[i] if ready else tensor(part))
    finish()
    elapsed_s = time.perf_counter() - began

    n = len(arguments.images)
    save(arguments.save, features[:n])
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    answer(elapsed_s, n, threads=arguments.threads, requests=n_requests, precision=precision)


if __name__ == "__main__":
    main()
