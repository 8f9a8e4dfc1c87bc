"""What the first page tells a newcomer to do works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CALL = "import sys; from cgap_bench.cli import main; sys.exit(main())"


def _written(folder):
    """Each file that a block of the page names in its first line."""
    files = re.findall(r"```\w+\n# (\S+)\n(.*?)```", README, re.DOTALL)
    for name, text in files:
        (folder / name).write_text(text)
    return [name for name, _ in files]


def _images(folder, classes=("ant", "bee", "cat", "dog"), n=20):
    """Noise around another grey for each class, of several sizes."""
    random = np.random.default_rng(0)
    for i, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for k in range(n):
            pixels = random.integers(0, 60, (40 + k, 36, 3)) + 60 * i
            Image.fromarray(pixels.astype("uint8")).save(folder / name / f"{k}.png")


@pytest.mark.slow
def test_ones_own_network_on_ones_own_images(tmp_path):
    """By a program that does not look for modules in the present folder, as `cgap-cl` is."""
    assert _written(tmp_path) == ["my_network.py", "my.toml"]
    _images(tmp_path / "images")
    (words,) = re.findall(r"^    \.venv/bin/cgap-cl (run my\.toml.*?) *#", README, re.MULTILINE)
    short = ("--seeds", "0", "--set", "training.epochs=2", "--jobs", "1")
    done = subprocess.run(
        [sys.executable, "-P", "-c", CALL, *words.split(), *short],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my-results" / "report.html").is_file()
    assert len(list((tmp_path / "my-results" / "runs" / "my").glob("*.json"))) == 3
