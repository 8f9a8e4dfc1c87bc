"""The option that every script here has: where its figures are kept."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch

from cgap_bench.record.environment import describe_environment
from cgap_bench.show.measurements import read_measurements, write_measurements


def parser(about: str | None) -> argparse.ArgumentParser:
    """The command line of a script, with ``--output``.

    Args:
        about: Its docstring.
    """
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--output", type=Path, help="results folder to keep the figures in")
    return made


def keep(
    script: str, figures: Mapping[str, float], output: Path | None, beside: bool = False
) -> None:
    """Write what a script measured beside what the machine is, if that is asked for.

    Args:
        script: Its name.
        figures: Name -> number.
        output: Results folder; None: nothing is written.
        beside: Keep what the script measured before under other names.
    """
    if output is not None:
        before = read_measurements(output).get(script, {}) if beside else {}
        here = describe_environment(torch.device("cpu"))
        print(write_measurements(script, {**before, **figures}, here, output))
