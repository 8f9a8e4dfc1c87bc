"""Accuracy over experiences: lines, bands, or nothing."""

import pytest

from cgap_bench.show import derive
from cgap_bench.show.figures import over_experiences


def test_lines_over_experiences(some_records, make_record):
    nothing = [None] * 3
    joint = make_record("joint", accuracy=[nothing, nothing, [0.9, 0.8, 0.7]])
    figure = over_experiences(derive.tasks_frame([*some_records, joint]), "toy")
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines["cgap"] == pytest.approx([91.0, 91.0, 91.0])
    # fixed: each older task loses ten points a step; the mean over the tasks seen is shown
    assert lines["fixed"] == pytest.approx([81.0, 71.0, 61.0])
    assert lines["joint"] == pytest.approx([80.0])


def test_a_single_run_has_a_line_without_a_band(some_records, make_record):
    alone = over_experiences(derive.tasks_frame([make_record()]), "toy").axes[0]
    several = over_experiences(derive.tasks_frame(some_records), "toy").axes[0]
    assert len(alone.lines) == 1
    assert len(alone.collections) == 0
    assert len(several.collections) > 0


def test_nothing_to_draw_over_one_experience(make_record):
    record = make_record(final=(0.9,))
    assert over_experiences(derive.tasks_frame([record]), "toy") is None
