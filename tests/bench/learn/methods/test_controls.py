"""Controls: each has the size that it promises."""

from dataclasses import replace

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.run.experiences import train
from cgap_bench.run.logs.listener import Pipe
from cgap_bench.run.reference import reference_of
from cgap_bench.shapes.tracing import total_macs


def macs(record):
    return [total_macs(record.networks[key]) for key in record.subnetworks[-1]]


def test_peak_networks_have_a_share_of_the_macs(records):
    (full,) = set(macs(records["fixed"]))
    (mine,) = set(macs(records["fixed-peak"]))
    assert mine == pytest.approx(0.5 * full, rel=0.1)


def test_prices_that_are_not_macs_are_no_measure(tiny, reference):
    other = replace(reference, peak=None)
    with pytest.raises(UsageError, match="fixed-peak is sized by MACs of training"):
        train(tiny("fixed-peak"), data_root(), other)


def test_compute_networks_train_for_the_multiply_adds_of_cgap(tiny, run):
    """CGaP shares a frozen layer, so that the mean of its prices would promise too much."""

    def wide(method, own=None):
        config = tiny(method, epochs=4, own=own)
        network = config.network.model_copy(update={"width": 1.0})
        return config.model_copy(update={"network": network})

    cgap = run(wide("cgap", {"share_groups": 1}))
    record = train(wide("fixed-compute"), data_root(), reference_of(cgap))
    assert 0.1 < record.extra["width"] < 1
    assert sum(record.training_macs) == pytest.approx(sum(cgap.training_macs), rel=0.03)


def test_compute_networks_need_a_record_that_counts(tiny, reference):
    with pytest.raises(UsageError, match=r"run it again with --force$"):
        train(tiny("fixed-compute"), data_root(), replace(reference, training_macs=0))


def test_independent_networks_store_what_cgap_does(records):
    assert records["independent-stored"].stored_parameters[-1] == pytest.approx(9000, rel=0.1)


def test_full_independent_networks_are_reference_networks(records):
    assert macs(records["independent-full"]) == macs(records["fixed"])
    first, last = records["independent-full"].accuracy
    assert last[0] == first[0]


def test_even_networks_have_the_macs_of_their_task(records):
    for mine, shaped in zip(macs(records["even-warm"]), macs(records["shaped"]), strict=True):
        assert mine == pytest.approx(shaped, rel=0.15)


def test_pruned_networks_are_as_small_as_they_should_be_and_forget_nothing(records):
    record = records["fixed-pruned"]
    assert all(one <= 60_000 for one in macs(record))
    assert record.accuracy[1][0] == record.accuracy[0][0]
    assert {step["kind"] for step in record.history} == {"sprout", "prune", "merge"}


def test_a_frozen_backbone_forgets_nothing_and_goes_on_learning_heads(records):
    record = records["frozen"]
    assert record.accuracy[1][0] == record.accuracy[0][0]
    assert record.accuracy[1][1] > 0.3


def test_cumulative_training_sees_all_images_so_far(tiny, run):
    seen = []
    record = run(tiny("cumulative"), Pipe(seen.append))
    assert sum(what for what in seen if isinstance(what, int)) == 2 * 95 + 2 * 190
    fixed = run(tiny("fixed"))
    assert record.stored_parameters == fixed.stored_parameters
    assert record.accuracy[0] == fixed.accuracy[0]
    assert record.accuracy[1][0] > fixed.accuracy[1][0]


def test_what_is_sized_says_so():
    sized = {name for name in METHODS.names() if METHODS[name].sized_by_cgap}
    assert {"fixed-peak", "fixed-compute", "fixed-pruned", "even-warm"} <= sized
    assert not {"cumulative", "frozen", "independent-full"} & sized
