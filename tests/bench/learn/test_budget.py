"""As many multiply-adds in training as CGaP: more epochs for a cheaper network."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.run.experiences import train


@pytest.mark.parametrize("method", ["fixed-equal", "shaped"])
def test_training_takes_what_cgaps_took_to_the_nearest_epoch(
    method, tiny, run, records, reference
):
    record = run(tiny(method, own={"budget": "training-macs"}))
    plain = records[method]
    an_epoch = sum(plain.training_macs) / 2  # of `tiny`, which has two
    assert record.extra["epochs"] > 2
    assert sum(record.training_macs) == record.extra["epochs"] * an_epoch
    assert abs(sum(record.training_macs) - reference.training_macs) <= an_epoch / 2


def test_record_too_old_to_say_what_training_took_is_named(tiny, reference):
    from dataclasses import replace

    config = tiny("shaped", own={"budget": "training-macs"})
    with pytest.raises(UsageError, match="run it again with --force"):
        train(config, data_root(), replace(reference, training_macs=0))


def test_growing_costs_less_training_than_the_reference_network(records):
    assert sum(records["cgap"].training_macs) < sum(records["fixed"].training_macs)
