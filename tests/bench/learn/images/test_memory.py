"""How much memory images may take: as asked for, or a share of what there is."""

import psutil
import pytest
import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.images import memory
from cgap_bench.learn.images.memory import SHARE, MemoryBudget, available_bytes, parse_bytes

CPU = torch.device("cpu")


@pytest.mark.parametrize("text", ["lots", "", "-1GB", "4 potatoes", "nan"])
def test_what_is_no_size_is_one_line(text):
    with pytest.raises(UsageError, match="is no size; write for instance 4GB") as caught:
        parse_bytes(text)
    assert "\n" not in str(caught.value)


def test_by_default_runs_share_half_of_what_is_available(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 1000)
    assert MemoryBudget(sharing=4).on(CPU) == SHARE * 1000 / 4
    assert MemoryBudget(77, sharing=4).on(CPU) == 77


def test_available_is_what_the_machine_has_left():
    assert 0 < available_bytes(CPU) <= psutil.virtual_memory().total


@pytest.mark.parametrize("version", [1, 2])
def test_a_limit_of_a_control_group_counts_without_what_can_be_freed(
    tmp_path, monkeypatch, version
):
    limit, used, free = memory._GROUPS[2 - version]
    inner, outer = tmp_path / "group", tmp_path
    inner.mkdir()
    for folder, text in ((inner, "max"), (outer, "900")):
        (folder / limit).write_text(f"{text}\n")
        (folder / used).write_text("300\n")
        (folder / "memory.stat").write_text(f"other 5\n{free} 100\n")
    monkeypatch.setattr(memory, "_groups", lambda: iter([inner, outer, tmp_path / "none"]))
    assert list(memory._left_in_groups()) == [700]
    assert available_bytes(CPU) == 700


def test_groups_are_those_of_this_process_and_those_around_them():
    for folder in memory._groups():
        assert folder.is_relative_to("/sys/fs/cgroup")
