"""Seeds: every form is read, everything else is an error."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.run.seeds import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", [0]), ("0-2", [0, 1, 2]), ("0,3,7", [0, 3, 7]), ("5, 0-1", [5, 0, 1]), ("1,1", [1])],
)
def test_seeds_are_read(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0-", "-1", "", "a", "0,,1", "1.5", "0--2", "3-1"])
def test_seeds_that_are_none_are_an_error(text):
    with pytest.raises(UsageError, match="seeds"):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["0-999999", "4294967296", "0-" + "9" * 5000, "0-5000,0-5000"])
def test_seeds_are_bounded_before_anything_is_made(text):
    with pytest.raises(UsageError, match=r"0 to 4294967295|at most 10,000") as error:
        parse_seeds(text)
    assert len(str(error.value)) < 200
