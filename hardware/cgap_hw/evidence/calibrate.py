"""Fit the few free constants of an array to layers timed on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cgap_hw.arrays import AnyArray, FlatArray
from cgap_hw.arrays.flat import FlatConstants
from cgap_hw.boards.board import Board, load_board
from cgap_hw.boards.catalogue import flat_size, is_flat
from cgap_hw.chips.values import Mark, Sourced
from cgap_hw.errors import CostModelError
from cgap_hw.evidence.measured import MeasuredLayer, unique
from cgap_hw.numeric import Values
from cgap_hw.price.cost import latency_ns

_Sized = dict[tuple[int, int], list[MeasuredLayer]]
TILE_NS = np.arange(0.0, 21.0, 2.0)


def predict_ns(rows: Sequence[MeasuredLayer], board: Board) -> Values:
    """Latency of every row's layer on a board with its array."""
    return np.array(latency_ns([row.shape for row in rows], board))


def errors_pct(predicted: Values, rows: Iterable[MeasuredLayer]) -> Values:
    """Predicted minus measured, over measured, in per cent."""
    measured = np.array([row.latency_ns for row in rows])
    signed: Values = 100 * (predicted / measured - 1)
    return signed


def calibrate(rows: Sequence[MeasuredLayer], board: Board) -> Board:
    """The board with the constants that fit the rows best (least mean absolute error in %).

    Flat arrays: the fixed costs in `FlatConstants`, which arrays of all sizes share; rows of
    ``M64P64`` count as that size. Every other style: the share of the DRAM bandwidth that is
    reached, the overhead of a run, and the control of a layer.

    Raises:
        CostModelError: No rows.

    >>> from cgap_hw import LayerShape, load_board
    >>> shape = LayerShape(name="head", kind="linear", n_in=512, n_out=100)
    >>> row = MeasuredLayer("zcu102", "mine", shape, latency_ns=30_000.0)
    >>> board = calibrate([row], load_board("zcu102"))
    >>> round(predict_ns([row], board)[0])
    30000
    """
    if not rows:
        raise CostModelError("nothing to calibrate on: no rows")

    once = unique(rows)
    if not isinstance(board.array, FlatArray):
        fitted = _fit_generic(once, board)
        return _with_error(fitted, errors_pct(predict_ns(once, fitted), once))

    sized = _sized(once, board.array)
    array = board.array.model_copy(update={"constants": fit_flat(sized)})
    errors = [
        errors_pct(predict_ns(group, _on(board, array, *size)), group)
        for size, group in sized.items()
    ]
    return _with_error(_on(board, array, array.m, array.p), np.concatenate(errors))


def rows_of(rows: Sequence[MeasuredLayer], name: str, board: Board) -> list[MeasuredLayer]:
    """The rows that say something about an array: its own, or all where none is named so.

    Raises:
        CostModelError: Rows of several accelerators, none of them this one.
    """
    own = [row for row in rows if row.accelerator.lower() == name.lower()]
    names = sorted({row.accelerator for row in rows})
    family = isinstance(board.array, FlatArray) and all(map(is_flat, names))
    if own or len(names) == 1 or family:
        return own or list(rows)
    raise CostModelError(
        f"no rows of {name!r}, but of several accelerators: {', '.join(names)}"
    )


def _sized(rows: Sequence[MeasuredLayer], array: FlatArray) -> _Sized:
    sized: _Sized = defaultdict(list)
    for row in rows:
        size = flat_size(row.accelerator) if is_flat(row.accelerator) else (array.m, array.p)
        sized[size].append(row)
    return dict(sized)


def _on(board: Board, array: FlatArray, m: int, p: int) -> Board:
    changed = array.model_copy(update={"m": m, "p": p})
    return board.model_copy(update={"array": changed})


def _with_error(board: Board, errors: Values) -> Board:
    """The board with its worst error as the half-width of its intervals."""
    worst = round(float(np.max(np.abs(errors))), 3)
    array = board.array.model_copy(update={"error_pct": worst})
    return board.model_copy(update={"array": array})


def fit_flat(rows: Mapping[tuple[int, int], Sequence[MeasuredLayer]]) -> FlatConstants:
    """Constants shared by flat arrays of several sizes.

    Args:
        rows: (M, P) -> rows measured on that array.
    """
    fitted = FlatConstants()
    conv = {size: [r for r in group if r.shape.kind == "conv"] for size, group in rows.items()}
    pool = {size: [r for r in group if _windowed(r)] for size, group in rows.items()}

    if any(conv.values()):
        fitted = _fit_conv(fitted, conv)
    if any(pool.values()):
        base, _, per_p = _plane(_residuals(pool, _without(fitted)), with_m=False)
        fitted = fitted.model_copy(update={"pool_base_ns": base, "pool_per_p_ns": per_p})

    linear = [r for group in rows.values() for r in group if r.shape.kind == "linear"]
    if linear:
        fitted = fitted.model_copy(update=_fit_linear(linear))
    return fitted


