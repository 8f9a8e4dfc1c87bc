"""The directions that the inputs of a layer span, and what is left of a matrix beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Layer = nn.Conv2d | nn.Linear


def layers_of(model: nn.Module) -> dict[str, Layer]:
    """Convolutions and linears by name.

    Raises:
        ValueError: A convolution is grouped: its units do not read the same inputs.
    """
    found = {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    for name, layer in found.items():
        if isinstance(layer, nn.Conv2d) and layer.groups != 1:
            raise ValueError(
                f"projections need layers without groups; {name} has {layer.groups}"
            )
    return found


@contextmanager
def watched_inputs(layers: dict[str, Layer]) -> Iterator[dict[str, Tensor]]:
    """Inputs of layers in the forward passes inside the context, the last of each."""
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen[name] = inputs[0].detach()

        return hook

    handles = [layer.register_forward_pre_hook(watch(n)) for n, layer in layers.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def columns(layer: Layer, inputs: Tensor, most: int) -> Tensor:
    """What the units of a layer multiply their weights by, (inputs of a unit, columns).

    Args:
        layer: Its kernel, stride and padding cut images into patches.
        inputs: (N, C, H, W) or (N, F).
        most: Columns at most, drawn by torch's global generator.
    """
    if isinstance(layer, nn.Linear):
        found = inputs.flatten(0, -2).T
    else:
        assert not isinstance(layer.padding, str)
        patches = functional.unfold(
            inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride
        )
        found = patches.transpose(0, 1).flatten(1)
    if found.shape[1] > most:
        found = found[:, torch.randperm(found.shape[1])[:most].to(found.device)]
    return found


def extended(basis: Tensor, new: Tensor, threshold: float) -> Tensor:
    """An orthonormal basis that holds a share of what new inputs have, the old one included.

    Saha et al. 2021 (GPM), equations 5, 8 and 9: singular vectors of what the basis does not
    hold, the largest first, until the squared length of all inputs is held to the threshold.

    Args:
        basis: (d, k), orthonormal columns; k = 0 before the first task.
        new: (d, n) inputs.
        threshold: Share in [0, 1].

    Example:
        >>> inputs = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        >>> extended(torch.zeros(3, 0), inputs, 0.85).abs()
        tensor([[1.],
                [0.],
                [0.]])
    """
    new = new.double()
    held = basis.double()
    total = new.square().sum()
    if total == 0:
        return basis
    rest = new - held @ (held.T @ new)
    directions, sizes, _ = torch.linalg.svd(rest, full_matrices=False)
    share = (total - rest.square().sum()) / total  # held by the old basis
    cumulated = share + sizes.square().cumsum(0) / total
    reached = torch.cat([share.view(1), cumulated]) >= threshold
    n = int(reached.int().argmax()) if bool(reached.any()) else len(sizes)
    n = min(n, basis.shape[0] - basis.shape[1])
    return torch.cat([basis, directions[:, :n].to(basis)], 1)


def beside(matrix: Tensor, basis: Tensor) -> Tensor:
    """The part of each row of a weight (out, ...) that is orthogonal to a basis (d, k)."""
    rows = matrix.flatten(1)
    return (rows - (rows @ basis) @ basis.T).view_as(matrix)
