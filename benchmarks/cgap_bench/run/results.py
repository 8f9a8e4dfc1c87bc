"""What is measured after each experience."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, nn

from cgap_bench.errors import DivergedError
from cgap_bench.learn.batches import BatchSource, TensorLoader
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import Learner
from cgap_bench.learn.own.learners import network_of, stored_by
from cgap_bench.learn.quantise import Quantised, thinned
from cgap_bench.record.configuration import Norm, Scenario
from cgap_bench.record.record import AHEAD, BEFORE, BY_BATCH, IN_8_BITS, network_hash
from cgap_bench.run.batch_statistics import by_batch_statistics
from cgap_bench.shapes.tracing import layer_shapes


class Results:
    """The measurements of one run so far; the public attributes are those of a record.

    Attributes:
        rows: The fields that are accuracies beside the matrix, T or none of them each.
    """

    STATE = (
        "accuracy",
        "rows",
        "networks",
        "subnetworks",
        "stored_parameters",
        "training_macs",
        "macs_beside",
        "timings",
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        store, training = context.source.store, context.config.training
        if context.stream.scored_store is not context.stream.train:  # which is there already
            store = context.stream.scored_store.to(context.device)
        self._scored = BatchSource(store, training.augment, Generator(), training.memory_format)
        self.accuracy: list[list[float | None]] = []
        fields = (IN_8_BITS, BY_BATCH, *AHEAD)
        self.rows: dict[str, list[float | None]] = {key: [] for key in fields}
        self.networks: dict[str, list[dict[str, Any]]] = {}
        self.subnetworks: list[list[str]] = []
        self.stored_parameters: list[int] = []
        self.timings: dict[str, Any] = {"train_s": [], "evaluate_s": []}
        self._since = time.perf_counter()
        self.training_macs: list[int] = []
        self.macs_beside: list[int] = []

    def measure_untrained(self, learner: Learner) -> None:
        """Measure a learner on all tasks before any training, where one head answers for all.

        It is left as it was, random numbers included. With a head of its own a task has none
        before it is learnt; one head over all classes knows none of its classes by then.
        """
        stream = self._context.stream
        if stream.scenario is not Scenario.DOMAIN:
            return
        n, on_cuda = stream.n_experiences, self._context.device.type == "cuda"
        untrained, before = (self.rows[key] for key in AHEAD)
        untrained[:], before[:] = [None] * n, [None] * n
        with torch.random.fork_rng([self._context.device] if on_cuda else []):
            network = network_of(self._whose, learner, stream.task_labels[0])
            if network is None:
                return
            with evaluating(network):
                untrained[:] = [self._accuracy_or_none(network, task) for task in range(n)]
        before[0] = untrained[0]

    def measure(self, learner: Learner) -> None:
        """Measure a learner on all tasks so far, one more than at the last call."""
        n, n_learnt = self._context.stream.n_experiences, len(self.accuracy) + 1
        row: list[float | None] = [None] * n
        again: dict[str, list[float | None]] = {}
        used, network = [], None
        for task in range(n_learnt):  # one network at a time: together they may not fit
            label = self._context.stream.task_labels[task]
            network = network_of(self._whose, learner, label)
            if network is None:
                continue
            network.eval()
            row[task] = self._accuracy(network, task)
            used.append(self._trace(network))
            for field, accuracy in self._once_more(network, task) if n_learnt == n else ():
                again.setdefault(field, [None] * n)[task] = accuracy

        before = self.rows[BEFORE]
        if before and n_learnt < n and network is not None:  # the one network of all tasks
            before[n_learnt] = self._accuracy_or_none(network, n_learnt)
        self.accuracy.append(row)
        self.rows |= again
        self.subnetworks.append(used)
        self.stored_parameters.append(stored_by(self._whose, learner))
        in_batches, beside = self._context.training_macs.taken()
        self.training_macs.append(in_batches)
        self.macs_beside.append(beside)

    @property
    def measured_networks(self) -> list[str]:
        """Those that whole rows are about, in the order that they were met."""
        used = {key for keys in self.subnetworks for key in keys}
        return [key for key in self.networks if key in used]

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note the seconds that something takes, one more number under its name."""
        self.elapsed_s = 0.0
        yield
        if self._context.device.type == "cuda":
            torch.cuda.synchronize()
        self.timings[what].append(self.elapsed_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds so far of what is timed; an earlier process may have spent some of them."""
        return time.perf_counter() - self._since

    @elapsed_s.setter
    def elapsed_s(self, seconds: float) -> None:
        self._since = time.perf_counter() - seconds

    @torch.no_grad()
    def _accuracy(self, network: nn.Module, task: int, size: int | None = None) -> float:
        """Share of a task's images that are classified right; batches in file order."""
        dataset = self._context.stream.scored[task]
        size = size or self._context.config.training.eval_batch_size
        n_right = 0
        for x, y, _ in TensorLoader(dataset, self._scored, size, train=False):
            logits = network(x)
            if logits.isnan().any():
                raise DivergedError
            n_right += int((logits.argmax(1) == y).sum())
        return n_right / len(dataset)

    def _accuracy_or_none(self, network: nn.Module, task: int, *size: int) -> float | None:
        """The same beside the matrix; None where outputs are no numbers: the run goes on."""
        try:
            return self._accuracy(network, task, *size)
        except DivergedError:
            return None

    def _once_more(self, network: nn.Module, task: int) -> Iterator[tuple[str, float | None]]:
        """Fields of the last row: what the same network scores in other arithmetic."""
        yield IN_8_BITS, self._accuracy(self._in_8_bits(network, task), task)
        config, n = self._context.config, len(self._context.stream.scored[task])
        if config.network.norm is Norm.BOTH and n > 1:
            size = config.training.batch_size
            while n % size == 1:  # one image has no variance
                size += 1
            with by_batch_statistics(network):
                by_batch = self._accuracy_or_none(network, task, size)
            yield BY_BATCH, by_batch

    @property
    def _whose(self) -> str:
        """The method, for messages."""
        return f"method {self._context.config.method}"

    def _in_8_bits(self, network: nn.Module, task: int) -> Quantised:
        """The network with 8-bit words, calibrated on the task's training images."""
        dataset = self._context.stream.benchmark.train_stream[task].dataset
        size = self._context.config.training.eval_batch_size
        some = dataset.subset(thinned(len(dataset), size))
        loader = TensorLoader(some, self._context.source, size, train=False)
        return Quantised(network, [torch.cat([x for x, *_ in loader])])

    def _trace(self, network: nn.Module) -> str:
        """Keep the network's layer shapes; their hash."""
        layers = layer_shapes(
            network, self._context.stream.example_input.to(self._context.device)
        )
        key = network_hash(layers)
        self.networks[key] = layers
        return key


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """In evaluation mode for a while; then every module is in the mode that it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
