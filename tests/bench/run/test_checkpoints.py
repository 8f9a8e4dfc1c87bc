"""Files of checkpoints: two kept, damage seen, bound to run, code and libraries."""

import pytest
import torch

from cgap_bench.run import checkpoints
from cgap_bench.run.checkpoints import BETWEEN, INSIDE, CheckpointFiles, code_hash

RUN = "0123456789ab"


@pytest.fixture
def lines():
    return []


@pytest.fixture
def files(tmp_path, lines):
    return CheckpointFiles(tmp_path, RUN, lines.append)


def names(files):
    return sorted(path.name.rpartition("-")[0] for path in files.folder.iterdir())


def test_nothing_is_there_at_first(files, lines, tmp_path):
    assert files.newest() == (None, None)
    assert not lines
    assert not list(tmp_path.iterdir())


def test_the_furthest_is_taken_and_two_of_each_kind_are_kept(files):
    for n_batches in (5, 20, 100):
        files.write(INSIDE, 0, n_batches, {"at": n_batches})
    assert files.newest() == (None, {"at": 100})
    assert names(files) == ["inside-0000-000000020", "inside-0000-000000100"]
    for n_finished in (1, 2, 3):
        files.write(BETWEEN, n_finished, 0, {"done": n_finished})
    assert files.newest() == ({"done": 3}, None)  # those inside belong to the first
    files.write(INSIDE, 3, 7, {"at": 7})
    assert files.newest() == ({"done": 3}, {"at": 7})
    kept = ["between-0002-000000000", "between-0003-000000000"]
    assert names(files) == [*kept, "inside-0000-000000100", "inside-0003-000000007"]


def test_torch_reads_it_without_executing_anything(files):
    size = files.write(INSIDE, 0, 1, {"w": torch.arange(3)})
    (path,) = files.folder.iterdir()
    assert path.stat().st_size == size
    held = torch.load(path, weights_only=True)
    assert torch.equal(held["state"]["w"], torch.arange(3))
    assert held["bound_to"]["run_id"] == RUN


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
    ],
    ids=["torn", "empty", "one bit"],
)
@pytest.mark.parametrize("kind", [BETWEEN, INSIDE])
def test_a_damaged_one_falls_back_to_the_one_before(files, lines, kind, damage):
    files.write(kind, 1, 1, {"older": torch.ones(100)})
    files.write(kind, 1, 2, {"newer": torch.ones(100)})
    newest = max(files.folder.iterdir())
    newest.write_bytes(damage(newest.read_bytes()))
    if kind is INSIDE:
        files.write(BETWEEN, 1, 0, {})
    between, inside = files.newest()
    assert set((between if kind is BETWEEN else inside).keys()) == {"older"}
    assert lines == [f"checkpoint {newest} is damaged and removed"]
    assert not newest.exists()


def test_all_damaged_is_as_none(files, lines):
    files.write(BETWEEN, 1, 0, {})
    files.write(INSIDE, 1, 4, {})  # of no use without the state it is in
    for path in files.folder.glob("between*"):
        path.write_bytes(b"PK")
    assert files.newest() == (None, None)
    assert len(lines) == 1


@pytest.mark.parametrize("changed", ["code_hash", "version"])
def test_of_other_code_or_libraries_it_is_told_and_left_alone(
    files, lines, tmp_path, monkeypatch, changed
):
    files.write(BETWEEN, 1, 0, {"done": 1})
    monkeypatch.setattr(checkpoints, changed, lambda *_: "another")
    other = CheckpointFiles(tmp_path, RUN, lines.append)
    assert other.newest() == (None, None)
    assert lines == [
        f"{files.folder} is not used: another version of cgap-cl or of its libraries wrote it"
    ]
    assert files.newest()[0] == {"done": 1}


def test_another_run_sees_nothing_of_it_and_removes_nothing(files, lines, tmp_path):
    files.write(BETWEEN, 1, 0, {"done": 1})
    other = CheckpointFiles(tmp_path, "ba9876543210", lines.append)
    assert other.newest() == (None, None)
    other.remove()
    assert files.newest()[0] == {"done": 1}
    assert not lines


def test_one_under_a_name_that_is_not_its_own_is_not_used(files, tmp_path, lines):
    files.write(BETWEEN, 1, 0, {"done": 1})
    other = CheckpointFiles(tmp_path, "ba9876543210", lines.append)
    files.folder.rename(other.folder)
    assert other.newest() == (None, None)
    assert "damaged" in lines[0]


def test_removed_with_what_others_left(files, tmp_path, monkeypatch):
    files.write(BETWEEN, 1, 0, {})
    monkeypatch.setattr(checkpoints, "code_hash", lambda: "another")
    other = CheckpointFiles(tmp_path, RUN, lambda _line: None)
    other.write(BETWEEN, 1, 0, {})
    assert len(list((tmp_path / "unfinished").iterdir())) == 2
    other.remove()
    assert not list((tmp_path / "unfinished").iterdir())


def test_the_code_that_numbers_depend_on_is_in_the_hash():
    parts = dict(
        part for name in checkpoints.CODE for part in checkpoints._sources(_folder(name), name)
    )
    for name in (
        "cgap_cl/train/growth.py",
        "cgap_bench/learn/methods/cgap.py",
        "cgap_bench/run/experiences.py",
        "cgap_bench/shapes/rules.py",
        "cgap_hw/boards/zcu104.toml",
    ):
        assert name in parts
    assert not any(name.startswith("cgap_bench/show") for name in parts)
    assert len(code_hash()) == 12


def _folder(name):
    package, *rooms = name.split("/")
    return checkpoints.files(package).joinpath(*rooms)
