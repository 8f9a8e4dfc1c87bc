"""Who hears of a run while it trains; the numbers of its record do not depend on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cgap_bench.learn.telling.standing import Standing

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Scores:
    """What was measured after an experience.

    Attributes:
        experience: Counted from 0.
        rows: Accuracy of each task, None where it has not been learnt, after each experience.
        task_labels: Of each experience.
        stored_parameters: For all tasks so far.
    """

    experience: int
    rows: Sequence[Sequence[float | None]]
    task_labels: Sequence[int]
    stored_parameters: int


class Listener:
    """Hears of a run; this one does nothing with it.

    Attributes:
        wants_means: Whether `epoch` is called; adding up takes a little time a batch.
    """

    wants_means = False

    def images(self, n: int) -> None:
        """So many more training images, some of which an earlier process may have seen."""

    def standing(self, where: Standing) -> None:
        """Where training stands, every half second or so."""

    def epoch(self, where: Standing, n_images: int, history: History) -> None:
        """After each epoch.

        Args:
            where: The epoch's means.
            n_images: That have gone through the run.
            history: All that has been done to the structure.
        """

    def experience(self, scores: Scores, n_images: int, history: History) -> None:
        """After each experience."""


class Pipe(Listener):
    """Hands images and standings on.

    Args:
        send: Called with them.
    """

    def __init__(self, send: Callable[[int | Standing], None]) -> None:
        self._send = send

    def images(self, n: int) -> None:
        """So many more training images."""
        self._send(n)

    def standing(self, where: Standing) -> None:
        """Where training stands."""
        self._send(where)
