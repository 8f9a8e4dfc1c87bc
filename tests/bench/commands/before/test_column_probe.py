"""What a column takes: prices are those of a run, the phases are the method's own."""

import time
from itertools import pairwise

import pytest
import torch
from torch import nn

from cgap_bench.commands.before import column_probe, forecast
from cgap_bench.commands.before.column_probe import ColumnProbe, column_costs
from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.commands.before.probe import Work, step_seconds
from cgap_bench.learn.dataset import data_root
from cgap_bench.run.experiences import train
from cgap_bench.run.jobs import jobs_of
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve


def configs(*overrides, preset="quick"):
    name, recipe = load_recipe("split-digits")
    return resolve(name, recipe, preset, overrides).config


def plastic_step_seconds(config, work):
    return column_costs(config, work).step(config.training, work)


@pytest.fixture
def priced(monkeypatch):
    """A step takes as many seconds as the column costs, changes take none; the prices timed."""
    prices = []

    def step(probe, *_):
        widths = probe.network.newest.widths
        prices.append(probe.loop.price(widths))
        return prices[-1]

    monkeypatch.setattr(ColumnProbe, "_timed", step)
    monkeypatch.setattr(column_probe.time, "perf_counter", lambda: 0.0)
    return prices


def mean_price_of_a_run(history):
    """Over all iterations; a price holds until the next change."""
    steps = [(now, then) for now, then in pairwise(history) if then["kind"] != "sprout"]
    lasted = [then["iteration"] - now["iteration"] for now, then in steps]
    paid = sum(n * now["price"] for n, (now, _) in zip(lasted, steps, strict=True))
    return paid / sum(lasted)


def test_an_iteration_costs_what_it_does_on_average_in_a_run(priced):
    config = configs()("cgap", 0)
    job, *_ = jobs_of(configs(), ["cgap"], [0])
    work = Forecast(data_root(), lambda _job: None).work(config)
    step_s, parameters = plastic_step_seconds(config, work)
    record = train(config, data_root())

    assert step_s == pytest.approx(mean_price_of_a_run(record.history), rel=0.1)
    assert parameters == pytest.approx(record.stored_parameters[-1], rel=0.1)
    own = job.config.method_settings
    peak = own["target_price"] * own["peak_ratio"]
    assert priced == pytest.approx([peak, own["target_price"]] * 2, rel=0.15)


@pytest.mark.parametrize("preset", ["class-rehearsal", "domain-rehearsal"])
def test_a_label_that_returns_and_old_images(preset, monkeypatch):
    """The second experience is one of the same label, with twice the images in a batch."""
    sizes = []
    step = ColumnProbe._step

    def seen(probe, optimizer, images, label):
        sizes.append((len(images), label))
        step(probe, optimizer, images, label)

    monkeypatch.setattr(ColumnProbe, "_step", seen)
    config = configs(preset=preset)("cgap", 0)
    n = config.training.batch_size
    step_s, _ = plastic_step_seconds(config, Work(100, 100, (1, 8, 8), 10, 5))
    assert step_s > 0
    assert {label for _, label in sizes} == {0}
    assert {size for size, _ in sizes} == {column_probe.SMALL, n, 2 * n}


@pytest.mark.parametrize("probe", [column_costs, lambda *of: step_seconds(*of, 1.0)])
@pytest.mark.parametrize("order", ["contiguous", "channels-last"])
def test_images_are_in_the_order_in_memory_of_a_run(probe, order, monkeypatch):
    """Both differ by a third in time, and the plan named the wrong one for CGaP."""
    config = configs(f"training.memory_format={order}")("cgap", 0)
    seen = set()
    forward = nn.Conv2d.forward

    def spied(layer, x):
        if layer.in_channels == 3 and len(x) == config.training.batch_size:
            last = x.is_contiguous(memory_format=torch.channels_last)
            seen.add("channels-last" if last else "contiguous")
        return forward(layer, x)

    monkeypatch.setattr(nn.Conv2d, "forward", spied)
    work = Work(100, 100, (3, 8, 8), 2, 5)
    with torch.random.fork_rng():
        probe(config, work)
    assert seen == {order}


def test_no_growth_and_no_pruning_is_one_price(priced):
    overrides = ["cgap.phases.growth_events=0", "cgap.phases.pruning_steps=0"]
    config = configs(*overrides)("cgap", 0)
    step_s, _ = plastic_step_seconds(config, Work(100, 100, (1, 8, 8), 2, 1))
    assert len(priced) == 2  # the later one is none of this stream
    assert step_s == pytest.approx(priced[0])


def test_global_random_numbers_stay_as_they_are():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    plastic_step_seconds(configs()("cgap", 0), Work(100, 100, (1, 8, 8), 2, 5))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_cannot_grow_is_left_to_the_run(monkeypatch):
    """The plan is made all the same; the run says why it cannot be done."""

    def rigid(*_):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Softmax(1), nn.Linear(4, 2))

    monkeypatch.setattr(column_probe, "build_network", rigid)
    job, *_ = jobs_of(configs(), ["cgap"], [0])
    with pytest.raises(ValueError, match="Softmax"):
        plastic_step_seconds(job.config, Work(1, 1, (1, 8, 8), 2, 5))
    assert Forecast(data_root(), lambda _job: None).seconds(job) > 0


def test_methods_that_are_sized_by_cgap_are_probed_at_its_prices(monkeypatch):
    shares = []
    monkeypatch.setattr(
        forecast, "step_seconds", lambda _config, _work, share: shares.append(share) or (1, 1)
    )
    methods = ["fixed", "fixed-equal", "fixed-peak"]
    jobs = jobs_of(configs("cgap.target_price=0.3"), methods, [0])
    whole = Forecast(data_root(), lambda _job: None)
    for job in jobs:
        if job.config.method != "cgap":
            whole.seconds(job)
    assert shares == pytest.approx([1.0, 0.3, 0.42])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cgap", "fixed"])
def test_the_forecast_is_near_what_a_run_takes(method, monkeypatch):
    """In processor time: other work on the machine makes both longer, not equally so."""
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    job, *_ = jobs_of(configs(preset="standard"), [method], [0])
    told = Forecast(data_root(), lambda _job: None).seconds(job)
    timings = train(job.config, data_root()).timings
    assert 0.5 < told / sum(timings["train_s"] + timings["evaluate_s"]) < 1.5
