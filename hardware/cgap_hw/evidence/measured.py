"""Layers timed on an accelerator: the CSV file, and what of it can be compared."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from cgap_hw.errors import CostModelError, UnknownNameError
from cgap_hw.files import read_text
from cgap_hw.layers.shapes import LayerShape, first_problem

DATA_VARIABLE = "CGAP_HW_DATA"
KINDS = {
    "Conv": "conv",
    "FC": "linear",
    "Fc": "linear",
    "Gemm": "linear",
    "MaxPool": "pool",
    "Maxpool": "pool",
    "AvgPool": "pool",
    "AveragePool": "pool",
    "Add": "add",
}
COLUMNS = (
    "accelerator",
    "network",
    "layer_name",
    "layer_type",
    "nif",
    "nof",
    "nix",
    "niy",
    "nox",
    "noy",
    "nkx",
    "nky",
    "stride",
    "latency_ns",
)
SIZES = {  # field of a shape -> column; empty means 1
    "in_w": "nix",
    "in_h": "niy",
    "out_w": "nox",
    "out_h": "noy",
    "kernel_w": "nkx",
    "kernel_h": "nky",
}
MOST_NS = 1e12  # a layer that takes a quarter of an hour was not timed in nanoseconds
_Number = TypeVar("_Number", int, float)
OPTIONAL = {"pad_left": 0, "pad_top": 0, "groups": 1}


@dataclass(frozen=True)
class MeasuredLayer:
    """One row: where it ran, in which network, its shape and how long it took.

    Attributes:
        line: Of the file that it was read from; 0 if it was not.
    """

    accelerator: str
    network: str
    shape: LayerShape
    latency_ns: float
    line: int = 0

    @property
    def kind(self) -> str:
        """``conv``, ``depthwise``, ``linear``, ``pool`` or ``add``."""
        return "depthwise" if self.shape.depthwise else self.shape.kind

    @property
    def key(self) -> tuple[object, ...]:
        """The same for rows of the same shape on the same accelerator."""
        shape = self.shape.model_dump(exclude={"name", "inputs"})
        return (self.accelerator.lower(), *shape.values())


def data_folder() -> Path:
    """Where measured layers lie: ``$CGAP_HW_DATA``, else ``shared/data`` beside the project.

    Raises:
        CostModelError: There is no such folder.
    """
    here = Path(__file__).resolve()
    default = here.parents[4] / "shared" / "data"
    folder = Path(os.environ.get(DATA_VARIABLE, default))
    if not folder.is_dir():
        raise CostModelError(
            f"no measured layers: {folder} is not a folder; set {DATA_VARIABLE} to the one that"
            " holds cnn_accel/ and boards.csv"
        )
    return folder


def read_facts(path: Path) -> list[dict[str, str]]:
    """Rows of ``boards.csv``: published values, each with its source and provenance.

    Raises:
        CostModelError: The file cannot be read.
    """
    try:
        return list(csv.DictReader(io.StringIO(read_text(path))))
    except csv.Error as error:
        raise CostModelError(f"cannot read {path}: {error}") from error


def read_measured(path: Path) -> list[MeasuredLayer]:
    """Rows of a CSV file with the columns of `COLUMNS` (and any of `OPTIONAL`).

    ``latency_ns`` is that of the layer alone at batch 1; sizes are without padding.

    Raises:
        CostModelError: The file cannot be read, a column is missing, a value is wrong (the
            line is named), or there are no rows.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_text(path)))
        missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise CostModelError(f"{path}: no column {', '.join(missing)}")
        rows = [_row(row, path, i) for i, row in enumerate(reader, start=2)]
    except csv.Error as error:
        raise CostModelError(f"cannot read {path}: {error}") from error
    if not rows:
        raise CostModelError(f"{path}: no rows")
    return rows


def _row(row: dict[str, str], path: Path, line: int) -> MeasuredLayer:
    where = f"{path}, line {line}"
    if None in row.values() or None in row:
        raise CostModelError(f"{where}: has not as many cells as there are columns")
    kind = KINDS.get(row["layer_type"])
    if kind is None:
        unknown = UnknownNameError("layer_type", row["layer_type"][:80], KINDS)
        raise CostModelError(f"{where}: {unknown}")
    try:
        shape = LayerShape.model_validate(_shape(row, kind))
        latency = _number(row, "latency_ns", float)
    except ValidationError as error:
        raise CostModelError(f"{where}: {first_problem(error)}") from error
    except CostModelError as error:
        raise CostModelError(f"{where}: {error}") from error
    if not 0 < latency <= MOST_NS:
        raise CostModelError(
            f"{where}: latency_ns must be above 0 and at most {MOST_NS:g}, got {latency:g}"
        )
    _check_window(shape, where)
    return MeasuredLayer(row["accelerator"], row["network"], shape, latency, line)


def _check_window(shape: LayerShape, where: str) -> None:
    """Sizes that stride and kernel can give: with no padding at least, with the widest at most.

    Sizes may have been rounded down or up.
    """
    if shape.kind not in ("conv", "pool"):
        return
    for axis, column in (("w", "nox"), ("h", "noy")):
        n_in, n_out, kernel, stride = (
            getattr(shape, f"{name}_{axis}") for name in ("in", "out", "kernel", "stride")
        )
        least = max(1, (n_in - kernel) // stride + 1)
        most = (n_in + kernel - 2) // stride + 2
        if not least <= n_out <= most:
            raise CostModelError(
                f"{where}: {column}={n_out} contradicts an input of {n_in}, a kernel of"
                f" {kernel} and stride {stride}, which give {least} to {most}"
            )


def _shape(row: dict[str, str], kind: str) -> dict[str, object]:
    extra = {name: _number(row, name, int, value) for name, value in OPTIONAL.items()}
    stride = _number(row, "stride", int, 1)
    shape = {
        "name": row["layer_name"],
        "kind": kind,
        "n_in": _number(row, "nif", int),
        "n_out": _number(row, "nof", int),
        "stride_w": stride,
        "stride_h": stride,
        "groups": extra["groups"],
        "padding_w": extra["pad_left"],
        "padding_h": extra["pad_top"],
    } | {field: _number(row, column, int, 1) for field, column in SIZES.items()}
    if kind == "pool":
        return shape | {"pool_kind": "avg" if "A" in row["layer_type"] else "max"}
    return shape


def _number(
    row: dict[str, str], column: str, kind: type[_Number], empty: int | None = None
) -> _Number:
    """A cell as a number; ``empty`` is what an empty one stands for.

    Raises:
        CostModelError: It is none.
    """
    text = row.get(column) or ("" if empty is None else str(empty))
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise CostModelError(f"{column} must be {what}, got {row.get(column)!r}") from error


def unique(rows: Sequence[MeasuredLayer]) -> list[MeasuredLayer]:
    """Each shape once per accelerator, the first of its rows."""
    return list({row.key: row for row in reversed(rows)}.values())[::-1]
