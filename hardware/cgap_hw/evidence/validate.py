"""Predicted against measured: per row, per kind of layer, and on layers never fitted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cgap_hw.arrays import FlatArray
from cgap_hw.arrays.flat import FlatConstants
from cgap_hw.boards.board import Board, load_board
from cgap_hw.boards.catalogue import flat_size, on_board
from cgap_hw.errors import CostModelError
from cgap_hw.evidence.flat_fit import fit_flat
from cgap_hw.evidence.measured import MeasuredLayer, unique
from cgap_hw.evidence.predict import predict_ns
from cgap_hw.layers.shapes import LayerShape

REPORTED = ("conv", "depthwise", "linear", "pool", "add")


@dataclass(frozen=True)
class Errors:
    """Errors of a set of layers or networks, in per cent of what was measured."""

    rows: int
    mape_pct: float
    worst_pct: float
    mean_error_pct: float

    @classmethod
    def of(cls, signed_pct: Iterable[float]) -> Errors:
        """From signed errors (predicted minus measured); zeros where there are none."""
        values = np.array(list(signed_pct), dtype=np.float64)
        if not len(values):
            return cls(0, 0.0, 0.0, 0.0)
        size = np.abs(values)
        return cls(len(values), float(size.mean()), float(size.max()), float(values.mean()))


@dataclass(frozen=True)
class PricedRow:
    """One measured layer with the predicted time and its interval, in ns."""

    row: MeasuredLayer
    low_ns: float
    predicted_ns: float
    high_ns: float

    @property
    def error_pct(self) -> float:
        """Predicted minus measured, over measured."""
        return 100 * (self.predicted_ns / self.row.latency_ns - 1)


def price_rows(
    rows: Sequence[MeasuredLayer], board_of: Callable[[str], Board] = on_board
) -> list[PricedRow]:
    """Every row priced on the board or array that its accelerator names.

    Raises:
        UnknownNameError: An accelerator is neither a board nor an array.
    """
    by_name: dict[str, list[MeasuredLayer]] = defaultdict(list)
    for row in rows:
        by_name[row.accelerator].append(row)
    priced: dict[int, PricedRow] = {}
    for name, group in by_name.items():
        board = board_of(name)
        half = board.array.error_pct / 100
        for row, time in zip(group, predict_ns(group, board), strict=True):
            ns = float(time)
            priced[id(row)] = PricedRow(row, ns * max(0.0, 1 - half), ns, ns * (1 + half))
    return [priced[id(row)] for row in rows]


def summary(priced: Sequence[PricedRow]) -> dict[str, Any]:
    """Errors over all rows, and under ``by_kind``; JSON."""
    by_kind = {
        kind: asdict(Errors.of(p.error_pct for p in priced if p.row.kind == kind))
        for kind in REPORTED
        if any(p.row.kind == kind for p in priced)
    }
    return asdict(Errors.of(p.error_pct for p in priced)) | {"by_kind": by_kind}


def network_errors(priced: Sequence[PricedRow]) -> Errors:
    """Errors of the sums over all layers of each (accelerator, network)."""
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for layer in priced:
        total = sums[layer.row.accelerator, layer.row.network]
        total[0] += layer.predicted_ns
        total[1] += layer.row.latency_ns
    return Errors.of(100 * (predicted / measured - 1) for predicted, measured in sums.values())


Constants = Mapping[str, FlatConstants]


def leave_one_out(rows: Sequence[MeasuredLayer], what: str) -> dict[str, Errors]:
    """Errors of flat arrays when each ``network`` or ``accelerator`` is left out of the fit.

    Returns:
        ``unseen conv``: convolutions whose shape occurs in no fitted row, each once;
        ``conv``: all convolutions left out, and of them those of each kind in `HARD`;
        ``networks``: sums over all their layers.
    """
    if what not in ("network", "accelerator"):
        raise CostModelError(f"leave out 'network' or 'accelerator', not {what!r}")
    unseen: list[float] = []
    priced: list[PricedRow] = []
    for name in sorted({getattr(row, what) for row in rows}):
        fitted = [row for row in rows if getattr(row, what) != name]
        test = [row for row in rows if getattr(row, what) == name]
        constants = fit_flat(by_size(unique(fitted)))

        left_out = price_rows(test, lambda n, c=constants: flat_board(n, c))  # type: ignore[misc]
        fitted_keys = {row.key for row in fitted}
        convs = {p.row.key: p for p in left_out if p.row.kind == "conv"}

        unseen += [p.error_pct for key, p in convs.items() if key not in fitted_keys]
        priced += left_out
    convolutions = [p for p in priced if p.row.kind == "conv"]
    hard = {
        name: Errors.of(p.error_pct for p in convolutions if belongs(p.row.shape))
        for name, belongs in HARD.items()
    }
    return {
        "unseen conv": Errors.of(unseen),
        "conv": Errors.of(p.error_pct for p in convolutions),
        **hard,
        "networks": network_errors(priced),
    }


def _many_weights(shape: LayerShape) -> bool:
    """Many weights for few pixels: what the weight memory and its stream may hold up."""
    return shape.n_weights > 1e6 and shape.out_h * shape.out_w <= 49


def _strided(shape: LayerShape) -> bool:
    """3 x 3 with a stride: tiles that wait for lines beside tiles that wait for cells."""
    return (shape.kernel_h, shape.stride_h) == (3, 2)


# Kinds of convolutions that a model without a queue or a weight stream misses.
HARD: Mapping[str, Callable[[LayerShape], bool]] = {
    "conv of > 1 M weights on <= 49 pixels": _many_weights,
    "conv 3 x 3, stride 2": _strided,
}


def by_size(rows: Iterable[MeasuredLayer]) -> dict[tuple[int, int], list[MeasuredLayer]]:
    """Rows by the (M, P) of their array."""
    sized: dict[tuple[int, int], list[MeasuredLayer]] = defaultdict(list)
    for row in rows:
        sized[flat_size(row.accelerator)].append(row)
    return dict(sized)


def flat_board(name: str, constants: FlatConstants) -> Board:
    """A board with the flat array of that name and these constants."""
    m, p = flat_size(name)
    array = FlatArray(m=m, p=p, clock_mhz=400, source="fit", constants=constants)
    return load_board("zcu102").model_copy(update={"array": array})
