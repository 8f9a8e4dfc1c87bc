"""Dotted keys: parts, choices, and what was wrong with one of them."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from cgap_bench.record.configuration import Settings
from cgap_bench.run.keys import first_mistake, keys


class Circle(Settings):
    name: Literal["circle"] = "circle"
    radius: float = Field(1.0, gt=0)


class Square(Settings):
    name: Literal["square"] = "square"
    side: float = 2.0


class Part(Settings):
    depth: int = 3
    limit: int | None = None


class Whole(Settings):
    part: Part = Part()
    form: Annotated[Circle | Square, Field(discriminator="name")] = Circle()
    count: int


def test_parts_are_written_with_dots_and_a_choice_is_a_key_as_well():
    assert list(keys(Whole, "whole.")) == [
        "whole.part.depth",
        "whole.part.limit",
        "whole.form",
        "whole.form.name",
        "whole.form.radius",
        "whole.form.side",
        "whole.count",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "key whole.count is missing"),
        ({"count": "x"}, "whole.count='x' is not right: Input should be a valid integer"),
        ({"count": 1, "part": {"dept": 1}}, "unknown key 'whole.part.dept'; did you mean"),
        (
            {"count": 1, "form": {"name": "circl"}},
            "unknown whole.form 'circl'; did you mean",
        ),
        (
            {"count": 1, "form": {"name": "circle", "side": 1.0}},
            "whole.form.side is no setting of 'circle'",
        ),
        (
            {"count": 1, "form": {"name": "circle", "sid": 1.0}},
            "unknown key 'whole.form.sid'; did you mean 'whole.form.side'",
        ),
        (
            {"count": 1, "form": {"name": "circle", "radius": 0.0}},
            "whole.form.radius=0.0 is not right: Input should be greater than 0",
        ),
    ],
)
def test_the_first_mistake_is_named_as_a_user_writes_it(values, message):
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(values)
    assert first_mistake(caught.value, Whole, "whole.").startswith(message)
