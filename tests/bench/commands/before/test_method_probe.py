"""What a method does in a step and beside its steps is in the forecast; no time is real."""

import random

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin

from cgap_bench.commands.before import short_loops
from cgap_bench.commands.before.column_probe import column_costs
from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.commands.before.method_probe import assumed_reference, probed_training
from cgap_bench.commands.before.noise import MOST, noise_stream
from cgap_bench.commands.before.probe import Work
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS, Method, NoSettings
from cgap_bench.learn.methods.fixed import SharedNetwork
from cgap_bench.learn.methods.penalties import sensitivity
from cgap_bench.learn.training_macs import CountingMode
from cgap_bench.record.configuration import Scenario
from cgap_bench.run.experiences import Run, train
from cgap_bench.run.jobs import jobs_of
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.reference import reference_of as sizes_of
from cgap_bench.run.resolver import resolve

WORK = Work(5 * 6400, 100, (1, 8, 8), 2, 5)  # 200 batches an experience
APART = ("cgap", "fixed-pruned", "joint")
PROBED = [
    # the run cuts a network in hundreds of steps
    pytest.param(name, marks=pytest.mark.slow) if name.startswith("pruned") else name
    for name in METHODS.names()
    if name not in APART
]
SHORT = ("training.epochs=2", "training.batch_size=16")
REMEMBER = ("replay", "agem", "gem", "der++", "icarl")


def configs(*overrides, preset="quick"):
    name, recipe = load_recipe("split-digits")
    return resolve(name, recipe, preset, overrides).config


def training_seconds(config, work, reference):
    return probed_training(config, work, reference).seconds_in(config.training.epochs)


def reference_of(sized_by, work):
    return assumed_reference(sized_by, column_costs(sized_by, work), work)


class Slow(SupervisedPlugin):
    """Time passes at one event."""

    STATE = ()

    def __init__(self, event, seconds, passes) -> None:
        super().__init__()
        setattr(self, event, lambda *_, **__: passes(seconds))


class Raises(SupervisedPlugin):
    """Cannot begin."""

    STATE = ()

    def before_training_exp(self, *_, **__) -> None:
        raise RuntimeError("not here")


class OwnLoop(SharedNetwork):
    """Goes through images without anybody's loader."""

    def learn(self, experience):
        for _ in range(10**9):
            experience.dataset[0]


@pytest.fixture
def passes(monkeypatch):
    """Lets seconds pass, as many as it is called with; else none pass, loops end at once."""
    seconds = [0.0]
    monkeypatch.setattr(short_loops, "LOOP_S", 0.0)
    monkeypatch.setattr(short_loops.time, "perf_counter", lambda: seconds[0])

    def advance(by):
        seconds[0] += by

    return advance


@pytest.fixture
def own(monkeypatch):
    """Registers a method of a user's own: what builds its learner -> its configuration."""

    def add(build, *overrides):
        method = Method("", NoSettings, lambda context, _own: build(context))
        monkeypatch.setitem(METHODS._entries, "own", method)
        monkeypatch.setitem(METHODS._places, "own", METHODS._places["fixed"])
        return configs(*overrides)("own", 0)

    return add


@pytest.mark.parametrize(
    ("event", "seconds"),
    [
        ("after_backward", 0.01 * 200 * 30 * 5),  # batches, epochs, experiences
        ("before_training_iteration", 0.01 * 200 * 30 * 5),
        ("after_training_epoch", 0.01 * 30 * 5),
        ("before_training_exp", 0.01 * 5),
        ("after_training_exp", 0.01 * 5),
    ],
)
def test_what_a_method_does_at_any_event(event, seconds, passes, own):
    def build(context):
        return SharedNetwork(context, plugins=[Slow(event, 0.01, passes)])

    config = own(build, "training.epochs=30")
    assert training_seconds(config, WORK, None) == pytest.approx(seconds, rel=0.01)


def test_a_slow_method_has_a_long_forecast(passes, own):
    """The network's own steps take no time here: a probe of it alone would know of none."""
    quick = own(SharedNetwork)
    (job,) = jobs_of(lambda *_: quick, ["own"], [0])
    assert Forecast(data_root(), lambda _job: None).seconds(job) == 0

    slow = own(
        lambda context: SharedNetwork(context, plugins=[Slow("after_update", 1, passes)])
    )
    (job,) = jobs_of(lambda *_: slow, ["own"], [0])
    forecast = Forecast(data_root(), lambda _job: None)
    batches = forecast.images(job.config) / job.config.training.batch_size
    assert forecast.seconds(job) == pytest.approx(batches, rel=0.1)


@pytest.mark.parametrize(
    ("overrides", "n"),
    [
        ((), 200),
        (("ewc.fisher_batch=1",), 6400),
        (("ewc.fisher_batch=1", "ewc.fisher_images=300"), 300),
    ],
)
def test_importances_are_as_many_passes_as_in_a_run(overrides, n, passes, monkeypatch):
    """Of all images, though the probe has fewer, or of so many as are asked for."""
    forward = sensitivity.avalanche_forward

    def slow(*inputs):
        passes(0.1)
        return forward(*inputs)

    monkeypatch.setattr(sensitivity, "avalanche_forward", slow)
    config = configs(*overrides)("ewc", 0)
    assert MOST < 6400
    assert training_seconds(config, WORK, None) == pytest.approx(5 * n * 0.1, rel=0.01)


