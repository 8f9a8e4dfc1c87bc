"""Arrays by name."""

import pytest

from cgap_hw import CostModelError
from cgap_hw.boards.catalogue import array_names, load_array


def test_the_array_has_a_name():
    assert "rtl-4x4x4" in array_names()


def test_any_size_has_a_name():
    assert load_array("M48P80").dimensions == (48, 80)
    with pytest.raises(CostModelError, match="m0p32"):
        load_array("m0p32")
