"""What `cgap-cl cost` does: shapes in, prices of every layer out."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cgap_bench.commands.target import ENERGY_SCOPE, Target
from cgap_bench.shapes.sources import InputSizes, Source, load_source
from cgap_bench.show.text_tables import aligned
from cgap_hw import Board, NetworkCost, advise, resident_together, switch_cost
from cgap_hw.chips.values import Range
from cgap_hw.price.usage import Usage

LAYER_COLUMNS = ("layer", "kind", "MACs", "cycles", "ms", "KB DRAM", "uJ", "lanes %", "bound")


def cost_text(
    source: str, target: Target, sizes: InputSizes, *, as_json: bool, figure: Path | None
) -> str:
    """Layer table, totals and bounds of every network of a source.

    Args:
        source: See `cgap_bench.shapes.sources.load_source`.
        target: What it is priced on.
        sizes: Of the inputs, where the network's own are not wanted.
        as_json: JSON instead of tables.
        figure: Where to draw the roofline of the first network (SVG, PNG or PDF).
    """
    found = load_source(source, sizes)
    target = target.in_words_of(found.bits)
    costs = {title: target.price(layers) for title, layers in found.networks.items()}

    if figure:
        title, cost = next(iter(costs.items()))
        _draw(cost, target.hardware, f"{title} on {target.hardware.name}", figure)

    if as_json:
        content = {
            "networks": {title: _json(cost, target) for title, cost in costs.items()},
            "fit_on_chip_together": _together(costs, target),
            "unsupported": found.unsupported,
            "complete": found.complete,
            "inputs": found.inputs,
            "bits": target.width,
            "words": found.words,
        }
        return json.dumps(content, indent=1)

    parts = [_cost_table(title, cost, target, found) for title, cost in costs.items()]
    if len(costs) > 1:
        parts.append(_switching(costs, target))
    if not found.complete:
        parts.append(f"NOT priced, no layer shape: {found.listed}")
    return "\n\n".join(parts)


def _cost_table(title: str, cost: NetworkCost, target: Target, found: Source) -> str:
    rows: list[tuple[str, ...]] = [LAYER_COLUMNS]
    rows += [
        (
            layer.name,
            layer.kind,
            f"{layer.macs:,}",
            f"{layer.cycles:,}",
            f"{layer.latency_ns * 1e-6:.4f}",
            f"{layer.dram_bytes / 1024:.1f}",
            f"{layer.energy_mj * 1e3:.1f}",
            f"{100 * layer.utilisation_ratio:.0f}",
            layer.bound,
        )
        for layer in cost.layers
    ]

    array = target.array or "its own array"
    head = f"{title} on {target.board}, {array}, {target.width} bit"
    parts = [f"{head}\n{aligned(rows)}", _totals(cost, target, found) + _uses(cost, target)]
    if target.advice:
        parts.append(_advice(cost, target))
    return "\n\n".join(parts)


def _uses(cost: NetworkCost, target: Target) -> str:
    """Shares of the board's resources, what is not known of them, and warnings."""
    used = target.uses(cost.shapes)
    lut = used.lut
    counts = {
        "dsp": f"{used.dsp} DSP",
        "block_ram": f"{used.block_ram} {target.hardware.resources.block_kind}",
        "uram": f"{used.uram} URAM",
        "lut": f"{lut.mid:,.0f} ({lut.low:,.0f} to {lut.high:,.0f}) LUT" if lut else "",
    }

    known = [f"{counts[name]} ({100 * ratio:.0f} %)" for name, ratio in used.ratios.items()]
    lines = [f"uses          {', '.join(known)}"] if known else []
    lines += [f"uses          resources unknown: {text}" for text in used.unknown]
    lines += [f"warning       {text}" for text in used.warnings]
    return "".join(f"\n{line}" for line in lines)


def _advice(cost: NetworkCost, target: Target) -> str:
    """Widths that fill the lanes of output channels, and what they save or add."""
    rows: list[tuple[str, ...]] = [
        ("layer", "kind", "width", "lanes %", "narrower", "saves ms", "wider", "adds ms")
    ]

    rows += [
        (
            one.name,
            one.kind,
            str(one.n_out),
            f"{100 * one.lane_ratio:.0f}",
            "-" if one.narrower is None else str(one.narrower),
            f"{one.narrower_saves_ns * 1e-6:.4f}",
            str(one.wider),
            f"{one.wider_adds_ns * 1e-6:.4f}",
        )
        for one in advise(cost.shapes, target.hardware, bits=target.width)
    ]
    return "widths that fill the lanes, each layer on its own\n" + aligned(rows)


def _together(costs: Mapping[str, NetworkCost], target: Target) -> list[str]:
    shapes = {title: cost.shapes for title, cost in costs.items()}
    return resident_together(shapes, target.hardware, target.width)


def _switching(costs: Mapping[str, NetworkCost], target: Target) -> str:
    """What it costs to load each task's subnetwork, and which stay on chip at once."""
    rows: list[tuple[str, ...]] = [("switching to", "KB", "ms", "stays on chip")]
    for title, cost in costs.items():
        switch = switch_cost(cost.shapes, target.hardware, target.width)
        stays = "yes" if switch.stays_on_chip else "no"
        rows.append((title, f"{switch.n_bytes / 1024:.1f}", f"{switch.time_ms:.4f}", stays))
    names = _together(costs, target)
    fit = f"on chip together: {len(names)} of {len(costs)}" + "".join(f", {n}" for n in names)
    return f"{aligned(rows)}\n{fit}"


def _totals(cost: NetworkCost, target: Target, found: Source) -> str:
    """Convolution and linear latency always apart; bounds where some work is not priced."""
    half, least = cost.array.error_pct, "" if found.complete else "at least "
    parts = {
        "convolutions": cost.conv_latency_ms,
        "linear": cost.linear_latency_ms,
        "products of maps": cost.matmul_latency_ms,
        "other": cost.other_latency_ms,
    }
    always = ("convolutions", "linear", "other")
    times = ", ".join(f"{k} {v:.4f}" for k, v in parts.items() if v or k in always)
    rate = cost.throughput_fps * found.n_items
    split = ", ".join(f"{k} {v.mid:.3g}" for k, v in cost.energy_split_mj.items())

    bounds: dict[str, float] = {}
    for layer in cost.layers:
        bounds[layer.bound] = bounds.get(layer.bound, 0.0) + layer.latency_ns * 1e-6
    bound = ", ".join(f"{k} {v:.3f} ms" for k, v in bounds.items() if v)

    return "\n".join(
        (
            *([f"input         {found.read}"] if found.read else []),
            *([f"words         {target.priced(found.words)}"] if found.words else []),
            f"latency       {least}{cost.latency_ms:.4f} ms (+-{half:g} %): {times}",
            f"bound by      {bound}",
            f"throughput    {'at most ' if least else ''}{rate:.1f} images/s",
            f"MACs          {least}{cost.macs:,}"
            f" ({100 * cost.utilisation_ratio:.1f} % of the lanes)",
            f"weights       {least}{cost.n_weights:,}",
            f"DRAM traffic  {least}{cost.dram_bytes / 1e6:.3f} MB",
            f"energy        {least}{cost.energy_mj} mJ: {split}",
            f"              {ENERGY_SCOPE}",
            f"whole board   {least}{_whole_board(cost)}",
        )
    )


def _json(cost: NetworkCost, target: Target) -> dict[str, Any]:
    used = target.uses(cost.shapes)

    return {
        "latency_ms": cost.latency_ms,
        "conv_latency_ms": cost.conv_latency_ms,
        "linear_latency_ms": cost.linear_latency_ms,
        "matmul_latency_ms": cost.matmul_latency_ms,
        "other_latency_ms": cost.other_latency_ms,
        "error_pct": cost.array.error_pct,
        "throughput_fps": cost.throughput_fps,
        "macs": cost.macs,
        "n_weights": cost.n_weights,
        "dram_bytes": cost.dram_bytes,
        "utilisation_ratio": cost.utilisation_ratio,
        "energy_mj": cost.energy_mj.model_dump(),
        "energy_scope": ENERGY_SCOPE,
        "idle_w": _dumped(cost.idle_w),
        "board_energy_mj": _dumped(cost.board_energy_mj),
        "energy_split_mj": {k: v.model_dump() for k, v in cost.energy_split_mj.items()},
        "resources": _resources(used),
        "switch": asdict(switch_cost(cost.shapes, target.hardware, target.width)),
        "advice": [asdict(x) for x in advise(cost.shapes, target.hardware, bits=target.width)],
        "layers": [asdict(layer) for layer in cost.layers],
    }


def _whole_board(cost: NetworkCost) -> str:
    if cost.idle_w is None or cost.board_energy_mj is None:
        return "unknown: the board file states no idle_w"
    return f"{cost.board_energy_mj} mJ with {cost.idle_w} W at idle over the latency"


def _dumped(value: Range | None) -> dict[str, float] | None:
    return value.model_dump(include={"low", "mid", "high"}) if value else None


def _resources(used: Usage) -> dict[str, Any]:
    return asdict(used) | {"lut": _dumped(used.lut)}


def _draw(cost: NetworkCost, board: Board, title: str, path: Path) -> None:
    from cgap_bench.show.charts.drawing import drawn, format_of
    from cgap_bench.show.charts.roofline import roofline
    from cgap_bench.show.files import write

    name = format_of(path)
    write({path: drawn(roofline(cost, board, title), title, (name,))[name]})
