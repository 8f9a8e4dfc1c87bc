"""What can be chosen, listed."""

import subprocess
import sys

import pytest

from cgap_bench.record.store import write_record


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("benchmarks", "split-digits"),
        ("methods", "fixed-equal"),
        ("networks", "alexnet-gpm"),
        ("boards", "zcu10"),
    ],
)
def test_list(run, what, name):
    result = run("list", what)
    assert result.exit_code == 0
    assert name in result.output


def test_list_of_something_else(run):
    result = run("list", "board")
    assert result.exit_code == 2
    assert "unknown list 'board'; did you mean 'boards'?" in result.output


def test_without_a_word_everything_is_listed(run):
    whole = run("list").output
    for what in ("benchmarks", "methods", "networks", "boards", "cells"):
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
