"""Streams, strategies and states as users have them: no crash, and nothing lost silently."""

import copy
import math

import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets, tensors_benchmark, with_task_labels
from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute
from avalanche.training import Cumulative, JointTraining
from avalanche.training.plugins import GDumbPlugin, SupervisedPlugin
from torch import nn
from torch.utils.data import TensorDataset

from cgap_cl import (
    CGaPConfig,
    GrowthPolicy,
    Inherit,
    PlasticNetwork,
    PruningPolicy,
    Schedule,
    UnreachableTargetError,
    UnsupportedNetworkError,
    price,
    saliency,
)
from cgap_cl.growth import GrowthLoop
from cgap_cl.inherit import Birth

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche", "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
)  # fmt: skip
WIDE = GrowthPolicy(linear_capacity=1.0)
X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def part(classes, n=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.tensor(classes)[torch.arange(n) % len(classes)]
    return torch.randn(n, 2, 6, 6, generator=generator) + 0.3 * y.view(-1, 1, 1, 1), y


def stream_of(parts, labels):
    return tensors_benchmark(train_tensors=parts, test_tensors=parts, task_labels=labels)


class At(SupervisedPlugin):
    """Calls a function at the start of an epoch or of an iteration."""

    def __init__(self, kind, function):
        super().__init__()
        setattr(self, f"before_training_{kind}", lambda strategy, **_: function(strategy))


# -- streams ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (((0, 1, 2), (3, 4, 5)), (0, 0)),  # class-incremental
        (((0, 1), (0, 1, 2, 3)), (0, 1)),  # a later task has more classes
        (((0, 1), (2, 3)), (0, 1)),  # class ids go on from task to task
    ],
)
def test_the_whole_test_stream_is_evaluated_after_every_experience(
    network, strategy, classes, labels
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


def test_unknown_classes_are_never_predicted(network):
    network.sprout(0, 2)
    network.eval().n_outputs = 5
    assert network(X, 0).shape == (7, 5)
    assert (network(X, 0).argmax(1) < 2).all()
    assert (network(X, 3).argmax(1) < 5).all()
    assert network.train()(X, 0).shape == (7, 2)


def test_benchmarks_without_a_record_of_classes(network, strategy):
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


def test_negative_labels_are_refused(network):
    network.sprout(0, 2)
    network.merge()
    with pytest.raises(ValueError, match="0 or more, not -2"):
        network(X, -2)


# -- strategies ------------------------------------------------------------------------------


def test_parameter_groups_stay_what_they_are(network, strategy, stream):
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

    host = strategy(network, At("iteration", note), optimizer=optimizer)
    for experience in stream.train_stream:
        host.train(experience)
    assert set(seen) == {(frozenset({True}), frozenset({False}))}
    assert any(block.sources() for block in network.all_blocks())


def test_cumulative_does_not_train_on_what_is_held_out(network, strategy):
    sizes = []
    host = strategy(
        network, At("epoch", lambda host: sizes.append(len(host.adapted_dataset))),
        kind=Cumulative, train_epochs=1, criterion=nn.CrossEntropyLoss(),
        config=CGaPConfig(held_out_share=0.25),
    )  # fmt: skip
    stream = stream_of([part((0, 1, 2), 40), part((0, 1, 2), 40, 1)], [0, 1])
    for experience in stream.train_stream:
        host.train(experience)
    assert sizes == [30, 70]


def test_a_class_that_is_only_held_out(network, strategy):
    config = CGaPConfig(held_out_share=0.5, inherit=Inherit.BEST, trial_iterations=2)
    host = strategy(network, config=config, train_epochs=2)
    for experience in stream_of([part((0, 1, 2), 12), part((0, 1, 2), 6)], [0, 1]).train_stream:
        host.train(experience)
    assert network(X, 1).shape == (7, 3)


def test_strategies_that_go_round_the_column_are_refused(architectures, strategy, stream):
    def network():
        return PlasticNetwork(architectures["chain"](), X)

    joint = strategy(network(), kind=JointTraining, criterion=nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match=r"rows of tasks \[1, 2\]"):
        joint.train(stream.train_stream)
    swapping = strategy(network(), GDumbPlugin(20))
    swapping.train(stream.train_stream[0])
    with pytest.raises(TypeError, match="GDumb"):  # it swaps models from here on
        swapping.train(stream.train_stream[1])


def test_an_interrupted_experience_can_be_dropped(network, strategy, stream):
    def interrupt(host):
        if host.clock.train_exp_iterations == 3:
            raise KeyboardInterrupt

    host = strategy(network, At("iteration", interrupt))
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


# -- states ----------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [saliency.weight_gradient, saliency.Activation()])
def test_an_older_structure_loaded_inside_an_experience(network, strategy, stream, score):
    """Scores begin anew, and the optimizer learns what is there now."""
    kept = {}

    def swap(host):
        number = host.clock.train_exp_iterations
        if number == 1:
            kept["state"] = copy.deepcopy(network.state_dict())
        if number == 7:
            network.load_state_dict(kept["state"])
        if number == 9:
            held = {p for group in host.optimizer.param_groups for p in group["params"]}
            assert held == set(network.live_parameters())

    config = CGaPConfig(growth=WIDE, schedule=Schedule(0.5, 0.6, 0.8), score=score)
    host = strategy(network, At("iteration", swap), config=config, train_epochs=6)
    host.train(stream.train_stream[0])
    kinds = [entry["kind"] for entry in host.plugins[0].history]
    assert "grow" in kinds[kinds.index("grow") + 1 :]
    assert kinds[-1] == "merge"


def test_an_unpruned_state_restored_after_pruning_is_pruned_again(network, strategy, stream):
    kept = {}

    def swap(host):
        if host.clock.train_exp_epochs == 2:
            kept["state"] = copy.deepcopy(network.state_dict())
        if host.clock.train_exp_epochs == 8:
            network.load_state_dict(kept["state"])
            host.stop_training()

    config = CGaPConfig(
        target_price=0.3, peak_ratio=2.0, seed_ratio=0.5, growth=WIDE,
        schedule=Schedule(0.1, 0.25, 0.5, 2, 3),
    )  # fmt: skip
    host = strategy(network, At("epoch", swap), config=config, train_epochs=12)
    with pytest.warns(UserWarning, match="outstanding pruning was done at once"):
        host.train(stream.train_stream[0])
    assert host.plugins[0].history[-1]["price"] <= 0.3


def test_stopping_while_growing_prunes_laterals_too(network, strategy, stream):
    config = CGaPConfig(
        target_price=0.9, trunk_blocks=1, share_groups=0, lateral_keep=0.25, growth=WIDE
    )

    def stop(host):
        if host.clock.train_exp_counter == 1 and host.clock.train_exp_iterations == 2:
            host.stop_training()

    host = strategy(network, At("iteration", stop), config=config)
    host.train(stream.train_stream[0])
    with pytest.warns(UserWarning, match="outstanding"):
        host.train(stream.train_stream[1])
    for layer in network.block(1).plastic():
        for _, lateral in layer.sources():
            assert len(lateral.index) == math.ceil(0.25 * lateral.n_source)


def test_a_structural_change_is_the_last_thing_that_happens(network, strategy):
    """One batch an experience, scored by activity of other widths than there are now."""
    config = CGaPConfig(score=saliency.Activation(), growth=WIDE)
    host = strategy(network, config=config, train_epochs=1)
    with pytest.warns(UserWarning, match="outstanding"):
        host.train(stream_of([part((0, 1, 2), 12)], [0]).train_stream[0])
    assert network(X, 0).shape == (7, 3)


def test_a_state_of_a_plugin_that_has_not_begun_its_schedule(network, strategy, stream):
    saved = {}

    class Saving(SupervisedPlugin):
        def before_training_exp(self, host, **_):
            saved.update(net=copy.deepcopy(network.state_dict()),
                         plugin=copy.deepcopy(host.plugins[0].state_dict()))  # fmt: skip

    config = CGaPConfig(target_price=0.3, growth=WIDE)
    host = strategy(network, Saving(), config=config)
    host.train(stream.train_stream[0])
    fresh = PlasticNetwork(network._plain.module.to_empty(device="cpu"), X)
    fresh.load_state_dict(saved["net"])
    again = strategy(fresh, config=config)
    again.plugins[0].load_state_dict(saved["plugin"], fresh)
    again.train(stream.train_stream[0])
    assert [entry["kind"] for entry in again.plugins[0].history] == [
        entry["kind"] for entry in host.plugins[0].history
    ]


def test_a_config_can_be_used_twice(network):
    """A score that draws has a generator of its own in every loop."""
    config = CGaPConfig(score=saliency.RandomScore(3))
    rows = [saliency.Rows(torch.ones(5, 2), None)]
    first, second = (GrowthLoop(network, config).score(rows) for _ in range(2))
    assert torch.equal(first, second)


def test_a_teacher_can_be_copied_with_a_batch_behind_it(network):
    loop = GrowthLoop(network, CGaPConfig(distillation=0.5, growth=WIDE))
    loop.sprout(0, 3)
    loop.start(4)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1)
    network.train()
    for _ in range(4):
        loss = loop.taught(network(X, 0).square().mean(), len(X))
        loss.backward()
        loop.observe()
        loop.advance(optimizer)
    network(X, 0)
    assert network.teacher is not None
    assert network.teacher.loss is not None
    assert copy.deepcopy(network).teacher.loss is None


