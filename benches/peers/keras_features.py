#!/usr/bin/env python3
"""VGG16 features by Keras on TensorFlow, from JPEG files: one `predict` an image, or a graph called with batches of 32.

    keras_features.py --images LIST --mode single|batch --threads N [--model-onnx F] [--save F.npy]

Timed: from the first file opened to the last feature in memory. Not timed: imports, weights, one warm-up call.
"""

import sys
import time
from pathlib import Path

import numpy as np

from peer import N_FEATURES, SIDE, answer, batches, features_parser, rgb, save

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "setup"))
import onnx_vgg16  # noqa: E402

BATCH = 32


def vgg16(model_onnx, threads):
    """Keras' VGG16 without its top, with the weights of the ONNX file."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    tensors = onnx_vgg16.initializers(memoryview(model_onnx.read_bytes()))
    for layer in model.layers:
        if layer.weights:
            height, width, n_in, n_out = layer.kernel.shape
            kernel = np.frombuffer(tensors[f"{layer.name}.kernel"], "<f4").reshape(n_out, n_in, height, width)
            layer.set_weights([kernel.transpose(2, 3, 1, 0), np.frombuffer(tensors[f"{layer.name}.bias"], "<f4")])
    return model


def prepared(path):
    from keras.applications.vgg16 import preprocess_input

    return preprocess_input(rgb(path))


def single(model):
    """Features of one image, one `predict` an image."""
    return lambda path: model.predict(prepared(path)[None], verbose=0).reshape(-1)


def batch(model):
    import tensorflow as tf

    graph = tf.function(
        lambda images: model(images, training=False), input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)]
    )
    return lambda paths: graph(tf.constant(np.stack([prepared(path) for path in paths]))).numpy().reshape(len(paths), -1)


def main():
    options = features_parser(__doc__.splitlines()[0])
    options.add_argument("--mode", choices=["single", "batch"], required=True)
    arguments = options.parse_args()
    paths = arguments.images
    model = vgg16(arguments.model_onnx, arguments.threads)
    features = np.empty((len(paths), N_FEATURES), np.float32)

    if arguments.mode == "single":
        describe, parts = single(model), paths
    else:
        describe, parts = batch(model), batches(paths, BATCH)
    describe(parts[0])

    began = time.perf_counter()
    done = 0
    for part in parts:
        n = 1 if arguments.mode == "single" else len(part)
        features[done : done + n] = describe(part)
        done += n
    elapsed_s = time.perf_counter() - began

    save(arguments.save, features)
    answer(elapsed_s, len(paths), threads=arguments.threads)


if __name__ == "__main__":
    main()
