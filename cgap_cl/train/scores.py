"""Scores: what is seen of a column in training: saliency, added up, and the last batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.observing import Activities, LastBatch
from cgap_cl.change.newborn import JointNewbornValues, NewbornValues
from cgap_cl.decide.saliency import (
    DrawingScore,
    ObservingScore,
    Score,
    score_units,
)


class Scores:
    """Sums of scores, kept on the device; nothing is read back per batch.

    Args:
        score: of a unit; copied, since one that draws has a generator of its own.
        newborn: values of newborns, which may need the last batch.

    Attributes:
        column: the block whose units are scored; None: nothing is.
        units: group -> ``(units,)``.
        batch: the last batch, where the values of newborns are read off it; else None.
    """

    def __init__(self, score: Score, newborn: NewbornValues) -> None:
        self.score = copy.deepcopy(score)
        self.newborn = newborn
        self.column: Block | None = None
        self.units: dict[str, Tensor] = {}
        self.batch: LastBatch | None = None
        self._activities: Activities | None = None

    def follow(self, column: Block | None) -> None:
        """Watch another column from now on, from nothing; None: no longer any."""
        for observation in (self._activities, self.batch):
            if observation is not None:
                observation.close()
        self.column, self._activities, self.batch = column, None, None
        self.forget()

        if column is not None and isinstance(self.score, ObservingScore):
            self._activities = self.score.observe(column)
        if column is not None and isinstance(self.newborn, JointNewbornValues):
            self.batch = self.newborn.observe(column)

    def forget(self) -> None:
        """Begin another interval."""
        self.units = {}

    def changed(self) -> None:
        """The column has other widths now: what its layers read belongs to those before."""
        for observation in (self._activities, self.batch):
            if observation is not None:
                observation.clear()

    def add(self) -> None:
        """Add one batch; call it when gradients are there."""
        assert self.column is not None, "nothing is scored: call follow first"
        for group, values in score_units(self.column, self.score, self._activities).items():
            older = self.units.get(group)
            self.units[group] = values if older is None else older + values

    @property
    def fit(self) -> bool:
        """Whether there are scores of the column as it is."""
        widths = {group: len(values) for group, values in self.units.items()}
        return self.column is not None and widths == self.column.widths

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values; copies, not views."""
        drawing = isinstance(self.score, DrawingScore)
        return {
            "units": {group: values.clone() for group, values in self.units.items()},
            "generator": self.score.generator.get_state() if drawing else None,  # type: ignore[attr-defined]
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`state_dict`, for the column that is followed."""
        self.units = {group: values.clone() for group, values in saved["units"].items()}
        if isinstance(self.score, DrawingScore) and saved["generator"] is not None:
            self.score.generator.set_state(saved["generator"])
