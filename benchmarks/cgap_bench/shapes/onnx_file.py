"""An ONNX file turned into the layer shapes that the cost model prices (extra ``onnx``).

Sizes that the file leaves open are given or, of a batch, taken to be 1; what follows from them
is worked out by onnx's shape inference and onnxslim's folding of constants.
"""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.shapes.forms import Size
from cgap_bench.shapes.onnx_reader import Reader
from cgap_bench.shapes.onnx_words import without_quants, words_of
from cgap_bench.shapes.tracing import Workload

EXAMPLE = 224
MOST_NUMBERS = 2**31  # of a tensor


def onnx_workload(path: Path, input_shapes: Mapping[str, Size] | None = None) -> Workload:
    """The layers of one inference of an ONNX model, and the operators that have no shape.

    Args:
        path: The file.
        input_shapes: Sizes of the model's inputs, of those that the file leaves open.

    Raises:
        UsageError: The extra is not installed, the file is not an ONNX model, or a size is
            not known.
    """
    model = _read(path)
    words = words_of(model.graph)
    without_quants(model)
    inputs = _fix_inputs(model.graph, input_shapes or {}, path)

    check_order(model.graph, path)
    graph = _worked_out(model, path).graph
    reader = Reader(graph, list(inputs))
    for node in graph.node:
        _read_node(reader, node, path)

    if not reader.layers:
        listed = ", ".join(reader.unsupported) or "no operator reads its inputs"
        raise UsageError(f"{path}: no layer that the cost model knows ({listed})")
    unsupported = dict(reader.unsupported)
    return Workload(reader.layers, unsupported, inputs, words.widest, words.mixed)


def _read_node(reader: Reader, node: Any, path: Path) -> None:
    """One operator; whatever its rule trips over is the file's fault.

    Raises:
        UsageError: The operator makes no sense.
    """
    try:
        reader.node(node)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path}: {node.op_type} {node.name or ', '.join(node.output)!r} makes no sense:"
            f" {type(error).__name__}: {_reason(error)}"
        ) from error


def check_order(graph: Any, path: Path) -> None:
    """Every operator reads what was written before it.

    Raises:
        UsageError: One does not: the graph has a circle, or a tensor is missing.
    """
    known = {x.name for x in (*graph.initializer, *graph.input, *graph.sparse_initializer)}
    for node in graph.node:
        missing = [name for name in node.input if name and name not in known]
        if missing:
            raise UsageError(
                f"{path}: {node.op_type} {node.name!r} reads {missing[0]!r}, which nothing"
                " before it writes"
            )
        known.update(node.output)


def _read(path: Path) -> Any:
    """The model; weights that lie in other files are not needed."""
    try:
        import onnx
        import onnxslim  # noqa: F401 - of the same extra
    except ImportError as error:
        raise UsageError(
            f"reading {path} needs onnx and onnxslim: pip install 'cgap-cl[onnx]'"
        ) from error
    if not path.is_file():
        raise UsageError(f"no such file: {path}")

    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.shape_inference.infer_shapes(model)
    except Exception as error:  # protobuf and onnx raise many kinds, none of them shared
        raise UsageError(f"{path} is not an ONNX model: {_reason(error)}") from error
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _fix_inputs(graph: Any, given: Mapping[str, Size], path: Path) -> dict[str, Size]:
    """Write the sizes of all inputs into the graph.

    Raises:
        UsageError: A size is neither in the file nor given, or given for no input.
    """
    constant = {x.name for x in graph.initializer}
    inputs = {x.name: x for x in graph.input if x.name not in constant}
    for name in given:
        if name not in inputs:
            raise UnknownNameError(f"input of {path}", name, list(inputs))

    sizes = {}
    for name, value in inputs.items():
        shape = value.type.tensor_type.shape
        size = given.get(name) or _own_size(name, value, path)
        if len(shape.dim) not in (0, len(size)):
            raise UsageError(
                f"{path}: input {name!r} has {len(shape.dim)} dimensions"
                f" ({_shown(value)}), got {len(size)}"
            )
        del shape.dim[:]
        for n in size:
            shape.dim.add().dim_value = n
        sizes[name] = size
    return sizes


def _own_size(name: str, value: Any, path: Path) -> Size:
    """The size that the file states; a batch that it leaves open is one item."""
    kind = value.type.tensor_type
    size = [dim.dim_value for dim in kind.shape.dim]
    if size and size[0] < 1:
        size[0] = 1
    if not kind.HasField("shape") or any(n < 1 for n in size):
        raise UsageError(
            f"{path}: input {name!r} has no fixed size ({_shown(value)});"
            f" give it, for instance --input-shape {name}={_example(size)}"
        )
    return tuple(size)


def _example(size: Sequence[int]) -> str:
    """A size as it is typed, with something in the place of what is open."""
    return ",".join(str(n if n > 0 else EXAMPLE) for n in size or (1, 3, EXAMPLE, EXAMPLE))


def _worked_out(model: Any, path: Path) -> Any:
    """The model with every size that follows from those of its inputs."""
    import onnx
    import onnxslim

    del model.graph.value_info[:]
    for value in model.graph.output:  # may have been stated for other inputs
        value.type.tensor_type.ClearField("shape")
    _check_sizes(model, path)
    try:
        slim = onnxslim.slim(onnx.ModelProto.FromString(model.SerializeToString()))
    except Exception:  # a help, not a need: what it cannot read is left as it is
        slim = model
    try:
        return onnx.shape_inference.infer_shapes(slim, data_prop=True)
    except Exception as error:
        raise UsageError(f"{path}: sizes contradict each other: {_reason(error)}") from error


def _check_sizes(model: Any, path: Path) -> None:
    """Before anything is worked out, which may allocate what is declared.

    Raises:
        UsageError: A tensor is larger than any that is priced.
    """
    import onnx

    try:
        known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:
        raise UsageError(f"{path}: sizes contradict each other: {_reason(error)}") from error
    sizes = {
        x.name: [d.dim_value for d in x.type.tensor_type.shape.dim] for x in known.value_info
    }
    sizes |= {x.name: list(x.dims) for x in model.graph.initializer}
    for name, size in sizes.items():
        if prod(size) > MOST_NUMBERS or any(n < 0 for n in size):
            shown = " x ".join(map(str, size))
            raise UsageError(
                f"{path}: tensor {name!r} is {shown}; at most {MOST_NUMBERS} numbers"
            )


def _shown(value: Any) -> str:
    """The dimensions as the file has them, with their names."""
    dims = value.type.tensor_type.shape.dim
    shown = (str(d.dim_value) if d.dim_value > 0 else d.dim_param or "?" for d in dims)
    return " x ".join(shown) or "no dimensions"


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
