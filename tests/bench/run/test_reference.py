"""What others are sized by."""

from cgap_bench.run.reference import reference_of


def test_reference_is_the_mean_over_tasks(make_record):
    record = make_record(final=(0.9, 0.8), widths=[2, 4])
    # conftest: 576 * width + 20 * width MACs.
    assert reference_of(record).macs == 596 * 3
    assert reference_of(record).run_id == record.run_id


def event(kind, iteration, price):
    return {"kind": kind, "iteration": iteration, "price": price, "executed": {}}


HISTORY = [
    event("sprout", 0, 0.1),
    event("grow", 10, 0.4),
    event("prune", 30, 0.2),
    event("merge", 100, 0.2),
    event("sprout", 0, 0.3),
    event("merge", 100, 0.3),
]


def test_the_peak_is_the_dearest_change(make_record):
    record = make_record(method_settings={"price": "macs"})
    reference = reference_of(record.model_copy(update={"history": HISTORY}))
    assert reference.peak == 0.4
    assert reference.stored == record.stored_parameters[-1]


def test_prices_on_a_board_are_no_macs(make_record):
    record = make_record(method_settings={"price": "latency"})
    reference = reference_of(record.model_copy(update={"history": HISTORY}))
    assert reference.peak is None
