"""What the runner costs over a bare PyTorch loop, and over the same in plain Avalanche.

For plain fine-tuning and EWC, at the first and the fifth experience, measured in one process:
an epoch of ours and one of the others in turn, by processor time, the ratio of each turn, and
of these the median. The bare loop takes the same steps on the same rows, cut from the same
tensors with the same augmentation. Avalanche trains the same network on the same images as
users have them: a dataset with torchvision's transforms behind a `DataLoader` and
its own EWC plugin.

Run: `OMP_NUM_THREADS=1 python benchmarks/speed/bare_loop.py`; `--cases mlp-128` for one of
them, `--turns 9` for steadier medians. With `--output results` the ratios are kept, beside
those of other cases.
"""

import copy
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from avalanche.benchmarks import benchmark_from_datasets, with_task_labels
from avalanche.benchmarks.utils.classification_dataset import (
    TaskAwareClassificationDataset,
)
from avalanche.benchmarks.utils.data_attribute import DataAttribute
from avalanche.training.plugins import EvaluationPlugin, EWCPlugin, SupervisedPlugin
from avalanche.training.supervised import Naive
from keeping import keep, parser
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset
from torchvision import transforms

from cgap_bench.learn.batches import CROP_PADDING, BatchSource, crop_and_flip
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.loop.optimizers import optimizer_of
from cgap_bench.learn.methods.penalties.quadratic import QuadraticPenalty
from cgap_bench.record.configuration import Augmentation, RunConfig
from cgap_bench.run.experiences import Run
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve

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


class Timed(Naive):  # type: ignore[misc]
    """Avalanche's plain strategy; knows the processor time of its last epoch."""

    epoch_s = 0.0

    def training_epoch(self, **options: Any) -> None:
        """Called by Avalanche."""
        start = time.process_time()
        super().training_epoch(**options)
        self.epoch_s = time.process_time() - start


class Transformed(Dataset[tuple[Tensor, int]]):
    """Images of an experience as users have them: each transformed when it is asked for.

    Args:
        source: Holds all images.
        rows: Which of them.
    """

    def __init__(self, source: BatchSource, rows: Sequence[int]) -> None:
        store = source.store
        self.images, self.targets = store.images[list(rows)], store.targets[list(rows)].tolist()
        size = store.images.shape[-2:]
        moved = [
            transforms.RandomCrop(size, padding=CROP_PADDING),
            transforms.RandomHorizontalFlip(),
        ]
        mean, std = ([value / 255 for value in one] for one in store.mean_and_std or ())
        self.transform = transforms.Compose(
            [
                *(moved if source.augment is Augmentation.CROP_FLIP else []),
                transforms.ConvertImageDtype(torch.float32),
                transforms.Normalize(mean, std),
            ]
        )

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.transform(self.images[place]), self.targets[place]


class PlainAvalanche:
    """The same method of Avalanche on the same network, an epoch an experience.

    Args:
        run: Ours.
    """

    def __init__(self, run: Run) -> None:
        config, source = run.config, run.context.source
        strategy = run.learner.strategy
        assert strategy is not None
        model = copy.deepcopy(strategy.model)
        ewc = [EWCPlugin(1.0, mode="online", decay_factor=1.0)]
        plugins = ewc if config.method == "ewc" else []
        self._strategy = Timed(
            model=model,
            optimizer=optimizer_of(model.parameters(), config.training),
            train_mb_size=config.training.batch_size,
            train_epochs=1,
            plugins=plugins,
            evaluator=EvaluationPlugin(loggers=[]),
        )
        self._source = source
        self._learnt: dict[int, Any] = {}

    @property
    def epoch_s(self) -> float:
        """Processor time of its last epoch."""
        return self._strategy.epoch_s

    def learn(self, experience: Any) -> None:
        """An epoch of it."""
        number = experience.current_experience
        if number not in self._learnt:
            rows = list(experience.dataset.rows.data)
            images = Transformed(self._source, rows)
            labels = {
                "targets": images.targets,
                "targets_task_labels": [experience.task_label] * len(rows),
            }
            attributes = [DataAttribute(label, name) for name, label in labels.items()]
            # the task label comes with each image, as in Avalanche's own benchmarks
            attributes[1].use_in_getitem = True
            data = TaskAwareClassificationDataset([images], data_attributes=attributes)
            benchmark = benchmark_from_datasets(train=[data], test=[data])
            self._learnt[number] = with_task_labels(benchmark)
        (one,) = self._learnt[number].train_stream
        self._strategy.train(one)


class Turns(SupervisedPlugin):  # type: ignore[misc]
    """In the experiences asked for, times our epochs in turn with those of a bare loop.

    Args:
        source: Where batches are cut from.
        n: Turns.

        plain: Avalanche's; it learns each experience before ours does.

    Attributes:
        ratios: Name of the other loop and experience -> ratio of each turn.
    """

    STATE = ()

    def __init__(self, source: BatchSource, n: int, plain: PlainAvalanche) -> None:
        super().__init__()
        self._source, self._n, self._plain = source, n, plain
        self.ratios: dict[str, list[float]] = defaultdict(list)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Avalanche learns it too, for EWC to have something to hold."""
        self._plain.learn(strategy.experience)

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """The epoch itself has warmed up; those that are timed call no plugin's epoch."""
        experience = strategy.clock.train_exp_counter + 1
        if experience not in EXPERIENCES:
            return
        others = {
            "bare": bare_epoch(strategy, self._source),
            "avalanche": lambda: self._plain.learn(strategy.experience),
        }
        for _turn in range(self._n):
            ours = _seconds(strategy.training_epoch)
            for name, other in others.items():
                spent = _seconds(other) if name == "bare" else other() or self._plain.epoch_s
                self.ratios[f"{name}_{experience}"].append(ours / spent)


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


def ratios(case: Case, method: str, n: int) -> dict[str, float]:
    """Name of the other loop and experience -> median ratio of ours to it."""
    run = Run(configuration(case, method), data_root())
    assert run.learner.strategy is not None
    turns = Turns(run.context.source, n, PlainAvalanche(run))
    run.learner.strategy.plugins.append(turns)
    for experience in list(run.context.stream.benchmark.train_stream)[: max(EXPERIENCES)]:
        run.learner.learn(experience)
    return {key: statistics.median(values) for key, values in turns.ratios.items()}


def main(names: Sequence[str], n: int) -> dict[str, float]:
    """Print and give the ratio of each case, method, other loop and experience."""
    found = {}
    for name in names:
        for method in METHODS:
            for other, ratio in ratios(CASES[name], method, n).items():
                key = f"{name}_{method}_{other}".replace("-", "_")
                print(f"{key}: {ratio:.3f}", flush=True)
                found[key] = ratio
    return found


if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    command.add_argument("--turns", type=int, default=5)
    options = command.parse_args()
    torch.set_num_threads(1)
    keep("bare_loop", main(options.cases, options.turns), options.output, beside=True)
