"""Boards by name and from files of one's own."""

import pytest

from cgap_hw import (
    CostModelError,
    UnknownNameError,
    load_board,
)


def test_unknown_board_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="'zcu-102'; did you mean 'zcu102'"):
        load_board("zcu-102")


def test_own_board_file(tmp_path):
    path = tmp_path / "mine.toml"
    from cgap_hw.boards.board import FOLDER

    text = (FOLDER / "zcu102.toml").read_text()
    path.write_text(text)
    assert load_board(path) == load_board("zcu102")
    for old, new, said in [
        ('source = "8x8x24', 'sauce = "8x8x24', "array.output_stationary"),
        ("pox = 8", "pox = 0", "greater than or equal to 1, got 0"),
        ("[dram]", "[dram", "cannot read board file"),
    ]:
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(CostModelError, match=said):
            load_board(path)
    with pytest.raises(CostModelError, match="cannot read board file"):
        load_board(tmp_path / "none.toml")
    path.write_text('name = "mine"\ndescription = "a board"\n')
    with pytest.raises(CostModelError, match=r"missing: resources, dram, energy, part, array"):
        load_board(path)
