"""Reference: the network whose architecture every block has, traced once and never trained."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cgap_cl.accept.coupling import trace
from cgap_cl.accept.frozen_prefix import with_frozen_prefix
from cgap_cl.accept.probe import check_channels
from cgap_cl.blocks.block import Block, PlasticLayer, connect, sprout
from cgap_cl.blocks.frozen import frozen_layers, frozen_macs
from cgap_cl.blocks.kinds import BATCH_NORMS, DENSE, Kind
from cgap_cl.blocks.layers_alike import replace
from cgap_cl.blocks.layout import Layout
from cgap_cl.blocks.weight_counts import count_positions, reference_counts
from cgap_cl.network.plain_head import with_plain_head


@dataclass(frozen=True, eq=False)
class Reference:
    """What blocks are made after, and what prices are shares of.

    Attributes:
        skeleton: the module; the layers that blocks replace are there without values.
        layout: what the axes of its layers are made of.
        positions: output positions of each layer, uses of one weight in an inference.
        n_classes: outputs of its head.
        input_shape: of one row of the example input.
        parameters: weights of its conv and linear layers, frozen ones aside.
        macs: multiply-adds of one inference.
        frozen_macs: those of them that are of frozen layers.
        given: the network at full width with the values that it came with; None: they do not
            count.
    """

    skeleton: nn.Module
    layout: Layout
    positions: Mapping[str, int]
    n_classes: int
    input_shape: tuple[int, ...]
    parameters: int
    macs: int
    frozen_macs: int = 0
    given: Block | None = None

    @classmethod
    def of(
        cls,
        module: nn.Module,
        example_input: Tensor,
        head: str | None,
        pretrained: bool = False,
    ) -> Reference:
        """Trace a network and check that it may grow.

        Args:
            module: copied, never changed.
            example_input: one batch.
            head: name of the head; None: the last linear layer or 1x1 convolution.
            pretrained: whether its values are to be kept.

        Raises:
            UnsupportedNetworkError: a layer cannot grow; names it and the reason.
        """
        module = with_frozen_prefix(with_plain_head(module), example_input)
        layout = trace(module, example_input, head)
        skeleton = _skeleton(module, layout)
        check_channels(skeleton, layout, example_input)
        positions = count_positions(module, layout, example_input)

        counts = reference_counts(module, layout)
        frozen = frozen_macs(module, example_input)
        logits = module.get_submodule(layout.head).weight
        assert isinstance(logits, Tensor)
        return cls(
            skeleton,
            layout,
            positions,
            n_classes=len(logits),
            input_shape=tuple(example_input.shape[1:]),
            parameters=sum(counts.values()),
            macs=frozen + sum(n * positions[name] for name, n in counts.items()),
            frozen_macs=frozen,
            given=_given(module, layout) if pretrained else None,
        )

    @property
    def single_norms(self) -> list[str]:
        """Batch norms that see one value per channel and row: those behind linear layers."""
        names = [la.name for la in self.layout.layers if la.kind is Kind.CHANNEL]
        norms = [n for n in names if isinstance(self.skeleton.get_submodule(n), BATCH_NORMS)]
        return [name for name in norms if self.positions[name] == 1]

    def block(
        self,
        index: int,
        label: int | None,
        widths: Mapping[str, int],
        classes: Sequence[int],
        like: Tensor,
    ) -> Block:
        """A block of fresh weights that reads no other.

        Args:
            index: its position among the blocks.
            label: the task label whose head it holds; None: of no task.
            widths: units per group.
            classes: the class of each output of its head.
            like: a tensor of the device and dtype wanted.
        """
        body = sprout(self.skeleton, self.layout, widths, len(classes), like)
        for name, frozen in frozen_layers(self.skeleton):
            replace(body, name, frozen)  # itself, not a copy
        block = Block(index, label, self.layout, widths, body)
        block.classes = tuple(classes)
        return block


def rebuilt(
    reference: Reference,
    described: Mapping[str, Any],
    index: int,
    blocks: Sequence[Block],
    like: Tensor,
) -> Block:
    """A block from its description, values left to be loaded.

    Args:
        reference: of the network.
        described: what :func:`cgap_cl.blocks.structure.describe` gave.
        index: its position; the blocks that it reads come before.
        blocks: all blocks, by index.
        like: a tensor of the device and dtype wanted.
    """
    label, widths, classes = (described[key] for key in ("label", "widths", "classes"))
    with torch.random.fork_rng(devices=[]):  # the values drawn here are overwritten
        block = reference.block(index, label, widths, classes, like)
        for name, source, length in described["laterals"]:
            connect(block.layer(name), blocks[source], torch.arange(length))
    return block


def _skeleton(module: nn.Module, layout: Layout) -> nn.Module:
    """The reference without the values of the layers that blocks replace."""
    skeleton = copy.deepcopy(module)
    for layer in layout.layers:
        if layer.kind is not Kind.PARAMETER:
            skeleton.get_submodule(layer.name).to("meta")
    return skeleton


def _given(module: nn.Module, layout: Layout) -> Block:
    """The reference with its values as a block that is none of the network's."""
    body = copy.deepcopy(module).requires_grad_(False)
    for layer in layout.layers:
        if layer.dense:
            own = body.get_submodule(layer.name)
            assert isinstance(own, DENSE)
            replace(body, layer.name, PlasticLayer(layer.name, own, layer.dim))
    return Block(-1, None, layout, layout.widths, body)
