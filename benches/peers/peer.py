"""What the peers share: their arguments, a picture as VGG16 takes it, and the one line that a measurement prints."""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

N_FEATURES = 7 * 7 * 512
SIDE = 224
# Of ImageNet, in BGR: what Keras' `preprocess_input` subtracts in its mode `caffe`.
MEANS = np.array([103.939, 116.779, 123.68], np.float32)


def parser(text):
    options = argparse.ArgumentParser(description=text)
    options.add_argument("--threads", type=int, required=True)
    return options


def features_parser(text):
    """Arguments of a peer that makes features of images."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    runtime = Path(os.environ.get("FRUITS_RUNTIME") or Path(data) / "fruits/runtime")
    options = parser(text)
    options.add_argument("--model-onnx", type=Path, default=runtime / "vgg16-notop.onnx")
    options.add_argument("--images", type=image_paths, required=True, metavar="LIST", help="a file with a path a line")
    options.add_argument("--save", type=Path, metavar="F.npy", help="write the features, after the clock has stopped")
    return options


def tsne_parser(text):
    options = parser(text)
    options.add_argument("--scores", required=True, metavar="S.npy")
    options.add_argument("--rows", type=int, required=True)
    options.add_argument("--iterations", type=int, default=1000, help="those of early exaggeration included")
    options.add_argument("--save", metavar="Y.npy")
    return options


def image_paths(path):
    return Path(path).read_text(encoding="utf-8").splitlines()


def rgb(path):
    """(224, 224, 3) float32, from the file."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)


def planes(path):
    """(3, 224, 224) float32, as the ONNX model takes it: BGR minus the means."""
    return (rgb(path)[..., ::-1] - MEANS).transpose(2, 0, 1)


def batches(items, size):
    return [items[i : i + size] for i in range(0, len(items), size)]


def answer(elapsed_s, n_items, **values):
    """The last line of standard output, which is all that is read of it."""
    sys.stdout.flush()
    print(json.dumps({"elapsed_s": elapsed_s, "n_items": n_items, "values": values}), flush=True)


def save(path, array):
    if path:
        np.save(path, np.ascontiguousarray(array, dtype=np.float32))
