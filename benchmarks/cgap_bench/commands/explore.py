"""What `cgap-cl explore` does: shapes in, the designs that no other beats out."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from cgap_bench.commands.target import ENERGY_SCOPE, Target
from cgap_bench.record.files import write_file
from cgap_bench.shapes.sources import InputSizes, Source, load_source
from cgap_bench.show.text_tables import aligned
from cgap_hw import LayerShape
from cgap_hw.arrays import OutputStationary
from cgap_hw.boards.board_file import board_text
from cgap_hw.boards.rtl_parameters import rtl_parameters_text
from cgap_hw.price.designs import removals
from cgap_hw.price.explore import Exploration, explore
from cgap_hw.price.explore_rtl import RtlExploration, explore_rtl
from cgap_hw.price.usage import usage


def explore_text(
    source: str,
    target: Target,
    sizes: InputSizes,
    top: int,
    *,
    as_json: bool,
    write: Path | None = None,
) -> str:
    """The Pareto front of latency, energy and DSP blocks of the first network of a source.

    Args:
        source: See `cgap_bench.shapes.sources.load_source`.
        target: Board and word width.
        sizes: Of the inputs, where the network's own are not wanted.
        top: Designs to show, fastest first.
        as_json: JSON instead of a table.
        write: Folder for the fastest design: a board file, and what hardware/rtl is built with.
    """
    origin = load_source(source, sizes)
    target = target.in_words_of(origin.bits)
    title, layers = next(iter(origin.networks.items()))
    found = _found(layers, target)
    front = found.pareto()[:top]
    written = _write(found.array(int(front[0])), target, write) if write else ""
    rows = [_row(found, int(i)) for i in front]
    unknown = _unknown(found, front, layers, target)
    if as_json:
        content = {"n_designs": len(found), "removed": found.removed, "pareto": rows}
        content["resources_unknown"] = unknown
        said = {
            "unsupported": origin.unsupported,
            "inputs": origin.inputs,
            "words": origin.words,
        }
        return json.dumps(content | said, indent=1)

    table = [tuple(rows[0]), *(tuple(f"{x:.5g}" for x in row.values()) for row in rows)]
    size = f" ({origin.read})" if origin.read else ""
    text = (
        f"{title}{size} on {target.board}, {target.width} bit: {len(found):,} designs; of the"
        f" others {removals(found.removed)}; no other is better in latency, energy and DSP"
        f" blocks than\n{aligned(table)}\nenergy: {ENERGY_SCOPE}{written}"
    )
    told = [
        f"\nresources unknown, of {n} of these {len(rows)} designs: {what}"
        for what, n in unknown.items()
    ]
    return text + "".join(told) + _notes(origin, target)


def _notes(origin: Source, target: Target) -> str:
    """What of the source is priced otherwise, or not at all; each on a line."""
    text = f"\nwords: {target.priced(origin.words)}" if origin.words else ""
    others = len(origin.networks) - 1
    if others:
        text += f"\nexplored for this network only; the source has {others} more"
    if origin.complete:
        return text
    return (
        f"{text}\n\nNOT priced, no layer shape (every price is a lower bound): {origin.listed}"
    )


def _found(layers: Sequence[LayerShape], target: Target) -> Exploration | RtlExploration:
    """Designs of the board's array, or of hardware/rtl if the array is one of it."""
    board = target.hardware
    array = board.array
    if isinstance(array, OutputStationary) and array.controller:
        return explore_rtl(layers, board, array, target.width)
    return explore(layers, board, target.width)


def _unknown(
    found: Exploration | RtlExploration,
    designs: Iterable[int],
    layers: Sequence[LayerShape],
    target: Target,
) -> dict[str, int]:
    """What is not known of the resources of some designs -> of how many."""
    arrays = (found.array(int(i)) for i in designs)
    used = (usage(layers, target.hardware, array, target.width) for array in arrays)
    return Counter(what for one in used for what in one.unknown)


def _row(found: Exploration | RtlExploration, i: int) -> dict[str, float]:
    """One design: sizes, price, and shares or words of the buffers."""
    array = found.array(i)
    sizes = dict(zip(("pox", "poy", "pof"), array.dimensions, strict=True))
    prices = ("dsp", "latency_ms", "energy_mj")
    buffers = array.controller or array.buffers
    return sizes | {n: getattr(found, n)[i].item() for n in prices} | buffers.model_dump()


def _write(array: OutputStationary, target: Target, folder: Path) -> str:
    """Board file and parameters; what was written, in lines.

    Raises:
        UsageError: A file cannot be written.
    """
    board = target.hardware.model_copy(update={"array": array})
    comment = f"Chosen by cgap-cl explore, {target.width} bit."
    files = {"board.toml": board_text(board, comment)}
    if array.controller:
        files["parameters.svh"] = rtl_parameters_text(array, target.width)
    written = [write_file(folder / name, text, folder) for name, text in files.items()]
    return "".join(f"\nwritten: {path}" for path in written)
