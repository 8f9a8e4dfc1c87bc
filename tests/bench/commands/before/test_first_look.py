"""Words that stand for nothing are told at once, before anything heavy is imported."""

import os
import subprocess
import sys

import pytest

from cgap_bench.commands.before.first_look import Words, registered
from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.network import NETWORKS

BUDGET_S = 1.0
MISTAKES = [
    ["run", "split-digit"],
    ["run", "split-digits", "--preset", "fast"],
    ["run", "split-digits", "--methods", "cgapp"],
    ["run", "split-digits", "--network", "resnet"],
    ["run", "split-digits", "--seeds", "x"],
    ["run", "split-digits", "--set", "training.epoch=3"],
    ["run", "split-digits", "--set", "ewcc.strength=3"],
    ["run", "split-digits", "--device", "gpu"],
    ["run", "split-digits", "--variants", "some"],
    ["run", "split-digits", "--board", "zcu1"],
    ["cost", "torchvision:resnet18", "--board", "zcu1"],
    ["list", "bords"],
]


def _ended(words, folder):
    """Exit code, processor time (user and system) and message of a command of its own."""
    code = (
        "import sys; from cgap_bench.cli import main\n"
        f"sys.argv = ['cgap-cl', *{words!r}]\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]  # if it runs after all, then not into our results
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=folder)
    assert process.stderr is not None
    with process.stderr as stream:
        said = stream.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, said


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_told_before_torch_is_imported(words, tmp_path):
    exit_code, spent_s, said = _ended(words, tmp_path)
    assert exit_code == 2, said
    assert said.startswith(("Error: unknown", "Error: seeds 'x'")), said
    assert said.endswith("False\n"), "torch was imported"
    assert spent_s < 2 * BUDGET_S, "twice what a quiet machine takes"


@pytest.mark.parametrize(
    ("room", "registry"),
    [("methods", METHODS), ("networks", NETWORKS)],
    ids=["methods", "networks"],
)
def test_names_in_the_source_are_those_that_are_registered(room, registry):
    assert registered(room) == registry.names()


def test_what_is_right_passes():
    overrides = ("ewc.strength=1", "network.width=2")
    Words("split-digits", "quick", "mlp", "cgap, ewc", "0-2", overrides=overrides).check()
    Words("split-digits", network="torchvision:resnet18", orders="0,3").check()


def test_a_setting_needs_a_value_and_the_nearest_key_is_named():
    with pytest.raises(UsageError, match="has no value"):
        Words("split-digits", overrides=("training.lr",)).check()
    with pytest.raises(UnknownNameError, match=r"did you mean 'training\.epochs'"):
        Words("split-digits", overrides=("training.epoch=3",)).check()
    with pytest.raises(UnknownNameError, match=r"did you mean 'cgap\.share_groups'"):
        Words("split-digits", overrides=("method.cgap.share_groups=0",)).check()
