"""Records as Parquet: what other programs read is what the tables say."""

import importlib.util

import pandas as pd
import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.record.store import write_record


def call(output):
    return CliRunner().invoke(main, ["parquet", "--output", str(output)])


def test_without_pyarrow_a_line_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr("cgap_bench.commands.records.parquet.find_spec", lambda _name: None)
    result = call(tmp_path)
    assert result.exit_code == 2
    assert result.output == "Error: Parquet needs pyarrow: pip install 'cgap-cl[parquet]'\n"


@pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None,
    reason="needs pyarrow: pip install 'cgap-cl[parquet]'",
)
def test_one_row_a_run_and_one_a_task(tmp_path, make_record):
    records = [make_record(m, seed, preset=p) for m in "ab" for seed in (0, 1) for p in "xy"]
    for record in records:
        write_record(record, tmp_path)
    assert call(tmp_path).exit_code == 0
    runs = pd.read_parquet(tmp_path / "parquet" / "runs")
    assert sorted(runs["run_id"]) == sorted(record.run_id for record in records)
    assert set(runs["preset"]) == {"x", "y"}
    assert runs["accuracy"].tolist() == pytest.approx([0.8] * len(records))
    tasks = pd.read_parquet(tmp_path / "parquet" / "tasks")
    last = tasks[tasks["experience"] == 3]
    assert last.groupby("task")["accuracy"].mean().tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert call(tmp_path / "runs").output.startswith("Error: no records of finished runs")
