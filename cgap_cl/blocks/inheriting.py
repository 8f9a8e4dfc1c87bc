"""Inheritance: a column begins as an older block.

What a column takes over unchanged it may *share*: read from the ancestor, neither stored nor
computed again. Shared or copied, the column begins as the same function.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.copying import Copying
from cgap_cl.blocks.index_maps import UnitMap
from cgap_cl.blocks.layout import Layout
from cgap_cl.errors import unknown


@dataclass(frozen=True)
class Birth:
    """How a new column begins.

    Attributes:
        widths: units per group; None: those of the ancestor, or of the seed.
        ancestor: block whose weights it inherits; None: fresh weights.
        share: units of the ancestor that the column reads instead of owning a copy, per group;
            at least one unit of every group is copied.
        given: units of the pretrained network whose weights it starts with, per group; the
            first column alone. Its head is new.
        shrink: what is left of each weight that is inherited.
        perturb: how much of a fresh weight is added to it (Ash and Adams 2020).

    >>> Birth(ancestor=0, share={"conv1": (0, 1)})  # two units are read from block 0
    Birth(widths=None, ancestor=0, share={'conv1': (0, 1)}, given=None, shrink=1.0, perturb=0.0)
    """

    widths: Mapping[str, int] | None = None
    ancestor: int | None = None
    share: Mapping[str, Sequence[int]] = field(default_factory=dict)
    given: Mapping[str, Sequence[int]] | None = None
    shrink: float = 1.0
    perturb: float = 0.0


@dataclass(frozen=True, eq=False)
class Inheritance:
    """A birth looked up among the older blocks: all that it names is there, and fits.

    Attributes:
        widths: of the column.
        blocks: the older blocks, by index.
        ancestor: None: the column keeps its fresh weights.
        copied: units of the ancestor that the column has copies of, per group.
        shrink: what is left of each weight.
        perturb: how much of a fresh one is added to it.
    """

    widths: Mapping[str, int]
    blocks: Sequence[Block]
    ancestor: Block | None
    copied: Mapping[str, Sequence[int]]
    shrink: float = 1.0
    perturb: float = 0.0

    @classmethod
    def of(
        cls,
        birth: Birth,
        layout: Layout,
        blocks: Sequence[Block],
        seed: Mapping[str, int],
        given: Block | None = None,
    ) -> Inheritance:
        """Look a birth up.

        Args:
            birth: how the column begins.
            layout: of the network.
            blocks: the older blocks, by index.
            seed: widths where the birth names neither widths nor an ancestor.
            given: the pretrained network at full width, while there are no older blocks.

        Raises:
            ValueError: a block, group or unit is named that is not there, or widths do not fit.
        """
        named = () if birth.ancestor is None else (birth.ancestor,)
        _check_names("block", named, range(len(blocks)))
        _check_names("group to share", birth.share, layout.widths)
        if birth.widths is not None:
            _check_widths(birth.widths, layout.widths)

        if birth.given is not None or (given is not None and birth == Birth()):
            copied = _given_units(given, birth.given)
            widths = {group: len(units) for group, units in copied.items()}
            return cls(widths, blocks, given, copied)
        if birth.ancestor is None:
            return cls(birth.widths or seed, blocks, None, {})
        ancestor = blocks[birth.ancestor]
        copied = _copied_units(ancestor, birth.share)
        widths = {group: len(units) for group, units in copied.items()}
        if birth.widths not in (None, widths):
            raise ValueError(
                f"a column inherits at its ancestor's widths: {birth.widths} is not {widths}"
            )
        return cls(widths, blocks, ancestor, copied, birth.shrink, birth.perturb)

    @torch.no_grad()
    def endow(self, column: Block, continues: bool = False) -> None:
        """Give a fresh column of these widths what it inherits.

        Weights, statistics and laterals are copied for the units that are not shared; the
        shared ones become lateral inputs from the ancestor, read with the ancestor's weights.
        Weights of layers may be shrunk and perturbed on the way; values of norms, biases and
        what is shared are not. The head stays fresh, unless it continues the ancestor's.

        Args:
            column: of these widths.
            continues: whether the first outputs of its head are those of the ancestor's.
        """
        if self.ancestor is None:
            return

        maps = {
            group: UnitMap(tuple(units), (False,) * len(units))
            for group, units in self.copied.items()
        }
        copying = Copying(column, self.ancestor, self.blocks, maps, self.shrink, self.perturb)
        for layer in column.layout.layers:
            if layer.name == column.layout.head:
                copying.head(layer)
                if continues:
                    copying.old_classes(layer)
            elif layer.dense:
                copying.dense(layer)
            else:
                copying.per_channel(layer)


def _check_names(what: str, names: Iterable[object], known: Collection[object]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(unknown(what, name, known))


def _check_widths(widths: Mapping[str, int], groups: Mapping[str, int]) -> None:
    for group in {*widths, *groups}:
        if group not in groups or widths.get(group, 0) < 1:
            raise ValueError(
                f"widths must give at least 1 unit to each of {', '.join(groups)}; "
                f"'{group}' has {widths.get(group)}"
            )


def _copied_units(ancestor: Block, share: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Units of the ancestor that a column copies: all that it does not share.

    Raises:
        ValueError: a unit is not there, or a group would have no unit of its own.
    """
    copied = {}
    for group, width in ancestor.widths.items():
        gone = set(share.get(group, ()))
        if not gone <= set(range(width)) or len(gone) == width:
            raise ValueError(
                f"share: '{group}' has units 0 to {width - 1}, of which one or more must be "
                f"copied; asked for {sorted(gone)}"
            )
        if gone and ancestor.layout.normed_with(group):
            raise ValueError(
                f"share: each block norms its own units of '{group}', so all of them are copied"
            )
        copied[group] = [unit for unit in range(width) if unit not in gone]
    return copied


def _given_units(
    given: Block | None, units: Mapping[str, Sequence[int]] | None
) -> dict[str, list[int]]:
    """Units of the pretrained network that the first column copies.

    Raises:
        ValueError: none are named, there is no such network, a unit is not there, or a group
            has none.
    """
    if units is None:
        raise ValueError(
            "the network is pretrained: name the units that the first column starts from, "
            "Birth(given=...), or let GrowthLoop (the plugin) choose them"
        )
    if given is None:
        raise ValueError(
            "only the first column of PlasticNetwork(..., pretrained=True) starts from units "
            f"of the network given; asked for {dict(units)}"
        )
    _check_widths({group: len(chosen) for group, chosen in units.items()}, given.widths)
    for group, width in given.widths.items():
        _check_names(f"unit of '{group}'", units[group], range(width))
    return {group: sorted(units[group]) for group in given.widths}
