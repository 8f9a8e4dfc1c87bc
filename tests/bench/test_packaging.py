"""The built wheel works by itself: outside the repository, without the editable install."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Own folder, import name
PACKAGES = {
    ROOT / "cgap_cl": "cgap_cl",
    ROOT / "benchmarks" / "cgap_bench": "cgap_bench",
    ROOT / "hardware" / "cgap_hw": "cgap_hw",
}
# A .pth names one folder and is not read in the folders it names, so the editable install of
# this repository, itself a .pth, stays out of the new environment. What setuptools does by a
# .pth for Python 3.12 is done here by hand.
SEE_DEPENDENCIES = """{folder}
import importlib.util; importlib.util.find_spec("_distutils_hack") and {hack}
"""
DISTUTILS = '__import__("_distutils_hack").add_shim()'


def _run(*command, cwd):
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without a network: no dependencies, no isolated build environment."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "-w", folder)
    _run(sys.executable, "-m", "pip", "wheel", *options, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """The folder of programs of an environment that has the wheel and the dependencies only."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    options = ("--no-deps", "--no-index", "--quiet")
    _run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=home)
    (site,) = home.glob("lib/python*/site-packages")
    dependencies = sysconfig.get_path("purelib")
    (site / "dependencies.pth").write_text(
        SEE_DEPENDENCIES.format(folder=dependencies, hack=DISTUTILS)
    )
    return home / "bin"


def test_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == expected
    kinds = ("py.typed", "recipes/.+toml", "boards/.+toml", "templates/.+jinja")
    for kind in kinds:
        assert any(re.search(f"/{kind}$", name) for name in names), kind


def test_wheel_states_licence_entry_point_and_python(wheel):
    with zipfile.ZipFile(wheel) as archive:
        texts = {Path(name).name: name for name in archive.namelist() if "dist-info" in name}
        metadata = archive.read(texts["METADATA"]).decode()
        entry_points = archive.read(texts["entry_points.txt"]).decode()
    assert "LICENSE" in texts
    assert "Requires-Python: >=3.11" in metadata
    assert "cgap-cl = cgap_bench.cli:main" in entry_points


def test_the_page_of_an_index_shows_what_it_can(wheel):
    """No link that leads nowhere, no mark of a generator; the index's own check passes."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    head, _, page = metadata.partition("\n\n")
    assert page.startswith("# cgap-cl")
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert links
    assert all(link.startswith("https://") for link in links), links
    assert "<!--" not in page
    assert "| cgap " in page  # tables are there
    assert "Description-Content-Type: text/markdown" in head
    for line in (
        "Keywords: ",
        "Project-URL: ",
        "Provides-Extra: mlflow",
        "Provides-Extra: onnx",
    ):
        assert f"\n{line}" in head, line
    _run(sys.executable, "-m", "twine", "check", "--strict", wheel, cwd=wheel.parent)


def test_packages_come_from_the_wheel(clean, tmp_path):
    names = ", ".join(repr(name) for name in PACKAGES.values())
    code = (
        f"from importlib.util import find_spec\nfor n in [{names}]: print(find_spec(n).origin)"
    )
    printed = _run(clean / "python", "-c", code, cwd=tmp_path)
    assert printed.count(str(clean.parent)) == len(PACKAGES)


def test_boards_are_listed(clean, tmp_path):
    assert "zcu102" in _run(clean / "cgap-cl", "list", "boards", cwd=tmp_path)


def test_a_run_makes_records_table_figure_and_report(clean, tmp_path):
    options = ("--methods", "cgap,fixed", "--seeds", "0", "--preset", "quick")
    _run(
        clean / "cgap-cl",
        *("run", "split-digits", *options, "--set", "training.epochs=2"),
        cwd=tmp_path,
    )
    results = tmp_path / "results"
    assert len(list((results / "runs" / "split-digits").glob("*.json"))) == 2
    assert (results / "tables" / "split-digits-quick.md").is_file()
    assert (results / "figures" / "split-digits-quick-trade-off.svg").is_file()
    assert (results / "report.html").is_file()
    assert list(tmp_path.iterdir()) == [results]
    _run(clean / "cgap-cl", "report", "--check", cwd=tmp_path)


@pytest.fixture
def away(clean, tmp_path):
    """A folder outside the repository that holds the examples and nothing else."""
    for path in (ROOT / "examples").glob("own_*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_what_others_bring_works_with_the_wheel(clean, away):
    """A method, a stream, a network and a board of one's own, all in one run."""
    printed = _run(
        *(clean / "python", "own_method.py", "run", "own_stream.toml"),
        *("--methods", "ewc-replay", "--seeds", "0", "--jobs", "1"),
        *("--set", "network.name=own_network:residual", "--set", "training.epochs=1"),
        *("--board", "own_board.toml", "--output", "mine"),
        cwd=away,
    )
    assert "ewc-replay" in printed
    (record,) = (away / "mine" / "runs" / "own_stream").glob("*.json")
    config = json.loads(record.read_text())["config"]
    assert config["method_settings"] == {"strength": 10.0, "memory": 100}
    assert config["stream"]["dataset"] == "own_stream:waves"
    assert config["network"]["name"] == "own_network:residual"
    prints = config["network"], config["stream"]
    assert all(one["fingerprint"] for one in prints)
    assert config["method_fingerprint"]
    assert any("Zybo" in path.read_text() for path in (away / "mine" / "tables").glob("*.md"))


