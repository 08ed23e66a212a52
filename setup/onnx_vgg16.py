"""VGG16 without its top as an ONNX file: take the 26 known tensors out of one model, write them into a clean graph.

ONNX is protobuf; the two dozen fields needed here are read and written by hand, so set-up needs nothing but Python.
Field numbers: `onnx.proto3` of ONNX. The same tensors give the same bytes on every machine.

Graph: `images` float32 [N, 3, 224, 224] (BGR, ImageNet channel means subtracted)
    -> 5 blocks of (Conv 3x3 + Relu) x 2|3 and MaxPool 2x2
    -> NHWC, flattened -> `features` float32 [N, 25088], element (h*7 + w)*512 + c as Keras orders it.
"""

import csv
import hashlib
import sys
from pathlib import Path

TENSORS_CSV = Path(__file__).resolve().parent / "vgg16_tensors.csv"

# What the 26 tensors of the table must give; a change to the graph below changes it on purpose.
MODEL_SHA256 = "7182e5aa9884f96b58bac76e7fa8f126ceac5a074baf93dc8193ae0c2a843089"

CONVOLUTIONS_PER_BLOCK = (2, 2, 3, 3, 3)  # configuration D of Simonyan & Zisserman, arXiv:1409.1556, table 1
IMAGE_SIDE = 224
N_FEATURES = 7 * 7 * 512

IR_VERSION = 7  # with opset 13: ONNX 1.8, read by every runtime since
OPSET = 13
FLOAT = 1  # TensorProto.DataType
INT, INTS = 2, 7  # AttributeProto.AttributeType

ORIGIN = (
    "VGG16 without its top. Weights: Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford, "
    "trained on ImageNet, CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), unchanged. "
    "Input: BGR in 0..255 minus (103.939, 116.779, 123.68)."
)


class ModelError(Exception):
    """The source is not a model with the 26 known tensors."""


# --- reading -------------------------------------------------------------------------------------------------------


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ModelError("a number in it is longer than 64 bits")


def fields(data):
    """(field number, value) of one protobuf message: an int for a varint, a memoryview for anything else."""
    at, end = 0, len(data)
    while at < end:
        key, at = read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = read_varint(data, at)
        elif wire in (1, 2, 5):
            size, at = read_varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            if at + size > end:
                raise ModelError("it ends in the middle of a field")
            value, at = data[at : at + size], at + size
        else:
            raise ModelError(f"it has protobuf wire type {wire}, which ONNX does not use")
        yield number, value


def initializers(model):
    """name -> raw little-endian bytes, of every tensor of `model` (a memoryview) that keeps its data in `raw_data`."""
    tensors = {}
    for graph in (value for number, value in fields(model) if number == 7):  # ModelProto.graph
        for tensor in (value for number, value in fields(graph) if number == 5):  # GraphProto.initializer
            parts = dict(fields(tensor))  # dims (1) repeats, which is why the shape is the table's and not read here
            if 8 in parts and 9 in parts and parts.get(2) == FLOAT:  # name, raw_data, data_type
                tensors[bytes(parts[8]).decode("utf-8", "replace")] = parts[9]
    return tensors


def source_name(tensor):
    """`block1_conv1.kernel` as the source model calls it."""
    layer, kind = tensor.split(".")
    return f"functional_1/{layer}_1/" + {"kernel": "convolution/ReadVariableOp:0", "bias": "Squeeze:0"}[kind]


def known_tensors(model):
    """[(name, shape, raw bytes)] in the table's order, each proved by its SHA-256."""
    found = initializers(model)
    tensors = []
    with open(TENSORS_CSV, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name, want = row["tensor"], row["sha256_of_little_endian_f32"]
            raw = found.get(source_name(name))
            if raw is None:
                raise ModelError(f"it has no tensor {source_name(name)} (VGG16's {name})")
            got = hashlib.sha256(raw).hexdigest()
            if got != want:
                raise ModelError(f"its {name} has SHA-256 {got}, the ImageNet weights have {want}")
            tensors.append((name, [int(d) for d in row["shape_oihw"].split("x")], raw))
    return tensors


# --- writing -------------------------------------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """One protobuf field: int as varint; str, bytes or memoryview length-delimited."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + bytes(value)


def message(*pairs):
    return b"".join(field(number, value) for number, value in pairs)


def attribute(name, value):
    if isinstance(value, int):
        return message((1, name), (3, value), (20, INT))
    return message((1, name), *((8, item) for item in value), (20, INTS))


def node(op, inputs, output, **attributes):
    return message(
        *((1, name) for name in inputs),
        (2, output),
        (3, output),  # a node is named after what it makes
        (4, op),
        *((5, attribute(name, value)) for name, value in attributes.items()),
    )


def value_info(name, dims):
    shape = message(*((1, field(2, dim) if isinstance(dim, str) else field(1, dim)) for dim in dims))
    return message((1, name), (2, field(1, message((1, FLOAT), (2, shape)))))


def nodes():
    blob = "images"
    for block, n_convolutions in enumerate(CONVOLUTIONS_PER_BLOCK, 1):
        for layer in (f"block{block}_conv{i}" for i in range(1, n_convolutions + 1)):
            inputs = [blob, f"{layer}.kernel", f"{layer}.bias"]
            yield node("Conv", inputs, f"{layer}.linear", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
            yield node("Relu", [f"{layer}.linear"], layer)
            blob = layer
        yield node("MaxPool", [blob], f"block{block}_pool", kernel_shape=[2, 2], strides=[2, 2])
        blob = f"block{block}_pool"
    yield node("Transpose", [blob], "nhwc", perm=[0, 2, 3, 1])
    yield node("Flatten", ["nhwc"], "features", axis=1)


def build(tensors):
    """The bytes of the model."""
    graph = message(
        *((1, item) for item in nodes()),
        (2, "vgg16-notop"),
        *(
            (5, message(*((1, dim) for dim in shape), (2, FLOAT), (8, name), (9, raw)))
            for name, shape, raw in tensors
        ),
        (11, value_info("images", ["N", 3, IMAGE_SIDE, IMAGE_SIDE])),
        (12, value_info("features", ["N", N_FEATURES])),
    )
    return message(
        (1, IR_VERSION), (2, "fruits"), (3, "1"), (6, ORIGIN), (7, graph), (8, message((1, ""), (2, OPSET)))
    )


def convert(source, target):
    """Write `target` from the tensors of `source`; its SHA-256. ModelError when the source is not what it should be."""
    try:
        data = build(known_tensors(memoryview(Path(source).read_bytes())))
    except IndexError as error:
        raise ModelError("it ends in the middle of a field") from error
    sha256 = hashlib.sha256(data).hexdigest()
    Path(target).write_bytes(data)
    return sha256


if __name__ == "__main__":
    print(convert(sys.argv[1], sys.argv[2]))
