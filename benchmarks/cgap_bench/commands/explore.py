"""What `cgap-cl explore` does: shapes in, the designs that no other beats out."""

import json

from cgap_bench.commands.target import ENERGY_SCOPE, Target
from cgap_bench.shapes.sources import InputSizes, load_source
from cgap_bench.show.text_tables import aligned
from cgap_hw import load_board
from cgap_hw.price.designs import removals
from cgap_hw.price.explore import Exploration, explore


def explore_text(
    source: str, target: Target, sizes: InputSizes, top: int, *, as_json: bool
) -> str:
    """The Pareto front of latency, energy and DSP blocks of the first network of a source.

    Args:
        source: See `cgap_bench.shapes.sources.load_source`.
        target: Board and word width.
        sizes: Of the inputs, where the network's own are not wanted.
        top: Designs to show, fastest first.
        as_json: JSON instead of a table.
    """
    origin = load_source(source, sizes)
    target = target.in_words_of(origin.bits)
    title, layers = next(iter(origin.networks.items()))
    found = explore(layers, load_board(target.board), target.width)
    front = found.pareto()[:top]
    rows = [_row(found, int(i)) for i in front]
    if as_json:
        content = {"n_designs": len(found), "removed": found.removed, "pareto": rows}
        said = {"unsupported": origin.unsupported, "inputs": origin.inputs}
        return json.dumps(content | said, indent=1)

    table = [tuple(rows[0]), *(tuple(f"{x:.5g}" for x in row.values()) for row in rows)]
    size = f" ({origin.read})" if origin.read else ""
    text = (
        f"{title}{size} on {target.board}, {target.width} bit: {len(found):,} designs; of the"
        f" others {removals(found.removed)}; no other is better in latency, energy and DSP"
        f" blocks than\n{aligned(table)}\nenergy: {ENERGY_SCOPE}"
    )
    if origin.complete:
        return text
    return (
        f"{text}\n\nNOT priced, no layer shape (every price is a lower bound): {origin.listed}"
    )


def _row(found: Exploration, i: int) -> dict[str, float]:
    """One design: sizes, shares of the buffers and price."""
    sizes = ("pox", "poy", "pof", "dsp", "latency_ms", "energy_mj")
    shares = found.array(i).buffers.model_dump()
    return {name: getattr(found, name)[i].item() for name in sizes} | shares
