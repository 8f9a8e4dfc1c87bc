"""What presets took where they were run, from their records."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from cgap_bench.record.record import Record
from cgap_bench.run.recipe import Overlay
from cgap_bench.run.seeds import parse_seeds


def spent_s(preset: Overlay, records: Iterable[Record]) -> float | None:
    """Seconds of one core that all runs of a preset take.

    Args:
        preset: Which methods, with how many seeds and orders.
        records: Of runs with it; others of its methods may be among them, and other seeds.

    Returns:
        Each method's mean, as often as the preset runs it; None where one of them has no run,
        or variants of methods are run too.
    """
    times = defaultdict(list)
    for record in records:
        if not record.config.variant and record.outcome is None:
            times[record.config.method].append(record.spent_s)
    known = preset.methods and all(method in times for method in preset.methods)
    if not known or preset.variants:
        return None
    n = len(parse_seeds(preset.seeds)) * len(parse_seeds(preset.orders or "0"))
    return n * sum(_mean(times[method]) for method in preset.methods)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
