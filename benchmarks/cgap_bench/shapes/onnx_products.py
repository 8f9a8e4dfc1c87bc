"""Matrix products of ONNX: with weights, between maps, and in every step of a recurrence."""

from math import prod

from cgap_bench.shapes import forms
from cgap_bench.shapes.forms import LayerJSON, Size
from cgap_bench.shapes.onnx_rules import WEIGHTS, Operator, operator
from cgap_bench.shapes.rules import Layers, Role

PRODUCTS = ("MatMul", "MatMulInteger")  # whose bias is a sum behind them


@operator(Role.WEIGHTED, "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "QGemm")
def _matrix(op: Operator) -> LayerJSON:
    """Products with constant weights, or of maps with maps."""
    second = op.inputs[WEIGHTS.get(op.kind, 1)]
    left = _matrices(op.size(op.inputs[0]), op.settings.get("transA", 0), 0)
    right = _matrices(op.size(second), op.settings.get("transB", 0), 1)
    (*many, rows, depth), (*others, deep, columns) = left, right
    op.check_depth(depth, deep)
    times = max(prod(many), prod(others))

    if op.inputs[0] not in op.maps:  # weights on the left
        return forms.weighted(op.name, (times, columns), depth, rows)
    if second not in op.maps and prod(others) > 1:
        each = times // prod(others) * rows
        return forms.weighted_apart(op.name, prod(others), each, depth, columns)
    if second not in op.maps:
        positions = (*many, rows)
        return forms.weighted(op.name, positions, depth, columns, bias=op.has_bias)
    if prod(others) == 1:
        return forms.products(op.name, 1, times * rows, depth, columns)
    return forms.products(op.name, times, rows, depth, columns)


@operator(Role.WORK, "Einsum")
def _einsum(op: Operator) -> LayerJSON | None:
    """Of two operands: labels of both are the count where the result has them, else depth."""
    said = op.settings["equation"].decode().replace(" ", "")
    if len(op.inputs) != 2 or "->" not in said or "." in said:
        return None
    operands, result = said.split("->")
    left, right = operands.split(",")
    sizes: dict[str, int] = {}
    for labels, name in zip((left, right), op.inputs, strict=True):
        sizes |= dict(zip(labels, op.size(name), strict=True))

    def over(labels: set[str]) -> int:
        return prod(sizes[label] for label in labels)

    both = set(left) & set(right)
    count, depth = over(both & set(result)), over(both - set(result))
    rows, columns = over(set(left) - both), over(set(right) - both)
    if op.inputs[0] not in op.maps:
        rows, columns = columns, rows
    if len(op.maps) == 2:
        return forms.products(op.name, count, rows, depth, columns)
    return forms.weighted_apart(op.name, count, rows, depth, columns)


@operator(Role.WORK, "Attention")
def _attention(op: Operator) -> Layers | None:
    """Scores and what they weigh, (items, heads, rows, depth) or heads side by side."""
    if len(op.maps) < 3:  # the operator of that name from elsewhere has projections too
        return None
    query, key, value = (op.size(name) for name in op.inputs[:3])
    heads = query[1] if len(query) == 4 else op.settings["q_num_heads"]
    of_keys = heads if len(query) == 4 else op.settings["kv_num_heads"]
    depth, width = (
        size[-1] // (1 if len(size) == 4 else n)
        for size, n in ((query, heads), (value, of_keys))
    )
    count, rows, columns = query[0] * heads, query[-2], key[-2]
    return [
        forms.products(op.name, count, rows, depth, columns),
        forms.products(op.name, count, rows, columns, width),
    ]


@operator(Role.WORK, "LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")
def _recurrent(op: Operator) -> Layers:
    """Weights (directions, rows, depth) for the input and for the state."""
    steps, items, depth = op.size(op.inputs[0])
    if op.settings.get("layout", 0):
        steps, items = items, steps
    state = op.size(op.inputs[2])
    inside = op.settings.get("hidden_size", state[-1])
    rows = prod(state[1:]) // inside
    weights = [(rows, depth), (rows, inside)]
    layers: Layers = []
    for _ in range(state[0]):
        layers += forms.recurrent(op.name, steps, items, weights)
    return layers


def _matrices(size: Size, transposed: int, side: int) -> Size:
    """(..., rows, columns); a vector is one row on the left (side 0), a column on the right."""
    if len(size) == 1:
        size = (1, *size) if side == 0 else (*size, 1)
    return (*size[:-2], size[-1], size[-2]) if transposed else size
