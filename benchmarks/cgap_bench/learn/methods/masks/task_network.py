"""A backbone whose weights depend on the task: what all masked networks have in common."""

import copy
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import torch
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.func import functional_call

NOT_LEARNT = -1


class PerChannel(StrEnum):
    """Who trains biases and batch norms: few numbers, but each of them can forget."""

    OWN = "own"  # every task has a copy of its own, started from that of the task before
    FIRST = "first"  # the first task alone; frozen afterwards, statistics included


class TaskNetwork(MultiTaskModule):  # type: ignore[misc]
    """One backbone, with weights, per-channel values and a head for each task.

    A subclass says what the weights of a task are (`weights`) and what happens when a task
    begins and ends. `TaskPlugin` calls it from Avalanche's loop.

    Args:
        network: A chain whose last module, a Linear, is the model of the heads.
        tasks: Task labels, in any order; they can be learnt in any other.
        per_channel: What happens to biases and batch norms.
    """

    positions: Tensor

    def __init__(
        self,
        network: nn.Sequential,
        tasks: Iterable[int],
        per_channel: PerChannel = PerChannel.OWN,
    ) -> None:
        super().__init__()
        *body, (_, head) = network.named_children()
        assert isinstance(head, nn.Linear)
        self.backbone = nn.Sequential(OrderedDict(body))
        self.per_channel = per_channel
        self.labels = list(tasks)

        self.heads = nn.ModuleDict({str(task): _fresh(head) for task in self.labels})
        self.channels = nn.ModuleDict()
        if per_channel is PerChannel.OWN:
            for task in self.labels:
                self.channels[str(task)] = self.channel_values()
        # when each task was learnt, counted from 0
        self.register_buffer("positions", torch.full((len(self.labels),), NOT_LEARNT))
        self.current: int | None = None

    def weight_names(self) -> list[str]:
        """Parameters of the backbone that are shared by masks: of convolutions and linears."""
        dense = (nn.Conv2d, nn.Linear)
        modules = dict(self.backbone.named_modules())
        return [f"{name}.weight" for name, m in modules.items() if isinstance(m, dense)]

    def channel_values(self) -> nn.Module:
        """What a task has of its own beside weights and head, as the backbone has it now."""
        return _ChannelValues(self.backbone, self.weight_names())

    def weight(self, name: str) -> nn.Parameter:
        """The parameter that training changes."""
        return self.backbone.get_parameter(name)

    @abstractmethod
    def weights(self, task: int) -> Mapping[str, Tensor]:
        """What a task computes with, by the parameter's name; at work with gradients."""

    def begin(self, task: int) -> None:
        """Make room for a task; only its own values take gradients from here on.

        Raises:
            ValueError: The task was learnt before.
        """
        index = self.labels.index(task)
        if self.positions[index] != NOT_LEARNT:
            raise ValueError(f"task {task} was learnt before; its weights are settled")
        before = self.n_learnt - 1
        if self.per_channel is PerChannel.OWN and before >= 0:
            elder = self.labels[self.positions.tolist().index(before)]
            elder_values = self.channels[str(elder)].state_dict()
            self.channels[str(task)].load_state_dict(elder_values)
        self.positions[index] = before + 1
        self.current = task
        self.train_only(task)

    def finish(self, task: int) -> None:
        """Settle what a task has learnt; nothing of it changes any more."""
        self.current = None

    @property
    def n_learnt(self) -> int:
        """Tasks begun so far."""
        return int(self.positions.max()) + 1

    def position(self, task: int) -> int:
        """When a task was learnt, counted from 0; -1 if it was not."""
        return int(self.positions[self.labels.index(task)])

    def train_only(self, task: int) -> None:
        """Say which parameters take gradients; a subclass adds its own."""
        for label in map(str, self.labels):
            self.heads[label].requires_grad_(label == str(task))
            if label in self.channels:
                self.channels[label].requires_grad_(label == str(task))
        first = self.per_channel is PerChannel.FIRST and self.n_learnt == 1
        shared = set(self.weight_names())
        for name, parameter in self.backbone.named_parameters():
            if name not in shared:
                parameter.requires_grad_(first)
        self.train(self.training)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in torch; what takes gradients depends on which tasks were learnt."""
        keys = super().load_state_dict(state_dict, *args, **kwargs)
        if self.current is not None:
            self.train_only(self.current)
        return keys

    def train(self, mode: bool = True) -> "TaskNetwork":
        """As `nn.Module.train`; norms that the first task has settled stay in eval mode."""
        super().train(mode)
        if self.per_channel is PerChannel.FIRST and self.n_learnt > 1:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor, task_labels: Tensor | int) -> Tensor:
        """Logits (N, classes); each row goes through the network of its task label."""
        if isinstance(task_labels, int):
            return self._one_task(x, task_labels)
        present, index = torch.unique(task_labels, return_inverse=True)
        if len(present) == 1:
            return self._one_task(x, int(present))
        parts = [self._one_task(x[index == i], int(task)) for i, task in enumerate(present)]
        logits = parts[0].new_empty(len(x), parts[0].shape[1])
        for i, part in enumerate(parts):
            logits[index == i] = part
        return logits

    def _one_task(self, x: Tensor, task: int) -> Tensor:
        features: Tensor = functional_call(self.backbone, self.values(task), (x,))
        return self.headed(features, task)

    def values(self, task: int) -> dict[str, Tensor]:
        """Weights, per-channel parameters and statistics of a task."""
        values = dict(self.weights(task))
        if str(task) in self.channels:
            channels: Any = self.channels[str(task)]
            values |= dict(channels.values())
        return values

    def headed(self, features: Tensor, task: int) -> Tensor:
        """Logits (N, classes) from features (N, F)."""
        logits: Tensor = self.heads[str(task)](features)
        return logits

    @torch.no_grad()
    def network_for(self, task: int) -> nn.Sequential:
        """A plain copy of what inference of one task executes: dense, zeros included."""
        body = copy.deepcopy(self.backbone).requires_grad_(False)
        state = body.state_dict()
        state.update({name: value.detach() for name, value in self.values(task).items()})
        body.load_state_dict(state)
        head = copy.deepcopy(self.heads[str(task)]).requires_grad_(False)
        return nn.Sequential(*body, head)

    def stored_parameters(self) -> int:
        """Numbers stored for the tasks learnt so far, without the bits of masks."""
        learnt = [str(task) for task in self.labels if self.position(task) != NOT_LEARNT]
        own = [self.heads[task] for task in learnt]
        own += [self.channels[task] for task in learnt if task in self.channels]
        n = sum(p.numel() for module in own for p in module.parameters())
        shared = set(self.weight_names())
        for name, parameter in self.backbone.named_parameters():
            if name in shared or self.per_channel is PerChannel.FIRST:
                n += parameter.numel()
        return n

    def n_weights(self) -> int:
        """Weights that masks choose from."""
        return sum(self.weight(name).numel() for name in self.weight_names())

    @abstractmethod
    def mask_bits(self) -> int:
        """Bits that tell the weights of the tasks learnt so far apart."""


class TaskPlugin(SupervisedPlugin):  # type: ignore[misc]
    """Tells a `TaskNetwork`, the strategy's model, when a task begins and when it ends.

    Place it after plugins that restore weights at the end of an experience.
    """

    STATE: tuple[str, ...] = ()  # of a run that is resumed: all is the model's

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """A task begins."""
        task = _task(strategy.experience)
        strategy.model.begin(task)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """A task ends."""
        strategy.model.finish(_task(strategy.experience))


class _ChannelValues(nn.Module):
    """A copy of the parameters and buffers of a network that are not weights."""

    def __init__(self, network: nn.Module, weights: Iterable[str]) -> None:
        super().__init__()
        shared = set(weights)
        self._names: dict[str, str] = {}
        for name, parameter in network.named_parameters():
            if name not in shared:
                self._names[_flat(name)] = name
                self.register_parameter(_flat(name), nn.Parameter(parameter.detach().clone()))
        for name, buffer in network.named_buffers():
            self._names[_flat(name)] = name
            self.register_buffer(_flat(name), buffer.clone())

    def values(self) -> Iterator[tuple[str, Tensor]]:
        """By their name in the network."""
        for own, value in [*self.named_parameters(), *self.named_buffers()]:
            yield self._names[own], value


def _flat(name: str) -> str:
    """A name that a module accepts for a parameter of its own."""
    return name.replace(".", "__")


def _fresh(head: nn.Linear) -> nn.Linear:
    return nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)


def _task(experience: Any) -> int:
    """The task label of an experience.

    Raises:
        ValueError: It has several.
    """
    (label, *others) = experience.task_labels
    if others:
        raise ValueError(f"masks are of one task each; this experience has {[label, *others]}")
    return int(label)
