"""BlockwiseLayer: a layer of a subnetwork, one operation per block, no zero block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cgap_cl.blocks.kinds import DENSE, Dense, rows
from cgap_cl.blocks.layers_alike import with_weights
from cgap_cl.blocks.picking import picked


class BlockwiseLayer(nn.Module):
    """One operation per block, side by side, each reading some input channels.

    Args:
        ops: dense layers, or norms over their block's channels, one per block, oldest first.
        indices: int64 per operation, ascending positions of the input that it reads.
        n_in: number of input positions.
        order: int64, permutation of the concatenated outputs, or None if they are in order.
        dim: the dimension that the channels are along.
    """

    order: Tensor | None

    def __init__(
        self,
        ops: Sequence[nn.Module],
        indices: Sequence[Tensor],
        n_in: int,
        order: Tensor | None,
        dim: int = 1,
    ) -> None:
        super().__init__()
        self.ops = nn.ModuleList(ops)
        self.register_buffer("order", order)
        self.n_in = n_in
        self.dim = dim
        self.spans: list[tuple[int, int] | None] = []
        for number, index in enumerate(indices):
            start, length = int(index[0]), len(index)
            contiguous = bool(
                (index == torch.arange(start, start + length, device=index.device)).all()
            )
            self.spans.append((start, length) if contiguous else None)
            self.register_buffer(f"index{number}", None if contiguous else index)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, n_in, ...)`` -> the blocks' outputs side by side."""
        parts = [op(self._read(x, number)) for number, op in enumerate(self.ops)]
        y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=self.dim)
        return y if self.order is None else picked(y, self.dim, self.order)

    def dense(self) -> Dense:
        """One operation with zeros where a block does not read: for tools without slices.

        Raises:
            TypeError: its operations are not dense.
        """
        written, biases = [], []
        for number, op in enumerate(self.ops):
            if not isinstance(op, DENSE):
                raise TypeError(f"{type(op).__name__} of several blocks is not one layer")
            weight = rows(op, op.weight.detach())
            zeros = weight.new_zeros((len(weight), self.n_in, *weight.shape[2:]))
            written.append(zeros.index_copy(1, self._index(number), weight))
            biases += [] if op.bias is None else [op.bias.detach()]

        weight, bias = torch.cat(written), torch.cat(biases) if biases else None
        if self.order is not None:
            weight = weight[self.order]
            bias = None if bias is None else bias[self.order]
        like = self.ops[0]
        assert isinstance(like, DENSE)
        return with_weights(like, weight, bias)

    def _index(self, number: int) -> Tensor:
        """Positions of the input that an operation reads."""
        span = self.spans[number]
        if span is None:
            index = getattr(self, f"index{number}")
            assert isinstance(index, Tensor)
            return index
        weight = self.ops[number].weight
        assert isinstance(weight, Tensor)
        return torch.arange(span[0], sum(span), device=weight.device)

    def _read(self, x: Tensor, number: int) -> Tensor:
        span = self.spans[number]
        if span is None:
            return picked(x, self.dim, getattr(self, f"index{number}"))
        return x if span[1] == self.n_in else x.narrow(self.dim, *span)
