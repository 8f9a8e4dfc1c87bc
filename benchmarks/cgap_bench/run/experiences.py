"""The one loop over experiences: train, evaluate, trace, and hand back a record."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, nn

from cgap_bench.learn.batches import BatchSource, TensorLoader
from cgap_bench.learn.method import METHODS, Context, Learner
from cgap_bench.learn.quantise import Quantised, thinned
from cgap_bench.learn.streams import Stream, build_stream
from cgap_bench.record.configuration import RunConfig, run_id
from cgap_bench.record.environment import describe_environment
from cgap_bench.record.record import Record, network_hash
from cgap_bench.shapes.tracing import layer_shapes


@dataclass(frozen=True)
class Reference:
    """The CGaP run that another run is sized by.

    Attributes:
        run_id: Its identity.
        macs: MACs of one inference after its last experience, mean over tasks.
        widths: Units per group that one inference of each task executes.
    """

    run_id: str
    macs: float
    widths: tuple[Mapping[str, int], ...] = ()


def train(
    config: RunConfig,
    root: Path,
    reference: Reference | None = None,
    on_images: Callable[[int], None] = lambda _n: None,
) -> Record:
    """Run one method over one stream with one seed.

    Args:
        config: The resolved configuration.
        root: Data root.
        reference: For methods that are sized by the CGaP run of the same seed.
        on_images: Told the number of training images after each epoch.
    """
    _seed_everything(config.seed)
    stream = build_stream(config.stream, config.training.holdout_share, config.seed, root)
    context = _context(config, stream, reference, on_images)
    method = METHODS[config.method]
    learner = method.build(context, method.settings.model_validate(config.method_settings))
    results = _Results(context, learner)
    for experience in stream.benchmark.train_stream:
        results.after(experience)
    return Record(
        run_id=run_id(config, reference.run_id if reference else None),
        config=config,
        environment=describe_environment(context.device),
        timings=results.timings(),
        depends_on=reference.run_id if reference else None,
        accuracy=results.accuracy,
        accuracy_8bit=results.accuracy_8bit,
        n_test=[len(dataset) for dataset in stream.scored],
        networks=results.networks,
        subnetworks=results.subnetworks,
        stored_parameters=results.stored_parameters,
        history=learner.history,
        extra=learner.extra,
    )


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def _context(
    config: RunConfig,
    stream: Stream,
    reference: Reference | None,
    on_images: Callable[[int], None],
) -> Context:
    store = stream.train.to(torch.device(config.device))
    generator = Generator().manual_seed(config.seed)
    training = config.training
    source = BatchSource(store, training.augment, generator, training.memory_format)
    if reference is None:
        return Context(config, stream, source, on_images=on_images)
    return Context(config, stream, source, reference.macs, reference.widths, on_images)


class _Results:
    """What is measured after each experience."""

    def __init__(self, context: Context, learner: Learner) -> None:
        self._context, self._learner = context, learner
        images, training = context.stream.scored_store, context.config.training
        self._scored = BatchSource(
            images.to(context.device), training.augment, Generator(), training.memory_format
        )
        self.accuracy: list[list[float | None]] = []
        self.accuracy_8bit: list[float | None] = []
        self.networks: dict[str, list[dict[str, Any]]] = {}
        self.subnetworks: list[list[str]] = []
        self.stored_parameters: list[int] = []
        self._train_s: list[float] = []
        self._evaluate_s: list[float] = []

    def after(self, experience: Any) -> None:
        """Let the learner learn one experience, then measure it on all tasks so far."""
        started = time.perf_counter()
        self._learner.learn(experience)
        self._wait()
        trained = time.perf_counter()
        n = self._context.stream.n_experiences
        row: list[float | None] = [None] * n
        used = []
        last = experience.current_experience == n - 1
        self.accuracy_8bit = [None] * n if last else []
        for task in range(experience.current_experience + 1):
            network = self._learner.network_for(task)
            if network is not None:
                network.eval()
                row[task] = self._accuracy(network, task)
                used.append(self._trace(network))
                if last:
                    rounded = self._in_8_bits(network, task)
                    self.accuracy_8bit[task] = self._accuracy(rounded, task)
        self.accuracy.append(row)
        self.subnetworks.append(used)
        self.stored_parameters.append(self._learner.stored_parameters())
        self._wait()
        self._train_s.append(trained - started)
        self._evaluate_s.append(time.perf_counter() - trained)

    def timings(self) -> dict[str, Any]:
        """Seconds per experience."""
        return {"train_s": self._train_s, "evaluate_s": self._evaluate_s}

    @torch.no_grad()
    def _accuracy(self, network: nn.Module, task: int) -> float:
        """Share of a task's images that are classified right; batches in file order."""
        dataset = self._context.stream.scored[task]
        size = self._context.config.training.eval_batch_size
        n_right = 0
        for x, y, _ in TensorLoader(dataset, self._scored, size, train=False):
            n_right += int((network(x).argmax(1) == y).sum())
        return n_right / len(dataset)

    def _in_8_bits(self, network: nn.Module, task: int) -> Quantised:
        """The network with 8-bit words, calibrated on the task's training images."""
        dataset = self._context.stream.benchmark.train_stream[task].dataset
        size = self._context.config.training.eval_batch_size
        loader = TensorLoader(dataset, self._context.source, size, train=False)
        return Quantised(network, thinned((x for x, *_ in loader), len(dataset)))

    def _trace(self, network: nn.Module) -> str:
        """Keep the network's layer shapes; their hash."""
        layers = layer_shapes(
            network, self._context.stream.example_input.to(self._context.device)
        )
        key = network_hash(layers)
        self.networks[key] = layers
        return key

    def _wait(self) -> None:
        if self._context.device.type == "cuda":
            torch.cuda.synchronize()
