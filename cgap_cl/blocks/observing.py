"""Observations: what the layers of a column read and give, noted batch by batch.

An observation is attached as hooks and noted until it is closed; it is a context manager::

    with Activities(column) as seen:
        network(x, label)
        seen.means["conv1"]
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

from torch import Tensor

from cgap_cl.blocks.block import Block, PlasticLayer


class Observation:
    """Hooks on the conv and linear layers of one column.

    Args:
        column: the block that is watched until :meth:`close`.
    """

    def __init__(self, column: Block) -> None:
        self._handles = [layer.register_forward_hook(self._hook) for layer in column.plastic()]

    def _hook(self, layer: PlasticLayer, inputs: tuple[Any, ...], y: Tensor) -> None:
        self.note(layer, inputs[0].detach(), y)

    def note(self, layer: PlasticLayer, x: Tensor, y: Tensor) -> None:
        """Take notes of one layer.

        Args:
            layer: the layer.
            x: its input, ``(N, in, ...)``.
            y: its output, ``(N, out, ...)``.
        """
        raise NotImplementedError

    def clear(self) -> None:
        """Forget what was noted."""
        raise NotImplementedError

    def close(self) -> None:
        """Take the hooks away; what was noted stays."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Activities(Observation):
    """Mean absolute value of every input of every layer, in the last training batch.

    Attributes:
        means: layer -> ``(in,)``.
    """

    def __init__(self, column: Block) -> None:
        super().__init__(column)
        self.means: dict[str, Tensor] = {}

    def note(self, layer: PlasticLayer, x: Tensor, y: Tensor) -> None:
        """The mean over batch and places."""
        if layer.training:  # what is measured on held-out data steers nothing
            other = [axis for axis in range(x.dim()) if axis != 1]
            self.means[layer.name] = x.abs().mean(other)

    def clear(self) -> None:
        """Forget the last batch."""
        self.means.clear()


class LastBatch(Observation):
    """Input and gradient of the output of every layer, in the last batch that went backward.

    Attributes:
        ends: layer -> (input ``(N, in, ...)``, gradient of the output ``(N, out, ...)``).
    """

    def __init__(self, column: Block) -> None:
        super().__init__(column)
        self.ends: dict[str, tuple[Tensor, Tensor]] = {}

    def note(self, layer: PlasticLayer, x: Tensor, y: Tensor) -> None:
        """Wait for the gradient of the output, where there will be one."""
        if y.requires_grad:
            y.register_hook(partial(self._keep, layer.name, x))

    def _keep(self, name: str, x: Tensor, gradient: Tensor) -> None:
        self.ends[name] = x, gradient

    def clear(self) -> None:
        """Forget the last batch."""
        self.ends.clear()
