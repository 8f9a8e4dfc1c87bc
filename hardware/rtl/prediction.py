"""Latency of a simulated layer, predicted by `cgap_hw.arrays.lock_step` for its tiles."""

from __future__ import annotations

from cgap_hw.arrays.lock_step import Machine, Port, Sizes, Timeline, timeline
from rtl.driver import Design
from rtl.layers import Conv
from rtl.simulator import RATE_UNIT, Job


def machine(design: Design) -> Machine:
    """Return the array as the cost model describes it."""
    depths = (design.in_depth, design.wt_depth, design.out_depth, design.par_depth)
    return Machine(design.pox, design.poy, design.pof, *depths, design.bits // 8)


def sizes(layer: Conv) -> Sizes:
    """Return the layer as the cost model describes it."""
    maps = (layer.in_w, layer.in_h, layer.out_w, layer.out_h)
    window = (layer.k_w, layer.k_h, layer.s_w, layer.s_h, layer.pad_h)
    return Sizes(layer.n_in, layer.n_out, *maps, *window, layer.groups)


def predict(job: Job, design: Design) -> Timeline:
    """Return the latency of a layer and the busy cycles of its parts."""
    rate = round(job.bytes_per_cycle * RATE_UNIT) / RATE_UNIT  # as the stub counts it
    port = Port(rate, job.latency)
    return timeline(sizes(job.layer), job.tiles, machine(design), port)
