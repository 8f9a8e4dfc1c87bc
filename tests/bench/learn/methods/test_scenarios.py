"""Contract: every method runs in every scenario that it says it can, and in no other."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.batches import TensorLoader
from cgap_bench.learn.method import METHODS, check_scenario
from cgap_bench.record.configuration import Scenario

UNTOLD = [
    (name, scenario)
    for name in METHODS.names()
    for scenario in (Scenario.DOMAIN, Scenario.CLASS)
    if scenario in METHODS[name].scenarios
]


@pytest.mark.every_method
@pytest.mark.parametrize(("method", "scenario"), UNTOLD)
def test_without_the_task_a_method_learns_and_every_task_has_the_one_network(
    method, scenario, tiny, run
):
    record = run(tiny(method, epochs=3, scenario=scenario))
    assert len(set(record.subnetworks[-1])) == 1
    n_outputs = record.networks[record.subnetworks[-1][0]][-1]["n_out"]
    assert n_outputs == (10 if scenario is Scenario.CLASS else 5)
    best = max(value for row in record.accuracy for value in row if value is not None)
    assert best > 0.3  # chance: 0.2 or less


def test_a_method_that_needs_the_task_says_so_and_who_does_not(tiny):
    with pytest.raises(UsageError, match=r"warm runs in scenario task, not class: .*\bcgap\b"):
        check_scenario(tiny("warm", scenario=Scenario.CLASS))
    assert check_scenario(tiny("ewc", scenario=Scenario.CLASS)) is None


REFUSED = [
    (name, scenario)
    for name in METHODS.names()
    for scenario in Scenario
    if scenario not in METHODS[name].scenarios
]


@pytest.mark.parametrize(("name", "scenario"), REFUSED)
def test_a_refusal_has_the_methods_own_reason_and_names_who_is_able(name, scenario, tiny):
    with pytest.raises(UsageError) as caught:
        check_scenario(tiny(name, scenario=scenario))
    said, _, able = str(caught.value).partition(f"; in {scenario} there are ")
    known = ", ".join(sorted(METHODS[name].scenarios))
    assert said == (
        f"{name} runs in scenario {known}, not {scenario}: {METHODS[name].why_no_other}"
    )
    assert METHODS[name].why_no_other
    told = "told which task" in said
    assert not (told and scenario is Scenario.TASK)  # where it is told
    assert not (told and Scenario.DOMAIN in METHODS[name].scenarios)  # it does without
    assert all(scenario in METHODS[other].scenarios for other in able.split(", "))
    assert name not in able.split(", ")


OTHER_IMAGES = {"joint", "cumulative"}  # of several experiences at once


@pytest.mark.every_method
@pytest.mark.parametrize("method", sorted(set(METHODS.names()) - OTHER_IMAGES))
def test_every_method_sees_the_same_images_in_the_same_order(method, tiny, run, monkeypatch):
    """Of a seed, whatever else it draws: which old images, how they are moved."""
    drawn, order = [], TensorLoader._order

    def drawing(loader):
        places = order(loader)
        if loader._train:
            drawn.append(loader._rows[places].tolist())
        return places

    monkeypatch.setattr(TensorLoader, "_order", drawing)
    run(tiny("fixed", augment="crop-flip"))
    plain = list(drawn)
    drawn.clear()
    run(tiny(method, augment="crop-flip"))
    assert drawn == plain