def _windowed(row: MeasuredLayer) -> bool:
    return row.shape.kind == "pool" and row.shape.out_h * row.shape.out_w > 1


def _without(constants: FlatConstants) -> FlatConstants:
    """The same, with no fixed cost of a layer."""
    fixed = ("conv_base_ns", "conv_per_m_ns", "conv_per_p_ns", "pool_base_ns", "pool_per_p_ns")
    return constants.model_copy(update=dict.fromkeys(fixed, 0.0))


def _fit_conv(start: FlatConstants, rows: _Sized) -> FlatConstants:
    best, least = start, np.inf
    for tile in TILE_NS:
        trial = _without(start).model_copy(update={"tile_ns": float(tile)})
        points = _residuals(rows, trial)
        base, per_m, per_p = _plane(points, with_m=True)
        fixed = base + per_m * points[:, 0] + per_p * points[:, 1]
        error = float(np.mean(np.abs(points[:, 2] - fixed) / points[:, 3]))

        if error < least:
            names = ("conv_base_ns", "conv_per_m_ns", "conv_per_p_ns")
            values = dict(zip(names, (base, per_m, per_p), strict=True))
            best = start.model_copy(update={"tile_ns": float(tile), **values})
            least = error
    return best


def _residuals(rows: _Sized, constants: FlatConstants) -> Values:
    """Points (M, P, measured minus predicted, measured), shape (n, 4)."""
    base, points = load_board("zcu102"), []
    for (m, p), group in rows.items():
        if group:
            array = FlatArray(m=m, p=p, clock_mhz=400, source="fit", constants=constants)
            times = latency_ns([row.shape for row in group], base, array=array)
            points += [
                (m, p, row.latency_ns - time, row.latency_ns)
                for row, time in zip(group, times, strict=True)
            ]
    return np.array(points, dtype=np.float64)


def _plane(points: Values, *, with_m: bool) -> tuple[float, float, float]:
    """``base + a M + b P`` through the median of each size; a slope needs two sizes."""
    sizes = np.unique(points[:, :2], axis=0)
    medians = np.array([np.median(points[(points[:, :2] == s).all(axis=1), 2]) for s in sizes])

    use_m = with_m and len(set(sizes[:, 0])) > 1
    use_p = len(set(sizes[:, 1])) > 1
    columns = [np.ones(len(sizes)), sizes[:, 0] * use_m, sizes[:, 1] * use_p]
    solution = np.linalg.lstsq(np.stack(columns, axis=1), medians, rcond=None)[0]
    return float(solution[0]), float(solution[1]) * use_m, float(solution[2]) * use_p


def _fit_linear(rows: Sequence[MeasuredLayer]) -> dict[str, float]:
    outputs = np.array([row.shape.n_out for row in rows], dtype=np.float64)
    rest = np.array([row.latency_ns - row.shape.macs / 16 for row in rows])
    if len(set(outputs)) == 1:
        return {"linear_base_ns": float(np.median(rest)), "linear_per_output_ns": 0.0}
    slope, base = np.polyfit(outputs, rest, 1)
    return {"linear_base_ns": float(base), "linear_per_output_ns": float(slope)}


NARROWING = tuple(x for x in (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01) for _ in range(4))
RANGES = {
    "efficiency_ratio": (0.2, 1.0),
    "run_overhead_ns": (0.0, 100.0),
    "layer_overhead_ns": (0.0, 20000.0),
}


def _fit_generic(rows: Sequence[MeasuredLayer], board: Board) -> Board:
    """Coordinate descent on three constants, each on a grid that narrows around the best."""
    best = {
        "efficiency_ratio": board.dram.efficiency_ratio.mid,
        "run_overhead_ns": board.dram.run_overhead_ns.mid,
        "layer_overhead_ns": board.array.layer_overhead_ns,
    }
    for shrink in NARROWING:
        for name, (low, high) in RANGES.items():
            span = (high - low) * shrink / 2
            grid = np.clip(np.linspace(best[name] - span, best[name] + span, 21), low, high)
            best[name] = min(
                (float(x) for x in grid), key=lambda x: _error(rows, board, best | {name: x})
            )
    return _with(board, best, f"fitted on {len(rows)} measured layers")


def _error(rows: Sequence[MeasuredLayer], board: Board, values: dict[str, float]) -> float:
    trial = _with(board, values, "trial")
    return float(np.mean(np.abs(errors_pct(predict_ns(rows, trial), rows))))


def _with(board: Board, values: dict[str, float], source: str) -> Board:
    def fitted(name: str) -> dict[str, Any]:
        x = values[name]
        return {name: Sourced(low=x, mid=x, high=x, mark=Mark.FITTED, source=source)}

    dram = board.dram.model_copy(update=fitted("efficiency_ratio") | fitted("run_overhead_ns"))
    array: AnyArray = board.array.model_copy(
        update={"layer_overhead_ns": values["layer_overhead_ns"]}
    )
    return board.model_copy(update={"dram": dram, "array": array})
