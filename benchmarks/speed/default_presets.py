"""How long the default preset of each benchmark takes, all of its runs, in two processes.

By the records of its runs where every method has some, else by the plan that `cgap-cl run`
makes before it begins, here by processor time on one thread. What needs data that are not on
this machine is left out, with a line.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/default_presets.py`; `--names split-mnist` for
some benchmarks. With `--output benchmarks/speed` the figures are kept, beside those of others.
"""

import time
from pathlib import Path

import torch
from keeping import keep, parser

from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.commands.before.plan import left_s
from cgap_bench.commands.records.spent import spent_s
from cgap_bench.commands.run import Request
from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.store import read_records
from cgap_bench.run.recipe import load_recipe, recipe_names

RESULTS = Path(__file__).parents[2] / "results"
PROCESSES = 2
MINUTE_S = 60.0


def by_records(name: str) -> float | None:
    """Seconds of one core; None where a method of the preset has no record."""
    _, recipe = load_recipe(name)
    preset, overlay = recipe.preset(None)
    runs = read_records(RESULTS, name, tell=lambda _line: None)
    return spent_s(overlay, (run for run in runs if run.config.preset == preset))


def minutes(name: str) -> tuple[str, float]:
    """Where the figure is from, and the minutes.

    Raises:
        UsageError: The data are not there.
    """
    recorded_s = by_records(name)
    if recorded_s is not None:
        return "records", recorded_s / PROCESSES / MINUTE_S
    jobs = Request(name).job_list()
    forecast = Forecast(data_root(), lambda _job: None)
    return "plan", left_s(jobs, jobs, forecast, PROCESSES) / MINUTE_S


def main(names: list[str]) -> dict[str, float]:
    """Print and give the figures."""
    torch.set_num_threads(1)
    time.perf_counter = time.process_time  # what else the machine does counts little
    found = {}
    for name in names:
        try:
            source, value = minutes(name)
        except UsageError as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        found[f"{name}_{source}".replace("-", "_")] = value
        print(f"{name}: {value:.1f} min by {source}", flush=True)
    return found


if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--names", nargs="+", choices=recipe_names(), default=recipe_names())
    options = command.parse_args()
    keep("default_presets", main(options.names), options.output, beside=True)
