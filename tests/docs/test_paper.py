"""The commands of the page on the paper are right, those for a GPU too, where there is none."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import RunConfig, Split
from cgap_bench.run.recipe import load_recipe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "paper.md").read_text()
PAGE = re.sub(r"<!-- generated: .*?<!-- end -->", "", TEXT, flags=re.DOTALL)
EVERY = re.findall(r"cgap-cl (run [^`\n]+)", PAGE)
COMMANDS = [command for command in EVERY if "--preset paper" in command]
TRIED = [command for command in EVERY if command not in COMMANDS]


@pytest.fixture
def plan(monkeypatch, tmp_path):
    """Configurations that a command would run on a machine with a GPU; its hours need data."""

    def absent(*_):
        raise UsageError("no data, no probe")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("cgap_bench.commands.before.forecast.Work.of", absent)

    def planned(command):
        words = [*shlex.split(command), "--dry-run=json"]
        made = CliRunner().invoke(main, [*words, "--output", str(tmp_path)])
        assert made.exit_code == 0, made.output
        runs = json.loads(made.stdout)["runs"]
        return [RunConfig.model_validate(run["config"]) for run in runs]

    return planned


def test_the_page_names_a_command_for_each_of_the_papers_networks_and_two_short_ones():
    assert len(COMMANDS) == 5
    assert TRIED
    assert sum("training.epochs=" in command for command in COMMANDS) == 2


@pytest.mark.parametrize("command", TRIED)
def test_what_was_tried_never_saw_test_images(command, plan):
    """And differs from the recipe in CGaP's settings alone, or in length alone."""
    (config,) = plan(command)
    assert (config.method, config.network.name) == ("cgap", "resnet20")
    assert config.stream.score_on is Split.HELD_OUT
    (plain,) = plan(
        f"run cifar10 --preset {config.preset} --methods cgap --seeds {config.seed}"
    )
    longer = config.training.model_copy(update={"epochs": plain.training.epochs})
    assert longer == plain.training
    own = config.method_settings != plain.method_settings
    assert own != (config.training.epochs > plain.training.epochs)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs_the_network_of_the_paper(command, plan):
    made = plan(command)
    (network,) = {config.network.name for config in made}
    assert network == ("resnet110" if "cifar10 " in command else "vgg19-bn")
    assert {config.device for config in made} == {"cuda"}
    assert {config.preset for config in made} == {"paper"}
    (training,) = {config.training for config in made}
    assert (training.precision, training.memory_format) == ("bfloat16", "channels-last")
    assert (training.lr, training.batch_size) == (0.1, 128)
    epochs = re.search(r"epochs=(\d+)", command)
    assert training.epochs == (int(epochs[1]) if epochs else 200)
    _, recipe = load_recipe(command.split()[1])
    assert {config.method for config in made} == set(recipe.methods)
    seeds = {config.seed for config in made}
    assert seeds == ({0} if "--seeds 0" in command else {0, 1, 2})
    assert len(made) == len(seeds) * (len(recipe.methods) + len(recipe.variants))


def test_what_the_page_says_of_resnet20_is_in_the_recipe():
    _, small = load_recipe("cifar10")[1].preset("small")
    training = small.training
    assert "20 epochs" in TEXT
    assert training["epochs"] == 20
    assert "rate .1, weight decay 1e-4" in " ".join(TEXT.split())
    assert (training["lr"], training["weight_decay"]) == (0.1, 1e-4)
    assert small.claims.named == ("pruned", "fixed-equal")
    assert small.method["cgap"]["target_price"] == pytest.approx(1 - 0.633)


def test_what_the_page_says_of_the_big_networks_is_what_the_model_says(tmp_path):
    page = tmp_path / "paper.md"
    page.write_text(TEXT)
    made = CliRunner().invoke(main, ["price-published", "--page", str(page)])
    assert made.exit_code == 0, made.output
    assert page.read_text() == TEXT


def test_published_latency_lies_within_the_rows_and_dram_energy_does_not():
    """As the page says of ResNet-110."""
    told = [line.split("|") for line in TEXT.splitlines() if line.startswith("| ResNet-110, c")]
    ours = [[float(cell) for cell in row[4:10]] for row in told[1:]]
    latency, dram_energy = ([row[place] for row in ours] for place in (2, 4))
    assert len(ours) == 12
    assert min(latency) < -40.2 < max(latency)
    assert max(dram_energy) < 2 * -11.8
