"""Progressive networks: nothing forgotten, laterals priced and stored."""

from cgap_bench.shapes.tracing import total_macs


def test_nothing_is_forgotten(records):
    first, last = records["pnn"].accuracy
    assert last[0] == first[0]


def test_the_second_task_pays_for_the_first_column_and_its_laterals(records):
    """digits-cnn at width .5: every layer but the first is read across once more."""
    record = records["pnn"]
    one, two = (total_macs(record.networks[key]) for key in record.subnetworks[-1])
    assert one == total_macs(*records["fixed"].networks.values())
    first_layer, head = 8 * 8 * 16 * 9, 64 * 5
    body = one - first_layer - head
    # two columns, laterals as dear as one column's later layers, one head that reads both
    assert two == 2 * (first_layer + body) + body + 2 * head


def test_stored_parameters_grow_by_columns_and_laterals(records):
    one, two = records["pnn"].stored_parameters
    laterals = 32 * 16 * 9 + 128 * 64 + 64 * 5
    assert two == 2 * one + laterals


def test_a_narrow_column_is_cheaper(tiny, run, records):
    narrow = run(tiny("pnn", own={"width": 0.5}))
    assert narrow.stored_parameters[1] < records["pnn"].stored_parameters[1] / 2
