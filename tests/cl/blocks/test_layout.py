"""Axes: where every segment, unit and position of one is, at any width."""

import torch

from cgap_cl.blocks.layout import Axis, Owner, Segment

CONCAT = Axis((Segment("a", 2), Segment("b", 1), Segment("a", 1)))  # "a" is read twice
RAW = Axis((Segment(None, 3),))
WIDTHS = {"a": 2, "b": 3}


def test_spans_follow_one_another():
    spans = [(segment.group, start, stop) for segment, start, stop in CONCAT.spans(WIDTHS)]
    assert spans == [("a", 0, 4), ("b", 4, 7), ("a", 7, 9)]
    assert CONCAT.length(WIDTHS) == 9


def test_fixed_positions_do_not_scale():
    assert RAW.length(WIDTHS) == RAW.n_fixed == 3
    assert RAW.positions_per_unit == {}
    assert (CONCAT.n_fixed, CONCAT.positions_per_unit) == (0, {"a": 3, "b": 1})


def test_owners_agree_with_spans_and_positions():
    owners = CONCAT.owners(WIDTHS)
    assert owners[3] == Owner(segment=0, group="a", unit=1, offset=1)
    for number, (segment, start, stop) in enumerate(CONCAT.spans(WIDTHS)):
        units = torch.arange(WIDTHS[segment.group])
        assert segment.positions(start, units).tolist() == list(range(start, stop))
        for unit in units.tolist():
            filled = [i for i, o in enumerate(owners) if (o.segment, o.unit) == (number, unit)]
            assert segment.positions(start, torch.tensor([unit])).tolist() == filled
