"""Streams and strategies as users have them: no crash, and nothing lost silently."""

import math

import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets, with_task_labels
from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute
from torch.utils.data import TensorDataset

from cgap_cl import CGaPConfig, GrowthPolicy

WIDE = GrowthPolicy(linear_capacity=1.0)


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (((0, 1, 2), (3, 4, 5)), (0, 0)),  # class-incremental
        (((0, 1), (0, 1, 2, 3)), (0, 1)),  # a later task has more classes
        (((0, 1), (2, 3)), (0, 1)),  # class ids go on from task to task
    ],
)
def test_the_whole_test_stream_is_evaluated_after_every_experience(
    network, strategy, classes, labels, part, stream_of
):
    stream = stream_of([part(c) for c in classes], labels)
    host = strategy(network, config=CGaPConfig(target_price=0.9, growth=WIDE))
    host.eval(stream.test_stream)
    for experience in stream.train_stream:
        host.train(experience)
        results = host.eval(stream.test_stream)
        assert all(math.isfinite(v) for v in results.values() if isinstance(v, float))
        width = max(classes[experience.current_experience]) + 1
        assert network(X, experience.task_label).shape[1] == width  # none is left behind


def test_benchmarks_without_a_record_of_classes(network, strategy, part):
    """Avalanche's generic constructors keep none."""
    x, y = part((0, 1, 2))
    data = [
        AvalancheDataset(
            [TensorDataset(x, y)],
            data_attributes=[
                DataAttribute(y.tolist(), "targets"),
                DataAttribute([label] * len(y), "targets_task_labels", use_in_getitem=True),
            ],
        )
        for label in (0, 1)
    ]
    stream = with_task_labels(benchmark_from_datasets(train=data, test=data))
    host = strategy(network)
    for experience in stream.train_stream:
        host.train(experience)
        host.eval(stream.test_stream)
    assert network(X, 1).shape == (7, 3)


def test_parameter_groups_stay_what_they_are(network, strategy, stream, at):
    """Weights decay, biases and norms do not; in every column, laterals included."""
    weights = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() < 2]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": 0.1}, {"params": others}], lr=0.05, momentum=0.9
    )
    seen = []

    def note(host):
        groups = host.optimizer.param_groups
        seen.append(tuple(frozenset(p.dim() > 1 for p in group["params"]) for group in groups))
        held = [p for group in groups for p in group["params"]]
        assert len(held) == len(set(held))
        assert set(held) == set(network.live_parameters())

    host = strategy(network, at("iteration", note), optimizer=optimizer)
    for experience in stream.train_stream:
        host.train(experience)
    assert set(seen) == {(frozenset({True}), frozenset({False}))}
    assert any(block.sources() for block in network.all_blocks())


def test_an_interrupted_experience_can_be_dropped(network, strategy, stream, at):
    def interrupt(host):
        if host.clock.train_exp_iterations == 3:
            raise KeyboardInterrupt

    host = strategy(network, at("iteration", interrupt))
    with pytest.raises(KeyboardInterrupt):
        host.train(stream.train_stream[0])
    host.plugins.pop(1)
    with pytest.raises(RuntimeError, match=r"merge\(\) it, or discard\(\)"):
        host.train(stream.train_stream[0])
    network.discard()
    with pytest.raises(RuntimeError, match="no column to discard"):
        network.discard()
    for experience in stream.train_stream[:2]:
        host.train(experience)
    before = network.eval()(X, 1)
    network.sprout(1, 3)
    network.discard()
    assert torch.equal(network(X, 1), before)
