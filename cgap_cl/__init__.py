"""Continuous growth and pruning (CGaP) for continual learning, as an Avalanche plugin."""

from cgap_cl.config import CGaPConfig, Inherit
from cgap_cl.errors import UnreachableTargetError, UnsupportedNetworkError
from cgap_cl.inherit import Birth
from cgap_cl.network import PlasticNetwork, Unlabelled
from cgap_cl.plan import Plan
from cgap_cl.plugin import CGaPPlugin
from cgap_cl.policy import GrowthPolicy, PruningPolicy, Where
from cgap_cl.schedule import Schedule
from cgap_cl.strategy import CGaP

__all__ = [
    "Birth", "CGaP", "CGaPConfig", "CGaPPlugin", "GrowthPolicy", "Inherit", "Plan",
    "PlasticNetwork", "PruningPolicy", "Schedule", "Unlabelled",
    "UnreachableTargetError", "UnsupportedNetworkError",
    "Where",
]  # fmt: skip
