"""What others are sized by."""

from cgap_bench.run.reference import reference_of


def test_reference_is_the_mean_over_tasks(make_record):
    record = make_record(final=(0.9, 0.8), widths=[2, 4])
    # conftest: 576 * width + 20 * width MACs.
    assert reference_of(record).macs == 596 * 3
    assert reference_of(record).run_id == record.run_id
