"""What `execute` needs of whoever runs runs; a scheduler is one module that provides it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from cgap_bench.learn.telling.standing import Standing
from cgap_bench.record.record import Record
from cgap_bench.run.jobs import Job
from cgap_bench.run.keeper import Checkpoints
from cgap_bench.run.reference import Reference

# run_id, and training images since the last call, where training is, or a line for people
Report = Callable[[str, int | str | Standing], None]


@dataclass(frozen=True)
class Outcome:
    """How a worker ended.

    Attributes:
        record: What came out; None where nothing did.
        error: Why; None where another process is doing the run.
        died: The error is that its process is gone, through no fault that is known.
    """

    record: Record | None = None
    error: Exception | None = None
    died: bool = False


class Crew(Protocol):
    """Workers that do one run each, so many at a time; a context that ends them.

    Attributes:
        retries: How often a run is begun again whose worker has died.
    """

    retries: int

    def __len__(self) -> int:
        """How many are at work."""

    @property
    def n_free(self) -> int:
        """How many can be started now."""

    def start(
        self, job: Job, root: Path, reference: Reference | None, checkpoints: Checkpoints
    ) -> None:
        """Begin a run."""

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Wait a while for whatever workers have to say; those that have ended, and how."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask all that are left to keep where they are and end; after a moment, end them."""


class Executor(Protocol):
    """Makes crews."""

    @property
    def n_processes(self) -> int:
        """Runs at a time."""

    def crew(self, report: Report) -> Crew:
        """Workers that tell how far they are.

        Args:
            report: Called while runs are going on.
        """
