"""The output-stationary machine against integers and against what the cost model charges."""

import itertools

import numpy as np
import pytest

from cgap_hw.arrays import lock_step
from cgap_hw.arrays.lock_step import Tiles
from rtl.agreement import DESIGNS
from rtl.comparison import compare, compare_price, disagreements, priced_jobs, random_jobs
from rtl.driver import Design, fits
from rtl.layers import Conv, random_layer, random_tensors, reference
from rtl.prediction import machine, predict, sizes
from rtl.simulator import HOW, Job, Outcome, available, run_layers

simulated = pytest.mark.skipif(not available(), reason=HOW)
designs = pytest.mark.parametrize("design", DESIGNS, ids=str)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("build")


def wrong(jobs, design, folder, build, check=compare):
    """Layers whose values, cycles, bound or latency (within 3 %) are not as predicted."""
    outcomes = run_layers(jobs, design, folder, build)
    assert len(outcomes) == len(jobs)
    pairs = zip(jobs, outcomes, strict=True)
    return disagreements([check(job, outcome, design) for job, outcome in pairs])


@simulated
@designs
def test_random_layers_are_exact(design, tmp_path, build):
    assert wrong(random_jobs(design, 0, 4), design, tmp_path, build) == []


@simulated
@pytest.mark.slow
@designs
def test_many_random_layers_are_exact(design, tmp_path, build):
    """200 layers over the five sizes."""
    assert wrong(random_jobs(design, 1, 40), design, tmp_path, build) == []


@simulated
@designs
def test_layers_take_what_cgap_cl_cost_says(design, tmp_path, build):
    """Simulated with the tiles that the price was worked out for."""
    assert wrong(priced_jobs(design, 2, 2), design, tmp_path, build, compare_price) == []


@simulated
@pytest.mark.slow
@designs
def test_many_layers_take_what_cgap_cl_cost_says(design, tmp_path, build):
    """200 layers over the five sizes."""
    assert wrong(priced_jobs(design, 3, 40), design, tmp_path, build, compare_price) == []


LAYERS = {
    "conv": (Conv(8, 16, 12, 12, 3, 3, 1, 1, 1, 1), Tiles(8, 8)),
    "pointwise": (Conv(16, 8, 10, 10, 1, 1), Tiles(8, 8)),
    "depthwise": (Conv(8, 8, 14, 14, 3, 3, 2, 2, 1, 1, groups=8), Tiles(7, 8)),
    "linear": (Conv.linear(200, 20), Tiles(1, 8)),
    "channels outer": (Conv(6, 24, 9, 9, 5, 5, 1, 1, 2, 2), Tiles(4, 8, rows_outer=False)),
    "many outputs": (Conv(1, 16, 16, 16, 1, 1), Tiles(8, 8)),
}


def memory_jobs(rates, latencies):
    rng = np.random.default_rng(3)
    return [
        Job(layer, random_tensors(rng, layer), tiles, latency, rate)
        for (layer, tiles), rate, latency in itertools.product(
            LAYERS.values(), rates, latencies
        )
    ]


@simulated
def test_latency_and_bound_from_starved_to_ample(tmp_path, build):
    jobs = memory_jobs((0.5, 4.0), (20,))
    assert wrong(jobs, Design(), tmp_path, build) == []
    bounds = {predict(job, Design()).bound for job in jobs}
    assert bounds == {"compute", "input", "weight", "output"}


@simulated
@pytest.mark.slow
def test_latency_and_bound_at_many_bandwidths(tmp_path, build):
    jobs = memory_jobs((0.25, 0.5, 0.7, 1.0, 1.3, 2.0, 3.0, 4.0), (5, 40))
    assert wrong(jobs, Design(), tmp_path, build) == []


def test_a_loose_timeline_is_not_called_close():
    """The comparison itself: 3 % off, one cycle off, or another bound does not hold."""
    job = memory_jobs((0.5,), (20,))[0]
    exact = predict(job, Design())
    assert compare(job, run_like(job, exact), Design()).holds
    assert not compare(job, run_like(job, exact, total=1.04 * exact.total), Design()).holds
    assert not compare(job, run_like(job, exact, compute=exact.compute + 1), Design()).cycles
    assert not compare(job, run_like(job, exact, pixels=10 * exact.total), Design()).bound


def run_like(job, line, **other):
    """An outcome that takes what a timeline says, but for some of its counters."""
    counts = {
        "total": round(line.total),
        "compute": line.compute,
        "core": line.compute,
        "pixels": line.pixels,
        "weights": line.weights,
        "store": line.store,
    }
    return Outcome(reference(job.layer, job.operands), **(counts | other))


@designs
def test_driver_and_cost_model_agree_on_what_fits(design):
    """The driver adds up the words that it writes; the cost model has its own formula."""
    rng, seen = np.random.default_rng(5), set()
    for _ in range(300):
        layer = random_layer(rng, largest=24)
        tiles = Tiles(int(rng.integers(1, layer.out_h + 1)), int(rng.integers(1, 30)))
        both = fits(layer, tiles, design)
        assert both == lock_step.fits(sizes(layer), tiles, machine(design)), (layer, tiles)
        seen.add(both)
    assert seen == {True, False}
