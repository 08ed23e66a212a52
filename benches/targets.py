"""What must be reached, beside whom, and with which accuracy."""

from dataclasses import dataclass

# Contestants, as the result names them.
OURS_F32 = "this project, f32"
OURS_BF16 = "this project, bf16"
OURS = "this project"
KERAS_SINGLE = "Keras, one `predict` an image"
KERAS_BATCH = "Keras, graph call, batch 32"
ONNXRUNTIME = "ONNX Runtime in Python, f32"
OPENVINO_READY = ("OpenVINO bf16, ready tensors, latency", "OpenVINO bf16, ready tensors, throughput")
OPENVINO_WHOLE = "OpenVINO bf16, whole path, throughput"
SKLEARN_PCA = "scikit-learn, randomized"
LINFA_PCA = "linfa-reduction"
OPENTSNE = "openTSNE"
SKLEARN_TSNE = "scikit-learn, Barnes-Hut"
LINFA_TSNE = "linfa-tsne"
KERAS_CHAIN = "Keras and scikit-learn, step by step"
HELP = "`report --help`"
DOCTOR = "`report doctor`"

# Comparisons.
FEATURES = "Whole path from JPEG"
FEATURES_BF16 = "bf16 beside OpenVINO"
PCA = "PCA in memory"
PCA_STREAMED = "PCA streamed from shards"
TSNE = "Real scores"
TSNE_LARGE = "Synthetic scores"
CHAIN = "Whole chain, cold"
START = "Start"


@dataclass(frozen=True)
class Accuracy:
    """Without it a faster figure does not count. `bound` None: no worse than the peer."""

    name: str
    bound: float | None
    at_least: bool = False


@dataclass(frozen=True)
class Target:
    """A speed-up over the fastest of `peers`; without peers, a bound of `unit`."""

    what: str
    comparison: str
    ours: str
    bound: float
    peers: tuple = ()
    unit: str = "x"
    accuracy: Accuracy | None = None


# float32 of two runtimes, and bf16 beside float32: cosines of each image (tests/it/reference.rs).
COSINE_F32 = Accuracy("min_cosine", 0.9999, at_least=True)
COSINE_BF16 = Accuracy("min_cosine", 0.9995, at_least=True)
# Of the exact ratios: those of scikit-learn's randomized solver are themselves 1.6e-5 from them.
SAME_RATIOS = Accuracy("max_ratio_difference", 1e-5)
DIVERGENCE = Accuracy("kl_divergence", None)
# Each by its own count.
OWN_DIVERGENCE = Accuracy("own_kl_divergence", None)

TARGETS = (
    Target("features bf16, whole path from JPEG", FEATURES, OURS_BF16, 8.0, (KERAS_BATCH,), accuracy=COSINE_BF16),
    Target("features bf16, whole path from JPEG", FEATURES, OURS_BF16, 20.0, (KERAS_SINGLE,), accuracy=COSINE_BF16),
    Target("features f32, whole path", FEATURES, OURS_F32, 1.05, (ONNXRUNTIME,), accuracy=COSINE_F32),
    Target("features bf16, decode and writing included", FEATURES_BF16, OURS_BF16, 1.0, OPENVINO_READY, accuracy=COSINE_BF16),
    Target("PCA in memory", PCA, OURS, 3.0, (SKLEARN_PCA,), accuracy=SAME_RATIOS),
    Target("PCA streamed", PCA_STREAMED, OURS, 2e9, unit="peak memory"),
    Target("t-SNE, real scores", TSNE, OURS, 2.5, (OPENTSNE,), accuracy=DIVERGENCE),
    Target("t-SNE, synthetic scores", TSNE_LARGE, OURS, 2.0, (OPENTSNE,), accuracy=DIVERGENCE),
    Target("whole chain, cold", CHAIN, OURS, 15.0, (KERAS_CHAIN,), accuracy=OWN_DIVERGENCE),
    Target("start of `report --help`", START, HELP, 0.020, unit="s"),
    Target("start of `report doctor`", START, DOCTOR, 0.300, unit="s"),
)
