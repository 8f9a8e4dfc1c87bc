"""A numeric test, before any training, that channels mix nowhere but in conv and linear layers.

Two narrow blocks of random weights run apart and as one merged network, in float64. If every
layer is fed the same values both ways, the merged network is exact for any blocks of this
architecture.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from cgap_cl.blocks.block import Block, Taps, connect, sprout
from cgap_cl.blocks.composing import merged
from cgap_cl.blocks.kinds import Kind, channel_tensors
from cgap_cl.blocks.layout import LayerLayout, Layout
from cgap_cl.errors import UnsupportedNetworkError

TOLERANCE = 1e-9  # relative, float64; rounding over 100 layers stays below 1e-12
WIDTHS = (2, 3)  # units per group of the two blocks


@torch.no_grad()
def check_channels(skeleton: nn.Module, layout: Layout, example_input: Tensor) -> None:
    """Compare a merged network with its blocks, layer by layer.

    Args:
        skeleton: the reference network; its conv, linear and norm layers hold no values.
        layout: its layout.
        example_input: ``(N, ...)``, for shape and device.

    Raises:
        UnsupportedNetworkError: channels mix between two layers, or the network does not run
            at other widths.
    """
    x, blocks = _draw(skeleton, layout, example_input)
    apart: list[dict[str, Tensor]] = []
    outputs: list[Tensor] = []
    taps: Taps = {}
    for block in blocks:
        apart.append(_inputs(block.body, layout))
        outputs.append(_run(partial(block.run, x, taps), apart[-1]))
    whole = merged(skeleton, layout, blocks)
    together = _inputs(whole, layout)
    logits = _run(partial(whole, x), together)

    for layer in _modules(layout):
        fed = [inputs[layer.name] for inputs in apart]
        expected = fed[0] if layer.raw else _side_by_side(layer, fed, blocks)
        if not _same(together[layer.name], expected):
            raise UnsupportedNetworkError(
                _before(layout, layer.name),
                f"what follows it, on the way to '{layer.name}', mixes channels",
            )
    if not _same(logits, torch.cat(outputs, dim=1)):
        raise UnsupportedNetworkError(
            layout.head, "what follows it mixes classes: let the network end in logits"
        )


def _run(forward: Callable[[], Tensor], reached: dict[str, Tensor]) -> Tensor:
    """A forward pass at other widths than the reference's.

    Args:
        forward: the pass.
        reached: filled by the pass: the layers that it reached, in that order.
    """
    try:
        return forward()
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise UnsupportedNetworkError(
            next(reversed(reached), "(network)"),
            "at or behind it the network does not run at other widths (a size written into its "
            f"forward, or asked of a layer?): {error}",
        ) from error


def _draw(
    skeleton: nn.Module, layout: Layout, example_input: Tensor
) -> tuple[Tensor, list[Block]]:
    """A random input and two random blocks, the same for every network of one layout."""
    with torch.random.fork_rng(devices=[]):  # the user's own random numbers stay as they are
        torch.manual_seed(0)
        x = torch.randn((2, *example_input.shape[1:]), dtype=torch.float64)
        x = x.to(example_input.device)
        return x, _blocks(skeleton, layout, x)


def _blocks(skeleton: nn.Module, layout: Layout, like: Tensor) -> list[Block]:
    """Two blocks in eval mode; the second reads the first wherever it may."""
    n_classes = 2
    blocks: list[Block] = []
    for index, width in enumerate(WIDTHS):
        widths = dict.fromkeys(layout.widths, width)
        body = sprout(skeleton, layout, widths, n_classes, like)
        for layer in layout.layers:  # no two channels alike
            if not layer.dense:
                for owner, leaf in channel_tensors(body, layer.name, layer.kind):
                    tensor = getattr(owner, leaf)
                    tensor.copy_(1 + torch.rand(tensor.shape) / 2)
        blocks.append(Block(index, index, layout, widths, body).double().eval())

    older, newer = blocks
    for name in layout.lateral_names:
        weight = connect(newer.layer(name), older).op.weight
        weight.copy_(torch.randn(weight.shape) / 8)
    return blocks


def _modules(layout: Layout) -> list[LayerLayout]:
    """The layers that are modules."""
    return [layer for layer in layout.layers if layer.kind is not Kind.PARAMETER]


def _inputs(module: nn.Module, layout: Layout) -> dict[str, Tensor]:
    """What each layer is fed, filled in by the next forward pass."""
    seen: dict[str, Tensor] = {}
    for layer in _modules(layout):
        module.get_submodule(layer.name).register_forward_pre_hook(
            lambda _, args, name=layer.name: seen.__setitem__(name, args[0])
        )
    return seen


def _side_by_side(layer: LayerLayout, fed: list[Tensor], blocks: list[Block]) -> Tensor:
    """The blocks' inputs as the merged network has them: segment by segment, oldest first."""
    parts: list[Tensor] = []
    spans = [layer.inputs.spans(block.widths) for block in blocks]
    for of_blocks in zip(*spans, strict=True):  # one segment, of every block
        for x, (_, start, stop) in zip(fed, of_blocks, strict=True):
            parts.append(x.narrow(layer.dim, start, stop - start))
    return torch.cat(parts, dim=layer.dim)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    scale = float(other.abs().max())
    return float((one - other).abs().max()) <= TOLERANCE * max(scale, 1e-30)


def _before(layout: Layout, name: str) -> str:
    """The last layer that makes what the layer ``name`` reads."""
    groups = layout[name].inputs.positions_per_unit.keys()
    last = name
    for layer in layout.layers:
        if layer.name == name:
            break
        if groups & layer.outputs.positions_per_unit.keys():
            last = layer.name
    return last
