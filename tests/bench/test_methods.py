"""Contract: every method trains two experiences, and what each of them promises."""

import pytest
import torch
from avalanche.training.plugins import EWCPlugin

from cgap_bench.learn.batches import BatchSource
from cgap_bench.learn.datasets import data_root
from cgap_bench.learn.method import METHODS, Context, NoSettings
from cgap_bench.learn.methods.regularise import StableEWC
from cgap_bench.learn.streams import build_stream
from cgap_bench.record.configuration import (
    NetworkSettings,
    Norm,
    RunConfig,
    StreamSettings,
    TrainingSettings,
)
from cgap_bench.record.record import Record
from cgap_bench.run.experiences import Reference, train
from cgap_bench.shapes.tracing import total_macs

TARGET_MACS = 60_000.0
WIDTHS = {"conv1": 5, "conv2": 7, "linear": 9}
NOTHING_FORGOTTEN = {"cgap", "independent", "warm"}


def tiny(method, seed=0, epochs=2, own=None, **training):
    """Digits in two experiences of five classes, 20 images a class."""
    return RunConfig(
        benchmark="tiny",
        preset="standard",
        method=method,
        seed=seed,
        network=NetworkSettings(name="digits-cnn", width=0.5),
        stream=StreamSettings(dataset="digits", n_experiences=2, n_train_per_class=20),
        training=TrainingSettings(epochs=epochs, lr=0.05, batch_size=16, **training),
        method_settings=METHODS[method]
        .settings.model_validate(own or {})
        .model_dump(mode="json"),
    )


def run(config, on_images=lambda _n: None):
    reference = (
        Reference("0" * 12, TARGET_MACS, (WIDTHS, WIDTHS))
        if METHODS[config.method].sized_by_cgap
        else None
    )
    return train(config, data_root(), reference, on_images)


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    return {name: run(tiny(name)) for name in METHODS.names()}


@pytest.mark.parametrize("name", METHODS.names())
def test_every_method_is_the_same_on_another_device(records, name, second_device):
    """What it takes from the CPU it moves: CUDA would do the same, but for rounding."""
    with second_device() as device:
        record = run(tiny(name).model_copy(update={"device": device}))
    for part in ("accuracy", "accuracy_8bit", "history", "subnetworks", "extra"):
        assert getattr(record, part) == getattr(records[name], part), part


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


@pytest.mark.parametrize("name", METHODS.names())
def test_it_learns(records, name):
    """Five classes: chance is 0.2; two epochs suffice for far more on the last experience."""
    longer = run(tiny(name, epochs=6))
    assert longer.accuracy[1][1] > 0.5


@pytest.mark.parametrize("name", METHODS.names())
def test_same_seed_gives_an_equal_record_and_another_seed_another(records, name):
    assert run(tiny(name)) == records[name]
    assert run(tiny(name, seed=1)) != records[name]


@pytest.mark.parametrize("name", sorted(NOTHING_FORGOTTEN))
def test_nothing_is_forgotten(records, name):
    first, last = records[name].accuracy
    assert last[0] == first[0]
    before, after = records[name].subnetworks[0][0], records[name].subnetworks[1][0]
    assert before == after


SIZED = [name for name in METHODS.names() if METHODS[name].sized_by_cgap]


@pytest.mark.parametrize("name", [n for n in SIZED if n.startswith("shaped")])
def test_shape_is_that_of_cgap(records, name):
    record = records[name]
    for key in record.subnetworks[1]:
        layers = [e for e in record.networks[key] if e["kind"] in ("conv", "linear")]
        assert [layer["n_out"] for layer in layers] == [*WIDTHS.values(), 5]


@pytest.mark.parametrize("name", [n for n in SIZED if not n.startswith("shaped")])
def test_size_is_near_the_macs_of_cgap(records, name):
    record = records[name]
    for key in record.subnetworks[1]:
        assert total_macs(record.networks[key]) == pytest.approx(TARGET_MACS, rel=0.1)


def test_stored_parameters_count_what_is_there(records):
    # digits-cnn at width 0.5: conv 16*9+16, BN 32, conv 32*16*9+32, BN 64, linear 128*64+64;
    # a head for five classes 64*5+5.
    backbone, head = 160 + 32 + 4640 + 64 + 8256, 325
    assert records["fixed"].stored_parameters == [backbone + head, backbone + 2 * head]
    assert records["joint"].stored_parameters == [0, backbone + 2 * head]
    one, two = records["independent"].stored_parameters
    assert two == 2 * one


def test_joint_is_evaluated_once_everything_is_learnt(records):
    assert records["joint"].accuracy[0] == [None, None]
    assert records["joint"].subnetworks[0] == []


