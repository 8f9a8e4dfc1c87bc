"""Widths of the words in a quantised ONNX or QONNX file: of its weights, of its maps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cgap_bench.shapes.onnx_reader import constants
from cgap_bench.shapes.onnx_rules import WEIGHTS

# Tensors of ONNX that are words of a width; biases (32 bits) are not what a width is told by.
WORDS = {"INT8": 8, "UINT8": 8, "INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}
WORDS |= {"INT16": 16, "UINT16": 16}
OF_BYTES = ("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QGemm")
ROUNDS_TO_BYTES = "DynamicQuantizeLinear"
BYTE = 8

QUANT, BIPOLAR = ("Quant", "IntQuant"), "BipolarQuant"  # of QONNX, in domains of its own
QUANT_BITS = 3  # the input that says how many


@dataclass(frozen=True)
class Words:
    """Widths that are met, ascending; none where all is in floats.

    Attributes:
        weights: Of constants.
        maps: Of what comes from the input.
    """

    weights: tuple[int, ...]
    maps: tuple[int, ...]

    @property
    def widest(self) -> int | None:
        """What all is priced at, unless a user says otherwise."""
        return max((*self.weights, *self.maps), default=None)

    @property
    def mixed(self) -> str:
        """All widths in words; empty if there is one, or none.

        >>> Words((4, 8), (8,)).mixed
        'weights of 4 and 8 bits, maps of 8 bits'
        >>> Words((8,), (8,)).mixed
        ''
        """
        if self.weights == self.maps and len(self.maps) < 2:
            return ""
        return f"weights of {_listed(self.weights)}, maps of {_listed(self.maps)}"


def _listed(widths: tuple[int, ...]) -> str:
    return " and ".join(map(str, widths)) + " bits" if widths else "floats"


def words_of(graph: Any) -> Words:
    """Widths of a graph as it is in the file, before constants are folded."""
    known = constants(graph)
    weights = {width for node in graph.node for width in _weights(node, known)}
    maps = {width for node in graph.node for width in _maps(node, known)}
    return Words(tuple(sorted(weights)), tuple(sorted(maps)))


def without_quants(model: Any) -> None:
    """Write the identity in the place of QONNX's roundings, which onnx does not know."""
    for node in model.graph.node:
        if _is_quant(node):
            node.op_type, node.domain = "Identity", ""
            del node.input[1:], node.attribute[:]


def _is_quant(node: Any) -> bool:
    return bool(node.domain) and node.op_type in (*QUANT, BIPOLAR)


def _weights(node: Any, known: Mapping[str, Any]) -> Iterator[int]:
    """Widths of the weights that a node reads."""
    place = {**WEIGHTS, "ConvInteger": 1, "MatMulInteger": 1, "DynamicQuantizeLSTM": 1}
    place |= {"DequantizeLinear": 0}
    index = place.get(node.op_type, len(node.input))
    for name in node.input[index : index + 1]:
        if name in known:
            yield from _width(known[name].data_type)
    if _is_quant(node) and node.input[0] in known:
        yield from _quant_bits(node, known)


def _maps(node: Any, known: Mapping[str, Any]) -> Iterator[int]:
    """Widths of the maps that a node reads or writes."""
    if node.op_type in (*OF_BYTES, ROUNDS_TO_BYTES):
        yield BYTE
    elif node.op_type == "QuantizeLinear":
        zero = node.input[2] if len(node.input) > 2 else ""
        named = [a.i for a in node.attribute if a.name == "output_dtype" and a.i]
        kinds = [known[zero].data_type] if zero in known else named
        yield from _width(kinds[0]) if kinds else (BYTE,)
    elif _is_quant(node) and node.input[0] not in known:
        yield from _quant_bits(node, known)


def _width(kind: int) -> Iterator[int]:
    """Of words of a type of ONNX, if they are words."""
    from onnx import TensorProto

    name = TensorProto.DataType.Name(kind)
    yield from (WORDS[name],) if name in WORDS else ()


def _quant_bits(node: Any, known: Mapping[str, Any]) -> Iterator[int]:
    from onnx.numpy_helper import to_array

    if node.op_type == BIPOLAR:
        yield 1
        return
    for name in node.input[QUANT_BITS : QUANT_BITS + 1]:
        if name in known:
            yield max(1, int(to_array(known[name]).max()))
