"""Contract: every method runs in every scenario that it says it can, and in no other."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS, check_scenario
from cgap_bench.record.configuration import RunConfig, Scenario

UNTOLD = [
    (name, scenario)
    for name in METHODS.names()
    for scenario in (Scenario.DOMAIN, Scenario.CLASS)
    if scenario in METHODS[name].scenarios
]


def in_scenario(config, scenario):
    content = config.model_dump(mode="json")
    content["stream"]["scenario"] = scenario
    return RunConfig.model_validate(content)


@pytest.mark.every_method
@pytest.mark.parametrize(("method", "scenario"), UNTOLD)
def test_without_the_task_a_method_learns_and_every_task_has_the_one_network(
    method, scenario, tiny, run
):
    record = run(in_scenario(tiny(method, epochs=3), scenario))
    assert len(set(record.subnetworks[-1])) == 1
    n_outputs = record.networks[record.subnetworks[-1][0]][-1]["n_out"]
    assert n_outputs == (10 if scenario is Scenario.CLASS else 5)
    best = max(value for row in record.accuracy for value in row if value is not None)
    assert best > 0.3  # chance: 0.2 or less


def test_a_method_that_needs_the_task_says_so_and_who_does_not(tiny):
    with pytest.raises(UsageError, match=r"warm runs in scenario task, not class: .*\bcgap\b"):
        check_scenario(in_scenario(tiny("warm"), Scenario.CLASS))
    assert check_scenario(in_scenario(tiny("ewc"), Scenario.CLASS)) is None
