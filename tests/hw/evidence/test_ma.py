"""Whole networks as Ma et al. report them."""

import pytest

from cgap_hw.evidence.ma import ma_rows


@pytest.fixture
def boards_csv(data):
    return data / "boards.csv"


def test_ma_s_vgg16(boards_csv):
    """Published within 6 %, quoted second-hand within 10 %, with nothing fitted."""
    errors = {
        (row.provenance, row.board): row.error_pct
        for row in ma_rows(boards_csv)
        if not row.recalled
    }
    assert errors.keys() == {
        ("published", "Arria 10 GX1150"),
        ("published", "Stratix V GXA7"),
        ("secondary-quotation", "Arria 10 GX1150"),
    }
    for (provenance, _), error in errors.items():
        assert abs(error) < (5.3 if provenance == "published" else 10)


def test_recalled_rows_are_known_as_such(boards_csv):
    rows = ma_rows(boards_csv)
    assert {row.network for row in rows if row.recalled} == {
        "nin",
        "resnet50",
        "resnet152",
        "vgg16",
    }
    by_name = {(r.network, r.board): r.measured_ms for r in rows if r.recalled}
    assert by_name["resnet50", "Arria 10 GX1150"] == 12.7
