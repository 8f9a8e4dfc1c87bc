"""Numbers derived from records, against values computed by hand."""

import math

import pytest

from cgap_bench.show import derive
from cgap_hw import LayerShape, network_cost


def test_one_run_in_numbers(make_record, platform):
    record = make_record(final=(0.9, 0.8, 0.7), drop=0.1, widths=[1, 2, 3])
    row = derive.runs_frame([record], platform).iloc[0]
    # conv: 8 * 8 * 9 * width, head: 10 * width * 2
    assert row["macs"] == pytest.approx(596 * (1 + 2 + 3) / 3)
    assert row["macs_max"] == 596 * 3
    assert row["parameters"] == 3000
    assert row["accuracy"] == pytest.approx(0.8)
    assert row["forgetting"] == pytest.approx((0.2 + 0.1) / 2)
    assert row["learning_accuracy"] == pytest.approx((1.1 + 0.9 + 0.7) / 3)
    costs = [
        network_cost([LayerShape.model_validate(one) for one in layers], platform.board, bits=8)
        for layers in record.networks.values()
    ]
    assert row["latency_ms"] == pytest.approx(sum(cost.latency_ms for cost in costs) / 3)
    assert row["latency_max_ms"] == pytest.approx(costs[2].latency_ms)
    assert row["energy_mj"] == pytest.approx(sum(cost.energy_mj.mid for cost in costs) / 3)


def test_forward_transfer_is_there_where_it_was_measured(make_record, platform):
    plain = make_record(final=(0.9, 0.8))
    assert "forward_transfer" not in derive.runs_frame([plain], platform)
    measured = make_record("ewc", final=(0.9, 0.8)).model_copy(
        update={"accuracy_untrained": [0.5, 0.25], "accuracy_before": [0.5, 0.625]}
    )
    frame = derive.runs_frame([measured, plain], platform).set_index("method")
    assert frame.loc["ewc", "forward_transfer"] == 0.375
    assert math.isnan(frame.loc["cgap", "forward_transfer"])


def test_only_what_differs_tells_rows_apart(make_record):
    plain = make_record("cgap"), make_record("cgap", seed=1)
    strong = make_record("ewc", method_settings={"strength": 10.0})
    weak = make_record("ewc", method_settings={"strength": 0.1})
    sized = make_record("narrow", depends_on=plain[0].run_id)
    names = derive.labels([*plain, strong, weak, sized])
    assert names[plain[0].run_id] == names[plain[1].run_id] == "cgap"
    assert names[strong.run_id] == "ewc (strength=10.0)"
    assert names[weak.run_id] == "ewc (strength=0.1)"
    assert names[sized.run_id] == "narrow"


def test_runs_sized_by_different_runs_are_not_mixed(make_record):
    first = make_record("cgap", method_settings={"tau": 0.5})
    second = make_record("cgap", method_settings={"tau": 0.25})
    sized = [make_record("narrow", depends_on=one.run_id) for one in (first, second)]
    names = derive.labels([first, second, *sized])
    assert names[sized[0].run_id] == "narrow (tau=0.5)"
    assert names[sized[1].run_id] == "narrow (tau=0.25)"


def test_a_setting_at_which_nothing_changed_does_not_part_runs_of_one_method(make_record):
    """Older records do not hold it, later ones do."""
    older = make_record(seed=0, method_settings={"growth": {"beta": 0.6}})
    own = {"growth": {"beta": 0.6, "capacities": {}}, "temperature": 2.0}
    later = make_record(seed=1, method_settings=own)
    assert set(derive.labels([older, later]).values()) == {"cgap"}
    other = make_record(seed=1, method_settings=own | {"growth": {"beta": 0.5}})
    assert set(derive.labels([older, other]).values()) == {
        "cgap (growth.beta=0.6)",
        "cgap (growth.beta=0.5)",
    }
