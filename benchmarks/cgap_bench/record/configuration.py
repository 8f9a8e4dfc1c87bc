"""What a run is: the frozen configuration that its record holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from cgap_bench.record.plain import check_kind, check_plain, printable

REFERENCE_METHOD = "cgap"  # others are sized by its runs and compared with them
MOST_CHARACTERS = 100  # of a name that becomes one of a file
LAST_SEED = 2**32 - 1  # that every generator takes
MOST_EXPERIENCES = 10_000
MOST_IMAGES = 1_000_000  # of a batch
MOST_EPOCHS = 100_000
LARGEST_RATE = 1e6


def file_name(name: str) -> str:
    """A name that is one part of a path, wherever that is.

    Raises:
        ValueError: It is none.
    """
    if not re.fullmatch(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{MOST_CHARACTERS - 1}}}", name):
        raise ValueError(
            "files are called after it: letters, digits and . _ - only, no dot first, at most"
            f" {MOST_CHARACTERS} characters"
        )
    return name


FileName = Annotated[str, AfterValidator(file_name)]


@dataclass(frozen=True)
class Derived:
    """Metadata of a setting that is read off the files of a run and cannot be set."""


# of what a user brings: own code or own images; None of all that comes with the project
Fingerprint = Annotated[str | None, Derived()]


class LearningRateSchedule(StrEnum):
    """How the learning rate runs within one experience."""

    CONSTANT_COSINE = "constant-cosine"  # constant, then a half cosine to zero
    PLATEAU = "plateau"  # halved when the held-out loss stalls, best weights restored


class Optimizer(StrEnum):
    """What follows the gradients."""

    SGD = "sgd"
    ADAM = "adam"  # betas 0.9 and 0.999; `momentum` is of SGD only


class Augmentation(StrEnum):
    """What is done to a batch of training images."""

    NONE = "none"
    CROP_FLIP = "crop-flip"  # zero padding of 4, random crop, random horizontal flip


class Precision(StrEnum):
    """Number format of the forward pass in training; evaluation is always float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"  # autocast; parameters stay float32


class MemoryFormat(StrEnum):
    """Order of a batch of images in memory, in training and evaluation."""

    CONTIGUOUS = "contiguous"  # channel by channel
    CHANNELS_LAST = "channels-last"  # pixel by pixel: faster on most processors, other rounding


class Split(StrEnum):
    """Which images fill the accuracy matrix."""

    TEST = "test"
    HELD_OUT = "held-out"  # of the training images: to choose settings by


class Scenario(StrEnum):
    """What a network is told and asked (van de Ven and Tolias 2019)."""

    TASK = "task"  # told the task: a head for each, classes of the task only
    DOMAIN = "domain"  # not told: one head, the same classes in every task
    CLASS = "class"  # not told: one head over the classes of all tasks


class Cut(StrEnum):
    """What differs between the experiences of a stream."""

    CLASSES = "classes"  # equal shares of the classes
    GROUPS = "groups"  # groups of classes by the dataset's own account: superclasses, alphabets
    DOMAINS = "domains"  # all classes, images of another origin: sessions
    PERMUTED = "permuted"  # all images, pixels in another random order
    ROTATED = "rotated"  # all images, turned by another angle


class PixelScale(StrEnum):
    """What is done to pixel values before a network sees them."""

    STANDARD = "standard"  # zero mean and unit deviation over the dataset, per channel
    UNIT = "unit"  # 0 to 255 become 0 to 1


class Norm(StrEnum):
    """What batch normalisation uses in evaluation."""

    RUNNING = "running"  # running statistics: deployable, can be folded into hardware
    BATCH = "batch"  # the test batch's own statistics: the published P-GPM10 variant
    BOTH = "both"  # running statistics, and the last row of the matrix by the batch's as well


