"""Closure: which units of which blocks the head of one block needs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.layout import Layout

Kept = dict[int, dict[str, list[int]]]  # block -> group -> units, ascending


def closure(blocks: Sequence[Block], layout: Layout, last: int) -> Kept:
    """Units that the head of block ``last`` needs, over connections that survived pruning."""
    needed: dict[int, dict[str, set[int]]] = {}
    seen: set[tuple[int, str]] = set()
    stack = [(last, layout.head)]  # layers whose inputs are still to be followed

    while stack:
        index, name = stack.pop()
        if (index, name) in seen:
            continue
        seen.add((index, name))

        # of its own block a layer reads every unit: own weights are never pruned one by one
        block = blocks[index]
        reads: list[tuple[int, str, set[int]]] = [
            (index, group, set(range(block.widths[group])))
            for group in layout[name].inputs.positions_per_unit
        ]
        for source, lateral in block.layer(name).sources():
            owners = layout[name].inputs.owners(blocks[source].widths)
            read = (owners[position] for position in lateral.index.tolist())
            reads += [(source, owner.group, {owner.unit}) for owner in read]
        for source, group, _ in tuple(reads):  # what is normed together is needed together
            mates = layout.normed_with(group)
            reads += [(source, g, set(range(blocks[source].widths[g]))) for g in mates]

        for source, group, units in reads:
            needed.setdefault(source, {}).setdefault(group, set()).update(units)
            stack += [(source, producer.name) for producer in layout.producers(group)]

    return {
        b: {g: sorted(units) for g, units in groups.items()}
        for b, groups in sorted(needed.items())
    }


def everything(blocks: Sequence[Block]) -> Kept:
    """All units of all blocks."""
    return {
        block.index: {g: list(range(n)) for g, n in block.widths.items()} for block in blocks
    }
