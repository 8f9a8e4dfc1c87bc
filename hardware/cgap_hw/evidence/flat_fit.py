"""Fixed costs of flat arrays that explain measured layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cgap_hw.arrays import FlatArray
from cgap_hw.arrays.flat import FlatConstants
from cgap_hw.boards.board import load_board
from cgap_hw.evidence.measured import MeasuredLayer
from cgap_hw.evidence.predict import predict_ns
from cgap_hw.numeric import Values

_Sized = Mapping[tuple[int, int], Sequence[MeasuredLayer]]
TILE_NS = np.arange(0.0, 21.0, 2.0)
ROWS_FOR_TWO = 3  # two constants need a row more than there are of them
MOST_NS = 1e6  # what `FlatConstants` accepts


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
    enough = sum(len(group) for group in rows.values()) >= ROWS_FOR_TWO
    for tile in TILE_NS if enough else (start.tile_ns,):
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
            times = predict_ns(group, base.model_copy(update={"array": array}))
            points += [
                (m, p, row.latency_ns - time, row.latency_ns)
                for row, time in zip(group, times, strict=True)
            ]
    return np.array(points, dtype=np.float64)


def _plane(points: Values, *, with_m: bool) -> tuple[float, float, float]:
    """``base + a M + b P`` through the median of each size; a slope needs two sizes.

    None of the three is below 0 or beyond what `FlatConstants` accepts: a term that would be
    negative is left out.
    """
    sizes = np.unique(points[:, :2], axis=0)
    medians = np.array([np.median(points[(points[:, :2] == s).all(axis=1), 2]) for s in sizes])
    used = [True, with_m and len(set(sizes[:, 0])) > 1, len(set(sizes[:, 1])) > 1]

    while True:
        columns = np.stack([np.ones(len(sizes)), sizes[:, 0], sizes[:, 1]], axis=1) * used
        solution = np.linalg.lstsq(columns, medians, rcond=None)[0] * used
        if (solution >= 0).all():
            base, per_m, per_p = (float(x) for x in np.minimum(solution, MOST_NS))
            return base, per_m, per_p
        used[int(np.argmin(solution))] = False


def _fit_linear(rows: Sequence[MeasuredLayer]) -> dict[str, float]:
    """A cost of a layer, and one of an output if there are rows enough to tell them apart."""
    outputs = np.array([row.shape.n_out for row in rows], dtype=np.float64)
    rest = np.array([row.latency_ns - row.shape.macs / 16 for row in rows])
    slope, base = FlatConstants().linear_per_output_ns, 0.0
    if len(set(outputs)) > 1 and len(rows) >= ROWS_FOR_TWO:
        slope, base = np.polyfit(outputs, rest, 1)

    slope = float(np.clip(slope, 0.0, MOST_NS))
    base = base if base > 0 else float(np.median(rest - slope * outputs))
    return {
        "linear_base_ns": float(np.clip(base, 0.0, MOST_NS)),
        "linear_per_output_ns": slope,
    }


def n_flat_constants(rows: Sequence[MeasuredLayer]) -> int:
    """How many constants `fit_flat` fits to rows."""
    kinds = {"conv": 0, "pool": 0, "linear": 0}
    for row in rows:
        kinds[row.shape.kind] = kinds.get(row.shape.kind, 0) + 1
    several = len({row.accelerator.lower() for row in rows}) > 1
    constants = 0
    for kind, n in kinds.items():
        second = kind != "pool" and n >= ROWS_FOR_TWO  # of a tile, or of an output
        by_size = several and kind != "linear"
        constants += (1 + second + by_size) * (n > 0 and kind != "add")
    return constants
