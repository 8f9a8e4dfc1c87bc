"""What the runner costs over a bare PyTorch loop of the same network, batches and loss terms.

For plain fine-tuning and EWC, at the first and the fifth experience, measured in one process:
an epoch of ours and one of the bare loop in turn, by processor time, the ratio of each turn,
and of these the median. The bare loop takes the same steps on the same rows, cut from the same
tensors with the same augmentation.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/bare_loop.py`; `--cases mlp-128` for one of
them, `--turns 9` for steadier medians. With `--output results` the ratios are kept.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional

from cgap_bench.learn.batches import BatchSource, crop_and_flip
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.methods.penalties.quadratic import QuadraticPenalty
from cgap_bench.record.configuration import Augmentation, RunConfig
from cgap_bench.record.environment import describe_environment
from cgap_bench.run.experiences import Run
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.show.measurements import write_measurements

EXPERIENCES = (1, 5)
METHODS = ("fixed", "ewc")


@dataclass(frozen=True)
class Case:
    """One network with its batches.

    Attributes:
        benchmark: Recipe.
        batch_size: Images.
        n_per_class: Training images of each class, for some ten batches an epoch.
        network: Empty: the recipe's.
    """

    benchmark: str
    batch_size: int
    n_per_class: int
    network: str = ""


CASES = {
    "mlp-128": Case("split-mnist", 128, 1280),
    "mlp-10": Case("split-mnist", 10, 200),
    "alexnet-64": Case("split-cifar100", 64, 64),
    "resnet18-64": Case("split-cifar100", 64, 26, "resnet18-reduced"),
}


def configuration(case: Case, method: str) -> RunConfig:
    """One epoch an experience; nothing held out, so that batches are full."""
    name, recipe = load_recipe(case.benchmark)
    settings = [
        "training.epochs=1",
        "training.holdout_share=0.0",
        f"training.batch_size={case.batch_size}",
        f"stream.n_train_per_class={case.n_per_class}",
    ]
    settings += [f'network.name="{case.network}"'] if case.network else []
    return resolve(name, recipe, recipe.full_preset, settings).config(method, 0)


class Turns(SupervisedPlugin):  # type: ignore[misc]
    """In the experiences asked for, times our epochs in turn with those of a bare loop.

    Args:
        source: Where batches are cut from.
        n: Turns.

    Attributes:
        ratios: Experience -> ratio of each turn.
    """

    STATE = ()

    def __init__(self, source: BatchSource, n: int) -> None:
        super().__init__()
        self._source, self._n = source, n
        self.ratios: dict[int, list[float]] = {}

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """The epoch itself has warmed up; those that are timed call no plugin's epoch."""
        experience = strategy.clock.train_exp_counter + 1
        if experience in EXPERIENCES:
            bare = bare_epoch(strategy, self._source)
            self.ratios[experience] = [
                _seconds(strategy.training_epoch) / _seconds(bare) for _turn in range(self._n)
            ]


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def bare_epoch(strategy: Any, source: BatchSource) -> Callable[[], None]:
    """The same epoch in plain PyTorch: batch, forward, loss, backward, penalty, update."""
    store, generator = source.store, source.generator
    rows = torch.tensor(list(strategy.adapted_dataset.rows.data))
    model, optimizer = strategy.model, strategy.optimizer
    backbone, head = model.backbone, model.heads[str(strategy.experience.task_label)]
    springs = _springs(strategy)

    def epoch() -> None:
        order = torch.randperm(len(rows), generator=generator)
        for chosen in order.split(strategy.train_mb_size):
            picked = rows[chosen]
            images = store.images[picked]
            if source.augment is Augmentation.CROP_FLIP:
                images = crop_and_flip(images, generator)
            x = store.normalise(images, picked)
            loss = functional.cross_entropy(head(backbone(x)), store.targets[picked])
            optimizer.zero_grad()
            loss.backward()
            with torch.no_grad():
                for weight, stiffness, anchor in springs:
                    weight.grad.addcmul_(stiffness, weight - anchor)  # type: ignore[union-attr]
            optimizer.step()

    return epoch


def _springs(strategy: Any) -> list[tuple[nn.Parameter, Tensor, Tensor]]:
    """Weight, stiffness and anchor of all that the penalty of EWC holds back."""
    held = []
    for plugin in strategy.plugins:
        if isinstance(plugin, QuadraticPenalty) and plugin.importance:
            bound = None if plugin.stiffest is None else plugin.stiffest / 2
            for name, weight in strategy.model.named_parameters():
                if weight.requires_grad and name in plugin.importance:
                    values = plugin.strength * plugin.importance[name]
                    stiff = 2 * (values if bound is None else values.clamp(max=bound))
                    held.append((weight, stiff, plugin.anchor[name]))
    return held


def ratios(case: Case, method: str, n: int) -> dict[int, float]:
    """Experience -> median ratio of ours to the bare loop."""
    run = Run(configuration(case, method), data_root())
    assert run.learner.strategy is not None
    turns = Turns(run.context.source, n)
    run.learner.strategy.plugins.append(turns)
    for experience in list(run.context.stream.benchmark.train_stream)[: max(EXPERIENCES)]:
        run.learner.learn(experience)
    return {key: statistics.median(values) for key, values in turns.ratios.items()}


def main(names: Sequence[str], n: int) -> dict[str, float]:
    """Print and give the ratio of each case, method and experience."""
    found = {}
    for name in names:
        for method in METHODS:
            for experience, ratio in ratios(CASES[name], method, n).items():
                print(f"{name}, {method}, experience {experience}: {ratio:.3f} of a bare loop")
                key = f"{name}_{method}_{experience}".replace("-", "_")
                found[key] = ratio
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", type=Path, help="results folder to keep the ratios in")
    options = parser.parse_args()
    torch.set_num_threads(1)
    measured = main(options.cases, options.turns)
    if options.output:
        here = describe_environment(torch.device("cpu"))
        print(write_measurements("bare_loop", measured, here, options.output))
