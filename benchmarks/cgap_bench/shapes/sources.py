"""Layer shapes from what a user names: record, list of layers, ONNX file, torchvision name."""

import json
from dataclasses import dataclass
from pathlib import Path

from cgap_bench.errors import UsageError
from cgap_bench.shapes.tracing import Workload
from cgap_hw import LayerShape, read_shapes

TORCHVISION = "torchvision:"


@dataclass(frozen=True)
class Source:
    """Networks by title, and the work in them that has no layer shape."""

    networks: dict[str, list[LayerShape]]
    unsupported: dict[str, int]


def load_source(text: str) -> Source:
    """The networks that a name or a file stands for.

    A record gives one network a task: what one inference of that task executes at the end.

    Raises:
        UsageError: Nothing of that name, or a file that cannot be read.

    Example:
        >>> source = load_source("torchvision:squeezenet1_1")
        >>> sum(layer.macs for layer in source.networks["torchvision:squeezenet1_1"])
        349151936
    """
    if text.startswith(TORCHVISION):
        from cgap_bench.shapes.torchvision_networks import torchvision_workload

        return _workload(text, torchvision_workload(text.removeprefix(TORCHVISION)))
    path = Path(text)
    if path.suffix == ".onnx":
        from cgap_bench.shapes.onnx_file import onnx_workload

        return _workload(path.name, onnx_workload(path))
    if path.suffix != ".json":
        raise UsageError(
            f"{text!r} is neither a record or list of layers (.json), an ONNX file (.onnx) nor"
            f" {TORCHVISION}NAME, for instance {TORCHVISION}resnet18"
        )
    return _json(path)


def _workload(title: str, workload: Workload) -> Source:
    shapes = [LayerShape.model_validate(layer) for layer in workload.layers]
    return Source({title: shapes}, dict(workload.unsupported))


def _json(path: Path) -> Source:
    try:
        content = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict) or "subnetworks" not in content:
        return Source({path.stem: read_shapes(path)}, {})
    from cgap_bench.record.record import read_record

    record = read_record(path)
    networks = {}
    for task, key in enumerate(record.subnetworks[-1], start=1):
        layers = [LayerShape.model_validate(layer) for layer in record.networks[key]]
        networks[f"{record.config.method}, task {task}"] = layers
    return Source(networks, {})
