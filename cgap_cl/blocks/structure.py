"""The structure of a network as plain values: what a checkpoint needs beside the tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.layout import Layout

MOST_UNITS = 2**31  # of a group; positions of a tensor
MOST_CLASSES = 10**7  # ids; the largest public datasets have a tenth


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


def check(state: Mapping[str, Any], layout: Layout) -> None:
    """See that a described structure is one of this reference network.

    Args:
        state: what :func:`describe_all` gave, or whatever a file holds in its place.
        layout: of the reference network.

    Raises:
        ValueError: it is none, belongs to another network, or names what is not there.
    """
    try:
        blocks, labels, n_merged = state["blocks"], state["labels"], state["n_merged"]
        for index, block in enumerate(blocks):
            _check_block(index, block, layout)
        newest = {block["label"]: index for index, block in enumerate(blocks)}
        named = dict(labels)
        seed = [block["label"] is None for block in blocks]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"the state describes no structure: {error!r}") from error

    if not (_whole(n_merged) and 0 <= len(blocks) - n_merged <= 1 and blocks):
        raise ValueError(f"the state has {len(blocks)} blocks, of which {n_merged} are merged")
    if any(seed[:n_merged]):
        raise ValueError("the state has a merged block without a task label")
    newest.pop(None, None)
    if named != newest or len(labels) != len(named):
        raise ValueError(
            f"the state's labels {labels} do not lead to the blocks that hold them"
        )


def _check_block(index: int, block: Mapping[str, Any], layout: Layout) -> None:
    widths, label, classes = block["widths"], block["label"], block["classes"]
    if set(widths) != set(layout.widths):
        ours, theirs = ", ".join(layout.widths), ", ".join(map(str, widths))
        raise ValueError(
            f"the state belongs to another reference network: its block {index} has "
            f"groups {theirs}; this network has {ours}"
        )
    if not all(_whole(n) and 1 <= n <= MOST_UNITS for n in widths.values()):
        raise ValueError(f"block {index} of the state has widths {dict(widths)}")
    if label is not None and not (_whole(label) and label >= 0):
        raise ValueError(f"block {index} of the state has the task label {label!r}")
    if not classes or len(set(classes)) < len(classes):
        raise ValueError(f"block {index} of the state has no classes, or one of them twice")
    if not all(_whole(n) and 0 <= n < MOST_CLASSES for n in classes):  # as wide are its logits
        raise ValueError(
            f"block {index} of the state has classes {list(classes)}, not 0 to"
            f" {MOST_CLASSES - 1}"
        )

    names = [layer.name for layer in layout.layers if layer.dense]
    for name, source, length in block["laterals"]:
        known = name in names and _whole(source) and 0 <= source < index
        if not (known and _whole(length) and 0 <= length <= MOST_UNITS):
            raise ValueError(
                f"block {index} of the state reads {length!r} positions of {name!r} of block"
                f" {source!r}"
            )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
