"""The examples in the docstrings run, and what users call has one."""

import doctest
import importlib
import pkgutil

import pytest

import cgap_cl
from cgap_cl.decide import price
from cgap_cl.train.growth import GrowthLoop

MODULES = ["cgap_cl", *(m.name for m in pkgutil.walk_packages(cgap_cl.__path__, "cgap_cl."))]
SHOWN = [
    cgap_cl.Birth,
    cgap_cl.CGaPConfig,
    cgap_cl.CGaPPlugin,
    cgap_cl.GrowthPolicy,
    cgap_cl.Phases,
    cgap_cl.PlasticNetwork,
    cgap_cl.PlasticNetwork.subnetwork,
    cgap_cl.PruningPolicy,
    GrowthLoop,
    price.balanced,
    price.macs,
    price.of_widths,
    price.parameters,
]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche", "ignore:No loggers specified:UserWarning"
)
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    assert not doctest.testmod(importlib.import_module(name)).failed


@pytest.mark.parametrize("thing", SHOWN, ids=lambda thing: thing.__qualname__)
def test_what_users_call_has_an_example(thing):
    assert ">>>" in thing.__doc__
