"""What `cgap-cl explore` does: shapes in, the designs that no other beats out."""

import json

from cgap_bench.commands.target import Target
from cgap_bench.shapes.sources import load_source
from cgap_bench.show.text_tables import aligned
from cgap_hw import load_board
from cgap_hw.price.explore import explore


def explore_text(source: str, target: Target, top: int, *, as_json: bool) -> str:
    """The Pareto front of latency, energy and DSP blocks of the first network of a source.

    Args:
        source: See `cgap_bench.shapes.sources.load_source`.
        target: Board and word width.
        top: Designs to show, fastest first.
        as_json: JSON instead of a table.
    """
    title, layers = next(iter(load_source(source).networks.items()))
    found = explore(layers, load_board(target.board), target.bits)
    front = found.pareto()[:top]
    columns = ("pox", "poy", "pof", "dsp", "latency_ms", "energy_mj")
    rows = [{name: getattr(found, name)[i].item() for name in columns} for i in front]
    if as_json:
        return json.dumps({"n_designs": len(found), "pareto": rows}, indent=1)
    table = [columns, *(tuple(f"{row[name]:.5g}" for name in columns) for row in rows)]
    head = f"{title} on {target.board}, {target.bits} bit: {len(found)} designs; no other is"
    return f"{head} better in latency, energy and DSP blocks than\n{aligned(table)}"
