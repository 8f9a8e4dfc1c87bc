"""A run measures the accuracy with 8 bits and is otherwise the same."""

import pytest

from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import (
    NetworkSettings,
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
