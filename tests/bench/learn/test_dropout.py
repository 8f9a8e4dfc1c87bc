"""Fast dropout: rate, scale, order in memory, its ends."""

import pytest
import torch

from cgap_bench.learn.dropout import FastDropout


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
