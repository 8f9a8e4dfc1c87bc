"""Sizes of the machine, of the memory, of a layer and of its tiles."""

from __future__ import annotations

from dataclasses import dataclass


def up(a: int, b: int) -> int:
    """``a / b`` rounded up."""
    return -(-a // b)


@dataclass(frozen=True)
class Machine:
    """Sizes of the array and its buffers.

    Attributes:
        pox: Output columns computed at once.
        poy: Output rows computed at once.
        pof: Output channels computed at once.
        pixel_words: Words of an input bank in one half.
        weight_words: Words of the weight buffer in one half.
        output_words: Words of an output bank in one half.
        channel_blocks: Blocks of Pof biases and shifts.
        word_bytes: Bytes of a pixel and of a weight.
    """

    pox: int
    poy: int
    pof: int
    pixel_words: int
    weight_words: int
    output_words: int
    channel_blocks: int
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

    def channels_in(self, units: int) -> int:
        """Input channels that some channel units read."""
        return self.n_if if self.groups == 1 else units * (self.n_if // self.groups)

    def channels_out(self, units: int) -> int:
        """Output channels of some channel units."""
        return units if self.groups == 1 else units * self.of_g

    def blocks(self, units: int, pof: int) -> int:
        """Blocks of Pof output channels of some channel units; groups share none."""
        return up(units, pof) if self.groups == 1 else units * up(self.of_g, pof)


@dataclass(frozen=True)
class Plan:
    """Tiles of a layer: output rows, channel units, and which loop is outside."""

    rows: int
    units: int
    rows_outer: bool = True


def fits(s: Sizes, plan: Plan, m: Machine) -> bool:
    """Whether a full tile fits the buffers, and channel tiles are whole blocks of Pof."""
    if s.groups == 1 and plan.units % m.pof and plan.units < s.n_of:
        return False
    span = (plan.rows - 1) * s.sy + s.ky
    columns = s.sx * up(up(s.ix, s.sx), m.pox)
    words = s.sy * up(up(span, s.sy), m.poy) * columns
    blocks = s.blocks(plan.units, m.pof)
    return (
        s.channels_in(plan.units) * words <= m.pixel_words
        and blocks * s.depth <= m.weight_words
        and blocks * plan.rows * up(s.ox, m.pox) <= m.output_words
        and s.blocks(s.units, m.pof) <= m.channel_blocks
    )
