"""Continuous growth and pruning (CGaP) for continual learning, as an Avalanche plugin."""

from cgap_cl.blocks.inheriting import Birth
from cgap_cl.blocks.kinds import L2Norm
from cgap_cl.change.optimizer_state import dill_finds_optimizers
from cgap_cl.change.plan import Plan
from cgap_cl.config import CGaPConfig, Inherit, Revisit
from cgap_cl.decide.phases import Phases
from cgap_cl.decide.policy import GrowthPolicy, PruningPolicy, Where
from cgap_cl.errors import UnreachableTargetError, UnsupportedNetworkError
from cgap_cl.network.mixed import Unlabelled
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.train.plugin import CGaPPlugin
from cgap_cl.train.strategy import CGaP

__all__ = [
    "Birth",
    "CGaP",
    "CGaPConfig",
    "CGaPPlugin",
    "GrowthPolicy",
    "Inherit",
    "L2Norm",
    "Phases",
    "Plan",
    "PlasticNetwork",
    "PruningPolicy",
    "Revisit",
    "Unlabelled",
    "UnreachableTargetError",
    "UnsupportedNetworkError",
    "Where",
    "dill_finds_optimizers",
]
