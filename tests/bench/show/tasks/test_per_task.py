"""Task by task: scores in the order that they were measured, and what each task costs."""

import io
import math

import pandas as pd
import pytest

from cgap_bench.show.comparison import comparisons
from cgap_bench.show.files import table_files


@pytest.fixture
def written(platform, out):
    """The file of some records, read back."""

    def read(*records):
        [one] = comparisons(records, platform)
        made = {path.name: text for path, text in table_files(one, out).items()}
        return pd.read_csv(io.StringIO(made[f"{one.name}-tasks.csv"]))

    return read


def test_a_row_a_run_and_task(make_record, written, platform):
    record = make_record("ewc", final=(0.9, 0.8, 0.7), drop=0.1, widths=[1, 2, 3])
    frame = written(record)
    assert list(frame["task"]) == [1, 2, 3]
    assert list(frame["accuracy_learnt"]) == pytest.approx([1.1, 0.9, 0.7])
    assert list(frame["accuracy"]) == pytest.approx([0.9, 0.8, 0.7])
    assert list(frame["parameters"]) == [10 * w + 20 * w + 2 for w in (1, 2, 3)]
    assert list(frame["macs"]) == [596 * w for w in (1, 2, 3)]
    costs = [platform.price(layers) for layers in record.networks.values()]
    for key in ("latency_ms", "energy_mj"):
        assert list(frame[key]) == pytest.approx([cost[key] for cost in costs])
    assert list(frame["stored_bits"]) == [8 * 1000, 8 * 2000, 8 * 3000]
    assert not {"accuracy_before", "accuracy_untrained", "accuracy_8bit"} & set(frame)


def test_what_was_measured_of_one_run_is_a_column_of_all(make_record, written):
    ahead = {"accuracy_untrained": [0.5, 0.25], "accuracy_before": [0.5, 0.625]}
    ewc = make_record("ewc", final=(0.9, 0.8)).model_copy(update=ahead)
    frame = written(ewc, make_record("cgap", final=(0.9, 0.8))).set_index(["method", "task"])
    assert frame.loc[("ewc", 2), "accuracy_before"] == 0.625
    assert frame.loc[("ewc", 2), "accuracy_untrained"] == 0.25
    assert math.isnan(frame.loc[("cgap", 2), "accuracy_before"])


def test_tasks_that_are_learnt_at_once_are_stored_from_then_on(make_record, written):
    record = make_record("joint", final=(0.9, 0.8), widths=[4, 4])
    late = {
        "accuracy": [[None, None], [0.9, 0.8]],
        "subnetworks": [[], record.subnetworks[-1]],
        "stored_parameters": [0, 2000],
        "extra": {"mask_bits": [0, 56]},
    }
    frame = written(record.model_copy(update=late))
    assert frame["accuracy_learnt"].isna()[0]
    assert list(frame["stored_bits"]) == [8 * 2000 + 56] * 2
