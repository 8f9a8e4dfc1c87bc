"""Run a layer on the weight-stationary systolic machine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtl.layers import Conv, Ints, Tensors
from rtl.simulator import ROOT, compile_bench, simulate

DEPTHS = {"PX_DEPTH": 65536, "WT_DEPTH": 16384, "SUM_DEPTH": 4096}
SHIFT_BITS = 6


@dataclass(frozen=True)
class Systolic:
    """Size of the machine.

    ``rows``: field elements; ``columns``: output channels; ``bits``: of a value; ``sum_bits``:
    of a sum, enough for the deepest field.
    """

    rows: int
    columns: int
    bits: int = 8
    sum_bits: int = 32

    def program(self, build: Path) -> Path:
        """Compile its test bench, unless `build` holds it."""
        shared = [ROOT / "array" / "ram.sv", ROOT / "array" / "requant.sv"]
        files = [*shared, *sorted((ROOT / "systolic").glob("*.sv"))]
        widths = {"DW": self.bits, "WW": self.bits, "AW": self.sum_bits}
        sizes = {"R": self.rows, "C": self.columns, **widths}
        bench = ROOT / "bench" / "systolic_tb.sv"
        return compile_bench("systolic_tb", [*files, bench], sizes | DEPTHS, build)

    @property
    def fill_cycles(self) -> int:
        """Cycles from the last fold's end to the last total in its place, start included."""
        return self.rows + self.columns + 2


@dataclass(frozen=True)
class SystolicOutcome:
    """What a simulated layer gave: ``output: (n_out, out_h, out_w)`` and counted cycles."""

    output: Ints
    compute: int
    total: int


def fields(layer: Conv, pixels: Ints) -> Ints:
    """Return the receptive field of every output pixel (im2col) of one group.

    Args:
        layer: Kernel, stride and padding.
        pixels: (channels, in_h, in_w).

    Returns:
        (channels * k_h * k_w, out_h * out_w)
    """
    margin = ((0, 0), (layer.pad_h, layer.pad_h), (layer.pad_w, layer.pad_w))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(pixels, margin), (layer.k_h, layer.k_w), axis=(1, 2)
    )[:, :: layer.s_h, :: layer.s_w]
    return windows.transpose(0, 3, 4, 1, 2).reshape(layer.depth, layer.out_h * layer.out_w)


def run_systolic(
    machine: Systolic, layer: Conv, operands: Tensors, build: Path
) -> SystolicOutcome:
    """Run one layer; a grouped one group by group.

    Args:
        machine: Size of the array.
        layer: Sizes of the layer.
        operands: Its tensors.
        build: Where compiled benches are kept.

    Raises:
        RuntimeError: Compilation or simulation fails, or a result is undefined.
    """
    program = machine.program(build)
    runs = [
        _run_group(machine, layer, operands, group, program) for group in range(layer.groups)
    ]
    output = np.concatenate([run.output for run in runs])
    return SystolicOutcome(
        output.reshape(layer.n_out, layer.out_h, layer.out_w),
        sum(run.compute for run in runs),
        sum(run.total for run in runs),
    )


def _run_group(
    machine: Systolic, layer: Conv, operands: Tensors, group: int, program: Path
) -> SystolicOutcome:
    n_pixels, columns = layer.out_h * layer.out_w, machine.columns
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, lines in _files(machine, layer, operands, group).items():
            (folder / file).write_text("\n".join(lines) + "\n", encoding="ascii")

        simulate(program, folder)
        words = (folder / "out.hex").read_text(encoding="ascii").split()
        counters = [
            int(n) for n in (folder / "counters.txt").read_text(encoding="ascii").split()
        ]

    if any(set(word.lower()) & set("xz") for word in words):
        raise RuntimeError(f"undefined results of {layer}")
    lanes = _unpack_lanes(words, columns, machine.bits)
    by_fold = lanes.reshape(-1, n_pixels, columns).transpose(0, 2, 1)
    return SystolicOutcome(by_fold.reshape(-1, n_pixels)[: layer.of_g], *counters)


def _files(
    machine: Systolic, layer: Conv, operands: Tensors, group: int
) -> dict[str, list[str]]:
    """Return buffer contents for one group; what lies beyond the layer is zero."""
    rows, columns, n_pixels = machine.rows, machine.columns, layer.out_h * layer.out_w
    outs = slice(group * layer.of_g, (group + 1) * layer.of_g)
    ins = slice(group * layer.if_g, (group + 1) * layer.if_g)

    # Blocks of R x C weights: fields along the rows, channels along the columns.
    weights = operands.weights[outs].reshape(layer.of_g, layer.depth).T
    weights = _padded(_padded(weights, rows, 0), columns, 1)
    k_folds, f_folds = weights.shape[0] // rows, weights.shape[1] // columns
    folds = weights.reshape(k_folds, rows, f_folds, columns).transpose(2, 0, 1, 3)

    field = _padded(fields(layer, operands.pixels[ins]), rows, 0)
    by_fold = field.reshape(k_folds, rows, n_pixels).transpose(0, 2, 1)

    bias, shift = (
        _padded(values[outs], columns, 0).reshape(f_folds, columns)
        for values in (operands.bias, operands.shift)
    )
    sizes = (n_pixels, k_folds, f_folds, int(operands.relu))

    # Weights are pushed down the columns: the last row goes in first.
    last_first = folds[:, :, ::-1].reshape(-1, columns)
    return {
        "config.hex": [f"{value:x}" for value in sizes],
        "px.hex": _pack_lanes(by_fold.reshape(-1, rows), machine.bits),
        "wt.hex": _pack_lanes(last_first, machine.bits),
        "bias.hex": _pack_lanes(bias, machine.sum_bits),
        "shift.hex": _pack_lanes(shift, SHIFT_BITS),
    }


def _padded(values: Ints, multiple: int, axis: int) -> Ints:
    widths = [(0, 0)] * values.ndim
    widths[axis] = (0, -values.shape[axis] % multiple)
    return np.pad(values, widths)


def _pack_lanes(rows: Ints, bits: int) -> list[str]:
    """Return hexadecimal words of signed lanes, lane 0 lowest; rows: (words, lanes)."""
    mask = (1 << bits) - 1
    words = (sum((v & mask) << (i * bits) for i, v in enumerate(row)) for row in rows.tolist())
    return [f"{word:x}" for word in words]


def _unpack_lanes(words: list[str], lanes: int, bits: int) -> Ints:
    """Return the signed lanes of hexadecimal words: (words, lanes)."""
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)
    values = [int(word, 16) for word in words]
    rows = [[(((v >> (i * bits)) & mask) ^ sign) - sign for i in range(lanes)] for v in values]
    return np.array(rows, dtype=np.int64).reshape(len(rows), lanes)