class Settings(BaseModel):
    """Base of every configuration: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        fields = cls.model_fields
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if isinstance(value, Settings):  # was looked at when it was made
                continue
            try:
                check_plain([name, value])
                if name in fields:
                    check_kind(value, fields[name].annotation)
            except ValueError as error:
                raise ValueError(f"{printable(str(name)[:80])}: {error}") from error
        return values


class NetworkSettings(Settings):
    """The reference network."""

    name: str
    width: float = Field(1.0, gt=0, le=64)  # uniform multiplier of every hidden layer's units
    norm: Norm = Norm.RUNNING
    dropout_scale: float = Field(1.0, ge=0, le=1.5)  # multiplies the network's own rates
    fingerprint: Fingerprint = None  # of a user's own source files


class StreamSettings(Settings):
    """How a dataset is cut into experiences."""

    dataset: str
    n_experiences: int = Field(gt=0, le=MOST_EXPERIENCES)
    # None: classes in dataset order, else shuffled with it
    order_seed: int | None = Field(None, ge=0, le=LAST_SEED)
    order_by_seed: bool = False  # shuffled with the run's own seed: another order for each seed
    cut: Cut = Cut.CLASSES
    scenario: Scenario = Scenario.TASK
    class_order: tuple[int, ...] = ()  # under cut=classes, instead of order_seed
    task_order: tuple[int, ...] = ()  # places of the experiences as cut, applied last
    task_orders: tuple[tuple[int, ...], ...] = ()  # of the seeds in turn, each a task_order
    largest_angle: float = Field(180.0, gt=0, le=360)  # under cut=rotated, in degrees, excluded
    size: int | None = Field(
        None, gt=0, le=4096
    )  # side of an image: padded with black, or reduced to it
    pixel_scale: PixelScale = PixelScale.STANDARD
    n_train_per_class: int | None = Field(None, gt=0, le=10**9)  # None: all training images
    # stop after so many experiences; None: all
    first: int | None = Field(None, gt=0, le=MOST_EXPERIENCES)
    score_on: Split = Split.TEST
    fingerprint: Fingerprint = None  # of a user's own images or source files

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.order_by_seed and self.order_seed is not None:
            raise ValueError("order_seed and order_by_seed exclude each other")
        if self.class_order and (self.order_by_seed or self.order_seed is not None):
            raise ValueError("class_order and orders by a seed exclude each other")
        if self.class_order and self.cut is not Cut.CLASSES:
            raise ValueError(f"class_order has no effect under cut={self.cut}")
        if self.task_order and self.task_orders:
            raise ValueError("task_order and task_orders exclude each other")
        for order in self.task_orders or filter(None, [self.task_order]):
            if sorted(order) != list(range(self.n_experiences)):
                name = "task_order" if self.task_order else "task_orders"
                last = self.n_experiences - 1
                raise ValueError(f"{name}: {list(order)} is no order of 0 to {last}")
        return self

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if self.scenario is Scenario.CLASS and self.cut not in (Cut.CLASSES, Cut.GROUPS):
            raise ValueError(f"scenario=class has no meaning where cut={self.cut}")
        return self


class TrainingSettings(Settings):
    """How all methods of a preset are trained."""

    # per experience; the most there can be under `plateau`
    epochs: int = Field(gt=0, le=MOST_EPOCHS)
    batch_size: int = Field(64, gt=0, le=MOST_IMAGES)
    eval_batch_size: int = Field(500, gt=0, le=MOST_IMAGES)
    # the learning rate at the start of each experience
    lr: float = Field(gt=0, le=LARGEST_RATE)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0, le=LARGEST_RATE)
    optimizer: Optimizer = Optimizer.SGD
    lr_schedule: LearningRateSchedule = LearningRateSchedule.CONSTANT_COSINE
    constant_share: float = Field(0.55, ge=0, le=1)  # of the epochs, before the cosine
    # epochs without a better held-out loss (`plateau`)
    patience: int = Field(6, gt=0, le=MOST_EPOCHS)
    min_lr: float = Field(1e-5, gt=0, le=LARGEST_RATE)  # `plateau` stops below it
    augment: Augmentation = Augmentation.NONE
    holdout_share: float = Field(0.05, ge=0, le=0.9)  # of each experience's training images
    precision: Precision = Precision.FLOAT32
    memory_format: MemoryFormat = MemoryFormat.CONTIGUOUS
    fused: bool = False  # the optimizer's step in one kernel: faster, rounds otherwise
    precise_bn: bool = False  # statistics of batch norm estimated anew after training

    @model_validator(mode="after")
    def _watched(self) -> Self:
        if self.lr_schedule is LearningRateSchedule.PLATEAU and self.holdout_share == 0:
            raise ValueError("lr_schedule plateau watches held-out images: holdout_share > 0")
        return self


class Claims(Settings):
    """What a recipe is to show, named before it is run: changes no number of a run."""

    primary: str = ""  # row of the table that CGaP is compared with first of all
    confirmatory: tuple[
        str, ...
    ] = ()  # rows that it is tested against too; all else is a screen
    margin: float | None = Field(
        default=None, gt=0, le=1
    )  # "no worse than": a share of the images

    @property
    def named(self) -> tuple[str, ...]:
        """All rows that are tested, the primary one first."""
        first = (self.primary,) if self.primary else ()
        return first + tuple(name for name in self.confirmatory if name != self.primary)


class Origin(Settings):
    """Where a user's own recipe was, in words for people: changes no number of a run."""

    file: str = ""  # as it was named, of an absolute path the last part; empty: of the project
    description: str = ""


class Tuning(Settings):
    """The search that settings of a method are from: changes no number of a run."""

    file: str = ""  # its name; empty: from no search
    trials: int = Field(default=0, ge=0)
    runs: int = Field(default=0, ge=0)  # of each trial
    # mean accuracy on held-out images, of the recipe's settings and of the best
    recipe: float | None = Field(default=None, ge=0, le=1)
    best: float | None = Field(default=None, ge=0, le=1)
    values: dict[str, float] = {}  # of the best one, by dotted key


class RunConfig(Settings):
    """Everything that can change the numbers of one run, and five things that cannot.

    `variant` only names it in tables, `overrides` are what the command set beside the recipe,
    `claims` says what the recipe set out to show, `origin` which recipe of a user's own that
    was, `tuning` where settings were found.

    The method's own settings are a plain table of all of them, defaults included: a record can
    be read whatever became of the method since. Only running validates them.
    """

    benchmark: FileName
    preset: FileName
    method: str
    variant: str = ""  # the overrides that tell it from the preset's plain run of the method
    overrides: tuple[str, ...] = ()  # as `--set` takes them
    seed: int = Field(ge=0, le=LAST_SEED)
    device: str = "cpu"
    network: NetworkSettings
    stream: StreamSettings
    training: TrainingSettings
    method_settings: dict[str, Any] = {}
    method_fingerprint: Fingerprint = None  # of the source files of a user's own method
    claims: Claims = Claims()
    origin: Origin = Origin()
    tuning: Tuning = Tuning()

    @model_validator(mode="after")
    def _scored(self) -> Self:
        if self.stream.score_on is Split.HELD_OUT and self.training.holdout_share == 0:
            raise ValueError("score_on held-out needs held-out images: holdout_share > 0")
        return self
