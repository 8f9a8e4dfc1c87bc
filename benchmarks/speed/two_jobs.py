"""Runs an hour with two processes against one, of one thread each.

The same runs (two seeds of five methods on split-digits) in one process and in two, in turn,
by the clock; what starting and the report take is taken off both, by the same command when all
is finished. Two processes on two threads of one core share its units: `lscpu` says which it is.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/two_jobs.py`, on a machine that does nothing
else. With `--output results` the figure is kept.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from keeping import keep, parser

RUNS = (
    *("run", "split-digits", "--preset", "standard", "--records-only", "--quiet"),
    *("--seeds", "0-1", "--methods", "cgap,fixed,ewc,independent,joint"),
)


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


def main(turns: int) -> dict[str, float]:
    """Print and give the ratio."""
    ratios = []
    for _ in range(turns):
        one, two = trained_s(1), trained_s(2)
        print(f"one process {one:.1f} s, two {two:.1f} s", flush=True)
        ratios.append(one / two)
    found = {"two_of_one": statistics.median(ratios)}
    print(f"runs an hour with two processes, of one: {found['two_of_one']:.2f}")
    return found


if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--turns", type=int, default=3)
    options = command.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    keep("two_jobs", main(options.turns), options.output)
