"""An ONNX file turned into the layer shapes that the cost model prices (extra ``onnx``)."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.shapes.rules import LayerJSON
from cgap_bench.shapes.tracing import NETWORK_INPUT, Workload

Size = tuple[int, ...]

# Done on the fly, or only a relabelling of channels: the reader reads from where they lie.
FREE = {
    "Relu", "LeakyRelu", "PRelu", "Elu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh",
    "Gelu", "Mish", "Identity", "Dropout", "Flatten", "Reshape", "Transpose", "Squeeze",
    "Unsqueeze", "Concat", "Split", "Slice", "Gather", "Cast", "Pad", "QuantizeLinear",
    "DequantizeLinear",
}  # fmt: skip
PASSES = {"Mul", "Div", "LayerNormalization", "InstanceNormalization", "LRN"}
SUMS = {"Add", "Sum", "Sub"}
GLOBAL = {"GlobalAveragePool": "avg", "GlobalMaxPool": "max", "ReduceMean": "avg"}


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
        self._sources: dict[str, tuple[int, ...]] = {}
        self._foldable: set[str] = set()
        self._linear: set[str] = set()
        for value in graph.input:
            if value.name not in self._constant:
                self._sources[value.name] = (NETWORK_INPUT,)

    def node(self, node: Any) -> None:
        """One operator in the order of execution."""
        read = [name for name in node.input if name in self._sources]
        if not read:  # works on constants only
            self._constant.update(node.output)
            return
        if node.op_type in FREE or self._adds_bias(node, read) or self._gates(node, read):
            self._pass_on(node, read)
        elif self._folds(node):
            for index in self._sources[read[0]]:
                self.layers[index]["bias"] = True
            self._pass_on(node, read)
            self._foldable.update(node.output)
        else:
            self._layer(node, read)

    def _layer(self, node: Any, read: Sequence[str]) -> None:
        rule = self._rules().get(node.op_type)
        layer = rule(node, read) if rule else None
        if layer is None:
            self.unsupported[f"operator {node.op_type!r}"] += 1
            self._pass_on(node, read)
            return
        inputs = dict.fromkeys(i for name in read for i in self._sources[name])
        self.layers.append({**layer, "inputs": list(inputs)})
        self._sources.update(dict.fromkeys(node.output, (len(self.layers) - 1,)))
        if layer["kind"] in ("conv", "linear"):
            self._foldable.update(node.output)
        if layer["kind"] == "linear" and node.op_type == "MatMul":
            self._linear.update(node.output)

    def _rules(self) -> dict[str, Callable[[Any, Sequence[str]], LayerJSON | None]]:
        rules: dict[str, Callable[[Any, Sequence[str]], LayerJSON | None]] = {
            "Conv": self._conv,
            "Gemm": self._matrix,
            "MatMul": self._matrix,
            "MaxPool": self._pool,
            "AveragePool": self._pool,
            "BatchNormalization": self._plain,
        }
        rules |= dict.fromkeys(GLOBAL, self._global)
        rules |= dict.fromkeys(PASSES, self._plain)
        return rules | dict.fromkeys(SUMS, self._sum)

    def _pass_on(self, node: Any, read: Sequence[str]) -> None:
        sources = tuple(dict.fromkeys(i for name in read for i in self._sources[name]))
        self._sources.update(dict.fromkeys(node.output, sources))

    def _adds_bias(self, node: Any, read: Sequence[str]) -> bool:
        """The sum behind a MatMul that exporters write for a linear layer's bias."""
        if node.op_type == "Add" and len(read) == 1 and read[0] in self._linear:
            self.layers[self._sources[read[0]][0]]["bias"] = True
            return True
        return False

    def _gates(self, node: Any, read: Sequence[str]) -> bool:
        """An activation that exporters write as a product: x * sigmoid(x)."""
        if node.op_type != "Mul" or len(read) != 2:
            return False
        first, second = read
        same = self._sources[first] == self._sources[second]
        return same and self._sizes.get(first) == self._sizes.get(second)

    def _folds(self, node: Any) -> bool:
        return node.op_type == "BatchNormalization" and node.input[0] in self._foldable

    def _between(self, kind: str, node: Any, x: str) -> LayerJSON:
        n_in, in_h, in_w = _image(self._size(x))
        n_out, out_h, out_w = _image(self._size(node.output[0]))
        return {
            "name": node.name or node.output[0], "kind": kind, "n_in": n_in, "n_out": n_out,
            "in_h": in_h, "in_w": in_w, "out_h": out_h, "out_w": out_w,
        }  # fmt: skip

    def _size(self, name: str) -> Size:
        size = self._sizes.get(name)
        if size is None or not size or any(n < 1 for n in size[1:]):
            raise UsageError(
                f"tensor {name!r} has no fixed shape; export with fixed sizes (dynamo=True)"
            )
        return size

    def _plain(self, node: Any, read: Sequence[str]) -> LayerJSON | None:
        return self._between("elementwise", node, read[0])

    def _sum(self, node: Any, read: Sequence[str]) -> LayerJSON | None:
        return self._between("add" if len(read) > 1 else "elementwise", node, read[0])

    def _conv(self, node: Any, read: Sequence[str]) -> LayerJSON | None:
        weight = self._size(node.input[1])
        if len(weight) != 4:
            return None
        settings = _attributes(node)
        window = _window(settings, weight[2:])
        dilation = settings.get("dilations", [1, 1])
        return self._between("conv", node, read[0]) | window | {
            "groups": settings.get("group", 1), "bias": len(node.input) > 2,
            "dilation_h": dilation[0], "dilation_w": dilation[1],
        }  # fmt: skip

    def _matrix(self, node: Any, read: Sequence[str]) -> LayerJSON | None:
        """A product with constant weights; with two computed operands there is no layer."""
        weight = self._sizes.get(node.input[1])
        if node.input[1] not in self._constant or weight is None or len(weight) != 2:
            return None
        sizes = weight[::-1] if _attributes(node).get("transB", 0) else weight
        layer = {
            "name": node.name or node.output[0], "n_in": sizes[0], "n_out": sizes[1],
            "bias": len(node.input) > 2,
        }  # fmt: skip
        positions = self._size(node.output[0])[1:-1]
        if not positions:
            return layer | {"kind": "linear"}
        height, width = positions[0], 1
        for n in positions[1:]:
            width *= n
        area = {"in_h": height, "out_h": height, "in_w": width, "out_w": width}
        return layer | area | {"kind": "conv"}

    def _pool(self, node: Any, read: Sequence[str]) -> LayerJSON | None:
        settings = _attributes(node)
        kind = "max" if node.op_type == "MaxPool" else "avg"
        window = _window(settings, tuple(settings["kernel_shape"]))
        return self._between("pool", node, read[0]) | window | {"pool_kind": kind}

    def _global(self, node: Any, read: Sequence[str]) -> LayerJSON | None:
        size = self._size(read[0])
        if len(size) != 4:
            return None
        window = {"kernel_h": size[2], "kernel_w": size[3]}
        strides = {"stride_h": size[2], "stride_w": size[3]}
        kind = {"pool_kind": GLOBAL[node.op_type]}
        return self._between("pool", node, read[0]) | window | strides | kind


def _sizes(graph: Any) -> dict[str, Size]:
    """Known shapes; 0 stands for a size that is not fixed."""
    sizes = {x.name: tuple(x.dims) for x in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shape = value.type.tensor_type.shape
        sizes[value.name] = tuple(d.dim_value for d in shape.dim)
    return sizes


def _image(size: Size) -> tuple[int, int, int]:
    """Channels, height, width; the batch is dropped."""
    channels, height, width = (*size[1:], 1, 1, 1)[:3]
    return channels, height, width


def _attributes(node: Any) -> dict[str, Any]:
    from onnx.helper import get_attribute_value

    return {a.name: get_attribute_value(a) for a in node.attribute}


def _window(settings: dict[str, Any], kernel: Sequence[int]) -> LayerJSON:
    """Kernel, stride and the padding on top and on the left."""
    stride = settings.get("strides", [1, 1])
    padding = settings.get("pads", [0, 0, 0, 0])
    if settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        padding = [(n - 1) // 2 for n in kernel]
    values = zip(("kernel", "stride", "padding"), (kernel, stride, padding))
    return {f"{key}_{axis}": int(n) for key, pair in values for axis, n in zip("hw", pair)}
