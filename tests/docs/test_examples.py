"""The example of prices does what it says; `bench/test_packaging.py` runs the others."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name):
    command = [sys.executable, EXAMPLES / f"{name}.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_prices_on_every_board():
    lines = run("price_a_network").splitlines()
    assert any(line.startswith("zcu104 ") for line in lines)
    assert len(lines) - lines.index(next(one for one in lines if "dearest" in one)) == 6
