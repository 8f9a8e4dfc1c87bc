"""What `cgap-cl cost`, `calibrate` and `validate-hardware` do: shapes in, text out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.shape_sources import load_source
from cgap_hw import Board, CostOptions, LayerShape, NetworkCost, load_board, network_cost
from cgap_hw.board_file import write_board
from cgap_hw.calibrate import calibrate as fit
from cgap_hw.catalogue import load_array, on_board
from cgap_hw.explore import explore
from cgap_hw.measured import data_folder, read_measured, unique
from cgap_hw.validate import PricedRow, leave_one_out, network_errors, price_rows, summary

CNN_ACCEL = Path("cnn_accel") / "layers_dev.csv"
LAYER_COLUMNS = ("layer", "kind", "MACs", "cycles", "ms", "KB DRAM", "uJ", "lanes %", "bound")


@dataclass(frozen=True)
class Target:
    """What a network is priced on, as typed."""

    board: str
    array: str | None = None
    bits: int = 8
    resident_weights: bool = False
    resident_maps: bool = False

    def price(self, layers: Sequence[LayerShape]) -> NetworkCost:
        """Cost of one inference."""
        array = load_array(self.array) if self.array else None
        options = CostOptions(
            resident_weights=self.resident_weights, resident_maps=self.resident_maps
        )
        return network_cost(layers, load_board(self.board), array, self.bits, options)


def cost_text(source: str, target: Target, *, as_json: bool, figure: Path | None) -> str:
    """Layer table, totals and bounds of every network of a source.

    Args:
        source: See `cgap_bench.shape_sources.load_source`.
        target: What it is priced on.
        as_json: JSON instead of tables.
        figure: Where to draw the roofline of the first network (SVG, PNG or PDF).
    """
    found = load_source(source)
    costs = {title: target.price(layers) for title, layers in found.networks.items()}
    if figure:
        _draw(next(iter(costs.values())), load_board(target.board), figure)
    if as_json:
        content = {title: _json(cost) for title, cost in costs.items()}
        return json.dumps({"networks": content, "unsupported": found.unsupported}, indent=1)
    parts = [_cost_table(title, cost, target) for title, cost in costs.items()]
    if found.unsupported:
        names = ", ".join(f"{name} ({n}x)" for name, n in found.unsupported.items())
        parts.append(f"NOT priced, no layer shape: {names}")
    return "\n\n".join(parts)


def explore_text(source: str, target: Target, top: int, *, as_json: bool) -> str:
    """The Pareto front of latency, energy and DSP blocks of the first network of a source.

    Args:
        source: See `cgap_bench.shape_sources.load_source`.
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
    return f"{head} better in latency, energy and DSP blocks than\n{_aligned(table)}"


def calibrate_text(measured: Path, array: str, out: Path) -> str:
    """Fits the constants of an array or board to timed layers and writes the board."""
    rows = read_measured(measured)
    board = fit(rows, on_board(array))
    errors = summary(_price_on(board, measured))
    comment = f"Fitted on {len(unique(rows))} measured shapes: mean error {_percents(errors)}."
    try:
        write_board(board, out, comment)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error}") from error
    return (
        f"{out}: fitted on {len(unique(rows))} shapes; on these, mean error {_percents(errors)}"
    )


def validate_text(measured: Path | None, *, as_json: bool) -> str:
    """Predicted against measured, each row and each kind of layer.

    Args:
        measured: CSV of timed layers; without it the published cnn_accel latencies, with the
            errors on layers that were left out of the fit.
        as_json: JSON instead of tables.
    """
    path = measured or data_folder() / CNN_ACCEL
    rows = read_measured(path)
    priced = price_rows(rows)
    content = _validation(priced)
    if measured is None:
        content["left_out"] = {
            what: {name: asdict(errors) for name, errors in leave_one_out(rows, what).items()}
            for what in ("network", "accelerator")
        }
    if as_json:
        return json.dumps(content, indent=1)
    return _validation_table(content)


def _price_on(board: Board, measured: Path) -> list[PricedRow]:
    return price_rows(unique(read_measured(measured)), lambda _: board)


def _validation(priced: Sequence[PricedRow]) -> dict[str, Any]:
    """Errors overall and by kind, of whole networks, and every row; JSON."""
    layers = [
        {
            "accelerator": p.row.accelerator,
            "network": p.row.network,
            "layer_name": p.row.shape.name,
            "kind": p.row.kind,
            "measured_ns": p.row.latency_ns,
            "predicted_ns": p.predicted_ns,
            "low_ns": p.low_ns,
            "high_ns": p.high_ns,
            "error_pct": p.error_pct,
        }
        for p in priced
    ]
    networks = asdict(network_errors(priced))
    return summary(priced) | {"networks": networks, "layers": layers}


