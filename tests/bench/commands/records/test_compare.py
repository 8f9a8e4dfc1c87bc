"""Two folders side by side."""

import pytest

from cgap_bench.commands.records.compare import compare_text
from cgap_bench.errors import UsageError
from cgap_bench.record.store import write_record


@pytest.fixture
def folders(make_record, tmp_path):
    """The second is 2 points more accurate in each seed; it has no seed 2."""
    for name, gain, seeds in (("a", 0.0, 3), ("b", 0.02, 2)):
        for seed in range(seeds):
            final = tuple(base + gain + 0.01 * seed for base in (0.9, 0.8, 0.7))
            write_record(make_record("cgap", seed, final), tmp_path / name)
    return tmp_path / "a", tmp_path / "b"


def test_differences_are_paired_by_seed(folders):
    text = compare_text(*folders, "zcu102")
    (row,) = [line for line in text.splitlines() if line.startswith("cgap")]
    assert row.split()[1:5] == ["2", "+2.00", "±", "0.00"]
    assert "0 of 2 runs with the same settings have the same numbers" in text


def test_a_folder_is_equal_to_itself(folders):
    text = compare_text(folders[0], folders[0], "zcu102")
    assert "3 of 3 runs with the same settings have the same numbers" in text
    assert "+" not in text.splitlines()[2]


def test_what_only_one_has_is_told(folders, make_record):
    write_record(make_record("cgap", benchmark="other"), folders[1])
    assert f"only in {folders[1]}: other-standard" in compare_text(*folders, "zcu102")


def test_nothing_in_common_is_an_error(folders, tmp_path):
    with pytest.raises(UsageError, match="toy-standard; no records"):
        compare_text(folders[0], tmp_path / "none", "zcu102")
