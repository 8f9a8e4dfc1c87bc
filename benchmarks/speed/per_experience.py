"""An experience of CGaP, of EWC and of the fixed network in turn, and what each has in memory.

Each method trains in a process of its own, forked from one that has imported everything, one
of them at a time: all learn and measure the first experience, then the second. Times are
processor time. Memory is the most that the process held meanwhile, less what it held with the
images, and without the network, when it began; as the kernel counts it, so on Linux alone.
Batches, settings and images are those of `whole_runs.py`.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/per_experience.py`. With
`--output benchmarks/speed` the figures are kept.
"""

import multiprocessing
import time
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from keeping import keep, parser
from whole_runs import SETTINGS

from cgap_bench.learn.dataset import data_root
from cgap_bench.run.experiences import Run
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve

METHODS = ("cgap", "fixed", "ewc")
N = 5  # experiences
TOLD = (1, 5)
STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def held_bytes(what: str) -> int:
    """Of this process: now (`VmRSS`), or at most since that was reset (`VmHWM`)."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(what))
    return 1024 * int(line.split()[1])


def learn(method: str, here: Connection) -> None:
    """The life of a process: seconds of each experience when it is asked, then bytes."""
    torch.set_num_threads(1)
    name, recipe = load_recipe("split-cifar100")
    run = Run(resolve(name, recipe, "quick", SETTINGS).config(method, 0), data_root())
    assert run.learner.strategy is not None
    model = run.learner.strategy.model
    network = sum(t.nbytes for t in chain(model.parameters(), model.buffers()))
    begun, _ = held_bytes("VmRSS") - network, REFERENCES.write_text("5")
    for _ in range(N):
        here.recv()
        start = time.process_time()
        run.step()
        here.send(time.process_time() - start)
    here.send(held_bytes("VmHWM") - begun)


def main() -> dict[str, float]:
    """Print and give the figures."""
    context = multiprocessing.get_context("fork")
    ends = {}
    for method in METHODS:
        ends[method], theirs = context.Pipe()
        context.Process(target=learn, args=(method, theirs), daemon=True).start()
    spent: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(N):
        for method, end in ends.items():
            end.send("next")
            spent[method].append(end.recv())
        print(", ".join(f"{m} {times[-1]:.1f} s" for m, times in spent.items()), flush=True)

    found = {f"{method}_mb": end.recv() / 1e6 for method, end in ends.items()}
    for t in TOLD:
        for one, other in (("cgap", "fixed"), ("cgap", "ewc"), ("ewc", "fixed")):
            found[f"{one}_of_{other}_{t}"] = spent[one][t - 1] / spent[other][t - 1]
    for key, value in found.items():
        print(f"{key}: {value:.3g}")
    return found


if __name__ == "__main__":
    output = parser(__doc__).parse_args().output
    keep("per_experience", main(), output)
