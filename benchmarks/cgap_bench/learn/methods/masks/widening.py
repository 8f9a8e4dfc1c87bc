"""A plain chain made wider in place; what was there computes what it computed."""

import copy
import math

import torch
from torch import Tensor, nn

Layer = nn.Conv2d | nn.Linear


def widened(chain: nn.Sequential, ratio: float) -> nn.Sequential:
    """A newly initialised chain like another, each layer with so many times its units.

    Args:
        chain: Convolutions without groups, linears, batch norms and modules without parameters.
        ratio: Of widths; the square root of that of sizes.

    Example:
        >>> widened(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), 1.5)
        Sequential(
          (0): Linear(in_features=3, out_features=6, bias=True)
          (1): ReLU()
          (2): Linear(in_features=6, out_features=3, bias=True)
        )
    """
    made = copy.deepcopy(chain)
    before: tuple[int, int] | None = None  # units of the layer before, then and now
    for name, module in chain.named_children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            n_in, n_out = module.weight.shape[1], module.weight.shape[0]
            wide_in = n_in if before is None else n_in // before[0] * before[1]
            before = n_out, math.ceil(ratio * n_out - 1e-9)
            setattr(made, name, _like(module, wide_in, before[1]))
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and before is not None:
            n = module.num_features // before[0] * before[1]
            track = module.track_running_stats
            options = {"affine": module.affine, "track_running_stats": track}
            norm = type(module)(n, module.eps, module.momentum, **options)
            setattr(made, name, norm.to(_device(chain)))
    return made


def _like(layer: Layer, n_in: int, n_out: int) -> Layer:
    """A new layer of the same kind; its weights are drawn as torch draws them."""
    bias, device = layer.bias is not None, layer.weight.device
    if isinstance(layer, nn.Linear):
        return nn.Linear(n_in, n_out, bias, device=device)
    assert not isinstance(layer.padding, str)
    kernel, stride, padding, dilation = (
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
    )
    made = nn.Conv2d(n_in, n_out, kernel, stride, padding, dilation, bias=bias)  # type: ignore[arg-type]
    return made.to(device)


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def corner(old: Tensor, like: Tensor) -> Tensor:
    """A copy of a larger tensor with an old one in its corner.

    Example:
        >>> corner(torch.ones(2), torch.zeros(3)).tolist()
        [1.0, 1.0, 0.0]
    """
    made = like.detach().clone()
    made[tuple(slice(n) for n in old.shape)] = old.detach()
    return made