def test_a_revisited_head_starts_as_the_old_one_whatever_the_parent_reads(network):
    """Labels 0, 1, 2, 0; the parent's head reads two older blocks."""
    network.eval()
    for label, trunk in ((0, ()), (1, (0,)), (2, (0, 1))):
        column = network.sprout(label, 3, Birth(network.layout.scaled(0.5), trunk=trunk))
        for _, lateral in column.head.sources():
            nn.init.normal_(lateral.op.weight)
        network.merge()
    old = network(X, 0)
    network.sprout(0, 4, Birth(parent=2, trunk=(0, 1)))
    torch.testing.assert_close(network(X, 0)[:, :3], old)


# -- scores, policies, prices ----------------------------------------------------------------


def test_batch_norm_behind_flatten_has_one_score_a_unit(strategy, stream):
    network = PlasticNetwork(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(3),
            nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 3),
        ),
        X,
    )  # fmt: skip
    config = CGaPConfig(target_price=0.5, growth=WIDE, score=saliency.norm_taylor)
    host = strategy(network, config=config)
    host.train(stream.train_stream[0])
    column = network.sprout(1, 3)
    network.train()(X, 1).square().sum().backward()
    for group, scores in saliency.score_units(column, saliency.norm_taylor).items():
        assert scores.shape == (column.widths[group],)


