"""What `cgap-cl price-published` does: the paper's networks, priced at the sizes it reports."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cgap_bench.learn.narrowed import IMAGE, narrow_networks
from cgap_bench.shapes.tracing import layer_shapes
from cgap_bench.show.beside.changes import BITS, COLUMNS, PRICED, PUBLISHED, platforms
from cgap_bench.show.derive import Platform
from cgap_bench.show.markers import fill_page
from cgap_bench.show.text_tables import aligned
from cgap_hw import LayerShape, network_cost

MARKER, PARTS_MARKER = "published", "parts"
CHANGES = ("parameters", "macs", *PRICED)


Line = tuple[str, ...]
Layer = Mapping[str, Any]


@dataclass(frozen=True)
class PricedChange:
    """A narrow network against the dense one.

    Attributes:
        network: The paper's network, and what it classifies.
        pattern: Which units are left.
        platform: Board and word width; empty in the row of published figures.
        changes: In percent, by key of `CHANGES`; None where it is not published.
    """

    network: str
    pattern: str
    platform: str
    changes: dict[str, float | None]


def priced_changes() -> list[PricedChange]:
    """What is published for each network, then its narrow forms on each board."""
    rows: dict[str, list[PricedChange]] = {}
    for pair in narrow_networks():
        name, published = PUBLISHED[pair.benchmark]
        network = f"{name}, {pair.benchmark}"
        told = {key: published.get(key) for key in CHANGES}
        row = PricedChange(network, "published, which units not told", "", told)
        rows.setdefault(network, [row])

        layers = _layers(pair.dense), _layers(pair.narrow)
        sizes = _n_parameters(pair.dense), _n_parameters(pair.narrow)
        for platform in platforms():
            dense, narrow = (
                platform.price(shapes) | {"parameters": size}
                for shapes, size in zip(layers, sizes, strict=True)
            )
            change: dict[str, float | None] = {
                key: 100 * (narrow[key] / dense[key] - 1) for key in CHANGES
            }
            rows[network].append(PricedChange(network, pair.pattern, platform.title, change))
    return list(chain(*rows.values()))


def published_text(*, as_json: bool) -> str:
    """The table for a terminal, or JSON."""
    rows = priced_changes()
    if as_json:
        return json.dumps([asdict(row) for row in rows], indent=1)
    return aligned([_header(), *map(_cells, rows)])


def dram_parts() -> tuple[Line, ...]:
    """What DRAM energy consists of, for ResNet-110 at 8 bits: dense and narrow, in mJ.

    The paper reports one number for it and not how it was counted.
    """
    at_8_bits = [platform for platform in platforms() if platform.bits == BITS[0]]
    lines: list[Line] = []
    for pair in narrow_networks()[:2]:
        layers = _layers(pair.dense), _layers(pair.narrow)
        for platform in at_8_bits:
            dense, narrow = (_dram(shapes, platform) for shapes in layers)
            parts = (f"{dense[part]:.3g} → {narrow[part]:.3g}" for part in dense)
            lines.append((pair.pattern, platform.title, *parts))
    names = [name.removeprefix("dram_") for name in dense]
    return (("units left", "board", *(f"{name} [mJ]" for name in names)), *lines)


def page_text(page: Path) -> str:
    """Rewrites the tables of a page; its path.

    Raises:
        UsageError: The page has no place for a table.
    """
    fill_page(page, MARKER, _markdown((_header(), *map(_cells, priced_changes())), n_words=3))
    fill_page(page, PARTS_MARKER, _markdown(dram_parts(), n_words=2))
    return str(page)


def _markdown(lines: Sequence[Line], n_words: int) -> str:
    """A table whose first columns hold words, the others numbers."""
    header, *rest = lines
    rule = ("---",) * n_words + ("--:",) * (len(header) - n_words)
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *rest))


def _dram(layers: Sequence[Layer], platform: Platform) -> dict[str, float]:
    """Energy of DRAM by part, in mJ."""
    shapes = [LayerShape.model_validate(layer) for layer in layers]
    cost = network_cost(shapes, platform.board, bits=platform.bits)
    return {k: part.mid for k, part in cost.energy_split_mj.items() if "dram" in k}


def _layers(network: nn.Module) -> Sequence[Layer]:
    return layer_shapes(network.eval(), torch.zeros(1, *IMAGE))


def _n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _header() -> Line:
    return ("network", "units left", "board", *(f"{COLUMNS[key]} [%]" for key in CHANGES))


def _cells(row: PricedChange) -> Line:
    numbers = ("-" if value is None else f"{value:+.1f}" for value in row.changes.values())
    return (row.network, row.pattern, row.platform, *numbers)
