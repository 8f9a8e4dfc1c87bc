"""What is stored beside parameters, and what masked networks cost without their dead units.

A masked network executes the dense one: that is what it is priced as. The bits of its masks are
stored beside; where masks leave out whole units the same function is a smaller dense network.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cgap_bench.record.record import Record
from cgap_bench.record.validity import BESIDE

Layers = Sequence[Mapping[str, Any]]


def stores_more(record: Record) -> bool:
    """Whether a method keeps anything but parameters."""
    return any(key in record.extra for key in BESIDE)


def stored_bytes(record: Record, bits: int, experience: int = -1) -> float:
    """Parameters, masks and images kept for all tasks together after an experience.

    Args:
        record: Of the run.
        bits: Of a parameter; masks are counted as they are, images at 8 bits a value.
        experience: Counted from 0; the last by default.
    """
    mask_bits, images = (_after(record, key, experience) for key in BESIDE)
    values = image_values(record.networks[record.subnetworks[-1][0]])
    return (record.stored_parameters[experience] * bits + mask_bits) / 8 + images * values


def mask_bytes(record: Record) -> dict[str, float]:
    """Those of the masks after the last experience; nothing where there are none."""
    bits = _after(record, BESIDE[0], -1)
    return {"mask_bytes": bits / 8} if bits else {}


def image_values(layers: Layers) -> int:
    """Numbers that a network reads: channels, height and width of its first layer."""
    first = layers[0]
    return int(first["n_in"] * first["in_h"] * first["in_w"])


def structured_costs(
    record: Record, price: Callable[[Layers], Mapping[str, float]]
) -> dict[str, float]:
    """Mean over tasks of the smaller dense networks; nothing where there are none.

    Args:
        record: Of the run.
        price: Layer shapes -> costs of an inference, see `cgap_bench.show.derive.Platform`.
    """
    networks = record.extra.get("structured")
    if not networks:
        return {}
    costs = [price(layers) for layers in networks]
    return {
        f"structured_{key}": math.fsum(cost[key] for cost in costs) / len(costs)
        for key in ("macs", "latency_ms")
    }


def capacity(record: Record) -> dict[str, float]:
    """WSN's CAP after the last experience; nothing where it was not noted."""
    noted = record.extra.get("capacity")
    return {"capacity": float(noted[-1])} if noted else {}


def _after(record: Record, key: str, experience: int) -> int:
    numbers = record.extra.get(key)
    return int(numbers[experience]) if numbers else 0
