"""Torch-Pruning 1.6: which positions of which layers are coupled.

Whatever is patched in that library, or read from inside it, is here and nowhere else: the next
version, or another library, is another module with the same :func:`coupled_groups`.
"""

from __future__ import annotations

import copy
import enum
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch_pruning
from torch import Tensor, nn
from torch_pruning.dependency import index_mapping

from cgap_cl.accept.forward_order import Reading
from cgap_cl.blocks.kinds import DENSE, DENSE_KINDS, Kind, kind_of
from cgap_cl.blocks.layers_alike import replace
from cgap_cl.errors import UnsupportedNetworkError

# What it raises at a graph that it cannot follow.
GIVES_UP = (ArithmeticError, AssertionError, LookupError, RuntimeError, ValueError)


class Side(enum.Enum):
    """Which axis of a layer; a per-channel layer has an input axis only."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True)
class Member:
    """One axis of one layer that is coupled with others.

    Attributes:
        layer: name of the layer.
        side: which of its axes.
        units: position along the axis -> unit of the group that fills it.
    """

    layer: str
    side: Side
    units: Mapping[int, int]


Group = list[Member]  # axes whose units live and die together, the one that makes them first


class _PerChannel(nn.BatchNorm2d):
    """Stands for a layer that keeps channels apart; the library takes it for a batch norm."""

    def forward(self, x: Tensor) -> Tensor:
        """As it is, but another node of the graph."""
        return x * 1.0


def coupled_groups(
    module: nn.Module, example_input: Tensor, order: Mapping[str, Reading]
) -> list[Group]:
    """All groups of coupled axes of a network's conv, linear and norm layers.

    Args:
        module: in eval mode, every parameter with gradients on.
        example_input: one batch.
        order: what its layers read.

    Raises:
        UnsupportedNetworkError: the graph cannot be followed; names the layer before the place.
    """
    module = _simplified(module, order)
    names = {module.get_submodule(name): name for name in order}
    with warnings.catch_warnings(), _concat_trusted():
        warnings.simplefilter("ignore")  # of parameters and modules that it does not prune
        try:
            graph = torch_pruning.DependencyGraph().build_dependency(module, example_input)
        except GIVES_UP as error:
            raise UnsupportedNetworkError(
                _last_layer_before(error, names),
                f"what follows it reorders or reshapes channels in a way that cannot be traced "
                f"({type(error).__name__}: {error})",
            ) from error
        groups = list(graph.get_all_groups(root_module_types=DENSE))
    return [_members(graph, group, names) for group in groups]


def _simplified(module: nn.Module, order: Mapping[str, Reading]) -> nn.Module:
    """A copy in which the layers that are not dense keep their channels apart, and no more."""
    module = copy.deepcopy(module)
    for parameter in module.parameters():  # bare ones are coupled by hand, see `parameters`
        parameter.requires_grad_(False)
    for name, reading in order.items():
        layer = module.get_submodule(name)
        kind, n = kind_of(layer), reading.n
        if kind is Kind.GROUPED:  # depthwise of the same geometry: what groups are we know
            layer.groups = n  # type: ignore[assignment]
            layer.weight = nn.Parameter(layer.weight[:, :1].detach())  # type: ignore[index]
        elif kind not in DENSE_KINDS:
            replace(module, name, _PerChannel(n))
    for layer in module.modules():
        if isinstance(layer, DENSE):
            layer.requires_grad_(True)
    return module


def _members(graph: Any, group: Any, names: Mapping[nn.Module, str]) -> Group:
    members = []
    for item in group:
        layer = item.dep.target.module
        if layer not in names:
            continue  # an operation without units of its own: a sum, a concat, a pooling
        outputs = graph.is_out_channel_pruning_fn(item.dep.handler)
        side = Side.OUTPUT if outputs and kind_of(layer) in DENSE_KINDS else Side.INPUT
        units = dict(zip(item.idxs, item.root_idxs, strict=True))
        members.append(Member(names[layer], side, units))
    return members


def _last_layer_before(error: Exception, names: Mapping[nn.Module, str]) -> str:
    """The layer before the graph node at which Torch-Pruning gave up.

    Its errors do not say where they happened, but its functions call the node that they are at
    ``node``: the innermost one is read off the traceback.
    """
    node: Any = None
    trace_back = error.__traceback__
    while trace_back is not None:
        node = trace_back.tb_frame.f_locals.get("node", node)
        trace_back = trace_back.tb_next

    todo, seen = [node], set[int]()  # breadth first, against the flow of the data
    while todo:
        node = todo.pop(0)
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.module in names:
            return names[node.module]
        todo += list(node.inputs)
    return "(network)"


@contextmanager
def _concat_trusted() -> Iterator[None]:
    """Let it map a concat that is flattened behind it.

    It compares a concat's channels with the inputs of the next layer and, where they differ, as
    they do once maps were flattened, drops the offsets. The probe still checks the result.
    """
    update, infer = index_mapping.update_concat_index_mapping, index_mapping.shape_infer
    trusting = SimpleNamespace(**vars(infer))
    trusting.infer_in_channels_recursively = lambda *_args, **_kwargs: (
        None
    )  # nothing to compare

    def update_trusting(graph: object, node: object) -> None:
        # other mappings need the real function of that name: swapped during this call only
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
