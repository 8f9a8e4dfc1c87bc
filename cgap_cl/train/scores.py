"""Scores: the saliency of a column's units, added up while it trains."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.decide.saliency import RandomScore, Score, score_units


class Scores:
    """Sums of scores, kept on the device; nothing is read back per batch.

    Args:
        score: of a unit; copied, since one that draws has a generator of its own.

    Attributes:
        column: the block whose units are scored; None: nothing is.
        units: group -> ``(units,)``.
    """

    def __init__(self, score: Score) -> None:
        self.score = copy.deepcopy(score)
        self.column: Block | None = None
        self.units: dict[str, Tensor] = {}

    def follow(self, column: Block | None) -> None:
        """Score another column from now on, from nothing; None: no longer any."""
        self.column = column
        self.forget()

    def forget(self) -> None:
        """Begin another interval."""
        self.units = {}

    def add(self) -> None:
        """Add one batch; call it when gradients are there."""
        assert self.column is not None, "nothing is scored: call follow first"
        for group, values in score_units(self.column, self.score).items():
            older = self.units.get(group)
            self.units[group] = values if older is None else older + values

    @property
    def fit(self) -> bool:
        """Whether there are scores of the column as it is."""
        widths = {group: len(values) for group, values in self.units.items()}
        return self.column is not None and widths == self.column.widths

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values; copies, not views."""
        score = self.score
        return {
            "units": {group: values.clone() for group, values in self.units.items()},
            "generator": score.generator.get_state()
            if isinstance(score, RandomScore)
            else None,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`state_dict`, for the column that is followed."""
        self.units = {group: values.clone() for group, values in saved["units"].items()}
        if isinstance(self.score, RandomScore):
            self.score.generator.set_state(saved["generator"])
