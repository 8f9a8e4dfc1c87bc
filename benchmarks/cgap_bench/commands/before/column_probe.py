"""What a column of CGaP takes to train, from two that live through their phases here.

The first column and a later one, which reads its ancestor, grow and are pruned by the method's
own loop, in as few iterations as its phases need and on batches of two images. On batches of a
run only two steps are timed, at the peak and after pruning. An iteration of an experience is
then taken to last what lies on the line through both, at the mean price of all iterations.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from cgap_bench.commands.before.probe import (
    NEXT_TO_NO_RATE,
    PROBE_S,
    Work,
    median_s,
    noise,
    on_one_thread,
)
from cgap_bench.learn.batches import forward_in
from cgap_bench.learn.loop.optimizers import optimizer_of
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.methods.cgap import cgap_config
from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import RunConfig, Scenario, TrainingSettings
from cgap_bench.shapes.tracing import layer_shapes, total_macs
from cgap_cl import PlasticNetwork
from cgap_cl.train.growth import GrowthLoop

SMALL = 2  # images; batch norm does not train on one


@dataclass(frozen=True)
class ColumnCost:
    """What an experience takes.

    Attributes:
        step_s: Mean time of an iteration.
        changes_s: Time of sprouting, growing, pruning and merging.
        parameters: That it adds to those stored.
        widths: Units per group that one inference of its task runs in the end.
        macs: Multiply-adds of that inference.
    """

    step_s: float
    changes_s: float
    parameters: int
    widths: Mapping[str, int]
    macs: int


@dataclass(frozen=True)
class ColumnCosts:
    """What the columns of a run take, however long it trains.

    Attributes:
        first: The first one.
        later: One that reads its ancestor.
    """

    first: ColumnCost
    later: ColumnCost

    def step(self, training: TrainingSettings, work: Work) -> tuple[float, int]:
        """Seconds of a training step, changes included, and parameters stored in the end.

        Args:
            training: Epochs, batch.
            work: Images, experiences.
        """
        first, later, n_later = self.first, self.later, work.n_experiences - 1
        iterations = max(1.0, work.trained * training.epochs / training.batch_size)
        steps_s = (first.step_s + n_later * later.step_s) / work.n_experiences
        changes_s = (first.changes_s + n_later * later.changes_s) / iterations
        return steps_s + changes_s, first.parameters + n_later * later.parameters


def column_costs(config: RunConfig, work: Work) -> ColumnCosts:
    """What the columns of a CGaP run take here.

    Args:
        config: Of the run; its epochs do not matter.
        work: What goes through its networks.

    Raises:
        ValueError: The network cannot grow, or not to the target.
    """
    with torch.random.fork_rng(devices=[]):
        probe = ColumnProbe(config, work)
        return ColumnCosts(probe.live(0), probe.live(1))


class ColumnProbe:
    """A plastic network and its growth loop, on images of noise.

    Args:
        config: Of the run.
        work: Shape of an image, classes.
    """

    def __init__(self, config: RunConfig, work: Work) -> None:
        own: Any = METHODS[config.method].settings.model_validate(config.method_settings)
        example = torch.zeros(1, *work.input_shape)
        reference = build_network(config.network, work.input_shape, work.n_outputs)
        self.network = PlasticNetwork(reference, example, seed_ratio=own.seed_ratio)
        self.network.to(config.device).train()
        self.loop = GrowthLoop(self.network, cgap_config(own, config.seed, example))
        self._config, self._classes = config, work.n_outputs

        n = config.training.batch_size * (2 if own.memory else 1)  # old images beside new ones
        self._images = noise(n, work, config)
        self._changes_s = 0.0

    def live(self, experience: int) -> ColumnCost:
        """The column of an experience, from sprouting to merging.

        Args:
            experience: 0, then 1.
        """
        loop, stored = self.loop, self.network.stored_parameters() if experience else 0
        label = experience if self._config.stream.scenario is Scenario.TASK else 0
        begun, self._changes_s = len(loop.history), 0.0
        self._changed(lambda: loop.sprout(label, range(self._classes)))
        total = loop.config.phases.least_iterations
        self._changed(lambda: loop.start(total))
        optimizer = optimizer_of(
            self.network.live_parameters(), self._config.training, NEXT_TO_NO_RATE
        )

        at: dict[float, float] = {}  # price -> seconds of a step
        while loop.progress.changes_to_come:
            if not loop.progress.growth and not at:
                at[loop.history[-1]["price"]] = self._timed(optimizer, label, experience)
            self._step(optimizer, self._images[:SMALL], label)
            self._changed(lambda: loop.advance(optimizer))
        at[loop.history[-1]["price"]] = self._timed(optimizer, label, experience)
        mean = mean_price(loop.history[begun:], total)

        self._changed(lambda: loop.finish(optimizer))
        added = self.network.stored_parameters() - stored
        task = self.network.subnetwork(label).cpu()
        macs = total_macs(layer_shapes(task, torch.zeros(1, *self._images.shape[1:])))
        widths = loop.history[-1]["executed"]
        return ColumnCost(on_the_line(at, mean), self._changes_s, added, widths, macs)

    def _changed(self, change: Callable[[], Any]) -> None:
        start = time.perf_counter()
        change()
        self._changes_s += time.perf_counter() - start

    def _timed(self, optimizer: torch.optim.Optimizer, label: int, experience: int) -> float:
        """A step on a batch of a run; the first experience has no old images beside it."""
        n = self._config.training.batch_size
        images = self._images if experience else self._images[:n]
        timed = on_one_thread(lambda: self._step(optimizer, images, label))
        return median_s(timed, PROBE_S / 4)  # of both columns two networks each

    def _step(self, optimizer: torch.optim.Optimizer, images: Tensor, label: int) -> None:
        targets = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        optimizer.zero_grad()
        precision = self._config.training.precision
        logits = forward_in(precision, images.device, lambda: self.network(images, label))
        loss = nn.functional.cross_entropy(logits, targets)
        self.loop.taught(loss, len(images)).backward()
        self.loop.observe()
        optimizer.step()
        if images.is_cuda:
            torch.cuda.synchronize()


def mean_price(history: list[dict[str, Any]], total: int) -> float:
    """Mean over iterations; a price holds until the next change.

    Args:
        history: Of a column, from its sprouting on.
        total: Iterations.

    Example:
        >>> at = [(0, 0.1), (10, 0.4), (50, 0.2)]
        >>> mean_price([{"iteration": i, "price": p} for i, p in at], 100)
        0.27
    """
    ends = [*history, {"iteration": total}]
    paid = sum((b["iteration"] - a["iteration"]) * a["price"] for a, b in pairwise(ends))
    return float(paid / total)


def on_the_line(at: dict[float, float], price: float) -> float:
    """Seconds at a price, from those at one price or two.

    Example:
        >>> on_the_line({0.2: 3.0, 0.4: 4.0}, 0.3), on_the_line({0.2: 3.0}, 0.3)
        (3.5, 3.0)
    """
    (low, low_s), (high, high_s) = min(at.items()), max(at.items())
    if low == high:
        return low_s
    return low_s + (high_s - low_s) * (price - low) / (high - low)
