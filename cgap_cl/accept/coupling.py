"""Which tensor axes share a unit: a network's layout, read off Torch-Pruning's graph.

What is read off is written down as a :class:`~cgap_cl.blocks.layout.Layout`; Torch-Pruning
is used here and nowhere else.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import torch
import torch_pruning
from torch import Tensor, nn
from torch_pruning.dependency import index_mapping

from cgap_cl.accept.supported import check_layers, check_modules
from cgap_cl.blocks.layout import DENSE_KINDS, NORMS, Axis, Kind, LayerLayout, Layout, Segment
from cgap_cl.errors import UnsupportedNetworkError, unknown

# What Torch-Pruning raises at a graph that it cannot follow.
GIVES_UP = (ArithmeticError, AssertionError, LookupError, RuntimeError, ValueError)


def find_head(module: nn.Module, order: Iterable[str]) -> str:
    """Name of the last linear layer or 1x1 convolution in forward order.

    Raises:
        UnsupportedNetworkError: there is none.
    """
    modules = dict(module.named_modules())
    for name in reversed(list(order)):
        layer = modules[name]
        if isinstance(layer, nn.Linear):
            return name
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1:
            return name
    raise UnsupportedNetworkError(
        "(network)", "it has no linear layer or 1x1 convolution to be the head"
    )


def trace(module: nn.Module, example_input: Tensor, head: str | None = None) -> Layout:
    """Layout of a network.

    Args:
        module: the reference network; left untouched (a copy is traced).
        example_input: one batch, ``(N, C, H, W)`` or ``(N, features)``.
        head: name of the head; by default the last linear layer or 1x1 convolution.

    Raises:
        UnsupportedNetworkError: a layer mixes channels, is used twice, or is coupled in a way
            that cannot be described.
    """
    check_modules(module)
    probe = copy.deepcopy(module).eval()
    for parameter in probe.parameters():
        parameter.requires_grad_(True)
    order = _forward_order(probe, example_input)
    check_layers(probe, order)
    head = head if head is not None else find_head(probe, order)
    if head not in order:
        raise UnsupportedNetworkError(head, unknown("head", head, order))
    if not _is_producer(probe, head):
        raise UnsupportedNetworkError(head, "a head is a linear layer or a convolution")
    table = _axis_table(probe, example_input, head)
    layers = tuple(_describe(name, probe.get_submodule(name), table, head) for name in order)
    used = {s.group for layer in layers for s in (*layer.inputs, *layer.outputs)}
    widths = {group: width for group, width in table.widths.items() if group in used}
    if not widths:
        raise UnsupportedNetworkError(head, "it is the head, and nothing before it can grow")
    return Layout(layers=layers, widths=widths, head=head)


def _forward_order(module: nn.Module, example_input: Tensor) -> list[str]:
    """Names of the conv, linear and norm layers in the order in which they run."""
    order: list[str] = []

    def note(name: str, layer: nn.Module, args: tuple[Tensor, ...]) -> None:
        if not args:
            raise UnsupportedNetworkError(
                name, "it is called with its input as a keyword argument; give it by position"
            )
        x = args[0]
        if isinstance(layer, nn.Linear) and x.dim() != 2:
            raise UnsupportedNetworkError(
                name, f"it reads a tensor of shape {tuple(x.shape)}: a linear layer must read "
                "(N, features), units along axis 1",
            )  # fmt: skip
        order.append(name)

    handles = [
        layer.register_forward_hook(lambda m, args, _, name=name: note(name, m, args))
        for name, layer in module.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear, *NORMS))
    ]
    with torch.no_grad():
        logits = module(example_input)
    for handle in handles:
        handle.remove()
    for name in order:
        if order.count(name) > 1:
            raise UnsupportedNetworkError(
                name, "it runs more than once in a forward pass (shared weights)"
            )
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UnsupportedNetworkError(
            order[-1] if order else "(network)",
            f"the network must return logits (N, classes), not {found}",
        )
    return order


@dataclass
class _Table:
    """Owner of every position: (layer, side) -> position -> (group, unit)."""

    owners: dict[tuple[str, str], dict[int, tuple[str, int]]]
    widths: dict[str, int]


def _axis_table(module: nn.Module, example_input: Tensor, head: str) -> _Table:
    """Ask the dependency graph which positions belong to which unit."""
    with warnings.catch_warnings(), _trusting_concat():
        warnings.simplefilter("ignore")
        try:
            graph = torch_pruning.DependencyGraph().build_dependency(module, example_input)
        except GIVES_UP as error:
            raise UnsupportedNetworkError(
                _last_before(error, module),
                f"what follows it reorders or reshapes channels in a way that cannot be traced "
                f"({type(error).__name__}: {error})",
            ) from error
        groups = list(graph.get_all_groups(root_module_types=(nn.Conv2d, nn.Linear)))
    names = {layer: name for name, layer in module.named_modules()}
    table = _Table(owners={}, widths={})
    found = [_members(graph, group, names) for group in groups]
    for members in found:
        producers = [
            name for name, side, _ in members if side == "out" and _is_producer(module, name)
        ]
        if not producers or head in producers:
            continue
        group_name = min(producers, key=list(names.values()).index)
        table.widths[group_name] = len(members[0][2])
        for name, side, pairs in members:
            owners = table.owners.setdefault((name, side), {})
            owners.update({position: (group_name, unit) for position, unit in pairs})
    order = {name: index for index, name in enumerate(names.values())}
    table.widths = dict(sorted(table.widths.items(), key=lambda item: order[item[0]]))
    return table


def _last_before(error: Exception, module: nn.Module) -> str:
    """The layer before the graph node at which Torch-Pruning gave up."""
    names = {layer: name for name, layer in module.named_modules()}
    node = None
    trace_back = error.__traceback__
    while trace_back is not None:
        node = trace_back.tb_frame.f_locals.get("node", node)
        trace_back = trace_back.tb_next
    todo, seen = [node], set[int]()
    while todo:
        node = todo.pop(0)
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node.module, (nn.Conv2d, nn.Linear, *NORMS)):
            return str(names[node.module])
        todo += list(node.inputs)
    return "(network)"


@contextmanager
def _trusting_concat() -> Iterator[None]:
    """Let Torch-Pruning 1.6 map a concat that is flattened behind it.

    It compares a concat's channels with the inputs of the next layer and, where they differ, as
    they do once maps were flattened, drops the offsets. The probe still checks the result.
    """
    update, infer = index_mapping.update_concat_index_mapping, index_mapping.shape_infer
    trusting = SimpleNamespace(**vars(infer))
    trusting.infer_in_channels_recursively = lambda *_args, **_kwargs: None

    def update_trusting(graph: object, node: object) -> None:
        index_mapping.shape_infer = trusting
        try:
            update(graph, node)
        finally:
            index_mapping.shape_infer = infer

    index_mapping.update_concat_index_mapping = update_trusting
    try:
        yield
    finally:
        index_mapping.update_concat_index_mapping = update


def _is_producer(module: nn.Module, name: str) -> bool:
    layer = module.get_submodule(name)
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)


def _members(
    graph: object, group: object, names: dict[nn.Module, str]
) -> list[tuple[str, str, list[tuple[int, int]]]]:
    """(layer, side, [(position, unit)]) of every module of one Torch-Pruning group."""
    members = []
    for item in group:  # type: ignore[attr-defined]
        layer = item.dep.target.module
        if not isinstance(layer, (nn.Conv2d, nn.Linear, *NORMS)):
            continue
        out = graph.is_out_channel_pruning_fn(item.dep.handler)  # type: ignore[attr-defined]
        per_channel = isinstance(layer, NORMS) or (
            isinstance(layer, nn.Conv2d) and layer.groups > 1
        )
        side = "in" if per_channel or not out else "out"
        members.append((names[layer], side, list(zip(item.idxs, item.root_idxs, strict=True))))
    return members


def _describe(name: str, layer: nn.Module, table: _Table, head: str) -> LayerLayout:
    """Layout of one layer from the table of owners."""
    kind = _kind(layer)
    n_in, n_out = _sizes(layer)
    inputs = _segments(name, table, "in", n_in)
    if kind not in DENSE_KINDS:
        if inputs.n_fixed:
            raise UnsupportedNetworkError(
                name, "a per-channel layer on the network's raw input"
            )
        return LayerLayout(name, kind, inputs, inputs)
    outputs: Axis = (
        Axis((Segment(None, n_out),)) if name == head else _segments(name, table, "out", n_out)
    )
    if name != head and outputs.n_fixed:
        raise UnsupportedNetworkError(
            name, "its outputs are coupled to positions that no layer produces"
        )
    if inputs.n_fixed and inputs.positions_per_unit:
        raise UnsupportedNetworkError(
            name, "it reads the network's raw input and other layers at once"
        )
    return LayerLayout(name, kind, inputs, outputs)


def _sizes(layer: nn.Module) -> tuple[int, int]:
    """Input and output positions of a layer."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels, layer.out_channels
    assert isinstance(layer, NORMS)
    return layer.num_features, layer.num_features


