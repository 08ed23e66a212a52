"""How much is measured: the full benchmark, and one that ends within five minutes on two cores."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    # Of the folder, at most: `report --limit` spreads them over it, lists take from the classes in turn. None: all.
    n_images: int | None = None
    # The 22 s that `predict` takes for them on two cores leave room for five pairs below `SHORT_S`.
    n_images_f32: int = 64
    # Four shards: shorter runs are mostly the filling and emptying of the stages that run side by side.
    n_images_bf16: int = 512
    # For one Keras `predict` an image; extrapolated from here.
    n_images_sample: int = 64
    n_starts: int = 10
    n_pairs: int = 5
    n_pairs_long: int = 2
    # A point of a scaling curve, if one run of it is short.
    n_runs_of_point: int = 3
    # All Training images of Fruits-360.
    n_rows: int = 67_692
    # The cold run of all images is the last point.
    images_curve: tuple = (256, 512)
    pca_curve: tuple = (1_000, 4_000, 16_000, 67_692)
    tsne_curve: tuple = (1_000, 4_000, 16_000, 67_692, 100_000)
    iterations: int = 1_000
    # One process.
    limit_s: float = 7_200.0
    # All of it: nothing new is begun later than this.
    all_s: float = float("inf")


# A run below this is repeated `n_pairs` times, a longer one `n_pairs_long` times.
SHORT_S = 30.0

FULL = Plan()
QUICK = Plan(
    n_images=128, n_images_f32=32, n_images_bf16=64, n_images_sample=8, n_starts=5, n_pairs=2, n_pairs_long=1,
    n_runs_of_point=1, n_rows=4_000, images_curve=(32, 64, 128), pca_curve=(1_000, 2_000, 4_000),
    tsne_curve=(1_000, 2_000, 4_000), limit_s=60.0, all_s=240.0,
)


def fitted(plan, n_images, n_found):
    """The plan for a folder of `n_found` images, of which `n_images` may be used, if that is said."""
    n = min(n_found, n_images or plan.n_images or n_found)
    curve = tuple(k for k in plan.images_curve if k <= n)
    return replace(
        plan,
        n_images=n if n < n_found else None,
        n_images_f32=min(plan.n_images_f32, n),
        n_images_bf16=min(plan.n_images_bf16, n),
        n_images_sample=min(plan.n_images_sample, n),
        images_curve=curve if len(curve) > 1 else tuple(sorted({max(n // 4, 1), max(n // 2, 1), n})),
    )
