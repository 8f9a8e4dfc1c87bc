"""A user's own network and images, changed between two commands: nothing old passes for new."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgap_bench.record.store import read_records

NETWORK = """
from torch import nn


def small(shape, n_outputs):
    body = [nn.Conv2d(shape[0], WIDTH, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(4 * WIDTH, n_outputs))
"""
RECIPE = """
description = "my photographs"
default_preset = "standard"
seeds = "0"
methods = ["fixed"]

[network]
name = "NAME:small"

[stream]
dataset = "folder:pictures"
size = 8
n_experiences = 2

[training]
epochs = 1
batch_size = 8
lr = 0.01

[presets.standard]
description = "all of them"
"""


def write_network(name, width):
    Path(f"{name}.py").write_text(NETWORK.replace("WIDTH", str(width)))


@pytest.fixture
def mine(tmp_path, monkeypatch, request):
    """Name of a network's module in a new present folder with images and a recipe."""
    monkeypatch.chdir(tmp_path)
    name = f"changes_{abs(hash(request.node.name)) % 10**8}"
    write_network(name, 4)
    Path("mine.toml").write_text(RECIPE.replace("NAME", name))
    pixels = np.random.default_rng(0)
    for kind in ("ash", "beech", "cedar", "dogwood"):
        folder = Path("pictures", kind)
        folder.mkdir(parents=True)
        for n in range(10):
            image = pixels.integers(0, 255, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(image).save(folder / f"{n}.png")
    return name


def command(run, *more):
    result = run(
        "run", "mine.toml", "--jobs", 1, "--data-root", "data", "--output", "out", *more
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_a_table_has_the_command_that_made_it(mine, run):
    """Settings of `--set` and its short forms included; the runs are found by it."""
    command(
        run, "--set", "training.lr=0.02", "--precision", "float32", "--network", f"{mine}:small"
    )
    (path,) = Path("out", "tables").glob("*.md")
    (made_by,) = re.findall(r"    cgap-cl (run .+)", path.read_text())
    name = shlex.quote(f'network.name="{mine}:small"')
    told = f"--set {name} --set training.lr=0.02 --set training.precision=float32"
    assert told in made_by
    again = run(
        *shlex.split(made_by), "--data-root", "data", "--output", "out", "--records-only"
    )
    assert "the run is finished" in again.output


def test_an_edited_network_is_run_anew_and_told(mine, run):
    said = command(run, "--records-only")
    tasks = "2 tasks: ash beech | cedar dogwood"
    assert f"4 classes, 30 training, 2 held-out and 8 test images, {tasks}" in said
    said = command(run, "--records-only")
    assert "the run is finished" in said
    assert tasks not in said
    write_network(mine, 5)
    said = command(run)
    assert (
        f"network {mine}:small has changed since 1 finished run: it is of another network, and"
        " in another table" in said
    )
    assert "1 of 1 run to do" in said
    assert said.count("\ntable ") == 1  # the other one is of another network
    first, second = read_records(Path("out"))
    assert first.extra["class_names"] == ["ash", "beech", "cedar", "dogwood"]
    assert first.config.origin.file == "mine.toml"
    assert first.config.origin.description == "my photographs; all of them"
    assert first.stored_parameters != second.stored_parameters
    tables = {path.name for path in Path("out", "tables").glob("*.md")}
    assert tables == {
        f"mine-standard-{record.config.network.fingerprint[:6]}.md"
        for record in (first, second)
    }
    write_network(mine, 4)  # as it was: its runs are there
    assert "the run is finished" in command(run, "--records-only")


def test_images_that_went_are_another_dataset(mine, run):
    command(run, "--records-only")
    Path("pictures", "ash", "9.png").unlink()
    said = command(run, "--dry-run")
    assert "dataset folder:pictures has changed since 1 finished run: it is of other" in said
    assert "1 of 1 run to do" in said


def test_fingerprints_are_not_set_by_hand(mine, run):
    result = run("run", "mine.toml", "--set", "network.fingerprint=abc")
    assert result.exit_code == 2
    assert "network.fingerprint is read off your files" in result.output
    recipe = Path("mine.toml")
    recipe.write_text(recipe.read_text().replace("size = 8", 'size = 8\nfingerprint = "a"'))
    result = run("run", "mine.toml", "--data-root", "data")
    assert result.exit_code == 2
    assert "stream.fingerprint is read off your files" in result.output
