"""Forward transfer: measured where one head answers for all tasks, and nothing else changes."""

import pytest
import torch
from avalanche.evaluation.metrics import forward_transfer_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin

from cgap_bench.errors import DivergedError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import RunConfig, Scenario
from cgap_bench.record.record import AHEAD
from cgap_bench.run.experiences import Run
from cgap_bench.run.results import Results
from cgap_bench.show.derive import forward_transfer

ONE_HEAD = [name for name in METHODS.names() if Scenario.DOMAIN in METHODS[name].scenarios]
WAITS = "joint"  # it has no network before the last experience


@pytest.mark.every_method
@pytest.mark.parametrize("name", ONE_HEAD)
def test_it_is_measured_for_every_method_and_the_run_is_the_same(name, tiny, run, monkeypatch):
    """Same bits of all else: no random number is drawn, no statistic or mode is moved."""
    record = run(tiny(name, scenario=Scenario.DOMAIN))
    untrained, before = (getattr(record, part) for part in AHEAD)
    assert len(untrained) == len(before) == 2
    assert (None in untrained, None in before) == (name == WAITS, name == WAITS)
    assert untrained[0] == before[0]
    if name != WAITS:
        assert all(0 <= value <= 1 for value in (*untrained, *before))
        assert forward_transfer(record) == before[1] - untrained[1]

    monkeypatch.setattr(Results, "measure_untrained", lambda *_: None)
    without = run(tiny(name, scenario=Scenario.DOMAIN))
    assert without.accuracy_untrained == without.accuracy_before == []
    assert without == record  # records that lack it are compared by all else


@pytest.mark.parametrize("scenario", [Scenario.TASK, Scenario.CLASS])
@pytest.mark.parametrize("name", ["fixed", "cgap"])
def test_elsewhere_a_task_cannot_be_asked_for_before_it_is_learnt(name, scenario, tiny, run):
    record = run(tiny(name, scenario=scenario))
    assert record.accuracy_untrained == record.accuracy_before == []


def in_three(config):
    """In three experiences of two classes."""
    content = config.model_dump(mode="json")
    content["stream"] |= {"n_experiences": 5, "first": 3, "n_train_per_class": 100}
    return RunConfig.model_validate(content)


@pytest.mark.parametrize("name", ["fixed", "ewc", "cgap", "replay"])
def test_it_is_avalanches(name, tiny, run):
    config = in_three(tiny(name, scenario=Scenario.DOMAIN))
    record = run(config)
    gains = [
        before - untrained
        for before, untrained in zip(record.accuracy_before, record.accuracy_untrained)
    ]
    assert any(gains[1:])

    theirs = Run(config, data_root())
    strategy = theirs.learner.strategy
    asked = forward_transfer_metrics(experience=True, stream=True)
    evaluator = EvaluationPlugin(asked, loggers=[BaseLogger()])
    strategy.plugins[strategy.plugins.index(strategy.evaluator)] = evaluator
    strategy.evaluator = evaluator
    strategy.eval_every = 0  # asserted by the metric; here the stream is evaluated by hand
    scored = theirs.context.stream.benchmark.test_stream

    def evaluated():
        with torch.random.fork_rng([]):  # modules that are made to be evaluated draw weights
            return strategy.eval(scored)

    evaluated()  # at random initialisation
    for _ in range(3):
        theirs.step()
        told = evaluated()
    assert theirs.record() == record
    (mean,) = (value for key, value in told.items() if key.startswith("StreamForward"))
    assert forward_transfer(record) == pytest.approx(mean, abs=1e-12)
    each = [asked[0].forward_transfer.result_key(j) for j in (1, 2)]
    assert gains[1:] == pytest.approx(each, abs=1e-12)


def test_modes_and_generators_are_left_as_they_were(tiny):
    run = Run(tiny("cgap", scenario=Scenario.DOMAIN), data_root())
    model = run.learner.strategy.model
    modes, drawn = [m.training for m in model.modules()], torch.get_rng_state()
    state = {
        name: value.clone()
        for name, value in model.state_dict().items()
        if "_extra" not in name
    }
    run.results.measure_untrained(run.learner)
    assert None not in run.results.rows["accuracy_untrained"]
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in state.items())


def test_outputs_that_are_no_numbers_ahead_do_not_end_a_run(tiny, monkeypatch):
    run = Run(tiny("fixed", scenario=Scenario.DOMAIN), data_root())
    measure = Results._accuracy

    def some(self, network, task):
        if len(self.accuracy) < task:
            raise DivergedError
        return measure(self, network, task)

    monkeypatch.setattr(Results, "_accuracy", some)
    for _ in range(2):
        run.step()
    record = run.record()
    assert record.outcome is None
    assert record.accuracy_untrained[1] is record.accuracy_before[1] is None
    assert record.accuracy_before[0] is not None
