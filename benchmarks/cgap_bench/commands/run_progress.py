"""What `cgap-cl run` shows while it trains."""

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

from cgap_bench.record.plain import printable


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
    )


class RunBars:
    """One bar over all images of all runs, and one over the runs."""

    def __init__(
        self, progress: Progress, counted: dict[str, int], names: dict[str, str]
    ) -> None:
        self._progress, self._left, self._names = progress, dict(counted), names
        self._images: TaskID = progress.add_task("images", total=sum(counted.values()))
        self._runs: TaskID = progress.add_task("runs", total=len(counted))

    def advance(self, run_id: str, what: int | str) -> None:
        """Images that went through a run, or a line on it."""
        if isinstance(what, str):
            line = printable(f"{self._names[run_id]}: {what}")
            self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
            return
        self._left[run_id] -= what
        self._progress.advance(self._images, what)

    def finish(self, run_id: str) -> None:
        """A run may end before its most epochs, or have been finished before."""
        self._progress.advance(self._images, self._left.pop(run_id))
        self._progress.advance(self._runs)
