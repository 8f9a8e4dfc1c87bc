"""Tile by tile latency of a layer on the array of `hardware/rtl`, as its controller steps.

While tile i is computed, tile i - 1 is stored and tile i + 1 loaded over the one memory port;
the next step starts when all three are done (the shared port of Ma et al.'s tile pipeline).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cgap_hw.table import ceil_div

# Cycles of the controller, read off its state machine (hardware/rtl/array).
STEP_CYCLES = 5  # launch, barrier, and one each to leave store, pixels and weights
LAUNCH_CYCLES = 2  # launch and barrier around a tile's computation
PIPELINE_CYCLES = 6  # from the first step's address to the results' buffer; the rows add Poy
PIXEL_CYCLES, WEIGHT_CYCLES, STORE_CYCLES = 2, 1, 3  # registers between port and buffers


@dataclass(frozen=True)
class Machine:
    """Sizes of the array, its buffers and its port.

    Attributes:
        pox: Output columns computed at once.
        poy: Output rows computed at once.
        pof: Output channels computed at once.
        pixel_words: Words of an input bank in one half.
        weight_words: Words of the weight buffer in one half.
        output_words: Words of an output bank in one half.
        word_bytes: Bytes of a pixel and of a weight.
    """

    pox: int
    poy: int
    pof: int
    pixel_words: int
    weight_words: int
    output_words: int
    word_bytes: int = 1


@dataclass(frozen=True)
class Port:
    """The memory: bytes a cycle on average, and cycles from a request to its answer."""

    bytes_per_cycle: float
    latency_cycles: float


@dataclass(frozen=True)
class Sizes:
    """One layer; a linear layer is a kernel of one row over a map of one row."""

    n_if: int
    n_of: int
    ix: int
    iy: int
    ox: int
    oy: int
    kx: int
    ky: int
    sx: int = 1
    sy: int = 1
    pad_y: int = 0
    groups: int = 1

    @property
    def depth(self) -> int:
        """Products of one output value."""
        return self.n_if // self.groups * self.kx * self.ky

    @property
    def of_g(self) -> int:
        """Output channels of a group."""
        return self.n_of // self.groups

    @property
    def units(self) -> int:
        """What channel tiles count: output channels, or whole groups."""
        return self.n_of if self.groups == 1 else self.groups


@dataclass(frozen=True)
class Plan:
    """Tiles of a layer: output rows, channel units, and which loop is outside."""

    rows: int
    units: int
    rows_outer: bool = True


@dataclass(frozen=True)
class Schedule:
    """Predicted cycles of a layer, and the bytes it moves."""

    total: float
    compute: int
    pixels: float
    weights: float
    store: float
    pixel_bytes: int
    weight_bytes: int
    n_transfers: int

    @property
    def port(self) -> float:
        """Cycles in which the port is busy."""
        return self.pixels + self.weights + self.store

    @property
    def bound(self) -> str:
        """Compute if it outlasts the port, else the operand that holds the port longest."""
        busy = {"input": self.pixels, "weight": self.weights, "output": self.store}
        return "compute" if self.compute >= self.port else max(busy, key=busy.__getitem__)


@dataclass(frozen=True)
class _Tile:
    first_row: int
    rows: int
    units: int
    load_pixels: bool
    load_weights: bool


@dataclass(frozen=True)
class _Work:
    """Cycles and bytes of one tile."""

    compute: int
    pixels: float = 0.0
    weights: float = 0.0
    store: float = 0.0
    pixel_bytes: int = 0
    weight_bytes: int = 0


def fits(s: Sizes, plan: Plan, m: Machine) -> bool:
    """Whether a full tile fits the buffers, and channel tiles are whole blocks of Pof."""
    if s.groups == 1 and plan.units % m.pof and plan.units < s.n_of:
        return False
    span = (plan.rows - 1) * s.sy + s.ky
    columns = s.sx * ceil_div(ceil_div(s.ix, s.sx), m.pox)
    words = s.sy * ceil_div(ceil_div(span, s.sy), m.poy) * columns
    channels = s.n_if if s.groups == 1 else plan.units * (s.n_if // s.groups)
    blocks, _ = _channels(s, plan.units, m)
    return (
        channels * words <= m.pixel_words
        and blocks * s.depth <= m.weight_words
        and blocks * plan.rows * ceil_div(s.ox, m.pox) <= m.output_words
    )


def schedule(s: Sizes, plan: Plan, m: Machine, port: Port) -> Schedule:
    """Cycles of a layer with given tiles, `T = sum over steps of max(compute, transfers)`."""
    work = [_work(s, tile, m, port) for tile in _tiles(s, plan)]
    total, n = 0.0, len(work)
    for step in range(-1, n + 1):
        busy = work[step - 1].store if step >= 1 else 0.0
        if step + 1 < n:
            busy += work[step + 1].pixels + work[step + 1].weights
        core = LAUNCH_CYCLES + _core(work[step], m) if 0 <= step < n else 0
        total += max(STEP_CYCLES + busy, core)
    return Schedule(
        total=total,
        compute=sum(w.compute for w in work),
        pixels=sum(w.pixels for w in work),
        weights=sum(w.weights for w in work),
        store=sum(w.store for w in work),
        pixel_bytes=sum(w.pixel_bytes for w in work),
        weight_bytes=sum(w.weight_bytes for w in work),
        n_transfers=sum((w.pixel_bytes > 0) + (w.weight_bytes > 0) for w in work),
    )


def best_plan(s: Sizes, m: Machine, port: Port) -> Plan | None:
    """The tiles with the shortest latency among all that fit; None if none does."""
    plans = [plan for plan in _candidates(s, m) if fits(s, plan, m)]
    return min(plans, key=lambda plan: schedule(s, plan, m, port).total, default=None)


def _candidates(s: Sizes, m: Machine) -> Iterator[Plan]:
    """For every number of tiles the smallest size, in whole groups of Poy and Pof."""
    rows = {_even(s.oy, n, m.poy) for n in range(1, ceil_div(s.oy, m.poy) + 1)}
    grain = m.pof if s.groups == 1 else 1
    units = {_even(s.units, n, grain) for n in range(1, ceil_div(s.units, grain) + 1)}
    for r in sorted(rows, reverse=True):
        for u in sorted(units, reverse=True):
            yield Plan(r, u, True)
            if r < s.oy and u < s.units:
                yield Plan(r, u, False)


def _even(total: int, n: int, grain: int) -> int:
    return int(min(total, ceil_div(ceil_div(total, n), grain) * grain))


def _tiles(s: Sizes, plan: Plan) -> list[_Tile]:
    """Tiles in their order, and what each must load."""
    rows = [(y, min(plan.rows, s.oy - y)) for y in range(0, s.oy, plan.rows)]
    units = [min(plan.units, s.units - u) for u in range(0, s.units, plan.units)]
    places = [(r, u) for r in range(len(rows)) for u in range(len(units))]
    if not plan.rows_outer:
        places.sort(key=lambda place: place[::-1])
    found, before = [], (-1, -1)
    for r, u in places:
        weights = u != before[1]
        pixels = r != before[0] or (s.groups > 1 and weights)
        found.append(_Tile(*rows[r], units[u], pixels, weights))
        before = (r, u)
    return found


def _channels(s: Sizes, units: int, m: Machine) -> tuple[int, int]:
    """Blocks of Pof and output channels of some channel units."""
    if s.groups == 1:
        return int(ceil_div(units, m.pof)), units
    return int(units * ceil_div(s.of_g, m.pof)), units * s.of_g


def _core(work: _Work, m: Machine) -> int:
    return work.compute + PIPELINE_CYCLES + m.poy


def _work(s: Sizes, tile: _Tile, m: Machine, port: Port) -> _Work:
    blocks, channels = _channels(s, tile.units, m)
    passes = blocks * ceil_div(s.ox, m.pox) * ceil_div(tile.rows, m.poy)
    pixels, pixel_bytes = _pixels(s, tile, m, port) if tile.load_pixels else (0.0, 0)
    weights, weight_bytes = _weights(s, tile, m, port) if tile.load_weights else (0.0, 0)
    store = channels * tile.rows * _row(s.ox, m, port) + port.latency_cycles + STORE_CYCLES
    compute = int(passes * max(s.depth, m.poy))
    return _Work(compute, pixels, weights, store, pixel_bytes, weight_bytes)


def _beat(words: int, m: Machine, port: Port) -> float:
    """Cycles that a beat holds the bus, at least one; none without words."""
    return max(1.0, words * m.word_bytes / port.bytes_per_cycle) if words else 0.0


def _row(width: int, m: Machine, port: Port) -> float:
    """Cycles of a row of a map: beats of Pox, the last partly filled."""
    return width // m.pox * _beat(m.pox, m, port) + _beat(width % m.pox, m, port)


def _pixels(s: Sizes, tile: _Tile, m: Machine, port: Port) -> tuple[float, int]:
    """Cycles and bytes of the input rows.

    Beats are sorted by column phase, ``sx`` at a time. Rows outside the map are skipped, a
    cycle each, while the last beat still holds the bus.
    """
    top = tile.first_row * s.sy - s.pad_y
    span = (tile.rows - 1) * s.sy + s.ky
    rows = max(0, min(top + span, s.iy) - max(top, 0))
    skipped = span - rows
    channels = s.n_if if s.groups == 1 else tile.units * (s.n_if // s.groups)
    sorting = rows * s.sx * ceil_div(ceil_div(s.ix, m.pox), s.sx) + skipped
    hidden = _beat(s.ix % m.pox or m.pox, m, port) - 1
    bus = rows * _row(s.ix, m, port) + max(0.0, skipped - hidden)
    cycles = channels * max(sorting, bus) + port.latency_cycles + PIXEL_CYCLES
    return cycles, channels * rows * s.ix * m.word_bytes


def _weights(s: Sizes, tile: _Tile, m: Machine, port: Port) -> tuple[float, int]:
    """Cycles and bytes of the weights: beats of Pof, the last of a group partly filled."""
    blocks, channels = _channels(s, tile.units, m)
    groups = 1 if s.groups == 1 else tile.units
    left = channels // groups % m.pof
    full = blocks - (groups if left else 0)
    beats = full * _beat(m.pof, m, port) + groups * _beat(left, m, port)
    cycles = s.depth * beats + port.latency_cycles + WEIGHT_CYCLES
    return cycles, channels * s.depth * m.word_bytes
