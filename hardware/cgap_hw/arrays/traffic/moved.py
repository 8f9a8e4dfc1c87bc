"""What crosses the DRAM port, and how long that holds it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from cgap_hw.chips.chip import Dram
from cgap_hw.numeric import Indices, Values


@dataclass(frozen=True)
class Traffic:
    """What each layer moves over the DRAM port, arrays of shape (..., L).

    Bytes and contiguous runs by operand; ``order`` indexes `ORDERS`; ``fill_bytes`` must
    arrive before the first and leave after the last MAC.
    """

    pixel_bytes: Values
    weight_bytes: Values
    output_bytes: Values
    read_runs: Values
    write_runs: Values
    fill_bytes: Values
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
            write_share,
            0 * self.fill_bytes,
            self.order,
        )

    def designs(self, rows: Indices) -> Self:
        """Of traffic with a row a design, (designs, ...), these rows."""
        columns = {field.name: getattr(self, field.name) for field in fields(Traffic)}
        return replace(self, **{k: x[rows] for k, x in columns.items() if x.ndim})

    def summed(self, counts: Values) -> Self:
        """Sums over layers of which each occurs so often; there is none of the order."""
        columns = {f.name: getattr(self, f.name) for f in fields(Traffic) if f.name != "order"}
        no_order = {"order": np.array(-1)}
        return replace(self, **{name: x @ counts for name, x in columns.items()}, **no_order)

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


def transfer_ns(n_bytes: Any, runs: Any, dram: Dram) -> Any:
    """``V / (eta BW) + runs * overhead``."""
    return n_bytes / dram.bytes_per_ns + runs * dram.run_overhead_ns.mid
