"""Each example does what its first line says."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    command = [sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_prices_on_every_board():
    lines = run("price_a_network").splitlines()
    assert any(line.startswith("zcu104 ") for line in lines)
    assert len(lines) - lines.index(next(one for one in lines if "dearest" in one)) == 6


def test_a_method_of_ones_own_is_run(tmp_path):
    settings = ("--set", "training.epochs=1", "--set", "stream.first=2")
    text = run(
        *("own_method", "run", "split-digits", "--methods", "last", "--seeds", "0"),
        *(*settings, "--jobs", "1", "--output", tmp_path),
    )
    assert "last, seed 0: accuracy" in text
