"""One network of fixed structure: what it stores, when joint training is measured."""

from dataclasses import replace

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.configuration import RunConfig
from cgap_bench.run.experiences import train


def test_stored_parameters_count_what_is_there(records):
    # digits-cnn at width 0.5: conv 16*9+16, BN 32, conv 32*16*9+32, BN 64, linear 128*64+64;
    # a head for five classes 64*5+5.
    backbone, head = 160 + 32 + 4640 + 64 + 8256, 325
    assert records["fixed"].stored_parameters == [backbone + head, backbone + 2 * head]
    assert records["joint"].stored_parameters == [0, backbone + 2 * head]
    one, two = records["independent"].stored_parameters
    assert two == 2 * one


def test_joint_is_evaluated_once_everything_is_learnt(records):
    assert records["joint"].accuracy[0] == [None, None]
    assert records["joint"].subnetworks[0] == []


@pytest.mark.parametrize("name", ["fixed", "ewc"])
def test_tasks_may_have_biases_and_batch_norms_of_their_own(name, tiny, run, records):
    record = run(tiny(name, epochs=6, own={"own_channels": True}))
    (layers,) = record.networks.values()
    assert [layers] == list(records["fixed"].networks.values())
    channels = 16 + 32 + 64 + 2 * (16 + 32)  # biases, scales and shifts
    one, two = record.stored_parameters
    assert two - one == 325 + channels
    assert one == records["fixed"].stored_parameters[0]


def test_nothing_can_be_a_tasks_own_where_it_is_not_told(tiny, run):
    content = tiny("fixed", own={"own_channels": True}).model_dump(mode="json")
    content["stream"]["scenario"] = "domain"
    with pytest.raises(UsageError, match="own_channels needs to be told the task"):
        run(RunConfig.model_validate(content))


def test_narrow_network_may_store_as_much_as_cgap(tiny, reference):
    """Units are whole: to within five per cent."""
    config = tiny("fixed-equal", own={"size": "parameters"})
    record = train(config, data_root(), replace(reference, stored=4_000))
    assert record.stored_parameters[-1] == pytest.approx(4_000, rel=0.05)
