"""The smaller dense network that a masked one is, where its masks leave out whole units."""

import copy
from collections import OrderedDict

import torch
from torch import Tensor, nn


@torch.no_grad()
def structured(network: nn.Sequential) -> nn.Sequential:
    """A plain chain without the units that nothing reads: those whose columns are all zero.

    The function stays the same. A unit that goes takes its own row along, so units that only
    it has read go too; at least one unit stays in each layer.

    Args:
        network: A chain of convolutions without groups, linears, batch norms, and modules that
            act on each channel alone.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> _ = net[2].weight.detach()[:, 1:3].zero_()
        >>> structured(net)
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
          (1): ReLU()
          (2): Linear(in_features=2, out_features=2, bias=True)
        )
    """
    alive = _alive(network)
    before: Tensor | None = None  # units of the layer before that stay
    modules: OrderedDict[str, nn.Module] = OrderedDict()

    for name, module in network.named_children():
        smaller = copy.deepcopy(module)
        if isinstance(smaller, nn.Conv2d | nn.Linear):
            _shrink_layer(smaller, alive[name], before)
            before = alive[name]
        elif isinstance(smaller, nn.BatchNorm1d | nn.BatchNorm2d) and before is not None:
            _shrink_norm(smaller, before)
        modules[name] = smaller
    return nn.Sequential(modules)


def is_chain(network: nn.Module) -> bool:
    """Whether a network is a sequence of single modules, without grouped convolutions."""
    return isinstance(network, nn.Sequential) and not off_chain(network)


def off_chain(network: nn.Module) -> str:
    """What keeps a network from being such a sequence, its first; empty where nothing does.

    Example:
        >>> off_chain(nn.Sequential(nn.Conv2d(2, 4, 3, groups=2)))
        'layer 0 has groups'
        >>> off_chain(nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2)))
        'layer 0.0 lies inside another module'
    """
    for name, module in network.named_modules():
        if "." in name:
            return f"layer {name} lies inside another module"
        if getattr(module, "groups", 1) != 1:
            return f"layer {name} has groups"
    return ""


def _alive(network: nn.Sequential) -> dict[str, Tensor]:
    """By layer: which of its units are read by units that are themselves alive."""
    layers = [
        (name, module.weight)
        for name, module in network.named_children()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    last, weight = layers[-1]
    alive = {last: torch.ones(len(weight), dtype=torch.bool, device=weight.device)}
    for (name, mine), (reader, theirs) in zip(layers[-2::-1], layers[:0:-1], strict=True):
        read = theirs[alive[reader]].transpose(0, 1).flatten(1).abs().sum(1) > 0
        units = read.view(len(mine), -1).any(1)  # flatten: several columns read one unit
        if not units.any():
            units[0] = True
        alive[name] = units
    return alive


def _shrink_layer(
    layer: nn.Conv2d | nn.Linear, rows: Tensor, units_before: Tensor | None
) -> None:
    weight = layer.weight[rows]
    if units_before is not None:
        weight = weight[:, _spread(units_before, weight.shape[1])]
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias[rows], requires_grad=False)
    if isinstance(layer, nn.Conv2d):
        layer.out_channels, layer.in_channels = weight.shape[:2]
    else:
        layer.out_features, layer.in_features = weight.shape


def _shrink_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d, units: Tensor) -> None:
    kept = _spread(units, norm.num_features)
    if norm.affine:
        norm.weight = nn.Parameter(norm.weight[kept], requires_grad=False)
        norm.bias = nn.Parameter(norm.bias[kept], requires_grad=False)
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean = norm.running_mean[kept]
        norm.running_var = norm.running_var[kept]
    norm.num_features = int(kept.sum())


def _spread(units: Tensor, n_positions: int) -> Tensor:
    return units.repeat_interleave(n_positions // len(units))
