"""Predicted against measured from the command line, and the page that shows it."""

import json
from pathlib import Path

import pytest

from cgap_hw import CostModelError
from cgap_hw.evidence.measured import data_folder


def test_validation_of_own_measurements(run, measured):
    rows = measured("rows.csv", "m32p64", factor=1.1)
    content = json.loads(run("validate-hardware", "--measured", rows, "--json").output)
    assert content["rows"] == len(content["layers"]) == 3
    for errors in (content, content["by_kind"]["conv"]):
        assert errors["mape_pct"] == pytest.approx(100 / 11, rel=1e-4)
        assert errors["worst_pct"] == pytest.approx(100 / 11, rel=1e-4)
        assert errors["mean_error_pct"] == pytest.approx(-100 / 11, rel=1e-4)
    layer = content["layers"][0]
    assert layer["low_ns"] < layer["predicted_ns"] < layer["high_ns"]
    assert "farthest off" in run("validate-hardware", "--measured", rows).output


@pytest.mark.slow  # it fits all rows anew; the errors it states are bounded in tests/hw
def test_the_page_shows_what_the_model_says(run, tmp_path):
    try:
        data_folder()
    except CostModelError as error:
        pytest.skip(str(error))
    page = Path(__file__).parents[3] / "hardware" / "README.md"
    copy = tmp_path / "README.md"
    copy.write_text(page.read_text())
    assert run("validate-hardware", "--page", copy).exit_code == 0
    assert copy.read_text() == page.read_text()
    copy.write_text("no markers")
    assert run("validate-hardware", "--page", copy).exit_code == 2


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("validate-hardware", "--measured", "absent.csv"), "absent.csv"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(run, args, named):
    result = run(*args)
    assert result.exit_code == 2
    assert named in result.output
    assert "Traceback" not in result.output
