"""What is seen of runs: a live view in a terminal, a line now and then in a file."""

import io

from rich.console import Console

from cgap_bench.commands.during.progress import RunBars, RunsView
from cgap_bench.learn.telling.standing import Standing

PLACE = Standing(
    3, 10, loss=0.4124, accuracy=0.875, widths={"a": 6, "b": 12}, experience=2, n_experiences=5
)


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _bars(console, clock):
    view = RunsView(console)
    return view, RunBars(view, {"a": 1000, "b": 3000}, {"a": "cgap", "b": "ewc"}, clock)


def test_a_file_gets_lines_with_the_time_left():
    clock, text = _Clock(), io.StringIO()
    _, bars = _bars(Console(file=text, width=200), clock)
    bars.advance("a", 0)
    for clock.now in range(1, 11):
        bars.advance("a", 10)
    # 10 images a second: at 5 s 950 of this run are left, 3950 of all
    assert text.getvalue().splitlines() == ["cgap: about 2 min left, all runs 7 min"]

    clock.now = 10 + 600
    bars.advance("a", PLACE)
    assert text.getvalue().splitlines()[1:] == [
        "cgap: experience 2/5, epoch 3/10, loss 0.412, accuracy 88 %, widths 6 12;"
        " about 1.5 h left, all runs 6.6 h"
    ]
    bars.advance("b", "resumed")
    assert text.getvalue().splitlines()[-1] == "ewc: resumed"


def test_what_another_process_trained_is_no_pace():
    """A run that goes on begins with the images of the process before."""
    clock, text = _Clock(), io.StringIO()
    _, bars = _bars(Console(file=text, width=200), clock)
    bars.advance("b", 2000)
    for clock.now in range(1, 11):
        bars.advance("b", 10)
    # 10 images a second: at 5 s 950 of this run are left, 1950 of all
    assert text.getvalue().splitlines() == ["ewc: about 2 min left, all runs 3 min"]

    bars.advance("a", 500)  # another one goes on
    clock.now = 16
    bars.advance("a", 60)
    # it trains 10 a second, both together 160 in 16 s
    assert text.getvalue().splitlines()[1:] == ["cgap: about 44 s left, all runs 2 min"]


def test_a_terminal_shows_where_each_run_stands():
    clock, text = _Clock(), io.StringIO()
    view, bars = _bars(Console(file=text, force_terminal=True, width=100), clock)
    with view:
        bars.advance("a", 0)
        clock.now = 1
        bars.advance("a", 100)
        bars.advance("a", PLACE)
        drawn = Console(width=80)
        with drawn.capture() as captured:
            drawn.print(view)
    titles, row = [line.split() for line in captured.get().splitlines()[-2:]]
    assert titles == ["run", "experience", "epoch", "loss", "accuracy", "widths", "left"]
    assert row == ["cgap", "2/5", "3/10", "0.412", "88", "%", "6", "12", "9", "s"]


def test_a_finished_run_is_not_shown_any_more():
    text = io.StringIO()
    view, bars = _bars(Console(file=text, force_terminal=True, width=120), _Clock())
    with view:
        bars.advance("a", 1000)
        assert list(view.rows) == ["cgap"]
        bars.finish("a")
        bars.finish("b")  # it was finished before
        assert view.rows == {}
        assert all(task.finished for task in view.tasks)


def test_quiet_says_nothing():
    text = io.StringIO()
    for terminal in (False, True):
        console = Console(file=text, quiet=True, force_terminal=terminal)
        clock = _Clock()
        view, bars = _bars(console, clock)
        with view:
            clock.now = 20
            bars.advance("a", 10)
            bars.advance("a", "a line")
    assert text.getvalue() == ""
