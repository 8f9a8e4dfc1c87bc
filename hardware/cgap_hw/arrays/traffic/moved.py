"""What crosses the DRAM port, and how long that holds it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from cgap_hw.chips.chip import Dram
from cgap_hw.numeric import Flags, Indices, Values


@dataclass(frozen=True)
class Traffic:
    """What each layer moves over the DRAM port, arrays of shape (..., L).

    Bytes and contiguous runs by operand; ``order`` indexes `ORDERS`. What ``fill_`` names are
    the bytes, not rounded to bursts, that must arrive before the first MAC and leave after the
    last.
    """

    pixel_bytes: Values
    weight_bytes: Values
    output_bytes: Values
    pixel_runs: Values
    weight_runs: Values
    write_runs: Values
    fill_pixel_bytes: Values
    fill_weight_bytes: Values
    fill_output_bytes: Values
    order: Indices

    @property
    def read_bytes(self) -> Values:
        """Pixels and weights."""
        return self.pixel_bytes + self.weight_bytes

    @property
    def total_bytes(self) -> Values:
        """Everything, both ways."""
        return self.read_bytes + self.output_bytes

    @property
    def read_runs(self) -> Values:
        """Contiguous runs of pixels and weights."""
        return self.pixel_runs + self.weight_runs

    @property
    def fill_bytes(self) -> Values:
        """The fill of a layer, all operands in whole bursts."""
        fill: Values = whole_bursts(
            self.fill_pixel_bytes + self.fill_weight_bytes + self.fill_output_bytes
        )
        return fill

    @property
    def runs(self) -> Values:
        """Contiguous runs, both ways."""
        return self.read_runs + self.write_runs

    def only(self, read_share: Values, write_share: Values) -> Traffic:
        """Pixels and outputs times a share a layer, and no weights."""
        return Traffic(
            self.pixel_bytes * read_share,
            0 * self.weight_bytes,
            self.output_bytes * write_share,
            read_share,
            0 * self.weight_runs,
            write_share,
            0 * self.fill_pixel_bytes,
            0 * self.fill_weight_bytes,
            0 * self.fill_output_bytes,
            self.order,
        )

    def kept(self, pixels: Flags, weights: Flags, outputs: Flags) -> Self:
        """Without what stays on chip: the bytes, runs and fill of such operands, (L,) each."""
        operands = (
            (pixels, ("pixel_bytes", "pixel_runs", "fill_pixel_bytes")),
            (weights, ("weight_bytes", "weight_runs", "fill_weight_bytes")),
            (outputs, ("output_bytes", "write_runs", "fill_output_bytes")),
        )
        update = {
            name: np.where(stays, 0.0, getattr(self, name))
            for stays, names in operands
            for name in names
        }
        left = replace(self, **update)
        # Passes have a run for their scales, also those that have none.
        runs = np.where((pixels | weights) & (left.read_bytes == 0), 0.0, left.weight_runs)
        return replace(left, weight_runs=runs)

    def designs(self, rows: Indices) -> Self:
        """Of traffic with a row a design, (designs, ...), these rows."""
        columns = {field.name: getattr(self, field.name) for field in fields(Traffic)}
        return replace(self, **{k: x[rows] for k, x in columns.items() if x.ndim})

    def summed(self, counts: Values) -> Self:
        """Sums over layers of which each occurs so often; none of the order and the fill."""
        columns = {f.name: getattr(self, f.name) for f in fields(Traffic)}
        no_sum = {"order": np.array(-1)}
        no_sum |= {name: np.array(np.nan) for name in columns if name.startswith("fill_")}
        sums = {name: x @ counts for name, x in columns.items() if name not in no_sum}
        return replace(self, **sums, **no_sum)

    def read_ns(self, dram: Dram) -> Values:
        """Time of the reads alone."""
        time: Values = transfer_ns(self.read_bytes, self.read_runs, dram)
        return time

    def write_ns(self, dram: Dram) -> Values:
        """Time of the writes alone."""
        time: Values = transfer_ns(self.output_bytes, self.write_runs, dram)
        return time

    def port_ns(self, dram: Dram) -> Values:
        """Time of reads and writes on one port, one way at a time."""
        # Only as many bytes as go both ways make the bus turn around; the rest is a stream.
        both = 2 * np.minimum(self.read_bytes, self.output_bytes)
        alone = (self.total_bytes - both) / dram.stream_bytes_per_ns
        time: Values = transfer_ns(both, self.runs, dram) + alone
        return time


def whole_bursts(n_bytes: Any) -> Any:
    """Bytes, rounded up to the 64 of one burst."""
    return np.ceil(n_bytes / 64) * 64


def transfer_ns(n_bytes: Any, runs: Any, dram: Dram) -> Any:
    """``V / (eta BW) + runs * overhead``."""
    return n_bytes / dram.bytes_per_ns + runs * dram.run_overhead_ns.mid
