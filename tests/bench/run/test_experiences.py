"""Contract of one run: every method trains two experiences and leaves a full record."""

import random

import numpy as np
import pytest
import torch

from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import Norm
from cgap_bench.run.experiences import Run


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
    """Five classes: chance is 0.2; two epochs suffice for far more on the last experience."""
    longer = run(tiny(name, epochs=6))
    assert longer.accuracy[1][1] > 0.5


@pytest.mark.every_method
@pytest.mark.parametrize("name", METHODS.names())
def test_same_seed_gives_an_equal_record_and_another_seed_another(records, name, tiny, run):
    assert run(tiny(name)) == records[name]
    assert run(tiny(name, seed=1)) != records[name]


def test_progress_counts_every_training_image_of_every_epoch(tiny, run):
    seen = []
    run(tiny("fixed"), seen.append)
    assert seen == [95, 95, 95, 95]  # 100 images an experience, 5 held out, two epochs each
    seen.clear()
    run(tiny("joint"), seen.append)
    assert seen == [190, 190]


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
