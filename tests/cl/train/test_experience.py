"""Streams whose experiences keep labels or classes in their rows alone."""

import itertools

import pytest
import torch
from avalanche.benchmarks import (
    benchmark_with_validation_stream,
    split_online_stream,
    with_task_labels,
)
from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute
from torch.utils.data import TensorDataset

from cgap_cl import CGaPConfig, GrowthPolicy
from cgap_cl.train.experience import classes_of, task_label_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:training ended before:UserWarning", "ignore:stream generator:UserWarning"
)


class Bare:
    """An experience that is its dataset and nothing else."""

    def __init__(self, *attributes):
        y = torch.arange(6) % 3
        targets = DataAttribute(y.tolist(), "targets")
        data = TensorDataset(torch.randn(6, 2, 6, 6), y)
        self.dataset = AvalancheDataset([data], data_attributes=[targets, *attributes])


def test_labels_and_classes_of_the_rows():
    rows = Bare(DataAttribute([4] * 6, "targets_task_labels", use_in_getitem=True))
    assert task_label_of(rows) == 4
    assert classes_of(rows) == [0, 1, 2]
    mixed = Bare(DataAttribute([0, 1] * 3, "targets_task_labels", use_in_getitem=True))
    with pytest.raises(ValueError, match=r"one task label, this one has \[0, 1\]"):
        task_label_of(mixed)
    with pytest.raises(ValueError, match="with_task_labels"):
        task_label_of(Bare())


def test_streams_made_of_other_streams(network, strategy, stream):
    """One task serves without task_labels of the experience, several do not."""
    online = split_online_stream(stream.train_stream[:1], experience_size=24)
    made = benchmark_with_validation_stream(stream, validation_size=0.2)
    assert not hasattr(made.train_stream[1], "task_labels")
    host = strategy(network, train_epochs=1)
    for experience in (*online, made.train_stream[0]):
        host.train(experience)
    assert network.versions(0) == [0, 1, 2]
    with pytest.raises(ValueError, match=r"decorate the stream with .*with_task_labels"):
        host.train(made.train_stream[1])
    for experience in list(with_task_labels(made.train_stream))[1:]:
        host.train(experience)
    assert sorted(network.labels) == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:2 iterations are too few:UserWarning")
def test_an_online_stream_goes_on_in_one_column(network, strategy, part, stream_of):
    """Visits of two iterations: grown to the target price over the visits, nothing pruned."""
    stream = stream_of([part((0, 1), 96), part((2, 3), 96)], (0, 0))
    config = CGaPConfig(target_price=0.5, growth=GrowthPolicy(linear_capacity=1.0))
    host = strategy(network, config=config, train_epochs=1)
    for experience in split_online_stream(stream.train_stream, experience_size=32):
        host.train(experience)
    history = host.plugins[0].history
    widths = [entry["widths"] for entry in history if entry["kind"] == "merge"]
    assert len(widths) == 6
    for before, after in itertools.pairwise(widths):
        assert all(before[group] <= after[group] for group in before)
    prices = [entry["price"] for entry in history]
    assert prices[0] < 0.3
    assert 0.4 < prices[-1] <= max(prices) <= 0.5
    assert "prune" not in {entry["kind"] for entry in history}
    assert set(network.newest.classes) == {0, 1, 2, 3}
    assert not network.newest.sources()  # nothing is read of the visits before
