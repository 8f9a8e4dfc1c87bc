"""Layer shapes from what a user names: record, list of layers, ONNX file, torchvision name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from cgap_bench.errors import UsageError
from cgap_bench.record.files import read_json
from cgap_bench.shapes.forms import LayerJSON, Size
from cgap_bench.shapes.tracing import Workload
from cgap_hw import LayerShape, read_shapes
from cgap_hw.layers.shapes import first_problem

TORCHVISION = "torchvision:"


@dataclass(frozen=True)
class Source:
    """Networks by title, and what was met on the way to their layers.

    Attributes:
        networks: Layers of each.
        unsupported: Work in them that has no layer shape, and how often it was met.
        inputs: Sizes of what they read; empty where only layers are known.
        bits: Width of their own widest words; None where they are floats, or not known.
        words: All widths in words, if there are several.
    """

    networks: dict[str, list[LayerShape]]
    unsupported: dict[str, int]
    inputs: Mapping[str, Size] = field(default_factory=dict)
    bits: int | None = None
    words: str = ""

    @property
    def complete(self) -> bool:
        """Whether all work is among the layers."""
        return not self.unsupported

    @property
    def n_items(self) -> int:
        """Items that all layers are worked out for together: images of a batch."""
        sizes = list(self.inputs.values())
        return sizes[0][0] if sizes and len(sizes[0]) == 4 else 1

    @property
    def read(self) -> str:
        """The inputs in words; empty if they are not known."""
        sizes = (f"{name} {' x '.join(map(str, x))}" for name, x in self.inputs.items())
        several = f"; every figure is for all {self.n_items}" if self.n_items > 1 else ""
        return ", ".join(sizes) + several

    @property
    def listed(self) -> str:
        """What has no shape, in words; empty if all has."""
        return ", ".join(f"{name} ({n}x)" for name, n in self.unsupported.items())


@dataclass(frozen=True)
class InputSizes:
    """Sizes that a user gives, in place of a network's own.

    Attributes:
        image: Height and width for a network of torchvision.
        shapes: Size of each input of an ONNX file.
    """

    image: int | None = None
    shapes: Mapping[str, Size] = field(default_factory=dict)

    @classmethod
    def of(cls, image: int | None, shapes: Sequence[str]) -> Self:
        """As typed: ``NAME=1,3,224,224``.

        Raises:
            UsageError: Not of that form.

        >>> InputSizes.of(None, ["x=1,3,32,32"]).shapes
        {'x': (1, 3, 32, 32)}
        """
        return cls(image, dict(map(_named_size, shapes)))


def load_source(text: str, sizes: InputSizes | None = None) -> Source:
    """The networks that a name or a file stands for.

    A record gives one network a task: what one inference of that task executes at the end.

    Args:
        text: Path of a record, a list of layers or an ONNX file, or a name of torchvision.
        sizes: Of its inputs; its own by default.

    Raises:
        UsageError: Nothing of that name, a file that cannot be read, or sizes that do not
            belong to it.

    Example:
        >>> source = load_source("torchvision:squeezenet1_1")
        >>> sum(layer.macs for layer in source.networks["torchvision:squeezenet1_1"])
        349151936
    """
    sizes = sizes or InputSizes()
    if text.startswith(TORCHVISION):
        _refuse(sizes.shapes, "--input-shape is for ONNX files; use --image-size")
        from cgap_bench.shapes.torchvision_networks import torchvision_workload

        return _workload(
            text, torchvision_workload(text.removeprefix(TORCHVISION), sizes.image)
        )
    path = Path(text)
    _refuse(sizes.image, f"--image-size is for networks of {TORCHVISION}; {text!r} is none")
    if path.suffix in (".onnx", ".qonnx"):
        from cgap_bench.shapes.onnx_file import onnx_workload

        return _workload(path.name, onnx_workload(path, sizes.shapes))
    _refuse(sizes.shapes, f"--input-shape is for ONNX files; {text!r} is none")
    if path.suffix != ".json":
        raise UsageError(
            f"{text!r} is neither a record or list of layers (.json), an ONNX file (.onnx) nor"
            f" {TORCHVISION}NAME, for instance {TORCHVISION}resnet18"
        )
    return _json(path)


def _workload(title: str, workload: Workload) -> Source:
    """The source that a traced network or a file is."""
    shapes = [_shape(layer, title) for layer in workload.layers]
    listed = dict(workload.unsupported)
    return Source({title: shapes}, listed, workload.inputs, workload.bits, workload.words)


def _shape(layer: LayerJSON, title: str) -> LayerShape:
    try:
        return LayerShape.model_validate(layer)
    except ValidationError as error:
        said = first_problem(error)
        raise UsageError(f"{title}: layer {layer['name']!r} makes no sense: {said}") from error


def _named_size(text: str) -> tuple[str, Size]:
    """A name and a size from ``NAME=1,3,224,224``."""
    name, _, numbers = text.rpartition("=")
    parts = numbers.split(",")
    if not name or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise UsageError(f"--input-shape {text!r} is not of the form NAME=1,3,224,224")
    return name, tuple(map(int, parts))


def _refuse(given: object, reason: str) -> None:
    """Refuse what was given in vain."""
    if given:
        raise UsageError(reason)


def _json(path: Path) -> Source:
    content = read_json(path)
    if not isinstance(content, dict) or "subnetworks" not in content:
        return Source({path.stem: read_shapes(path)}, {})
    from cgap_bench.record.store import read_record

    record = read_record(path, named=False)
    if not record.subnetworks:
        raise UsageError(f"{path} has nothing to price: {record.outcome}")
    networks = {}
    for task, key in enumerate(record.subnetworks[-1], start=1):
        layers = [LayerShape.model_validate(layer) for layer in record.networks[key]]
        networks[f"{record.config.method}, task {task}"] = layers
    return Source(networks, {})