def _kind(layer: nn.Module) -> Kind:
    if isinstance(layer, nn.Linear):
        return Kind.LINEAR
    if isinstance(layer, nn.Conv2d):
        return Kind.CONV if layer.groups == 1 else Kind.DEPTHWISE
    return Kind.NORM


def _segments(name: str, table: _Table, side: str, length: int) -> Axis:
    """Compress an axis into segments.

    Raises:
        UnsupportedNetworkError: the units of a group are not laid out as one ascending run.
    """
    owners = table.owners.get((name, side), {})
    segments: list[Segment] = []
    position = 0
    while position < length:
        if position not in owners:
            stop = next((p for p in range(position, length) if p in owners), length)
            segments.append(Segment(None, stop - position))
            position = stop
            continue
        group = owners[position][0]
        width = table.widths[group]
        repeat = 1
        while owners.get(position + repeat) == (group, 0):
            repeat += 1
        run = [owners.get(position + i) for i in range(width * repeat)]
        if run != [(group, unit) for unit in range(width) for _ in range(repeat)]:
            raise UnsupportedNetworkError(
                name, f"its {side}put positions do not follow the units of '{group}' in order"
            )
        segments.append(Segment(group, repeat))
        position += width * repeat
    if position != length:
        raise UnsupportedNetworkError(
            name, f"its {length} {side}put positions do not fit the units of "
            f"'{segments[-1].group}' (one channel broadcast over many, a size written in?)",
        )  # fmt: skip
    return Axis(tuple(segments))
