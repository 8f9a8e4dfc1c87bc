"""Pruning alone: the size it comes to, which units go, how the epochs are shared."""

import pytest
import torch
from torch import nn
from torch_pruning import importance

from cgap_bench.errors import UsageError
from cgap_bench.learn.methods.pruned import prune_until
from cgap_bench.learn.sizes import n_parameters
from cgap_bench.shapes.tracing import total_macs

METHODS = ("pruned", "pruned-l1")


@pytest.mark.parametrize("name", METHODS)
def test_inference_takes_no_more_macs_than_cgaps_and_hardly_less(records, name, reference):
    record = records[name]
    for key in record.subnetworks[1]:
        assert 0.9 * reference.macs < total_macs(record.networks[key]) <= reference.macs


@pytest.mark.parametrize("name", METHODS)
def test_size_may_be_that_of_the_parameters(name, tiny, run, reference):
    record = run(tiny(name, own={"size": "parameters"}))
    assert 0.8 * reference.stored < record.stored_parameters[0] <= reference.stored


def test_dense_half_costs_what_the_reference_network_costs(records):
    dense = records["fixed"].training_macs[0] / 2  # one of two epochs
    assert dense < records["pruned"].training_macs[0] < 2 * dense  # and a smaller one after


def test_epochs_that_leave_none_before_or_after_are_named(tiny, run):
    with pytest.raises(UsageError, match="take more"):
        run(tiny("pruned", epochs=1))


def test_smallest_units_go_first_and_classes_stay():
    network = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3))
    with torch.no_grad():
        network[0].weight.copy_(torch.arange(1.0, 11.0).view(10, 1).expand(10, 6))
        network[2].weight.fill_(1.0)
    l1 = importance.MagnitudeImportance(p=1, group_reduction="first")
    prune_until(network, torch.zeros(1, 6), l1, False, lambda: len(network[0].weight) > 4)
    assert network[0].weight[:, 0].tolist() == [7.0, 8.0, 9.0, 10.0]
    assert network[2].weight.shape == (3, 4)
    assert n_parameters(network) == 4 * 7 + 3 * 5


def test_size_out_of_reach_is_an_error():
    network = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3))
    with pytest.raises(UsageError, match="cannot reach"):
        prune_until(
            network,
            torch.zeros(1, 6),
            importance.GroupMagnitudeImportance(),
            True,
            lambda: True,
        )