def two_networks(method):
    """Parameters of the networks of the two tasks, after both were learnt."""
    config = tiny(method)
    torch.manual_seed(0)
    stream = build_stream(config.stream, config.training.holdout_share, 0, data_root())
    source = BatchSource(stream.train, config.training.augment, torch.Generator())
    learner = METHODS[method].build(Context(config, stream, source, TARGET_MACS), NoSettings())
    for experience in stream.benchmark.train_stream:
        learner.learn(experience)
    return [dict(learner.network_for(task).named_parameters()) for task in (0, 1)]


def similarity(first, second):
    """Cosine between the largest weights of two networks."""
    name = max(first, key=lambda key: first[key].numel())
    return float(torch.cosine_similarity(first[name].flatten(), second[name].flatten(), dim=0))


def test_warm_networks_train_every_layer():
    first, second = two_networks("warm")
    assert first.keys() == second.keys()
    assert [name for name in first if torch.equal(first[name], second[name])] == []


def test_warm_networks_start_from_the_one_before(records):
    assert records["warm"].accuracy[0] == records["independent"].accuracy[0]
    alike = {method: similarity(*two_networks(method)) for method in ("warm", "independent")}
    assert alike["warm"] > 0.8
    assert abs(alike["independent"]) < 0.3


def test_ewc_remembers_more_when_it_is_strong_and_is_plain_when_it_is_weak(records):
    weak = run(tiny("ewc", own={"strength": 1e-9}))
    assert weak.accuracy == records["fixed"].accuracy
    plain, held = (
        run(tiny("ewc", epochs=8, own={"strength": strength})).accuracy[1][0]
        for strength in (1e-9, 1e10)
    )
    assert held > plain + 0.1


def test_progress_counts_every_training_image_of_every_epoch():
    seen = []
    run(tiny("fixed"), seen.append)
    assert seen == [95, 95, 95, 95]  # 100 images an experience, 5 held out, two epochs each
    seen.clear()
    run(tiny("joint"), seen.append)
    assert seen == [190, 190]


def test_reduced_precision_trains():
    record = run(tiny("fixed", epochs=4, precision="bfloat16"))
    assert record.accuracy[1][1] > 0.4


@pytest.mark.parametrize("name", ["fixed", "ewc", "cgap"])
def test_plateau_schedule_trains(name):
    record = run(tiny(name, epochs=6, schedule="plateau", holdout_share=0.2))
    assert record.accuracy[1][1] > 0.4


def test_batch_statistics_network_is_evaluated_by_batch():
    config = tiny("fixed")
    network = config.network.model_copy(update={"norm": Norm.BATCH})
    record = run(config.model_copy(update={"network": network}))
    (layers,) = record.networks.values()
    assert [layer["kind"] for layer in layers].count("elementwise") == 2


def test_environment_names_no_path_user_or_host(records):
    import getpass
    import platform

    text = str(records["fixed"].environment)
    assert "/" not in text.replace(str(torch.__version__), "")
    assert getpass.getuser() not in text
    assert platform.node() not in text


def test_ewc_pulls_as_avalanches_penalty_does():
    """Two old tasks, importances below the cap: our gradient against theirs by autograd."""
    from types import SimpleNamespace

    torch.manual_seed(0)
    ours, theirs = StableEWC(1e-3, lr=1.0), EWCPlugin(1e-3)
    model = torch.nn.Linear(3, 2).double()
    dataset = torch.utils.data.TensorDataset(
        torch.randn(20, 3).double(), torch.randint(0, 2, (20,)), torch.zeros(20)
    )
    strategy = SimpleNamespace(
        model=model,
        _criterion=torch.nn.CrossEntropyLoss(),
        device="cpu",
        train_mb_size=5,
        optimizer=torch.optim.SGD(model.parameters()),
        experience=SimpleNamespace(dataset=dataset),
    )
    for counter in range(2):
        strategy.clock = SimpleNamespace(train_exp_counter=counter)
        for plugin in (ours, theirs):
            plugin.after_training_exp(strategy)
        torch.nn.init.normal_(model.weight)
        torch.nn.init.normal_(model.bias)
    strategy.clock = SimpleNamespace(train_exp_counter=2)
    model.zero_grad()
    strategy.loss = torch.zeros(1).double()
    theirs.before_backward(strategy)
    strategy.loss.backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad(set_to_none=False)
    ours.after_backward(strategy)
    for parameter, gradient in zip(model.parameters(), expected):
        assert gradient.abs().max() > 0
        assert torch.allclose(parameter.grad, gradient, rtol=1e-5)
