"""Fast dropout: rate, scale, order in memory, its ends."""

import pytest
import torch

from cgap_bench.learn.networks.dropout import FastDropout


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


def test_a_rate_below_one_in_65536_drops_nothing():
    x = torch.randn(3, 5)
    assert torch.equal(FastDropout(1e-6).train()(x), x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_noise_is_what_bits_of_any_width_say(dtype):
    """Values times 0 or the rounded scale, drawn from 16 bits each, as they lie in memory."""
    x = torch.randn(3, 4, 5, 7).to(dtype).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(3)
    y = FastDropout(0.25).train()(x)

    torch.manual_seed(3)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    drawn = words.view(torch.int16)[: x.numel()].to(torch.int64)
    noise = (drawn < 49152 - 32768).to(dtype) * torch.tensor(65536 / 49152, dtype=dtype)
    in_memory = x.permute(0, 2, 3, 1).flatten() * noise
    assert torch.equal(y.permute(0, 2, 3, 1).flatten(), in_memory)
