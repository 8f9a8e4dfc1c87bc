"""The graph of an ONNX file, walked through in the order of execution."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cgap_bench.shapes.forms import Size
from cgap_bench.shapes.onnx_products import PRODUCTS
from cgap_bench.shapes.onnx_rules import OPERATORS, Operator, UnsizedError
from cgap_bench.shapes.rules import UNKNOWN, LayerJSON, Role, Rule
from cgap_bench.shapes.tracing import NETWORK_INPUT

WINDOWS = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool")
PARTS = {"Attention": "Softmax"}  # within an operator that is priced, what is not
SMALL = 64  # numbers of a constant that a rule may want to read


class Reader:
    """Collects layers, and for every tensor the layers whose outputs it consists of.

    Args:
        graph: With the sizes of its tensors inferred.
        read: Names of what the network reads.
    """

    def __init__(self, graph: Any, read: Sequence[str]) -> None:
        self.layers: list[LayerJSON] = []
        self.unsupported: Counter[str] = Counter()
        self._sizes, self._constants = _sizes(graph), constants(graph).keys()
        self._numbers = _numbers(graph)
        self._n_readers = Counter(name for node in graph.node for name in node.input)
        self._n_readers.update(x.name for x in graph.output)
        self._sources: dict[str, tuple[int, ...]] = dict.fromkeys(read, (NETWORK_INPUT,))
        self._foldable: set[str] = set()  # a norm could go into what wrote these
        self._products: set[str] = set()  # written by a product, whose bias is an Add behind it

    def node(self, node: Any) -> None:
        """One operator."""
        maps = tuple(name for name in node.input if name in self._sources)
        rule = OPERATORS.get(node.op_type, UNKNOWN)
        if not maps or rule.role is Role.CONSTANT:
            return

        try:
            self._met(node, rule, maps)
        except UnsizedError:
            self._list(f"operator {node.op_type!r} of unknown size", node)

    def _met(self, node: Any, rule: Rule, maps: Sequence[str]) -> None:
        free = rule.role in (Role.ACTIVATION, Role.ADDRESSING)
        if free or self._adds_bias(node, maps) or self._gates(node, maps):
            self._pass_on(node)
        elif rule.role is Role.NORM and self._folds(node.input[0]):
            for index in self._sources[maps[0]]:
                self.layers[index]["bias"] = True
            self._pass_on(node)
            self._foldable.update(node.output)
        else:
            self._work(node, rule, maps)

    def _folds(self, read: str) -> bool:
        """Whether a norm goes into what wrote a tensor: nothing else reads it as it is."""
        return read in self._foldable and self._n_readers[read] == 1

    def _work(self, node: Any, rule: Rule, maps: Sequence[str]) -> None:
        """Layers of their own, or work that has no shape."""
        found = rule.layer(self._operator(node, maps)) if rule.layer else None
        if found is None:
            self._list(f"operator {self._kind(node, maps[0])!r}", node)
            return

        if node.op_type in PARTS:
            self.unsupported[f"operator {PARTS[node.op_type]!r}"] += 1
        inputs = self._read(maps)
        for layer in found if isinstance(found, list) else [found]:
            self.layers.append({**layer, "inputs": list(inputs)})
            inputs = (len(self.layers) - 1,)
        self._sources.update(dict.fromkeys(filter(None, node.output), inputs))

        if found and self.layers[-1]["kind"] in ("conv", "linear"):
            self._foldable.update(node.output)
            if node.op_type in PRODUCTS:
                self._products.update(node.output)

    def _operator(self, node: Any, maps: Sequence[str]) -> Operator:
        from onnx.helper import get_attribute_value

        return Operator(
            name=node.name or node.output[0],
            kind=node.op_type,
            inputs=tuple(node.input),
            maps=tuple(maps),
            output=node.output[0],
            settings={a.name: get_attribute_value(a) for a in node.attribute},
            size=self._size,
            values=self._numbers.get,
        )

    def _list(self, what: str, node: Any) -> None:
        """Work that has no shape; what it writes still comes from the layers that it reads."""
        self.unsupported[what] += 1
        self._pass_on(node)

    def _kind(self, node: Any, read: str) -> str:
        """What a user can look for: the operator, where it is from, along how many axes."""
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        return f"{len(self._size(read)) - 2}-D {name}" if node.op_type in WINDOWS else name

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

    def _pass_on(self, node: Any) -> None:
        """What is written lies where what is read lies."""
        maps = [name for name in node.input if name in self._sources]
        self._sources.update(dict.fromkeys(filter(None, node.output), self._read(maps)))

    def _read(self, maps: Sequence[str]) -> tuple[int, ...]:
        """Layers that tensors consist of, each once."""
        return tuple(dict.fromkeys(index for name in maps for index in self._sources[name]))

    def _size(self, name: str) -> Size:
        size = self._sizes.get(name)
        if size is not None and name in self._constants and 0 in size:
            raise ValueError(f"weights {name!r} are empty")
        if size is None or any(n < 1 for n in size):
            raise UnsizedError(name)
        return size


def constants(graph: Any) -> dict[str, Any]:
    """Name -> tensor of what is the same in every inference."""
    tensors = {x.name: x for x in graph.initializer}
    for node in graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            tensors[node.output[0]] = value
    return tensors


def _sizes(graph: Any) -> dict[str, Size]:
    """Known shapes; 0 stands for a size that is not fixed."""
    sizes = {name: tuple(x.dims) for name, x in constants(graph).items()}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            sizes[value.name] = tuple(d.dim_value for d in kind.shape.dim)
    return sizes


def _numbers(graph: Any) -> Mapping[str, list[int]]:
    """Whole numbers of the small constants, such as axes."""
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    whole = (TensorProto.INT32, TensorProto.INT64)
    small = {
        name: x
        for name, x in constants(graph).items()
        if x.data_type in whole and sum(x.dims) <= SMALL and len(x.dims) < 2
    }
    return {name: to_array(x).ravel().tolist() for name, x in small.items()}
