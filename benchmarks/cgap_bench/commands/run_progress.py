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

    def __init__(self, progress: Progress, counted: dict[str, int]) -> None:
        self._progress, self._left = progress, dict(counted)
        self._images: TaskID = progress.add_task("images", total=sum(counted.values()))
        self._runs: TaskID = progress.add_task("runs", total=len(counted))

    def advance(self, run_id: str, n_images: int) -> None:
        """Images that went through a run."""
        self._left[run_id] -= n_images
        self._progress.advance(self._images, n_images)

    def finish(self, run_id: str) -> None:
        """A run may end before its most epochs, or have been finished before."""
        self._progress.advance(self._images, self._left.pop(run_id))
        self._progress.advance(self._runs)
