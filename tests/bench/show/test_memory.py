"""What is stored beside parameters: masks as bits, images as bytes, smaller forms of masks."""

import pytest

from cgap_bench.show.columns import present
from cgap_bench.show.derive import Platform, runs_frame
from cgap_bench.show.memory import capacity, stored_bytes, structured_costs
from cgap_bench.show.tables import comparison, summarise
from cgap_hw import load_board


@pytest.fixture
def masked(make_record):
    """Of width 4, whose structured form has width 2 in the first task and 4 in others."""
    record = make_record("packnet", widths=[4, 4, 4])
    narrow = make_record(widths=[2, 4, 4])
    structured = [narrow.networks[key] for key in narrow.subnetworks[-1]]
    extra = {"mask_bits": [100, 200, 400], "structured": structured}
    return record.model_copy(update={"extra": extra})


def test_memory_is_parameters_masks_and_images(make_record, masked):
    # conftest: 1000 parameters a task; images of 1 x 8 x 8
    assert stored_bytes(masked, bits=8) == 3000 + 400 / 8
    assert stored_bytes(masked, bits=4) == 1500 + 400 / 8
    replay = make_record("replay").model_copy(update={"extra": {"stored_images": [10, 20, 30]}})
    assert stored_bytes(replay, bits=8) == 3000 + 30 * 64


def test_structured_costs_are_means_over_tasks(make_record, masked):
    platform = Platform(load_board("zcu104"))
    costs = structured_costs(masked, platform.price)
    assert costs["structured_macs"] == 596 * (2 + 4 + 4) / 3  # conftest: 596 a unit of width
    assert structured_costs(make_record(), platform.price) == {}


def test_columns_appear_where_there_is_something_to_tell(make_record, masked):
    platform = Platform(load_board("zcu104"))
    plain = [make_record("fixed"), make_record("cgap")]

    def keys(records):
        return {column.key for column in present(summarise(runs_frame(records, platform)))}

    assert not {"stored_bytes", "structured_macs"} & keys(plain)
    assert {"stored_bytes", "structured_macs", "structured_latency_ms"} <= keys(
        [*plain, masked]
    )


def test_cap_is_shown_where_a_record_notes_it(make_record, masked):
    noted = make_record("wsn").model_copy(update={"extra": {"capacity": [0.2, 0.3, 0.41]}})
    assert capacity(noted) == {"capacity": 0.41}
    assert capacity(masked) == {}  # as older records of WSN
    platform = Platform(load_board("zcu104"))
    table = comparison(summarise(runs_frame([noted, masked], platform)))
    place = table.header.index("CAP [%]")
    assert {row[0]: row[place] for row in table.rows} == {"wsn": "41.00", "packnet": "-"}


def test_bytes_of_masks_are_told_apart(make_record, masked):
    frame = runs_frame([make_record("fixed"), masked], Platform(load_board("zcu104")))
    table = comparison(summarise(frame))
    place = table.header.index("in masks [B]")
    assert {row[0]: row[place] for row in table.rows} == {"packnet": "50.0", "fixed": "-"}


def test_a_method_without_masks_has_an_empty_cell(make_record, masked):
    frame = runs_frame([make_record("fixed"), masked], Platform(load_board("zcu104")))
    table = comparison(summarise(frame))
    column = next(i for i, title in enumerate(table.header) if "structured" in title)
    by_method = {row[0]: row[column] for row in table.rows}
    assert by_method["packnet"] != by_method["fixed"]
