"""Numbers that say where they come from, and how far they can be trusted."""

from __future__ import annotations

import enum
from typing import Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator


class Mark(enum.StrEnum):
    """How a value is known."""

    EXACT = "exact"
    """A data sheet's count, or arithmetic."""
    PUBLISHED = "published"
    """Printed by whoever built or measured it."""
    QUOTED = "quoted"
    """Second-hand."""
    FITTED = "fitted"
    """Chosen to agree with measurements; the source names them and the error left."""
    ASSUMED = "assumed"
    """Typical of its kind; not looked up for this part."""


class Range(BaseModel):
    """A low, middle and high estimate, in the unit that the field's name states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    mid: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 0 <= self.low <= self.mid <= self.high:
            raise ValueError(
                "expected 0 <= low <= mid <= high, got"
                f" {self.low:g}, {self.mid:g}, {self.high:g}"
            )
        return self

    def __add__(self, other: Range) -> Range:
        return Range(
            low=self.low + other.low, mid=self.mid + other.mid, high=self.high + other.high
        )

    def scaled(self, factor: float) -> Range:
        """All three times a factor of at least 0."""
        return Range(low=self.low * factor, mid=self.mid * factor, high=self.high * factor)

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.mid:.4g}"
        return f"{self.mid:.4g} ({self.low:.4g} to {self.high:.4g})"


def within(low: float, high: float) -> AfterValidator:
    """Accepts a number or a whole range of numbers between two bounds, for ``Annotated``.

    The bounds are what exists, with room to spare: they catch a wrong unit, not a bad design.
    """

    def check(value: _Number) -> _Number:
        ends = (value.low, value.high) if isinstance(value, Range) else (value,)
        if not all(low <= x <= high for x in ends):  # "not a number" is in no range
            shown = f", got {value}" if isinstance(value, Range) else ""
            raise ValueError(f"expected {low:g} to {high:g}{shown}")
        return value

    return AfterValidator(check)


_Number = TypeVar("_Number", Range, float, int)


class Sourced(Range):
    """A value of a board or a design. In TOML: ``{ value = 2520, source = "..." }``.

    Where it is uncertain ``low``, ``mid`` and ``high`` stand in place of ``value``.
    """

    mark: Mark = Mark.PUBLISHED
    source: str

    @model_validator(mode="before")
    @classmethod
    def _from_value(cls, data: Any) -> Any:
        if isinstance(data, dict) and "value" in data:
            content = dict(data)
            value = content.pop("value")
            return {"low": value, "mid": value, "high": value, **content}
        return data

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if not self.source.strip():
            raise ValueError("a value needs a source")
        return self

    @property
    def count(self) -> int:
        """The middle value as a whole number."""
        return round(self.mid)
