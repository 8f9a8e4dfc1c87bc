"""Figures show every method where its numbers are, and are the same each time."""

import math
from xml.etree import ElementTree

import pytest

from cgap_bench.show import derive, plots, stats, tables
from cgap_hw import load_board


@pytest.fixture
def summary(some_records):
    platform = derive.Platform(load_board("zcu102"))
    return tables.summarise(derive.runs_frame(some_records, platform))


def _points(axis):
    """Label -> (x, y) of every error-bar container of a panel."""
    return {
        container.get_label(): (
            container.lines[0].get_xdata()[0],
            container.lines[0].get_ydata()[0],
        )
        for container in axis.containers
    }


def test_trade_off_has_every_method_at_its_price(summary):
    figure = plots.trade_off(summary, "toy")
    assert len(figure.axes) == len(plots.TRADE_OFFS)
    for axis, key in zip(figure.axes, plots.TRADE_OFFS, strict=True):
        expected = {
            row["method"]: (row[key], 100 * row["accuracy"]) for _, row in summary.iterrows()
        }
        assert _points(axis) == expected
        low, high = axis.get_xlim()
        assert all(low <= x <= high for x, _ in expected.values())


def test_equal_prices_do_not_lie_on_the_edge(summary):
    alike = summary.assign(macs=[4.55e6, 4.56e6, 4.59e6])
    axis = plots.trade_off(alike, "toy").axes[plots.TRADE_OFFS.index("macs")]
    low, high = axis.get_xlim()
    assert low == 0
    assert high >= 1.1 * 4.59e6


def test_a_long_title_stays_inside_the_picture(some_records):
    title = "a-benchmark, preset of-a-long-name, scored on held-out training images"
    figure = plots.per_task(derive.tasks_frame(some_records), title)
    figure.canvas.draw()
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_many_methods_of_long_names_leave_the_panels_their_room(make_record):
    """An ablation: every panel keeps its size, and the legend is inside the picture."""
    records = []
    for name in (f"a_rather_long_setting={k} and_another_setting={k}" for k in range(25)):
        for seed in (0, 1):
            record = make_record("cgap", seed, method_settings={"variant": name})
            config = record.config.model_copy(update={"variant": name})
            records.append(record.model_copy(update={"config": config}))
    frame = derive.runs_frame(records, derive.Platform(load_board("zcu102")))
    summary, tasks = tables.summarise(frame), derive.tasks_frame(records)
    assert len(summary) == 25
    for figure, width in (
        (plots.trade_off(summary, "toy"), 2.0),
        (plots.over_experiences(tasks, "toy"), 4.0),
        (plots.per_task(tasks, "toy"), 1.0),
    ):
        figure.canvas.draw()
        assert figure.axes[0].get_window_extent().width > width * figure.dpi
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_no_two_methods_look_alike():
    looks = plots._looks([f"method{k}" for k in range(40)]).values()
    assert len({(look["color"], look["marker"]) for look in looks}) == 40


def test_a_method_looks_alike_in_every_figure():
    few, many = plots._looks(["warm", "cgap"]), plots._looks(["ewc", "warm", "cgap", "mine"])
    assert few["warm"] == many["warm"]
    assert few["cgap"] == many["cgap"]


def test_prices_far_apart_are_on_a_logarithmic_axis(summary):
    far = summary.assign(macs=[1e5, 1e6, 1e8])
    scales = [axis.get_xscale() for axis in plots.trade_off(far, "toy").axes]
    assert scales[plots.TRADE_OFFS.index("macs")] == "log"
    assert scales[plots.TRADE_OFFS.index("parameters")] == "linear"


def test_a_single_run_is_drawn_without_error_bars(make_record):
    platform = derive.Platform(load_board("zcu102"))
    summary = tables.summarise(derive.runs_frame([make_record()], platform))
    assert math.isnan(summary["accuracy_interval"][0])
    (container,) = plots.trade_off(summary, "toy").axes[0].containers
    assert not container.has_xerr
    assert not container.has_yerr


def test_lines_over_experiences(some_records, make_record):
    nothing = [None] * 3
    joint = make_record("joint", accuracy=[nothing, nothing, [0.9, 0.8, 0.7]])
    figure = plots.over_experiences(derive.tasks_frame([*some_records, joint]), "toy")
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines["cgap"] == pytest.approx([91.0, 91.0, 91.0])
    # fixed: each older task loses ten points a step; the mean over the tasks seen is shown
    assert lines["fixed"] == pytest.approx([81.0, 71.0, 61.0])
    assert lines["joint"] == pytest.approx([80.0])


def test_a_single_run_has_a_line_without_a_band(some_records, make_record):
    alone = plots.over_experiences(derive.tasks_frame([make_record()]), "toy").axes[0]
    several = plots.over_experiences(derive.tasks_frame(some_records), "toy").axes[0]
    assert len(alone.lines) == 1
    assert len(alone.collections) == 0
    assert len(several.collections) > 0


def test_nothing_to_draw_over_one_experience(make_record):
    record = make_record(final=(0.9,))
    assert plots.over_experiences(derive.tasks_frame([record]), "toy") is None


def test_grid_of_final_accuracies(some_records):
    axis = plots.per_task(derive.tasks_frame(some_records), "toy").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["cgap", "ewc", "fixed"]
    assert [text.get_text() for text in axis.texts[:3]] == ["91.0"] * 3


def test_differences_lie_at_their_means_worst_at_the_bottom():
    compared = {  # by mean, which is neither the order of names nor that of insertion
        "b": stats.compare((0.9, 0.8), (0.7, 0.7)),
        "c": stats.compare((0.9, 0.8), (0.9, 0.9)),
        "a": stats.compare((0.9, 0.8), (0.8, 0.8)),
    }
    axis = plots.differences(compared, "toy").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["c", "a", "b"]
    points = [tuple(c.lines[0].get_xydata()[0]) for c in axis.containers]
    assert points == [
        (pytest.approx(-5.0), 0), (pytest.approx(5.0), 1), (pytest.approx(15.0), 2),
    ]  # fmt: skip
    low, high = axis.get_ylim()
    assert low < 0
    assert high > 2


@pytest.mark.parametrize(("values", "hollow"), [((0.1, 0.3), True), ((0.1, 0.11), False)])
def test_a_difference_that_may_be_none_is_hollow(values, hollow):
    one = stats.compare(values, (0.0, 0.0))
    axis = plots.differences({"other": one}, "toy").axes[0]
    fill = axis.containers[0].lines[0].get_markerfacecolor()
    assert (fill == "white") == hollow
    extremes = [list(line.get_xdata()) for line in axis.lines if line.get_marker() == "|"]
    assert [100 * value for value in values] in extremes


def test_nothing_to_compare_is_no_figure(make_record):
    runs = derive.runs_frame([make_record()], derive.Platform(load_board("zcu102")))
    assert plots.differences(tables.paired(runs, "accuracy"), "toy") is None


def test_files_are_readable_and_reproducible(summary, tmp_path):
    once = plots.save(plots.trade_off(summary, "toy"), tmp_path / "a.svg")
    again = plots.save(plots.trade_off(summary, "toy"), tmp_path / "b.svg")
    assert [path.suffix for path in once] == [".svg", ".png"]
    assert once[0].read_bytes() == again[0].read_bytes()
    assert ElementTree.parse(once[0]).getroot().tag.endswith("svg")
    assert once[1].read_bytes().startswith(b"\x89PNG")
