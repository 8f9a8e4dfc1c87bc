"""What a results folder of 10,000 records costs: to plan, to resume, to report.

The records are made up: the configurations are those of a recipe (ten methods, a hundred seeds,
ten orders), the measurements those of one real record, every accuracy moved a little. Times are
processor time of the very commands, in a process each.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/many_records.py RECORD`, a run
of split-digits, preset standard;
`--n 1000` for fewer. With `--output results` the figures are kept.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch

from cgap_bench.record.environment import describe_environment
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import Record
from cgap_bench.record.store import read_record, write_record
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.show.measurements import write_measurements

METHODS = ("fixed", "ewc", "ewc-online", "si", "mas", "lwf", "replay", "hat", "gpm", "joint")
N_ORDERS = 10
MOVED = 0.02  # accuracies, at most


def synthetic(real: Record, n: int, folder: Path) -> tuple[Path, list[str]]:
    """Write the records; the recipe that they are of, and the words that ask for all of them.

    Args:
        real: A run of split-digits.
        n: Records.
        folder: Results folder.
    """
    source, _ = load_recipe("split-digits")
    recipe = folder / "many.toml"
    recipe.write_text(_recipe_text(source), encoding="utf-8")
    name, content = load_recipe(str(recipe))
    n_seeds = n // (len(METHODS) * N_ORDERS)
    draw = random.Random(0)
    for order in range(N_ORDERS):
        resolver = resolve(name, content, None, [f"stream.order_seed={order}"])
        for config in (resolver.config(m, seed) for m in METHODS for seed in range(n_seeds)):
            accuracy = [list(_moved(row, draw)) for row in real.accuracy]
            own = {"config": config, "run_id": run_id(config), "accuracy": accuracy}
            write_record(real.model_copy(update=own), folder)
    words = ["--methods", ",".join(METHODS), "--seeds", f"0-{n_seeds - 1}"]
    return recipe, [*words, "--orders", f"0-{N_ORDERS - 1}"]


def _recipe_text(source: str) -> str:
    """A recipe of a package, as a user copies it."""
    from importlib.resources import files

    path = files("cgap_bench").joinpath("recipes", f"{source}.toml")
    return path.read_text(encoding="utf-8")


def _moved(row: Iterable[float | None], draw: random.Random) -> Iterable[float | None]:
    for value in row:
        low = None if value is None else value - MOVED * draw.random()
        yield None if low is None else round(max(0.0, low), 4)


def spent_s(*words: str, code: int = 0) -> float:
    """Processor time of a command, whose exit code is known."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "cgap_bench", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    done = subprocess.run(command, check=False, env=environment, **quiet)
    assert done.returncode == code, f"{command} ended with {done.returncode}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(real: Path, n: int) -> dict[str, float]:
    """Print and give the seconds of each command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe, words = synthetic(read_record(real), n, folder)
        own = ("--output", str(folder))
        commands = {
            "plan": ("run", str(recipe), *words, *own, "--dry-run"),
            "resume": ("run", str(recipe), *words, *own, "--records-only"),
            "report": ("report", *own),
        }
        found = {}
        for what, command in commands.items():
            found[f"{what}_s"] = spent_s(*command)
            print(f"{what} with {n:,} records: {found[f'{what}_s']:.1f} s", flush=True)
        return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path, help="a run of split-digits, preset standard")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--output", type=Path, help="results folder to keep the figures in")
    options = parser.parse_args()
    measured = main(options.record, options.n)
    if options.output:
        here = describe_environment(torch.device("cpu"))
        print(write_measurements("many_records", measured, here, options.output))
