"""Contract of one run: every method trains two experiences and leaves a full record."""

import random

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode

from cgap_bench.errors import DivergedError, UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.telling.standing import Standing
from cgap_bench.record.configuration import Norm, StreamSettings
from cgap_bench.record.record import Outcome
from cgap_bench.run.experiences import Run
from cgap_bench.run.logs.listener import Pipe
from cgap_bench.run.stream import stream_of


@pytest.mark.every_method
@pytest.mark.parametrize("name", METHODS.names())
def test_every_method_is_the_same_on_another_device(records, name, second_device, tiny, run):
    """What it takes from the CPU it moves: CUDA would do the same, but for rounding."""
    with second_device() as device:
        record = run(tiny(name).model_copy(update={"device": device}))
    for part in ("accuracy", "accuracy_8bit", "history", "subnetworks", "extra"):
        assert getattr(record, part) == getattr(records[name], part), part


@pytest.mark.every_method
@pytest.mark.parametrize("name", METHODS.names())
def test_record_is_complete(records, name):
    record = records[name]
    assert len(record.accuracy) == 2
    assert [value is None for value in record.accuracy[1]] == [False, False]
    assert all(0 <= value <= 1 for value in record.accuracy[1])
    assert record.n_test == [178, 177]
    assert len(record.subnetworks[1]) == 2
    assert {key for row in record.subnetworks for key in row} == set(record.networks)
    assert record.stored_parameters[1] > 0
    assert (record.depends_on is not None) == METHODS[name].sized_by_cgap


@pytest.mark.every_method
@pytest.mark.parametrize("name", METHODS.names())
def test_it_learns(records, name, tiny, run):
    """Five classes: chance is 0.2; a dozen epochs suffice for far more."""
    # supsup only learns which of its fixed random weights to use
    longer = run(tiny(name, epochs=24 if name == "supsup" else 12))
    assert longer.accuracy[1][1] > 0.5


@pytest.mark.every_method
@pytest.mark.parametrize("name", METHODS.names())
def test_same_seed_gives_an_equal_record_and_another_seed_another(records, name, tiny, run):
    assert run(tiny(name)) == records[name]
    assert run(tiny(name, seed=1)) != records[name]


def test_progress_counts_every_training_image_of_every_epoch(tiny, run):
    told = []
    run(tiny("fixed"), Pipe(told.append))
    n_images = sum(what for what in told if isinstance(what, int))
    assert n_images == 4 * 95  # 100 images an experience, 5 held out, two epochs each
    told.clear()
    run(tiny("joint"), Pipe(told.append))
    assert sum(what for what in told if isinstance(what, int)) == 2 * 190


def test_it_is_told_where_training_stands(tiny, run):
    told = []
    run(tiny("cgap"), Pipe(told.append))
    first = next(what for what in told if isinstance(what, Standing))
    assert (first.experience, first.n_experiences, first.epoch, first.n_epochs) == (1, 2, 1, 2)
    assert first.loss > 0
    assert 0 <= first.accuracy <= 1
    assert set(first.widths) == {"conv1", "conv2", "linear"}
    assert all(not what.whole_epoch for what in told if isinstance(what, Standing))


def test_reduced_precision_trains(tiny, run):
    record = run(tiny("fixed", epochs=4, precision="bfloat16"))
    assert record.accuracy[1][1] > 0.4


@pytest.mark.parametrize("name", ["fixed", "ewc", "cgap"])
def test_plateau_schedule_trains(name, tiny, run):
    record = run(tiny(name, epochs=6, lr_schedule="plateau", holdout_share=0.2))
    assert record.accuracy[1][1] > 0.4


def test_batch_statistics_network_is_evaluated_by_batch(tiny, run):
    config = tiny("fixed")
    network = config.network.model_copy(update={"norm": Norm.BATCH})
    record = run(config.model_copy(update={"network": network}))
    (layers,) = record.networks.values()
    assert [layer["kind"] for layer in layers].count("elementwise") == 2


@pytest.mark.every_method
@pytest.mark.parametrize("name", [n for n in METHODS.names() if not METHODS[n].sized_by_cgap])
def test_a_run_is_made_of_steps_and_holds_all_that_its_next_batch_depends_on(
    records, tiny, name
):
    run = Run(tiny(name), data_root())
    assert run.next_experience == 0
    run.step()
    assert run.next_experience == 1
    assert run.results.accuracy == records[name].accuracy[:1]
    assert run.results.stored_parameters == records[name].stored_parameters[:1]
    assert run.learner.strategy.model is not None
    assert run.learner.strategy.optimizer.param_groups
    assert run.context.source.generator is run.learner.strategy._source.generator
    run.step()
    assert run.record() == records[name]


def test_global_generators_are_seeded_with_the_run(tiny):
    def draws(seed):
        Run(tiny("fixed", seed=seed), data_root())
        return random.random(), np.random.rand(), torch.rand(1).item()

    assert draws(0) == draws(0)
    assert all(a != b for a, b in zip(draws(0), draws(1), strict=True))


@pytest.mark.parametrize("name", ["cgap", "ewc", "packnet", "gpm", "independent"])
def test_a_run_that_diverges_says_where_and_keeps_what_was_measured(tiny, run, name):
    record = run(tiny(name, weight_decay=1e6))
    assert record.outcome is not None
    assert record.outcome.experience == len(record.accuracy) + 1 == 1
    assert record.outcome.epoch in (1, 2)
    assert record.outcome.batch
    assert record.networks == {}
    assert record == run(tiny(name, weight_decay=1e6))
    assert _get_current_dispatch_mode() is None  # nothing goes on counting


def test_what_fails_on_weights_that_are_no_numbers_is_divergence(tiny, monkeypatch):
    """Growth may see them before the loss does."""
    run = Run(tiny("fixed"), data_root())
    run.step()

    def learn(experience):
        next(run.learner.strategy.model.parameters()).data.fill_(float("nan"))
        int(float("nan"))

    monkeypatch.setattr(run.learner, "learn", learn)
    with pytest.raises(DivergedError):
        run.step()
    assert len(run.record(Outcome(experience=2)).accuracy) == 1

    def fail(experience):
        for weights in run.learner.strategy.model.parameters():
            weights.data.fill_(1.0)
        raise ValueError("a fault of the program")

    monkeypatch.setattr(run.learner, "learn", fail)
    with pytest.raises(ValueError, match="a fault of the program"):
        run.step()


def test_a_network_that_gives_no_numbers_is_not_measured(tiny):
    run = Run(tiny("fixed"), data_root())
    run.step()
    next(run.learner.strategy.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(DivergedError):
        run.results.measure(run.learner)
    assert len(run.results.accuracy) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lr_schedule": "plateau", "holdout_share": 0.004}, "rounds to none"),
        ({"holdout_share": 0.9, "n": 1}, "leaves none to train on"),
    ],
)
def test_shares_that_leave_no_image_are_told_before_training(tiny, changes, words):
    config = tiny("fixed", **{key: x for key, x in changes.items() if key != "n"})
    if "n" in changes:
        one = {"n_train_per_class": 1, "n_experiences": 10, "dataset": "digits"}
        config = config.model_copy(update={"stream": StreamSettings(**one)})
    with pytest.raises(UsageError, match=words):
        stream_of(config, data_root())
