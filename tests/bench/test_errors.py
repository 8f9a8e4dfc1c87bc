"""What the packages say about an unknown name: one message, in three independent places."""

import pytest

import cgap_cl.errors
import cgap_hw.errors
from cgap_bench.errors import UnknownNameError

SAID_BY = {
    "cgap_bench": lambda *words: str(UnknownNameError(*words)),
    "cgap_cl": cgap_cl.errors.unknown,
    "cgap_hw": lambda *words: str(cgap_hw.errors.UnknownNameError(*words)),
}


@pytest.mark.parametrize("package", SAID_BY)
def test_the_nearest_name_comes_first_then_all(package):
    say = SAID_BY[package]
    assert say("board", "zcu10", ["kv260", "zcu104"]) == (
        "unknown board 'zcu10'; did you mean 'zcu104'? Known: kv260, zcu104"
    )
    assert say("board", "?", ["kv260", "zcu104"]) == "unknown board '?'. Known: kv260, zcu104"


def test_a_dotted_key_is_nearest_to_one_with_the_same_last_part():
    keys = ["cgap.board", "cgap.growth.beta"]
    assert "did you mean 'cgap.growth.beta'?" in str(UnknownNameError("key", "cgap.beta", keys))
