"""What `cgap_hw` charges for a layer, beside what its simulation gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cgap_hw import Board, LayerShape, NetworkCost, load_board, network_cost
from cgap_hw.arrays import Controller, OutputStationary
from cgap_hw.arrays import Systolic as SystolicModel
from cgap_hw.arrays.controller import TiledTraffic
from cgap_hw.arrays.lock_step import Tiles
from cgap_hw.chips.values import Mark, Sourced
from cgap_hw.layers.table import LayerTable
from rtl.driver import Design, channel_units, fits
from rtl.layers import Conv, random_layer, random_tensors, reference
from rtl.prediction import predict
from rtl.simulator import Job, Outcome
from rtl.systolic import Systolic

CLOCK_MHZ = 100.0  # only scales cycles to time
TOLERANCE = 0.03  # of the latency of a layer
CLOSE = 1.05  # parts nearer than this to the longest may be named in its place
LONGEST = 20_000  # cycles of a random layer; longer ones only cost time
RATES = (0.25, 0.5, 0.75, 1.0, 1.3, 2.0, 3.0, 8.0)  # bytes a cycle, starved to ample


def shape_of(layer: Conv) -> LayerShape:
    """Return the layer as the cost model is given it; a row under one kernel is linear."""
    if layer == Conv.linear(layer.in_w, layer.n_out):
        return LayerShape(name="layer", kind="linear", n_in=layer.in_w, n_out=layer.n_out)
    return LayerShape(
        name="layer",
        kind="conv",
        n_in=layer.n_in,
        n_out=layer.n_out,
        in_h=layer.in_h,
        in_w=layer.in_w,
        out_h=layer.out_h,
        out_w=layer.out_w,
        kernel_h=layer.k_h,
        kernel_w=layer.k_w,
        stride_h=layer.s_h,
        stride_w=layer.s_w,
        padding_h=layer.pad_h,
        padding_w=layer.pad_w,
        groups=layer.groups,
    )


def array_of(design: Design, latency: int = 20) -> OutputStationary:
    """Return the array of the cost model that the machine is held against."""
    controller = Controller(
        pixel_words=design.in_depth,
        weight_words=design.wt_depth,
        output_words=design.out_depth,
        channel_blocks=design.par_depth,
        latency_cycles=latency,
    )
    return OutputStationary(
        clock_mhz=CLOCK_MHZ,
        source="hardware/rtl",
        layer_overhead_ns=0,
        pox=design.pox,
        poy=design.poy,
        pof=design.pof,
        controller=controller,
    )


def design_of(array: OutputStationary, bits: int = 8) -> Design:
    """Return the machine that an array of the cost model with a controller stands for."""
    control = array.controller
    if control is None:
        raise TypeError("the array has no controller")
    depths = (control.pixel_words, control.weight_words, control.output_words)
    sums = 32 if bits == 8 else 48
    return Design(array.pox, array.poy, array.pof, bits, sums, *depths, control.channel_blocks)


def array_cycles(layer: Conv, design: Design) -> float:
    """Return the compute cycles that `cgap_hw` charges the output-stationary array."""
    return float(array_of(design).mac_cycles(LayerTable.of([shape_of(layer)]))[0])


def systolic_cycles(layer: Conv, machine: Systolic) -> float:
    """Return the compute cycles that `cgap_hw` charges the weight-stationary machine."""
    model = SystolicModel(
        clock_mhz=CLOCK_MHZ, source="hardware/rtl", rows=machine.rows, columns=machine.columns
    )
    return float(model.mac_cycles(LayerTable.of([shape_of(layer)]))[0])


def board_of(bytes_per_cycle: float) -> Board:
    """Return a board whose memory moves so many bytes a cycle of the array."""
    board = load_board("pynq-z2")
    gbps = bytes_per_cycle * CLOCK_MHZ / 1e3
    update = {
        "bandwidth_gbps": _exact(gbps),
        "efficiency_ratio": _exact(1.0),
    }
    return board.model_copy(update={"dram": board.dram.model_copy(update=update)})


def _exact(value: float) -> Sourced:
    source = "hardware/rtl/bench/dram_stub.sv"
    return Sourced(low=value, mid=value, high=value, mark=Mark.EXACT, source=source)


def price(job: Job, design: Design) -> NetworkCost:
    """Return what `cgap-cl cost` charges for the layer at the memory of the job."""
    board, array = board_of(job.bytes_per_cycle), array_of(design, job.latency)
    return network_cost([shape_of(job.layer)], board, array, design.bits)


def tiles_of(cost: NetworkCost) -> list[Tiles]:
    """Return the tiles that a price was worked out for, of convolutions and linear layers."""
    moved = cost.moved
    if not isinstance(moved, TiledTraffic):
        raise TypeError("the array has no controller")
    return [run.tiles for run in moved.runs_by_layer if run]


def random_jobs(design: Design, seed: int, count: int) -> list[Job]:
    """Draw layers that fit, with tiles and memories at random."""
    rng, jobs = np.random.default_rng([7, seed, design.pox]), list[Job]()
    while len(jobs) < count:
        layer = random_layer(rng, largest=10)
        rows = min(layer.out_h, design.poy * int(rng.integers(1, 4)))
        units = min(channel_units(layer), design.pof * int(rng.integers(1, 4)))
        tiles = Tiles(rows, units, bool(rng.integers(2)))
        if fits(layer, tiles, design):
            operands = random_tensors(rng, layer, design.bits)
            rate, latency = float(rng.choice(RATES)), int(rng.integers(1, 60))
            job = Job(layer, operands, tiles, latency, rate)
            if predict(job, design).total < LONGEST:
                jobs.append(job)
    return jobs


def priced_jobs(design: Design, seed: int, count: int) -> list[Job]:
    """Draw layers as `random_jobs`, with the tiles that `cgap-cl cost` chooses."""
    return [
        Job(
            job.layer,
            job.operands,
            tiles_of(price(job, design))[0],
            job.latency,
            job.bytes_per_cycle,
        )
        for job in random_jobs(design, seed, count)
    ]


@dataclass(frozen=True)
class Agreement:
    """How a simulated layer compares with what was predicted for it."""

    layer: Conv
    values: bool
    cycles: bool
    latency_error: float
    bound: bool

    @property
    def holds(self) -> bool:
        """Values and compute cycles exact, the latency close, the bound named rightly."""
        return self.values and self.cycles and self.latency_error < TOLERANCE and self.bound


def compare(job: Job, outcome: Outcome, design: Design) -> Agreement:
    """Compare a simulated layer with the integer reference and with the cost model."""
    expected = reference(job.layer, job.operands, design.bits)
    predicted = predict(job, design)
    counted = outcome.compute == predicted.compute == array_cycles(job.layer, design)
    return Agreement(
        job.layer,
        bool(np.array_equal(outcome.output, expected)),
        counted,
        abs(predicted.total / outcome.total - 1),
        _named_rightly(predicted.bound, outcome),
    )


def compare_price(job: Job, outcome: Outcome, design: Design) -> Agreement:
    """Compare a layer simulated with the tiles of its price with that price."""
    exact, (layer,) = compare(job, outcome, design), price(job, design).layers
    latency = layer.latency_ns * CLOCK_MHZ / 1e3
    rest = outcome.total - max(outcome.compute, sum(_port(outcome).values()))
    return Agreement(
        job.layer,
        exact.values,
        exact.cycles and layer.cycles == outcome.compute,
        abs(latency / outcome.total - 1),
        _named_rightly(layer.bound, outcome, {"overhead": rest}),
    )


def disagreements(agreements: Sequence[Agreement]) -> list[Agreement]:
    """Return the layers that do not agree."""
    return [agreement for agreement in agreements if not agreement.holds]


def _port(outcome: Outcome) -> dict[str, int]:
    return {"input": outcome.pixels, "weight": outcome.weights, "output": outcome.store}


def _named_rightly(bound: str, outcome: Outcome, others: dict[str, int] | None = None) -> bool:
    """Whether it is the longest part: compute, another, or the port with its largest user."""
    port = _port(outcome)
    parts = {"compute": outcome.compute, "port": sum(port.values()), **(others or {})}
    part = "port" if bound in port else bound
    longest = CLOSE * parts[part] >= max(parts.values())
    return longest and (part != "port" or CLOSE * port[bound] >= max(port.values()))
