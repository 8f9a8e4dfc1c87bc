"""Separate networks: their size and shape, the warm start, nothing forgotten."""

import pytest
import torch

from cgap_bench.learn.batches import BatchSource
from cgap_bench.learn.context import Context
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.methods.separate import Warm
from cgap_bench.learn.streams import build_stream
from cgap_bench.shapes.tracing import total_macs

NOTHING_FORGOTTEN = {"cgap", "independent", "warm"}

SIZED = [name for name in METHODS.names() if METHODS[name].sized_by_cgap]


@pytest.mark.parametrize("name", sorted(NOTHING_FORGOTTEN))
def test_nothing_is_forgotten(records, name):
    first, last = records[name].accuracy
    assert last[0] == first[0]
    before, after = records[name].subnetworks[0][0], records[name].subnetworks[1][0]
    assert before == after


@pytest.mark.parametrize("name", [n for n in SIZED if n.startswith("shaped")])
def test_shape_is_that_of_cgap(records, name, reference):
    record = records[name]
    for key in record.subnetworks[1]:
        layers = [e for e in record.networks[key] if e["kind"] in ("conv", "linear")]
        assert [layer["n_out"] for layer in layers] == [*reference.widths[0].values(), 5]


@pytest.mark.parametrize(
    "name", [n for n in SIZED if n in ("fixed-equal", "independent", "warm", "fixed-pruned")]
)
def test_size_is_near_the_macs_of_cgap(records, name, reference):
    record = records[name]
    for key in record.subnetworks[1]:
        assert total_macs(record.networks[key]) == pytest.approx(reference.macs, rel=0.1)


def two_networks(method, config, reference, **own):
    """Parameters of the networks of the two tasks, after both were learnt."""
    torch.manual_seed(0)
    stream = build_stream(config.stream, config.training.holdout_share, 0, data_root())
    source = BatchSource(stream.train, config.training.augment, torch.Generator())
    learner = METHODS[method].build(
        Context(config, stream, source, reference.macs), METHODS[method].settings(**own)
    )
    for experience in stream.benchmark.train_stream:
        learner.learn(experience)
    return [dict(learner.network_for(task).named_parameters()) for task in (0, 1)]


def similarity(first, second):
    """Cosine between the largest weights of two networks."""
    name = max(first, key=lambda key: first[key].numel())
    return float(torch.cosine_similarity(first[name].flatten(), second[name].flatten(), dim=0))


def test_warm_networks_train_every_layer(tiny, reference):
    first, second = two_networks("warm", tiny("warm"), reference)
    assert first.keys() == second.keys()
    assert [name for name in first if torch.equal(first[name], second[name])] == []


def test_warm_networks_start_from_the_one_before(records, tiny, reference):
    assert records["warm"].accuracy[0] == records["independent"].accuracy[0]
    alike = {
        method: similarity(*two_networks(method, tiny(method), reference))
        for method in ("warm", "independent")
    }
    assert alike["warm"] > 0.8
    assert abs(alike["independent"]) < 0.3


def test_a_warm_start_can_be_shrunk_and_perturbed():
    old, fresh = torch.tensor([[2.0, -4.0]]), torch.tensor([[1.0, 1.0]])
    assert Warm(shrink=0.5, perturb=0.25).begun(old, fresh).tolist() == [[1.25, -1.75]]
    assert torch.equal(Warm(shrink=0.5).begun(old[0], fresh[0]), old[0])  # of a norm
    assert torch.equal(Warm().begun(old, fresh), old)


def test_all_perturbed_and_nothing_kept_is_a_network_of_its_own(tiny, reference):
    pairs = {
        (shrink, perturb): similarity(
            *two_networks("warm", tiny("warm"), reference, shrink=shrink, perturb=perturb)
        )
        for shrink, perturb in [(1.0, 0.0), (0.0, 1.0)]
    }
    assert pairs[1.0, 0.0] > 0.8
    assert abs(pairs[0.0, 1.0]) < 0.3
