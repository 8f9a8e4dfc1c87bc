"""The columns of the comparison table: where numbers come from and how they are read."""

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd


class Scale(StrEnum):
    """How a column's raw numbers are shown."""

    PERCENT = "percent"  # a ratio, times 100
    COUNT = "count"  # k, M or G, one for the whole column
    MEASURE = "measure"  # in its own unit, three significant digits


@dataclass(frozen=True)
class TableColumn:
    """One column: where its numbers come from and how they are read.

    ``narrow`` stands for the title where there is little room; it may have several lines.
    ``spare`` columns are left out there.
    """

    key: str
    title: str
    unit: str
    scale: Scale
    meaning: str
    narrow: str = ""
    spare: bool = False

    def heading(self, wide: bool) -> str:
        """The title for a terminal."""
        return self.title if wide else self.narrow or self.title


# what is asked first comes first: a page may have no room for the others
COLUMNS = (
    TableColumn(
        "accuracy",
        "accuracy",
        "%",
        Scale.PERCENT,
        "mean over tasks of the accuracy after the last experience, on test images unless the"
        " caption says otherwise",
    ),
    TableColumn(
        "forgetting",
        "forgetting",
        "points",
        Scale.PERCENT,
        "best accuracy a task ever had minus its final one, mean over all tasks but the last",
    ),
    TableColumn(
        "parameters",
        "parameters",
        "",
        Scale.COUNT,
        "everything stored for all tasks together, heads included",
        narrow="para-\nmeters",
    ),
    TableColumn(
        "macs",
        "MACs",
        "",
        Scale.COUNT,
        "multiply-adds that one inference of a task executes, mean over tasks",
    ),
    TableColumn(
        "latency_ms",
        "latency",
        "ms",
        Scale.MEASURE,
        "modelled computing time of that inference on the board, mean over tasks",
    ),
    TableColumn(
        "energy_mj",
        "energy",
        "mJ",
        Scale.MEASURE,
        "modelled energy of that inference (middle of the model's range), mean over tasks",
    ),
    TableColumn(
        "accuracy_8bit",
        "accuracy, 8 bit",
        "%",
        Scale.PERCENT,
        "the same with the word width that the costs are those of: weights rounded per channel,"
        " maps per tensor (range on training images), nothing retrained",
        narrow="8-bit\naccuracy",
    ),
    TableColumn(
        "accuracy_by_batch",
        "accuracy, batch statistics",
        "%",
        Scale.PERCENT,
        "the same network, whose batch norms use the statistics of each batch of test images of"
        " one task, as some published protocols do; hardware cannot fold that",
        narrow="by batch\nstatistics",
    ),
    TableColumn(
        "macs_max",
        "max MACs",
        "",
        Scale.COUNT,
        "the same for the most expensive task",
        spare=True,
    ),
    TableColumn(
        "latency_max_ms",
        "max latency",
        "ms",
        Scale.MEASURE,
        "latency of the task whose inference takes longest",
        spare=True,
    ),
    TableColumn(
        "stored_bytes",
        "memory",
        "B",
        Scale.COUNT,
        "parameters at the word width, bits of masks and rehearsed images (8 bits a value), for"
        " all tasks together; what else training alone keeps of the past (importances, bases,"
        " an older network) is not in it",
    ),
    TableColumn(
        "mask_bytes",
        "in masks",
        "B",
        Scale.COUNT,
        "the part of that memory in bits of masks; what one inference executes is the dense"
        " network, zeros included",
        spare=True,
    ),
    TableColumn(
        "capacity",
        "CAP",
        "%",
        Scale.PERCENT,
        "storage as WSN's paper counts it, in units of one dense network: weights that any task"
        " uses and compressed bits of masks, at 32 bits a weight; not what is executed",
        spare=True,
    ),
    TableColumn(
        "structured_macs",
        "MACs, structured",
        "",
        Scale.COUNT,
        "the same as MACs of the smaller dense network that a masked one is without the units"
        " that its mask leaves out",
        spare=True,
    ),
    TableColumn(
        "structured_latency_ms",
        "latency, structured",
        "ms",
        Scale.MEASURE,
        "its modelled latency",
        spare=True,
    ),
    TableColumn(
        "conv_latency_ms",
        "in conv layers",
        "ms",
        Scale.MEASURE,
        "the part of that latency in convolutions",
        spare=True,
    ),
    TableColumn(
        "linear_latency_ms",
        "in linear layers",
        "ms",
        Scale.MEASURE,
        "the part of it in linear layers, shown apart so that narrowing a huge one does not"
        " pass for a faster network",
        narrow="in\nlinear",
    ),
)


def present(summary: pd.DataFrame) -> tuple[TableColumn, ...]:
    """The columns that a summary has.

    Older records know no accuracy at 8 bits, and few are scored by batch statistics; memory is
    told where something is kept beside parameters, structured forms where there are masked
    networks.
    """
    return tuple(column for column in COLUMNS if column.key in summary)
