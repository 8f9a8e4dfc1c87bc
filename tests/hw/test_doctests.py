"""The examples in the docstrings of the cost model give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import cgap_hw

MODULES = sorted(m.name for m in pkgutil.walk_packages(cgap_hw.__path__, "cgap_hw."))
# What a user calls; each shows how.
CALLED = (
    "cgap_hw.advise",
    "cgap_hw.board_names",
    "cgap_hw.load_board",
    "cgap_hw.network_cost",
    "cgap_hw.read_shapes",
    "cgap_hw.resident_together",
    "cgap_hw.switch_cost",
    "cgap_hw.write_shapes",
    "cgap_hw.boards.catalogue.load_array",
    "cgap_hw.boards.catalogue.on_board",
    "cgap_hw.evidence.calibrate.calibrate",
    "cgap_hw.price.explore.explore",
    "cgap_hw.price.usage.usage",
)


def test_all_rooms_are_walked():
    rooms = {name.split(".")[1] for name in MODULES}
    assert {"chips", "layers", "arrays", "boards", "price", "evidence"} <= rooms


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name):
    result = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert result.failed == 0


@pytest.mark.parametrize("name", CALLED)
def test_what_users_call_has_an_example(name):
    module, _, function = name.rpartition(".")
    text = getattr(importlib.import_module(module), function).__doc__
    assert doctest.DocTestParser().get_examples(text)
