"""What tables and reports are made of."""

import pytest

from cgap_bench.record.store import write_record
from cgap_bench.show import derive
from cgap_hw import load_board


@pytest.fixture
def platform():
    return derive.Platform(load_board("zcu102"))


@pytest.fixture
def out(tmp_path, some_records):
    folder = tmp_path / "results"
    for record in some_records:
        write_record(record, folder)
    return folder
