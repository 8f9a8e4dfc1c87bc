"""What a method is to the runner, and what the runner hands to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import nn

from cgap_bench.learn.batches import BatchSource, TensorStrategy
from cgap_bench.learn.learning_rate import schedule_plugin
from cgap_bench.learn.networks import build_network, width_for
from cgap_bench.learn.streams import Stream
from cgap_bench.record.configuration import NetworkSettings, RunConfig, Settings
from cgap_bench.registry import Registry
from cgap_bench.shapes.tracing import layer_shapes, total_macs


class Learner(Protocol):
    """A method at work on one stream."""

    extra: dict[str, Any]

    @property
    def history(self) -> list[dict[str, Any]]:
        """What was done to the structure, in order."""

    def learn(self, experience: Any) -> None:
        """Train on one experience of Avalanche."""

    def network_for(self, task: int) -> nn.Module | None:
        """What one inference of a task seen so far executes; None before anything is learnt."""

    def stored_parameters(self) -> int:
        """Parameters stored for all tasks learnt so far, heads included."""


@dataclass(frozen=True)
class Context:
    """What a method gets to work with.

    Attributes:
        config: The run.
        stream: Its data.
        source: Training images on the device; draws the same batches for all methods.
        target_macs: MACs of the CGaP run of the same seed, for methods sized by it.
        target_widths: Units per group that each of its tasks executes.
        on_images: Told the number of training images after each epoch.
    """

    config: RunConfig
    stream: Stream
    source: BatchSource
    target_macs: float | None = None
    target_widths: Sequence[Mapping[str, int]] = ()
    on_images: Callable[[int], None] = field(default=lambda _n: None)

    @property
    def n_outputs(self) -> int:
        """Classes of one experience."""
        return len(self.stream.classes[0])

    def network(self, width: float = 1.0) -> nn.Sequential:
        """The reference network times a width, newly initialised, on the CPU."""
        settings = self.config.network
        scaled = NetworkSettings(**(settings.model_dump() | {"width": settings.width * width}))
        return build_network(scaled, self.stream.input_shape, self.n_outputs)

    def equal_width(self) -> float:
        """The width at which one inference takes as many MACs as one of CGaP, on average."""
        assert self.target_macs is not None
        with torch.random.fork_rng(devices=[]):
            return width_for(self.target_macs, self._macs)

    def _macs(self, width: float) -> int:
        return total_macs(layer_shapes(self.network(width), self.stream.example_input))

    def strategy(
        self, model: nn.Module, plugins: Sequence[SupervisedPlugin] = ()
    ) -> TensorStrategy:
        """Avalanche's plain strategy with the optimizer, schedule and batches of the preset."""
        training = self.config.training
        model.to(self.device)
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=training.lr,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
        )
        schedule = schedule_plugin(training, self.stream.heldout, self.source)
        return TensorStrategy(
            source=self.source,
            precision=training.precision,
            model=model,
            optimizer=optimizer,
            train_mb_size=training.batch_size,
            eval_mb_size=training.eval_batch_size,
            train_epochs=training.epochs,
            device=self.device,
            plugins=[schedule, *plugins, _Progress(self.on_images)],
            evaluator=EvaluationPlugin(loggers=[BaseLogger()]),
        )

    @property
    def device(self) -> torch.device:
        """Where to train."""
        return self.source.store.images.device


class NoSettings(Settings):
    """Of a method that has nothing to set."""


class _Progress(SupervisedPlugin):  # type: ignore[misc]
    def __init__(self, on_images: Callable[[int], None]) -> None:
        super().__init__()
        self._on_images = on_images

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        self._on_images(len(strategy.adapted_dataset))


@dataclass(frozen=True)
class Method:
    """One entry of the registry.

    Attributes:
        summary: One line for `cgap-cl list methods`.
        settings: The method's own configuration.
        build: Makes the learner.
        sized_by_cgap: Whether it runs after the CGaP run of the same seed and takes its MACs.
        board: From its settings, the board whose costs steer it; None where none does.
    """

    summary: str
    settings: type[Settings]
    build: Callable[[Context, Any], Learner]
    sized_by_cgap: bool = False
    board: Callable[[Any], str | None] = lambda _settings: None


METHODS: Registry[Method] = Registry("method", package="cgap_bench.learn.methods")
