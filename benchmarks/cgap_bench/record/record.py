"""One finished run as a JSON file: raw results only, every metric is derived on reading."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.retired import comparable

SCHEMA_VERSION = 3  # older ones are rewritten by `cgap_bench.record.migration`
NOT_COMPARED = {"environment", "timings"}
# Fields that are accuracies beside the matrix
IN_8_BITS, BY_BATCH = "accuracy_8bit", "accuracy_by_batch"  # the last row again
UNTRAINED, BEFORE = "accuracy_untrained", "accuracy_before"
AHEAD = (UNTRAINED, BEFORE)  # of tasks that were not learnt yet


class Outcome(BaseModel):
    """How a run ended that did not come to its end: the first number that was none.

    Attributes:
        kind: What happened.
        experience: Counted from 1; those before it were measured.
        epoch: Of the experience, counted from 1; None: seen when it was measured.
        batch: Of the epoch, likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["diverged"] = "diverged"
    experience: int = Field(ge=1)
    epoch: int | None = Field(default=None, ge=1)
    batch: int | None = Field(default=None, ge=1)

    def __str__(self) -> str:
        place = f"{self.kind} in experience {self.experience}"
        return f"{place}, epoch {self.epoch}, batch {self.batch}" if self.epoch else place


class Record(BaseModel):
    """One finished run over a stream of T experiences.

    Attributes:
        schema_version: Version of this layout.
        run_id: Identity of the run (`cgap_bench.record.identity`), also the file's name.
        config: The resolved configuration.
        environment: Versions, device, revision; not compared.
        timings: Seconds per experience and images per second; not compared.
        depends_on: `run_id` of the CGaP run whose MACs this run was sized by.
        accuracy: T x T; ``[i][j]`` is the test accuracy in [0, 1] on task j after experience
            i, None where nothing was evaluated (j > i, or the method learns only at the end).
        accuracy_8bit: The last row again, of the same networks with weights and maps rounded to
            8 bits (`cgap_bench.learn.quantise`); empty where it was not measured.
        accuracy_by_batch: The last row again, each batch of as many test images as a training
            batch normalised by its own statistics; empty but under ``network.norm=both``.
        accuracy_untrained: T accuracies before any training, measured where one head answers
            for the same classes in all tasks; None where the method had no network to ask.
            Empty elsewhere, and in records older than this.
        accuracy_before: ``[j]``: accuracy on task j just before it was learnt, after experience
            j - 1 (before any training for j = 0). None and empty as above; None also of tasks
            that the run did not come to.
        n_test: Test images per task.
        networks: Content hash -> layer shapes (`cgap_hw.LayerShape` as JSON).
        subnetworks: ``[i][j]`` (j <= i): hash of what one inference of task j executes
            after experience i; an empty list where nothing was evaluated.
        stored_parameters: Everything stored for all tasks after experience i, heads included.
        training_macs: Multiply-adds of the forward and backward passes of each experience
            (`cgap_bench.learn.training_macs`); empty in records older than the count.
        macs_beside: Multiply-adds of each experience beside those: importances, bases and
            projections, choice of exemplars, held-out images; empty likewise.
        history: What the method did to the structure, in order.
        extra: Plain facts of the method, for instance the width it chose; `class_names` where
            the data name their classes.
        classes: Classes of each experience as the dataset counts, in the order learnt; empty
            in records from before this was written down.
        outcome: Why the run ended early: lists over experiences hold only those that were
            measured; None: it did not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = SCHEMA_VERSION
    run_id: str = Field(pattern="^[0-9a-f]{12}$")
    config: RunConfig
    environment: dict[str, Any]
    timings: dict[str, Any]
    depends_on: str | None = None
    accuracy: list[list[float | None]]
    accuracy_8bit: list[float | None] = []
    accuracy_by_batch: list[float | None] = []
    accuracy_untrained: list[float | None] = []
    accuracy_before: list[float | None] = []
    n_test: list[int]
    networks: dict[str, list[dict[str, Any]]]
    subnetworks: list[list[str]]
    stored_parameters: list[int]
    training_macs: list[int] = []
    macs_beside: list[int] = []
    history: list[dict[str, Any]] = []
    extra: dict[str, Any] = {}
    classes: list[list[int]] = []
    outcome: Outcome | None = None

    def __eq__(self, other: object) -> bool:
        """Two records are equal when everything but environment and timings is.

        Settings and notes that one of them lacks count as those of a run without them; what an
        older one did not count beside batches, or measure on tasks to come, is not compared.
        """
        if not isinstance(other, Record):
            return NotImplemented
        mine, theirs = self._compared, other._compared
        for key in ("macs_beside", *AHEAD):
            if not (mine[key] and theirs[key]):  # one is older than that
                del mine[key], theirs[key]
        return mine == theirs

    @property
    def all_training_macs(self) -> list[int]:
        """Multiply-adds of each experience, in batches and beside them, as far as counted."""
        beside = self.macs_beside or [0] * len(self.training_macs)
        return [sum(pair) for pair in zip(self.training_macs, beside, strict=True)]

    __hash__ = None  # type: ignore[assignment]

    @property
    def spent_s(self) -> float:
        """Seconds of training and evaluation that it took; of one core, a run has no more."""
        lists = (self.timings.get(name, []) for name in ("train_s", "evaluate_s"))
        return float(sum(map(sum, lists)))

    @property
    def _compared(self) -> dict[str, Any]:
        content = self.model_dump(mode="json", exclude=NOT_COMPARED)
        return content | comparable(self.config, content["history"])


def network_hash(layers: list[dict[str, Any]]) -> str:
    """Content hash of a list of layer shapes."""
    text = json.dumps(layers, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
