"""The grid of final accuracies."""

from cgap_bench.show import derive
from cgap_bench.show.figures import per_task


def test_grid_of_final_accuracies(some_records):
    axis = per_task(derive.tasks_frame(some_records), "toy").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["cgap", "ewc", "fixed"]
    assert [text.get_text() for text in axis.texts[:3]] == ["91.0"] * 3
