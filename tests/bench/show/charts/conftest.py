"""Comparisons to draw."""

import pytest

from cgap_bench.show.comparison import comparisons


@pytest.fixture
def comparison(some_records, platform):
    (one,) = comparisons(some_records, platform)
    return one
