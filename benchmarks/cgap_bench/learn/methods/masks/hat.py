"""HAT: hard attention to the task, a gate for every unit."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cgap_bench.learn.methods.masks.task_network import PerChannel, TaskNetwork, TaskPlugin

LARGEST_EMBEDDING, LARGEST_COSH = 6.0, 50.0  # authors' code; limits against overflow


class HAT(TaskNetwork):
    """Serra et al. 2018 (HAT): units are gated by the task, and protected as far as they are.

    A unit's output is multiplied by its gate sigmoid(s * e), e an embedding that is trained
    and s the slope (equation 1). The gate scales the columns of the next layer that read the
    unit, which is the same where every module between acts on each channel alone and a
    non-negative factor passes through it (ReLU, pooling, dropout, flatten), so that inference
    executes plain layers. Deviations: each task has its own batch norms and biases; what
    protects old tasks scales the whole update of a weight, not its gradient: the same for
    plain SGD, and right with momentum and weight decay too.

    Args:
        network: A plain chain whose last module is the model of the heads.
        tasks: Task labels.
        per_channel: What happens to biases and batch norms.
        largest_slope: s_max, the slope of inference.

    Raises:
        ValueError: The network is not a plain chain, or has a grouped convolution.
    """

    def __init__(
        self,
        network: nn.Sequential,
        tasks: Iterable[int],
        per_channel: PerChannel = PerChannel.OWN,
        largest_slope: float = 400.0,
    ) -> None:
        super().__init__(network, tasks, per_channel)
        self.largest_slope = self.slope = largest_slope
        self.embeddings, self.gates, self.protected = (
            nn.ParameterDict(),
            nn.Module(),
            nn.Module(),
        )
        children = dict(self.backbone.named_children())
        for name in self.weight_names():
            layer = children.get(name.removesuffix(".weight"))
            if layer is None or getattr(layer, "groups", 1) != 1:
                raise ValueError(
                    f"HAT needs a plain chain of layers without groups; not {name}"
                )
            n, key = self.weight(name).shape[0], name.replace(".", "__")
            self.embeddings[key] = nn.Parameter(torch.randn(n))
            self.gates.register_buffer(key, torch.zeros(len(self.labels), n))
            self.protected.register_buffer(key, torch.zeros(n))

    def gate(self, name: str, task: int) -> Tensor:
        """Gates of a layer's units, (units,), each in [0, 1]."""
        key = name.replace(".", "__")
        if task != self.current:
            return self.gates.get_buffer(key)[self.position(task)]
        slope = self.slope if self.training else self.largest_slope
        return torch.sigmoid(slope * self.embeddings[key])

    def weights(self, task: int) -> Mapping[str, Tensor]:
        """Each layer's weights, its columns scaled by the gates of the layer before."""
        values: dict[str, Tensor] = {}
        before: Tensor | None = None
        for name in self.weight_names():
            weight = self.weight(name)
            values[name] = weight if before is None else weight * _columns(before, weight)
            before = self.gate(name, task)
        return values

    def headed(self, features: Tensor, task: int) -> Tensor:
        """Logits; the head's columns are scaled by the gates of the last layer."""
        head: Any = self.heads[str(task)]
        scaled = head.weight * self._head_columns(head.weight, task)
        return nn.functional.linear(features, scaled, head.bias)

    def _head_columns(self, weight: Tensor, task: int) -> Tensor:
        return _columns(self.gate(self.weight_names()[-1], task), weight)

    @torch.no_grad()
    def network_for(self, task: int) -> nn.Sequential:
        """A plain copy of what inference of one task executes: dense, zeros included."""
        network = super().network_for(task)
        head: Any = network[-1]
        head.weight.mul_(self._head_columns(head.weight, task))
        return network

    @torch.no_grad()
    def begin(self, task: int) -> None:
        """Embeddings start anew."""
        super().begin(task)
        for embedding in self.embeddings.values():
            embedding.normal_()

    @torch.no_grad()
    def finish(self, task: int) -> None:
        """Keep the gates at the largest slope; protect the units that are open."""
        for name in self.weight_names():
            key = name.replace(".", "__")
            gate = torch.sigmoid(self.largest_slope * self.embeddings[key])
            self.gates.get_buffer(key)[self.position(task)] = gate
            protected = self.protected.get_buffer(key)
            protected.copy_(torch.maximum(protected, gate))
        super().finish(task)

    def openness(self) -> Tensor:
        """Mean gate of the units that no earlier task has opened (equation 6), a scalar."""
        assert self.current is not None
        total, free = torch.zeros(()), torch.zeros(())
        for name in self.weight_names():
            unprotected = 1 - self.protected.get_buffer(name.replace(".", "__"))
            opened = (self.gate(name, self.current) * unprotected).sum()
            total, free = total.to(opened) + opened, free.to(opened) + unprotected.sum()
        return total / free.clamp(min=1.0)  # nothing is free: nothing to save

    def plasticity(self, name: str) -> Tensor:
        """How far each weight of a layer may still move, in [0, 1] (equation 2)."""
        names, weight = self.weight_names(), self.weight(name)
        out = self.protected.get_buffer(name.replace(".", "__"))
        shape = (-1,) + (1,) * (weight.dim() - 1)
        held = out.view(shape).expand_as(weight)
        if (index := names.index(name)) > 0:
            before = self.protected.get_buffer(names[index - 1].replace(".", "__"))
            held = torch.minimum(held, _columns(before, weight))
        return 1 - held

    @torch.no_grad()
    def compensate(self) -> None:
        """Undo what the slope does to the size of the embeddings' gradients (equation 5)."""
        for embedding in self.embeddings.values():
            if embedding.grad is None:
                continue
            steep = (self.slope * embedding).clamp(-LARGEST_COSH, LARGEST_COSH)
            ratio = (torch.cosh(steep) + 1) / (torch.cosh(embedding) + 1)
            embedding.grad.mul_(self.largest_slope / self.slope * ratio)

    @torch.no_grad()
    def bound(self) -> None:
        """Keep embeddings where their gradients are alive."""
        for embedding in self.embeddings.values():
            embedding.clamp_(-LARGEST_EMBEDDING, LARGEST_EMBEDDING)

    def mask_bits(self) -> int:
        """One bit for each unit and task."""
        units = sum(self.weight(name).shape[0] for name in self.weight_names())
        return units * self.n_learnt


