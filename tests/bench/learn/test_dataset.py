"""Datasets: data root, and a test split by position."""

from pathlib import Path

import torch

from cgap_bench.learn.dataset import DATA_VARIABLE, data_root, every_fifth


def test_data_root_is_option_then_variable_then_home(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "variable"))
    assert data_root(tmp_path / "option") == tmp_path / "option"
    assert data_root() == tmp_path / "variable"
    monkeypatch.delenv(DATA_VARIABLE)
    assert data_root() == Path.home() / ".cache" / "cgap-cl"


def test_every_fifth_is_counted_within_each_class():
    targets = torch.tensor([0, 1] * 6)
    assert every_fifth(targets).nonzero().flatten().tolist() == [8, 9]
