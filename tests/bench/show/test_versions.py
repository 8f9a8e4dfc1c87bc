"""A network that changed between runs: tables and files of each version apart."""

import pytest

from cgap_bench.record.identity import run_id
from cgap_bench.record.store import write_record
from cgap_bench.show.comparison import comparisons
from cgap_bench.show.derive import Platform, labels
from cgap_bench.show.report import rebuild, stale
from cgap_bench.show.versions import versions
from cgap_hw import load_board


@pytest.fixture
def renamed():
    """The same record of a network of another name and fingerprint."""

    def make(record, name, fingerprint, section="network"):
        key = "name" if section == "network" else "dataset"
        part = getattr(record.config, section).model_copy(
            update={key: name, "fingerprint": fingerprint}
        )
        config = record.config.model_copy(update={section: part})
        return record.model_copy(update={"config": config, "run_id": run_id(config)})

    return make


@pytest.mark.parametrize("section", ["network", "stream"])
def test_versions_are_never_in_one_table(some_records, renamed, section):
    old = [renamed(r, "net:tiny", "a" * 12, section) for r in some_records]
    new = [
        renamed(r, "net:tiny", "b" * 12, section)
        for r in some_records
        if r.config.method != "ewc"
    ]
    made = comparisons([*old, *new], Platform(load_board("zcu104")))
    assert [one.name for one in made] == ["toy-standard-aaaaaa", "toy-standard-bbbbbb"]
    kind = "network" if section == "network" else "dataset"
    assert made[0].heading == f"toy, preset standard, {kind} net:tiny as of aaaaaa"
    assert [set(one.summary["method"]) for one in made] == [
        {"cgap", "fixed", "ewc"},
        {"cgap", "fixed"},
    ]
    assert set(made[0].pairs) == {"fixed", "ewc"}


def test_what_never_changed_has_a_plain_name(some_records, renamed):
    one = [renamed(r, "net:tiny", "a" * 12) for r in some_records[:3]]
    other = [renamed(r, "net:big", "b" * 12) for r in some_records[:3]]
    assert not any(versions([*one, *other]).values())
    (made,) = comparisons([*one, *other], Platform(load_board("zcu104")))
    assert made.name == "toy-standard"
    assert set(made.summary["method"]) == {"cgap (name=net:tiny)", "cgap (name=net:big)"}


def test_rows_are_told_apart_wherever_versions_meet(some_records, renamed):
    both = [renamed(some_records[0], "net:tiny", digit * 12) for digit in "ab"]
    assert set(labels(both).values()) == {
        "cgap (fingerprint=aaaaaaaaaaaa)",
        "cgap (fingerprint=bbbbbbbbbbbb)",
    }


def test_files_under_the_plain_name_go_once_there_are_versions(some_records, renamed, tmp_path):
    for record in some_records:
        write_record(renamed(record, "net:tiny", "a" * 12), tmp_path)
    rebuild("zcu104", tmp_path)
    assert (tmp_path / "tables" / "toy-standard.md").exists()
    for record in some_records:
        write_record(renamed(record, "net:tiny", "b" * 12), tmp_path)
    rebuild("zcu104", tmp_path)
    names = {path.name for path in (tmp_path / "tables").glob("*.md")}
    assert names == {"toy-standard-aaaaaa.md", "toy-standard-bbbbbb.md"}
    assert not list((tmp_path / "figures").glob("toy-standard-trade*"))
    assert not stale("zcu104", tmp_path)
