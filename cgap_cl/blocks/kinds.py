"""Kinds of layers: which axes of their tensors run over units; the one registry of them.

A block knows the kind of each of its layers from its layout. The layers themselves do not show
it: narrowed to one channel, a depthwise convolution looks like any other.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional


class Kind(enum.Enum):
    """How a layer treats its units."""

    CONV = "conv"  # every output unit reads every input unit
    LINEAR = "linear"
    GROUPED = "grouped"  # convolution of whole groups, or depthwise: outputs are the inputs
    CHANNEL = "channel"  # values per channel: batch and instance norm, PReLU
    SCALAR = "scalar"  # one value for all channels of a block: PReLU again
    BLOCK = "block"  # each block normalises over its own channels: layer norm
    PARAMETER = "parameter"  # a bare parameter with one value per channel: layer scale


class L2Norm(nn.Module):
    """Features of unit length, each block's by themselves: ``functional.normalize`` as a layer.

    Args:
        dim: the axis of the channels.
        eps: the smallest length that is divided by.

    >>> import torch
    >>> L2Norm()(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """

    def __init__(self, dim: int = 1, eps: float = 1e-12) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, ...)`` -> the same, every place of every row of length 1 over C."""
        return functional.normalize(x, dim=self.dim, eps=self.eps)


TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
OVER_CHANNELS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, L2Norm)
NORMS = (*BATCH_NORMS, *INSTANCE_NORMS, *OVER_CHANNELS)

DENSE = (*CONVOLUTIONS, nn.Linear)
Dense = (
    nn.Conv1d
    | nn.Conv2d
    | nn.Conv3d
    | nn.Linear
    | nn.ConvTranspose1d
    | nn.ConvTranspose2d
    | nn.ConvTranspose3d
)
LAYERS = (*DENSE, *NORMS, nn.PReLU)  # what can be resized
DENSE_KINDS = (Kind.CONV, Kind.LINEAR)

# Attributes in which layers keep their sizes.
INPUTS = ("in_channels", "in_features", "num_features", "num_channels", "num_parameters")
OUTPUTS = ("out_channels", "out_features")


def kind_of(layer: nn.Module) -> Kind:
    """How one of the :data:`LAYERS` of a reference network treats its units.

    >>> kind_of(nn.Conv2d(4, 4, 3, groups=4)), kind_of(nn.GroupNorm(1, 4))
    (<Kind.GROUPED: 'grouped'>, <Kind.BLOCK: 'block'>)
    """
    if isinstance(layer, nn.Linear):
        return Kind.LINEAR
    if isinstance(layer, CONVOLUTIONS):
        return Kind.CONV if layer.groups == 1 else Kind.GROUPED
    if isinstance(layer, nn.GroupNorm) and layer.num_groups > 1:
        return Kind.CHANNEL  # a unit is a whole group of it
    if isinstance(layer, OVER_CHANNELS):
        return Kind.BLOCK
    single = isinstance(layer, nn.PReLU) and layer.num_parameters == 1
    return Kind.SCALAR if single else Kind.CHANNEL


def channels_per_group(layer: nn.Module) -> int:
    """Neighbouring channels that only live and die together, as one unit.

    >>> channels_per_group(nn.Conv2d(12, 12, 3, groups=3)), channels_per_group(nn.PReLU(12))
    (4, 1)
    """
    if isinstance(layer, nn.GroupNorm) and layer.num_groups > 1:
        return layer.num_channels // layer.num_groups
    grouped = isinstance(layer, CONVOLUTIONS) and layer.groups > 1
    return int(layer.weight.shape[1]) if grouped else 1  # type: ignore[index]


def rows(layer: nn.Module, tensor: Tensor) -> Tensor:
    """The weight of a conv or linear layer, or its gradient, with the outputs' axis first.

    Args:
        layer: the layer.
        tensor: shaped like its weight.

    Returns:
        A view, ``(out, in, ...)``; torch's transposed convolutions have ``(in, out, ...)``.
    """
    return tensor.transpose(0, 1) if isinstance(layer, TRANSPOSED) else tensor


def uses(layer: nn.Module, x: Tensor, y: Tensor, dim: int) -> int:
    """How often one weight is used in an inference: the positions of what a layer gives.

    Args:
        layer: the layer; where it is a transposed convolution, those of what it reads count.
        x: what it reads, ``(N, ...)``.
        y: what it gives, ``(N, ...)``.
        dim: the dimension of the channels in both.

    >>> import torch
    >>> uses(nn.Conv2d(1, 2, 3), torch.zeros(5, 1, 6, 6), torch.zeros(5, 2, 4, 4), dim=1)
    16
    """
    maps = x if isinstance(layer, TRANSPOSED) else y
    return maps[0].numel() // maps.shape[dim]


def channel_tensors(body: nn.Module, name: str, kind: Kind) -> Iterator[tuple[nn.Module, str]]:
    """Owner and name of the tensors whose first axis runs over the channels of a layer.

    Args:
        body: the network.
        name: of one of its layers that is not dense.
        kind: of that layer.
    """
    if kind is Kind.PARAMETER:
        parent, _, leaf = name.rpartition(".")
        yield body.get_submodule(parent), leaf
    elif kind is not Kind.SCALAR:
        layer = body.get_submodule(name)
        own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
        yield from ((layer, leaf) for leaf, tensor in own if tensor.dim())


def set_sizes(layer: nn.Module, kind: Kind, n_in: int, n_out: int) -> None:
    """Make a layer's own record of its sizes agree with its tensors."""
    if isinstance(layer, nn.GroupNorm) and kind is Kind.CHANNEL:
        layer.num_groups = n_in // (layer.num_channels // layer.num_groups)
    if kind is Kind.GROUPED:
        layer.groups = n_in // layer.weight.shape[1]  # type: ignore[index, assignment]
    if hasattr(layer, "normalized_shape"):
        layer.normalized_shape = (n_in, *layer.normalized_shape[1:])  # type: ignore[assignment, index]
    for names, n in ((INPUTS, n_in), (OUTPUTS, n_out)):
        for name in names:
            if hasattr(layer, name):
                setattr(layer, name, n)
