"""A stored state, looked at before anything is changed: described, checked, only then built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cgap_cl.blocks import structure
from cgap_cl.blocks.block import Block, Lateral
from cgap_cl.network.reference import Reference, rebuilt

Tensors = Mapping[str, Any]  # of a state dict, by their names within the network


def check(reference: Reference, state: Mapping[str, Any], tensors: Tensors) -> set[str]:
    """See that a state is one of a network that can be built; costs no memory of its size.

    Args:
        reference: of the network that is to take it up.
        state: the structure, as :func:`cgap_cl.blocks.structure.describe_all` gives it.
        tensors: of all blocks, called ``blocks.0.body...``.

    Returns:
        Names that the tensors of such a network have.

    Raises:
        ValueError: no structure, one of another reference network, or one that names what is
            not there.
        RuntimeError: a tensor is of another size than the structure says, or none.
    """
    structure.check(state, reference.layout)
    blocks = outlines(reference, state["blocks"])
    sizes = {
        f"blocks.{block.index}.{name}": tensor.shape
        for block in blocks
        for name, tensor in block.state_dict().items()
    }
    for name, size in sizes.items():
        _check_tensor(name, tensors.get(name), size)
    for block in blocks:
        _check_positions(block, tensors)
    return set(sizes)


def outlines(reference: Reference, described: Sequence[Mapping[str, Any]]) -> list[Block]:
    """The blocks that are described, their tensors without values."""
    blocks: list[Block] = []
    like = torch.empty((), device="meta")
    with torch.device("meta"):
        for index, one in enumerate(described):
            blocks.append(rebuilt(reference, one, index, blocks, like))
    return blocks


def _check_tensor(name: str, tensor: Any, size: torch.Size) -> None:
    if tensor is None:  # what is missing is told by torch, or wanted so
        return
    if not isinstance(tensor, Tensor):
        raise RuntimeError(f"{name} of the state is {type(tensor).__name__}, not a tensor")
    if tensor.shape != size:
        raise RuntimeError(
            f"size mismatch for {name}: {tuple(tensor.shape)} in the state, {tuple(size)} by"
            " its structure"
        )
    if tensor.layout != torch.strided or tensor.is_complex():
        raise RuntimeError(f"{name} of the state is no plain tensor of real numbers")


def _check_positions(block: Block, tensors: Tensors) -> None:
    """What laterals read is there."""
    for name, lateral in block.named_modules():
        if not isinstance(lateral, Lateral):
            continue
        index = tensors.get(f"blocks.{block.index}.{name}.index")
        n_read, n_source = lateral.index.numel(), lateral.n_source
        outside = index is not None and n_read and (index.min() < 0 or index.max() >= n_source)
        if n_read > n_source or outside:
            raise ValueError(
                f"block {block.index} of the state reads positions of '{name}' that are not"
                " there"
            )
