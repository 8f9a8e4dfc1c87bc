"""An ONNX file turned into the layer shapes that the cost model prices (extra ``onnx``)."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.shapes.onnx_rules import OPERATORS, Operator, Size
from cgap_bench.shapes.rules import UNKNOWN, LayerJSON, Role
from cgap_bench.shapes.tracing import NETWORK_INPUT, Workload


def onnx_workload(path: Path) -> Workload:
    """The layers of one inference of an ONNX model, and the operators that have no shape.

    Raises:
        UsageError: The extra is not installed, the file is not an ONNX model, or a shape in
            it is not fixed.
    """
    graph = _read(path)
    reader = _Reader(graph)
    for node in graph.node:
        reader.node(node)
    if not reader.layers:
        raise UsageError(f"{path}: no layer that the cost model knows")
    return Workload(reader.layers, dict(reader.unsupported))


def _read(path: Path) -> Any:
    """The graph with every size that can be inferred."""
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            f"reading {path} needs the package onnx: pip install 'cgap-cl[onnx]'"
        ) from error
    if not path.is_file():
        raise UsageError(f"no such file: {path}")

    try:
        model = onnx.load(str(path), load_external_data=False)
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # protobuf and onnx raise many kinds, none of them shared
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path} is not an ONNX model: {reason}") from error
    return inferred.graph


class _Reader:
    """Collects layers, and for every tensor the layers whose outputs it consists of."""

    def __init__(self, graph: Any) -> None:
        self.layers: list[LayerJSON] = []
        self.unsupported: Counter[str] = Counter()
        self._sizes = _sizes(graph)
        self._constant = {x.name for x in graph.initializer}
        self._sources: dict[str, tuple[int, ...]] = {
            x.name: (NETWORK_INPUT,) for x in graph.input if x.name not in self._constant
        }
        self._foldable: set[str] = set()  # a norm could go into what wrote these
        self._products: set[str] = set()  # written by a MatMul, whose bias is an Add behind it

    def node(self, node: Any) -> None:
        """One operator in the order of execution."""
        maps = tuple(name for name in node.input if name in self._sources)
        if not maps:  # works on constants only
            self._constant.update(node.output)
            return

        role = OPERATORS.get(node.op_type, UNKNOWN).role
        free = role in (Role.ACTIVATION, Role.ADDRESSING)
        if free or self._adds_bias(node, maps) or self._gates(node, maps):
            self._pass_on(node, maps)
        elif role is Role.NORM and node.input[0] in self._foldable:
            for index in self._sources[maps[0]]:
                self.layers[index]["bias"] = True
            self._pass_on(node, maps)
            self._foldable.update(node.output)
        else:
            self._work(node, maps)

    def _work(self, node: Any, maps: Sequence[str]) -> None:
        """A layer of its own, or work that has no shape."""
        rule = OPERATORS.get(node.op_type, UNKNOWN)
        found = rule.layer(self._operator(node, maps)) if rule.layer else None
        if found is None:
            self.unsupported[f"operator {node.op_type!r}"] += 1
            self._pass_on(node, maps)
            return

        inputs = self._read(maps)
        layers = found if isinstance(found, list) else [found]
        for layer in layers:
            self.layers.append({**layer, "inputs": list(inputs)})
            inputs = (len(self.layers) - 1,)
        self._sources.update(dict.fromkeys(node.output, (len(self.layers) - 1,)))
        if rule.role is Role.WEIGHTED:
            self._foldable.update(node.output)
        if layers[-1]["kind"] == "linear" and node.op_type == "MatMul":
            self._products.update(node.output)

    def _operator(self, node: Any, maps: Sequence[str]) -> Operator:
        from onnx.helper import get_attribute_value

        return Operator(
            name=node.name or node.output[0],
            inputs=tuple(node.input),
            maps=tuple(maps),
            output=node.output[0],
            settings={a.name: get_attribute_value(a) for a in node.attribute},
            weight_size=self._weight_size,
            size=self._size,
        )

    def _adds_bias(self, node: Any, maps: Sequence[str]) -> bool:
        """The sum behind a MatMul that exporters write for a linear layer's bias."""
        if node.op_type == "Add" and len(maps) == 1 and maps[0] in self._products:
            self.layers[self._sources[maps[0]][0]]["bias"] = True
            return True
        return False

    def _gates(self, node: Any, maps: Sequence[str]) -> bool:
        """An activation that exporters write as a product: x * sigmoid(x)."""
        if node.op_type != "Mul" or len(maps) != 2:
            return False
        first, second = maps
        same = self._sources[first] == self._sources[second]
        return same and self._sizes.get(first) == self._sizes.get(second)

    def _pass_on(self, node: Any, maps: Sequence[str]) -> None:
        """What is written lies where what is read lies."""
        self._sources.update(dict.fromkeys(node.output, self._read(maps)))

    def _read(self, maps: Sequence[str]) -> tuple[int, ...]:
        """Layers that tensors consist of, each once."""
        return tuple(dict.fromkeys(index for name in maps for index in self._sources[name]))

    def _weight_size(self, name: str) -> Size | None:
        return self._sizes.get(name) if name in self._constant else None

    def _size(self, name: str) -> Size:
        size = self._sizes.get(name)
        if not size or any(n < 1 for n in size[1:]):
            raise UsageError(
                f"tensor {name!r} has no fixed shape; export with fixed sizes (dynamo=True)"
            )
        return size


def _sizes(graph: Any) -> dict[str, Size]:
    """Known shapes; 0 stands for a size that is not fixed."""
    sizes = {x.name: tuple(x.dims) for x in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shape = value.type.tensor_type.shape
        sizes[value.name] = tuple(d.dim_value for d in shape.dim)
    return sizes