def _validation_table(content: Mapping[str, Any]) -> str:
    worst = sorted(content["layers"], key=lambda row: -abs(row["error_pct"]))[:10]
    lines: list[tuple[str, ...]] = [("layers", "rows", "mean %", "worst %", "bias %")]
    lines += [_errors("all", content)]
    lines += [_errors(kind, e) for kind, e in content["by_kind"].items()]
    lines += [_errors("whole networks", content["networks"])]
    for what, groups in content.get("left_out", {}).items():
        lines += [_errors(f"{what} left out: {n}", e) for n, e in groups.items()]
    poor: list[tuple[str, ...]] = [
        ("farthest off", "network", "measured us", "predicted us", "error %")
    ]
    poor += [
        (
            f"{row['accelerator']} {row['layer_name']}",
            row["network"],
            f"{row['measured_ns'] / 1e3:.2f}",
            f"{row['predicted_ns'] / 1e3:.2f}",
            f"{row['error_pct']:+.2f}",
        )
        for row in worst
    ]
    return _aligned(lines) + "\n\n" + _aligned(poor)


def _errors(name: str, errors: Mapping[str, Any]) -> tuple[str, ...]:
    values = (errors["mape_pct"], errors["worst_pct"])
    return (
        name,
        str(errors["rows"]),
        *(f"{v:.3f}" for v in values),
        f"{errors['mean_error_pct']:+.3f}",
    )


def _percents(errors: Mapping[str, Any]) -> str:
    return f"{errors['mape_pct']:.2f} %, worst {errors['worst_pct']:.2f} %"


def _cost_table(title: str, cost: NetworkCost, target: Target) -> str:
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
    head = f"{title} on {target.board}, {array}, {target.bits} bit"
    return f"{head}\n{_aligned(rows)}\n\n{_totals(cost)}"


def _totals(cost: NetworkCost) -> str:
    """Convolution and linear latency always apart."""
    half = cost.array.error_pct
    conv, linear = cost.conv_latency_ms, cost.linear_latency_ms
    split = ", ".join(f"{k} {v.mid:.3g}" for k, v in cost.energy_split_mj.items())
    bounds: dict[str, float] = {}
    for layer in cost.layers:
        bounds[layer.bound] = bounds.get(layer.bound, 0.0) + layer.latency_ns * 1e-6
    bound = ", ".join(f"{k} {v:.3f} ms" for k, v in bounds.items() if v)
    return "\n".join(
        (
            f"latency       {cost.latency_ms:.4f} ms (+-{half:g} %): convolutions {conv:.4f},"
            f" linear {linear:.4f}, other {cost.other_latency_ms:.4f}",
            f"bound by      {bound}",
            f"throughput    {cost.throughput_fps:.1f} images/s",
            f"MACs          {cost.macs:,} ({100 * cost.utilisation_ratio:.1f} % of the lanes)",
            f"weights       {cost.n_weights:,}",
            f"DRAM traffic  {cost.dram_bytes / 1e6:.3f} MB",
            f"energy        {cost.energy_mj} mJ: {split}",
        )
    )


def _json(cost: NetworkCost) -> dict[str, Any]:
    return {
        "latency_ms": cost.latency_ms,
        "conv_latency_ms": cost.conv_latency_ms,
        "linear_latency_ms": cost.linear_latency_ms,
        "other_latency_ms": cost.other_latency_ms,
        "error_pct": cost.array.error_pct,
        "throughput_fps": cost.throughput_fps,
        "macs": cost.macs,
        "n_weights": cost.n_weights,
        "dram_bytes": cost.dram_bytes,
        "utilisation_ratio": cost.utilisation_ratio,
        "energy_mj": cost.energy_mj.model_dump(),
        "energy_split_mj": {k: v.model_dump() for k, v in cost.energy_split_mj.items()},
        "layers": [asdict(layer) for layer in cost.layers],
    }


def _draw(cost: NetworkCost, board: Board, path: Path) -> None:
    from cgap_bench import plots

    peak = 2e-3 * cost.array.n_macs * cost.array.clock_mhz
    points = [
        (
            layer.kind,
            2 * layer.macs / layer.dram_bytes,
            2 * layer.macs / max(layer.latency_ns, 1e-9),
        )
        for layer in cost.layers
        if layer.macs and layer.dram_bytes
    ]
    drawing = plots.roofline(points, peak, board.memory.bytes_per_ns, board.name)
    try:
        drawing.savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot draw {path}: {error}") from error


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns under each other: the first to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
