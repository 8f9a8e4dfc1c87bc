"""Measured layers fitted from the command line."""

import pytest

from cgap_hw import load_board


def test_calibrated_board_is_a_board_and_fits_better(run, tmp_path, measured):
    rows, out = measured("rows.csv", "zcu102", factor=1.2), tmp_path / "mine.toml"
    result = run("calibrate", rows, "--array", "zcu102", "--out", out)
    assert result.exit_code == 0, result.output
    before, after = load_board("zcu102"), load_board(out)
    assert after.dram.efficiency_ratio.mark == "fitted"
    assert 0 < after.array.error_pct < 60
    assert "held out lies within" in result.output
    assert after.resources == before.resources
    assert run("cost", "torchvision:squeezenet1_1", "--board", out).exit_code == 0


def test_only_rows_of_the_array_are_fitted(run, tmp_path, measured):
    """Or those of its family, or of the one accelerator there is; never a mixture."""
    rows, out = measured("rows.csv", "m32p64"), tmp_path / "mine.toml"
    slow = measured("slow.csv", "zcu102", factor=3)
    with rows.open("a") as file:
        file.writelines(slow.read_text().splitlines(keepends=True)[1:])
    said = run("calibrate", rows, "--array", "M32P64", "--out", out).output
    assert "fitted on 3 shapes" in " ".join(said.split())
    assert "3 rows of other accelerators left out" in said
    assert load_board(out).array.error_pct < 1
    mixed = run("calibrate", rows, "--array", "M32P32", "--out", out)
    assert mixed.exit_code == 2
    assert "no rows of 'M32P32', but of several accelerators: m32p64, zcu102" in mixed.output
    family = measured("rows.csv", "m64p64")
    assert run("calibrate", family, "--array", "M32P32", "--out", out).exit_code == 0
    assert load_board(out).array.dimensions == (32, 32)
    assert load_board(out).array.error_pct < 1
    named = tmp_path / "named.csv"
    named.write_text(slow.read_text().replace("zcu102", "my-board"))
    assert run("calibrate", named, "--array", "zcu102", "--out", out).exit_code == 0


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("calibrate", "absent.csv", "--array", "zcu102", "--out", "x.toml"), "absent.csv"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(run, args, named):
    result = run(*args)
    assert result.exit_code == 2
    assert named in result.output
    assert "Traceback" not in result.output
