"""What `cgap-cl validate-hardware` does: predicted against measured layer times."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cgap_bench.commands.validation_page import write_page
from cgap_bench.show.text_tables import aligned
from cgap_hw.evidence.measured import data_folder, read_measured
from cgap_hw.evidence.validate import (
    PricedRow,
    leave_one_out,
    network_errors,
    price_rows,
    summary,
)

CNN_ACCEL = Path("cnn_accel") / "layers_dev.csv"


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


def page_text(page: Path) -> str:
    """Rewrites the validation tables of a page; its path."""
    write_page(page)
    return str(page)


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
