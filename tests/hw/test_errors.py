"""Unknown names: the nearest is offered, and all of them are listed."""

import pytest

from cgap_hw import UnknownNameError


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KV26", "unknown board 'KV26'; did you mean 'kv260'? Known: kv260, zc706"),
        ("x", "unknown board 'x'. Known: kv260, zc706"),
    ],
)
def test_one_shape_of_message(name, said):
    assert str(UnknownNameError("board", name, ["zc706", "kv260"])) == said
