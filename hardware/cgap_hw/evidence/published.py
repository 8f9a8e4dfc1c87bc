"""Published speeds of whole networks on AMD's DPU, pruned YOLOv2 among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgap_hw.arrays import Dpu
from cgap_hw.boards.board import load_board
from cgap_hw.evidence.measured import read_facts
from cgap_hw.evidence.zoo import network, scaled
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.price.cost import network_cost

ZOO = "Vitis AI Model Zoo v2.5"
MANY, ONE = "throughput_multithread", "latency_e2e_1thread"
# Network as published -> name in `zoo`; those that are priced as they are called are left out.
NAMES = {
    "tf_resnetv1_50_imagenet_224_224_6.97G": "resnet50_slim",
    "tf_resnetv1_101_imagenet_224_224_14.4G": "resnet101_slim",
    "tf_resnetv1_152_imagenet_224_224_21.83G": "resnet152_slim",
    "tf2_resnet50_imagenet_224_224_7.76G": "resnet50_v1",
    "pt_squeezenet_imagenet_224_224_351.7M": "squeezenet",
}
FITTED = (
    "tf_vgg16_imagenet_224_224_30.96G",
    "pt_resnet50_imagenet_224_224_4.1G_2.0",
    "pt_vehicle-color-classification_color_224_224_3.63G",
    "pt_vehicle-make-classification_CompCars_224_224_3.63G",
    "pt_vehicle-type-classification_CompCars_224_224_3.63G",
)
SMALL = "Ultra96"  # B1600 and zoo rows of its own; no rows to fit its port on
OLDER = "Vitis AI Model Zoo v1.4"
SEPARABLE, DENSE = "tf_inceptionv2_imagenet_224_224_3.88G", "cf_inceptionv2_imagenet_224_224_4G"
YOLO = {"ZCU102": 281.0, "ZCU104": 300.0, SMALL: 287.0}
SMALL_SOURCE = "Vitis AI Model Zoo (AI SDK v2.0.4 table)"
YOLO_GOPS = (34.0, 11.56, 9.86, 7.82)
PORT_GBPS = np.arange(1.0, 19.01, 0.25)  # at most what the DRAM of these boards has


@dataclass(frozen=True)
class DpuRow:
    """One published throughput, as the time of one image on one core."""

    board: str
    published: str
    network: str
    clock_mhz: float
    measured_ms: float
    predicted_ms: float
    fitted: bool

    @property
    def error_pct(self) -> float:
        """Predicted minus measured, over measured."""
        return 100 * (self.predicted_ms / self.measured_ms - 1)


def dpu_ms(
    layers: Sequence[LayerShape], board: str, clock_mhz: float, port_gbps: float
) -> float:
    """Time of one image on one core (B4096, Ultra96: B1600); maps go through DRAM."""
    lanes = 10 if board == SMALL else 16
    array = Dpu(
        clock_mhz=clock_mhz,
        source="B1600" if board == SMALL else "B4096",
        inputs=lanes,
        outputs=lanes,
        port_gbps=port_gbps,
        layer_overhead_ns=0.0,
    )
    return network_cost(layers, load_board(board.lower()), array).latency_ms


def dpu_rows(boards_csv: Path, board: str) -> tuple[float, list[DpuRow]]:
    """The unpruned image-classification rows of one board, and its port's fitted GB/s.

    The port's bandwidth is the only constant; it is fitted on the rows of ResNet-18, ResNet-50
    and VGG-16 that are in `FITTED`.

    Raises:
        CostModelError: The file cannot be read.
    """
    rows = [row for row in read_facts(boards_csv) if _is_classification(row, board)]
    to_fit = [row for row in rows if row["network_as_published"] in FITTED]

    def error(port: float) -> float:
        priced = [_row(row, port) for row in to_fit]
        by_network = {one.network: abs(one.error_pct) for one in priced}  # each counts once
        return float(np.mean(list(by_network.values())))

    port = min((float(x) for x in PORT_GBPS), key=error)
    return port, [_row(row, port) for row in rows]


def first_layer_ms(boards_csv: Path, board: str) -> tuple[float, float]:
    """What Inception v2 loses by its depthwise first layer: measured and modelled ms.

    The model zoo of release 1.4 has both versions; nothing is fitted on that release.
    """
    rows = {
        row["network_as_published"]: row
        for row in read_facts(boards_csv)
        if row["board"] == board and row["source"] == OLDER and row["metric"] == MANY
    }
    port, _ = dpu_rows(boards_csv, board)
    separable = _row(rows[SEPARABLE], port)
    dense = _row(rows[DENSE] | {"network": "inception_v2_dense"}, port)
    return (
        separable.measured_ms - dense.measured_ms,
        separable.predicted_ms - dense.predicted_ms,
    )


def yolo_port_gbps(boards_csv: Path, board: str) -> float:
    """The port as fitted on the classification rows; Ultra96: its assumed DRAM bandwidth."""
    if board == SMALL:
        return load_board(board.lower()).dram.bandwidth_gbps.mid
    return dpu_rows(boards_csv, board)[0]


def yolo_savings(board: str, port_gbps: float) -> list[float]:
    """Modelled time of the pruned YOLOv2 series over that of the whole network.

    The widths are not published: all are scaled alike to the published operation counts.
    """
    layers, clock = network("yolov2"), YOLO[board]
    times = [
        dpu_ms(scaled(layers, gops / YOLO_GOPS[0]), board, clock, port_gbps)
        for gops in YOLO_GOPS
    ]
    return [time / times[0] for time in times]


def yolo_measured(boards_csv: Path, board: str) -> list[float]:
    """The published end-to-end latencies over that of the whole network."""
    source = SMALL_SOURCE if board == SMALL else OLDER
    times = {
        row["network_as_published"].rpartition("_")[2]: float(row["value"])
        for row in read_facts(boards_csv)
        if row["board"] == board
        and row["source"] == source
        and row["metric"] == ONE
        and row["network_as_published"].startswith("dk_yolov2_voc")
    }
    ordered = [times[f"{gops:g}G"] for gops in YOLO_GOPS]
    return [time / ordered[0] for time in ordered]


def _is_classification(row: dict[str, str], board: str) -> bool:
    name = row["network_as_published"]
    here = row["source"] == ZOO and row["board"] == board and row["metric"] == MANY
    return here and "B4096" in row["design"] and ("imagenet" in name or "vehicle" in name)


def _row(row: dict[str, str], port_gbps: float) -> DpuRow:
    published = row["network_as_published"]
    name = NAMES.get(published, row["network"])
    cores = int(row["design"].split()[-1].partition("x")[0])
    clock = float(row["clock_mhz"])
    return DpuRow(
        board=row["board"],
        published=published,
        network=name,
        clock_mhz=clock,
        measured_ms=cores * 1000 / float(row["value"]),
        predicted_ms=dpu_ms(network(name), row["board"], clock, port_gbps),
        fitted=published in FITTED,
    )
