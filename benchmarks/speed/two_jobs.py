"""Runs an hour with two processes against one, of one thread each.

The same runs (four seeds of five methods on split-digits) in one process and in two, in turn,
by the clock; what starting and the report take is taken off both, by the same command when all
is finished. Beside it what two processes can be worth on this machine: a loop that multiplies
small matrices and shares nothing, twice one after the other and twice side by side.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/two_jobs.py`, on a machine that does nothing
else. With `--output benchmarks/speed` each turn is kept, beside those of earlier calls.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE

from keeping import keep, parser

from cgap_bench.show.measurements import read_measurements

NAME, HOUR_S = "two_jobs", 3600.0
SEEDS, METHODS = 4, ("cgap", "fixed", "ewc", "independent", "joint")
N_RUNS = SEEDS * len(METHODS)
RUNS = (
    *("run", "split-digits", "--preset", "standard", "--records-only", "--quiet"),
    *("--seeds", f"0-{SEEDS - 1}", "--methods", ",".join(METHODS)),
)

MULTIPLY = """
import torch
torch.set_num_threads(1)
matrix = torch.randn(256, 256)
print("ready", flush=True)
input()
for _ in range(20_000):
    matrix = torch.tanh(matrix @ matrix)
"""
LOOP = (sys.executable, "-c", MULTIPLY)


def clock_s(jobs: int, folder: str) -> float:
    """Of the command with so many processes."""
    command = [sys.executable, "-m", "cgap_bench", *RUNS, "--jobs", str(jobs)]
    start = time.perf_counter()
    subprocess.run([*command, "--output", folder], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def trained_s(jobs: int) -> float:
    """The same without what it takes when all is finished."""
    with tempfile.TemporaryDirectory() as folder:
        return clock_s(jobs, folder) - clock_s(jobs, folder)


def loops_s(side_by_side: bool) -> float:
    """Of two processes that multiply, without their start."""
    started = [subprocess.Popen(LOOP, stdin=PIPE, stdout=PIPE, text=True) for _ in range(2)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    begun = time.perf_counter()
    if side_by_side:
        for process in started:
            _go(process)
        for process in started:
            process.wait()
    else:
        for process in started:
            _go(process)
            process.wait()
    return time.perf_counter() - begun


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def main(first: int, turns: int) -> dict[str, float]:
    """Print and give the figures of each turn.

    Args:
        first: Number of the first one.
        turns: How many.
    """
    found = {}
    for k in range(first, first + turns):
        loops = loops_s(side_by_side=False) / loops_s(side_by_side=True)
        one, two = trained_s(1), trained_s(2)
        print(f"one process {one:.1f} s, two {two:.1f} s; loops {loops:.2f}", flush=True)
        turn = {"two_of_one": one / two, "loops": loops}
        turn |= {"one_per_hour": HOUR_S * N_RUNS / one, "two_per_hour": HOUR_S * N_RUNS / two}
        found |= {f"{name}_turn_{k}": value for name, value in turn.items()}
    return found


def kept(output: Path | None) -> int:
    """Turns that are kept already."""
    figures = read_measurements(output).get(NAME, {}) if output else {}
    return sum(name.startswith("two_of_one_turn_") for name in figures)


if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--turns", type=int, default=3)
    options = command.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    figures = main(kept(options.output) + 1, options.turns)
    keep(NAME, figures, options.output, beside=True)
