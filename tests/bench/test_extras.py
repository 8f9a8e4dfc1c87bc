"""What an extra is needed for says, without it, how it is installed: in one line."""

import sys
import tomllib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from cgap_bench.cli import main
from cgap_bench.errors import UsageError
from cgap_bench.export.formats import write_onnx
from cgap_bench.export.hls4ml_project import write_hls4ml
from cgap_bench.export.qonnx_file import write_qonnx

RUN = ("run", "split-digits")
LOG = "needs a package that is not installed here"
# extra -> a package of it, what is asked for, and the line, which ends in how to install it
COMMANDS = {
    "mlflow": ("mlflow", (*RUN, "--log", "mlflow"), f"--log mlflow {LOG}"),
    "onnx": ("onnx", ("cost", "any.onnx"), "reading any.onnx needs onnx and onnxslim"),
    "parquet": ("pyarrow", ("parquet",), "Parquet needs pyarrow"),
    "ray": ("ray", (*RUN, "--executor", "ray"), "--executor ray needs ray"),
    "tensorboard": ("tensorboard", (*RUN, "--log", "tensorboard"), f"--log tensorboard {LOG}"),
    "tune": ("optuna", ("tune", "split-digits"), "tuning needs optuna"),
    "wandb": ("wandb", (*RUN, "--log", "wandb"), f"--log wandb {LOG}"),
}
FILES = {
    "hls4ml": ("hls4ml", write_hls4ml, "hls4ml is missing"),
    "qonnx": ("qonnx", write_qonnx, "QONNX needs the extra `qonnx`"),
    "onnx": ("onnxruntime", write_onnx, "ONNX needs the extra `onnx`"),
}
OF_TESTS = {"dev", "rtl"}  # `make rtl` needs the latter, no command does


def gone(monkeypatch, package):
    """To import a package fails, to find it too, whatever of it other tests have imported."""
    of_it = [name for name in sys.modules if name.partition(".")[0] == package]
    for name in (package, *of_it):
        monkeypatch.setitem(sys.modules, name, None)


def test_all_extras_are_here():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert {*COMMANDS, *FILES} == {*extras} - OF_TESTS


@pytest.mark.parametrize("extra", COMMANDS)
def test_a_command_says_how_to_install_it(extra, monkeypatch, tmp_path):
    package, words, line = COMMANDS[extra]
    gone(monkeypatch, package)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: {line}: pip install 'cgap-cl[{extra}]'"
    assert not list(tmp_path.rglob("*.json"))  # nothing was trained


@pytest.mark.parametrize("extra", FILES)
def test_an_export_says_how_to_install_it(extra, monkeypatch, tmp_path):
    package, write, line = FILES[extra]
    gone(monkeypatch, package)
    with pytest.raises(UsageError) as caught:
        write(nn.Linear(3, 2), torch.zeros(1, 3), tmp_path / "file")
    how = f"{line}: pip install 'cgap-cl[{extra}]'"
    assert str(caught.value).partition(" (")[0] == how
    assert not list(tmp_path.iterdir())
