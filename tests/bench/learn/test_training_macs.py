"""Multiply-adds of training: counted by hand for layers, followed through changes of shape."""

from types import SimpleNamespace

import torch
from torch import nn

from cgap_bench.learn.network import build_network
from cgap_bench.learn.training_macs import CountingMode, TrainingMacs, training_macs


def test_convolution_counts_forward_and_both_backward_products():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 36, 2))
    conv, linear = 36 * 4 * 27, 4 * 36 * 2
    # images take no gradient: the first layer has none of its two backward products for them
    assert training_macs(network, (3, 6, 6)) == 2 * conv + 3 * linear


def test_batch_norm_and_the_network_stay_as_they_were():
    network = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    training_macs(network, (6,))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_counting_changes_no_result():
    torch.manual_seed(0)
    layer, x = nn.Conv2d(2, 3, 3), torch.randn(2, 2, 5, 5)
    plain = layer(x)
    with CountingMode():
        assert torch.equal(layer(x), plain)


def strategy_of(network, n_images):
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    images = torch.randn(n_images, 6)
    return SimpleNamespace(model=network, optimizer=optimizer, mb_x=images)


def test_a_change_of_width_is_followed():
    counter = TrainingMacs()
    narrow, wide = (nn.Sequential(nn.Linear(6, n), nn.ReLU(), nn.Linear(n, 2)) for n in (4, 8))
    batches = [(narrow, 5), (narrow, 3), (wide, 5), (wide, 5)]
    for network, n_images in batches:
        strategy = strategy_of(network, n_images)
        counter.before_forward(strategy)
        network(strategy.mb_x).square().mean().backward()
        counter.after_backward(strategy)
    assert counter.total == 8 * training_macs(narrow, (6,)) + 10 * training_macs(wide, (6,))


def test_a_new_experience_is_counted_anew():
    """Nothing changes its shape when layers are frozen, but their backward products go."""
    counter, network = TrainingMacs(), nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2))
    for trainable in (True, False):
        network[0].requires_grad_(trainable)
        strategy = strategy_of(network, 4)
        counter.before_training_exp(strategy)
        counter.before_forward(strategy)
        network(strategy.mb_x).square().mean().backward()
        counter.after_backward(strategy)
    whole, head = 2 * 30 + 3 * 10, 30 + 2 * 10
    assert counter.total == 4 * (whole + head)


def test_record_holds_what_the_passes_of_its_epochs_took(records, tiny):
    network = build_network(tiny("fixed").network, (1, 8, 8), 5)
    an_epoch = 95 * training_macs(network, (1, 8, 8))
    assert records["fixed"].training_macs == [2 * an_epoch, 2 * an_epoch]
    # a batch of several tasks goes through the head of each
    assert records["joint"].training_macs[0] == 0
    assert records["joint"].training_macs[1] > 4 * an_epoch
