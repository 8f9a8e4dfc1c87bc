"""What the figures are drawn of."""

import pytest

from cgap_bench.show import derive, tables
from cgap_hw import load_board


@pytest.fixture
def summary(some_records):
    platform = derive.Platform(load_board("zcu102"))
    return tables.summarise(derive.runs_frame(some_records, platform))
