"""The output-stationary machine against integers and against the cycles of the cost model."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from cgap_hw import LayerShape
from cgap_hw.arrays import OutputStationary
from cgap_hw.table import LayerTable
from rtl import simulator
from rtl.driver import Design, Tiling, channel_units, fits
from rtl.layers import Conv, random_layer, random_tensors, reference
from rtl.simulator import HOW, Job, available, run_layers
from rtl.timing import compute_cycles, predict

pytestmark = pytest.mark.skipif(not available(), reason=HOW)

DESIGNS = (
    Design(4, 4, 4),
    Design(3, 2, 5),
    Design(1, 4, 2),
    Design(7, 1, 3),
    Design(2, 2, 2, 16, 48),
)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("build")


def model_cycles(layer, design):
    """What `cgap_hw` charges; a pass takes at least POY steps, in which its rows leave."""
    shape = LayerShape(
        name="layer", kind="conv", n_in=layer.n_in, n_out=layer.n_out, in_h=layer.in_h,
        in_w=layer.in_w, out_h=layer.out_h, out_w=layer.out_w, kernel_h=layer.k_h,
        kernel_w=layer.k_w, stride_h=layer.s_h, stride_w=layer.s_w, padding_h=layer.pad_h,
        padding_w=layer.pad_w, groups=layer.groups,
    )  # fmt: skip
    array = OutputStationary(
        clock_mhz=100, source="test", pox=design.pox, poy=design.poy, pof=design.pof
    )
    (cycles,) = array.mac_cycles(LayerTable.of([shape]))
    return cycles / layer.depth * max(layer.depth, design.poy)


def random_jobs(design, seed, count):
    rng = np.random.default_rng([7, seed])
    jobs = []
    while len(jobs) < count:
        layer = random_layer(rng, largest=10)
        rows = min(layer.out_h, design.poy * int(rng.integers(1, 4)))
        units = min(channel_units(layer), design.pof * int(rng.integers(1, 4)))
        tiling = Tiling(rows, units, bool(rng.integers(2)))
        if fits(layer, tiling, design):
            operands = random_tensors(rng, layer, design.bits)
            rate = float(rng.choice([0.5, 2, 8]))
            jobs.append(Job(layer, operands, tiling, int(rng.integers(1, 40)), rate))
    return jobs


def differences(jobs, design, folder, build):
    """Jobs whose values or cycles are not exact."""
    wrong = []
    for job, outcome in zip(jobs, run_layers(jobs, design, folder, build), strict=True):
        same = np.array_equal(outcome.output, reference(job.layer, job.operands, design.bits))
        cycles = model_cycles(job.layer, design)
        if not same or outcome.compute != cycles or sum(compute_cycles(job, design)) != cycles:
            wrong.append((job.layer, job.tiling, same, outcome.compute, cycles))
    return wrong


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_random_layers_are_exact(design, tmp_path, build):
    assert differences(random_jobs(design, 0, 4), design, tmp_path, build) == []


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_many_random_layers_are_exact(design, tmp_path, build):
    assert differences(random_jobs(design, 1, 40), design, tmp_path, build) == []


LAYERS = {
    "conv": (Conv(8, 16, 12, 12, 3, 3, 1, 1, 1, 1), Tiling(8, 8)),
    "pointwise": (Conv(16, 8, 10, 10, 1, 1), Tiling(8, 8)),
    "depthwise": (Conv(8, 8, 14, 14, 3, 3, 2, 2, 1, 1, groups=8), Tiling(7, 8)),
    "linear": (Conv.linear(200, 20), Tiling(1, 8)),
    "channels outer": (Conv(6, 24, 9, 9, 5, 5, 1, 1, 2, 2), Tiling(4, 8, rows_outer=False)),
}


def check_memory(rates, latencies, folder, build):
    """Within 3 % in all, and the right name wherever two parts are 5 % apart."""
    rng, design = np.random.default_rng(3), Design()
    jobs = [
        Job(layer, random_tensors(rng, layer), tiling, latency, rate)
        for layer, tiling in LAYERS.values()
        for rate in rates
        for latency in latencies
    ]
    bounds = set()
    for job, outcome in zip(jobs, run_layers(jobs, design, folder, build), strict=True):
        predicted = predict(job, design)
        assert abs(predicted.total / outcome.total - 1) < 0.03, (job.layer, job.bytes_per_cycle)
        port = {"input": outcome.pixels, "weight": outcome.weights, "output": outcome.store}
        measured = (
            "compute" if outcome.compute >= sum(port.values()) else max(port, key=port.get)
        )
        rivals = sorted(port.values())[-2:]
        if measured == "compute" or rivals[1] > 1.05 * rivals[0]:
            assert predicted.bound == measured
        bounds.add(predicted.bound)
    assert bounds >= {"compute", "input", "weight"}


def test_latency_and_bound_from_starved_to_ample(tmp_path, build):
    check_memory((0.5, 4.0), (20,), tmp_path, build)


@pytest.mark.slow
def test_latency_and_bound_at_many_bandwidths(tmp_path, build):
    check_memory((0.25, 0.5, 1.0, 2.0, 4.0), (5, 40), tmp_path, build)


MUTATIONS = {
    "kernel column": ("tile_loop.sv", "kx == cfg.k_w - 16'd1", "kx == cfg.k_w"),
    "input channel": ("tile_loop.sv", "c == cfg.if_g - 16'd1", "c == cfg.if_g - 16'd2"),
    "row group": ("tile_loop.sv", "rows <= 16'(POY)", "rows <= 16'(POY + 1)"),
    "rounding": ("requant.sv", "shift - 6'd1", "shift"),
}


def seen(jobs, folder, build):
    """Whether results differ, are left unwritten, or the machine hangs."""
    try:
        return differences(jobs, Design(), folder, build) != []
    except (RuntimeError, subprocess.TimeoutExpired):
        return True


@pytest.mark.parametrize("name", MUTATIONS)
def test_an_off_by_one_in_the_machine_is_seen(name, tmp_path, build, monkeypatch):
    """The same check as above, on a copy of the sources with one wrong constant."""
    file, right, wrong = MUTATIONS[name]
    for folder in ("array", "bench"):
        (tmp_path / folder).mkdir()
        for source in (simulator.ROOT / folder).glob("*.sv"):
            (tmp_path / folder / source.name).write_text(source.read_text())
    mutated = tmp_path / "array" / file
    assert right in mutated.read_text()
    mutated.write_text(mutated.read_text().replace(right, wrong))
    monkeypatch.setattr(simulator, "ROOT", Path(tmp_path))
    monkeypatch.setattr(simulator, "LIMIT_S", 5)
    layer = Conv(3, 5, 5, 5, 3, 3, 1, 1, 1, 1)
    operands = random_tensors(np.random.default_rng(0), layer)
    jobs = [Job(layer, operands, Tiling(5, 5))]
    assert seen(jobs, tmp_path / "run", build)


def test_an_off_by_one_in_the_model_is_seen(tmp_path, build, monkeypatch):
    def one_more(self, table):
        return exact(self, table) + 1

    exact = OutputStationary.mac_cycles
    monkeypatch.setattr(OutputStationary, "mac_cycles", one_more)
    jobs = random_jobs(Design(), 2, 1)
    assert len(differences(jobs, Design(), tmp_path, build)) == 1
