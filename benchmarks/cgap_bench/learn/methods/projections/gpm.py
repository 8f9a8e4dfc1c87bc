"""Gradient projection memory: weights move beside the inputs of old tasks."""

from collections.abc import Mapping
from typing import Any

import torch
from avalanche.models import avalanche_forward
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from cgap_bench.learn.methods.penalties.sensitivity import batches
from cgap_bench.learn.methods.projections.spaces import (
    beside,
    columns,
    extended,
    layers_of,
    watched_inputs,
)
from cgap_bench.learn.training_macs import beside_training

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class GradientProjection(SupervisedPlugin):  # type: ignore[misc]
    """Saha, Garg and Roy 2021 (GPM), algorithm 1.

    After each experience a basis of each layer's inputs is kept; later steps have no component
    in it, so what the layer computes on those inputs stays. Biases and batch norms, statistics
    included, are frozen after the first experience, as in the authors' code. Deviation: the
    step is projected instead of the gradient, the same for plain SGD, and right with momentum,
    weight decay and other optimizers too.

    Args:
        backbone: Name of the model's part whose layers are protected; "" is all of it. Heads of
            single tasks do not need it.
        threshold: Share of the inputs' squared length that a basis holds.
        step: What is added to the threshold with each experience.
        n_images: Images of an experience whose inputs are looked at.
        n_columns: Inputs of a layer at most; patches of images are many.
        first_threshold: The threshold of the first layer, which reads the images themselves;
            None: that of the others.

    Raises:
        ValueError: A threshold is no share.
    """

    def __init__(
        self,
        backbone: str = "backbone",
        threshold: float = 0.97,
        step: float = 0.003,
        n_images: int = 125,
        n_columns: int = 4000,
        first_threshold: float | None = None,
    ) -> None:
        super().__init__()
        first = threshold if first_threshold is None else first_threshold
        for name, share in {"threshold": threshold, "first_threshold": first}.items():
            if not 0 < share <= 1:
                raise ValueError(f"{name}={share} is not in (0, 1]")
        self._backbone, self._threshold, self._step = backbone, threshold, step
        self._first = first
        self._n_images, self._n_columns = n_images, n_columns
        self.bases: dict[str, Tensor] = {}
        self.n_learnt = 0
        self._before: dict[str, Tensor] = {}

    def protected(self, strategy: Any) -> nn.Module:
        """The part of the model that all tasks share."""
        model: nn.Module = strategy.model
        return model.get_submodule(self._backbone)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """After the first experience only weights train."""
        if self.n_learnt:
            self._freeze(strategy.model)

    def _freeze(self, model: nn.Module) -> None:
        """All of the shared part but its weights."""
        shared = model.get_submodule(self._backbone)
        weights = {f"{name}.weight" for name in layers_of(shared)}
        for name, parameter in shared.named_parameters():
            parameter.requires_grad_(name in weights)
        self._freeze_norms(shared)

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Statistics stay, whoever has put the model into training mode."""
        if self.n_learnt:
            self._freeze_norms(self.protected(strategy))

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Where the weights are before the step."""
        if self.n_learnt:
            layers = layers_of(self.protected(strategy))
            self._before = {n: layer.weight.detach().clone() for n, layer in layers.items()}

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        """Take back what the step has along the inputs of old tasks."""
        if not self._before:
            return
        layers = layers_of(self.protected(strategy))
        with beside_training(strategy, "projection"):
            for name, before in self._before.items():
                weight = layers[name].weight
                weight.copy_(before + beside(weight - before, self.bases[name]))

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Extend the bases by the inputs of the experience that ends."""
        threshold = self._first
        with beside_training(strategy, "bases"):
            for name, inputs in self.inputs(strategy).items():
                empty = inputs.new_zeros(len(inputs), 0)
                basis = self.bases.get(name, empty)
                share = min(1.0, threshold + self.n_learnt * self._step)
                self.bases[name] = extended(basis, inputs, share)
                threshold = self._threshold
        self.n_learnt += 1
        self._before = {}

    def inputs(self, strategy: Any) -> dict[str, Tensor]:
        """Inputs of each layer on some images of the experience, (d, n)."""
        layers = layers_of(self.protected(strategy))
        (x, _, labels), *_others = batches(strategy, self._n_images, self._n_images)
        was_training = strategy.model.training
        strategy.model.eval()
        with torch.no_grad(), watched_inputs(layers) as seen:
            avalanche_forward(strategy.model, x, labels)
        strategy.model.train(was_training)
        return {n: columns(layers[n], value, self._n_columns) for n, value in seen.items()}

    def _freeze_norms(self, shared: nn.Module) -> None:
        for module in shared.modules():
            if isinstance(module, NORMS):
                module.eval()

    def state_dict(self) -> dict[str, Any]:
        """Bases, and how many experiences they are of."""
        return {"bases": dict(self.bases), "n_learnt": self.n_learnt}

    def load_state_dict(self, state: Mapping[str, Any], model: nn.Module | None = None) -> None:
        """The inverse of `state_dict`; freezes what is frozen of a model by then."""
        self.bases, self.n_learnt = dict(state["bases"]), state["n_learnt"]
        if model is not None and self.n_learnt:
            self._freeze(model)
