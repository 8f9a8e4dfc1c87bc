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
        ("pox = 8", "pox = 0", "pox: expected 1 to 65536, got 0"),
        ("[dram]", "[dram", "board file: cannot read"),
    ]:
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(CostModelError, match=said):
            load_board(path)
    with pytest.raises(CostModelError, match="board file: cannot read"):
        load_board(tmp_path / "none.toml")
    path.write_text('name = "mine"\ndescription = "a board"\n')
    with pytest.raises(CostModelError, match=r"missing: resources, dram, energy, part, array"):
        load_board(path)


WRONG = {  # what stands in the file -> what somebody might write, and what is said of it
    "clock_mhz = 200": (
        "clock_mhz = 200000000",
        r"clock_mhz: expected 1 to 1500, got 200000000",
    ),
    "mid = 19.2, high = 19.2": (
        "mid = 19.2, high = 19200",
        r"dram.bandwidth_gbps: expected 0.05 to 2000, got 19.2 \(17 to 1.92e\+04\)",
    ),
    "{ low = 17.0, mid = 19.2, high = 19.2": (
        "{ value = 0",
        r"dram.bandwidth_gbps: expected 0.05 to 2000, got 0",
    ),
    "efficiency_ratio = { low = 0.6, mid = 0.75, high = 0.9": (
        "efficiency_ratio = { value = 75",
        r"dram.efficiency_ratio: expected 0.01 to 1, got 75",
    ),
    "macs_per_dsp_8_bits = { value = 2": (
        "macs_per_dsp_8_bits = { value = 20",
        r"resources.macs_per_dsp_8_bits: expected 0.1 to 8, got 20",
    ),
    "macs_per_dsp_16_bits = { value = 1": (
        "macs_per_dsp_16_bits = { value = 4",
        r"macs_per_dsp_16_bits: expected at most the 2 of 8 bits, got 4",
    ),
    "logic_macs = 0": (
        "logic_macs = 0\n[array.buffers]\ninput_ratio = 0.75\nweight_ratio = 0.8",
        r"array.output_stationary.buffers: .* add up to 1.75, at most 1",
    ),
    "dsp = { value = 2520": ("dsp = { value = nan", r"resources.dsp.*nan"),
    "static_w = { low = 0.7, mid = 1.5, high = 3.0": (
        "static_w = { value = -1",
        r"energy.static_w: expected 0 <= low <= mid <= high, got -1, -1, -1",
    ),
    "pof = 24": (
        "pof = 1e9",
        r"array.output_stationary.pof: expected 1 to 65536, got 1000000000",
    ),
    'part = "XCZU9EG"': ("part = 9", r"part: "),
}


@pytest.mark.parametrize("right", WRONG)
def test_a_value_that_no_board_has_is_named_with_what_is_accepted(tmp_path, right):
    from cgap_hw.boards.board import FOLDER

    text, (wrong, said) = (FOLDER / "zcu102.toml").read_text(), WRONG[right]
    assert right in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(CostModelError, match=said) as refusal:
        load_board(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
