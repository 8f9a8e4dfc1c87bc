"""Lanes lost to rounding, and the nearest widths that fill them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cgap_hw.arrays import AnyArray
from cgap_hw.boards.board import Board
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import ceil_div
from cgap_hw.price.cost import network_cost


@dataclass(frozen=True)
class LayerAdvice:
    """One convolution or linear layer on an array.

    Attributes:
        channel_ratio: Share of the output-channel lanes that are filled.
        lane_ratio: Share of all multipliers that are filled while it computes.
        narrower: Largest width of at most ``n_out`` that fills the channel lanes; None where
            there is none.
        wider: Smallest width of at least ``n_out`` that does.
        narrower_saves_ns: Latency of this layer that ``narrower`` saves.
        wider_adds_ns: Latency of this layer that ``wider`` adds.
    """

    name: str
    kind: str
    n_out: int
    channel_ratio: float
    lane_ratio: float
    narrower: int | None
    wider: int
    narrower_saves_ns: float
    wider_adds_ns: float


def advise(
    layers: Sequence[LayerShape], board: Board, array: AnyArray | None = None, bits: int = 8
) -> list[LayerAdvice]:
    """Advice for every convolution and linear layer, in order.

    Only the layer itself is priced again; the layers that read it change too.

    Raises:
        CostModelError: As `network_cost`.

    >>> from cgap_hw import LayerShape, load_board
    >>> head = LayerShape(name="head", kind="linear", n_in=512, n_out=50)
    >>> (advice,) = advise([head], load_board("zcu102"))
    >>> advice.narrower, advice.wider
    (48, 72)
    """
    array = array or board.array
    return [_advise(layer, board, array, bits) for layer in layers if layer.computes]


def nearest_widths(n_out: int, lanes: int) -> tuple[int | None, int]:
    """The multiples of the lanes around a width: (at most it or None, at least it)."""
    narrower = n_out // lanes * lanes
    return narrower or None, int(ceil_div(n_out, lanes)) * lanes


def _advise(layer: LayerShape, board: Board, array: AnyArray, bits: int) -> LayerAdvice:
    if layer.depthwise:
        lanes = array.depthwise_grain * (layer.n_out // layer.n_in)
    else:
        lanes = int(array.grain.channels) * layer.groups

    narrower, wider = nearest_widths(layer.n_out, lanes)
    now = _latency_ns(layer, layer.n_out, board, array, bits)
    cycles = float(array.cycles(LayerTable.of([layer]))[0])
    saved = now - _latency_ns(layer, narrower, board, array, bits) if narrower else 0.0

    return LayerAdvice(
        name=layer.name,
        kind="depthwise" if layer.depthwise else layer.kind,
        n_out=layer.n_out,
        channel_ratio=layer.n_out / wider,
        lane_ratio=layer.macs / (cycles * array.n_macs),
        narrower=narrower,
        wider=wider,
        narrower_saves_ns=saved,
        wider_adds_ns=_latency_ns(layer, wider, board, array, bits) - now,
    )


def _latency_ns(
    layer: LayerShape, n_out: int, board: Board, array: AnyArray, bits: int
) -> float:
    changes = {"n_out": n_out}
    if layer.depthwise:  # its channels are those of the layer before
        n_in = n_out // (layer.n_out // layer.n_in)
        changes |= {"n_in": n_in, "groups": n_in}
    changed = layer.model_copy(update=changes)
    return float(network_cost([changed], board, array, bits).timing.latency_ns[0])
