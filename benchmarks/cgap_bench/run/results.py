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
from cgap_bench.record.record import network_hash
from cgap_bench.shapes.tracing import layer_shapes


class Results:
    """The measurements of one run so far; the public attributes are those of a record."""

    STATE = (
        "accuracy",
        "accuracy_8bit",
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
        self.accuracy_8bit: list[float | None] = []
        self.networks: dict[str, list[dict[str, Any]]] = {}
        self.subnetworks: list[list[str]] = []
        self.stored_parameters: list[int] = []
        self.timings: dict[str, Any] = {"train_s": [], "evaluate_s": []}
        self._since = time.perf_counter()
        self.training_macs: list[int] = []
        self.macs_beside: list[int] = []

    def measure(self, learner: Learner) -> None:
        """Measure a learner on all tasks so far, one more than at the last call."""
        n, n_learnt = self._context.stream.n_experiences, len(self.accuracy) + 1
        row: list[float | None] = [None] * n
        rounded: list[float | None] = [None] * n
        used, whose = [], f"method {self._context.config.method}"
        for task in range(n_learnt):  # one network at a time: together they may not fit
            network = network_of(whose, learner, self._context.stream.task_labels[task])
            if network is None:
                continue
            network.eval()
            row[task] = self._accuracy(network, task)
            used.append(self._trace(network))
            if n_learnt == n:
                rounded[task] = self._accuracy(self._in_8_bits(network, task), task)

        self.accuracy.append(row)
        self.accuracy_8bit = rounded if n_learnt == n else []
        self.subnetworks.append(used)
        self.stored_parameters.append(stored_by(whose, learner))
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
    def _accuracy(self, network: nn.Module, task: int) -> float:
        """Share of a task's images that are classified right; batches in file order."""
        dataset = self._context.stream.scored[task]
        size = self._context.config.training.eval_batch_size
        n_right = 0
        for x, y, _ in TensorLoader(dataset, self._scored, size, train=False):
            logits = network(x)
            if logits.isnan().any():
                raise DivergedError
            n_right += int((logits.argmax(1) == y).sum())
        return n_right / len(dataset)

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
