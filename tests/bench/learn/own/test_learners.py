"""A method of a user's own that is not what the runner asks for: one line, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.batches import TensorStrategy
from cgap_bench.learn.method import METHODS, Method, NoSettings
from cgap_bench.learn.own.learners import check_learner, network_of, stored_by

EXAMPLE = Path(__file__).parents[4] / "examples" / "own_method.py"


@pytest.fixture
def methods(monkeypatch):
    """The registry, of which nothing stays."""
    METHODS.names()
    for name in ("_entries", "_places"):
        monkeypatch.setattr(METHODS, name, dict(getattr(METHODS, name)))
    monkeypatch.setattr(METHODS, "_mistake", "")
    return METHODS


class Good:
    strategy = None
    history, extra = [], {}

    def __init__(self, context, settings):
        pass

    def learn(self, experience):
        pass

    def network_for(self, task):
        return nn.Linear(2, 2)

    def stored_parameters(self):
        return 6


class NoSettingsTaken(Good):
    def __init__(self, context):
        pass


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (lambda context, settings: None, "not Method(summary, settings, build)"),
        (Method, "is <class 'cgap_bench.learn.method.Method'>, not Method("),
        (
            Method("own", NoSettings, NoSettingsTaken),
            "its build is called as (context, settings): too many positional arguments",
        ),
        (Method("own", NoSettings, None), "its build is None, not a function (context, "),
        (Method("own", dict, Good), "its settings are <class 'dict'>, not a subclass of Set"),
        (Method("own", NoSettings(), Good), "its settings are NoSettings(), not a subclass"),
        (
            Method("own", NoSettings, Good, scenarios="task"),
            "its scenarios are 'task', not of class, domain, task",
        ),
    ],
)
def test_what_is_no_method_is_told_with_its_place(methods, method, said):
    methods.add("own", method)
    with pytest.raises(UsageError) as caught:
        methods["own"]
    assert str(caught.value).startswith("method own (")
    assert "test_learners.py, line " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def with_(**parts):
    return type("Mine", (Good,), parts)(None, None)


def without(*names):
    parts = {name: value for name, value in vars(Good).items() if name not in names}
    return type("Mine", (), parts)(None, None)


@pytest.mark.parametrize(
    ("learner", "said"),
    [
        (None, "builds None, not a learner with strategy, history, extra, learn(experience)"),
        (Good, "test_learners.Good'>, not a learner with"),
        (without("history"), "builds Mine, which lacks history; a learner has"),
        (without("strategy", "learn"), "which lacks strategy, learn; a learner has"),
        (with_(learn=lambda self: None), "whose learn is called as (experience): too many"),
        (with_(learn=3), "whose learn is 3, not a function (experience)"),
        (with_(network_for=lambda self: None), "whose network_for is called as (task): too"),
        (
            with_(stored_parameters=lambda self, task: 0),
            "whose stored_parameters is called as (): missing a required argument: 'task'",
        ),
        (with_(history=None), "whose history is None, not a list"),
        (with_(extra=[]), "whose extra is of type list, not a dict"),
        (
            with_(strategy=object()),
            "whose strategy is of type object, neither None nor what context.strategy(model,",
        ),
    ],
)
def test_what_is_no_learner_is_told(learner, said):
    with pytest.raises(UsageError) as caught:
        check_learner("method own", learner, TensorStrategy)
    assert str(caught.value).startswith("method own builds ")
    assert said in str(caught.value)


def test_what_is_one_passes(methods):
    check_learner("method own", Good(None, None), TensorStrategy)
    methods.add("own", Method("own", NoSettings, Good))
    assert methods["own"].build is Good


def test_what_a_learner_answers_is_looked_at():
    assert stored_by("method own", Good(None, None)) == 6
    assert network_of("method own", with_(network_for=lambda self, task: None), 0) is None
    with pytest.raises(UsageError, match=r"own: network_for gives \{\}, not a torch"):
        network_of("method own", with_(network_for=lambda self, task: {}), 0)
    with pytest.raises(UsageError, match=r"own: stored_parameters gives 0\.5, not a whole"):
        stored_by("method own", with_(stored_parameters=lambda self: 0.5))


def test_a_run_asks(methods, tiny, run):
    methods.add("own", Method("own", NoSettings, lambda context, settings: None))
    with pytest.raises(UsageError, match=r"^method own builds None, not a learner"):
        run(tiny("own"))
    nothing = Method("own", NoSettings, type("Mine", (Good,), {"network_for": lambda s, t: 3}))
    methods.add("other", nothing)
    with pytest.raises(UsageError, match=r"^method other: network_for gives 3, not a torch"):
        run(tiny("other"))


def test_on_the_command_line_it_is_one_line(tmp_path):
    """A script registers before there is a command; the name belongs to a module of ours."""
    text = EXAMPLE.read_text()
    assert text.count('METHODS.add("ewc-replay",') == 1
    (tmp_path / "mine.py").write_text(
        text.replace('METHODS.add("ewc-replay",', 'METHODS.add("ewc",')
    )
    done = subprocess.run(
        [sys.executable, "mine.py", "run", "split-digits", "--output", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    line = 1 + text[: text.index("METHODS.add(")].count("\n")
    said = (
        f"Error: method 'ewc' is registered twice: in mine.py, line {line}, and by the package"
        " itself; choose another name"
    )
    assert (done.returncode, done.stderr.splitlines()) == (2, [said])
