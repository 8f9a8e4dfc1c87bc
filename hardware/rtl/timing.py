"""Latency of a layer on the output-stationary array, tile by tile, as its controller steps.

While tile i is computed, tile i - 1 is stored and tile i + 1 loaded over the one port; the next
step starts when all are done (the shared port of Ma et al.'s tile pipeline).
"""

from __future__ import annotations

from dataclasses import dataclass

from rtl.driver import Design, ceil_div, channel_units
from rtl.layers import Conv
from rtl.simulator import Job

STEP_CYCLES = 2  # launch and barrier
IDLE_CYCLES = 1  # of an operand that need not be moved
ANSWER_CYCLES = 2  # registers between the port and the buffers, a transfer
CORE_CYCLES = (
    10  # pipeline of a tile: address, read, route, multiply, capture, requantise, write
)


@dataclass(frozen=True)
class Prediction:
    """Predicted cycles of a layer: in all, and what each part was busy."""

    total: float
    compute: float
    pixels: float
    weights: float
    store: float

    @property
    def bound(self) -> str:
        """What takes longest: compute, or else the operand that holds the port longest."""
        port = {"input": self.pixels, "weight": self.weights, "output": self.store}
        return (
            "compute" if self.compute >= sum(port.values()) else max(port, key=port.__getitem__)
        )


@dataclass(frozen=True)
class _Tile:
    first_row: int
    rows: int
    units: int
    load_pixels: bool
    load_weights: bool


def _tiles(job: Job) -> list[_Tile]:
    layer, tiling = job.layer, job.tiling
    rows = [(y, min(tiling.rows, layer.out_h - y)) for y in range(0, layer.out_h, tiling.rows)]
    n = channel_units(layer)
    units = [min(tiling.units, n - u) for u in range(0, n, tiling.units)]
    places = [(r, u) for r in range(len(rows)) for u in range(len(units))]
    if not tiling.rows_outer:
        places.sort(key=lambda place: place[::-1])
    found, before = [], (-1, -1)
    for r, u in places:
        weights = u != before[1]
        pixels = r != before[0] or (layer.groups > 1 and weights)
        found.append(_Tile(*rows[r], units[u], pixels, weights))
        before = (r, u)
    return found


def _transfer(beats: int, n_bytes: int, job: Job) -> float:
    return max(beats, n_bytes / job.bytes_per_cycle) + job.latency + ANSWER_CYCLES


def _input(tile: _Tile, job: Job, design: Design) -> float:
    layer = job.layer
    if not tile.load_pixels:
        return IDLE_CYCLES
    top = tile.first_row * layer.s_h - layer.pad_h
    span = (tile.rows - 1) * layer.s_h + layer.k_h
    rows = max(0, min(top + span, layer.in_h) - max(top, 0))
    channels = layer.n_in if layer.groups == 1 else tile.units * layer.if_g
    beats = channels * (rows * ceil_div(layer.in_w, design.pox) + span - rows)
    n_bytes = channels * rows * layer.in_w * design.bits // 8
    return _transfer(beats, n_bytes, job)


def _weights(tile: _Tile, job: Job, design: Design) -> float:
    if not tile.load_weights:
        return IDLE_CYCLES
    blocks, channels = _channels(tile, job.layer, design)
    depth = job.layer.depth
    return _transfer(blocks * depth, channels * depth * design.bits // 8, job)


def _channels(tile: _Tile, layer: Conv, design: Design) -> tuple[int, int]:
    """Blocks of POF and output channels of a tile."""
    if layer.groups == 1:
        return ceil_div(tile.units, design.pof), tile.units
    return tile.units * ceil_div(layer.of_g, design.pof), tile.units * layer.of_g


def _output(tile: _Tile, job: Job, design: Design) -> float:
    _, channels = _channels(tile, job.layer, design)
    rows, width = channels * tile.rows, job.layer.out_w
    return _transfer(rows * ceil_div(width, design.pox), rows * width * design.bits // 8, job)


def compute_cycles(job: Job, design: Design) -> list[int]:
    """Return the cycles of every tile: passes of max(Nkx Nky Nif / G, Poy) steps."""
    layer, cycles = job.layer, []
    for tile in _tiles(job):
        blocks, _ = _channels(tile, layer, design)
        passes = blocks * ceil_div(layer.out_w, design.pox) * ceil_div(tile.rows, design.poy)
        cycles.append(passes * max(layer.depth, design.poy))
    return cycles


def predict(job: Job, design: Design) -> Prediction:
    """Return the latency of a layer and the busy cycles of its parts."""
    tiles = _tiles(job)
    compute = compute_cycles(job, design)
    core = [cycles + CORE_CYCLES for cycles in compute]
    pixels = [_input(tile, job, design) for tile in tiles]
    weights = [_weights(tile, job, design) for tile in tiles]
    store = [_output(tile, job, design) for tile in tiles]
    total, n = 0.0, len(tiles)
    for step in range(-1, n + 1):
        loading, storing = step + 1 < n, step - 1 >= 0
        port = store[step - 1] if storing else IDLE_CYCLES
        port += pixels[step + 1] + weights[step + 1] if loading else 2 * IDLE_CYCLES
        total += STEP_CYCLES + max(port, core[step] if 0 <= step < n else 0)
    return Prediction(total, sum(compute), sum(pixels), sum(weights), sum(store))
