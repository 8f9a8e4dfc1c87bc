"""What can be chosen, listed."""

import subprocess
import sys

import pytest

from cgap_bench.record.store import write_record
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.seeds import parse_seeds


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("benchmarks", "split-digits"),
        ("methods", "fixed-equal"),
        ("networks", "alexnet-gpm"),
        ("boards", "zcu10"),
        ("searched", "ewc-online.decay"),
    ],
)
def test_list(run, what, name):
    result = run("list", what)
    assert result.exit_code == 0
    assert name in result.output


def test_what_presets_took_stands_beside_them(run, make_record, tmp_path):
    """Each method's mean, as often as the preset runs it; nothing where a method is missing."""
    own = {"benchmark": "permuted-mnist", "preset": "domain-rehearsal"}
    for method, times in (("cgap", (20.0, 40.0)), ("replay-equal", (60.0,))):
        for seed, seconds in enumerate(times):
            record = make_record(method, seed, **own)
            timings = {"train_s": [seconds - 5, 2.0], "evaluate_s": [1.0, 2.0]}
            write_record(record.model_copy(update={"timings": timings}), tmp_path)
    varied = make_record("cgap", 9, **own)
    config = varied.config.model_copy(update={"variant": "cgap.memory=9"})
    timings = {"train_s": [1e6], "evaluate_s": []}
    write_record(varied.model_copy(update={"config": config, "timings": timings}), tmp_path)

    lines = run("list", "benchmarks", "--output", tmp_path).output.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("permuted-mnist")))
    told = {line.split()[1]: line.split("  ") for line in lines[start + 1 : start + 6]}
    _, recipe = load_recipe("permuted-mnist")
    _, preset = recipe.preset("domain-rehearsal")
    assert set(preset.methods) == {"cgap", "replay-equal"}
    minutes = len(parse_seeds(preset.seeds)) * (30 + 60) / 60
    assert f"about {minutes:.0f} min" in told["domain-rehearsal"]
    assert [word.strip() for word in told["domain"] if word][1] == "-"


def test_list_of_something_else(run):
    result = run("list", "board")
    assert result.exit_code == 2
    assert "unknown list 'board'; did you mean 'boards'?" in result.output


def test_without_a_word_everything_is_listed(run):
    whole = run("list").output
    for what in ("benchmarks", "methods", "networks", "boards", "searched", "cells"):
        assert f"# {what}\n{run('list', what).output.strip()}" in whole


@pytest.fixture
def write_runs(make_record, tmp_path):
    """Runs of plain fine-tuning on split MNIST, told the task, with these accuracies."""

    def write(*accuracies):
        for seed, value in enumerate(accuracies):
            own = {"benchmark": "split-mnist", "preset": "task"}
            write_record(make_record("fixed", seed, (value,) * 3, **own), tmp_path)

    return write


def test_cells_stand_beside_our_runs(run, write_runs, tmp_path):
    # 97.0 to 97.4 around 97.2: s = 0.158, half-width 2.776 * s / sqrt(5) = 0.196
    write_runs(0.970, 0.971, 0.972, 0.973, 0.974)
    result = run("list", "cells", "--output", tmp_path)
    assert result.exit_code == 0
    header, *lines = result.output.splitlines()
    titles = ["cell", "published [%]", "ours [%]", "runs", "verdict", "command", "source"]
    assert header.split("  ")[0] == "cell"
    assert [title for title in titles if title in header] == titles
    by_name = {line.split()[0]: line for line in lines}
    line = " ".join(by_name["hsu-mnist/task/fixed"].split())
    assert "93.46 97.20 ± 0.20 5 above cgap-cl reproduce hsu-mnist/task/fixed Hsu" in line
    line = " ".join(by_name["hsu-mnist/task/si"].split())
    assert "98.56 ± 0.49 - 0 not run cgap-cl reproduce hsu-mnist/task/si" in line
    line = " ".join(by_name["five-datasets/full/wsn"].split())
    assert "93.41 - 0 cannot be run here: SVHN and the whole of notMNIST are needed" in line


def test_cells_are_listed_without_torch(write_runs, tmp_path):
    write_runs(0.97)
    words = ["cgap-cl", "list", "cells", "--output", str(tmp_path)]
    code = (
        f"import sys; sys.argv = {words}; from cgap_bench.cli import main\n"
        "main(standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'avalanche', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"too few runs" in done.stdout
