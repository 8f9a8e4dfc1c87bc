"""The controller of `hardware/rtl` in the cost model: the tiles of a layer, and their steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict

from cgap_hw.arrays.lock_step import (
    Machine,
    Port,
    Sizes,
    Tiles,
    Timeline,
    best_tiles,
    timeline,
)
from cgap_hw.arrays.traffic import ORDERS, Traffic, Volumes, least_traffic
from cgap_hw.chips.chip import Dram
from cgap_hw.chips.values import within
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable

# Words with which `hardware/rtl` is simulated: sums of 32 and of 48 bits hold their products.
SUM_BITS = {8: 32, 16: 48}


class Controller(BaseModel):
    """Buffers and port of the array in `hardware/rtl`, words of one half of each pair.

    Attributes:
        pixel_words: Of each of the Pox x Poy banks, a pixel wide.
        weight_words: Of the weight buffer, Pof weights wide.
        output_words: Of each of the Pof banks, Pox results wide.
        channel_blocks: Blocks of Pof biases and shifts.
        latency_cycles: From a request to the DRAM to its answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_words: Annotated[int, within(1, 2**24)]
    weight_words: Annotated[int, within(1, 2**24)]
    output_words: Annotated[int, within(1, 2**24)]
    channel_blocks: Annotated[int, within(1, 2**16)]
    latency_cycles: Annotated[int, within(1, 10000)]

    def refuse_work(self, layers: Sequence[LayerShape], bits: int) -> None:
        """Raises where `hardware/rtl` cannot run a layer, or has no words of so many bits.

        Raises:
            CostModelError: The first such layer, named, or the width.
        """
        refuse_width(bits)
        for layer in layers:
            if layer.computes and layer.dilated:
                raise CostModelError(
                    f"layer {layer.name!r} has dilation {layer.dilation_h} x"
                    f" {layer.dilation_w}; an array with a controller (hardware/rtl) runs no"
                    " dilated layers"
                )

    def machine(self, pox: int, poy: int, pof: int, bits: int) -> Machine:
        """The controller's buffers around an array.

        Raises:
            CostModelError: Words of a width that `hardware/rtl` was not simulated with.
        """
        refuse_width(bits)
        return Machine(
            pox,
            poy,
            pof,
            self.pixel_words,
            self.weight_words,
            self.output_words,
            self.channel_blocks,
            bits // 8,
        )

    def port(self, dram: Dram, clock_mhz: float) -> Port:
        """The DRAM in cycles of the array's clock."""
        return Port(dram.bytes_per_ns * 1e3 / clock_mhz, self.latency_cycles)


def refuse_width(bits: int) -> None:
    """Raises where `hardware/rtl` was not simulated with words of so many bits.

    Raises:
        CostModelError: The width, and those that there are.
    """
    if bits not in SUM_BITS:
        widths = " or ".join(str(width) for width in SUM_BITS)
        raise CostModelError(
            f"an array with a controller (hardware/rtl) has words of {widths} bits, got {bits}"
        )


@dataclass(frozen=True)
class LayerRun:
    """How the controller runs one layer."""

    sizes: Sizes
    tiles: Tiles
    timeline: Timeline


@dataclass(frozen=True)
class TiledTraffic(Traffic):
    """Traffic of the tiles that the controller runs; a run is None where it runs none."""

    runs_by_layer: tuple[LayerRun | None, ...]

    def timelines(self) -> list[Timeline | None]:
        """The steps of every layer.

        Raises:
            CostModelError: Something was to stay on chip, which this controller cannot do.
        """
        steps = [run.timeline if run else None for run in self.runs_by_layer]
        for i, line in enumerate(steps):
            moved = (self.pixel_bytes[i], self.weight_bytes[i], self.output_bytes[i])
            if line and moved != (line.pixel_bytes, line.weight_bytes, line.output_bytes):
                raise CostModelError(
                    "an array with a controller keeps neither weights nor maps on chip between"
                    " layers; price it without resident weights and maps"
                )
        return steps


def tiled_traffic(v: Volumes, dram: Dram, m: Machine, port: Port) -> TiledTraffic:
    """The tiles of every layer and what they move; other kinds of layer as on any array.

    Args:
        v: Layers and buffers.
        dram: What passes, which the controller does not run, are moved over.
        m: The array with its controller.
        port: The DRAM as the controller sees it.

    Raises:
        CostModelError: A layer does not fit the buffers (named).
    """
    t = v.t
    runs = tuple(
        _layer_run(t, i, m, port) if computes else None for i, computes in enumerate(t.computes)
    )
    tiled = np.array([_moved(run) if run else [0.0] * 10 for run in runs]).T

    base = least_traffic(v, dram, refuse=False)
    columns = {
        field.name: np.where(t.computes, run, getattr(base, field.name))
        for field, run in zip(fields(Traffic), tiled, strict=True)
    }
    columns["order"] = columns["order"].astype(np.int64)
    return TiledTraffic(**columns, runs_by_layer=runs)


def sizes_of(t: LayerTable, i: int) -> Sizes:
    """A layer as the controller is told; a linear one is a row of pixels under one kernel."""
    if t.is_kind("linear")[i] and t.ox[i] * t.oy[i] == 1:
        n_if, n_of = int(t.n_if[i]), int(t.n_of[i])
        return Sizes(1, n_of, ix=n_if, iy=1, ox=1, oy=1, kx=n_if, ky=1)
    names = ("n_if", "n_of", "ix", "iy", "ox", "oy", "kx", "ky", "sx", "sy", "pad_y", "groups")
    return Sizes(**{name: int(getattr(t, name)[i]) for name in names})


def _layer_run(t: LayerTable, i: int, m: Machine, port: Port) -> LayerRun:
    sizes = sizes_of(t, i)
    tiles = best_tiles(sizes, m, port)
    if tiles is None:
        raise CostModelError(
            f"layer {i} ({sizes}) does not fit the array's buffers of {m.pixel_words} words of"
            f" pixels, {m.weight_words} of weights, {m.output_words} of results and"
            f" {m.channel_blocks} blocks of channels: all its input channels must"
        )
    return LayerRun(sizes, tiles, timeline(sizes, tiles, m, port))


def _moved(run: LayerRun) -> list[float]:
    """Columns of `Traffic`: whole maps lie end to end, the rows of tiles do not.

    Runs of weights are counted with those of pixels: neither ever stays on chip here. The first
    and the last step of a timeline are its fill.
    """
    s, tiles, line = run.sizes, run.tiles, run.timeline
    tiled = tiles.rows < s.oy
    reads = line.n_reads * s.n_if if tiled else line.n_reads
    writes = line.n_writes * min(tiles.units, s.units) if tiled else line.n_writes
    order = float(ORDERS.index("rows outer" if tiles.rows_outer else "channels outer"))
    sizes = (line.pixel_bytes, line.weight_bytes, line.output_bytes)
    no_fill = (0, 0, 0)
    return [float(x) for x in (*sizes, reads, 0, writes, *no_fill, order)]
