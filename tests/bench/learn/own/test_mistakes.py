"""What goes wrong in a user's own code is one line: which file, which line, what."""

import pickle
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.errors import UsageError, traced
from cgap_bench.learn.datasets.named import load_data
from cgap_bench.learn.external_networks import external_network
from cgap_bench.learn.own.mistakes import in_own_code

NETWORKS = """\
from torch import nn
def no_value(shape, n):
    raise ValueError("a width of
  nothing")
def deep(shape, n):
    return nn.Conv2d(3, -1, 3)
def no_arguments():
    return nn.Linear(2, 2)
def load(root):
    return {}["train"]
number = 3
"""
MODULES = {
    "mk_good": NETWORKS.replace("of\n  nothing", "of\\n  nothing"),
    "mk_syntax": "from torch import nn\n\ndef small(shape, n)\n    pass\n",
    "mk_fails": "import math\nmath.sqrt(-1)\n",
    "mk_missing": "import a_package_that_is_not_there\n",
    "mk_attribute": "import math\nmath.nothing\n",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in MODULES.items():
        Path(f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mk_good:no_value", "mk_good.py, line 3: ValueError: a width of nothing"),
        ("mk_good:deep", "mk_good.py, line 5: "),
        ("mk_good:no_arguments", "is called as (input_shape, n_outputs): too many positional"),
        ("mk_good:number", "is 3, not a function (input_shape, n_outputs)"),
        ("mk_good:nothing", "has no attribute 'nothing'"),
        ("mk_syntax:small", "mk_syntax.py, line 3: SyntaxError: expected ':'"),
        ("mk_fails:small", "mk_fails.py, line 2: ValueError: "),
        ("mk_missing:small", "No module named 'a_package_that_is_not_there'"),
        ("mk_attribute:small", "mk_attribute.py, line 2: AttributeError: "),
    ],
)
def test_a_network_that_cannot_be_made(here, name, said):
    with pytest.raises(UsageError) as caught:
        external_network(name, 1.0, (3, 8, 8), 2)
    assert str(caught.value).startswith(f"network {name}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dataset_that_cannot_be_loaded(here):
    with pytest.raises(UsageError) as caught:
        load_data("mk_good:load", None, here)
    assert str(caught.value) == "dataset mk_good:load: mk_good.py, line 9: KeyError: 'train'"


def test_what_is_not_a_users_stays_what_it_is():
    with pytest.raises(ZeroDivisionError) as caught:
        exec("1 / 0")
    caught.value.__traceback__ = caught.tb.tb_next  # without this file
    assert in_own_code(caught.value) is None


def test_how_it_came_about_travels_with_the_error():
    try:
        raise KeyError("lost")
    except KeyError as error:
        told = traced(UsageError("a line"), error)
    received = pickle.loads(pickle.dumps(told))
    assert str(received) == "a line"
    assert "KeyError: 'lost'" in received.__notes__[0]


def test_on_the_command_line_it_is_a_line_and_with_debug_all_of_it(here):
    Path("mine.toml").write_text(
        'default_preset = "a"\nseeds = "0"\nmethods = ["fixed"]\n[network]\n'
        'name = "mk_good:no_value"\n[stream]\ndataset = "digits"\nn_experiences = 2\n'
        "[training]\nepochs = 1\nlr = 0.1\n[presets.a]\n"
    )
    words = ["run", "mine.toml", "--output", "out"]
    plain = CliRunner().invoke(main, words)
    line = "Error: network mk_good:no_value: mk_good.py, line 3: ValueError: a width of nothing"
    assert (plain.exit_code, plain.output.splitlines()) == (2, [line])
    debugged = CliRunner().invoke(main, ["--debug", *words])
    assert debugged.exit_code == 2
    assert debugged.output.startswith("Traceback")
    assert debugged.output.splitlines()[-1] == line
