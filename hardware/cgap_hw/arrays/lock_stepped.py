"""The output-stationary array of `hardware/rtl` in the cost model: its tiles, its latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cgap_hw.arrays.lock_step import Machine, Plan, Port, Schedule, Sizes, best_plan, schedule
from cgap_hw.arrays.memory import ORDERS, BufferBits, Traffic, Volumes, traffic
from cgap_hw.errors import CostModelError
from cgap_hw.layers.table import LayerTable

if TYPE_CHECKING:
    from cgap_hw.arrays.output_stationary import OutputStationary
    from cgap_hw.boards.board import Board, Memory


class Controller(BaseModel):
    """Buffers and port of the array in `hardware/rtl`, words of one half of each pair.

    Attributes:
        pixel_words: Of each of the Pox x Poy banks, a pixel wide.
        weight_words: Of the weight buffer, Pof weights wide.
        output_words: Of each of the Pof banks, Pox results wide.
        channel_blocks: Blocks of Pof biases and shifts.
        latency_cycles: From a request to the memory to its answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_words: int = Field(ge=1)
    weight_words: int = Field(ge=1)
    output_words: int = Field(ge=1)
    channel_blocks: int = Field(ge=1)
    latency_cycles: int = Field(ge=1)


@dataclass(frozen=True)
class PlannedTraffic(Traffic):
    """Traffic of the tiles that the controller runs; ``steps`` is None where it runs none."""

    machine: Machine
    steps: tuple[tuple[Sizes, Plan, Schedule] | None, ...]


def planned_traffic(
    t: LayerTable, board: Board, array: OutputStationary, control: Controller, bits: int
) -> PlannedTraffic:
    """The tiles of every layer and what they move; other kinds of layer as on any array.

    Raises:
        CostModelError: A word is not whole bytes, or a layer does not fit the buffers (named).
    """
    if bits % 8:
        raise CostModelError(
            f"this array's words are whole bytes: bits must be 8, 16, ..., got {bits}"
        )
    m = Machine(
        array.pox,
        array.poy,
        array.pof,
        control.pixel_words,
        control.weight_words,
        control.output_words,
        control.channel_blocks,
        bits // 8,
    )
    port = port_of(array, control, board.memory)
    steps = [
        _steps(t, i, m, port) if computes else None for i, computes in enumerate(t.computes)
    ]
    planned = np.array([_moved(*step) if step else [0.0] * 6 for step in steps]).T
    volumes = Volumes(t, bits, BufferBits.of(board, array), array.poy, array.pof)
    base = traffic(volumes, board, refuse=False)
    kept = (
        base.pixel_bytes,
        base.weight_bytes,
        base.output_bytes,
        base.read_runs,
        base.write_runs,
        base.order,
    )
    pixels, weights, outputs, reads, writes, order = (
        np.where(t.computes, mine, other) for mine, other in zip(planned, kept, strict=True)
    )
    fill = np.where(t.computes, 0.0, base.fill_bytes)
    columns = (pixels, weights, outputs, reads, writes, fill, order.astype(np.int64))
    return PlannedTraffic(*columns, machine=m, steps=tuple(steps))


def port_of(array: OutputStationary, control: Controller, memory: Memory) -> Port:
    """The board's memory in cycles of the array's clock."""
    return Port(memory.bytes_per_ns * 1e3 / array.clock_mhz, control.latency_cycles)


def schedules(moved: PlannedTraffic) -> list[Schedule | None]:
    """The steps of every layer.

    Raises:
        CostModelError: Something was to stay on chip, which this controller cannot do.
    """
    found = [step[2] if step else None for step in moved.steps]
    for i, run in enumerate(found):
        full = (run.pixel_bytes, run.weight_bytes, run.output_bytes) if run else None
        if full and full != (
            moved.pixel_bytes[i],
            moved.weight_bytes[i],
            moved.output_bytes[i],
        ):
            raise CostModelError(
                "an array with a controller keeps neither weights nor maps on chip between"
                " layers; price it without resident weights and maps"
            )
    return found


def sizes_of(t: LayerTable, i: int) -> Sizes:
    """A layer as the controller is told; a linear one is a row of pixels under one kernel."""
    if t.is_kind("linear")[i] and t.ox[i] * t.oy[i] == 1:
        n_if, n_of = int(t.n_if[i]), int(t.n_of[i])
        return Sizes(1, n_of, ix=n_if, iy=1, ox=1, oy=1, kx=n_if, ky=1)
    columns = (
        t.n_if,
        t.n_of,
        t.ix,
        t.iy,
        t.ox,
        t.oy,
        t.kx,
        t.ky,
        t.sx,
        t.sy,
        t.pad_y,
        t.groups,
    )
    return Sizes(*(int(column[i]) for column in columns))


def _steps(t: LayerTable, i: int, m: Machine, port: Port) -> tuple[Sizes, Plan, Schedule]:
    sizes = sizes_of(t, i)
    plan = best_plan(sizes, m, port)
    if plan is None:
        raise CostModelError(
            f"layer {i} ({sizes}) does not fit the array's buffers of {m.pixel_words} words of"
            f" pixels, {m.weight_words} of weights, {m.output_words} of results and"
            f" {m.channel_blocks} blocks of channels: all its input channels must"
        )
    return sizes, plan, schedule(sizes, plan, m, port)


def _moved(s: Sizes, plan: Plan, run: Schedule) -> list[float]:
    """Bytes and contiguous runs: whole maps lie end to end, the rows of tiles do not."""
    tiled = plan.rows < s.oy
    reads = run.n_reads * s.n_if if tiled else run.n_reads
    writes = run.n_writes * min(plan.units, s.units) if tiled else run.n_writes
    order = float(ORDERS.index("rows outer" if plan.rows_outer else "channels outer"))
    sizes = (run.pixel_bytes, run.weight_bytes, run.output_bytes, reads, writes, order)
    return [float(size) for size in sizes]
