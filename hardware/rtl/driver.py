"""From a layer and its tiles to the words that the output-stationary array is given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cgap_hw.arrays.lock_step import Tiles
from cgap_hw.numeric import ceil_div
from rtl.layers import Conv, Ints, Tensors

TYPES = Path(__file__).parent / "array" / "layer_types.sv"


@dataclass(frozen=True)
class Design:
    """Parameters of one array (the parameters of ``conv_array.sv``)."""

    pox: int = 4
    poy: int = 4
    pof: int = 4
    bits: int = 8
    sum_bits: int = 32
    in_depth: int = 1024
    wt_depth: int = 1024
    out_depth: int = 256
    par_depth: int = 64

    @property
    def port(self) -> int:
        """Bytes of a memory beat."""
        return max(self.pox, self.pof) * self.bits // 8

    def parameters(self) -> dict[str, int]:
        """Return the parameters by their name in SystemVerilog."""
        names = ("POX", "POY", "POF", "DW", "WW", "AW")
        sizes = (self.pox, self.poy, self.pof, self.bits, self.bits, self.sum_bits)
        depths = {
            "IN_DEPTH": self.in_depth,
            "WT_DEPTH": self.wt_depth,
            "OUT_DEPTH": self.out_depth,
        }
        return {
            **dict(zip(names, sizes)),
            **depths,
            "PAR_DEPTH": self.par_depth,
            "PORT": self.port,
        }


class Addresses(NamedTuple):
    """Where a layer's operands begin in memory, in bytes."""

    pixels: int
    weights: int
    outputs: int


def channel_units(layer: Conv) -> int:
    """Return what the channel tiles of a layer count: output channels, or groups."""
    return layer.n_out if layer.groups == 1 else layer.groups


def _blocks(layer: Conv, design: Design, units: int) -> int:
    if layer.groups == 1:
        return ceil_div(units, design.pof)
    return units * ceil_div(layer.of_g, design.pof)


def buffer_words(layer: Conv, tiles: Tiles, design: Design) -> tuple[int, int, int]:
    """Return words of an input bank, of the weight buffer and of an output bank, per half."""
    map_words = _map_words(layer, tiles, design)
    channels = layer.n_in if layer.groups == 1 else tiles.units * layer.if_g
    blocks = _blocks(layer, design, tiles.units)
    columns = ceil_div(layer.out_w, design.pox)
    return channels * map_words["word_c"], blocks * layer.depth, blocks * tiles.rows * columns


def fits(layer: Conv, tiles: Tiles, design: Design) -> bool:
    """Return whether a full tile fits the buffers and channel tiles are whole blocks."""
    if layer.groups == 1 and tiles.units % design.pof and tiles.units < layer.n_out:
        return False
    limits = (design.in_depth, design.wt_depth, design.out_depth)
    within = all(w <= d for w, d in zip(buffer_words(layer, tiles, design), limits))
    return within and _blocks(layer, design, channel_units(layer)) <= design.par_depth


def _map_words(layer: Conv, tiles: Tiles, design: Design) -> dict[str, int]:
    """Return the steps of the input buffer (words)."""
    rows = (tiles.rows - 1) * layer.s_h + layer.k_h
    word_px = ceil_div(ceil_div(layer.in_w, layer.s_w), design.pox)
    word_gy = layer.s_w * word_px
    word_py = ceil_div(ceil_div(rows, layer.s_h), design.poy) * word_gy
    word_c = layer.s_h * word_py
    steps = {"word_px": word_px, "word_gy": word_gy, "word_py": word_py, "word_c": word_c}
    return {**steps, "word_group": layer.if_g * word_c}


def _kernel_start(layer: Conv, design: Design, word_px: int) -> dict[str, int]:
    """Return where the first kernel column lies: column ``-pad_w``."""
    quotient, phase = divmod(-layer.pad_w, layer.s_w)
    group, bank = divmod(quotient, design.pox)
    word = group + phase * word_px
    return {"kx_phase": phase, "kx_bank": bank, "kx_group": group, "kx_word": word}


