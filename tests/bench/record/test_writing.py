"""A file is there in full or not at all."""

import os

import pytest

from cgap_bench.record import writing
from cgap_bench.record.writing import write_atomically


def test_it_makes_its_folder_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "a" / "b" / "file.pt"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_fails_leaves_the_old_content_and_no_rest(tmp_path, monkeypatch, step):
    path = tmp_path / "file.pt"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            writing.os,
            name,
            lambda *a, _real=real, _name=name: (steps.append(_name), _real(*a)),
        )
    write_atomically(tmp_path / "file.pt", b"x")
    assert steps[:2] == ["fsync", "replace"]
