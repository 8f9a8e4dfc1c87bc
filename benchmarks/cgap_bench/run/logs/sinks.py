"""What a logger is given: metrics by Avalanche's names, or the rows of CSV files."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from avalanche.logging import BaseLogger, CSVLogger

from cgap_bench.learn.telling.standing import Standing
from cgap_bench.run.logs.listener import Scores

Event = Mapping[str, Any]
CHANGES = ("grow", "prune")
STRUCTURE = ("training_exp", "images", "event", "units", "price", "widths")


class Sink(Protocol):
    """A logger at work on one run; images are those that have gone through the run."""

    def epoch(self, where: Standing, n_images: int) -> None:
        """The means of an epoch."""

    def event(self, event: Event, experience: int, n_images: int) -> None:
        """What was done to the structure, in an experience counted from 0."""

    def scores(self, scores: Scores, n_images: int) -> None:
        """What was measured after an experience."""

    def close(self) -> None:
        """The run is over, or its process ends."""


class Metrics:
    """Single values under names like Avalanche's own, over training images.

    Args:
        logger: Of Avalanche, or like one.
        flush: Called when some values have been given.
        end: Called at last.
    """

    def __init__(
        self,
        logger: BaseLogger,
        flush: Callable[[], None] = lambda: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._logger, self._flush, self._end = logger, flush, end

    def epoch(self, where: Standing, n_images: int) -> None:
        """Loss and accuracy on training images, and the widths of the column."""
        exp = f"Exp{where.experience - 1:03d}"
        values = {
            f"Loss_Epoch/train_phase/train_stream/{exp}": where.loss,
            f"Top1_Acc_Epoch/train_phase/train_stream/{exp}": where.accuracy,
        }
        widths = where.widths.items()
        self._give(values | {f"CGaP_Width/{k}/{exp}": n for k, n in widths}, n_images)

    def event(self, event: Event, experience: int, n_images: int) -> None:
        """Its price, and how many units it was about."""
        kind, exp = event["kind"].capitalize(), f"Exp{experience:03d}"
        values = {f"CGaP_{kind}/train_phase/{exp}": _units(event)}
        if "price" in event:
            values[f"CGaP_Price/train_phase/{exp}"] = event["price"]
        self._give(values, n_images)

    def scores(self, scores: Scores, n_images: int) -> None:
        """Accuracy of each task so far, and what is stored."""
        name = "Top1_Acc_Exp/eval_phase/test_stream/Task{:03d}/Exp{:03d}"
        values = {
            name.format(scores.task_labels[task], task): accuracy
            for task, accuracy in enumerate(scores.rows[-1])
            if accuracy is not None
        }
        self._give(values | {"Stored_Parameters": scores.stored_parameters}, n_images)

    def close(self) -> None:
        """Give what is left."""
        self._end()

    def _give(self, values: Mapping[str, float], n_images: int) -> None:
        for name, value in values.items():
            self._logger.log_single_metric(name, value, n_images)
        self._flush()


class CsvFiles(CSVLogger):  # type: ignore[misc]
    """Avalanche's two files, gone on with where they are, and one of structural events.

    There is no validation in training: its columns say `nan`.

    Args:
        folder: For `training_results.csv`, `eval_results.csv` and `structure.csv`.
    """

    def __init__(self, folder: Path) -> None:
        # Avalanche opens its files anew: what an earlier process wrote is put back
        kept = {path: path.read_text() for path in sorted(folder.glob("*_results.csv"))}
        super().__init__(str(folder))
        for file in (self.training_file, self.eval_file):
            _, _, rows = kept.get(Path(file.name), "").partition("\n")
            file.write(rows)
            file.flush()

        path = folder / "structure.csv"
        begun = path.exists()
        self._structure_file = path.open("a", newline="")
        self._structure = csv.writer(self._structure_file, lineterminator="\n")
        if not begun:
            self._structure.writerow(STRUCTURE)

    def epoch(self, where: Standing, n_images: int) -> None:
        """A row of `training_results.csv`; epochs count from 0, as Avalanche's do."""
        nan = float("nan")
        place = where.experience - 1, where.epoch - 1
        self.print_train_metrics(*place, where.accuracy, nan, where.loss, nan)

    def event(self, event: Event, experience: int, n_images: int) -> None:
        """A row of `structure.csv`."""
        widths = " ".join(f"{group}={n}" for group, n in event.get("widths", {}).items())
        row = (event["kind"], _units(event), event.get("price", float("nan")), widths)
        self._structure.writerow((experience, n_images, *row))
        self._structure_file.flush()

    def scores(self, scores: Scores, n_images: int) -> None:
        """A row of `eval_results.csv` for each task so far."""
        nan, n = float("nan"), scores.experience
        for task, accuracy in enumerate(scores.rows[-1]):
            if accuracy is not None:
                first = scores.rows[task][task]
                lost = nan if first is None else first - accuracy
                self.print_eval_metrics(task, n, accuracy, nan, lost)

    def close(self) -> None:
        """Close the files."""
        super().close()
        self._structure_file.close()


def _units(event: Event) -> int:
    """Units that grew or were pruned; else those of the column."""
    changed = event.get("changed", {}) if event["kind"] in CHANGES else {}
    return sum((changed or event.get("widths", {})).values())
