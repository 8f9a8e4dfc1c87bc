"""Fit the few free constants of an array to layers timed on it, and say how far to trust them.

The interval comes from shapes that were held out of the fit, one at a time where there are few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cgap_hw.arrays import FlatArray
from cgap_hw.boards.board import Board
from cgap_hw.boards.catalogue import flat_size, is_flat
from cgap_hw.errors import CostModelError
from cgap_hw.evidence.constants_fit import (
    all_trials,
    n_free,
    refined,
    times_ns,
    with_constants,
)
from cgap_hw.evidence.flat_fit import fit_flat, n_flat_constants
from cgap_hw.evidence.measured import MeasuredLayer
from cgap_hw.evidence.predict import predict_ns
from cgap_hw.numeric import Flags, Values

LEAST_SHAPES = 3
LEAST_INTERVAL_PCT = 0.1
ALONE, FOLDS = 30, 10  # up to 30 shapes each is left out alone, else in ten parts
UNPHYSICAL = np.log(3.0)  # what no constant in its range explains
OUTLIER_RATIO, OUTLIER_SPREADS = np.log(1.5), 6.0
# Two-sided 95 % of Student's t for 1 to 10 degrees of freedom; beyond, 1.96 + 2.5 / n is it to
# half a per cent.
STUDENT_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Calibration:
    """A fitted board, and what the fit says of the rows.

    Attributes:
        board: Its array's ``error_pct`` is the interval around a predicted time.
        shapes: Different shapes that were fitted.
        n_constants: Constants that were free.
        outliers: Rows that were left out, with measured over predicted time.
        noise_pct: Spread of repeats of a shape; None where nothing was repeated.
    """

    board: Board
    shapes: int
    n_constants: int
    outliers: tuple[tuple[MeasuredLayer, float], ...]
    noise_pct: float | None


@dataclass(frozen=True)
class _Shapes:
    """Different shapes, the rows of each, and the median time of the rows."""

    rows: tuple[tuple[MeasuredLayer, ...], ...]

    @classmethod
    def of(cls, rows: Iterable[MeasuredLayer]) -> _Shapes:
        alike: dict[tuple[object, ...], list[MeasuredLayer]] = defaultdict(list)
        for row in rows:
            alike[row.key].append(row)
        return cls(tuple(tuple(same) for same in alike.values()))

    @property
    def medians(self) -> list[MeasuredLayer]:
        """One row a shape, of the median time."""
        times = (float(np.median([row.latency_ns for row in same])) for same in self.rows)
        return [
            replace(same[0], latency_ns=ns) for same, ns in zip(self.rows, times, strict=True)
        ]

    def where(self, kept: Flags) -> _Shapes:
        """Some of the shapes."""
        return _Shapes(tuple(same for same, keep in zip(self.rows, kept, strict=True) if keep))


def calibrate(rows: Sequence[MeasuredLayer], board: Board) -> Board:
    """The board with the constants that fit the rows best: `calibration`.

    >>> from cgap_hw import LayerShape, load_board
    >>> shapes = [LayerShape(name="", kind="linear", n_in=512, n_out=n) for n in (90, 100, 200)]
    >>> rows = [MeasuredLayer("zcu102", "mine", shape, latency_ns=30_000.0) for shape in shapes]
    >>> board = calibrate(rows, load_board("zcu102"))
    >>> print(f"{predict_ns(rows, board)[1] / 30_000:.2f}")
    1.00
    """
    return calibration(rows, board).board


def calibration(rows: Sequence[MeasuredLayer], board: Board) -> Calibration:
    """Constants within their physical range, outliers and the interval of measured rows.

    Flat arrays: the fixed costs in `FlatConstants`, which arrays of all sizes share; rows of
    ``M64P64`` count as that size. Every other style: the control of a layer, the share of the
    DRAM bandwidth that is reached and the overhead of a run, or the port of a DPU; as many of
    them as there are shapes for, those that explain the rows best.

    Raises:
        CostModelError: Fewer than three shapes, or times that no constants explain.
    """
    shapes = _Shapes.of(rows)
    if len(shapes.rows) < LEAST_SHAPES:
        raise CostModelError(
            f"calibrate needs at least {LEAST_SHAPES} different shapes, got {len(shapes.rows)}"
        )

    kept, fitted, held_out = _fit_without_outliers(shapes, board)
    outliers = [row for same in shapes.rows if same not in kept.rows for row in same]
    n_constants = _n_constants(kept.medians, board)
    return Calibration(
        _with_error(fitted, _interval_pct(kept, held_out, n_constants)),
        len(kept.rows),
        n_constants,
        tuple((row, row.latency_ns / _time_on(fitted, row)) for row in outliers),
        _noise_pct(kept),
    )


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


def board_of_row(board: Board, accelerator: str) -> Board:
    """The board that a row was timed on: of a flat array that of the size which it names."""
    if not (isinstance(board.array, FlatArray) and is_flat(accelerator)):
        return board
    m, p = flat_size(accelerator)
    array = board.array.model_copy(update={"m": m, "p": p})
    return board.model_copy(update={"array": array})


def _fit_without_outliers(shapes: _Shapes, board: Board) -> tuple[_Shapes, Board, Values]:
    """The shapes that lie together, the board fitted to them, and their held-out times.

    A wrong row bends the fit for others, so they go one at a time; at most a quarter may.
    """
    kept = shapes
    for left in reversed(range(len(shapes.rows) // 4 + 1)):
        fitted, held_out = _fit(kept.medians, board)
        logs = _logs(kept.medians, held_out)
        _refuse_unphysical(kept.medians, logs)
        worst = _outlier(logs)
        if worst is None or not left:
            break
        kept = kept.where(np.arange(len(kept.rows)) != worst)
    return kept, fitted, held_out


def _time_on(board: Board, row: MeasuredLayer) -> float:
    return float(predict_ns([row], board_of_row(board, row.accelerator))[0])


def _fit(rows: Sequence[MeasuredLayer], board: Board) -> tuple[Board, Values]:
    """The board fitted to all rows, and the time of each by a fit that had not seen it."""
    if isinstance(board.array, FlatArray):
        return _fit_flat(rows, board)

    layers = [row.shape for row in rows]
    measured = np.array([row.latency_ns for row in rows])
    trials = all_trials(board, n_free(len(rows), board))
    times = times_ns(layers, board, trials)
    errors = np.abs(np.log(times / measured))

    total, held_out = errors.sum(axis=1), np.empty(len(rows))
    for fold in _folds(len(rows)):
        best = int(np.argmin(total - errors[:, fold].sum(axis=1)))
        held_out[fold] = times[best, fold]

    start = {name: float(column[np.argmin(total)]) for name, column in trials.items()}
    constants = refined(layers, measured, board, start)
    source = f"fitted on {len(rows)} measured layers"
    return with_constants(board, constants, source), held_out


def _fit_flat(rows: Sequence[MeasuredLayer], board: Board) -> tuple[Board, Values]:
    def fitted(part: Sequence[MeasuredLayer]) -> Board:
        sized = defaultdict(list)
        for row in part:
            array = board_of_row(board, row.accelerator).array
            sized[array.dimensions[0], array.dimensions[1]].append(row)
        array = board.array.model_copy(update={"constants": fit_flat(sized)})
        return board.model_copy(update={"array": array})

    held_out = np.empty(len(rows))
    for fold in _folds(len(rows)):
        without = fitted([row for i, row in enumerate(rows) if i not in fold])
        for i in fold:
            held_out[i] = _time_on(without, rows[i])
    return fitted(rows), held_out


def _n_constants(rows: Sequence[MeasuredLayer], board: Board) -> int:
    if isinstance(board.array, FlatArray):
        return n_flat_constants(rows)
    return n_free(len(rows), board)


def _folds(n: int) -> list[list[int]]:
    """Positions that are held out together."""
    n_folds = n if n <= ALONE else FOLDS
    return [list(range(first, n, n_folds)) for first in range(n_folds)]


def _logs(rows: Sequence[MeasuredLayer], predicted: Values) -> Values:
    logs: Values = np.log(np.array([row.latency_ns for row in rows]) / predicted)
    return logs


def _outlier(logs: Values) -> int | None:
    """The position of the row that lies farthest from the others, if that is far.

    Far is six spreads (from the median deviation, which a few wrong rows do not move), and a
    factor of 1.5 at least: a model that is a little off for a kind of layer makes no outlier.
    """
    away = np.abs(logs - np.median(logs))
    spread = 1.4826 * float(np.median(away))
    worst = int(np.argmax(away))
    return worst if away[worst] > max(OUTLIER_RATIO, OUTLIER_SPREADS * spread) else None


def _refuse_unphysical(rows: Sequence[MeasuredLayer], logs: Values) -> None:
    middle = float(np.median(logs))
    if abs(middle) < UNPHYSICAL:
        return
    worst = rows[int(np.argmax(np.abs(logs)))]
    times = f"{np.exp(abs(middle)):.3g} times {'longer' if middle > 0 else 'shorter'}"
    raise CostModelError(
        f"half of the rows take {times} than any constants in their range explain, most of all"
        f" {worst.shape.name!r} ({worst.latency_ns:g} ns); is latency_ns in nanoseconds?"
    )


def _interval_pct(shapes: _Shapes, held_out: Values, n_constants: int) -> float:
    """Half-width that holds 95 % of rows like these that nobody has fitted, in per cent."""
    errors = [
        row.latency_ns / predicted - 1
        for same, predicted in zip(shapes.rows, held_out, strict=True)
        for row in same
    ]
    freedom = max(1, len(shapes.rows) - n_constants)
    t = STUDENT_T[freedom - 1] if freedom <= len(STUDENT_T) else 1.96 + 2.5 / freedom
    return 100 * t * float(np.sqrt(np.mean(np.square(errors))))


def _noise_pct(shapes: _Shapes) -> float | None:
    """Standard deviation of repeats around the mean of their shape, in per cent."""
    repeats = [np.array([r.latency_ns for r in same]) for same in shapes.rows if len(same) > 1]
    if not repeats:
        return None
    squares = sum(float(np.square(x / x.mean() - 1).sum()) for x in repeats)
    return 100 * float(np.sqrt(squares / sum(len(x) - 1 for x in repeats)))


def _with_error(board: Board, interval_pct: float) -> Board:
    pct = round(min(max(interval_pct, LEAST_INTERVAL_PCT), 1000.0), 3)
    array = board.array.model_copy(update={"error_pct": pct})
    return board.model_copy(update={"array": array})
