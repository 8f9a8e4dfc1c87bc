"""The DPU in other releases and on other boards than it was fitted on, beside the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgap_hw.boards.board import load_board
from cgap_hw.evidence.measured import read_facts
from cgap_hw.evidence.measured_networks import MeasuredNetwork, measured_networks
from cgap_hw.evidence.published import (
    MANY,
    NAMES,
    OLDER,
    PORT_GBPS,
    SMALL,
    SMALL_SOURCE,
    YOLO,
    dpu_ms,
    dpu_rows,
)
from cgap_hw.evidence.zoo import NETWORKS, network, scaled
from cgap_hw.layers.shapes import LayerShape

# Names of older releases -> name in `zoo`, beside `NAMES`.
OLDER_NAMES = NAMES | {
    "tf_resnet50_imagenet_224_224_6.97G": "resnet50_slim",
    "cf_resnet50_imagenet_224_224_7.7G": "resnet50_v1",
    "tf2_resnet50_imagenet_224_224_7.76G": "resnet50_v1",
    "cf_inceptionv2_imagenet_224_224_4G": "inception_v2_dense",
    "cf_squeeze_imagenet_227_227_0.76G": "squeezenet",
    "cf_squeezenet_imagenet_227_227_0.76G": "squeezenet",
    "dk_yolov2_voc_448_448_34G": "yolov2",
}
FITTED = ("resnet18", "resnet50_v1", "vgg16")  # what each release's port is fitted on
BOARDS = ("KV260", "ZCU104", "ZCU102")
CLOCKS = YOLO | {"KV260": 300.0}


@dataclass(frozen=True)
class ReleaseRow:
    """One network on one board as some release ran it, milliseconds an image and core.

    Attributes:
        fitted: Whether the port of this release and board was fitted on it.
    """

    release: str
    board: str
    name: str
    measured_ms: float
    predicted_ms: float
    fitted: bool

    @property
    def error_pct(self) -> float:
        """Predicted minus measured, over measured."""
        return 100 * (self.predicted_ms / self.measured_ms - 1)


@dataclass(frozen=True)
class _Case:
    """A measurement with the layers that were measured."""

    release: str
    board: str
    name: str
    network: str
    layers: Sequence[LayerShape]
    measured_ms: float

    def row(self, port_gbps: float, *, fitted: bool) -> ReleaseRow:
        predicted = dpu_ms(self.layers, self.board, CLOCKS[self.board], port_gbps)
        return ReleaseRow(
            self.release, self.board, self.name, self.measured_ms, predicted, fitted
        )


def zoo_release_rows(boards_csv: Path) -> list[ReleaseRow]:
    """The older model zoos (1.4, and the SDK 2.0.4 with DPU 1.4.0).

    The port is fitted for each release and board, on the networks in `FITTED` alone.

    Raises:
        CostModelError: The file cannot be read.
    """
    groups: dict[tuple[str, str], list[_Case]] = defaultdict(list)
    for case in _zoo_cases(boards_csv):
        groups[case.release, case.board].append(case)

    rows: list[ReleaseRow] = []
    for cases in groups.values():
        port = _port_gbps([case for case in cases if case.network in FITTED])
        rows += [case.row(port, fitted=case.network in FITTED) for case in cases]
    return rows


def other_rows(boards_csv: Path) -> list[ReleaseRow]:
    """QuTiBench and PG338 with the port of the boards' other rows: nothing is fitted here.

    Release and clock of QuTiBench are not stated; pruned networks are scaled uniformly to the
    stated size.
    """
    ports = {board: dpu_rows(boards_csv, board)[0] for board in BOARDS}
    small = [case for case in _zoo_cases(boards_csv) if case.board == SMALL]
    ports[SMALL] = _port_gbps([case for case in small if case.network in FITTED])
    cases = [_case(row) for row in measured_networks("DPU") if row.network in NETWORKS]
    return [case.row(ports[case.board], fitted=False) for case in cases]


def _zoo_cases(boards_csv: Path) -> list[_Case]:
    cases = []
    for row in read_facts(boards_csv):
        published = row["network_as_published"]
        name = OLDER_NAMES.get(published, row["network"])
        older = row["source"] in (OLDER, SMALL_SOURCE) and row["metric"] == MANY
        known = name in NETWORKS and ("imagenet" in published or name == "yolov2")
        if older and known and row["board"] in CLOCKS:
            cores = int(row["design"].split()[-1].partition("x")[0])
            release = "zoo 1.4" if row["source"] == OLDER else "SDK 2.0.4, DPU 1.4.0"
            ms = cores * 1000 / float(row["value"])
            cases.append(_Case(release, row["board"], published, name, network(name), ms))
    return cases


def _case(row: MeasuredNetwork) -> _Case:
    layers = network(row.network)
    one = row.threads_or_batch == 1 and row.latency_ms
    ms = row.latency_ms if one and row.latency_ms else row.cores * 1000 / row.fps
    left = "" if row.size_left_ratio == 1 else f", {100 * row.size_left_ratio:g} % left"
    threads = f", {row.threads_or_batch} threads" if row.threads_or_batch else ""
    return _Case(
        row.source.partition(" (")[0],
        row.board,
        f"{row.network}{left}{threads}",
        row.network,
        layers if row.size_left_ratio == 1 else scaled(layers, row.size_left_ratio),
        ms,
    )


def _port_gbps(cases: Sequence[_Case]) -> float:
    """GB/s of a core's port with the least mean error."""

    def error(port: float) -> float:
        return float(np.mean([abs(case.row(port, fitted=True).error_pct) for case in cases]))

    most = load_board(cases[0].board.lower()).dram.bandwidth_gbps.high
    return min((float(x) for x in PORT_GBPS if x <= most), key=error)
