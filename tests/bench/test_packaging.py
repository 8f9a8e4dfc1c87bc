"""The built wheel works by itself: outside the repository, without the editable install."""

import re
import subprocess
import sys
import sysconfig
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


def test_packages_come_from_the_wheel(clean, tmp_path):
    code = "import cgap_bench, cgap_cl, cgap_hw; print(cgap_bench, cgap_cl, cgap_hw)"
    printed = _run(clean / "python", "-c", code, cwd=tmp_path)
    assert printed.count(str(clean.parent)) == 3


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
