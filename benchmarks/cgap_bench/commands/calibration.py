"""What `cgap-cl calibrate` and `cgap-cl validate-hardware` do: timed layers in, text out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.show.text_tables import aligned
from cgap_hw import Board
from cgap_hw.arrays import FlatArray
from cgap_hw.boards.board_file import write_board
from cgap_hw.boards.catalogue import flat_size, is_flat, on_board
from cgap_hw.evidence.calibrate import calibrate as fit
from cgap_hw.evidence.calibrate import rows_of
from cgap_hw.evidence.measured import MeasuredLayer, data_folder, read_measured, unique
from cgap_hw.evidence.validate import (
    PricedRow,
    leave_one_out,
    network_errors,
    price_rows,
    summary,
)

CNN_ACCEL = Path("cnn_accel") / "layers_dev.csv"


def calibrate_text(measured: Path, array: str, out: Path) -> str:
    """Fits the constants of an array or board to timed layers and writes the board."""
    start = on_board(array)
    everything = read_measured(measured)
    rows = rows_of(everything, array, start)
    board = fit(rows, start)
    errors = summary(_price_on(board, rows))
    comment = f"Fitted on {len(unique(rows))} measured shapes: mean error {_percents(errors)}."
    try:
        write_board(board, out, comment)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error}") from error
    others = len(everything) - len(rows)
    return (
        f"{out}: fitted on {len(unique(rows))} shapes; on these, mean error {_percents(errors)}"
        + (f"; {others} rows of other accelerators left out" if others else "")
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


def _price_on(board: Board, rows: Sequence[MeasuredLayer]) -> list[PricedRow]:
    """Rows of flat arrays on the size they name, all others on the board as it is."""

    def board_of(name: str) -> Board:
        if not (isinstance(board.array, FlatArray) and is_flat(name)):
            return board
        m, p = flat_size(name)
        array = board.array.model_copy(update={"m": m, "p": p})
        return board.model_copy(update={"array": array})

    return price_rows(unique(rows), board_of)


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
    return aligned(lines) + "\n\n" + aligned(poor)


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
