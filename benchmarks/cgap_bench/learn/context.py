"""What the runner hands to a method: the data, the batches, and how to train on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import nn

from cgap_bench.learn.batches import BatchSource, TensorLoader, TensorStrategy, TrainingWatch
from cgap_bench.learn.learning_rate import learning_rate_plugin
from cgap_bench.learn.loop.optimizers import optimizer_of
from cgap_bench.learn.loop.precise_bn import PreciseBN
from cgap_bench.learn.network import build_network
from cgap_bench.learn.sizes import n_parameters, width_for
from cgap_bench.learn.streams import Stream
from cgap_bench.learn.telling.teller import Tell, Teller
from cgap_bench.learn.training_macs import TrainingMacs
from cgap_bench.record.configuration import (
    NetworkSettings,
    RunConfig,
)
from cgap_bench.shapes.tracing import layer_shapes, total_macs


@dataclass(frozen=True)
class Context:
    """What a method gets to work with.

    Attributes:
        config: The run.
        stream: Its data.
        source: Training images on the device; draws the same batches for all methods.
        target_macs: MACs of the CGaP run of the same seed, for methods sized by it.
        target_widths: Units per group that each of its tasks executes.
        tell: Told training images as they go through, and where training stands.
        means: Whether to tell the means of each epoch too.
        watch: Looks on in training, and may keep its state.
        target_stored: Parameters that it stores after its last task.
        target_peak: MACs of its largest column in training, of the reference network's; None
            where its prices are not MACs.
        target_training_macs: MACs of its forward and backward passes; 0: not known.
        training_macs: Counts those of this run.
    """

    config: RunConfig
    stream: Stream
    source: BatchSource
    target_macs: float | None = None
    target_widths: Sequence[Mapping[str, int]] = ()
    tell: Tell = field(default=lambda _what: None)
    means: bool = False
    watch: TrainingWatch = field(default_factory=TrainingWatch)
    target_stored: int = 0
    target_peak: float | None = None
    target_training_macs: int = 0
    training_macs: TrainingMacs = field(default_factory=TrainingMacs)

    @property
    def n_outputs(self) -> int:
        """Classes of a head."""
        return self.stream.n_outputs

    @property
    def heads(self) -> list[int]:
        """Task labels, each of which has a head; one only where the task is not told."""
        return sorted(set(self.stream.task_labels))

    def network(self, width: float = 1.0) -> nn.Sequential:
        """The reference network times a width, newly initialised, on the CPU."""
        settings = self.config.network
        scaled = NetworkSettings(**(settings.model_dump() | {"width": settings.width * width}))
        return build_network(scaled, self.stream.input_shape, self.n_outputs)

    def equal_width(self) -> float:
        """The width at which one inference takes as many MACs as one of CGaP, on average."""
        assert self.target_macs is not None
        return self.width_for_macs(self.target_macs)

    def width_for_parameters(self, n_stored: float) -> float:
        """The width at which a network with a head a task stores so many parameters."""
        n_heads = len(self.heads)

        def stored(width: float) -> int:
            *backbone, head = self.network(width)
            return sum(map(n_parameters, backbone)) + n_heads * n_parameters(head)

        with torch.random.fork_rng(devices=[]):
            return width_for(n_stored, stored)

    def width_for_macs(self, macs: float) -> float:
        """The width at which one inference takes so many MACs; draws no random numbers."""
        with torch.random.fork_rng(devices=[]):
            return width_for(macs, lambda width: self.macs(self.network(width)))

    def macs(self, network: nn.Module) -> int:
        """MACs of one inference."""
        return total_macs(layer_shapes(network, self.stream.example_input))

    def strategy(
        self, model: nn.Module, plugins: Sequence[SupervisedPlugin] = ()
    ) -> TensorStrategy:
        """Avalanche's plain strategy, with what the preset says on optimizer and batches."""
        training = self.config.training
        model.to(self.device)

        optimizer = optimizer_of(model.parameters(), training)
        learning_rate = learning_rate_plugin(training, self.stream.heldout_of, self.source)
        first = [learning_rate]
        if training.precise_bn:
            first.append(PreciseBN(training.eval_batch_size, self._as_scored))
        teller = Teller(self.tell, self.means)
        return TensorStrategy(
            source=self.source,
            precision=training.precision,
            watch=self.watch,
            model=model,
            optimizer=optimizer,
            train_mb_size=training.batch_size,
            eval_mb_size=training.eval_batch_size,
            train_epochs=training.epochs,
            device=self.device,
            plugins=[*first, *plugins, self.training_macs, teller],
            evaluator=EvaluationPlugin(loggers=[BaseLogger()]),
        )

    def _as_scored(self, dataset: Any, size: int) -> TensorLoader:
        return TensorLoader(dataset, self.source, size, train=False)

    @property
    def device(self) -> torch.device:
        """Where to train."""
        return self.source.store.device
