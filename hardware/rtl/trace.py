"""Signals of a simulated layer, cycle by cycle, read from the waveform of the bench."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cgap_hw.arrays.lock_step import Tiles
from rtl.driver import Design
from rtl.layers import Conv, random_tensors
from rtl.simulator import Job, run_layers

PERIOD = 10  # time units of a clock cycle in the bench
# A small array and a layer of four tiles, so that every cycle can be drawn.
DESIGN = Design(2, 2, 2, in_depth=64, wt_depth=64, out_depth=64, par_depth=4)
LAYER = Conv(n_in=2, n_out=4, in_h=4, in_w=4, k_h=3, k_w=3, pad_h=1, pad_w=1)
TILES = Tiles(rows=2, units=2)
MEMORY = (4, 2.0)  # latency in cycles, bytes a cycle


def simulated(names: Sequence[str]) -> dict[str, list[int]]:
    """Simulate the layer and return one-bit signals, one value a cycle while the array is busy.

    Args:
        names: Signals with their scopes inside the array, such as ``core.step0``.
    """
    operands = random_tensors(np.random.default_rng(0), LAYER)
    job = Job(LAYER, operands, TILES, *MEMORY)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_layers([job], DESIGN, folder, folder / "build", extra=("+wave",))
        text = (folder / "wave.vcd").read_text(encoding="ascii")
    sampled = read_waves(text, [f"tb_conv.dut.{name}" for name in ("busy", *names)])
    busy = sampled["tb_conv.dut.busy"]
    first, last = busy.index(1), len(busy) - busy[::-1].index(1)
    return {name: sampled[f"tb_conv.dut.{name}"][first:last] for name in names}


def read_waves(text: str, names: Sequence[str]) -> dict[str, list[int]]:
    """Return one-bit signals of a value change dump, sampled before each rising clock edge.

    Raises:
        KeyError: A signal is not in the dump.
    """
    head, body = text.split("$enddefinitions", 1)
    codes = dict(_definitions(head))
    wanted = {codes[name]: name for name in names}
    now, cycle = dict.fromkeys(names, 0), 0
    waves: dict[str, list[int]] = {name: [] for name in names}
    for line in body.split("\n"):
        if line.startswith("#"):
            while cycle * PERIOD + PERIOD // 2 <= int(line[1:]):
                for name in names:
                    waves[name].append(now[name])
                cycle += 1
        elif line[1:] in wanted:
            now[wanted[line[1:]]] = int(line[0] == "1")
    return waves


def _definitions(head: str) -> Iterator[tuple[str, str]]:
    """Full name and code of every signal."""
    scopes: list[str] = []
    for line in head.split("\n"):
        words = line.split()
        if words[:1] == ["$scope"]:
            scopes.append(words[2])
        elif words[:1] == ["$upscope"]:
            scopes.pop()
        elif words[:1] == ["$var"]:
            yield ".".join([*scopes, words[4]]), words[3]
