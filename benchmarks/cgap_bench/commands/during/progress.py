"""What `cgap-cl run` shows while it trains."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cgap_bench.commands.before.plan import duration
from cgap_bench.record.plain import printable

FIRST_S, AGAIN_S = 5.0, 600.0  # lines on the time left, where the output is no terminal


def progress_view(console: Console) -> Progress:
    """Bars with the time left; nothing where the output is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=120,
    )


class RunBars:
    """A bar for each run under way, one over all images of all runs, and one over the runs.

    Where bars cannot be drawn, lines say how much time is left.

    Args:
        progress: Draws the bars.
        counted: Identity of a run -> its training images.
        names: Identity of a run -> how it is called.
        clock: Seconds from any moment on.
    """

    def __init__(
        self,
        progress: Progress,
        counted: dict[str, int],
        names: dict[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._names, self._clock = progress, names, clock
        self._left, self._counted = dict(counted), dict(counted)
        self._bars: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}
        self._all = Pace(clock)
        self._images: TaskID = progress.add_task("images", total=sum(counted.values()))
        self._runs: TaskID = progress.add_task("runs", total=len(counted))

    def advance(self, run_id: str, what: int | str) -> None:
        """Images that went through a run, or a line on it."""
        if isinstance(what, str):
            self._say(f"{self._names[run_id]}: {what}")
            return
        if run_id not in self._bars:
            name, total = self._names[run_id], self._counted[run_id]
            self._bars[run_id] = self._progress.add_task(name, total=total)
            self._paces[run_id] = Pace(self._clock)
        self._left[run_id] -= what
        for bar in (self._bars[run_id], self._images):
            self._progress.advance(bar, what)
        for pace in (self._paces[run_id], self._all):
            pace.images += what
        if self._progress.disable and self._paces[run_id].due():
            own = self._paces[run_id].left_s(self._left[run_id])
            every = self._all.left_s(sum(self._left.values()))
            name = self._names[run_id]
            self._say(f"{name}: about {duration(own)} left, all runs {duration(every)}")

    def finish(self, run_id: str) -> None:
        """A run may end before its most epochs, or have been finished before."""
        self._progress.advance(self._images, self._left.pop(run_id))
        self._progress.advance(self._runs)
        if run_id in self._bars:
            self._progress.remove_task(self._bars.pop(run_id))

    def _say(self, line: str) -> None:
        console = self._progress.console
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
