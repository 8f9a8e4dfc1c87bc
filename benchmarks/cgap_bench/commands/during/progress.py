"""What `cgap-cl run` shows while it trains."""

import time
from collections.abc import Callable, Iterable

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from cgap_bench.learn.telling.standing import Standing
from cgap_bench.record.plain import printable
from cgap_bench.show.text_tables import duration

FIRST_S, AGAIN_S = 5.0, 600.0  # lines on the time left, where the output is no terminal
TITLES = ("run", "experience", "epoch", "loss", "accuracy", "widths", "left")
TEXTS = ("run", "widths")


class RunsView(Progress):
    """Bars over all images and all runs, and a line for each run under way.

    Nothing is drawn where the output is no terminal.

    Attributes:
        rows: Name of a run under way -> where it stands, and seconds left.
    """

    def __init__(self, console: Console) -> None:
        self.rows: dict[str, tuple[Standing | None, float]] = {}
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal or console.quiet,
            speed_estimate_period=120,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Called by rich whenever it draws."""
        yield self.make_tasks_table(self.tasks)
        if self.rows:
            yield self._table()

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in TITLES:
            table.add_column(title, no_wrap=True, justify="left" if title in TEXTS else "right")
        table.columns[TITLES.index("widths")].overflow = "ellipsis"
        for name, (where, left_s) in self.rows.items():
            cells = list(_cells(where).values()) if where else [""] * (len(TITLES) - 2)
            table.add_row(printable(name), *cells, duration(left_s))
        return table


def _cells(where: Standing) -> dict[str, str]:
    """Title -> what stands under it."""
    return {
        "experience": f"{where.experience}/{where.n_experiences}",
        "epoch": f"{where.epoch}/{where.n_epochs}",
        "loss": f"{where.loss:.3g}",
        "accuracy": f"{100 * where.accuracy:.0f} %",
        "widths": " ".join(map(str, where.widths.values())),
    }


class RunBars:
    """What a view shows of runs; where nothing can be drawn, lines say how much time is left.

    Args:
        view: Draws.
        counted: Identity of a run -> its training images.
        names: Identity of a run -> how it is called.
        clock: Seconds from any moment on.
    """

    def __init__(
        self,
        view: RunsView,
        counted: dict[str, int],
        names: dict[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view, self._names, self._clock = view, names, clock
        self._left = dict(counted)
        self._paces: dict[str, Pace] = {}
        self._all: Pace | None = None  # from the first image on: processes take time to begin
        self._images: TaskID = view.add_task("images", total=sum(counted.values()))
        self._runs: TaskID = view.add_task("runs", total=len(counted))

    def advance(self, run_id: str, what: int | str | Standing) -> None:
        """Images that went through a run, where it stands, or a line on it."""
        name = self._names[run_id]
        if isinstance(what, str):
            self._say(f"{name}: {what}")
            return
        goes_on = run_id in self._paces
        pace = self._paces.setdefault(run_id, Pace(self._clock))
        self._all = self._all or Pace(self._clock)
        where, _ = self._view.rows.get(name, (None, 0.0))
        if isinstance(what, Standing):
            where = what
        else:
            self._count(run_id, what, goes_on)
        self._view.rows[name] = where, pace.left_s(self._left[run_id])
        if self._view.disable and pace.due():
            self._tell(name)

    def finish(self, run_id: str) -> None:
        """A run may end before its most epochs, or have been finished before."""
        self._view.advance(self._images, self._left.pop(run_id))
        self._view.advance(self._runs)
        self._view.rows.pop(self._names[run_id], None)

    def _count(self, run_id: str, n: int, goes_on: bool) -> None:
        """So many more images; the first may be those that an earlier process trained."""
        self._left[run_id] -= n
        self._view.advance(self._images, n)
        if not goes_on:
            return
        for pace in (self._paces[run_id], self._all):
            assert pace is not None
            pace.images += n

    def _tell(self, name: str) -> None:
        """A line where nothing can be drawn."""
        where, own_s = self._view.rows[name]
        shown = _cells(where) if where else {}
        place = ", ".join(f"{title} {text}" for title, text in shown.items() if text)
        assert self._all is not None
        every = duration(self._all.left_s(sum(self._left.values())))
        left = f"about {duration(own_s)} left, all runs {every}"
        self._say(f"{name}: {place}; {left}" if place else f"{name}: {left}")

    def _say(self, line: str) -> None:
        console = self._view.console
        console.print(printable(line), highlight=False, markup=False, soft_wrap=True)


class Pace:
    """Images a second, from the first ones on.

    Args:
        clock: Seconds from any moment on.

    Attributes:
        images: That have gone through since it was made.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._since = clock, clock()
        self._next_s = FIRST_S
        self.images = 0

    @property
    def elapsed_s(self) -> float:
        """Since it was made."""
        return self._clock() - self._since

    def due(self) -> bool:
        """Whether it is time for a line: after some seconds, then every few minutes."""
        if self.elapsed_s < self._next_s:
            return False
        self._next_s = self.elapsed_s + AGAIN_S
        return True

    def left_s(self, images: int) -> float:
        """For so many more images at the pace so far."""
        return images * self.elapsed_s / max(1, self.images)
