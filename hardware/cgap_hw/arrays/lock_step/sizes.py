"""Sizes of the machine, of its port, of a layer and of its tiles."""

from __future__ import annotations

from dataclasses import dataclass

from cgap_hw.numeric import ceil_div


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
    """The DRAM port: bytes a cycle on average, and cycles from a request to its answer."""

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
        return ceil_div(units, pof) if self.groups == 1 else units * ceil_div(self.of_g, pof)


@dataclass(frozen=True)
class Tiles:
    """Tiles of a layer: output rows, channel units, and which loop is outside."""

    rows: int
    units: int
    rows_outer: bool = True


def words_of(s: Sizes, tiles: Tiles, m: Machine) -> tuple[int, int, int, int]:
    """Words of a full tile: input bank, weights, output bank; and blocks of channels."""
    span = (tiles.rows - 1) * s.sy + s.ky
    columns = s.sx * ceil_div(ceil_div(s.ix, s.sx), m.pox)
    words = s.sy * ceil_div(ceil_div(span, s.sy), m.poy) * columns
    blocks = s.blocks(tiles.units, m.pof)
    return (
        s.channels_in(tiles.units) * words,
        blocks * s.depth,
        blocks * tiles.rows * ceil_div(s.ox, m.pox),
        s.blocks(s.units, m.pof),
    )


def fits(s: Sizes, tiles: Tiles, m: Machine) -> bool:
    """Whether a full tile fits the buffers, and channel tiles are whole blocks of Pof."""
    if s.groups == 1 and tiles.units % m.pof and tiles.units < s.n_of:
        return False
    there = (m.pixel_words, m.weight_words, m.output_words, m.channel_blocks)
    return all(n <= most for n, most in zip(words_of(s, tiles, m), there, strict=True))
