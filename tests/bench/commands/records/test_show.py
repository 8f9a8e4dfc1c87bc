"""One run on the terminal."""

import pytest

from cgap_bench.commands.records.show import show_text
from cgap_bench.errors import UsageError
from cgap_bench.record.store import write_record


def test_a_run_is_shown_by_the_beginning_of_its_identity(make_record, tmp_path):
    event = {"kind": "grow", "label": 0, "iteration": 7, "widths": {"conv": 5}}
    record = make_record("cgap", drop=0.04).model_copy(update={"history": [event]})
    path = write_record(record, tmp_path)
    text = show_text(record.run_id[:5], tmp_path, "zcu102")
    assert text == show_text(str(path), tmp_path, "zcu102")
    assert f"{record.run_id}: toy, preset standard, cgap, seed 0" in text
    assert "experience 1" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["experience", "1", "98.0", "-", "-"] in lines  # 0.9 and twice 0.04
    assert ["0", "grow", "7", "5"] in lines
    assert "torch 2.0" in text


def test_what_was_measured_before_tasks_were_learnt_is_told(make_record, tmp_path):
    ahead = {"accuracy_untrained": [0.5, 0.25], "accuracy_before": [0.5, 0.625]}
    record = make_record("ewc", final=(0.9, 0.8)).model_copy(update=ahead)
    text = show_text(str(write_record(record, tmp_path)), tmp_path, "zcu102")
    assert "\nforward transfer 37.50 points\n" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["no", "training", "50.0", "25.0"] in lines
    assert ["experience", "1", "90.0", "62.5"] in lines


def test_what_the_tasks_are_is_told(make_record, tmp_path):
    facts = {"classes": [[2, 0], [1]], "extra": {"class_names": ["ash", "beech", "\x1bfir"]}}
    record = make_record("cgap", final=(0.9, 0.8)).model_copy(update=facts)
    text = show_text(str(write_record(record, tmp_path)), tmp_path, "zcu102")
    assert "\ntask 1: \\x1bfir, ash\ntask 2: beech\n" in text


def test_no_run_and_several(make_record, tmp_path):
    with pytest.raises(UsageError, match="no run 'abc'"):
        show_text("abc", tmp_path, "zcu102")
    write_record(make_record("cgap"), tmp_path)
    write_record(make_record("ewc"), tmp_path)
    with pytest.raises(UsageError, match=r"2 runs under .* begin with ''"):
        show_text("", tmp_path, "zcu102")
