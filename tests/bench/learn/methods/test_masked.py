"""Masked networks as methods: what their records say of memory, price and forgetting."""

import pytest

from cgap_bench.shapes.tracing import total_macs

MASKED = ["packnet", "piggyback", "supsup", "wsn", "hat"]
# digits-cnn at width 0.5: convolutions 16*9 and 32*16*9, linear 128*64
WEIGHTS = 144 + 4608 + 8192
UNITS = 16 + 32 + 64
OWN = UNITS + 2 * (16 + 32) + 64 * 5 + 5  # biases, batch norms, head of five classes


@pytest.mark.parametrize("name", [name for name in MASKED if name != "hat"])
def test_nothing_is_forgotten(records, name):
    first, last = records[name].accuracy
    assert last[0] == first[0]


@pytest.mark.parametrize("name", MASKED)
def test_inference_executes_the_dense_network(records, name):
    executed = set(records[name].networks)
    assert executed == set(records["fixed"].networks)


@pytest.mark.parametrize("name", MASKED)
def test_structured_form_is_no_dearer_than_the_dense_one(records, name):
    record = records[name]
    assert len(record.extra["structured"]) == 2
    for task, layers in enumerate(record.extra["structured"]):
        dense = record.networks[record.subnetworks[-1][task]]
        assert 0 < total_macs(layers) <= total_macs(dense)


@pytest.mark.parametrize(
    ("name", "bits", "shared"),
    [
        ("packnet", [WEIGHTS, 2 * WEIGHTS], WEIGHTS),  # two owners and nobody: two bits
        ("piggyback", [0, WEIGHTS], WEIGHTS),
        ("supsup", [2 * WEIGHTS, 3 * WEIGHTS], 0),  # signs of the random weights included
        ("wsn", [WEIGHTS, 2 * WEIGHTS], WEIGHTS),
        ("hat", [UNITS, 2 * UNITS], WEIGHTS),
    ],
)
def test_stored_numbers_and_bits(records, name, bits, shared):
    assert records[name].extra["mask_bits"] == bits
    assert records[name].stored_parameters == [shared + OWN, shared + 2 * OWN]


def test_density_is_that_of_the_settings(tiny, run):
    record = run(tiny("wsn", own={"density": 0.1}))
    head = 64 * 5 / (WEIGHTS + 64 * 5)
    assert record.extra["density"] == pytest.approx([0.1 * (1 - head) + head] * 2, abs=0.01)
    # CAP after each experience: what is used, 0.1 to 0.2 of it, and 0.22 bits a mask and weight
    first, second = record.extra["capacity"]
    assert first == pytest.approx(0.1 + 0.22 / 32, abs=0.002)
    assert first + 0.22 / 32 < second <= 0.2 + 0.44 / 32


def test_cap_is_noted_for_wsn_alone(records):
    assert "capacity" not in records["packnet"].extra


def test_packnet_cuts_late_where_training_stops_early(tiny, run):
    """Under the plateau rule the best weights may be those before the cut."""
    record = run(tiny("packnet", epochs=4, lr_schedule="plateau", holdout_share=0.2))
    half = (WEIGHTS / 2 + 64 * 5) / (WEIGHTS + 64 * 5)
    assert record.extra["density"][0] == pytest.approx(half, abs=0.01)
    assert record.accuracy[1][0] == record.accuracy[0][0]
