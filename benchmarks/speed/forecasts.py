"""How far the forecast of a run's training is off: CGaP, what is sized by it, and `fixed`.

Each turn makes the forecast anew, as the plan before a run does, and does the run; a figure is
the distance of forecast / recorded `train_s` from 1, the ratio being the median of all turns.
Both are processor time on one thread. Of split-cifar100 only the first experience is trained.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/forecasts.py`; with `--output benchmarks/speed`
the figures are kept.
"""

import statistics
import time

import torch
from keeping import keep, parser

from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.record import Record
from cgap_bench.run.experiences import train
from cgap_bench.run.jobs import jobs_of
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.reference import reference_of
from cgap_bench.run.resolver import resolve

METHODS = ("cgap", "fixed", "fixed-equal")
CASES = {  # benchmark -> preset, settings
    "split-digits": ("standard", ()),
    "split-cifar100": ("quick", ("stream.first=1",)),
}


def ratios(benchmark: str) -> dict[str, float]:
    """Method -> forecast of its training, of what was recorded.

    Args:
        benchmark: One of the cases.
    """
    preset, overrides = CASES[benchmark]
    name, recipe = load_recipe(benchmark)
    config_of = resolve(name, recipe, preset, list(overrides)).config
    records: dict[str, Record] = {}
    found = {}
    for job in jobs_of(config_of, METHODS, [0]):  # CGaP first
        method = job.config.method
        forecast = Forecast(data_root(), lambda _job: None).training_s(job)
        reference = reference_of(records["cgap"]) if job.sized_by else None
        records[method] = train(job.config, data_root(), reference)
        found[method] = forecast / sum(records[method].timings["train_s"])
    return found


def main(turns: int) -> dict[str, float]:
    """Print ratios; give how far off they are."""
    torch.set_num_threads(1)
    time.perf_counter = time.process_time  # what else the machine does counts little
    figures = {}
    for benchmark in CASES:
        rounds = [ratios(benchmark) for _ in range(turns)]
        for method in METHODS:
            all_turns = [one[method] for one in rounds]
            ratio = statistics.median(all_turns)
            text = ", ".join(f"{one:.2f}" for one in all_turns)
            print(
                f"{benchmark} {method}: forecast {ratio:.2f} of recorded ({text})", flush=True
            )
            figures[f"{benchmark}_{method}".replace("-", "_")] = abs(ratio - 1)
    return figures


if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--turns", type=int, default=3)
    options = command.parse_args()
    keep("forecasts", main(options.turns), options.output)
