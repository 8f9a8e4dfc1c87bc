"""Prices: what one inference of the present task would cost at given widths."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cgap_cl.decide.policy import Price
from cgap_cl.network.plastic_network import PlasticNetwork

PriceFactory = Callable[[PlasticNetwork], Price]


def of_widths(function: Price) -> PriceFactory:
    """A price of your own, for ``CGaPConfig(price=of_widths(function))``.

    Args:
        function: units per group of the column -> cost of one inference, as a share of the
            reference network's.
    """
    return lambda _network: function


def macs(network: PlasticNetwork) -> Price:
    """Multiply-adds of one inference, as a share of the reference network's."""
    full, elders = network.reference_macs, network.elder_macs()
    own = network.pricer(network.positions)
    return lambda widths: (elders + own(widths)) / full


def parameters(network: PlasticNetwork) -> Price:
    """Weights that the column stores, as a share of the reference network's."""
    full = network.reference_parameters
    own = network.pricer(dict.fromkeys(network.positions, 1))
    return lambda widths: own(widths) / full


def balanced(network: PlasticNetwork) -> Price:
    """Mean of :func:`macs` and :func:`parameters`: cheap to run may be dear to store."""
    first, second = macs(network), parameters(network)

    def price(widths: Mapping[str, int]) -> float:
        return 0.5 * (first(widths) + second(widths))

    return price
