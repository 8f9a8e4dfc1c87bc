"""Reference networks: published sizes, width, heads."""

import pytest
import torch
from torch import nn

from cgap_bench.errors import UnknownNameError
from cgap_bench.learn.networks import (
    NETWORKS,
    FastDropout,
    MultiHead,
    build_network,
    n_parameters,
    width_for,
)
from cgap_bench.record.configuration import NetworkSettings, Norm
from cgap_bench.shapes.tracing import layer_shapes, total_macs


def test_alexnet_has_the_size_of_the_protocol():
    network = build_network(NetworkSettings(name="alexnet-gpm"), (3, 32, 32), 10)
    # By hand: 3*64*16 + 64*128*9 + 128*256*4 + 1024*2048 + 2048*2048 + 20480 + BN 2*4544.
    assert n_parameters(network) == 6_528_896
    # 29^2*3*64*16 + 12^2*64*128*9 + 5^2*128*256*4 + 1024*2048 + 2048^2 + 20480.
    macs = total_macs(layer_shapes(network, torch.zeros(1, 3, 32, 32)))
    assert macs == 22_789_120


def test_alexnet_norm_variants():
    for norm in Norm:
        network = build_network(NetworkSettings(name="alexnet-gpm", norm=norm), (3, 32, 32), 10)
        norms = [m for m in network if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        assert len(norms) == 5
        assert all(m.track_running_stats is (norm is Norm.RUNNING) for m in norms)


def test_dropout_scale_multiplies_the_rates():
    settings = NetworkSettings(name="alexnet-gpm", dropout_scale=0.5)
    rates = [m.p for m in build_network(settings, (3, 32, 32), 10) if isinstance(m, nn.Dropout)]
    assert rates == [0.1, 0.1, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_fast_dropout_drops_and_scales_as_dropout_does(memory_format):
    x = torch.ones(50, 7, 20, 31).contiguous(memory_format=memory_format).requires_grad_()
    dropout = FastDropout(0.25).train()
    torch.manual_seed(0)
    y = dropout(x)
    assert y.is_contiguous(memory_format=memory_format)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    kept = (y > 0).double()
    assert abs(kept.mean() - 0.75) < 5 * (0.25 * 0.75 / kept.numel()) ** 0.5
    pairs = (kept[:, :, :, 1:] * kept[:, :, :, :-1]).mean()  # neighbours share no bits
    assert abs(pairs - 0.75**2) < 0.005
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    torch.manual_seed(0)
    assert torch.equal(dropout(x), y)
    assert dropout.eval()(x) is x


def test_fast_dropout_at_its_ends():
    x = torch.randn(3, 5)
    assert torch.equal(FastDropout(0.0).train()(x), x)
    assert not FastDropout(1.0).train()(x).any()


@pytest.mark.parametrize("name", NETWORKS.names())
def test_every_network_ends_in_its_head_and_narrows_evenly(name):
    shape = (3, 32, 32)
    full = build_network(NetworkSettings(name=name), shape, 7)
    half = build_network(NetworkSettings(name=name, width=0.5), shape, 7)
    assert isinstance(full[-1], nn.Linear)
    assert full(torch.zeros(2, *shape)).shape == (2, 7)
    for wide, narrow in zip(full, half):
        if isinstance(wide, nn.Conv2d | nn.Linear) and wide is not full[-1]:
            assert narrow.weight.shape[0] == wide.weight.shape[0] // 2


def test_unknown_network_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'digits-cnn'"):
        build_network(NetworkSettings(name="digit-cnn"), (1, 8, 8), 2)


def multi_head():
    torch.manual_seed(0)
    network = build_network(NetworkSettings(name="digits-cnn", width=0.25), (1, 8, 8), 2)
    return MultiHead(network, range(4)).eval()


def test_mixed_batches_go_through_the_head_of_each_row():
    model = multi_head()
    x, tasks = torch.randn(7, 1, 8, 8), torch.tensor([3, 0, 1, 1, 0, 3, 2])
    together = model(x, tasks)
    for row, task in enumerate(tasks.tolist()):
        alone = model.network_for(task)(x[row : row + 1])[0]
        assert torch.allclose(together[row], alone, atol=1e-6)
        assert torch.allclose(model(x, task)[row], alone, atol=1e-6)


def test_heads_of_other_tasks_do_not_move_in_training():
    class Experience:
        task_labels = (1,)

    model = multi_head()
    model.adaptation(Experience())
    before = {name: p.clone() for name, p in model.heads.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        penalty = sum(p.pow(2).sum() for p in model.parameters())
        loss = model(torch.randn(4, 1, 8, 8), torch.ones(4, dtype=torch.int64)).sum() + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    moved = {n for n, p in model.heads.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"1.weight", "1.bias"}


def test_width_for_finds_the_nearest_step_of_the_staircase():
    def cost(width):
        return round(10 * width) ** 2

    for target in (1, 9, 11, 14, 60, 100):
        best = min(range(1, 11), key=lambda n: abs(n**2 - target))
        assert cost(width_for(target, cost)) == best**2
    assert width_for(1000, cost) == 1.0
