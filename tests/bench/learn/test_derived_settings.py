"""Settings made from config classes: the same fields, the same defaults, and back again."""

import dataclasses

import pytest
from pydantic import ValidationError

from cgap_bench.learn.derived_settings import (
    choice_field,
    choice_from,
    config_from,
    name_field,
    settings_model,
)


@dataclasses.dataclass(frozen=True)
class Dot:
    size: float = 1.0


@dataclasses.dataclass(frozen=True)
class Dash:
    length: int = 4
    width: float = 0.5


def gap():
    return Dash(length=0)


@dataclasses.dataclass(frozen=True)
class Inner:
    share: float = 0.25


@dataclasses.dataclass(frozen=True)
class Config:
    inner: Inner = Inner()
    rate: float = 0.1
    rule: object = max
    mark: object = Dash()
    seed: int = 0


RULES = {"most": max, "least": min}
MARKS = {"dot": Dot, "dash": Dash, "gap": gap}


def model_of(config):
    rule = next(name for name, rule in RULES.items() if rule is config.rule)
    return settings_model(
        config, rule=name_field(RULES, rule), mark=choice_field(MARKS, config.mark), seed=None
    )


def back(settings):
    mark = choice_from(MARKS, settings.mark)
    return config_from(Config(), settings, rule=RULES[settings.rule], mark=mark, seed=7)


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(Inner(0.5), 0.2, min, Dot(3.0)),
        Config(mark=Dash(9)),
    ],
)
def test_its_defaults_are_the_values_of_the_config(config):
    assert back(model_of(config)()) == dataclasses.replace(config, seed=7)


def test_all_settings_are_dumped_nested_and_read_back():
    model = model_of(Config())
    values = {"inner": {"share": 0.5}, "rule": "least", "mark": {"name": "dot", "size": 2.0}}
    settings = model.model_validate(values)
    assert settings.model_dump() == values | {"rate": 0.1}
    assert model.model_validate(settings.model_dump()) == settings
    assert back(settings) == Config(Inner(0.5), 0.1, min, Dot(2.0), 7)


def test_a_name_is_short_for_a_table_and_a_table_without_one_is_of_the_default():
    model = model_of(Config())
    assert back(model.model_validate({"mark": "dot"})).mark == Dot()
    assert back(model.model_validate({"mark": "gap"})).mark == Dash(length=0)
    assert back(model.model_validate({"mark": {"width": 2.0}})).mark == Dash(4, 2.0)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": 1},
        {"rule": "median"},
        {"mark": "line"},
        {"mark": {"size": 1.0}},
        {"mark": {"name": "gap", "length": 1}},
        {"inner": {"shared": 1.0}},
    ],
)
def test_what_the_config_does_not_have_is_an_error(values):
    with pytest.raises(ValidationError):
        model_of(Config()).model_validate(values)
