"""A network in operations that hardware tools take: dense, folded, every size written out."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from cgap_bench.errors import UsageError
from cgap_cl.blocks.blockwise import BlockwiseLayer

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
NOTHING = (nn.Dropout, nn.Dropout2d, nn.Identity)


@torch.no_grad()
def plain(network: nn.Module, example: Tensor) -> fx.GraphModule:
    """The same function of an image, in eval mode and on the CPU, as a graph of torch's layers.

    Blockwise layers and grouped convolutions become dense ones, with zeros where nothing is
    read; batch norm behind a convolution or linear layer is folded into it; pools over
    whatever there is become pools of that size; dropout goes.

    Args:
        network: Left as it is.
        example: ``(N, ...)``, says the size of every map.

    Raises:
        UsageError: The network's graph depends on values, so it cannot be written down.
    """
    body = copy.deepcopy(network).cpu()
    for name, module in list(body.named_modules()):
        if isinstance(module, BlockwiseLayer):
            body.set_submodule(name, module.dense())
    body.eval()
    try:
        graph = fx.symbolic_trace(body)
    except (fx.proxy.TraceError, TypeError) as error:
        raise UsageError(f"cannot follow the network's graph: {error}") from error

    for node, norm in list(_modules(graph, NORMS)):
        _fold(graph, node, norm)
    for node, _ in list(_modules(graph, NOTHING)):
        node.replace_all_uses_with(node.all_input_nodes[0])
        graph.graph.erase_node(node)
    graph.recompile()
    graph.delete_all_unused_submodules()
    _with_sizes(graph, example)
    for module in list(graph.modules()):
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            write_zeros(module)
    return graph


def _modules(
    graph: fx.GraphModule, kinds: tuple[type[nn.Module], ...]
) -> Iterator[tuple[fx.Node, nn.Module]]:
    """Calls of modules of some kinds."""
    for node in graph.graph.nodes:
        if node.op == "call_module":
            module = graph.get_submodule(node.target)
            if isinstance(module, kinds):
                yield node, module


def _fold(graph: fx.GraphModule, node: fx.Node, norm: nn.Module) -> None:
    """Batch norm into the layer before it, if nothing else reads that layer."""
    (source,) = node.all_input_nodes
    if source.op != "call_module" or len(source.users) > 1:
        return
    layer = graph.get_submodule(str(source.target))
    assert isinstance(norm, NORMS)
    if isinstance(layer, nn.Conv2d):
        graph.set_submodule(str(source.target), fuse_conv_bn_eval(layer, norm))
    elif isinstance(layer, nn.Linear):
        graph.set_submodule(str(source.target), fuse_linear_bn_eval(layer, norm))
    else:
        return
    node.replace_all_uses_with(source)
    graph.graph.erase_node(node)


def _with_sizes(graph: fx.GraphModule, example: Tensor) -> None:
    """Adaptive pools as ordinary ones of the size that they have on these images."""
    sizes: dict[str, torch.Size] = {}
    for node, module in _modules(graph, (nn.AdaptiveAvgPool2d,)):
        name = str(node.target)
        module.register_forward_hook(
            lambda _, inputs, __, name=name: sizes.update({name: inputs[0].shape[-2:]})
        )
    graph(example.cpu())
    for name, size in sizes.items():
        pool = graph.get_submodule(name)
        wanted = torch.broadcast_to(torch.tensor(pool.output_size), (2,)).tolist()
        if any(n % out for n, out in zip(size, wanted, strict=True)):
            raise UsageError(f"{name}: a pool of {tuple(size)} to {wanted} has uneven windows")
        windows = tuple(n // out for n, out in zip(size, wanted, strict=True))
        graph.set_submodule(name, nn.AvgPool2d(windows))


def write_zeros(conv: nn.Conv2d) -> None:
    """A grouped convolution as a dense one, in place."""
    n_out, each, *kernel = conv.weight.shape
    weight = conv.weight.new_zeros((n_out, conv.in_channels, *kernel))
    for group, rows in enumerate(torch.arange(n_out).chunk(conv.groups)):
        columns = slice(group * each, (group + 1) * each)
        weight[rows, columns] = conv.weight[rows]
    conv.weight, conv.groups = nn.Parameter(weight, requires_grad=False), 1
