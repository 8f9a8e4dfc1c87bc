"""The constants of an array and its DRAM that explain measured layers, within what exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np

from cgap_hw.arrays import AnyArray, Dpu, OutputStationary, Streaming
from cgap_hw.boards.board import Board
from cgap_hw.chips.values import Mark, Sourced
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values

Trials = Mapping[str, Values]
POINTS = {1: 201, 2: 41, 3: 17}  # values of each constant tried together, by how many are free
NARROWING = (0.2, 0.06, 0.02, 0.006, 0.002)
SHAPES_PER_CONSTANT = 3


def ranges(board: Board) -> dict[str, tuple[float, float]]:
    """Physical range of every constant that the array's times depend on."""
    overhead = (0.0, 50_000.0)
    if isinstance(board.array, Streaming):
        return {}
    if isinstance(board.array, Dpu):
        most = board.dram.bandwidth_gbps.high / board.array.cores
        return {"port_gbps": (0.02 * most, most), "layer_overhead_ns": overhead}
    return {
        "layer_overhead_ns": overhead,
        "efficiency_ratio": (0.05, 1.0),
        "run_overhead_ns": (0.0, 200.0),
    }


def n_free(n_shapes: int, board: Board) -> int:
    """How many constants so many shapes can tell: a third of them, at least one."""
    return min(len(ranges(board)), max(1, n_shapes // SHAPES_PER_CONSTANT))


def all_trials(board: Board, n_constants: int) -> Trials:
    """Every choice of so many constants, each over its range; the others as on the board.

    Overheads of a layer are spaced closer at the small end: they span four powers of ten.
    """
    limits, now = ranges(board), _present(board)
    if not n_constants:
        return {}
    parts: dict[str, list[Values]] = {name: [] for name in limits}

    for free in combinations(limits, n_constants):
        steps = np.linspace(0.0, 1.0, POINTS[n_constants])
        axes = [_spaced(name, *limits[name], steps) for name in free]
        grid = np.array(list(product(*axes))).reshape(-1, n_constants)
        for name in limits:
            column = (
                grid[:, free.index(name)] if name in free else np.full(len(grid), now[name])
            )
            parts[name].append(column)
    return {name: np.concatenate(columns) for name, columns in parts.items()}


def refined(
    layers: Sequence[LayerShape], measured: Values, board: Board, best: dict[str, float]
) -> dict[str, float]:
    """The best constants on grids that narrow around what was best so far.

    Args:
        layers: Shapes.
        measured: Their times in ns.
        board: Where they ran.
        best: Constants to start from; those at the board's own value stay.
    """
    limits, now = ranges(board), _present(board)
    free = [name for name in best if best[name] != now[name]]
    for shrink in NARROWING if free else ():
        axes = []
        for name in free:
            low, high = limits[name]
            reach = shrink * max(best[name], 0.1 * (high - low))
            around = np.linspace(best[name] - reach, best[name] + reach, 9)
            axes.append(np.clip(around, low, high))
        grid = np.array(list(product(*axes)))
        trials = {n: np.full(len(grid), value) for n, value in best.items()}
        trials |= {name: grid[:, i] for i, name in enumerate(free)}
        i = int(np.argmin(misfit(times_ns(layers, board, trials), measured)))
        best = {name: float(column[i]) for name, column in trials.items()}
    return best


def misfit(predicted: Values, measured: Values) -> Values:
    """Mean size of log(predicted / measured): a factor too much is as bad as one too little."""
    mean: Values = np.abs(np.log(predicted / measured)).mean(axis=-1)
    return mean


def times_ns(layers: Sequence[LayerShape], board: Board, trials: Trials) -> Values:
    """Time of every layer with every trial of the constants, shape (trials, layers)."""
    table = LayerTable.of(layers)
    n_trials = len(next(iter(trials.values()))) if trials else 1
    if isinstance(board.array, OutputStationary) and board.array.controller:
        # Its tiles are searched with numbers, not columns.
        one_by_one = (
            {name: float(x[i]) for name, x in trials.items()} for i in range(n_trials)
        )
        return np.array([_priced(table, with_constants(board, one)) for one in one_by_one])
    columns = {name: column[:, None] for name, column in trials.items()}
    return np.broadcast_to(_priced(table, _with(board, columns)), (n_trials, len(table)))


def with_constants(board: Board, values: Mapping[str, float], source: str = "") -> Board:
    """The board with these constants, each marked as fitted."""
    return _with(board, values, source)


def _priced(table: LayerTable, board: Board) -> Values:
    moved = board.array.traffic(table, board, 8)
    latency, _, _ = board.array.layer_ns(table, moved, board.dram, board.array.cycles(table))
    return latency


def _spaced(name: str, low: float, high: float, steps: Values) -> Values:
    closer = name == "layer_overhead_ns"
    spaced: Values = low + (high - low) * (steps**3 if closer else steps)
    return spaced


def _present(board: Board) -> dict[str, float]:
    array: AnyArray = board.array
    values = {
        "layer_overhead_ns": array.layer_overhead_ns,
        "efficiency_ratio": board.dram.efficiency_ratio.mid,
        "run_overhead_ns": board.dram.run_overhead_ns.mid,
    }
    return values | ({"port_gbps": array.port_gbps} if isinstance(array, Dpu) else {})


def _with(board: Board, values: Mapping[str, object], source: str = "") -> Board:
    """Unchecked: a value may be a column with a row a trial."""
    in_dram = {
        name: Sourced.model_construct(low=x, mid=x, high=x, mark=Mark.FITTED, source=source)
        for name, x in values.items()
        if name in ("efficiency_ratio", "run_overhead_ns")
    }
    in_array = {name: x for name, x in values.items() if name not in in_dram}
    return board.model_copy(
        update={
            "dram": board.dram.model_copy(update=in_dram),
            "array": board.array.model_copy(update=in_array),
        }
    )
