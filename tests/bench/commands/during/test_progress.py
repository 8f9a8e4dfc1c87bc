"""Time left is told within ten seconds of the first batch, for each run and for all."""

import io

from rich.console import Console

from cgap_bench.commands.during.progress import RunBars, progress_view


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _lines(text: io.StringIO) -> list[str]:
    return text.getvalue().splitlines()


def _bars(clock):
    text = io.StringIO()
    view = progress_view(Console(file=text, width=200))
    return text, RunBars(view, {"a": 1000, "b": 3000}, {"a": "cgap", "b": "ewc"}, clock)


def test_a_file_gets_lines_with_the_time_left():
    clock = _Clock()
    text, bars = _bars(clock)
    bars.advance("a", 0)
    for clock.now in range(1, 11):
        bars.advance("a", 10)
    # 10 images a second: at 5 s 950 of this run are left, 3950 of all
    assert _lines(text) == ["cgap: about 2 min left, all runs 7 min"]

    clock.now = 10 + 600
    bars.advance("a", 0)
    assert len(_lines(text)) == 2
    bars.advance("b", "resumed")
    assert _lines(text)[-1] == "ewc: resumed"


def test_a_finished_run_has_no_bar_any_more():
    text = io.StringIO()
    with progress_view(Console(file=text, force_terminal=True, width=120)) as view:
        bars = RunBars(view, {"a": 10, "b": 30}, {"a": "cgap", "b": "ewc"}, _Clock())
        bars.advance("a", 10)
        assert [task.description for task in view.tasks] == ["images", "runs", "cgap"]
        bars.finish("a")
        bars.finish("b")  # it was finished before
        assert [task.description for task in view.tasks] == ["images", "runs"]
        assert all(task.finished for task in view.tasks)
