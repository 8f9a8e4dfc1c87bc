"""Own code and images: what changes their fingerprints, and what does not."""

import hashlib
from importlib.metadata import EntryPoint

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.datasets import own
from cgap_bench.learn.method import METHODS, Method
from cgap_bench.learn.own.sources import module_of
from cgap_bench.record.configuration import NetworkSettings
from cgap_bench.record.identity import run_id
from cgap_bench.run.own import fingerprints
from cgap_bench.run.own.fingerprints import (
    Fingerprints,
    dataset_fingerprint,
    network_fingerprint,
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The present folder, with a module of a name that no other test has."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fp_net.py").write_text("import math\nimport fp_parts\nfrom torch import nn\n")
    (tmp_path / "fp_parts").mkdir()
    (tmp_path / "fp_parts" / "__init__.py").write_text("from . import blocks\n")
    (tmp_path / "fp_parts" / "blocks.py").write_text("WIDTH = 3\n")
    return tmp_path


def test_of_one_file_it_is_its_sha256(here):
    content = b"from torch import nn\n"
    (here / "fp_alone.py").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()[:12]
    assert network_fingerprint("fp_alone:small") == digest
    assert dataset_fingerprint("fp_alone:load", here) == digest


@pytest.mark.parametrize("changed", ["fp_net.py", "fp_parts/__init__.py", "fp_parts/blocks.py"])
def test_files_that_are_imported_from_the_same_place_count(here, changed):
    before = network_fingerprint("fp_net:small")
    (here / "other.py").write_text("nobody imports it")
    assert network_fingerprint("fp_net:small") == before
    with (here / changed).open("a") as file:
        file.write("# changed\n")
    assert network_fingerprint("fp_net:small") != before


def test_what_comes_with_the_project_or_a_library_has_none(tmp_path):
    for name in ("digits-cnn", "torchvision:resnet18", "timm:resnet18"):
        assert network_fingerprint(name) is None
    for name in ("digits", "torchvision:KMNIST", "mnist+fashion-mnist"):
        assert dataset_fingerprint(name, tmp_path) is None
    for name in METHODS.names():
        assert module_of(METHODS[name].build) is None


def test_what_is_installed_counts_with_its_own_file():
    assert network_fingerprint("torchvision.models:get_model") is not None


def test_an_entry_point_is_a_module_too(here, monkeypatch):
    point = EntryPoint("fp-installed", "fp_net:load", own.ENTRY_POINTS)
    monkeypatch.setattr(fingerprints, "entry_points", lambda group: [point])
    assert dataset_fingerprint("fp-installed", here) == network_fingerprint("fp_net:load")


def test_a_folder_is_names_and_sizes_of_its_images(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.jpg", "b/notes.txt", "b/.hidden.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")

    def now():
        return dataset_fingerprint("folder:images", tmp_path)

    before = now()
    assert len(before) == 12
    (tmp_path / "images" / "b" / "notes.txt").write_bytes(b"more words")
    (tmp_path / "images" / "b" / ".hidden.png").unlink()
    assert now() == before
    (tmp_path / "images" / "a" / "2.png").rename(tmp_path / "images" / "a" / "3.png")
    renamed = now()
    (tmp_path / "images" / "a" / "3.png").write_bytes(b"123456")
    larger = now()
    (tmp_path / "images" / "a" / "3.png").unlink()
    assert len({before, renamed, larger, now()}) == 4
    assert dataset_fingerprint("digits+folder:images", tmp_path) not in (None, now())
    with pytest.raises(UsageError, match="there is no folder nowhere"):
        dataset_fingerprint("folder:nowhere", tmp_path)


def test_they_are_part_of_the_identity_and_checked_again(here, tiny):
    config = tiny("fixed")
    assert Fingerprints(here).of(config) == config  # all of it is the project's
    own_one = config.model_copy(update={"network": NetworkSettings(name="fp_net:small")})
    planned = Fingerprints(here).of(own_one)
    assert run_id(planned) != run_id(own_one)
    Fingerprints(here).check(planned)

    (here / "fp_net.py").write_text("from torch import nn\n")
    assert run_id(Fingerprints(here).of(own_one)) != run_id(planned)
    with pytest.raises(UsageError, match="network fp_net:small has changed since the runs"):
        Fingerprints(here).check(planned)
    Fingerprints(here).check(own_one)  # nothing was planned


def test_a_method_of_ones_own_has_one_too(tiny, monkeypatch, tmp_path):
    plain = METHODS["fixed"]
    mine = Method("mine", plain.settings, lambda context, settings: None)
    monkeypatch.setitem(METHODS._entries, "mine", mine)
    monkeypatch.setitem(METHODS._places, "mine", METHODS._places["fixed"])
    monkeypatch.setattr(fingerprints, "code_fingerprint", lambda module: module[-12:])
    planned = Fingerprints(tmp_path).of(tiny("mine"))
    assert planned.method_fingerprint == __name__[-12:]
    assert run_id(planned) != run_id(tiny("mine"))
    monkeypatch.setattr(fingerprints, "code_fingerprint", lambda module: "another")
    with pytest.raises(UsageError, match="method mine has changed"):
        Fingerprints(tmp_path).check(planned)
