"""CGaP against the fixed network over ten experiences, batches of mixed labels, start-up.

CGaP and `fixed` learn the same experiences in turn, in one process, by processor time; so are
the others, of the very commands. Nothing but the number of images and epochs differs from the
preset `quick` of split-cifar100.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/whole_runs.py`. With `--output results` the
figures are kept.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from keeping import keep, parser
from many_records import spent_s
from torch import Tensor

from cgap_bench.learn.dataset import data_root
from cgap_bench.record.store import read_records
from cgap_bench.run.experiences import Run
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_cl import PlasticNetwork

SETTINGS = ("stream.n_train_per_class=32", "training.epochs=6", "training.precision=float32")
METHODS = ("cgap", "fixed")
TURNS, BATCH = 9, 128
WRONG = ("run", "split-digits", "--methods", "ewk")
SHORT = (
    *("run", "split-digits", "--methods", "fixed", "--seeds", "0", "--jobs", "1"),
    *("--set", "training.epochs=1", "--set", "stream.first=1", "--records-only"),
)


def _timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def runs() -> dict[str, Run]:
    """One run of each method, not begun."""
    name, recipe = load_recipe("split-cifar100")
    config = resolve(name, recipe, "quick", SETTINGS).config
    return {method: Run(config(method, 0), data_root()) for method in METHODS}


def in_turn(both: dict[str, Run]) -> dict[str, float]:
    """Let all learn and measure all experiences; CGaP's time as a share of the fixed one's."""
    spent: dict[str, list[float]] = {method: [] for method in both}
    for _ in range(both[METHODS[0]].n_experiences):
        for method, run in both.items():
            spent[method].append(_timed(run.step))
        print(", ".join(f"{method} {times[-1]:.1f} s" for method, times in spent.items()))
    ours, fixed = (spent[method] for method in METHODS)
    return {
        "cgap_of_fixed": sum(ours) / sum(fixed),
        "cgap_of_fixed_first": ours[0] / fixed[0],
        "cgap_of_fixed_last": ours[-1] / fixed[-1],
    }


def mixed_of_sorted(network: PlasticNetwork, images: Tensor, labels: Sequence[int]) -> float:
    """Inference of batches of mixed labels against the same images sorted by label."""
    every = torch.tensor([labels[i % len(labels)] for i in range(len(images))])
    order = every.argsort(stable=True)
    network.eval()

    def infer(places: Tensor) -> None:
        with torch.no_grad():
            for batch in places.split(BATCH):
                network(images[batch], every[batch])

    mixed = torch.arange(len(images))
    infer(mixed)
    return statistics.median(
        _timed(lambda: infer(mixed)) / _timed(lambda: infer(order)) for _ in range(TURNS)
    )


def start_up() -> dict[str, float]:
    """Processor time of help and of a mistake; the clock's of all of a run but its training."""
    with tempfile.TemporaryDirectory() as folder:
        # compiled modules are kept, as Python does by itself, from a first run
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder, "compiled"))
        spent_s("--help")
        spent_s(*WRONG, code=2)
        spent_s(*SHORT, "--output", f"{folder}/first")
        start = time.perf_counter()  # two processes import side by side: by the clock
        spent_s(*SHORT, "--output", folder)
        whole = time.perf_counter() - start
        (record,) = read_records(Path(folder))
        trained = sum(record.timings["train_s"]) + sum(record.timings["evaluate_s"])
        return {
            "help_s": spent_s("--help"),
            "mistake_s": spent_s(*WRONG, code=2),
            "first_batch_s": whole - trained,
        }


def main() -> dict[str, float]:
    """Print and give all figures."""
    both = runs()
    found = in_turn(both)
    strategy, context = both["cgap"].learner.strategy, both["cgap"].context
    assert strategy is not None
    assert isinstance(strategy.model, PlasticNetwork)
    images = torch.randn(10 * BATCH, *context.stream.input_shape)
    found["mixed_of_sorted"] = mixed_of_sorted(
        strategy.model, images, context.stream.task_labels
    )
    found |= start_up()
    for name, value in found.items():
        print(f"{name}: {value:.3g}")
    return found


if __name__ == "__main__":
    output = parser(__doc__).parse_args().output
    torch.set_num_threads(1)
    keep("whole_runs", main(), output)
