"""TRGP: related old tasks lend their directions, scaled, without being moved themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from avalanche.models import avalanche_forward
from torch import Tensor, nn
from torch.nn import functional

from cgap_bench.learn.methods.masks.task_network import PerChannel, TaskNetwork
from cgap_bench.learn.methods.penalties.sensitivity import batches
from cgap_bench.learn.methods.projections.gpm import GradientProjection
from cgap_bench.learn.methods.projections.spaces import extended, layers_of
from cgap_bench.learn.training_macs import beside_training


class TrustRegionNetwork(TaskNetwork):
    """Shared weights, scaled for each task along the inputs of a few older ones.

    Lin et al. 2022 (TRGP), equation 7: W + sum_j W B_j A_j B_j^T, with B_j a basis of the
    inputs of a related task j and A_j trained from zero (the paper's scale is I + A_j).
    Inference executes one plain layer, the sum. Biases and batch norms are the first task's.

    Args:
        network: A chain whose last module is the model of the heads.
        tasks: Task labels.
        n_related: Old tasks at most whose directions a layer may use.
    """

    def __init__(
        self, network: nn.Sequential, tasks: Iterable[int], n_related: int = 2
    ) -> None:
        super().__init__(network, tasks, PerChannel.FIRST)
        layers_of(self.backbone)
        self.n_related = n_related
        self.scales = nn.ParameterDict()  # of the task at work; as large as they can become
        self.memory = nn.Module()  # bases, related tasks and scales of finished tasks
        for name in self.weight_names():
            d = self.weight(name)[0].numel()
            for i in range(n_related):
                self.scales[_key(name, i)] = nn.Parameter(torch.zeros(d, d))

    def space(self, name: str, task: int) -> Tensor:
        """Basis of the inputs that a layer had in a task, (d, k)."""
        return self.memory.get_buffer(_key(name, task, "space"))

    def related(self, name: str, task: int) -> list[int]:
        """Old tasks whose directions a layer uses in a task."""
        key = _key(name, task, "related")
        stored = getattr(self.memory, key, None)
        return [] if stored is None else [int(label) for label in stored.tolist()]

    def weights(self, task: int) -> Mapping[str, Tensor]:
        """The shared weights and what the task's scales add to them."""
        return {name: self._weight_of(name, task) for name in self.weight_names()}

    def _weight_of(self, name: str, task: int) -> Tensor:
        weight = self.weight(name)
        rows, added = weight.flatten(1), None
        for i, elder in enumerate(self.related(name, task)):
            basis = self.space(name, elder)
            part = rows @ basis @ self._scale(name, task, i, basis.shape[1]) @ basis.T
            added = part if added is None else added + part
        return weight if added is None else weight + added.view_as(weight)

    def _scale(self, name: str, task: int, i: int, n: int) -> Tensor:
        if task != self.current:
            return self.memory.get_buffer(_key(name, task, f"scale{i}"))
        scale: Tensor = self.scales[_key(name, i)]
        return scale[:n, :n]

    @torch.no_grad()
    def begin(self, task: int) -> None:
        """Scales start at zero: at first the task computes with the shared weights."""
        super().begin(task)
        for scale in self.scales.values():
            scale.zero_()

    def relate(self, name: str, elders: list[int]) -> None:
        """Choose the old tasks of the task at work for a layer."""
        assert self.current is not None
        labels = torch.tensor(elders, dtype=torch.int64, device=self.weight(name).device)
        self._store(_key(name, self.current, "related"), labels)

    def remember(self, name: str, task: int, basis: Tensor) -> None:
        """Keep the basis of a layer's inputs."""
        self._store(_key(name, task, "space"), basis)

    @torch.no_grad()
    def finish(self, task: int) -> None:
        """Keep the scales."""
        for name in self.weight_names():
            for i, elder in enumerate(self.related(name, task)):
                n = self.space(name, elder).shape[1]
                self._store(
                    _key(name, task, f"scale{i}"), self._scale(name, task, i, n).clone()
                )
        super().finish(task)

    def _store(self, key: str, value: Tensor) -> None:
        self.memory.register_buffer(key, value)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in torch, for what was stored with other sizes of memory too."""
        for key in list(self.memory._buffers):
            del self.memory._buffers[key]
        for key, value in state_dict.items():
            if key.startswith("memory."):
                self._store(key.removeprefix("memory."), value.clone())
        return super().load_state_dict(state_dict, *args, **kwargs)

    def stored_parameters(self) -> int:
        """Also bases and scales, without which no old task can be computed."""
        extra = [b for b in self.memory.buffers() if b.is_floating_point()]
        return super().stored_parameters() + sum(b.numel() for b in extra)

    def mask_bits(self) -> int:
        """There are no masks."""
        return 0


class TrustRegionProjection(GradientProjection):
    """Runs a `TrustRegionNetwork`: relates tasks, projects steps beside all old inputs.

    An old task is related in a layer if the gradient of the new one lies in its inputs by the
    threshold `relatedness` (equation 5); the nearest `n_related` are used. Bases of all tasks
    together span what weights may not move in.

    Args:
        relatedness: Least length of the gradient's part in an old basis, in units of its own.
        options: See `GradientProjection`.
    """

    def __init__(self, relatedness: float = 0.5, **options: Any) -> None:
        super().__init__("backbone", **options)
        self._relatedness = relatedness

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """A task begins; its relatives are chosen by its first gradient."""
        model = strategy.model
        (label,) = strategy.experience.task_labels
        elders = [task for task in model.labels if model.position(task) >= 0]
        model.begin(label)
        if elders:
            with beside_training(strategy, "relatedness"):
                for name, gradient in self._gradients(strategy).items():
                    model.relate(name, self._relatives(model, name, gradient, elders))
        super().before_training_exp(strategy)

    def _relatives(
        self, model: TrustRegionNetwork, name: str, gradient: Tensor, elders: list[int]
    ) -> list[int]:
        length = gradient.norm()
        shares = {
            task: float((gradient @ model.space(name, task)).norm() / length.clamp(min=1e-12))
            for task in elders
        }
        close = [task for task in elders if shares[task] >= self._relatedness]
        return sorted(close, key=lambda task: -shares[task])[: model.n_related]

    def _gradients(self, strategy: Any) -> dict[str, Tensor]:
        """Of the loss on some images of the experience, by layer, (out, d)."""
        model = strategy.model
        (x, y, labels), *_others = batches(strategy, self._n_images, self._n_images)
        was_training = model.training
        model.eval()
        names = model.weight_names()
        loss = functional.cross_entropy(avalanche_forward(model, x, labels), y)
        found = torch.autograd.grad(loss, [model.weight(name) for name in names])
        model.train(was_training)
        return {name: g.flatten(1) for name, g in zip(names, found, strict=True)}

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Keep the bases of the task's inputs, and the span of all."""
        model = strategy.model
        (label,) = strategy.experience.task_labels
        threshold = self._first
        with beside_training(strategy, "bases"):
            for layer, inputs in self.inputs(strategy).items():
                empty = inputs.new_zeros(len(inputs), 0)
                share = min(1.0, threshold + self.n_learnt * self._step)
                basis = extended(empty, inputs, share)
                model.remember(f"{layer}.weight", label, basis)
                self.bases[layer] = extended(self.bases.get(layer, empty), basis, 1 - 1e-9)
                threshold = self._threshold
        self.n_learnt += 1
        self._before = {}
        model.finish(label)


def _key(name: str, number: int, what: str = "") -> str:
    """A name that a module accepts."""
    return "__".join([name.replace(".", "__"), str(number), what])
