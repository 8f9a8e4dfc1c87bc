"""Simulate random layers on both machines and write the table of agreement into README.md."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from rtl.comparison import (
    Agreement,
    compare,
    compare_price,
    priced_jobs,
    random_jobs,
    systolic_cycles,
)
from rtl.driver import Design
from rtl.layers import random_layer, random_tensors, reference
from rtl.page import markdown, rewrite, row
from rtl.simulator import run_layers
from rtl.systolic import Systolic, run_systolic

DESIGNS = (
    Design(4, 4, 4),
    Design(3, 2, 5),
    Design(1, 4, 2),
    Design(7, 1, 3),
    Design(2, 2, 2, 16, 48),
)
MACHINES = (
    Systolic(4, 4),
    Systolic(3, 5),
    Systolic(8, 2),
    Systolic(1, 4),
    Systolic(5, 1, 16, 48),
)
N_LAYERS = 40  # of each size
N_PRICED = 20  # of each size, with the tiles of `cgap-cl cost`
SEED = 100
COMMAND = "cd hardware && python -m rtl.agreement"
HEAD = (
    "machine",
    "bits",
    "layers",
    "values exact",
    "compute cycles exact",
    "bound right",
    "worst latency error",
)


def _array_rows(design: Design, folder: Path) -> list[str]:
    name = f"output-stationary {design.pox}x{design.poy}x{design.pof}"
    jobs = random_jobs(design, SEED, N_LAYERS)
    priced = priced_jobs(design, SEED + 1, N_PRICED)
    outcomes = run_layers([*jobs, *priced], design, folder / "run", folder)
    drawn = [compare(*pair, design) for pair in zip(jobs, outcomes, strict=False)]
    prices = [
        compare_price(*pair, design) for pair in zip(priced, outcomes[len(jobs) :], strict=True)
    ]
    return [
        _array_row(f"{name}, tiles at random", design.bits, drawn),
        _array_row(f"{name}, tiles of `cgap-cl cost`", design.bits, prices),
    ]


def _array_row(name: str, bits: int, agreements: list[Agreement]) -> str:
    worst = max(agreement.latency_error for agreement in agreements)
    counts = (
        len(agreements),
        sum(agreement.values for agreement in agreements),
        sum(agreement.cycles for agreement in agreements),
        sum(agreement.bound for agreement in agreements),
    )
    return row(name, bits, *counts, f"{100 * worst:.2f} %")


def _systolic_row(machine: Systolic, folder: Path) -> str:
    rng, values, cycles = np.random.default_rng([SEED, machine.rows]), 0, 0
    for _ in range(N_LAYERS):
        layer = random_layer(rng, largest=9)
        operands = random_tensors(rng, layer, machine.bits)
        outcome = run_systolic(machine, layer, operands, folder)
        values += np.array_equal(outcome.output, reference(layer, operands, machine.bits))
        cycles += outcome.compute == systolic_cycles(layer, machine)
    name = f"weight-stationary {machine.rows}x{machine.columns}"
    return row(name, machine.bits, N_LAYERS, values, cycles, "", "no memory port")


def table() -> str:
    """Simulate and return the table in Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [line for design in DESIGNS for line in _array_rows(design, folder)]
        rows += [_systolic_row(machine, folder) for machine in MACHINES]
    return markdown(HEAD, [*rows, "", f"Made by `{COMMAND}`."])


if __name__ == "__main__":
    rewrite("agreement", table())