@pytest.mark.slow
def test_examples_run_as_the_page_says(clean, away):
    page = (ROOT / "docs" / "how-to.md").read_text().partition("## Train in the fastest")[0]
    commands = re.findall(r"^    ((?:python own_|cgap-cl (?:run|cost)).*)$", page, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        program, *words = command.split()
        short = ("--set", "training.epochs=2", "--seeds", "0") if "run" in words else ()
        assert _run(clean / program, *words, *short, cwd=away)


@pytest.fixture
def fresh(tmp_path):
    """A folder as after `git clone`, as far as setting up is concerned."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def _program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def _make(*words, cwd):
    command = ["make", *(str(word) for word in words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
def test_an_old_python_is_refused_in_one_line(fresh):
    old = _program(fresh / "old", 'test "$1" = --version && echo Python 3.9.2 || exit 1')
    result = _make("test", f"PYTHON={old}", cwd=fresh)
    assert result.returncode != 0
    assert f"cgap-cl needs Python 3.11 or newer; {old} is Python 3.9.2." in result.stderr
    assert not (fresh / ".venv").exists()


@needs_make
def test_no_python_at_all_is_said_in_one_line(fresh):
    result = _make("demo", "PYTHON=", cwd=fresh)
    assert result.returncode != 0
    assert "cgap-cl needs Python 3.11 or newer, and there is none here" in result.stderr
    assert "make PYTHON=/path/to/python3.11 demo" in result.stderr


@needs_make
def test_set_up_is_done_once_and_again_when_the_requirements_change(fresh):
    log = fresh / "log"
    pip = f'echo "$@" >> {log}'
    (fresh / "made" / "bin").mkdir(parents=True)
    _program(fresh / "made" / "bin" / "python", f"case $2 in pip) {pip};; esac")
    python = _program(fresh / "new", 'test "$2" != venv || cp -r made .venv')
    for _ in range(2):
        result = _make(".venv/.installed", f"PYTHON={python}", cwd=fresh)
        assert result.returncode == 0, result.stderr
    assert len(log.read_text().splitlines()) == 1
    assert "install" in log.read_text()
    assert "-c constraints.txt -e .[dev]" in log.read_text()
    later = (fresh / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(fresh / "constraints.txt", (later, later))
    _make(".venv/.installed", f"PYTHON={python}", cwd=fresh)
    assert len(log.read_text().splitlines()) == 2


def test_constraints_are_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines[0].startswith("# ")
    for line in lines[1:]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line), line


def test_every_requirement_is_constrained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        assert re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower() in pinned, requirement
