"""Examples in docstrings say what happens."""

import doctest
from importlib import import_module

import pytest

# Modules whose public functions a user calls.
MODULES = (
    "cgap_bench.learn.quantise",
    "cgap_bench.shapes.counting",
    "cgap_bench.shapes.forms",
    "cgap_bench.shapes.sources",
    "cgap_bench.shapes.torchvision_networks",
    "cgap_bench.shapes.tracing",
    "cgap_bench.show.markers",
    "cgap_bench.show.metrics",
    "cgap_bench.show.stats",
    "cgap_bench.show.text_tables",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    found = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
