"""Sizes, times and lists in words, for the simulated cluster."""

from words import percent, significant

RESOURCES = {
    "compute": "the workers' cores",
    "network": "the workers' network",
    "disk": "the workers' disks",
    "bucket": "the bucket's rate of reads",
    "scheduler": "the scheduler",
}


def busiest(run, phase):
    """What is most in use in a phase of the workers, in words; nothing for the driver's phases."""
    if phase not in run.utilisation:
        return ""
    kind, share = max(run.utilisation[phase].items(), key=lambda pair: pair[1])
    return f"{RESOURCES[kind]}, {percent(min(share, 1))} in use"


def duration(value_s):
    if 0 < value_s < 1:
        return f"{significant(1000 * value_s)} ms"
    if value_s < 120:
        return f"{significant(value_s)} s"
    if value_s < 2 * 3600:
        return f"{significant(value_s / 60)} min"
    return f"{significant(value_s / 3600)} h"


def size(value_bytes):
    for unit, scale in [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)]:
        if value_bytes >= scale:
            return f"{significant(value_bytes / scale)} {unit}"
    return f"{value_bytes:,.0f} B"


def count(n):
    """1 million, 10 million, 70,000."""
    return f"{n / 1e6:g} million" if n >= 1e6 and n % 1e5 == 0 else f"{n:,}"


def sentence(words):
    return words[0].upper() + words[1:]


def listed(words):
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def workers(n):
    return "1 worker" if n == 1 else f"{n:,} workers"