def _memory_steps(layer: Conv, tiles: Tiles, n_bytes: int) -> dict[str, int]:
    """Return the steps of the memory addresses (bytes of a pixel: ``n_bytes``)."""
    in_row, out_row = layer.in_w * n_bytes, layer.out_w * n_bytes
    in_ch, out_ch = layer.in_h * in_row, layer.out_h * out_row
    grouped = layer.groups > 1
    channels = tiles.units * (layer.of_g if grouped else 1)
    return {
        "in_row_bytes": in_row,
        "in_ch_bytes": in_ch,
        "in_tile_bytes": tiles.rows * layer.s_h * in_row,
        "in_unit_bytes": tiles.units * layer.if_g * in_ch if grouped else 0,
        "out_row_bytes": out_row,
        "out_ch_bytes": out_ch,
        "out_tile_bytes": tiles.rows * out_row,
        "out_unit_bytes": channels * out_ch,
    }


def description(
    layer: Conv, tiles: Tiles, design: Design, at: Addresses, relu: bool
) -> dict[str, int]:
    """Return the fields of ``layer_t``."""
    words = _map_words(layer, tiles, design)
    columns = ceil_div(layer.out_w, design.pox)
    n_bytes = design.bits // 8
    sizes = ("in_w", "in_h", "out_w", "out_h", "k_w", "k_h", "s_w", "s_h", "pad_w", "pad_h")

    return {
        **{name: getattr(layer, name) for name in (*sizes, "if_g", "of_g")},
        "grouped": int(layer.groups > 1),
        "rows_outer": int(tiles.rows_outer),
        "relu": int(relu),
        "units": channel_units(layer),
        "tile_units": tiles.units,
        "tile_blocks": _blocks(layer, design, tiles.units),
        "tile_oy": tiles.rows,
        "tile_iy": tiles.rows * layer.s_h,
        "k_words": layer.depth,
        "n_oxg": columns,
        "out_pass": design.poy * columns,
        "x_step": design.pox * layer.s_w,
        "y_step": design.poy * layer.s_h,
        **words,
        "word_block": tiles.rows * columns,
        **_kernel_start(layer, design, words["word_px"]),
        "in_base": at.pixels - layer.pad_h * layer.in_w * n_bytes,
        "wt_base": at.weights,
        "out_base": at.outputs,
        **_memory_steps(layer, tiles, n_bytes),
    }


@cache
def layer_fields() -> tuple[tuple[str, int], ...]:
    """Return names and widths (bits) of ``layer_t``, read from its SystemVerilog definition."""
    text = TYPES.read_text(encoding="utf-8").split("} layer_t;")[0]
    fields = re.findall(r"^ +logic +(?:\[ *(\d+):0\] +)?(\w+);", text, re.MULTILINE)
    return tuple((name, int(top) + 1 if top else 1) for top, name in fields)


def pack(fields: dict[str, int]) -> list[int]:
    """Return the description as 32-bit words in the order in which they are shifted in.

    Raises:
        ValueError: a field is missing, unknown, or too large for its width.
    """
    if sorted(fields) != sorted(name for name, _ in layer_fields()):
        raise ValueError(f"fields differ from layer_t: {sorted(fields)}")
    value, width = 0, 0
    for name, bits in layer_fields():
        if not -(2 ** (bits - 1)) <= fields[name] < 2**bits:
            raise ValueError(f"{name} = {fields[name]} does not fit {bits} bits")
        value = value << bits | fields[name] & (2**bits - 1)
        width += bits
    n_words = ceil_div(width, 32)
    return [value >> 32 * i & 0xFFFFFFFF for i in reversed(range(n_words))]


def pack_weights(layer: Conv, weights: Ints, pof: int) -> Ints:
    """Return the weights in the order of use: group, block, channel, row, column, lane."""
    per_group = weights.reshape(layer.groups, layer.of_g, -1)
    parts = [
        per_group[g, f : f + pof].T.ravel()
        for g in range(layer.groups)
        for f in range(0, layer.of_g, pof)
    ]
    return np.concatenate(parts)


def channel_words(
    layer: Conv, operands: Tensors, design: Design
) -> list[tuple[int, int, int, int]]:
    """Return block, lane, bias and shift of every output channel."""
    per_group = ceil_div(layer.of_g, design.pof)
    rows = []
    for channel in range(layer.n_out):
        group, f = divmod(channel, layer.of_g)
        block, lane = divmod(f, design.pof)
        bias = int(operands.bias[channel]) & (2**design.sum_bits - 1)
        rows.append((group * per_group + block, lane, bias, int(operands.shift[channel])))
    return rows
