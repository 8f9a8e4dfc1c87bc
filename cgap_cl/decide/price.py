"""Prices: what one inference of the present task would cost at given widths."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cgap_cl.blocks.weight_counts import elder_macs, pricer
from cgap_cl.decide.policy import Price
from cgap_cl.network.plastic_network import PlasticNetwork

PriceFactory = Callable[[PlasticNetwork], Price]


def of_widths(function: Price) -> PriceFactory:
    """A price of your own, for ``CGaPConfig(price=of_widths(function))``.

    Args:
        function: units per group of the column -> cost of one inference, as a share of the
            reference network's.

    >>> from cgap_cl import CGaPConfig
    >>> config = CGaPConfig(price=of_widths(lambda widths: sum(widths.values()) / 100))
    """
    return lambda _network: function


def checked(price: Price) -> Price:
    """The price that a factory made.

    Raises:
        TypeError: the setting is a price itself, not what makes one for a network.
    """
    if not callable(price):
        raise TypeError(
            f"price must take a network and return a function of widths, not {price!r}; "
            "wrap a function of widths in cgap_cl.decide.price.of_widths"
        )
    return price


def macs(network: PlasticNetwork) -> Price:
    """Multiply-adds of one inference, as a share of the reference network's.

    What the column's task needs of older blocks and of frozen layers is included.

    >>> import torch
    >>> from torch import nn
    >>> mlp = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
    >>> network = PlasticNetwork(mlp, torch.zeros(2, 6))
    >>> macs(network)({"0": 10})  # half the hidden units, half the weights
    0.5
    """
    reference, newest = network.reference, network.newest
    layout, positions = reference.layout, reference.positions
    elders = reference.frozen_macs + elder_macs(
        network.all_blocks(), layout, positions, newest.index
    )
    own = pricer(newest, layout, positions)
    return lambda widths: (elders + own(widths)) / reference.macs


def parameters(network: PlasticNetwork) -> Price:
    """Weights that the column stores, as a share of the reference network's.

    Norms and biases are left out.

    >>> import torch
    >>> from torch import nn
    >>> mlp = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
    >>> parameters(PlasticNetwork(mlp, torch.zeros(2, 6)))({"0": 5})
    0.25
    """
    reference = network.reference
    own = pricer(network.newest, reference.layout, dict.fromkeys(reference.positions, 1))
    return lambda widths: own(widths) / reference.parameters


def balanced(network: PlasticNetwork) -> Price:
    """Mean of :func:`macs` and :func:`parameters`: cheap to run may be dear to store.

    >>> from cgap_cl import CGaPConfig
    >>> config = CGaPConfig(price=balanced)
    """
    first, second = macs(network), parameters(network)

    def price(widths: Mapping[str, int]) -> float:
        return 0.5 * (first(widths) + second(widths))

    return price