def test_pruning_gives_up_nothing_for_nothing():
    """The floor keeps the row of lanes, so all of it stays."""
    plan = PruningPolicy(floor=0.25).plan(
        {"a": torch.rand(9)}, {"a": 9}, lambda widths: float(-(-widths["a"] // 16)), 0.5,
        torch.Generator(),
    )  # fmt: skip
    assert not plan


def test_a_target_below_the_smallest_column(network):
    """An error before anything is learnt; later columns keep their floors."""
    loop = GrowthLoop(network, CGaPConfig(target_price=0.01, growth=WIDE))
    loop.sprout(0, 3)
    with pytest.raises(UnreachableTargetError, match=r"target_price=0\.01 cannot be reached"):
        loop.start(8)
    network.merge()
    loop.sprout(1, 3)
    loop.start(8)


def test_a_price_of_ones_own(network, strategy, stream):
    def units(widths):
        return sum(widths.values()) / sum(network.layout.widths.values())

    config = CGaPConfig(target_price=0.7, growth=WIDE, price=price.of_widths(units))
    host = strategy(network, config=config)
    host.train(stream.train_stream[0])
    assert host.plugins[0].history[-1]["price"] == pytest.approx(
        sum(network.block(0).widths.values()) / 15
    )
    wrong = CGaPConfig(price=lambda network: 0.5)
    with pytest.raises(TypeError, match=r"price\.of_widths"):
        strategy(network, config=wrong).train(stream.train_stream[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CGaPConfig(target_price=math.nan), "target_price must be positive"),
        (lambda: CGaPConfig(peak_ratio=math.nan), "peak_ratio must be at least 1"),
        (lambda: GrowthPolicy(capacity=math.nan), "capacity must be positive"),
        (lambda: Schedule(growth_events=2.5), "growth_events must be a whole number"),
        (lambda: CGaPConfig(first_seed_ratio=2), "first_seed_ratio must lie in"),
        (
            lambda: PlasticNetwork(nn.Linear(3, 2), X, seed_ratio=-1),
            "seed_ratio",
        ),
    ],
)
def test_values_that_are_no_numbers_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_first_experience_may_begin_at_a_width_of_its_own(network):
    config = CGaPConfig(seed_ratio=0.5, first_seed_ratio=1.0, inherit=Inherit.NONE, growth=WIDE)
    loop = GrowthLoop(network, config)
    assert loop.sprout(0, 3).widths == network.layout.widths
    network.merge()
    assert loop.sprout(1, 3).widths == network.layout.scaled(0.5)


# -- networks that are something else than they look -----------------------------------------


class Standardised(nn.Conv2d):
    """Weight standardisation: another function than a plain convolution's."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Written(nn.Module):
    """A network whose forward pass is a function of its layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


def conv(n_in, n_out, kind=nn.Conv2d):
    return kind(n_in, n_out, 3, padding=1)


REFUSED = {
    "a subclass that computes something else": (
        lambda: nn.Sequential(conv(2, 4, Standardised), nn.Flatten(), nn.Linear(144, 3)),
        "'0' .*Standardised is not computed as torch's Conv2d",
    ),
    "spectral norm": (
        lambda: nn.Sequential(
            nn.utils.spectral_norm(conv(2, 4)), nn.Flatten(), nn.Linear(144, 3)
        ),
        "'0' .*weights that are computed",
    ),
    "a parametrisation": (
        lambda: nn.Sequential(
            nn.utils.parametrizations.weight_norm(conv(2, 4)), nn.Flatten(), nn.Linear(144, 3)
        ),
        "'0' .*is not computed as torch's Conv2d",
    ),
    "one gate for all channels": (
        lambda: Written(
            _gated,
            a=conv(2, 4), g=nn.Conv2d(4, 1, 1), h=nn.Linear(4, 3),
        ),
        "'g' .*one channel broadcast over many",
    ),
    "a size asked of a layer": (
        lambda: Written(
            lambda net, x: net.h(net.a(x).mean((2, 3)).view(-1, net.h.in_features)),
            a=conv(2, 4), h=nn.Linear(4, 3),
        ),
        "'a' .*asked of a layer",
    ),
    "an input by keyword": (
        lambda: Written(
            lambda net, x: net.h(net.a(input=x).mean((2, 3))), a=conv(2, 4), h=nn.Linear(4, 3)
        ),
        "'a' .*keyword argument",
    ),
}  # fmt: skip


def _gated(net, x):
    x = net.a(x)
    return net.h((x * net.g(x).sigmoid()).mean((2, 3)))


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_would_become_others_are_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedNetworkError, match=message):
        PlasticNetwork(make(), X)


def test_a_head_that_is_none_is_refused(architectures):
    with pytest.raises(UnsupportedNetworkError, match=r"'1' .*a linear layer or a convolution"):
        PlasticNetwork(architectures["chain"](), X, head="1")


def test_laterals_are_not_counted_twice(network):
    """The comment in `sprout`: what is shared is read whole, and is not pruned as a lateral."""
    loop = GrowthLoop(network, CGaPConfig(growth=WIDE, target_price=0.5))
    loop.sprout(0, 3)
    network.merge()
    loop.sprout(1, 3)
    assert loop.shared
    assert not loop.initial_laterals
