"""Simulate random layers on both machines and write the table of agreement into README.md."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from rtl.driver import Design, Tiling, ceil_div, channel_units, fits
from rtl.layers import Conv, random_layer, random_tensors, reference
from rtl.simulator import ROOT, Job, run_layers
from rtl.systolic import Systolic, run_systolic
from rtl.timing import compute_cycles, predict

BEGIN, END = "<!-- agreement -->", "<!-- /agreement -->"
DESIGNS = (Design(4, 4, 4), Design(3, 2, 5), Design(1, 4, 2), Design(7, 1, 3))
MACHINES = (Systolic(4, 4), Systolic(3, 5), Systolic(8, 2), Systolic(1, 4))
N_LAYERS = 12  # of each design
COMMAND = "cd hardware && python -m rtl.agreement"


def _jobs(design: Design, count: int) -> list[Job]:
    rng, jobs = np.random.default_rng([11, design.pox]), list[Job]()
    while len(jobs) < count:
        layer = random_layer(rng, largest=10)
        rows = min(layer.out_h, design.poy * int(rng.integers(1, 4)))
        units = min(channel_units(layer), design.pof * int(rng.integers(1, 4)))
        tiling = Tiling(rows, units, bool(rng.integers(2)))
        if fits(layer, tiling, design):
            rate = float(rng.choice([0.5, 1, 2, 8]))
            operands = random_tensors(rng, layer, design.bits)
            jobs.append(Job(layer, operands, tiling, int(rng.integers(1, 40)), rate))
    return jobs


def _array_row(design: Design, folder: Path) -> str:
    jobs = _jobs(design, N_LAYERS)
    outcomes = run_layers(jobs, design, folder / "run", folder)
    pairs = list(zip(jobs, outcomes, strict=True))
    values = sum(
        np.array_equal(o.output, reference(j.layer, j.operands, design.bits)) for j, o in pairs
    )
    cycles = sum(o.compute == sum(compute_cycles(j, design)) for j, o in pairs)
    errors = [abs(predict(j, design).total / o.total - 1) for j, o in pairs]
    name = f"output-stationary {design.pox}x{design.poy}x{design.pof}"
    return _row(name, len(jobs), values, cycles, f"{100 * max(errors):.1f} %")


def _systolic_row(machine: Systolic, folder: Path) -> str:
    rng, values, cycles = np.random.default_rng([12, machine.rows]), 0, 0
    for _ in range(N_LAYERS):
        layer = random_layer(rng, largest=9)
        operands = random_tensors(rng, layer, machine.bits)
        outcome = run_systolic(machine, layer, operands, folder)
        values += np.array_equal(outcome.output, reference(layer, operands, machine.bits))
        cycles += outcome.compute == _folds(machine, layer)
    name = f"weight-stationary {machine.rows}x{machine.columns}"
    return _row(name, N_LAYERS, values, cycles, "no memory port")


def _folds(machine: Systolic, layer: Conv) -> int:
    """``c(K, R) c(F, C) (px + 2R + C - 2)``, a group at a time."""
    folds = ceil_div(layer.depth, machine.rows) * ceil_div(layer.of_g, machine.columns)
    fold = layer.out_h * layer.out_w + 2 * machine.rows + machine.columns - 2
    return layer.groups * folds * fold


def _row(name: str, count: int, values: int, cycles: int, latency: str) -> str:
    return f"| {name} | {count} | {values} | {cycles} | {latency} |"


def table() -> str:
    """Simulate and return the table in Markdown."""
    head = "| machine | layers | values exact | compute cycles exact | worst latency error |"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [_array_row(design, folder) for design in DESIGNS]
        rows += [_systolic_row(machine, folder) for machine in MACHINES]
    return "\n".join([head, "|---|---|---|---|---|", *rows, "", f"Made by `{COMMAND}`."])


if __name__ == "__main__":
    page = ROOT / "README.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
