"""Phases spread their events over the iterations."""

from cgap_cl import (
    Phases,
)


def test_phases_spread_its_events():
    phases = Phases(0.2, 0.4, 0.6, growth_events=4, pruning_steps=3)
    assert phases.growth_iterations(100) == [5, 10, 15, 20]
    assert phases.pruning_iterations(100) == [40, 50, 60]
    assert Phases(growth_events=0, pruning_steps=0).growth_iterations(10) == []
    assert Phases(growth_events=4).growth_iterations(1) == [1]