@pytest.mark.every_method
@pytest.mark.parametrize("method", PROBED)
def test_the_forecast_is_what_a_run_takes(method, monkeypatch):
    """Time is multiply-adds: of all that torch computes, whoever asks; 0.02 s or so a batch."""
    scenario = Scenario.TASK if Scenario.TASK in METHODS[method].scenarios else Scenario.DOMAIN
    overrides = [f"stream.scenario={scenario}", "stream.n_train_per_class=35", *SHORT]
    if method in REMEMBER:
        overrides.append(f"{method}.memory=40")
    (*_, job) = jobs_of(configs(*overrides), [method], [0])
    config, sized_by = job.config, job.sized_by
    work = Forecast(data_root(), lambda _job: None).work(config)
    reference = None if sized_by is None else reference_of(sized_by, work)

    mode = CountingMode()
    monkeypatch.setattr(short_loops.time, "perf_counter", lambda: 5e-9 * mode.macs)
    monkeypatch.setattr(short_loops, "PATIENCE_S", 1e9)
    with mode:
        told = training_seconds(config, work, reference)
        run = Run(config, data_root(), reference)
        mode.macs = 0
        for experience in run.context.stream.benchmark.train_stream:
            run.learner.learn(experience)
    assert told == pytest.approx(5e-9 * mode.macs, rel=0.3)


@pytest.mark.parametrize(
    ("method", "words"), [("joint", "trains nothing"), ("fixed-pruned", "between batches")]
)
def test_what_short_loops_cannot_tell(method, words):
    """The plan takes it for its network, as all that cannot be probed."""
    (*_, job) = jobs_of(configs(), [method], [0])
    config, sized_by = job.config, job.sized_by
    reference = None if sized_by is None else reference_of(sized_by, WORK)
    with pytest.raises(ValueError, match=words):
        training_seconds(config, WORK, reference)


@pytest.mark.parametrize(
    "build",
    [lambda context: SharedNetwork(context, plugins=[Raises()]), OwnLoop, None],
    ids=["raises", "never ends", "cannot be built"],
)
def test_what_cannot_be_probed_is_taken_for_its_network(build, own, monkeypatch):
    monkeypatch.setattr(short_loops, "PATIENCE_S", 0.2)
    config = own(build)
    (job,) = jobs_of(lambda *_: config, ["own"], [0])
    name = "cgap_bench.commands.before.forecast.step_seconds"
    monkeypatch.setattr(name, lambda *_: (0.5, 1000))
    forecast = Forecast(data_root(), lambda _job: None)
    steps = forecast.images(config) / config.training.batch_size
    assert forecast.training_s(job) == pytest.approx(0.5 * steps)


def test_what_a_method_says_it_says_in_the_run(own, capfd):
    class Talks(SharedNetwork):
        def learn(self, experience):
            print("learning")
            super().learn(experience)

    training_seconds(own(Talks), WORK, None)
    assert not capfd.readouterr().out


def test_global_random_numbers_stay_as_they_are():
    torch.manual_seed(3)
    random.seed(3)
    before = torch.get_rng_state(), random.getstate()
    training_seconds(configs()("ewc", 0), WORK, None)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


@pytest.mark.parametrize("scenario", Scenario)
def test_noise_has_the_shape_of_a_stream(scenario):
    """As that of digits: labels, outputs, images; few of them in later experiences."""
    config = configs(f"stream.scenario={scenario}")("fixed", 0)
    forecast = Forecast(data_root(), lambda _job: None)
    work = forecast.work(config)
    noise = noise_stream(config, work, lambda _n: None)
    assert noise.n_experiences == work.n_experiences
    assert noise.n_outputs == work.n_outputs
    assert noise.input_shape == work.input_shape
    told = scenario is Scenario.TASK
    assert noise.task_labels == ((0, 1, 2, 3, 4) if told else (0,) * 5)
    first, *_, last = noise.benchmark.train_stream
    assert len(first.dataset) == pytest.approx(work.trained / 5, abs=1)
    assert len(last.dataset) == work.n_outputs
    classes = [int(y) for _, y, _ in first.dataset]
    assert sorted(set(classes)) == [0, 1]
    assert [len(held) for held in noise.heldout] == [first_held(first)] * 4 + [work.n_outputs]


def first_held(first):
    """Of 5 %."""
    return round(len(first.dataset) * 0.05 / 0.95)


@pytest.mark.parametrize(
    "overrides",
    [[], ["cgap.price=parameters", "cgap.target_price=0.1", "cgap.growth.linear_capacity=0.1"]],
    ids=["macs", "parameters"],
)
def test_what_is_sized_by_cgap_is_probed_at_the_size_of_its_run(overrides):
    (*_, job) = jobs_of(configs(*overrides), ["fixed-equal"], [0])
    work = Forecast(data_root(), lambda _job: None).work(job.sized_by)
    told = reference_of(job.sized_by, work)
    run = sizes_of(train(job.sized_by, data_root()))
    assert len(told.widths) == len(run.widths) == 5
    for mine, theirs in zip(told.widths, run.widths, strict=True):
        assert mine == pytest.approx(theirs, abs=1)
    assert told.macs == pytest.approx(run.macs, rel=0.05)
    assert told.stored == pytest.approx(run.stored, rel=0.1)
    # a layer that is shared learns nothing, which is not told here
    assert told.training_macs == pytest.approx(run.training_macs, rel=0.4)
    if not overrides:
        assert told.peak == pytest.approx(run.peak, rel=0.1)
