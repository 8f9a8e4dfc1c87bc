"""A run measures the accuracy with 8 bits and is otherwise the same."""

import copy

import pytest
import torch
from torch import nn

from cgap_bench.learn.batches import BatchSource, TensorLoader
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import (
    NetworkSettings,
    Norm,
    RunConfig,
    StreamSettings,
    TrainingSettings,
)
from cgap_bench.run import experiences as training
from cgap_bench.run import results


@pytest.mark.parametrize("method", ["cgap", "ewc", "joint"])
def test_a_run_measures_it_and_is_otherwise_the_same(method, monkeypatch):
    """The last row again in 8 bits, drawing no random number."""
    config = RunConfig(
        benchmark="tiny",
        preset="standard",
        method=method,
        seed=0,
        network=NetworkSettings(name="digits-cnn", width=0.5),
        stream=StreamSettings(dataset="digits", n_experiences=2, n_train_per_class=20),
        training=TrainingSettings(epochs=4, lr=0.05, batch_size=16),
        method_settings=METHODS[method].settings().model_dump(mode="json"),
    )
    record = training.train(config, data_root())
    assert len(record.accuracy_8bit) == 2
    for exact, rounded in zip(record.accuracy[-1], record.accuracy_8bit, strict=True):
        assert rounded == pytest.approx(exact, abs=0.03)
    monkeypatch.setattr(results, "Quantised", lambda network, images: network)
    without = training.train(config, data_root())
    assert without.accuracy_8bit == without.accuracy[-1]
    assert record == without.model_copy(update={"accuracy_8bit": record.accuracy_8bit})


def _right_by_own_statistics(network, loader, n):
    """In training mode but for dropout, which keeps what it sees: of a copy."""
    copied = copy.deepcopy(network).train()
    for module in copied.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():
        return sum(int((copied(x).argmax(1) == y).sum()) for x, y, _ in loader) / n


@pytest.mark.parametrize("method", ["cgap", "ewc"])
def test_a_run_is_scored_by_batch_statistics_as_well(method, tiny, run):
    """Beside what a run without it says, which it is in all else."""
    plain = tiny(method)
    both = plain.network.model_copy(update={"norm": Norm.BOTH})
    one = training.Run(plain.model_copy(update={"network": both}), data_root())
    while one.next_experience < one.n_experiences:
        one.step()
    record = one.record()
    stream, sizes = one.context.stream, []
    for task, label in enumerate(stream.task_labels):
        network, n = one.learner.network_for(label).eval(), len(stream.scored[task])
        sizes.append(16 if n % 16 != 1 else 17)  # one image has no variance
        source = BatchSource(stream.scored_store, plain.training.augment, torch.Generator())
        loader = TensorLoader(stream.scored[task], source, sizes[-1], train=False)
        right = _right_by_own_statistics(network, loader, n)
        assert record.accuracy_by_batch[task] == right
    assert sizes == [16, 17]
    assert record.accuracy_by_batch != record.accuracy[-1]

    without = run(plain)
    assert without.accuracy_by_batch == []
    update = {key: getattr(record, key) for key in ("run_id", "config", "accuracy_by_batch")}
    assert record == without.model_copy(update=update)
