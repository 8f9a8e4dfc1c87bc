"""Finished runs made up for tests: right in form, with numbers that tests can derive."""

import pytest

from cgap_bench.record.configuration import (
    NetworkSettings,
    RunConfig,
    Scenario,
    StreamSettings,
    TrainingSettings,
)
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import Record, network_hash

# One method a family: those that a test of all methods runs with in `make test`.
REPRESENTATIVES = [
    "cgap",
    "fixed",
    "ewc",
    "si",
    "packnet",
    "hat",
    "gpm",
    "replay",
    "lwf",
    "pnn",
    "warm",
    "shaped",
    "joint",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of all methods are slow but for one method a family."""
    for item in items:
        if item.get_closest_marker("every_method"):
            method = item.callspec.params.get("name", item.callspec.params.get("method"))
            if method not in REPRESENTATIVES:
                item.add_marker(pytest.mark.slow)


def _layers(width):
    """A 3x3 convolution on an 8x8 image, then a linear head: 576 * width + 20 * width MACs."""
    conv = {"name": "conv", "kind": "conv", "n_in": 1, "n_out": width, "bias": True}
    conv |= {"in_h": 8, "in_w": 8, "out_h": 8, "out_w": 8, "kernel_h": 3, "kernel_w": 3}
    conv |= {"stride_h": 1, "stride_w": 1, "padding_h": 1, "padding_w": 1}
    head = {"name": "head", "kind": "linear", "n_in": 10 * width, "n_out": 2, "bias": True}
    head |= {"in_h": 1, "in_w": 1, "out_h": 1, "out_w": 1, "kernel_h": 1, "kernel_w": 1}
    head |= {"stride_h": 1, "stride_w": 1, "padding_h": 0, "padding_w": 0}
    return [conv, head]


def _rows(final, drop):
    """Accuracy matrix of a method that loses ``drop`` on every older task at every step."""
    n = len(final)
    return [
        [final[j] + drop * (n - 1 - i) if j <= i else None for j in range(n)] for i in range(n)
    ]


@pytest.fixture
def make_record():
    """Factory of records; every argument has a default."""

    def make(method="cgap", seed=0, final=(0.9, 0.8, 0.7), drop=0.0, widths=None, **changes):
        widths = widths or [4] * len(final)
        layers = [_layers(width) for width in widths]
        hashes = [network_hash(one) for one in layers]
        config = RunConfig(
            benchmark=changes.get("benchmark", "toy"),
            preset=changes.get("preset", "standard"),
            method=method,
            seed=seed,
            network=NetworkSettings(name="toy-cnn"),
            stream=StreamSettings(dataset="toy", n_experiences=len(final)),
            training=TrainingSettings(epochs=changes.get("epochs", 1), lr=0.1),
            method_settings=changes.get("method_settings", {}),
        )
        depends_on = changes.get("depends_on")
        return Record(
            run_id=run_id(config, depends_on),
            config=config,
            environment={"python": "3.11", "packages": {"torch": "2.0"}},
            timings={"total_s": 1.0},
            depends_on=depends_on,
            accuracy=changes.get("accuracy", _rows(final, drop)),
            n_test=[100] * len(final),
            networks=dict(zip(hashes, layers, strict=True)),
            subnetworks=[hashes[: i + 1] for i in range(len(final))],
            stored_parameters=[1000 * (i + 1) for i in range(len(final))],
        )

    return make


@pytest.fixture
def some_records(make_record):
    """Three methods, three seeds: cgap is best, cheapest and forgets nothing."""
    shifts = (0.0, 0.01, 0.02)
    return [
        make_record(method, seed, tuple(base + shift for _ in range(3)), drop, [width] * 3)
        for method, base, drop, width in (
            ("cgap", 0.9, 0.0, 2),
            ("fixed", 0.6, 0.1, 8),
            ("ewc", 0.85, 0.02, 8),
        )
        for seed, shift in enumerate(shifts)
    ]


@pytest.fixture(scope="session")
def tiny():
    """Makes configurations: digits in two experiences of five classes, 20 images a class."""
    from cgap_bench.learn.method import METHODS

    def config(method, seed=0, epochs=2, own=None, scenario=Scenario.TASK, **training):
        settings = METHODS[method].settings.model_validate(own or {})
        return RunConfig(
            benchmark="tiny",
            preset="standard",
            method=method,
            seed=seed,
            network=NetworkSettings(name="digits-cnn", width=0.5),
            stream=StreamSettings(
                dataset="digits", n_experiences=2, n_train_per_class=20, scenario=scenario
            ),
            training=TrainingSettings(epochs=epochs, lr=0.05, batch_size=16, **training),
            method_settings=settings.model_dump(mode="json"),
        )

    return config


@pytest.fixture(scope="session")
def reference():
    """What runs of `run` are sized by, where they are."""
    from cgap_bench.run.reference import Reference

    widths = {"conv1": 5, "conv2": 7, "linear": 9}
    sizes = {"stored": 9000, "training_macs": 120_000_000}
    return Reference("0" * 12, 60_000.0, (widths, widths), peak=0.5, **sizes)


@pytest.fixture(scope="session")
def run(reference):
    """Runs a configuration of `tiny`."""
    from cgap_bench.learn.dataset import data_root
    from cgap_bench.learn.method import METHODS
    from cgap_bench.run.experiences import train

    def trained(config, listener=None):
        sized = METHODS[config.method].sized_by_cgap
        return train(config, data_root(), reference if sized else None, listener)

    return trained


@pytest.fixture(scope="session")
def records(tiny, run):
    """A finished run of every method, made when it is first asked for."""

    class Records(dict[str, Record]):
        def __missing__(self, name):
            self[name] = run(tiny(name))
            return self[name]

    return Records()
