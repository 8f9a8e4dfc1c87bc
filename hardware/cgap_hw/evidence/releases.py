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
CLOCKS = YOLO | {"KV260": 300.0}
LAYER_US = np.arange(0.0, 81.0, 4.0)  # times of a layer that are tried


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
    whole: bool = True

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
    rows: list[ReleaseRow] = []
    for cases in _by_release(boards_csv).values():
        port = _port_gbps([case for case in cases if case.network in FITTED])
        rows += [case.row(port, fitted=case.network in FITTED) for case in cases]
    return rows


@dataclass(frozen=True)
class LayerConstant:
    """What a time a layer, fitted beside the port, would do for the networks left out.

    Attributes:
        constant_us: As fitted on the networks in `FITTED`.
        mean_error_pct: Of the other networks, with it.
    """

    constant_us: float
    mean_error_pct: float


def layer_constants(boards_csv: Path) -> dict[tuple[str, str], LayerConstant]:
    """Release and board -> what a constant a layer would be, and whether it would help.

    Raises:
        CostModelError: The file cannot be read.
    """
    found = {}
    for group, cases in _by_release(boards_csv).items():
        fitted = np.array([case.network in FITTED for case in cases])
        measured = np.array([case.measured_ms for case in cases])
        layers = np.array([sum(x.kind != "concat" for x in case.layers) for case in cases])

        best = (np.inf, 0.0, 0.0)
        for port in _ports(cases):
            ms = np.array([case.row(port, fitted=False).predicted_ms for case in cases])
            for constant in LAYER_US:
                errors = 100 * np.abs((ms + layers * constant * 1e-3) / measured - 1)
                row = (errors[fitted].mean(), float(constant), errors[~fitted].mean())
                best = min(best, row, key=lambda one: one[0])
        found[group] = LayerConstant(best[1], float(best[2]))
    return found


def other_rows(boards_csv: Path) -> list[ReleaseRow]:
    """QuTiBench and PG338: the port fitted on their whole ResNet-50, all else predicted.

    Where they have none (ZCU104) the port is that of the vendor's rows. Release and clock of
    QuTiBench are not stated. Pruned networks are narrowed uniformly to the stated size, but
    for maps that are added: with those, 30 % of ResNet-50 would come out a third too fast.
    """
    groups: dict[tuple[str, str], list[_Case]] = defaultdict(list)
    for row in measured_networks("DPU"):
        if row.network in NETWORKS:
            case = _case(row)
            groups[case.release, case.board].append(case)

    rows: list[ReleaseRow] = []
    for (_, board), cases in groups.items():
        whole = [case for case in cases if case.whole and case.network in FITTED]
        port = _port_gbps(whole) if whole else dpu_rows(boards_csv, board)[0]
        rows += [case.row(port, fitted=case in whole) for case in cases]
    return rows


def _by_release(boards_csv: Path) -> dict[tuple[str, str], list[_Case]]:
    groups: dict[tuple[str, str], list[_Case]] = defaultdict(list)
    for case in _zoo_cases(boards_csv):
        groups[case.release, case.board].append(case)
    return groups


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
        row.size_left_ratio == 1,
    )


def _port_gbps(cases: Sequence[_Case]) -> float:
    """GB/s of a core's port with the least mean error."""

    def error(port: float) -> float:
        return float(np.mean([abs(case.row(port, fitted=True).error_pct) for case in cases]))

    return min(_ports(cases), key=error)


def _ports(cases: Sequence[_Case]) -> list[float]:
    """Ports that the board's DRAM can serve."""
    most = load_board(cases[0].board.lower()).dram.bandwidth_gbps.high
    return [float(x) for x in PORT_GBPS if x <= most]
