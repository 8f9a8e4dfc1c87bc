"""The import rules hold, and each of them would be noticed if it were broken."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "cgap_cl": ROOT / "cgap_cl",
    "cgap_bench": ROOT / "benchmarks" / "cgap_bench",
    "cgap_hw": ROOT / "hardware" / "cgap_hw",
}
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
# Contract -> (module to add a line to, line that must not be there)
VIOLATIONS = {
    "The method knows neither the runner nor the cost model": (
        "cgap_cl/change/plan.py",
        "import cgap_hw",
    ),
    "Only the host adapters of the method import avalanche": (
        "cgap_cl/change/plan.py",
        "import avalanche.core",
    ),
    "Rooms of the method": ("cgap_cl/blocks/block.py", "from cgap_cl.change import plan"),
    "Torch-Pruning is fenced in by one module of the method and one baseline": (
        "cgap_cl/accept/probe.py",
        "from torch_pruning import ops",
    ),
    "The cost model depends on numpy and pydantic only": (
        "cgap_hw/__init__.py",
        "from torch import nn",
    ),
    "Rooms of the cost model": (
        "cgap_hw/layers/table.py",
        "from cgap_hw.price import timing",
    ),
    "Records become tables and figures without torch": (
        "cgap_bench/show/tables.py",
        "from cgap_bench.shapes import tracing",
    ),
    "Only the command line imports click": ("cgap_bench/record/record.py", "import click"),
    "Two modules know the library that draws": (
        "cgap_bench/show/tables.py",
        "import vl_convert",
    ),
    "Rooms of the runner": (
        "cgap_bench/record/record.py",
        "from cgap_bench.learn import sizes",
    ),
    "No circle in the runner": (
        "cgap_bench/run/keys.py",
        "from cgap_bench.run import recipe",
    ),
    "Only shapes turns torch modules into shapes": (
        "cgap_bench/learn/network.py",
        "from cgap_hw import LayerShape",
    ),
}


@pytest.fixture
def copy(tmp_path):
    """The three packages and the configuration in a folder of their own."""
    for name, source in PACKAGES.items():
        shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint(folder):
    """Run import-linter on the packages in ``folder``, not on the installed ones."""
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r});"
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_import_rules_hold(copy):
    result = _lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken" in result.stdout


@pytest.mark.parametrize("contract", [contract["name"] for contract in CONTRACTS])
def test_a_broken_rule_is_noticed(copy, contract):
    module, line = VIOLATIONS[contract]
    path = copy / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    result = _lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout
