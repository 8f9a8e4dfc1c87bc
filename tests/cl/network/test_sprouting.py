"""What may be sprouted and merged, and when."""

import pytest

from cgap_cl import Birth


def test_sprouting_is_checked(fresh):
    network = fresh("mlp")
    network.sprout(0, 3)
    with pytest.raises(RuntimeError, match="task 0 is still learning"):
        network.sprout(1, 3)
    network.merge()
    with pytest.raises(RuntimeError, match="no column to merge"):
        network.merge()
    for birth, message in [
        (Birth(ancestor=3), "unknown block '3'"),
        (Birth(widths={"1": 3}), "at least 1 unit"),
    ]:
        with pytest.raises(ValueError, match=message):
            network.sprout(1, 3, birth)
        assert network.column is None
