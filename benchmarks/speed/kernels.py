"""What moves when nothing but the kernels of torch does: the same runs with two sets of them.

`python benchmarks/speed/kernels.py` runs a benchmark twice in processes whose libraries are
told which instructions to use, once all that the processor has and once AVX2 at the most, and
compares the records. `--page PATH` writes the table where that page has the marker ``kernels``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from cgap_bench.record.record import Record
from cgap_bench.record.store import read_records
from cgap_bench.show import stats
from cgap_bench.show.markers import fill_page
from cgap_bench.show.metrics import mean_accuracy

# Each library's own word for the most that it may use.
KERNELS: dict[str, dict[str, str]] = {
    "the processor's own": {},
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}


def records(arguments: list[str], limits: Mapping[str, str], output: Path) -> list[Record]:
    """The runs of a command with some kernels."""
    command = [sys.executable, "-m", "cgap_bench", "run", *arguments, "--output", str(output)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | limits
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return list(read_records(output))


def accuracies(runs: list[Record]) -> dict[str, dict[int, float]]:
    """Method -> seed -> mean accuracy in percent."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for record in runs:
        accuracy = 100 * mean_accuracy(record.accuracy)
        found[record.config.method][record.config.seed] = accuracy
    return found


def table(both: list[list[Record]]) -> str:
    """A row a method: both means, what a run moves, and whether the means can be told apart."""
    sets = [str(runs[0].environment["capability"]) for runs in both]
    header = (
        *("method", "runs", *(f"{name} [%]" for name in sets), "equal runs"),
        *("a run moves by, mean (most) [points]", "difference of the means [points]"),
    )
    lines = [f"| {' | '.join(header)} |", f"|---{'|--:' * (len(header) - 1)}|"]
    first, second = map(accuracies, both)
    for method in sorted(first):
        seeds = sorted(first[method])
        left = [first[method][seed] for seed in seeds]
        right = [second[method][seed] for seed in seeds]
        moved = [abs(a - b) for a, b in zip(left, right, strict=True)]
        means = [_text(stats.estimate(values)) for values in (left, right)]
        equal = sum(
            a.accuracy == b.accuracy
            for a in both[0]
            for b in both[1]
            if a.config == b.config and a.config.method == method
        )
        difference = stats.compare(left, right).difference
        lines.append(
            f"| {method} | {len(seeds)} | {' | '.join(means)} | {equal} |"
            f" {sum(moved) / len(moved):.2f} ({max(moved):.2f}) | {_text(difference)} |"
        )
    return "\n".join(lines)


def _text(estimate: stats.Estimate) -> str:
    return f"{estimate.mean:.2f} ± {estimate.half_width:.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", default="split-digits")
    parser.add_argument("--methods", default="cgap,ewc,fixed,independent")
    parser.add_argument("--seeds", default="0-9")
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--page", type=Path, help="page with the marker `kernels`")
    options = parser.parse_args()
    arguments = [
        options.benchmark,
        *("--methods", options.methods, "--seeds", options.seeds, "--jobs", options.jobs),
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = [
            records(arguments, limits, Path(folder) / str(n))
            for n, limits in enumerate(KERNELS.values())
        ]
    text = table(made)
    print(text)
    if options.page:
        fill_page(options.page, "kernels", text)
