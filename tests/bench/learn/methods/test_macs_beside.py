"""Passes beside training batches are counted, those within a batch are part of it."""

import pytest
import torch

from cgap_bench.learn.methods.masks.cpg import CPG, CPGPlugin
from cgap_bench.learn.methods.penalties.ewc import EWC, OnlineEWC
from cgap_bench.learn.methods.penalties.mas import MemoryAwareSynapses
from cgap_bench.learn.methods.projections.gpm import GradientProjection
from cgap_bench.learn.methods.projections.spaces import layers_of
from cgap_bench.learn.methods.projections.trgp import (
    TrustRegionNetwork,
    TrustRegionProjection,
)
from cgap_bench.learn.methods.rehearsal.gem import GEM, AveragedGEM
from cgap_bench.learn.methods.rehearsal.icarl import ICaRL
from cgap_bench.learn.methods.rehearsal.lwf import LearningWithoutForgetting
from cgap_bench.learn.methods.rehearsal.memory import BalancedMemory, Reservoir
from cgap_bench.learn.methods.rehearsal.replay import DarkExperience
from cgap_bench.learn.multi_head import MultiHead
from cgap_bench.learn.network import build_network
from cgap_bench.learn.training_macs import TrainingMacs, training_macs

IMAGES, BATCH, EPOCHS = 64, 16, 2  # of an experience of `toy`
STEPS = EPOCHS * IMAGES // BATCH
CONV, LINEAR, HEAD = 16 * 6 * 18, 24 * 12, 12 * 2  # multiply-adds of an image, forwards
FORWARD = CONV + LINEAR + HEAD
PASS = 2 * CONV + 3 * (LINEAR + HEAD)  # no gradient of images


def counted(toy, plugins, model=None, n_experiences=1):
    """In batches and beside them, experience by experience."""
    torch.manual_seed(0)
    model = model or MultiHead(toy.chain(), range(toy.n_tasks))
    counter, counts = TrainingMacs(), []
    strategy = toy.strategy(model, [*plugins, counter], epochs=EPOCHS)
    for experience in toy.stream()[:n_experiences]:
        strategy.train(experience)
        counts.append(counter.taken())
    return counts


@pytest.mark.parametrize("make", [EWC, OnlineEWC, MemoryAwareSynapses])
@pytest.mark.parametrize("batch_size", [None, 1, 24])
def test_importances_take_a_pass_over_the_images(make, batch_size, toy):
    plugin = make(1.0, batch_size=batch_size)
    assert (
        counted(toy, [plugin], n_experiences=2) == [(STEPS * BATCH * PASS, IMAGES * PASS)] * 2
    )


def test_gpm_takes_a_forward_pass_and_a_projection_a_step(toy):
    spaces = []
    model = MultiHead(toy.chain(), range(toy.n_tasks))
    layers = layers_of(model.backbone)
    inputs = {"0": IMAGES * 16, "5": IMAGES}  # columns: patches, images

    class Noted(GradientProjection):
        def before_training_exp(self, strategy, **_):
            spaces.append({name: tuple(basis.shape) for name, basis in self.bases.items()})
            super().before_training_exp(strategy)

    plugin = Noted()
    first, second = counted(toy, [plugin], model, n_experiences=2)
    assert first == (STEPS * BATCH * PASS, IMAGES * FORWARD)
    products = {name: d * k for name, (d, k) in spaces[1].items()}
    assert all(products.values())
    projections = sum(2 * len(layers[name].weight) * n for name, n in products.items())
    rest = sum(2 * inputs[name] * n for name, n in products.items())
    assert second[1] == IMAGES * FORWARD + STEPS * projections + rest


def test_trgp_also_takes_the_gradient_that_relates_tasks(toy):
    model = TrustRegionNetwork(toy.chain(), range(toy.n_tasks))
    plugin = TrustRegionProjection(relatedness=1.0)  # no task is so near
    first, second = counted(toy, [plugin], model, n_experiences=2)
    assert first == (STEPS * BATCH * PASS, IMAGES * FORWARD)
    expected = IMAGES * (PASS - HEAD) + IMAGES * FORWARD  # the head's weight is not related
    for name in model.weight_names():
        assert not model.related(name, 1)
        (d, k), new = (model.space(name, task).shape for task in (0, 1))
        n_out = len(model.weight(name))
        relating, projections, spans = n_out * d * k, STEPS * 2 * n_out * d * k, 2 * d * k
        expected += relating + projections + spans * new[1]
    assert second[1] == expected


def test_icarl_takes_features_of_all_images_to_choose_exemplars(toy):
    features = lambda model, x: model.backbone(x)  # noqa: E731
    ((_, beside),) = counted(toy, [ICaRL(BalancedMemory(20), features)])
    assert beside == IMAGES * (CONV + LINEAR)


def test_cpg_takes_the_held_out_images_each_time_that_it_looks(toy):
    looked = []

    def judge(model, task):
        looked.append(task)
        with torch.no_grad():
            model.eval()(torch.zeros(10, 2, 4, 4), task)
        model.train()
        return 0.9

    ((_, beside),) = counted(toy, [CPGPlugin(judge)], CPG(toy.chain(), range(toy.n_tasks)))
    assert len(looked) > 3
    assert beside == len(looked) * 10 * FORWARD


@pytest.mark.parametrize(
    "plugin",
    [
        LearningWithoutForgetting(),
        AveragedGEM(BalancedMemory(20)),
        GEM(BalancedMemory(20)),
    ],
)
def test_teachers_and_memories_are_part_of_a_batch(plugin, toy):
    first, second = counted(toy, [plugin], n_experiences=2)
    assert first == (STEPS * BATCH * PASS, 0)
    assert second[0] >= first[0] + STEPS * BATCH * FORWARD
    assert second[1] == 0


def test_a_memory_that_fills_up_is_followed_within_an_experience(toy):
    """Nothing is remembered in the very first batch; then two old batches join each."""
    ((in_batches, beside),) = counted(toy, [DarkExperience(Reservoir(40))])
    assert in_batches == BATCH * PASS + 3 * (STEPS - 1) * BATCH * PASS
    assert beside == 0


def test_a_plugin_alone_needs_nobody_who_counts(toy):
    model = MultiHead(toy.chain(), range(toy.n_tasks))
    plugin = EWC(1.0)
    toy.strategy(model, [plugin], epochs=1).train(toy.stream()[0])
    assert any(held.any() for held in plugin.importance.values())


def test_a_record_holds_what_is_beside(records, run, tiny):
    network = build_network(tiny("ewc").network, (1, 8, 8), 5)
    assert records["ewc"].macs_beside == [95 * training_macs(network, (1, 8, 8))] * 2
    assert records["cgap"].macs_beside == records["fixed"].macs_beside == [0, 0]
    assert records["ewc"].all_training_macs[0] > records["ewc"].training_macs[0]


def test_held_out_images_that_training_watches_are_beside_it(run, tiny, records):
    watched = run(tiny("fixed", lr_schedule="plateau"))
    # two epochs, five images of an experience
    assert watched.macs_beside[0] == 2 * 5 * sum_forward(tiny)
    assert watched.training_macs == records["fixed"].training_macs


def sum_forward(tiny):
    """Multiply-adds of one image through the network of `tiny`."""
    from cgap_bench.shapes.tracing import layer_shapes, total_macs

    network = build_network(tiny("fixed").network, (1, 8, 8), 5)
    return total_macs(layer_shapes(network, torch.zeros(1, 1, 8, 8)))
