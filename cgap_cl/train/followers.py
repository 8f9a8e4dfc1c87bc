"""Who keeps a value for every weight goes along when the column changes.

Where a task label returns, its column begins as a copy of the label's block and goes on
learning, so a penalty on changes of weights (EWC, SI, MAS) has something to hold. It is told
where each weight has gone: into the copy first, then through every growth and pruning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.index_maps import IndexMap, PositionMap, TensorChange
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.train.neighbours import PENALTY

RETURNS = "where one task label returns (class- and domain-incremental) it goes along"


@runtime_checkable
class Follower(Protocol):
    """A plugin that keeps values for weights by the names of the strategy's model."""

    def follow_growth(self, change: IndexMap, prefix: str, source: str) -> None:
        """Values of the weights named ``source + tensor.name`` go on as those of another name.

        Args:
            change: what was done; ``tensor.carry`` brings values of the old shape to the new.
            prefix: with ``tensor.name`` behind it the name of the weight from now on.
            source: the same of the name so far; equal to ``prefix`` but when a column begins.
        """


def followers_in(plugins: Iterable[Any]) -> list[Follower]:
    """Those of a strategy's plugins that go along."""
    return [plugin for plugin in plugins if isinstance(plugin, Follower)]


def check_followers(
    plugins: Sequence[Any], host: Any, experience: Any, known: set[int]
) -> None:
    """Refuse followers that would hold nothing, or that come too late.

    Args:
        plugins: of the strategy.
        host: the plugin that grows the network.
        experience: the one that begins.
        known: task labels that were trained before.

    Raises:
        TypeError: there are several task labels, whose blocks are frozen; or one stands behind
            the host, which freezes the column before it could look at it.
    """
    for follower in followers_in(plugins):
        kind = type(follower).__name__
        if len(known | _labels_of_stream(experience)) > 1:
            raise TypeError(f"CGaPPlugin cannot run beside {kind}: {PENALTY}; {RETURNS}")
        if plugins.index(follower) > plugins.index(host):
            raise TypeError(
                f"{kind} must stand before CGaPPlugin among the plugins: at the end of an "
                "experience it looks at the column, which is frozen afterwards"
            )


def _labels_of_stream(experience: Any) -> set[int]:
    """Task labels of all experiences of a stream, as far as they are told before training."""
    stream = getattr(experience, "origin_stream", None) or (experience,)
    labels = (getattr(one, "task_labels", None) or () for one in stream)
    return {int(label) for of_one in labels for label in of_one}


def tell(followers: Sequence[Follower], column: Block, change: IndexMap) -> None:
    """The column was changed in place."""
    prefix = f"blocks.{column.index}."
    for follower in followers:
        follower.follow_growth(change, prefix, prefix)


def tell_birth(followers: Sequence[Follower], network: PlasticNetwork, older: int) -> None:
    """The column has just begun as a copy of an older block, with new classes in its head."""
    column = network.newest
    change = birth_map(network.block(older), column)
    for follower in followers:
        follower.follow_growth(change, f"blocks.{column.index}.", f"blocks.{older}.")


def birth_map(ancestor: Block, column: Block) -> IndexMap:
    """From the weights of a block to those of its copy, whose head may be longer at its end."""
    given = dict(ancestor.named_parameters())
    changes = [
        TensorChange(name, given[name], new, _longer(given[name], new))
        for name, new in column.named_parameters()
        if name in given
    ]
    return IndexMap({}, tuple(changes))


def _longer(old: Tensor, new: Tensor) -> dict[int, PositionMap]:
    axes = {}
    for dim, (n_old, n_new) in enumerate(zip(old.shape, new.shape, strict=True)):
        if n_old != n_new:
            places = torch.arange(n_new)
            axes[dim] = PositionMap(places.clamp(max=n_old - 1), places >= n_old)
    return axes
