"""Figures in words, for the documents of benches/."""

import math
import statistics


def significant(value, digits=3):
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{max(digits - 1 - math.floor(math.log10(abs(value))), 0)}f}"


def duration(value_s):
    return f"{significant(1000 * value_s)} ms" if value_s < 1 else f"{significant(value_s)} s"


def memory(size_bytes, is_bound=False):
    return f"{'<= ' if is_bound else ''}{size_bytes / 1e6:,.0f} MB"


def spread(values, word):
    """Median, and the range where there is one."""
    median = word(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({word(min(values))} to {word(max(values))})"


def times(value):
    return f"{significant(value)} x"


def percent(value):
    return f"{100 * value:.1f} %"


ACCURACY = {
    # Rounded down: a cosine is said to be at least so much.
    "min_cosine": lambda v: f"cosine >= {math.floor(v * 1e6) / 1e6:.6f}",
    "relative_error": lambda v: f"relative error {v:.1e}",
    "precision": str,
    "ratio_sum": lambda v: f"sum of ratios {v:.6f}",
    "max_ratio_difference": lambda v: f"each ratio within {v:.1e}",
    "residual": lambda v: f"residual {v:.1e}",
    "n_passes": lambda v: f"{v} passes" if v > 1 else "",
    "kl_divergence": lambda v: f"KL {v:.4f}",
    "own_kl_divergence": lambda v: f"KL by its own count {v:.4f}",
    "trustworthiness": lambda v: f"trustworthiness {v:.5f}",
    "neighbor_recall_10": lambda v: f"{percent(v)} of 10 neighbours kept",
    "failed": lambda v: f"accuracy was not measured: {v}",
}


def accuracy(row):
    values = row.get("accuracy", {})
    words = [word(values[name]) for name, word in ACCURACY.items() if values.get(name) is not None]
    return ", ".join(filter(None, words))


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(c) for c in line) + " |" for line in lines) + "\n"


def missed(share):
    return f"**missed by {percent(share)}**"


def inaccurate(wanted, ours, peer):
    """Why a speed does not count, or nothing."""
    if wanted is None:
        return None
    value = ours.get("accuracy", {}).get(wanted.name)
    bound = wanted.bound if wanted.bound is not None else peer.get("accuracy", {}).get(wanted.name)
    if value is None or bound is None:
        return f"{wanted.name} was not measured"
    if value >= bound if wanted.at_least else value <= bound:
        return None
    return f"{wanted.name} is {value:.6g}, and {'at least' if wanted.at_least else 'at most'} {bound:.6g} is needed"
