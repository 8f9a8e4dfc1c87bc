"""Help is quick to come and shows by example."""

import os
import re
import subprocess
import sys

import click
import pytest

from cgap_bench.cli import main

HEAVY = {"avalanche", "matplotlib", "pandas", "scipy", "sklearn", "torch", "vl_convert"}
BUDGET_S = 0.5


def _commands(command, path=("cgap-cl",)):
    """Every command with its words, subcommands included."""
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _commands(below, (*path, name))


COMMANDS = dict(_commands(main))


def _cpu_seconds():
    """Processor time, user and system, of one `cgap-cl --help` in a process of its own."""
    code = (
        "import sys; sys.argv = ['cgap-cl', '--help']; from cgap_bench.cli import main; main()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_help_takes_under_half_a_second():
    # Noise only ever adds to processor time, so the least of a few is what help itself takes.
    times = [_cpu_seconds() for _ in range(5)]
    assert min(times) < BUDGET_S, times


def test_help_imports_nothing_heavy():
    code = (
        "import sys, cgap_bench.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not HEAVY & set(printed.stdout.decode().split())


@pytest.mark.parametrize("path", [path for path in COMMANDS if len(path) > 1], ids=" ".join)
def test_every_command_explains_itself_by_an_example(path):
    command = COMMANDS[path]
    with click.Context(command, info_name=path[-1]) as context:
        text = command.get_help(context)
    assert re.search(rf"^ +(\$ )?{' '.join(path)}\b", text, re.MULTILINE), text
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)}: {parameter.name} is not explained"