class HATPlugin(TaskPlugin):
    """Runs a `HAT`: the slope of each batch, the price of open gates, what may move.

    Args:
        price: Of open gates, the paper's c.
    """

    STATE = ("_plasticity",)

    def __init__(self, price: float = 0.75) -> None:
        super().__init__()
        self._price = price
        self._plasticity: dict[str, Tensor] = {}
        self._before: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """What is protected stays so for the whole experience."""
        super().before_training_exp(strategy)
        model = strategy.model
        later = model.n_learnt > 1
        names = model.weight_names() if later else []
        self._plasticity = {name: model.plasticity(name) for name in names}

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """The slope rises from 1 / s_max to s_max within each epoch (equation 3)."""
        model = strategy.model
        last = max(1, len(strategy.dataloader) - 1)
        progress = min(1.0, strategy.clock.train_epoch_iterations / last)
        low = 1 / model.largest_slope
        model.slope = low + (model.largest_slope - low) * progress

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """The price of gates that open units which no task used before."""
        strategy.loss = strategy.loss + self._price * strategy.model.openness()

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Embeddings' gradients; where the weights are before the step."""
        strategy.model.compensate()
        self._before = {
            name: strategy.model.weight(name).detach().clone() for name in self._plasticity
        }

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        """Take back what protected weights have moved."""
        strategy.model.bound()
        for name, before in self._before.items():
            weight = strategy.model.weight(name)
            torch.lerp(before, weight, self._plasticity[name], out=weight)


def _columns(units: Tensor, weight: Tensor) -> Tensor:
    """A value a unit -> one for each column of the weight that reads units, broadcast."""
    n_columns = weight.shape[1]
    spread = units.repeat_interleave(n_columns // len(units))  # flatten: positions of a unit
    return spread.view(1, -1, *(1,) * (weight.dim() - 2))
