"""The questions to Parquet run as they stand on the page, and answer what the records say."""

import re
import shutil
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.record.store import read_records
from cgap_bench.show.metrics import mean_accuracy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text()
BENCHMARK = "split-digits"

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'cgap-cl[parquet]'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Published records of two benchmarks in `results`, and Parquet beside them."""
    folder = tmp_path_factory.mktemp("scale")
    for name in (BENCHMARK, "mnist"):
        shutil.copytree(ROOT / "results" / "runs" / name, folder / "results" / "runs" / name)
    result = CliRunner().invoke(main, ["parquet", "--output", str(folder / "results")])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    """(preset, method) -> accuracies and seconds of training, from the JSON files alone."""
    runs = defaultdict(list)
    for record in read_records(folder / "results"):
        config = record.config
        if config.benchmark == BENCHMARK and not config.variant:
            spent = sum(record.timings["train_s"])
            runs[config.preset, config.method].append((mean_accuracy(record.accuracy), spent))
    return runs


def test_the_question_in_sql(folder, expected, monkeypatch):
    duckdb = pytest.importorskip("duckdb", reason="no dependency: pip install duckdb")
    (question,) = re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL)
    monkeypatch.chdir(folder)
    rows = duckdb.sql(question).fetchall()
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    answers = {(preset, method): rest for preset, method, *rest in rows}
    assert answers.keys() >= expected.keys()
    for key, runs in expected.items():
        accuracies, seconds = zip(*runs)
        mean, std, hours = answers[key]
        assert mean == pytest.approx(sum(accuracies) / len(runs))
        assert std == pytest.approx(pd.Series(accuracies).std())
        assert hours == pytest.approx(sum(seconds) / 3600)


def test_the_question_in_pandas(folder, expected, monkeypatch):
    (question,) = re.findall(r"In pandas: `(.*?)`\.", PAGE)
    monkeypatch.chdir(folder)
    frame = eval(question, {"pandas": pd})
    assert set(frame["benchmark"]) == {BENCHMARK}
    means = frame.groupby(["preset", "method"], observed=True)["accuracy"].mean()
    for key, runs in expected.items():
        assert means[key] == pytest.approx(sum(a for a, _ in runs) / len(runs))
