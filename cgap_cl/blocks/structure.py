"""The structure of a network as plain values: what a checkpoint needs beside the tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cgap_cl.blocks.block import Block


def describe(block: Block) -> dict[str, Any]:
    """Label, widths, classes and lateral lengths of one block, as plain values."""
    return {
        "label": block.label,
        "widths": dict(block.widths),
        "classes": list(block.classes),
        "laterals": [
            [layer.name, source, int(lateral.index.numel())]
            for layer in block.plastic()
            for source, lateral in layer.sources()
        ],
    }


def describe_all(
    blocks: Sequence[Block], labels: Mapping[int, int], n_merged: int
) -> dict[str, Any]:
    """The structure of a whole network.

    Args:
        blocks: all of them, oldest first.
        labels: task label -> block that holds its head.
        n_merged: how many blocks are frozen.
    """
    return {
        "labels": [[label, index] for label, index in labels.items()],
        "n_merged": n_merged,
        "blocks": [describe(block) for block in blocks],
    }


def check(state: Mapping[str, Any], groups: Mapping[str, int]) -> None:
    """Raise ValueError where a described structure belongs to another reference network."""
    for number, block in enumerate(state["blocks"]):
        if set(block["widths"]) != set(groups):
            ours, theirs = ", ".join(groups), ", ".join(block["widths"])
            raise ValueError(
                f"the state belongs to another reference network: its block {number} has "
                f"groups {theirs}; this network has {ours}"
            )
