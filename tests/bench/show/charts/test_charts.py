"""Every chart: its numbers, and that it is left out where there are none."""

import pytest

from cgap_bench.show.charts import chart
from cgap_bench.show.charts.all_charts import charts_of
from cgap_bench.show.charts.differences import differences
from cgap_bench.show.charts.experiences import over_experiences
from cgap_bench.show.charts.layers import layer_costs
from cgap_bench.show.charts.lengths import over_lengths
from cgap_bench.show.charts.matrices import matrices
from cgap_bench.show.charts.roofline import layer_points, roofs
from cgap_bench.show.charts.tasks import task_costs
from cgap_bench.show.charts.times import training_times
from cgap_bench.show.comparison import comparisons
from cgap_hw import LayerShape, load_board, network_cost
from cgap_hw.arrays import Streaming


def test_matrices_are_means_over_seeds(comparison):
    frame = matrices(comparison).frame
    cell = frame.query("method == 'fixed' and experience == 2 and task == 1")
    # 0.6 + 0.1 (one step before the end) + mean shift 0.01
    assert cell["accuracy"].item() == pytest.approx(71)


def test_every_pair_is_drawn(comparison):
    frame = differences(comparison).frame
    assert len(frame) == 6  # two methods, three seeds
    assert set(frame.query("method == 'fixed'")["mean"].round(6)) == {30}


def test_no_pairs_no_chart(make_record, platform):
    (one,) = comparisons([make_record("cgap"), make_record("ewc")], platform)
    assert differences(one) is None


def test_one_experience_has_no_course(make_record, platform):
    (one,) = comparisons([make_record("cgap", final=(0.9,))], platform)
    assert over_experiences(one) is None


def test_lengths_join_runs_that_differ_in_epochs_alone(make_record, platform):
    def trained(method, seed, epochs, **more):
        final = (0.5 + 0.1 * epochs + 0.02 * seed,)
        record = make_record(method, seed, final, epochs=epochs, **more)
        return record.model_copy(update={"training_macs": [100 * epochs]})

    cgap = [trained("cgap", seed, epochs) for seed in (0, 1) for epochs in (1, 3)]
    sized = [
        trained(
            "shaped-warm", run.config.seed, run.config.training.epochs, depends_on=run.run_id
        )
        for run in cgap
    ]
    once = [trained("ewc", seed, 1) for seed in (0, 1)]
    (one,) = comparisons([*cgap, *sized, *once], platform)

    frame = over_lengths(one).frame
    assert list(frame["method"].unique()) == ["cgap", "shaped-warm"]  # ewc has one length
    ours = frame[frame["method"] == "cgap"]
    assert list(ours["epochs"]) == [1, 3]
    assert list(ours["training_macs"]) == [100, 300]
    assert list(ours["accuracy"].round(6)) == [61, 81]
    assert list(ours["n"]) == [2, 2]
    assert "lengths" in [chart.name for chart in charts_of(one)]


def test_lengths_keep_other_settings_apart(make_record, platform):
    def trained(epochs, strength):
        record = make_record("ewc", epochs=epochs, method_settings={"strength": strength})
        return record.model_copy(update={"training_macs": [100 * epochs]})

    (one,) = comparisons([trained(e, s) for e in (1, 3) for s in (5, 7)], platform)
    assert list(over_lengths(one).frame["method"].unique()) == [
        "ewc (strength=5)",
        "ewc (strength=7)",
    ]


def test_one_length_is_no_course(comparison, make_record, platform):
    assert over_lengths(comparison) is None  # records that do not know
    known = make_record("cgap").model_copy(update={"training_macs": [1, 2, 3]})
    (one,) = comparisons([known], platform)
    assert over_lengths(one) is None


def test_bands_stay_within_what_is_possible(comparison):
    frame = over_experiences(comparison).frame
    assert frame["high"].max() <= 100
    assert frame["low"].min() >= 0
    assert set(frame["n"]) == {3}


def test_costs_of_tasks_are_the_price_of_their_networks(comparison):
    frame = task_costs(comparison).frame
    cgap = frame[frame["method"] == "cgap"]
    assert list(cgap["macs"]) == [2 * 596] * 3
    key = comparison.records[0].subnetworks[-1][0]
    assert cgap["latency_ms"].iloc[0] == pytest.approx(comparison.prices[key]["latency_ms"])


def test_layers_add_up_to_the_network(comparison):
    frame = layer_costs(comparison).frame
    macs = frame.groupby("method")["macs"].sum()
    assert macs["cgap"] == 2 * 596


def test_no_layer_is_above_the_roofs(comparison, platform):
    record = comparison.records[0]
    cost = platform.cost(record.networks[record.subnetworks[-1][-1]])
    peak, gbps = roofs(cost, platform.board)
    for _, layer in layer_points(cost).dropna().iterrows():
        assert layer["gops"] <= min(peak, gbps * layer["ops_per_byte"]) * (1 + 1e-9)


def test_engines_side_by_side_are_not_above_the_roofs():
    """The last layer ends soon after the one before: it was at work meanwhile."""
    area = dict.fromkeys(("in_h", "in_w", "out_h", "out_w"), 16)
    sides = {"first": (3, 16), "last": (16, 32)}
    layers = [
        LayerShape(name=name, kind="conv", n_in=n_in, n_out=n_out, **area)
        for name, (n_in, n_out) in sides.items()
    ]
    array = Streaming(budget=16, clock_mhz=100, source="made up")
    cost = network_cost(layers, load_board("zcu102"), array)
    assert cost.layers[1].latency_ns < cost.layers[1].compute_ns
    peak, _ = roofs(cost, load_board("zcu102"))
    assert layer_points(cost)["gops"].max() <= peak


def test_times_are_sums_over_experiences(make_record, platform):
    timed = make_record("cgap").model_copy(update={"timings": {"train_s": [1.0, 2.0, 4.0]}})
    (one,) = comparisons([timed, make_record("ewc")], platform)
    frame = training_times(one).frame
    assert list(frame["train_s"]) == [7]


def test_without_times_there_is_no_chart_of_them(comparison):
    assert training_times(comparison) is None


def test_of_many_runs_so_many_are_drawn_and_the_mean_is_of_all(
    make_record, platform, monkeypatch
):
    seconds = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 1.0]  # the last of another method
    records = [
        make_record("ewc" if seed == 7 else "cgap", seed=seed).model_copy(
            update={"timings": {"train_s": [s]}}
        )
        for seed, s in enumerate(seconds)
    ]
    (one,) = comparisons(records, platform)
    monkeypatch.setattr(chart, "MOST", 7)
    whole = training_times(one)
    assert list(whole.frame.columns) == ["method", "seed", "train_s", "device"]
    assert "so many" not in whole.note

    monkeypatch.setattr(chart, "MOST", 4)
    few = training_times(one)
    assert list(few.frame["train_s"]) == [1, 4, 16, 64, 1]  # each second one
    assert list(few.frame["mean_s"]) == [127 / 7] * 4 + [1]
    bar, _tick = few.panels[0].spec["layer"]
    assert bar["encoding"]["x"]["field"] == "mean_s"
    assert "Of more than 4 of a method so many are drawn" in few.note


def test_of_many_pairs_so_many_are_drawn(comparison, monkeypatch):
    monkeypatch.setattr(chart, "MOST", 2)
    few = differences(comparison)
    assert len(few.frame) == 4  # the least and the largest of two methods
    assert set(few.frame.query("method == 'fixed'")["mean"].round(6)) == {30}
    assert "so many are drawn" in few.note
