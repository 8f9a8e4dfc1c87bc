"""The structure of a network as plain values: what a checkpoint needs beside the tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cgap_cl.blocks.block import Block


def describe(block: Block) -> dict[str, Any]:
    """Label, widths, classes and lateral lengths of one block, as plain values."""
    return {
        "label": block.label,
        "widths": dict(block.widths),
        "n_classes": int(block.head.own.weight.shape[0]),
        "laterals": [
            [layer.name, source, int(lateral.index.numel())]
            for layer in block.plastic()
            for source, lateral in layer.sources()
        ],
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
